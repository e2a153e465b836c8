"""Measures what the README claims about speech, and writes `benchmarks/speech.md`.

    python benchmarks/speech.py digits --data DIR --seeds 0 1 2     one row; see ROWS for the others
    python benchmarks/speech.py speakers --data DIR                 each speaker left out in turn, six trainings
    python benchmarks/speech.py strings --data DIR                  connected digits
    python benchmarks/speech.py digits-chosen --data DIR            the same options, judged on the validation part
    python benchmarks/speech.py table                               the table again, from the results

DIR holds the Free Spoken Digit Dataset (`benchmarks/README.md`); the environment variable SEQAPPS_DATA can name it too.
Options were chosen on the validation part (`-chosen`); a row touches the test part once, at its end.
"""

import argparse
import functools
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import spoken_strings
import tensorflow as tf
import training_runs

from seqapps import export, run_folder
from seqapps.tasks.speech.baselines import LINEAR

HERE = Path(__file__).parent
TIMES = (
    "--batch-size 32 --learning-rate 0.003 --schedule cosine --warmup-steps 100 --patience none --average-weights 0.99"
)
SIZES = "--units 128,128 --stack-frames 2 --dropout 0.3"
DIGITS = f"--mode classify {SIZES} --epochs 45 --max-minutes 18 {TIMES}"
SPEAKERS = f"--mode classify {SIZES} --epochs 25 --max-minutes 3 {TIMES}"
STRINGS = f"--mode transcribe --tokenizer word {SIZES} --epochs 40 --max-minutes 15 {TIMES}"
CELLS = f"--mode classify --units 96 --stack-frames 2 --dropout 0.3 --epochs 15 --max-minutes 6 {TIMES}"
ROWS = {
    "digits": f"--cell gru --bidirectional {DIGITS}",
    "speakers": f"--cell gru --bidirectional {SPEAKERS}",
    "strings": f"--cell gru --bidirectional {STRINGS}",
    **{
        f"digits-{cell}-{name}": f"--cell {cell} {flag} {CELLS}"
        for cell in ("simple_rnn", "lstm", "gru")
        for name, flag in (("one", "--no-bidirectional"), ("two", "--bidirectional"))
    },
}
CHOSEN = "-chosen"
PREFIX = "speech-"  # of the results' names
# Of the metadata and the recordings, one after the other.
SHA256 = "b849bcc901d399abbedfc04ad0d839e1f3a930f78f5288742ba57d02122054e1"
TEST_TAKES, VALIDATION_TAKES = range(5), range(5, 10)  # the official split, and what is chosen on
# The accuracy that is known of logistic regression on averaged log-mel segments. Ours hears no silence and is better.
KNOWN = {"digits": 0.973, "speakers": 0.734}
COLUMNS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "word_error_rate": "word error rate",
    "character_error_rate": "character error rate",
    "exact_match": "exact match",
}


def check_recordings(data: Path) -> None:
    """Refuse recordings that are not those that the numbers stand for."""
    digest = hashlib.sha256((data / "metadata.csv").read_bytes())
    for path in sorted((data / "recordings").glob("*.wav")):
        digest.update(path.read_bytes())
    if digest.hexdigest() != SHA256:
        raise SystemExit(f"{data} must have the SHA-256 {SHA256} (metadata.csv, then the recordings by name).")


def official(data: Path, chosen: bool) -> pd.DataFrame:
    """The table of recordings: takes 0-4 test, 5-9 validate; with `chosen` they do both."""
    table = pd.read_csv(data / "metadata.csv", dtype=str)[["file", "label", "speaker", "index"]]
    table["file"] = [str(data / name) for name in table["file"]]
    take = table["index"].astype(int)
    table["split"] = "train"
    table.loc[take.isin(VALIDATION_TAKES), "split"] = "validation"
    if not chosen:
        table.loc[take.isin(TEST_TAKES), "split"] = "test"
        return table
    again = table[table["split"] == "validation"].assign(split="test")
    return pd.concat([table[~take.isin(TEST_TAKES)], again], ignore_index=True)


def without(table: pd.DataFrame, speaker: str, chosen: bool) -> pd.DataFrame:
    """One speaker tests, takes 5-9 of the others validate; with `chosen` the next one tests, this one is left out."""
    names = sorted(table["speaker"].unique())
    take = table["index"].astype(int)
    table = table.assign(split="train")
    table.loc[take.isin(VALIDATION_TAKES), "split"] = "validation"
    if chosen:
        table = table[table["speaker"] != speaker]
        speaker = names[(names.index(speaker) + 1) % len(names)]
    table.loc[table["speaker"] == speaker, "split"] = "test"
    return table


def tables(row: str, data: Path, folder: Path) -> dict[str, Path]:
    """The table of every training of a row, written into a folder."""
    chosen, name = row.endswith(CHOSEN), row.removesuffix(CHOSEN)
    if name == "strings":
        return {"": spoken_strings.write(data, folder, chosen)}
    table = official(data, chosen)
    if name != "speakers":
        table.to_csv(folder / "recordings.csv", index=False)
        return {"": folder / "recordings.csv"}
    whole, written = pd.read_csv(data / "metadata.csv", dtype=str), {}
    whole["file"] = [str(data / each) for each in whole["file"]]
    for speaker in sorted(whole["speaker"].unique()):
        written[speaker] = folder / f"{speaker}.csv"
        without(whole[["file", "label", "speaker", "index"]], speaker, chosen).to_csv(written[speaker], index=False)
    return written


def measure(row: str, data: Path, seed: int) -> dict[str, Any]:
    """Train one row, or one training per speaker, and keep the metrics: means over trainings where they are several."""
    with tempfile.TemporaryDirectory() as folder:
        written, runs = tables(row, data, Path(folder)), {}
        for name, table in written.items():
            options = f"{ROWS[row.removesuffix(CHOSEN)]} --seed {seed}"
            out = Path(folder) / f"run{name}"
            runs[name] = training_runs.train("speech", table, out, options)
            runs[name].metrics["seconds_per_epoch"] = seconds_per_epoch(out)
            runs[name].metrics["difference"] = largest_difference(out)
    first = next(iter(runs.values()))
    told = {
        "minutes": round(sum(run.minutes for run in runs.values()), 1),
        "recordings": sum(run.metrics["recordings"] for run in runs.values()),
        "methods": means([run.metrics["methods"] for run in runs.values()]),
        "seconds_per_epoch": first.metrics["seconds_per_epoch"],
        "difference": max(run.metrics["difference"] for run in runs.values()),
        "verdicts": {name: run.metrics["verdict"] for name, run in runs.items()},
        "notes": first.metrics["notes"],
        "versions": first.manifest["versions"],
        "machine": first.manifest["machine"],
    }
    if len(runs) > 1:
        told["trainings"] = {name: run.metrics["methods"]["model"]["accuracy"] for name, run in runs.items()}
    known = KNOWN.get(row)
    if known is not None:
        received = told["methods"][LINEAR]["accuracy"]
        if received < known:
            raise SystemExit(f"{LINEAR} must reach the known accuracy of {known}. Received: {received:.4f}.")
        told["known"] = f"{LINEAR} reaches the known accuracy of {known} ({received:.4f})"
    return told


def means(each: list[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """The mean of every metric of every method."""
    return {
        method: {name: sum(other[method][name] for other in each) / len(each) for name in metrics}
        for method, metrics in each[0].items()
    }


def seconds_per_epoch(run: Path) -> float:
    history = pd.read_csv(run / "history.csv")
    return float(history["seconds"].iloc[-1] / len(history))


def largest_difference(run: Path) -> float:
    """How far an answer of the SavedModel moves when a recording is heard in a batch with longer ones, not alone."""
    version = export.newest_version(run / "export")
    golden = run_folder.read_json(version / "assets.extra" / export.GOLDEN_FILE)
    request = next(each for each in golden if each["signature"] == "waveform")
    inputs, outputs = export.decoded(request["inputs"]), export.decoded(request["outputs"])
    loaded = tf.saved_model.load(str(version))
    name = "probability" if "probability" in outputs else "log_probability"
    moved = []
    for row, length in enumerate(inputs["length"]):
        alone = loaded.waveform(
            waveform=tf.constant(inputs["waveform"][row : row + 1, :length]), length=tf.constant([length], tf.int32)
        )
        moved.append(abs(float(alone[name][0]) - float(outputs[name][row])))
    return max(moved)


def row_lines(row: str, result: Mapping[str, Any]) -> list[str]:
    """One row: its command, the mean over seeds of every method, and what was checked."""
    seeds = result["seeds"]
    first = next(iter(seeds.values()))
    lines = training_runs.heading(row, result, "recordings") + training_runs.score_table(seeds, COLUMNS)
    seconds = sum(each["seconds_per_epoch"] for each in seeds.values()) / len(seeds)
    moved = max(each["difference"] for each in seeds.values())
    lines += ["", f"{seconds:.1f} seconds per epoch. Alone or in a batch, an answer moves by {moved:.1e} at most.", ""]
    if "trainings" in first:
        told = ", ".join(f"{name} {accuracy:.4g}" for name, accuracy in first["trainings"].items())
        lines += [f"Accuracy of the first seed by the speaker who was left out: {told}.", ""]
    lines += [
        f"{name}: {verdict}".removeprefix(": ") for each in seeds.values() for name, verdict in each["verdicts"].items()
    ]
    lines += ["", *(f"Note: {note}" for note in first["notes"])]
    return [*lines, "", f"Check: {first['known']}.", ""] if "known" in first else [*lines, ""]


def table() -> str:
    """The results as Markdown."""
    results = training_runs.read_results()
    told = "Written by `python benchmarks/speech.py ROW --data DIR`. Rows named `-chosen` are on validation."
    lines = ["# Speech, measured", "", told, ""]
    for row in (name for each in ROWS for name in (each, each + CHOSEN)):
        if PREFIX + row in results:
            lines += row_lines(row, results[PREFIX + row])
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=[*ROWS, *(row + CHOSEN for row in ROWS), "table"])
    parser.add_argument("--data", type=Path, default=os.environ.get("SEQAPPS_DATA"), metavar="DIR")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    words = parser.parse_args()
    if words.row != "table":
        if words.data is None:
            parser.error("--data DIR or SEQAPPS_DATA is needed")
        inner = words.data / "speech" / "fsdd"
        data = (inner if inner.is_dir() else words.data).resolve()
        check_recordings(data)
        told = f"python apps/speech.py train TABLE RUN {ROWS[words.row.removesuffix(CHOSEN)]}"
        measured = functools.partial(measure, words.row, data)
        training_runs.with_seeds(PREFIX + words.row, told, words.seeds, measured)
    (HERE / "speech.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
