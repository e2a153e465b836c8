"""A trained run listens to files, folders, tables and lines of paths, and is measured on other data."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

import seqapps
from seqapps import cli, run_folder
from seqapps.tasks import speech
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.pipeline import measured_splits

WORDS = ("high", "low", "rise")


@pytest.fixture(scope="module")
def folder(trained_run):
    return trained_run("speech", "gru")


@pytest.fixture(scope="module")
def run(folder):
    return seqapps.load(folder)


@pytest.fixture
def files(toys, tmp_path):
    """Six of the recordings, in a folder with one sub-folder per word, and what is said in them."""
    rows = toys["speech"].data[4:60:11]
    paths = []
    for file, label in zip(rows["file"], rows["label"], strict=True):
        paths.append(tmp_path / "words" / label / f"{len(paths)}.wav")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, paths[-1])
    return paths, rows["label"].tolist()


def same(told, expected):
    pd.testing.assert_frame_equal(told.drop(columns="file"), expected.drop(columns="file"), rtol=1e-5, atol=1e-6)


# --- predicting ---


def test_recordings_are_answered_whatever_names_them(run, files, tmp_path, monkeypatch):
    paths, said = files
    told = run.predict([str(path) for path in paths])
    assert list(told.columns) == ["file", "label", "probability", *(f"probability_{word}" for word in WORDS)]
    assert told["file"].tolist() == [str(path) for path in paths]
    assert np.mean(told["label"] == said) >= 0.8
    np.testing.assert_allclose(told.iloc[:, 3:].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(told["probability"], told.iloc[:, 3:].max(axis=1))
    same(run.predict(paths[0]), told[:1])
    table = pd.DataFrame({"path": [str(path) for path in paths], "split": "nowhere"})  # no labels, other columns
    same(run.predict(table), told)
    table.to_csv(tmp_path / "list.csv", index=False)
    same(run.predict(str(tmp_path / "list.csv")), told)
    same(run.predict(io.StringIO("\n".join(map(str, paths)) + "\n\n")), told)
    order = np.argsort([path.relative_to(tmp_path / "words").as_posix() for path in paths])
    of_folder = run.predict(tmp_path / "words")
    assert of_folder["file"].tolist() == [paths[row].relative_to(tmp_path / "words").as_posix() for row in order]
    same(of_folder, told.iloc[order].reset_index(drop=True))


def test_answers_come_in_parts_as_many_recordings_are_read(run, toys):
    parts = list(run.predict_parts(toys["speech"].data["file"][:70].tolist()))
    assert [len(part) for part in parts] == [32, 32, 6]


@pytest.mark.parametrize("data", [[], io.StringIO("\n")])
def test_nothing_to_listen_to_is_an_error(run, data):
    with refusal("There is no recording to listen to: the input is empty."):
        run.predict(data)


def test_the_command_line_writes_csv_and_json_lines(folder, run, files, capfd, monkeypatch):
    paths, _ = files
    expected = run.predict(paths[:2])
    capfd.readouterr()
    assert cli.run(["speech", "predict", str(folder), *map(str, paths[:2])]) == cli.DONE
    same(pd.read_csv(io.StringIO(capfd.readouterr().out)), expected)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(map(str, paths[:2]))))
    assert cli.run(["speech", "predict", str(folder), "-", "--format", "jsonl"]) == cli.DONE
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    same(pd.DataFrame(told), expected)
    assert told[0]["file"] == str(paths[0])


# --- measuring ---


def test_a_run_is_measured_on_a_folder_without_speakers(run, files, tmp_path):
    metrics = run.evaluate(tmp_path / "words", split="all")
    assert (metrics["split"], metrics["recordings"], metrics["by_speaker"]) == ("all", 6, {})
    assert set(metrics["methods"]) == {"model", "commonest answer", "logistic regression"}
    alone = run.evaluate(tmp_path / "words", split="all", baselines="none")
    assert set(alone["methods"]) == {"model"}
    assert alone["methods"]["model"] == metrics["methods"]["model"]


def test_speakers_of_the_test_part_are_told_one_by_one(folder, toys):
    metrics = run_folder.read_json(folder / "metrics.json")
    predictions = pd.read_csv(folder / "predictions.csv.gz")
    assert set(metrics["by_speaker"]) == set(predictions["speaker"]) < set(toys["speech"].data["speaker"])
    for speaker, told in metrics["by_speaker"].items():
        rows = predictions[predictions["speaker"] == speaker]
        assert told["recordings"] == len(rows)
        assert told["model"] == pytest.approx((rows["answer"] == rows["reference"]).mean())
    probability = np.clip(predictions["probability"], 1e-12, 1)
    right = predictions["answer"] == predictions["reference"]
    np.testing.assert_allclose(predictions["loss"][right], -np.log(probability[right]), rtol=1e-3, atol=1e-5)


def test_an_unknown_word_of_measured_data_is_an_error_with_its_place(run, toys):
    frame = toys["speech"].data[:9].assign(label="rice")
    message = (
        "row 0: the label must be one of the training part: 'high', 'low', 'rise'. Received: 'rice'. "
        "Did you mean 'rise'?"
    )
    with refusal(message):
        run.evaluate(frame, split="all")


def test_baselines_are_asked_for_where_there_are_some(run, folder, toys, tmp_path):
    left_out = shutil.ignore_patterns("baselines.npz", "checkpoints")
    without = seqapps.load(shutil.copytree(folder, tmp_path / "run", ignore=left_out))
    with refusal(
        "`baselines` must be 'none' for a run that was trained without baselines. Received: baselines='fast'."
    ):
        without.evaluate(toys["speech"].data, baselines="fast")
    assert set(without.evaluate(toys["speech"].data)["methods"]) == {"model"}


def test_the_table_of_a_named_test_part_is_missed_by_its_option(run, toys, tmp_path):
    with refusal("`split` must be one of 'test', 'validation', 'all'. Received: split='train'."):
        run.evaluate(toys["speech"].data, split="train")


# --- going on, and what is wrong with a command ---


def problem(capfd, *words):
    """What a command that fails writes to standard error: one line, and nothing on standard output."""
    code = cli.run(["speech", *map(str, words)])
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return code, err.rstrip("\n")


def test_a_wrong_command_ends_in_one_line(folder, toys, files, tmp_path, capfd):
    capfd.readouterr()
    (tmp_path / "text.wav").write_text("no sound at all", encoding="utf-8")
    out = tmp_path / "out"
    missing = f"seqapps: There is no file or folder '{tmp_path}/missing'."
    assert problem(capfd, "train", tmp_path / "missing", out) == (cli.PROBLEM, missing)
    refused = "seqapps speech train: `beam_width` must be left out with mode='classify'. Received: beam_width=3."
    assert problem(capfd, "train", tmp_path / "words", out, "--beam-width", 3) == (cli.USAGE, refused)
    code, line = problem(capfd, "predict", folder, tmp_path / "text.wav")
    assert code == cli.PROBLEM
    assert line.startswith(f"seqapps: {tmp_path}/text.wav cannot be read as WAV, FLAC or OGG: ")
    code, line = problem(capfd, "predict", folder, tmp_path / "missing.wav")
    assert (code, line) == (cli.PROBLEM, f"seqapps: There is no file '{tmp_path}/missing.wav'.")
    shutil.copy(tmp_path / "text.wav", tmp_path / "words" / "low" / "z.wav")
    code, line = problem(capfd, "evaluate", folder, tmp_path / "words", "--split", "all")
    assert code == cli.PROBLEM
    assert line.startswith(f"seqapps: {tmp_path}/words/low/z.wav cannot be read as WAV, FLAC or OGG: ")
    assert not out.exists()


def test_a_run_goes_on_with_its_own_data_alone(folder, toys, tmp_path):
    run = shutil.copytree(folder, tmp_path / "run")
    config = speech.Config(cell="gru", **toys["speech"].options)
    message = (
        f"The data are not those with which the run in {str(run)!r} began. "
        "Resume with the same data, or train into another folder."
    )
    with refusal(message):
        speech.train(config, toys["speech"].data[:100], run, resume=True)


def test_another_run_is_a_start_only_for_the_same_words_and_spectra(folder, toys, tmp_path):
    start, frame = str(folder), toys["speech"].data
    options = toys["speech"].options | {"initialize_from": start}
    own = f"The run {start!r} goes on with its own."
    with refusal(f"`mel_bins` must be 11 with this `initialize_from`. Received: mel_bins=13. {own}"):
        speech.train(speech.Config(**options | {"mel_bins": 13}), frame, tmp_path / "r")
    words = f"{start!r} with 'high', 'low', 'rise', where the data have 'deep', 'high', 'rise'"
    with refusal(f"`initialize_from` must be a run with the same words. Received: {words}."):
        speech.train(speech.Config(**options), frame.replace({"label": {"low": "deep"}}), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_note_says_that_a_column_of_parts_is_missing(toys):
    config = Config(split_column="split")
    splits = measured_splits(toys["speech"].data, config, WORDS, "test")
    told = "There is no column 'split', which cut the training data: parts are cut by other rules."
    assert splits.notes[-1] == told
    marked = toys["speech"].data.assign(split=["train", "validation", "test"] * 42)
    assert told not in measured_splits(marked, config, WORDS, "test").notes
