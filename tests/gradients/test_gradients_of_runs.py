"""The gradients of finished runs of every task: what is measured, written and told."""

import argparse
import json
import shutil
from importlib import import_module

import keras
import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps import cli, gradients, run_folder
from seqapps.cli.gradients import add_flags
from seqapps.recurrent.gradient_flow import gradient_flow
from seqapps.tasks import TASKS
from seqapps.tasks.forecasting import data as forecasting_data
from seqapps.tasks.forecasting import preprocessing as forecasting_preprocessing
from seqapps.tasks.forecasting.config import Config as ForecastingConfig
from seqapps.tasks.forecasting.model import build_model as build_forecaster
from seqapps.tasks.sentiment import data as sentiment_data
from seqapps.tasks.sentiment import linear
from seqapps.tasks.sentiment import preprocessing as sentiment_preprocessing
from seqapps.tasks.sentiment.config import Config as SentimentConfig
from seqapps.tasks.sentiment.model import build_model as build_classifier
from seqapps.tasks.speech import data as speech_data
from seqapps.tasks.speech.config import Config as SpeechConfig
from seqapps.tasks.speech.model import build_model as build_listener
from seqapps.tasks.speech.pipeline import fitting as speech_fitting
from seqapps.training.norms import COLUMNS

ROWS = 5
RUNS = [*((task, "gru") for task in TASKS), ("sentiment", "lstm"), ("generation", "simple_rnn")]
every_run = pytest.mark.parametrize(("task", "cell"), RUNS)


def probe_of(task, run, data, model, split="validation"):
    return import_module(f"seqapps.tasks.{task}.gradients").gradient_batch(model, run, data, split, ROWS)


def load(run):
    return keras.models.load_model(run / "model.keras", compile=False)


@every_run
def test_the_losses_are_those_of_the_model_whose_stack_is_stepped(task, cell, trained_run, toys):
    run = trained_run(task, cell)
    probe = probe_of(task, run, toys[task].data, load(run))
    stepped = []

    def losses():
        stepped.append(probe.losses())
        return stepped[-1]

    flow = gradient_flow(probe.stack, losses)
    np.testing.assert_allclose(stepped[0], probe.losses(), rtol=1e-4, atol=1e-5)
    first = flow.curve(0, "forward", "h")
    assert first.norms[0] > 0
    assert first.rows[0] == len(probe.names)
    lengths = [sum(name != "" for name in names) for names in probe.names]
    assert first.rows == tuple(sum(length > lag for length in lengths) for lag in range(max(lengths)))
    assert [(e.layer, e.direction) for e in flow.gates[:1]] == ([] if cell == "simple_rnn" else [(0, "forward")])


def test_only_the_last_token_of_a_window_sends_its_loss_back(trained_run, toys):
    run = trained_run("generation", "gru")
    probe = probe_of("generation", run, toys["generation"].data, load(run))
    assert probe.limit == toys["generation"].options["truncation_steps"]
    ends = gradient_flow(probe.stack, probe.losses).curve(0, "forward", "h").norms
    everywhere = gradient_flow(probe.stack, probe.losses, everywhere=True).curve(0, "forward", "h").norms
    assert ends[0] == pytest.approx(everywhere[0])
    assert ends[-1] < everywhere[-1]


def test_windows_of_text_are_spread_over_short_documents(trained_run, tmp_path):
    """Every text is longer than the one before, and none is cut: the longest are not preferred."""
    texts = pd.DataFrame({"text": ["abcabcabcabc"[number:][: number + 4] for number in range(6)]})
    run = trained_run("generation", "gru")
    probe = import_module("seqapps.tasks.generation.gradients").gradient_batch(load(run), run, texts, "all", 3)
    assert ["".join(names[1:]) for names in probe.names] == texts["text"][[0, 2, 4]].tolist()


@every_run
def test_a_run_is_measured_before_and_after_its_training(task, cell, trained_run, toys, tmp_path, capsys):
    run = trained_run(task, cell)
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    told = gradients.measure(run, toys[task].data, rows=ROWS, output=tmp_path / "out")
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["gradients.html", "gradients.json"]
    assert json.loads((tmp_path / "out" / "gradients.json").read_text()) == told
    model = load(run)
    probe = probe_of(task, run, toys[task].data, model)
    for moment, weights in (("end", None), ("start", run / "initial.weights.h5")):
        if weights:
            model.load_weights(weights)
        curve = gradient_flow(probe.stack, probe.losses).curve(0, "forward", "h")
        np.testing.assert_allclose(told["curves"][moment][0]["norms"], curve.norms, rtol=1e-5)
        assert told["curves"][moment][0]["vanishes_at"] == curve.vanishes_at
    assert told["curves"]["start"] != told["curves"]["end"]
    assert [row["epoch"] for row in told["history"]] == list(range(1, toys[task].options["epochs"] + 1))
    assert set(told["history"][0]) == {"epoch", *COLUMNS}
    assert 0 < told["history"][0]["gradient_norm"] <= told["history"][0]["largest_gradient_norm"]
    page = (tmp_path / "out" / "gradients.html").read_text()
    assert ("A simple_rnn has no gates." in page) == (cell == "simple_rnn")
    directions = len({curve["direction"] for curve in told["curves"]["end"]})
    assert page.count("<img") == 5 + (3 * directions if cell != "simple_rnn" else 0)
    printed = capsys.readouterr().out
    for sentence in told["advice"]:
        assert sentence in printed
    assert "layer 1, forward, h" in printed


@pytest.mark.parametrize("channels", ["joint", "independent"])
@pytest.mark.parametrize("head", ["direct", "segment", "recursive"])
def test_every_head_of_a_forecaster_is_measured(head, channels, toys, tmp_path):
    """The model as it is built, in a folder of what a run holds before its training."""
    toy = toys["forecasting"]
    own = {"segment_length": 4} if head == "segment" else {}
    config = ForecastingConfig(**toy.options | {"head": head, "channels": channels, "num_layers": 2} | own)
    splits = forecasting_data.load(toy.data, config)
    config = forecasting_data.resolved(config, splits)
    scaling = forecasting_preprocessing.fit(splits, config)
    run_folder.write_json(tmp_path / "config.json", {"task": "forecasting", **config.to_dict()})
    run_folder.write_json(tmp_path / "preprocessing.json", {"fitted": scaling.to_dict(), "fingerprints": {}})
    probe = probe_of("forecasting", tmp_path, toy.data, build_forecaster(config, scaling.sizes()))
    flow = gradient_flow(probe.stack, probe.losses)
    steps = 13 if head != "segment" else 4  # segments of 4 of 13 steps, the first one filled up
    assert all(len(curve.norms) == steps for curve in flow.curves)
    assert len(probe.names) == ROWS * (2 if channels == "independent" else 1)
    assert all(len(names) == steps for names in probe.names)
    first, last = probe.names[0][0], probe.names[0][-1]
    hours = (np.datetime64(last) - np.datetime64(first)) / np.timedelta64(1, "h")
    assert hours == (12 if head != "segment" else 9)


@pytest.mark.parametrize("options", [{"label_separator": "+"}, {"linear_skip": "naive_bayes"}], ids=str)
def test_every_kind_of_classifier_is_measured(options, toys, tmp_path):
    """Several labels per text, and logits of a linear skip beside the network's."""
    toy = toys["sentiment"]
    config = SentimentConfig(**toy.options | {"pooling": "attention", "bidirectional": True} | options)
    splits = sentiment_data.load(toy.data, config)
    prepared = sentiment_preprocessing.fit(splits, config)
    run_folder.write_json(tmp_path / "config.json", {"task": "sentiment", **config.to_dict()})
    run_folder.write_json(tmp_path / "preprocessing.json", {"fitted": prepared.to_dict(), "fingerprints": {}})
    size = prepared.tokenizer.vocabulary_size
    if config.linear_skip != "none":
        logits = np.array([[0.5, -0.5], [2, 1]], "float32")
        linear.LinearSkip(np.array([4, 5]), logits, np.zeros(2, "float32"), size).save(
            tmp_path / "linear_skip.npz", logits
        )
    model = build_classifier(config, size, len(prepared.classes))
    probe = probe_of("sentiment", tmp_path, toy.data, model)
    flow = gradient_flow(probe.stack, probe.losses)
    assert {curve.direction for curve in flow.curves} == {"forward", "backward"}
    assert all(curve.norms[0] > 0 for curve in flow.curves)
    assert probe.losses().shape == ((ROWS, 2) if "label_separator" in options else (ROWS,))


def test_recordings_that_cannot_be_learned_from_are_told_and_others_taken(toys, tmp_path, capsys):
    toy = toys["speech transcripts"]
    config = SpeechConfig(**toy.options)
    splits = speech_data.load(toy.data, config)
    config = speech_data.resolved(config, splits)
    prepared = speech_fitting.fitted(speech_fitting.read(splits, config, tmp_path), splits, config)
    run_folder.write_json(tmp_path / "config.json", {"task": "speech", **config.to_dict()})
    run_folder.write_json(tmp_path / "preprocessing.json", {"fitted": prepared.to_dict(), "fingerprints": {}})
    model = build_listener(config, prepared)
    some = toy.data.iloc[: ROWS + 3].copy()
    some.iloc[[0, 1, 4], 1] = "unheard"
    probe = probe_of("speech", tmp_path, some, model, "all")
    assert len(probe.names) == len(probe.losses()) == ROWS
    assert np.isfinite(probe.losses()).all()
    assert capsys.readouterr().out == "Not measured: 3 recordings with a token outside the vocabulary.\n"
    with refusal(
        "No recording of the split 'all' can be learned from. "
        f"Not measured: {ROWS} recordings with a token outside the vocabulary."
    ):
        probe_of("speech", tmp_path, some.iloc[:ROWS].assign(transcript="unheard"), model, "all")


def test_every_row_of_other_data_can_be_measured(trained_run, toys, tmp_path):
    run = trained_run("sentiment", "gru")
    texts = toys["sentiment"].data.iloc[[0, 1]].assign(text=["splendid", ""])
    told = gradients.measure(run, texts, split="all", output=tmp_path)
    assert (told["rows"], told["steps"]) == (2, 1)


def test_the_command_writes_into_the_run(trained_run, toys, tmp_path, capsys):
    run = shutil.copytree(trained_run("forecasting", "gru"), tmp_path / "run")
    toys["forecasting"].data.to_csv(tmp_path / "data.csv", index=False)
    assert cli.run(["forecasting", "gradients", str(run), str(tmp_path / "data.csv"), "--rows", "2"]) == cli.DONE
    assert f"Report: {run / 'gradients.html'}" in capsys.readouterr().out
    assert run_folder.read_json(run / "gradients.json")["rows"] == 2 * 2  # windows of two columns
    options = run_folder.read_json(run / "config.json")
    run_folder.prepare(run, options, resume=False, overwrite=True)  # a new run keeps nothing of the old one
    assert [path.name for path in run.iterdir()] == ["config.json"]


def test_the_command_offers_what_the_function_takes():
    """It is built without TensorFlow, so it cannot ask the function."""
    parser = argparse.ArgumentParser()
    add_flags(parser, "data")
    assert tuple(next(each.choices for each in parser._actions if each.dest == "split")) == gradients.SPLITS
    assert (parser.get_default("split"), parser.get_default("rows")) == ("validation", gradients.ROWS)


def test_what_is_no_run_of_the_task_is_refused(trained_run, tmp_path, capsys):
    run = trained_run("forecasting", "gru")
    assert cli.run(["sentiment", "gradients", str(run), "data.csv"]) == cli.PROBLEM
    expected = f"seqapps: {str(run)!r} is a run of the task 'forecasting', not of 'sentiment'.\n"
    assert capsys.readouterr().err == expected
    assert cli.run(["sentiment", "gradients", str(run), "data.csv", "--rows", "0"]) == cli.USAGE
    assert "`rows` must be an integer of at least 1. Received: rows=0." in capsys.readouterr().err
    run_folder.write_json(tmp_path / "config.json", run_folder.read_json(run / "config.json"))
    with refusal(f"{str(tmp_path)!r} is not a finished run: it has no model.keras.", FileNotFoundError):
        gradients.measure(tmp_path, "data.csv")
    (tmp_path / "model.keras").touch()
    message = (
        f"{str(tmp_path)!r} has no initial.weights.h5, the weights before training: train it anew to compare with them."
    )
    with refusal(message, FileNotFoundError):
        gradients.measure(tmp_path, "data.csv")
    with refusal("`split` must be one of 'validation', 'test', 'all'. Received: split='train'."):
        gradients.measure(run, "data.csv", split="train")
