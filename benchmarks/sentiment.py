"""Measures what the README claims about text classification, and writes `benchmarks/sentiment.md`.

    python benchmarks/sentiment.py sst2-gru-two --data DIR --seeds 0 1 2      one row; see ROWS for the others
    python benchmarks/sentiment.py imdb --data DIR
    python benchmarks/sentiment.py bucketing-imdb --data DIR    training speed with and without batches of equal length
    python benchmarks/sentiment.py table                        the table again, from the results

DIR holds the files that `benchmarks/README.md` lists; the environment variable SEQAPPS_DATA can name it too.
Options were chosen on the validation part; a row touches the test part once, at its end.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
import training_runs

from seqapps import export, training
from seqapps.tasks.sentiment import data as sentiment_data
from seqapps.tasks.sentiment.baselines import NAIVE_BAYES, TFIDF
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.pipeline import fitting
from seqapps.text import batches

HERE = Path(__file__).parent
SST2 = (
    "--tokenizer whitespace --vocabulary-size 7000 --embedding-size 50 --units 64 --pooling last --word-dropout 0.5 "
    "--dropout 0.5 --batch-size 50 --epochs 5 --max-minutes 25"
)
IMDB = (
    "--bidirectional --vocabulary-size 30000 --units 64 --linear-skip naive_bayes --word-dropout 0.5 --dropout 0.5 "
    "--batch-size 64 --epochs 3 --max-minutes 15"
)
DIRECTIONS = {"one": "", "two": " --bidirectional"}
ROWS = {
    **{
        f"sst2-{cell}-{direction}": ("sst2", f"--cell {cell} {SST2}{flag}")
        for cell in ("simple_rnn", "lstm", "gru")
        for direction, flag in DIRECTIONS.items()
    },
    "imdb": ("imdb", IMDB),
}
BUCKETING = ("bucketing-sst2", "bucketing-imdb")
SHA256 = {
    "sst2/train.tsv": "4173e60d2d6b6e64258540c1c92678f238e6d1249c6cd15aa26a3e4f8ee18899",
    "sst2/dev.tsv": "bbdb730c97f15f8b2c7e9de3154b4d185156d9cb4e3f47c2081630edb27b376a",
    "sst2/test.tsv": "dd4b5b1ea1ab0998fae958fe4a77317be62a0650f97065d5b52e87f15ac3d72a",
    "imdb/train.csv.gz": "de5e3d440940e8f9a6cfee7406116a82472bd561f379e661d7f0650fe412c90c",
    "imdb/test.csv.gz": "b747063e205913446e0decfb82f28fd9413be06095e878344129b1906174dccd",
}
# The accuracy that is known of a baseline, and how far it may lie: TF-IDF and NB-weighted logistic regression on words.
# Of IMDB's TF-IDF a range is known, 0.897-0.907.
KNOWN = {
    "sst2": [(TFIDF, 0.810, 0.005), (NAIVE_BAYES, 0.829, 0.005)],
    "imdb": [(TFIDF, 0.902, 0.010), (NAIVE_BAYES, 0.916, 0.005)],
}
COLUMNS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}
ALONE = 200  # texts that are classified alone and in batches
TURNS, STEPS, BATCH = 5, 40, 64  # of the comparison of speeds


def measure(row: str, data: Path, seed: int) -> dict:
    """Train one row and keep its metrics."""
    name, options = ROWS[row]
    for file, checksum in SHA256.items():
        if file.startswith(f"{name}/"):
            training_runs.check_data(data / file, checksum)
    with tempfile.TemporaryDirectory() as folder:
        run = training_runs.train("sentiment", data / name, Path(folder) / "run", f"{options} --seed {seed}")
        difference = largest_difference(run.folder, data / name)
    methods = run.metrics["methods"]
    return {
        "minutes": run.minutes,
        "texts": run.metrics["texts"],
        "methods": methods,
        "interval": run.metrics["interval"]["model"],
        "calibration_error_before": run.metrics["calibration_error_before"],
        "largest_difference": difference,
        "strengths": run.metrics["strengths"],
        "notes": run.metrics["notes"],
        "known": [
            training_runs.check_score(method, "accuracy", known, methods[method]["accuracy"], rounding)
            for method, known, rounding in KNOWN[name]
        ],
        "verdict": run.metrics["verdict"],
        "versions": run.manifest["versions"],
        "machine": run.manifest["machine"],
    }


def largest_difference(run: Path, data: Path) -> float:
    """How far a probability of the SavedModel moves when its text is classified in a batch instead of alone."""
    texts = list(sentiment_data.load(data, Config()).texts("test"))[:ALONE]
    loaded = tf.saved_model.load(str(export.newest_version(run / "export")))
    alone = np.concatenate([loaded.serving_default(tf.constant([text]))["probabilities"].numpy() for text in texts])
    together = loaded.serving_default(tf.constant(texts))["probabilities"].numpy()
    padded = loaded.serving_default(tf.constant([*texts, "word " * 400]))["probabilities"].numpy()[:-1]
    return float(max(np.abs(together - alone).max(), np.abs(padded - alone).max()))


def measure_bucketing(data: Path) -> dict:
    """Texts per second of training with batches of about equal length and with random ones, in turn."""
    name, options = data.name, {"tokenizer": "whitespace"} if data.name == "sst2" else {}
    config = Config(bidirectional=True, batch_size=BATCH, embedding_start="random", **options)
    splits = sentiment_data.load(data, config)
    scaling = fitting.fitted(splits, config)
    training.set_seed(0)
    model = fitting.compiled_model(config, splits, scaling, None)
    targets, weights = splits.targets("train"), np.ones(splits.count("train"), "float32")
    speeds: dict[str, list[float]] = {"bucketed": [], "random": []}
    padding = {}
    with tempfile.TemporaryDirectory() as folder:
        encoded = batches.encode(splits.texts("train"), scaling.encode, Path(folder) / "train.ids")
        for turn in range(-1, TURNS):  # the first turn warms up
            for kind, pool in (("bucketed", batches.POOL), ("random", 1)):
                rows = batches.bucketed(encoded.lengths, BATCH, seed=0, epoch=turn + 1, pool=pool)
                padding[kind] = 1 - sum(encoded.lengths[each].sum() for each in rows) / sum(
                    len(each) * max(encoded.lengths[each].max(), 1) for each in rows
                )
                began = time.process_time()
                for each in rows[:STEPS]:
                    model.train_on_batch(encoded.padded(each), targets[each], sample_weight=weights[each])
                if turn >= 0:
                    speeds[kind].append(STEPS * BATCH / (time.process_time() - began))
    ratio = statistics.median(fast / slow for fast, slow in zip(*speeds.values(), strict=True))
    return {
        "command": f"python benchmarks/sentiment.py bucketing-{name} --data DIR",
        "texts_per_second": {kind: statistics.median(each) for kind, each in speeds.items()},
        "ratio": ratio,
        "padding": padding,
    }


def row_lines(row: str, result: dict) -> list[str]:
    """One row: its command, the mean over seeds of every method, and what was checked."""
    seeds = result["seeds"]
    first = next(iter(seeds.values()))
    lines = training_runs.heading(row, result, "texts") + training_runs.score_table(seeds, COLUMNS)
    low, high = first["interval"]
    before = sum(each["calibration_error_before"] for each in seeds.values()) / len(seeds)
    difference = max(each["largest_difference"] for each in seeds.values())
    return [
        *lines,
        "",
        f"First seed: accuracy between {low:.4f} and {high:.4f} with 95 % confidence. Calibration error before the "
        f"temperature: {before:.4f}. Alone or in a batch, with any padding, a probability moves by {difference:.1e} at "
        f"most ({ALONE} texts).",
        "",
        *(each["verdict"] for each in seeds.values()),
        "",
        *(f"Note: {note}" for note in first["notes"]),
        "",
        *(f"Check: {sentence}." for sentence in first["known"]),
        "",
    ]


def table() -> str:
    """The results as Markdown."""
    results = training_runs.read_results()
    lines = ["# Text classification, measured", "", "Written by `python benchmarks/sentiment.py ROW --data DIR`.", ""]
    for row in ROWS:
        if row in results:
            lines += row_lines(row, results[row])
    for row in BUCKETING:
        if row not in results:
            continue
        result = results[row]
        speed, padding = result["texts_per_second"], result["padding"]
        lines += [f"## {row}", "", f"`{result['command']}`", ""]
        told = [f"{speed[kind]:.0f} in {kind} batches ({padding[kind]:.0%} padding)" for kind in speed]
        lines += [
            f"Training (GRU, 64 units, two directions, batches of {BATCH}): texts per second of processor time, in "
            f"turn: {told[0]}, {told[1]}; median ratio {result['ratio']:.2f}.",
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=[*ROWS, *BUCKETING, "table"])
    parser.add_argument("--data", type=Path, default=os.environ.get("SEQAPPS_DATA"), metavar="DIR")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    words = parser.parse_args()
    if words.row != "table":
        if words.data is None:
            parser.error("--data DIR or SEQAPPS_DATA is needed")
        data = words.data / "sentiment" if (words.data / "sentiment").is_dir() else words.data
        if words.row in BUCKETING:
            training_runs.write_result(words.row, measure_bucketing(data / words.row.removeprefix("bucketing-")))
        else:
            name, options = ROWS[words.row]
            told = f"python apps/sentiment.py train DIR/{name} RUN {options}"
            training_runs.with_seeds(words.row, told, words.seeds, lambda seed: measure(words.row, data, seed))
    (HERE / "sentiment.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
