"""Compares cells and directions on SST-2 within an hour, and writes `benchmarks/compare.md`.

    python benchmarks/compare.py sst2 --data DIR --out runs/compare-sst2    3 cells, 2 directions, 3 seeds: 18 trainings
    python benchmarks/compare.py table                                         the table again, from the results

DIR holds the files that `benchmarks/README.md` lists; the environment variable SEQAPPS_DATA can name it too. A command
that was interrupted goes on with the same `--out`; it then measures no time. Every p-value is computed again from the
saved predictions, with statsmodels called by hand, and must be the same. A training that failed is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import pandas as pd
import training_runs
from sentiment import SHA256
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

HERE = Path(__file__).parent
ROW = "compare-sst2"
MOST_MINUTES = 60
# The options of `benchmarks/sentiment.py`. The budget of each training keeps all below an hour on a slower machine too.
OPTIONS = (
    "--cells simple_rnn,lstm,gru --directions one,two --seeds 0,1,2 --max-epochs 5 --max-minutes 2.3 "
    "--tokenizer whitespace --vocabulary-size 7000 --embedding-size 50 --units 64 --pooling last --word-dropout 0.5 "
    "--dropout 0.5 --batch-size 50"
)
TOLD = f"python apps/sentiment.py compare DIR/sst2 OUT {OPTIONS}"


def measure(data: Path, out: Path) -> dict:
    """Run the comparison, check its p-values, and keep what it says."""
    for file, checksum in SHA256.items():
        if file.startswith("sst2/"):
            training_runs.check_data(data / file, checksum)
    is_new, began = not out.exists(), time.monotonic()
    command = [sys.executable, str(HERE.parent / "apps" / "sentiment.py"), "compare", str(data / "sst2"), str(out)]
    subprocess.run([*command, *OPTIONS.split()], check=True)
    minutes = round((time.monotonic() - began) / 60, 1)
    comparison = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    (part,) = comparison["parts"]
    check_p_values(part)
    if is_new and minutes > MOST_MINUTES:
        sys.exit(f"The comparison must take at most {MOST_MINUTES} minutes. It took {minutes}.")
    manifest = json.loads(next(out.glob("runs/*/manifest.json")).read_text(encoding="utf-8"))
    facts = {"command": TOLD, "minutes": minutes if is_new else None, "part": part, "notes": comparison["notes"]}
    return facts | {"versions": manifest["versions"], "machine": manifest["machine"]}


def check_p_values(part: dict) -> None:
    """Compute every p-value from the saved predictions, and refuse others."""
    hits = {}
    for row in part["rows"]:
        for seed, run in row["runs"].items():
            table = pd.read_csv(Path(run) / "predictions.csv.gz", dtype=str, keep_default_na=False)
            hits[row["variant"], seed] = table["answer"] == table["reference"]
    merged = []
    for (first, second), told in zip(combinations(part["rows"], 2), part["tests"], strict=True):
        names = first["variant"], second["variant"]
        found, one_sided = [], []
        for seeds in told["seeds"]:
            ours, theirs = (hits[name, str(seed)] for name, seed in zip(names, seeds, strict=True))
            cells = [[(ours & theirs).sum(), (ours & ~theirs).sum()], [(~ours & theirs).sum(), (~ours & ~theirs).sum()]]
            found.append(min(1.0, mcnemar(cells, exact=True).pvalue))
            sides = (1 - found[-1] / 2, found[-1] / 2)
            one_sided.append(sides[:: 1 if cells[0][1] > cells[1][0] else -1])  # that the second is better, the first
        told_of = [2 * statistics.median(side) for side in zip(*one_sided, strict=True)]
        merged.append(min(1.0, 2 * min(told_of)) if len(found) > 1 else found[0])
        check_equal(f"{names[0]} against {names[1]}", found, told["p_values"])
    corrected = multipletests(merged, method="holm")[1]
    check_equal("all pairs, corrected", corrected, [told["corrected"] for told in part["tests"]])


def check_equal(what: str, expected: list[float], received: list[float]) -> None:
    """Refuse p-values that are not those of statsmodels."""
    if any(abs(one - other) > 1e-9 for one, other in zip(expected, received, strict=True)):
        sys.exit(f"The p-values of {what} must be {list(expected)}. Received: {received}.")


def table() -> str:
    """The results as Markdown."""
    lines = ["# Cells and directions compared", "", "Written by `python benchmarks/compare.py sst2 --data DIR`.", ""]
    result = training_runs.read_results().get(ROW)
    if result is None:
        return "\n".join(lines)
    took = f"{result['minutes']} minutes" if result["minutes"] else "more than one session"
    part = result["part"]
    lines += [f"`{result['command']}`", "", f"{took} on {result['machine']}. {part['verdict']}", ""]
    names = ("accuracy", "95 %", "parameters", "s / epoch", "epochs to best", "ms, one", "ms, 32", "SavedModel MB")
    lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row in part["rows"]:
        ends = "–" if row["interval"] is None else "-".join(f"{end:.4f}" for end in row["interval"])
        costs = [row[name] for name in ("seconds_per_epoch", "epochs_to_best", "milliseconds_one")]
        costs += [row["milliseconds_batch"], row["megabytes"]]
        told = [row["variant"], f"{row['score']:.4f}", ends, f"{row['parameters']:,}"]
        lines.append("| " + " | ".join([*told, *(f"{cost:.3g}" for cost in costs)]) + " |")
    baseline = part["baseline"]
    lines += ["", f"Best baseline: {baseline['method']}, {baseline['score']:.4f}.", ""]
    lines += ["| pair | p of every seed | corrected |", "|---|---|---|"]
    for each in part["tests"]:
        seeds = ", ".join(f"{value:.2g}" for value in each["p_values"])
        lines.append(f"| {each['first']} – {each['second']} | {seeds} | {each['corrected']:.2g} |")
    lines += ["", "Every p-value was computed again with statsmodels on the saved predictions, and is the same.", ""]
    return "\n".join([*lines, *(f"Note: {note}" for note in result["notes"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=["sst2", "table"])
    parser.add_argument("--data", type=Path, default=os.environ.get("SEQAPPS_DATA"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("runs") / ROW, metavar="OUT")
    words = parser.parse_args()
    if words.row == "sst2":
        if words.data is None:
            parser.error("--data DIR or SEQAPPS_DATA is needed")
        data = Path(words.data)
        data = data / "sentiment" if (data / "sentiment").is_dir() else data
        training_runs.write_result(ROW, measure(data, words.out))
    (HERE / "compare.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
