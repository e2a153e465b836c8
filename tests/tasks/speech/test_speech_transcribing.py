"""A run that writes what is said holds the contract of every task, for every cell."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from toy_tones import RATE

import seqapps
from seqapps import export, run_folder
from seqapps.audio import reading
from seqapps.config import CELL_NAMES
from seqapps.tasks.speech.evaluation import MODEL
from seqapps.tasks.speech.model import BLANK

TASK = "speech transcripts"
pytestmark = pytest.mark.slow
every_cell = pytest.mark.parametrize("cell", CELL_NAMES)


@every_cell
def test_it_learns_strings_of_tones(cell, trained_run):
    metrics = run_folder.read_json(trained_run(TASK, cell) / "metrics.json")
    methods = metrics["methods"]
    assert methods[MODEL]["word_error_rate"] < 0.1
    assert methods["commonest answer"]["word_error_rate"] > 0.5
    assert len(methods) == 3
    assert all(set(each) == {"word_error_rate", "character_error_rate", "exact_match"} for each in methods.values())
    history = pd.read_csv(trained_run(TASK, cell) / "history.csv")
    assert history["val_loss"].iloc[-1] < 0.5 * history["val_loss"].iloc[0]


@every_cell
def test_one_training_step_changes_every_trainable_weight(cell, trained_run):
    run = trained_run(TASK, cell)
    loss = keras.models.load_model(run / "model.keras").loss
    model = keras.models.load_model(run / "model.keras", compile=False)
    model.load_weights(run / "initial.weights.h5")
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    before = model.get_weights()
    waveforms = np.random.default_rng(0).normal(scale=0.3, size=(3, 1700)).astype("float32")
    model.train_on_batch([waveforms, np.array([1700, 1700, 900])], np.array([[4, 5, 6], [6, 6, 0], [5, 0, 0]]))
    for weight, old in zip(model.weights, before, strict=True):
        assert (keras.ops.convert_to_numpy(weight) != old).any() == weight.trainable, weight.path


@every_cell
def test_the_saved_model_writes_what_the_python_model_does(cell, trained_run, toys):
    run = trained_run(TASK, cell)
    vocabulary = run_folder.read_json(run / "preprocessing.json")["fitted"]["tokenizer"]["vocabulary"]
    model, served = keras.models.load_model(run / "model.keras"), seqapps.load(run)
    told = served.predict(toys[TASK].data["file"][:9].tolist())
    for file, text, chance in zip(*(told[name] for name in ("file", "text", "log_probability")), strict=True):
        waveform = reading.read(file, RATE, 20.0)
        logits = model([waveform[None], np.array([len(waveform)])])
        likely = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[0]
        path = likely.argmax(axis=1)
        ids = [each for step, each in enumerate(path) if each != BLANK and (step == 0 or path[step - 1] != each)]
        assert text == " ".join(vocabulary[each - 4] for each in ids)
        assert chance == pytest.approx(likely.max(axis=1).sum(), rel=1e-4, abs=1e-4)


def test_every_bundle_answers_alike_in_a_process_without_seqapps_and_keras(trained_run):
    export.verify([export.newest_version(trained_run(TASK, cell) / "export") for cell in CELL_NAMES])


@every_cell
def test_a_stream_writes_what_the_whole_recording_says(cell, trained_run, toys):
    run = trained_run(TASK, cell)
    version = export.newest_version(run / "export")
    loaded = tf.saved_model.load(str(version))
    signatures = json.loads((version / "assets.extra" / "signatures.json").read_text(encoding="utf-8"))["signatures"]
    assert set(signatures) == {"serving_default", "waveform", "stream"}
    waveform = reading.read(toys[TASK].data["file"][3], RATE, 20.0)
    whole = loaded.waveform(waveform[None], tf.constant([len(waveform)]))
    state = tf.zeros((1, loaded.signatures["stream"].structured_input_signature[1]["state"].shape[1]))
    written = []
    for chunk in np.array_split(waveform, 23):
        told = loaded.stream(tf.constant(chunk[None]), tf.constant([len(chunk)]), state)
        state = told["state"]
        written.append(told["text"].numpy()[0])
    assert b"".join(written) == whole["text"].numpy()[0] != b""
    assert len([each for each in written if each]) > 1
    np.testing.assert_allclose(told["log_probability"], whole["log_probability"], rtol=1e-3, atol=1e-3)


def test_evaluating_the_served_run_gives_the_metrics_of_its_training(trained_run, toys):
    run = trained_run(TASK, "gru")
    metrics = run_folder.read_json(run / "metrics.json")
    assert seqapps.load(run).evaluate(toys[TASK].data) == metrics
    shouted = toys[TASK].data.assign(transcript=toys[TASK].data["transcript"].str.upper() + "  ")
    again = seqapps.load(run).evaluate(shouted)  # capitals and blanks are no errors, also not of a speaker
    assert (again["methods"][MODEL], again["by_speaker"]) == (metrics["methods"][MODEL], metrics["by_speaker"])


def test_predictions_and_report_agree_with_the_metrics(trained_run):
    run = trained_run(TASK, "gru")
    metrics = run_folder.read_json(run / "metrics.json")
    predictions = pd.read_csv(run / "predictions.csv.gz", keep_default_na=False)
    assert predictions["loss"].sum() / metrics["words"] == pytest.approx(metrics["methods"][MODEL]["word_error_rate"])
    assert (predictions["reference"] == predictions["answer"]).mean() == metrics["methods"][MODEL]["exact_match"]
    for name in ("report.html", "README.md"):
        assert metrics["verdict"] in (run / name).read_text(encoding="utf-8")
