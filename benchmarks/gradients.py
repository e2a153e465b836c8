"""Measures what the README claims about memory and gradients, and writes `benchmarks/gradients.md`.

    python benchmarks/gradients.py adding        lag 200: three cells, three seeds, and figures of their gradients
    python benchmarks/gradients.py exploding     a simple_rnn with recurrent gain above 1, with and without clipping
    python benchmarks/gradients.py lags          at which lag each cell gives up, and with which truncation
    python benchmarks/gradients.py table         the page again, from the results

Every row is one or two commands `seqapps problems …`, whose data come from seeds: nothing has to be loaded. A row that
was interrupted goes on with what it had trained (folders in `runs/`).
"""

import argparse
import math
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import training_runs

from seqapps import gradient_figures, run_folder
from seqapps.long_lags.results import shown

HERE = Path(__file__).parent
ROOT = HERE.parent
FIGURES = {moment: ROOT / "docs" / f"gradients_at_the_{moment}.png" for moment in ("start", "end")}
PREFIX = "gradients-"  # of the results' names
EXPLODING = (
    "adding --cells simple_rnn --lags 10 --seeds 0,1,2,3,4,5,6,7,8,9 --optimizer sgd --learning-rate 0.1 "
    "--recurrent-gain 1.3 --max-steps 6000"
)
LAGS = "--cells simple_rnn,lstm,gru --lags 10,25,50,100,200 --seeds 0 --max-steps 3000"
ROWS = {
    "adding": {"": "adding --cells simple_rnn,lstm,gru --lags 200 --seeds 0,1,2 --max-steps 3000"},
    "exploding": {"without clipping": f"{EXPLODING} --clip-norm none", "clip_norm 1": f"{EXPLODING} --clip-norm 1"},
    "lags": {
        "adding": f"adding {LAGS} --truncations 20",
        "temporal order": f"temporal_order {LAGS}",
        "copy memory": f"copy_memory {LAGS}",
        "parity": f"parity {LAGS.replace('10,25,50,100,200', '4,8,16,32')}",
    },
}
TOLD = {
    "adding": "The adding problem at a lag of 200 steps; every cell has the same options.",
    "exploding": (
        "A simple_rnn whose recurrent weights start as an orthogonal matrix times 1.3, trained by gradient descent on "
        "the adding problem at a lag of 10, with ten seeds. Diverged: the loss is not finite, or above ten times that "
        "of always answering 1, at the end or at one of the measures after every 100 steps."
    ),
    "lags": (
        "The longest lag up to which every lag is solved; a cell that solves a lag is tried on the next one. One seed."
    ),
}


def measure(row: str) -> None:
    """Run the commands of a row, and keep what they found."""
    parts = {}
    for number, (name, words) in enumerate(ROWS[row].items()):
        out = ROOT / "runs" / f"{PREFIX}{row}-{number}"
        program = [sys.executable, "-c", "from seqapps.cli import console; console()", "problems"]
        problem, *options = words.split()
        resume = ["--resume"] if (out / "problems.json").is_file() else []
        subprocess.run([*program, problem, str(out), *options, *resume], check=True)
        stored = run_folder.read_json(out / "problems.json")
        if row == "adding":
            _draw(stored)
        trials = {
            key: {name: value for name, value in trial.items() if name not in ("course", "flow")}
            for key, trial in stored["trials"].items()
        }
        command = f"seqapps problems {problem} OUT {' '.join(options)}"
        parts[name] = {"command": command, "summary": stored["summary"], "trials": trials}
    minutes = round(sum(trial["seconds"] for part in parts.values() for trial in part["trials"].values()) / 60, 1)
    machine = f"{platform.system()} on {platform.machine()}"
    training_runs.write_result(f"{PREFIX}{row}", {"machine": machine, "minutes": minutes, "parts": parts})


def _draw(stored: dict[str, Any]) -> None:
    """The gradients of the first seed by lag, before and after training: figures for the README."""
    for moment, figure in FIGURES.items():
        curves = {}
        for trial in stored["trials"].values():
            if trial["seed"] == 0:
                for state, norms in trial["flow"][moment].items():
                    curves[f"{trial['cell']}, {state}"] = [math.nan if norm is None else norm for norm in norms]
        with run_folder.atomic_path(figure) as path:
            gradient_figures.flow_figure(curves).savefig(path, dpi=120)


def table() -> str:
    """The results as Markdown."""
    results = training_runs.read_results()
    lines = ["# Memory and gradients, measured", "", "Written by `python benchmarks/gradients.py ROW`.", ""]
    for row in (row for row in ROWS if f"{PREFIX}{row}" in results):
        result = results[f"{PREFIX}{row}"]
        lines += [f"## {row}", "", TOLD[row], ""]
        lines += [f"`{part['command']}`  " for part in result["parts"].values()]
        lines += ["", f"{result['minutes']} minutes of training on {result['machine']}.", ""]
        lines += [*_rows(result["parts"]), ""]
    return "\n".join(lines)


def _rows(parts: dict[str, Any]) -> list[str]:
    lines = [
        "| | cell | gradients go back | longest solved lag | mean test loss by lag | diverged | solved |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, part in parts.items():
        for truncation, cells in part["summary"].items():
            for cell, told in cells.items():
                losses = ", ".join(f"{lag}: {shown(loss)}" for lag, loss in told["mean_loss"].items())
                back = "through all steps" if truncation == "none" else f"{truncation} steps"
                shares = " | ".join(f"{told[kind]} of {told['trained']}" for kind in ("diverged", "solved"))
                lines.append(
                    f"| {name} | {cell} | {back} | {told['longest_solved_lag'] or '–'} | {losses or '–'} | {shares} |"
                )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=[*ROWS, "table"])
    row = parser.parse_args().row
    if row != "table":
        measure(row)
    (HERE / "gradients.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
