"""Measures what the README claims about language models, and writes `benchmarks/text_generation.md`.

    python benchmarks/text_generation.py shakespeare --data DIR     one row; see ROWS for the others
    python benchmarks/text_generation.py shakespeare-chosen --data DIR    the same options on the validation part
    python benchmarks/text_generation.py table                      the table again, from the results

DIR holds the files that `benchmarks/README.md` lists; the environment variable SEQAPPS_DATA can name it too.
Options were chosen on the last tenth of the training part (`-chosen`); a row then trains on all of the training part,
with the number of epochs fixed, and touches the test part once, at its end.
"""

import argparse
import dataclasses
import gzip
import os
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
import training_runs

import seqapps
from seqapps.tasks.generation import baselines as simple_methods
from seqapps.tasks.generation.baselines import HIGHEST_ORDER
from seqapps.tasks.generation.evaluation.reading import WINDOW
from seqapps.tasks.generation.evaluation.scores import CACHE
from seqapps.tasks.generation.kneser_ney import KneserNey
from seqapps.text.kinds import START

HERE = Path(__file__).parent
SHAKESPEARE = (
    "--embedding-size 64 --batch-size 32 --truncation-steps 64 --learning-rate 0.003 --warmup-steps 100 "
    "--patience none --sample-every 4"
)
# Units with equal numbers of weights (925,061, 925,293 and 924,807), and each cell's options: at a rate of 0.003 the
# SimpleRNN learns nothing.
CELLS = {
    "gru": (512, SHAKESPEARE),
    "lstm": (441, SHAKESPEARE),
    "simple_rnn": (897, SHAKESPEARE.replace("0.003", "0.0005")),
}
WIKITEXT = (
    "--tokenizer whitespace --vocabulary-size 33281 --cell lstm --units 256 --batch-size 32 --truncation-steps 35 "
    "--dropout 0.4 --embedding-dropout 0.2 --learning-rate 0.002 --warmup-steps 500 --sampled-tokens 2048 --epochs 12 "
    "--max-minutes 80 --patience none --sample-every 4"
)
ROWS = {
    "shakespeare": ("shakespeare", f"--cell gru --units 512 --dropout 0.5 --epochs 16 --max-minutes 42 {SHAKESPEARE}"),
    **{
        f"shakespeare-{cell}": (
            "shakespeare",
            f"--cell {cell} --units {units} --dropout 0.4 --epochs 99 --max-minutes 10 --schedule constant "
            f"--average-weights 0.999 {options}",
        )
        for cell, (units, options) in CELLS.items()
    },
    "wikitext-2": ("wikitext-2", WIKITEXT),
}
CHOSEN, KNESER_NEY = "-chosen", "kneser-ney"
FIRST = 4  # id of the first character, after the reserved ones
SHA256 = {
    "tinyshakespeare.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    "wikitext-2/train.txt.gz": "e11573f1b5c5d0e41ebf7b025fe4593cacfdd6f528300ac2513eb36cd04d960c",
    "wikitext-2/valid.txt.gz": "559cec00ac5d6e5087762b05b5b50b043d6e99d112971536b8b037c251008c8e",
    "wikitext-2/test.txt.gz": "530981ee8a067282ed023330e5d2b4d200cc783a5b9544f177f13db5edbf3d59",
}
COLUMNS = {
    "nats_per_character": "nats per character",
    "bits_per_character": "bits per character",
    "bits_per_byte": "bits per byte",
    "perplexity": "perplexity of a token",
}


def prepare(name: str, data: Path, folder: Path, chosen: bool) -> None:
    """Write train, validation and test as the row takes them; with `chosen` the test part stays unread."""
    if name == "shakespeare":
        text = (data / "tinyshakespeare.txt").read_text(encoding="utf-8")
        train = text[: int(0.9 * len(text))]
        first = train[: int(0.9 * len(train))]
        last = train[len(first) :]
        parts = {
            "train": first if chosen else train,
            "validation": last,
            "test": last if chosen else text[len(train) :],
        }
    else:
        parts = {}
        for part, file in (("train", "train"), ("validation", "valid"), ("test", "valid" if chosen else "test")):
            with gzip.open(data / "wikitext-2" / f"{file}.txt.gz", "rt", encoding="utf-8", newline="\n") as lines:
                parts[part] = lines.read()
    for part, text in parts.items():
        (folder / f"{part}.txt").write_text(text, encoding="utf-8", newline="\n")


def chosen_order(parts: Path, run: Path) -> None:
    """Choose the order of the run's n-gram model without the validation part, where that is a part of the training."""
    path, served = run / "baselines.npz", seqapps.load(run)
    counted = simple_methods.Baselines.load(path)
    tokenizer = served._served.preprocessing.tokenizer
    last = tokenizer.encode(tf.constant([(parts / "validation.txt").read_text(encoding="utf-8")])).values.numpy()
    first = counted.token_ids[: len(counted.token_ids) - len(last) - 1]
    model = KneserNey(first, counted.vocabulary_size, HIGHEST_ORDER[served.config.tokenizer])
    losses = {order: -each.mean() for order, each in model.log_probabilities(np.array([START, *last])).items()}
    order = min(losses, key=losses.__getitem__)
    dataclasses.replace(counted, order=order).save(path)


def measure(row: str, data: Path, seed: int) -> dict:
    """Train one row and keep its metrics."""
    name, options = ROWS[row.removesuffix(CHOSEN)]
    for file, checksum in SHA256.items():
        if file.startswith("tiny" if name == "shakespeare" else name):
            training_runs.check_data(data / file, checksum)
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder) / name
        parts.mkdir()
        prepare(name, data, parts, chosen=row.endswith(CHOSEN))
        run = training_runs.train("text_generation", parts, Path(folder) / "run", f"{options} --seed {seed}")
        metrics = run.metrics
        if name == "shakespeare" and not row.endswith(CHOSEN):
            chosen_order(parts, run.folder)
            metrics = seqapps.load(run.folder).evaluate(parts)
            del metrics["methods"][CACHE]  # whose share was chosen on the training text too
        history = (run.folder / "history.csv").read_text(encoding="utf-8").splitlines()
    return {
        "minutes": run.minutes,
        "epochs": len(history) - 1,
        "tokens": metrics["tokens"],
        "window": metrics["window"],
        "methods": metrics["methods"],
        "samples": metrics["samples"],
        "notes": metrics["notes"],
        "verdict": metrics["verdict"],
        "history": history,
        "versions": run.manifest["versions"],
        "machine": run.manifest["machine"],
    }


def measure_kneser_ney(data: Path) -> dict:
    """Nats per character of n-gram models of Tiny Shakespeare, for every order.

    `validation` is of the first 81 % on the next 9 %; `test` of the first 90 % on the last 10 %, with all of the text
    before each character known; `fresh` the same with one character before each window.
    """
    training_runs.check_data(data / "tinyshakespeare.txt", SHA256["tinyshakespeare.txt"])
    text = (data / "tinyshakespeare.txt").read_text(encoding="utf-8")
    characters = sorted(set(text))
    ids = np.searchsorted(characters, list(text)) + FIRST
    end = int(0.9 * len(ids))
    middle, highest, size = int(0.9 * end), HIGHEST_ORDER["character"], len(characters) + FIRST
    windows = [ids[end + place : end + place + WINDOW + 1] for place in range(0, len(ids) - end - WINDOW, WINDOW)]
    fresh = np.concatenate([[START, *window] for window in windows])
    first, whole = (KneserNey(np.array([START, *ids[:stop]]), size, highest) for stop in (middle, end))
    told = {
        "validation": first.log_probabilities(np.array([START, *ids[middle:end]])),
        "test": whole.log_probabilities(np.array([START, *ids[end:]])),
        "fresh": {
            order: np.delete(each.reshape(len(windows), -1), 0, axis=1)  # what is known of a window is not scored
            for order, each in whole.log_probabilities(fresh).items()
        },
    }
    return {
        "command": "python benchmarks/text_generation.py kneser-ney --data DIR",
        "nats_per_character": {
            part: {str(order): float(-each.mean()) for order, each in orders.items()} for part, orders in told.items()
        },
    }


def kneser_ney_lines(result: dict) -> list[str]:
    """The n-gram models, with the order that validation chooses."""
    scores = result["nats_per_character"]
    chosen = min(scores["validation"], key=scores["validation"].__getitem__)
    lines = ["## kneser-ney", "", f"`{result['command']}`", "", "Nats per character of Tiny Shakespeare.", ""]
    lines += ["| order | validation | test | test, fresh windows |", "|---|---|---|---|"]
    for order in scores["test"]:
        cells = (f"{scores[part][order]:.4f}" for part in ("validation", "test", "fresh"))
        lines.append(f"| {order}{' (chosen)' if order == chosen else ''} | " + " | ".join(cells) + " |")
    return [*lines, "", f"Known: 1.558 at order 6. Here: {scores['fresh']['6']:.4f} over fresh windows.", ""]


def row_lines(row: str, result: dict) -> list[str]:
    """One row: its command, the mean over seeds of every method, and how original its texts are."""
    seeds = result["seeds"]
    first = next(iter(seeds.values()))
    lines = training_runs.heading(row, result, "tokens") + training_runs.score_table(seeds, COLUMNS)
    lines += ["", f"{first['epochs']} epochs. Fresh windows have {first['window']} tokens.", ""]
    lines += ["| temperature | distinct 1- to 4-grams | longest copied, tokens |", "|---|---|---|"]
    for temperature, told in first["samples"].items():
        shares = ", ".join(f"{told[f'distinct_{length}']:.1%}" for length in range(1, 5))
        lines.append(f"| {temperature} | {shares} | {told.get('longest_copied_tokens', '–')} |")
    return [*lines, "", *(each["verdict"] for each in seeds.values()), ""]


def table() -> str:
    """The results as Markdown."""
    results = training_runs.read_results()
    told = "Written by `python benchmarks/text_generation.py ROW --data DIR`. Rows named `-chosen` are on validation."
    lines = ["# Language models, measured", "", told, ""]
    if KNESER_NEY in results:
        lines += kneser_ney_lines(results[KNESER_NEY])
    for row in (name for each in ROWS for name in (each, each + CHOSEN)):
        if row in results:
            lines += row_lines(row, results[row])
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=[*ROWS, *(row + CHOSEN for row in ROWS), KNESER_NEY, "table"])
    parser.add_argument("--data", type=Path, default=os.environ.get("SEQAPPS_DATA"), metavar="DIR")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    words = parser.parse_args()
    if words.row != "table":
        if words.data is None:
            parser.error("--data DIR or SEQAPPS_DATA is needed")
        data = words.data / "text_generation" if (words.data / "text_generation").is_dir() else words.data
        if words.row == KNESER_NEY:
            training_runs.write_result(KNESER_NEY, measure_kneser_ney(data))
            words.row = "table"
    if words.row != "table":
        name, options = ROWS[words.row.removesuffix(CHOSEN)]
        told = f"python apps/text_generation.py train DIR/{name} RUN {options}"
        training_runs.with_seeds(words.row, told, words.seeds, lambda seed: measure(words.row, data, seed))
    (HERE / "text_generation.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
