"""Fills the comparison of cells, directions and depths from measurement, and writes `benchmarks/cells.md`.

    python benchmarks/cells.py factory        states, parameters, time of gradients and of an answer; a minute
    python benchmarks/cells.py lags           the longest lag of the adding problem that is solved; half an hour
    python benchmarks/cells.py forecasting    scores on the demo data; and sentiment, generation, translation, speech
    python benchmarks/cells.py table          the page again, from the results

Everything runs on what the project holds: nothing has to be loaded. A row that was interrupted goes on with what it had
trained (folders in `runs/`).
"""

import os

os.environ |= {"TF_NUM_INTEROP_THREADS": "1", "TF_ENABLE_ONEDNN_OPTS": "0"}  # as the command line sets them

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import training_runs

from seqapps import run_folder, training
from seqapps.comparison import judging
from seqapps.comparison.plan import Plan, variants
from seqapps.config import TaskConfig
from seqapps.recurrent.stack import RecurrentStack

HERE = Path(__file__).parent
ROOT = HERE.parent
PREFIX = "cells-"  # of the results' names
UNITS, ROWS, STEPS, FEATURES, TURNS = 64, 32, 100, 64, 30
DEPTHS, LAGS = (1, 2), "--lags 10,25,50,100,200 --seeds 0 --max-steps 2000"
PLAN = "--cells simple_rnn,lstm,gru --depths 1,2"
BOTH, ONE = "--directions one,two", "--directions one"  # a language model reads in one direction alone
TASKS = {  # app, data, what is compared; the options of the demo, whose seeds are more where a training is short
    "forecasting": ("forecasting", "forecasting/sea_surface_temperature.csv", f"{PLAN} {BOTH} --seeds 0,1,2"),
    "sentiment": ("sentiment", "sentiment/reviews.csv", f"{PLAN} {BOTH} --seeds 0,1,2"),
    "generation": ("text_generation", "generation/commonplace.jsonl", f"{PLAN} {ONE} --seeds 0"),
    "translation": ("translation", "translation/english_french", f"{PLAN} {BOTH} --seeds 0"),
    "speech": ("speech", "speech/digits.csv", f"{PLAN} {BOTH} --seeds 0"),
}
MECHANISMS = {
    "simple_rnn": "one state, written anew at every step",
    "lstm": "a cell state that gates write to, and what is shown of it",
    "gru": "one state, of which a gate keeps a part",
}
# What is said of recurrent networks, as pairs of variants of which the second should have the better score.
CLAIMS = {
    "an LSTM is better than a SimpleRNN": {"simple_rnn": "lstm"},
    "a GRU is better than a SimpleRNN": {"simple_rnn": "gru"},
    "an LSTM is better than a GRU": {"gru": "lstm"},
    "two directions are better than one": {"one direction": "two directions"},
    "two layers are better than one": {"1 layer": "2 layers"},
}


def all_variants() -> dict[str, TaskConfig]:
    """The options of every variant by its name, as comparisons call it."""
    plan = Plan(directions=("one", "two"), depths=DEPTHS)
    return {variant.name: variant.config for variant in variants(plan, TaskConfig(units=UNITS))}


def measure_factory() -> dict[str, Any]:
    """States, parameters, milliseconds of the gradients of a batch and of an answer: all variants in turn, medians."""
    inputs = tf.random.stateless_normal((ROWS, STEPS, FEATURES), (0, 0))
    told, ways = {}, {}
    for name, config in all_variants().items():
        stack = RecurrentStack(UNITS, config.cell, num_layers=config.num_layers, bidirectional=config.bidirectional)
        stack.build(inputs.shape)
        sizes = [int(state.shape[-1]) for state in stack.initial_state(1)]
        told[name] = {"states": sizes, "parameters": stack.count_params()}
        ways[name] = {"gradients": _gradients(stack, inputs), "answer": _answer(stack, inputs)}
    took: dict[str, dict[str, list[float]]] = {name: {"gradients": [], "answer": []} for name in ways}
    for turn in range(-2, TURNS):  # the first turns trace and warm up
        for name, functions in ways.items():
            for kind, function in functions.items():
                began = time.perf_counter()
                function()
                if turn >= 0:
                    took[name][kind].append(time.perf_counter() - began)
    for name, kinds in took.items():
        told[name] |= {kind: 1000 * statistics.median(seconds) for kind, seconds in kinds.items()}
    return {"command": "python benchmarks/cells.py factory", "variants": told}


def _gradients(stack: RecurrentStack, inputs: tf.Tensor) -> Callable[[], Any]:
    """A call that computes the gradients of all weights."""
    weights = [weight.value for weight in stack.trainable_weights]

    @tf.function
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(stack(inputs, training=True)))
        return tape.gradient(loss, weights)

    return lambda: step()[0].numpy()


def _answer(stack: RecurrentStack, inputs: tf.Tensor) -> Callable[[], Any]:
    """A call that reads one row."""
    answer = tf.function(lambda: stack(inputs[:1], training=False))
    return lambda: answer().numpy()


def measure_lags() -> dict[str, Any]:
    """The longest lag of the adding problem that every cell solves with one layer and with two."""
    told, commands = {}, []
    for depth in DEPTHS:
        out = ROOT / "runs" / f"{PREFIX}lags-{depth}"
        options = f"--cells simple_rnn,lstm,gru {LAGS} --units {UNITS} --num-layers {depth}"
        _run(
            ["-c", "from seqapps.cli import console; console()", "problems", "adding", str(out), *options.split()], out
        )
        summary = run_folder.read_json(out / "problems.json")["summary"]["none"]
        told[str(depth)] = {cell: each["longest_solved_lag"] for cell, each in summary.items()}
        commands.append(f"seqapps problems adding OUT {options}")
    return {"command": commands, "longest": told}


def _run(words: list[str], out: Path) -> None:
    resume = ["--resume"] if (out / "problems.json").is_file() else []
    subprocess.run([sys.executable, *words, *resume], check=True)


def measure_task(task: str) -> dict[str, Any]:
    """A comparison on the demo data with the options of the demo."""
    app, data, options = TASKS[task]
    out = ROOT / "runs" / f"{PREFIX}{task}"
    config = Path("data") / task / "demo.toml"
    program = [sys.executable, str(ROOT / "apps" / f"{app}.py"), "compare", str(ROOT / "data" / data), str(out)]
    subprocess.run([*program, "--config", str(ROOT / config), *options.split()], check=True)
    comparison = run_folder.read_json(out / "comparison.json")
    told = f"python apps/{app}.py compare data/{data} OUT --config {config} {options}"
    for row in comparison["parts"][0]["rows"]:
        del row["runs"]  # whose names are those of this machine
    return {"command": told, "comparison": comparison}


def table() -> str:
    """The results as Markdown."""
    found = {name.removeprefix(PREFIX): result for name, result in training_runs.read_results().items()}
    lines = ["# Cells, directions and depths, measured", "", "Written by `python benchmarks/cells.py ROW`.", ""]
    tasks = {task: found[task]["comparison"] for task in TASKS if task in found}
    factory, lags = found.get("factory"), found.get("lags")
    header = [
        "",
        *(["memory: states of a row", "parameters", "gradients of a batch, ms", "answer, ms"] if factory else []),
    ]
    header += ["longest solved lag"] if lags else []
    header += [f"{task}: {each['score_name']}" for task, each in tasks.items()]
    lines += ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name, config in all_variants().items():
        cells = [name, *(_costs(factory["variants"][name]) if factory else [])]
        cells += [_lag(lags["longest"], config)] if lags else []
        cells += [_score(each, name) for each in tasks.values()]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *_legend(factory, lags, tasks), "", "## What is said, and what was measured", ""]
    lines += [f"- {sentence}" for sentence in [*_claims(tasks), *(_prices(factory) if factory else [])]]
    lines += [f"- {task}: {note}" for task, comparison in tasks.items() for note in comparison["notes"]]
    lines += ["", "## Commands", "", *(f"`{command}`  " for command in _commands(found)), ""]
    return "\n".join(lines)


def _costs(told: dict[str, Any]) -> list[str]:
    sizes = told["states"]
    states = f"{len(sizes)} × {sizes[0]}"
    return [states, f"{told['parameters']:,}", f"{told['gradients']:.1f}", f"{told['answer']:.1f}"]


def _lag(longest: dict[str, Any], config: TaskConfig) -> str:
    """Of one direction: read from its end, a sequence has its answer where a network begins."""
    return "" if config.bidirectional else str(longest[str(config.num_layers)][config.cell] or "none")


def _score(comparison: dict[str, Any], name: str) -> str:
    row = next((row for row in comparison["parts"][0]["rows"] if row["variant"] == name), None)
    return "" if row is None else f"{row['score']:.4g}"


def _legend(factory: Any, lags: Any, tasks: dict[str, Any]) -> list[str]:
    """What the columns mean."""
    told = [f"{name}: {mechanism}." for name, mechanism in MECHANISMS.items()]
    if factory:
        told.append(
            f"Times: {UNITS} units on {ROWS} rows (an answer: one row) of {STEPS} steps and {FEATURES} features, "
            f"medians of {TURNS} turns on {factory['machine']}."
        )
    if lags:
        told.append("Lag: of the adding problem, solved with one seed in 2,000 steps; one direction.")
    if tasks:
        told.append(
            "Scores: options and epochs are those of the demos, chosen for a GRU of one layer (sentiment and speech: "
            "in two directions); what learns more slowly had no more of them."
        )
    for task, comparison in tasks.items():
        part, better = comparison["parts"][0], "lower" if comparison["lower_is_better"] else "higher"
        baseline, seeds = part["baseline"], len(part["rows"][0]["scores"])
        told.append(
            f"{task}: {comparison['score_name']} on the demo's test part, mean of {seeds} seed(s), {better} is better; "
            f"best baseline: {baseline['method']}, {baseline['score']:.4g}."
        )
    return [" ".join(told)]


def _claims(tasks: dict[str, Any]) -> list[str]:
    """For every claim how often it holds, and how often a difference is more than the choice of test items explains."""
    if not tasks:
        return []
    told = "Beyond chance: with other test items it would be so too; of one seed, for the networks of that seed."
    return [*(f"{claim}: {_tally(CLAIMS[claim], tasks)}." for claim in CLAIMS), told]


def _tally(change: dict[str, str], tasks: dict[str, Any]) -> str:
    told = []
    for task, comparison in tasks.items():
        part = comparison["parts"][0]
        scores = {row["variant"]: row["score"] for row in part["rows"]}
        pairs = [pair for name in scores if (pair := _pair(name, change, scores))]
        sign = -1 if comparison["lower_is_better"] else 1
        better = [pair for pair in pairs if sign * (scores[pair[1]] - scores[pair[0]]) > 0]
        tests = {frozenset((each["first"], each["second"])): each for each in part["tests"]}
        if pairs:
            for_it, against = (
                sum(judging.is_real(tests[frozenset(pair)], pair[place]) for pair in pairs) for place in (1, 0)
            )
            beyond = f"{for_it} for it and {against} against it beyond chance"
            told.append(f"{task} {len(better)} of {len(pairs)} pairs ({beyond})")
    return "; ".join(told)


def _pair(name: str, change: dict[str, str], scores: dict[str, float]) -> tuple[str, str] | None:
    """A variant and the one that differs from it as a claim says, if both were compared."""
    ((old, new),) = change.items()
    parts = [*name.split(", ")]
    full = [parts[0], "two directions" if "two directions" in parts else "one direction"]
    full.append("2 layers" if "2 layers" in parts else "1 layer")
    if old not in full:
        return None
    changed = [new if part == old else part for part in full]
    other = ", ".join(part for part in changed if part not in ("one direction", "1 layer"))
    return (name, other) if other in scores else None


def _prices(factory: dict[str, Any]) -> list[str]:
    """What a GRU costs beside an LSTM, and a second direction or layer beside one."""
    told = factory["variants"]
    changes = (
        ("a GRU beside an LSTM", "lstm", "gru"),
        ("an LSTM beside a SimpleRNN", "simple_rnn", "lstm"),
        ("two directions beside one, of a GRU", "gru", "gru, two directions"),
        ("two layers beside one, of a GRU", "gru", "gru, 2 layers"),
    )
    sentences = []
    for what, old, new in changes:
        kinds = ("parameters", "gradients", "answer")
        weights, gradients, answer = (told[new][kind] / told[old][kind] for kind in kinds)
        sentences.append(
            f"{what}: {weights:.2f} times the parameters, {gradients:.2f} times the time of gradients, {answer:.2f} "
            "times that of an answer."
        )
    return sentences


def _commands(found: dict[str, Any]) -> list[str]:
    commands: list[str] = []
    for name in ("factory", "lags", *TASKS):
        told = found.get(name, {}).get("command", [])
        commands += [told] if isinstance(told, str) else told
    return commands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=["factory", "lags", *TASKS, "table"])
    row = parser.parse_args().row
    if row != "table":
        training.keep_memory()
        keras.utils.set_random_seed(0)
        measures = {"factory": measure_factory, "lags": measure_lags}
        result = measures[row]() if row in measures else measure_task(row)
        machine = f"{platform.system()} on {platform.machine()}"
        training_runs.write_result(PREFIX + row, result | {"machine": machine})
    (HERE / "cells.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
