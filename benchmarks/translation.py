"""Measures what the README claims about translation, and writes `benchmarks/translation.md`.

    python benchmarks/translation.py de-en --data DIR [--tokenised]    one row; see ROWS for the others
    python benchmarks/translation.py de-en-chosen --data DIR    the same options, validation part only
    python benchmarks/translation.py speed --data DIR --run RUN    translations per second of a run of the row de-en
    python benchmarks/translation.py table                      the table again, from the results

DIR holds the files that `benchmarks/README.md` lists; the environment variable SEQAPPS_DATA can name it too.
`--tokenised` also counts BLEU on lower-cased tokens of spaCy's blank pipeline of the language, as older tables do; it
needs the package spacy. Options were chosen on the validation part (`-chosen`); a row touches the test part once, at
its end.
"""

import argparse
import functools
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import training_runs
import translation_speed
from sacrebleu.metrics import BLEU

from seqapps import export, run_folder

HERE = Path(__file__).parent
FILES = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
SHARED = "--tokens-per-batch 1024 --schedule cosine --warmup-steps 400 --patience none --baselines full"
SIZES = (
    "--units 320 --embedding-size 128 --vocabulary-size 5000 --shared-vocabulary --dropout 0.4 --embedding-dropout 0.15"
)
BEST = (
    f"--cell gru {SIZES} --attention multiplicative --byte-pair-dropout 0.1 --learning-rate 0.002 --epochs 15 "
    f"--max-minutes 57 {SHARED}"
)
EQUAL = (  # of time
    f"{SIZES} --learning-rate 0.001 --epochs 99 --max-minutes 10 --average-weights 0.999 "
    f"{SHARED.replace('cosine', 'constant')}"
)
LOWER = "--lowercase"
DE_EN, EN_DE = ("--source-language de --target-language en", "--source-language en --target-language de")
ROWS = {
    "de-en": f"{DE_EN} {LOWER} {BEST}",
    "en-de": f"{EN_DE} {LOWER} {BEST}",
    "en-de-cased": f"{EN_DE} {BEST}",
    **{f"de-en-{cell}": f"{DE_EN} {LOWER} --cell {cell} {EQUAL}" for cell in ("gru", "lstm", "simple_rnn")},
    "de-en-one": f"{DE_EN} {LOWER} --cell gru --no-bidirectional {EQUAL}",
    **{
        f"de-en-{kind}": f"{DE_EN} {LOWER} --cell gru --attention {kind} {EQUAL}" for kind in ("none", "multiplicative")
    },
}
CHOSEN, SPEED = "-chosen", "translation-speed"
AT_ONCE = 64  # sentences
PREFIX = "multi30k-"  # of the results' names
SHA256 = {
    "train.de.gz": "cd46d5957a34f3f3ba16d3207085bf59069d09e6b5a3b8bac4c1ffbf74141874",
    "train.en.gz": "6f2558ba777dbac5adb1ac67a82e6e208cc4b66012c5d92ba06c2578f9afbdb2",
    "val.de.gz": "64fc61d37b1739c6f31a34648d39dba7083367ba901aa6c110672c9808575f38",
    "val.en.gz": "367abef4ab98b93194ef3d3d7054ba2a2281eb7d5247568cd6212b712a4fcf8a",
    "test_2016_flickr.de.gz": "e2ec829448138b2efbcc2e2314a8e720da63143b45bb3415f10953e74582dbf7",
    "test_2016_flickr.en.gz": "8e3a465a3bb1fb1b1aa7634f8330e151263678d207998c7a50ba4d4b091bde3c",
}
COLUMNS = {"bleu": "BLEU", "bleu_lowercased": "BLEU, lower case", "chrf": "chrF", "exact_match": "exact match"}


def prepare(data: Path, folder: Path, chosen: bool) -> None:
    """Lay out the parts as the row takes them; with `chosen` the validation part stands for the test part."""
    for part, file in FILES.items():
        for language in ("de", "en"):
            stem = "val" if chosen and part == "test" else file
            shutil.copy(data / f"{stem}.{language}.gz", folder / f"{part}.{language}.gz")


def measure(row: str, data: Path, tokenised: bool, keep: Path | None, seed: int) -> dict:
    """Train one row and keep its metrics."""
    for file, checksum in SHA256.items():
        training_runs.check_data(data / file, checksum)
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder) / "parts"
        parts.mkdir()
        prepare(data, parts, row.endswith(CHOSEN))
        options = f"{ROWS[row.removesuffix(CHOSEN)]} --seed {seed}"
        run = training_runs.train("translation", parts, keep or Path(folder) / "run", options)
        predictions = pd.read_csv(run.folder / "predictions.csv.gz", keep_default_na=False)
        history = (run.folder / "history.csv").read_text(encoding="utf-8").splitlines()
        identical = identical_elsewhere(run.folder, predictions["source"].tolist(), predictions["answer"].tolist())
        calibration = run_folder.read_json(run.folder / "calibration.json")
    metrics = run.metrics
    told = {name: metrics[name] for name in ("pairs", "methods", "signatures", "by_length", "notes", "verdict")}
    told |= {"minutes": run.minutes, "history": history, "identical": identical, "calibration": calibration}
    if tokenised:
        language = options.split()[3]
        told["tokenised_bleu"] = tokenised_bleu(predictions["answer"], predictions["reference"], language)
    return told | {"versions": run.manifest["versions"], "machine": run.manifest["machine"]}


def tokenised_bleu(answers: pd.Series, references: pd.Series, language: str) -> float:
    """BLEU on lower-cased tokens of spaCy's blank pipeline of a language."""
    import spacy  # which this number alone needs

    tokenizer = spacy.blank(language).tokenizer

    def tokens(text: str) -> str:
        return " ".join(token.text for token in tokenizer(text.lower()))

    return BLEU(tokenize="none", force=True).corpus_score([*map(tokens, answers)], [[*map(tokens, references)]]).score


def read_test(data: Path, language: str) -> list[str]:
    """The sentences of the test part."""
    with gzip.open(data / f"{FILES['test']}.{language}.gz", "rt", encoding="utf-8", newline="\n") as file:
        return file.read().splitlines()


def identical_elsewhere(run: Path, sources: list[str], expected: list[str]) -> list[int]:
    """How many translations are the same in a process without seqapps and Keras, in the order of the file, of how many.

    Those that are expected were made by `evaluate`, in batches of about equal length.
    """
    version = str(export.newest_version(run / "export"))
    program = f"""
import sys
sys.modules["keras"] = sys.modules["seqapps"] = None
import json, tensorflow as tf
sources, served = json.load(sys.stdin), tf.saved_model.load({version!r})
parts = [served.serving_default(sources[start : start + {AT_ONCE}]) for start in range(0, len(sources), {AT_ONCE})]
print(json.dumps([target.decode() for part in parts for target in part["target"].numpy()]))
"""
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, input=json.dumps(sources), capture_output=True, text=True, check=True)
    received = json.loads(done.stdout.strip().splitlines()[-1])
    return [sum(map(str.__eq__, expected, received)), len(expected)]


def row_lines(row: str, result: dict) -> list[str]:
    """One row: its command, the mean over seeds of every method, and what was checked."""
    seeds = result["seeds"]
    first = next(iter(seeds.values()))
    lines = training_runs.heading(row, result, "pairs") + training_runs.score_table(seeds, COLUMNS)
    tokenised = [each["tokenised_bleu"] for each in seeds.values() if "tokenised_bleu" in each]
    if tokenised:
        lines += ["", f"BLEU on lower-cased tokens of spaCy: {sum(tokenised) / len(tokenised):.2f}."]
    epochs, identical = len(first["history"]) - 1, first["identical"]
    lines += [
        "",
        f"{epochs} epochs; length penalty {first['calibration']['length_penalty']:g}, beam 5. sacrebleu: "
        f"`{first['signatures']['bleu']}`. {identical[0]} of {identical[1]} translations are the same in a process "
        "without seqapps and Keras.",
        "",
    ]
    return [*lines, *(each["verdict"] for each in seeds.values()), ""]


def table() -> str:
    """The results as Markdown."""
    results = training_runs.read_results()
    told = "Written by `python benchmarks/translation.py ROW --data DIR`. Rows named `-chosen` are on validation."
    lines = ["# Translation, measured", "", told, ""]
    for row in (name for each in ROWS for name in (each, each + CHOSEN)):
        if PREFIX + row in results:
            lines += row_lines(row, results[PREFIX + row])
    if SPEED in results:
        lines += translation_speed.table(results[SPEED])
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=[*ROWS, *(row + CHOSEN for row in ROWS), "speed", "table"])
    parser.add_argument("--data", type=Path, default=os.environ.get("SEQAPPS_DATA"), metavar="DIR")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    parser.add_argument("--tokenised", action="store_true", help="needs spacy")
    parser.add_argument("--run", type=Path, help="whose speed is measured")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the run stays")
    words = parser.parse_args()
    if words.row != "table":
        if words.data is None:
            parser.error("--data DIR or SEQAPPS_DATA is needed")
        inner = words.data / "translation" / "multi30k_en-de"
        data = inner if inner.is_dir() else words.data
        if words.keep and len(words.seeds) > 1:
            parser.error("--keep takes one seed")
        if words.row == "speed" and words.run is None:
            parser.error("speed needs --run RUN")
        if words.row == "speed":
            training_runs.check_data(data / "test_2016_flickr.de.gz", SHA256["test_2016_flickr.de.gz"])
            training_runs.write_result(SPEED, translation_speed.measure(words.run, read_test(data, "de")))
        else:
            told = f"python apps/translation.py train DIR RUN {ROWS[words.row.removesuffix(CHOSEN)]}"
            measured = functools.partial(measure, words.row, data, words.tokenised, words.keep)
            training_runs.with_seeds(PREFIX + words.row, told, words.seeds, measured)
    (HERE / "translation.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
