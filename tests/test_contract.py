"""What every task promises for every cell. Each task adds its own lines to the tables at the top."""

import json
import re
import shutil
from importlib import import_module

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import seqapps
from seqapps import cli, export, run_folder
from seqapps.config import CELL_NAMES
from seqapps.series import windows
from seqapps.tasks import TASKS

BATCH = 3
FILES = {
    "config.json",
    "manifest.json",
    "preprocessing.json",
    "calibration.json",
    "history.csv",
    "metrics.json",
    "predictions.csv.gz",
    "report.html",
    "README.md",
    "model.keras",
    "initial.weights.h5",
    "checkpoints",
    "export",
}
OWN_FILES = {"forecasting": {"baselines.npz"}, "sentiment": {"baselines.npz", "encoder.weights.h5"}}
OWN_FILES["generation"] = OWN_FILES["sentiment"] | {"samples.jsonl"}
OWN_FILES["translation"] = {"baselines.npz"}
PREDICTION_COLUMNS = ["id", "reference", "answer", "loss"]
every_cell = pytest.mark.parametrize("cell", CELL_NAMES)
every_task = pytest.mark.parametrize("task", TASKS)


def forecasting_batch():
    """Inputs and targets of one training step."""
    generator = np.random.default_rng(0)
    history = generator.normal(size=(BATCH, 13, 2)).astype("float32")
    history[0, 4, 1] = np.nan
    return {"history": history}, generator.normal(size=(BATCH, 5, 2)).astype("float32")


def forecasting_answers(run, data):
    """The answers of the Python model and of the SavedModel to the same windows."""
    served = import_module("seqapps.tasks.forecasting.serving").Served(run)
    panel = import_module("seqapps.tasks.forecasting.data").read(data, served.config)
    origins = np.array([31, 107, 337, len(panel.values)])  # after gaps and before them
    history = np.stack([panel.values[origin - 13 : origin] for origin in origins])
    model = keras.models.load_model(run / "model.keras")
    scaled = keras.ops.convert_to_numpy(model({"history": served.preprocessing.forward(history)}))
    calibration = run_folder.read_json(run / "calibration.json")
    median = scaled[..., 1:2]
    low, kept, high = np.moveaxis(
        median + (scaled - median) * np.array(calibration["factors"]) + np.array(calibration["shifts"]), -1, 0
    )
    corrected = (np.minimum(low, kept), kept, np.maximum(high, kept))
    python = np.stack([served.preprocessing.inverse(each).numpy() for each in corrected], axis=-1)
    (answer,) = served.answers(panel, windows.one_series(origins))
    return python, answer["quantiles"]


def forecasting_has_learned(methods):
    """Half the error of both naive methods, one of which believes in a wrong season."""
    naive = min(methods["repeat last value"]["mase"], methods["seasonal naive"]["mase"])
    return methods["model"]["mase"] < 0.5 * naive


def sentiment_batch():
    """Token ids, one row of them padded, and classes."""
    return np.array([[4, 5, 6, 7], [8, 9, 4, 0], [5, 4, 0, 0]], "int32"), np.array([0, 1, 1], "int32")


def sentiment_answers(run, data):
    """The probabilities of the Python model and of the SavedModel for texts of all kinds."""
    served = import_module("seqapps.tasks.sentiment.serving").Served(run)
    texts = [*data["text"][:5], "", "unheard-of words", "splendid " * 40, "日本 🙂"]
    model = keras.models.load_model(run / "model.keras")
    token_ids = served.preprocessing.encode(tf.constant(texts)).to_tensor()
    logits = (
        keras.ops.convert_to_numpy(model(token_ids)) / run_folder.read_json(run / "calibration.json")["temperature"]
    )
    loaded = tf.saved_model.load(str(export.newest_version(run / "export")))
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits)), loaded.serving_default(texts)["probabilities"].numpy()


def sentiment_has_learned(methods):
    """At most a fifth of the errors of always naming the commonest class."""
    return 1 - methods["model"]["accuracy"] < 0.2 * (1 - methods["commonest class"]["accuracy"])


def generation_batch():
    """Token ids and those that come next, one row of them padded."""
    return np.array([[2, 5, 6, 4], [2, 4, 5, 6], [2, 6, 0, 0]], "int32"), np.array(
        [[5, 6, 4, 5], [4, 5, 6, 4], [6, 3, 0, 0]], "int32"
    )


def generation_answers(run, data):
    """How likely the Python model and the SavedModel find texts of all kinds."""
    served = import_module("seqapps.tasks.generation.serving").Served(run)
    texts = [*data["text"][:5], "", "unheard-of", "abc" * 99, "日本 🙂"]
    model = keras.models.load_model(run / "model.keras")
    python = []
    for text in texts:
        token_ids = [2, *served.preprocessing.tokenizer.encode(tf.constant([text])).to_list()[0]]
        logits = keras.ops.convert_to_numpy(model(np.array([token_ids[:-1] or [2]], "int32")))
        told = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[0]
        python.append(sum(told[place, token] for place, token in enumerate(token_ids[1:])))
    loaded = tf.saved_model.load(str(export.newest_version(run / "export")))
    return np.array(python), loaded.score(texts)["log_likelihood"].numpy()


def generation_has_learned(methods):
    """At most a fifth of the nats of a model that knows how frequent every letter is."""
    return methods["model"]["nats_per_token"] < 0.2 * methods["unigram"]["nats_per_token"]


def translation_batch():
    """Ids of sources, of targets so far and of targets, some rows of them padded."""
    so_far = np.array([[2, 5, 6, 4], [2, 4, 5, 0], [2, 6, 0, 0]], "int32")
    targets = np.array([[5, 6, 4, 3], [4, 5, 3, 0], [6, 3, 0, 0]], "int32")
    return [np.array([[4, 5, 6, 3], [6, 5, 3, 0], [7, 3, 0, 0]], "int32"), so_far], targets


def translation_answers(run, data):
    """How likely the Python model and the SavedModel find translations of all kinds."""
    sources = [*data["source"][:5], "", "a", "dcba" * 9, "日本 🙂"]
    targets = [*data["target"][:5], "A", "", "ABCD" * 9, "日本"]
    fitted = run_folder.read_json(run / "preprocessing.json")["fitted"]
    prepared = import_module("seqapps.tasks.translation.preprocessing").Preprocessing.from_dict(fitted)
    model = keras.models.load_model(run / "model.keras")
    python = []
    for source, target in zip(sources, targets, strict=True):
        read = [*prepared.source.encode(tf.constant([source])).to_list()[0], 3]
        written = [*prepared.target.encode(tf.constant([target])).to_list()[0], 3]
        logits = model([np.array([read], "int32"), np.array([[2, *written[:-1]]], "int32")])
        told = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[0]
        python.append(sum(told[place, token] for place, token in enumerate(written)))
    loaded = tf.saved_model.load(str(export.newest_version(run / "export")))
    return np.array(python), loaded.score(sources, targets)["log_probability"].numpy()


def translation_has_learned(methods):
    """At least seven words of ten reversed without a mistake."""
    return methods["model"]["exact_match"] >= 0.7


def of_every_task(kind):
    """For every task its function of a kind."""
    return {task: globals()[f"{task}_{kind}"] for task in TASKS}


BATCHES, ANSWERS, HAS_LEARNED = map(of_every_task, ("batch", "answers", "has_learned"))


def config_of(task):
    return import_module(f"seqapps.tasks.{task}.config").Config


def metrics_of(run):
    return json.loads((run / "metrics.json").read_text(encoding="utf-8"))


# --- options ---


@every_cell
@every_task
def test_defaults_construct(task, cell):
    assert config_of(task)(cell=cell).to_dict() == config_of(task)().to_dict() | {"cell": cell}


@every_cell
@every_task
def test_a_config_is_the_same_after_a_round_trip_through_json(task, cell, toys):
    for config in (config_of(task)(cell=cell), config_of(task)(cell=cell, **toys[task].options)):
        stored = json.loads(json.dumps(config.to_dict()))
        assert config_of(task).from_dict(stored) == config


# --- learning ---


@every_cell
@every_task
def test_one_training_step_changes_every_trainable_weight(task, cell, trained_run):
    run = trained_run(task, cell)
    loss = keras.models.load_model(run / "model.keras").loss
    model = keras.models.load_model(run / "model.keras", compile=False)
    model.load_weights(run / "initial.weights.h5")
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)  # moves nothing that has no gradient
    model.train_on_batch(*BATCHES[task]())
    assert len(model.trainable_weights) > 3
    for weight, old in zip(model.weights, before, strict=True):
        changed = (keras.ops.convert_to_numpy(weight) != old).any()
        assert changed == weight.trainable, weight.path


@every_cell
@every_task
def test_the_task_learns_its_toy_problem(task, cell, trained_run):
    assert HAS_LEARNED[task](metrics_of(trained_run(task, cell))["methods"])


@every_cell
@every_task
def test_a_baseline_stands_beside_every_metric(task, cell, trained_run):
    methods = metrics_of(trained_run(task, cell))["methods"]
    model = methods.pop("model")
    assert len(baselines_of(methods)) >= 2
    for name, value in model.items():
        assert isinstance(value, float)
        for scores in methods.values():
            assert isinstance(scores[name], float)


# --- the served model ---


@every_task
def test_every_bundle_answers_alike_in_a_process_without_seqapps_and_keras(task, trained_run, tmp_path):
    versions = [export.newest_version(trained_run(task, cell) / "export") for cell in CELL_NAMES]
    moved = shutil.copytree(versions[0], tmp_path / "elsewhere" / "3")
    export.verify([*versions, moved])


@every_cell
@every_task
def test_the_saved_model_answers_as_the_python_model_does(task, cell, trained_run, toys):
    python, served = ANSWERS[task](trained_run(task, cell), toys[task].data)
    assert np.isfinite(served).all()
    np.testing.assert_allclose(served, python, rtol=1e-5)


@every_cell
@every_task
def test_every_rest_request_has_every_input_of_its_signature(task, cell, trained_run):
    extras = export.newest_version(trained_run(task, cell) / "export") / "assets.extra"
    signatures = json.loads((extras / "signatures.json").read_text(encoding="utf-8"))["signatures"]
    assert "serving_default" in signatures
    for name, signature in signatures.items():
        request = json.loads((extras / f"rest-{name}.json").read_text(encoding="utf-8"))
        assert request["signature_name"] == name
        assert [sorted(row) for row in request["instances"]] == [sorted(signature["inputs"])]


@every_task
def test_evaluating_the_served_run_gives_the_metrics_of_its_training(task, trained_run, toys):
    run = trained_run(task, "gru")
    assert seqapps.load(run).evaluate(toys[task].data) == metrics_of(run)


# --- the run folder ---


@every_cell
@every_task
def test_a_run_folder_holds_what_it_promises_and_nothing_else(task, cell, trained_run):
    run = trained_run(task, cell)
    assert {path.name for path in run.iterdir()} == FILES | OWN_FILES[task]
    assert [path.name for path in (run / "export").iterdir()] == ["1"]
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["state.npz"]


@every_task
def test_the_files_of_a_run_say_how_it_was_made(task, trained_run, toys):
    run = trained_run(task, "gru")
    config = run_folder.read_json(run / "config.json")
    assert config.pop("task") == task
    assert set(config) == set(config_of(task).__dataclass_fields__)
    assert config | toys[task].options | {"cell": "gru"} == config
    manifest = run_folder.read_json(run / "manifest.json")
    assert set(manifest) == {"versions", "fingerprints", "training_seconds", "machine", "seed", "best_epoch"}
    assert all(len(manifest["fingerprints"][split]) == 64 for split in ("train", "validation", "test"))
    history = pd.read_csv(run / "history.csv")
    assert history["epoch"].tolist() == list(range(1, config["epochs"] + 1))
    assert manifest["best_epoch"] == history["epoch"][history["val_loss"].argmin()]
    assert set(pd.read_csv(run / "predictions.csv.gz").columns) >= set(PREDICTION_COLUMNS)
    card = (run / "README.md").read_text(encoding="utf-8")
    assert metrics_of(run)["verdict"] in card


@every_cell
@every_task
def test_the_report_loads_nothing_from_elsewhere(task, cell, trained_run):
    run = trained_run(task, cell)
    page = (run / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r"(?:src|href|srcset|action|data)\s*=\s*[\"']?([^\"'>\s]{0,30})", page)
    assert len(sources) >= 3
    assert {source[:22] for source in sources} == {"data:image/png;base64,"}
    assert not re.search(r"<(?:script|link|iframe|object|embed)|@import|url\(", page)
    assert metrics_of(run)["verdict"] in page


# --- the same again ---


def baselines_of(methods):
    """The methods that are not the model, or the model used in another way."""
    return {name: scores for name, scores in methods.items() if not name.startswith("model")}


def command(task, data, out, *flags):
    return cli.run([task, "train", str(data), str(out), *flags])


@pytest.mark.slow
@every_cell
@every_task
def test_the_config_of_a_run_repeats_it_and_another_seed_does_not(task, cell, trained_run, toys, tmp_path):
    run, data = trained_run(task, cell), tmp_path / "data.csv"
    toys[task].data.to_csv(data, index=False)
    stored = ("--config", str(run / "config.json"))
    assert command(task, data, tmp_path / "again", *stored) == cli.DONE
    for name in ("metrics.json", "config.json", "preprocessing.json"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()
    weights = [keras.models.load_model(each / "model.keras").get_weights() for each in (tmp_path / "again", run)]
    for repeated, first in zip(*weights, strict=True):
        np.testing.assert_array_equal(repeated, first)
    assert command(task, data, tmp_path / "other", *stored, "--seed", "7") == cli.DONE
    other, first = metrics_of(tmp_path / "other")["methods"], metrics_of(run)["methods"]
    assert other["model"] != first["model"]
    assert baselines_of(other) == baselines_of(first)
