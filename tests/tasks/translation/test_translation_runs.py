"""Whole runs of translators: through the command line, resumed, and continued."""

import json
import tempfile

import keras
import numpy as np
import pandas as pd
import pytest
from refusals import refusal

import seqapps
from seqapps import cli, run_folder
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.pipeline import fitting
from seqapps.text import pair_batches

QUICK = {"epochs": 2, "baselines": "none"}


def train(toys, out, data=None, **options):
    toy = toys["translation"]
    config = Config(**toy.options | QUICK | options)
    return seqapps.translation.train(config, toy.data if data is None else data, out)


def weights_of(run):
    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


@pytest.fixture(scope="module")
def run(trained_run):
    return trained_run("translation", "gru")


def test_a_run_is_used_from_the_command_line(run, toys, tmp_path, capsys):
    data, sources = tmp_path / "data.csv", tmp_path / "sources.txt"
    toys["translation"].data.to_csv(data, index=False)
    sources.write_text("abc\n\nzz\n", encoding="utf-8")
    assert cli.run(["translation", "predict", str(run), str(sources), "--n-best", "2", "--beam-width", "3"]) == cli.DONE
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0] == "source,rank,target,score"
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["abc", "1"],
        ["abc", "2"],
        ["", "1"],
        ["zz", "1"],
        ["zz", "2"],
    ]
    assert "1 of 3 sources: The source has no token, and so no translation." in told.err
    out = tmp_path / "metrics.json"
    words = ["translation", "evaluate", str(run), str(data), "--beam-width", "1", "--output", str(out)]
    assert cli.run(words) == cli.DONE
    metrics = json.loads(out.read_text(encoding="utf-8"))
    assert metrics["decoding"]["beam_width"] == 1
    assert "Scores on the test part (" in capsys.readouterr().out


def test_a_run_that_learned_from_a_table_is_measured_on_parallel_files(run, toys, tmp_path, capsys):
    pairs = toys["translation"].data
    for side, language in (("source", "small"), ("target", "capital")):
        (tmp_path / f"toy.{language}").write_text("".join(f"{text}\n" for text in pairs[side]), encoding="utf-8")
    common, out = str(tmp_path / "toy"), tmp_path / "metrics.json"
    words = ["translation", "evaluate", str(run), common, "--output", str(out)]
    assert cli.run(words) == cli.PROBLEM
    assert capsys.readouterr().err == (
        f"seqapps: There is no file or folder {common!r}. For parallel files name `source_language` and "
        "`target_language`.\n"
    )
    assert cli.run([*words, "--source-language", "small", "--target-language", "capital"]) == cli.DONE
    measured = json.loads(out.read_text(encoding="utf-8"))
    assert measured["methods"] == run_folder.read_json(run / "metrics.json")["methods"]
    assert cli.run([*words, "--source-language", "small"]) == cli.USAGE
    with refusal(
        "`source_language` must be given together with `target_language`. Received: source_language=None. Each names "
        "the ending of a file."
    ):
        seqapps.load(run).evaluate(common, target_language="capital")


def test_what_a_request_cannot_have_is_refused_before_anything_is_loaded(tmp_path, capsys):
    words = ["translation", "predict", str(tmp_path / "none"), "x.txt", "--n-best", "9"]
    assert cli.run(words) == cli.USAGE
    told = capsys.readouterr().err
    assert told == (
        "seqapps translation predict: `n_best` must be at most beam_width. Received: n_best=9. Raise beam_width, which "
        "is 5.\n"
    )


def test_predictions_hold_source_answer_and_what_the_baselines_say(run):
    table = pd.read_csv(run / "predictions.csv.gz", keep_default_na=False)
    metrics = run_folder.read_json(run / "metrics.json")
    assert list(table.columns[:6]) == ["id", "source", "reference", "answer", "loss", "chrf"]
    assert len(table) == metrics["pairs"]
    assert np.mean(table["answer"] == table["reference"]) == metrics["methods"]["model"]["exact_match"]
    characters = table["reference"].str.len() + 1
    assert (table["loss"] * characters).sum() / characters.sum() == pytest.approx(
        metrics["nats_per_character"], rel=1e-5
    )
    assert sum(group["pairs"] for group in metrics["by_length"]) == metrics["pairs"]


def test_the_length_penalty_of_a_run_is_the_best_of_validation_as_it_is_served(run, toys):
    calibration = run_folder.read_json(run / "calibration.json")
    told = {float(penalty): bleu for penalty, bleu in calibration["bleu"].items()}
    assert [*told] == pytest.approx(np.arange(16) / 5)
    assert told[calibration["length_penalty"]] == pytest.approx(max(told.values()), abs=5e-4)
    for penalty in (0.0, 3.0):
        measured = seqapps.load(run).evaluate(toys["translation"].data, split="validation", length_penalty=penalty)
        assert measured["methods"]["model"]["bleu"] == pytest.approx(told[penalty])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.3, "embedding_dropout": 0.2, "average_weights": 0.9, "num_layers": 2, "recurrent_dropout": 0.1},
        {"tokenizer": "byte_pair", "vocabulary_size": 270, "byte_pair_dropout": 0.3, "cell": "lstm"},
        {"input_feeding": True, "dropout": 0.3, "num_layers": 2, "cell": "simple_rnn"},
    ],
)
def test_a_resumed_run_equals_one_that_was_left_alone(options, toys, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(toys, whole, epochs=4, **options)
    measure = fitting.Validation.bleu

    def failing(self):
        measured.append(measure(self))
        if len(measured) == 3:
            raise KeyboardInterrupt
        return measured[-1]

    measured = []
    with monkeypatch.context() as patched:
        patched.setattr(fitting.Validation, "bleu", failing)
        with pytest.raises(KeyboardInterrupt):
            train(toys, cut, epochs=4, **options)
    toy = toys["translation"]
    seqapps.translation.train(Config(**toy.options | QUICK | {"epochs": 4} | options), toy.data, cut, resume=True)
    for resumed, first in zip(weights_of(cut), weights_of(whole), strict=True):
        np.testing.assert_array_equal(resumed, first)
    for name in ("metrics.json", "calibration.json", "preprocessing.json"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
def test_a_run_goes_on_from_another_one_with_its_tokenizers(run, toys, tmp_path):
    train(toys, tmp_path / "on", epochs=1, learning_rate=1e-9, initialize_from=str(run))
    for new, old in zip(weights_of(tmp_path / "on"), weights_of(run), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-6)
    with refusal(
        f"`lowercase` must be False with this `initialize_from`. Received: lowercase=True. The run {str(run)!r} goes "
        "on with its own."
    ):
        train(toys, tmp_path / "off", initialize_from=str(run), lowercase=True)


def test_limits_that_leave_nothing_to_train_on_are_refused_before_a_folder_is_made(toys, tmp_path):
    pairs = pd.DataFrame({"source": [f"abcd{n}" for n in range(99)], "target": [f"x{n}" * 9 for n in range(99)]})
    with refusal(
        "`max_tokens` must be at least 18. Received: max_tokens=3. So many has the shortest pair of the training part "
        "on its longer side."
    ):
        train(toys, tmp_path / "run", data=pairs, max_tokens=3)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"tokenizer": "byte_pair", "vocabulary_size": 270, "byte_pair_dropout": 0.3}])
def test_the_training_part_is_encoded_once_and_nothing_of_it_is_left(options, toys, tmp_path, monkeypatch):
    encode, written = pair_batches.encode, []

    def counting(texts, encoder, path, most=None):
        written.append(path.name)
        return encode(texts, encoder, path, most)

    monkeypatch.setattr(pair_batches, "encode", counting)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    train(toys, tmp_path / "run", epochs=1, **options)
    assert written == [f"{part}.{side}.ids" for part in ("train", "validation") for side in ("source", "target")]
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith("__autograph")]  # TensorFlow's own
    assert left == ["run"]
    assert not (tmp_path / "run" / "cache").exists()


@pytest.mark.slow
def test_a_run_tells_of_its_training_and_a_measurement_of_what_is_measured(toys, tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    pairs = toys["translation"].data.query("source != 'ab'")
    asked = pd.DataFrame({"source": ["zz", "ab"], "target": ["YY", "BA"]})
    short, long = (pairs[pairs["source"].str.len().isin(lengths)] for lengths in ((1, 2, 3), (4,)))
    parts = {"train": [short, long, long[:7], asked.assign(target="X")], "dev": [short[:29]], "test": [asked]}
    for name, frames in parts.items():
        pd.concat(frames).to_csv(folder / f"{name}.csv", index=False)
    metrics = train(
        toys, tmp_path / "run", data=folder, max_tokens=3, epochs=1, validation_fraction=0.1, test_fraction=0.1
    )
    overlap = "2 sources are in the test part and, with another target, in the training part."
    assert metrics["notes"] == [
        "Not trained on: 7 pairs that stand in the training part already.",
        "Not trained on: 29 pairs that are in the validation or test part too.",
        overlap,
        f"Not trained on: {len(long)} pairs with more than 3 tokens on a side.",
    ]
    run = seqapps.load(tmp_path / "run")
    assert run.evaluate(folder)["notes"] == [overlap]
    assert run.evaluate(folder, split="validation")["notes"] == []
    pd.concat([short, asked.assign(target="X")]).to_csv(folder / "train.csv", index=False)  # not what was trained on
    assert run.evaluate(folder)["notes"] == []


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
def test_words_are_reversed_without_a_mistake(cell, toys, tmp_path):
    options = {"units": 32, "embedding_size": 16, "dropout": 0.1, "epochs": 60, "learning_rate": 0.01}
    metrics = train(toys, tmp_path / "run", cell=cell, **options)
    assert metrics["methods"]["model"]["exact_match"] == 1
