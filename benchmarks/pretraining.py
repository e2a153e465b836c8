"""Measures classifiers that start from a language model, and writes `benchmarks/pretraining.md`.

    python benchmarks/pretraining.py imdb --data DIR --language-model RUN
    python benchmarks/pretraining.py sst2 --data DIR --language-model RUN --seeds 0 1 2
    python benchmarks/pretraining.py table                      the table again, from the results

RUN is the language model of the IMDB training texts: it is trained first if it is not there. DIR holds the files that
`benchmarks/README.md` lists; the environment variable SEQAPPS_DATA can name it too. Options were chosen on the
validation part; a row touches the test part once, at its end.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import sentiment
import training_runs

HERE = Path(__file__).parent
LANGUAGE_MODEL = (
    "--tokenizer word --vocabulary-size 30000 --lowercase --cell gru --units 300 --batch-size 32 --truncation-steps 70 "
    "--dropout 0.3 --embedding-dropout 0.1 --learning-rate 0.002 --warmup-steps 500 --sampled-tokens 2048 --epochs 5 "
    "--max-minutes 85 --patience none --baselines fast"
)
HELD_OUT = {"validation": 500, "test": 500}  # of the 25,000 texts, drawn once
ROWS = {
    "imdb": (
        "--linear-skip naive_bayes --no-train-embeddings --dropout 0.5 --batch-size 32 --learning-rate 0.002 "
        "--epochs 4 --max-minutes 45"
    ),
    "sst2": "--word-dropout 0.3 --dropout 0.5 --batch-size 50 --learning-rate 0.002 --epochs 8 --max-minutes 15",
}
PREFIX = "pretrained-"  # of the results' names


def prepare(data: Path, folder: Path) -> None:
    """Write the IMDB training texts without their labels, in random order, as the language model takes them."""
    texts = pd.read_csv(data / "imdb" / "train.csv.gz")[["text"]].sample(frac=1, random_state=0)
    end = len(texts)
    for part, count in HELD_OUT.items():
        texts.iloc[end - count : end].to_csv(folder / f"{part}.csv", index=False)
        end -= count
    texts.iloc[:end].to_csv(folder / "train.csv", index=False)


def language_model(data: Path, run: Path) -> dict[str, Any]:
    """What the language model says of itself, trained first if it is not there."""
    told = run.with_name(run.name + ".minutes.json")
    if not told.is_file():
        for part in ("train", "test"):
            training_runs.check_data(data / f"imdb/{part}.csv.gz", sentiment.SHA256[f"imdb/{part}.csv.gz"])
        with tempfile.TemporaryDirectory() as folder:
            prepare(data, Path(folder))
            options = LANGUAGE_MODEL + (" --resume" if run.is_dir() else "")
            trained = training_runs.train("text_generation", Path(folder), run, options)
        told.write_text(json.dumps({"minutes": trained.minutes}), encoding="utf-8")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    minutes = json.loads(told.read_text(encoding="utf-8"))["minutes"]
    return {"minutes": minutes, "perplexity": metrics["methods"]["model"]["perplexity"]}


def measure(row: str, data: Path, run: Path, seed: int) -> dict[str, Any]:
    """Train a classifier from the language model and keep its metrics."""
    started = language_model(data, run)
    sentiment.ROWS[PREFIX + row] = (row, f"{ROWS[row]} --pretrained {run}")
    return sentiment.measure(PREFIX + row, data, seed) | {"language_model": started}


def table() -> str:
    """The results as Markdown."""
    results = training_runs.read_results()
    lines = ["# Classifiers that start from a language model, measured", ""]
    lines += ["Written by `python benchmarks/pretraining.py ROW --data DIR --language-model RUN`. RUN is", ""]
    lines += [f"`python apps/text_generation.py train IMDB_TRAINING_TEXTS RUN {LANGUAGE_MODEL}`", ""]
    for row in ROWS:
        if (result := results.get(PREFIX + row)) is None:
            continue
        first = next(iter(result["seeds"].values()))["language_model"]
        lines += sentiment.row_lines(PREFIX + row, result)
        told = f"The language model took {first['minutes']} minutes"
        lines += [f"{told}; its perplexity on held-out reviews is {first['perplexity']:.1f}.", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=["language-model", *ROWS, "table"])
    parser.add_argument("--data", type=Path, default=os.environ.get("SEQAPPS_DATA"), metavar="DIR")
    parser.add_argument("--language-model", type=Path, metavar="RUN")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    words = parser.parse_args()
    if words.row != "table":
        if words.data is None or words.language_model is None:
            parser.error("--data DIR (or SEQAPPS_DATA) and --language-model RUN are needed")
        data = words.data / "sentiment" if (words.data / "sentiment").is_dir() else words.data
        run = words.language_model.absolute()
        if words.row == "language-model":
            print(language_model(data, run))
        else:
            told = f"python apps/sentiment.py train DIR/{words.row} CLASSIFIER {ROWS[words.row]} --pretrained RUN"
            measured = lambda seed: measure(words.row, data, run, seed)  # noqa: E731
            training_runs.with_seeds(PREFIX + words.row, told, words.seeds, measured)
    (HERE / "pretraining.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
