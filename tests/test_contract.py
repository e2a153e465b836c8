"""What every task promises for every cell. Each task adds its own lines to `contract_tasks`."""

import dataclasses
import json
import re
import shutil
from importlib import import_module

import keras
import numpy as np
import pandas as pd
import pytest
from contract_tasks import ANSWERS, BATCHES, HAS_LEARNED
from refusals import refusal

import seqapps
from seqapps import cli, export, run_folder, training
from seqapps.config import CELL_NAMES
from seqapps.tasks import TASKS

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
OWN_FILES["translation"] = OWN_FILES["speech"] = {"baselines.npz"}
PREDICTION_COLUMNS = ["id", "reference", "answer", "loss"]
every_cell = pytest.mark.parametrize("cell", CELL_NAMES)
every_task = pytest.mark.parametrize("task", TASKS)


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


@pytest.mark.slow
@every_task
def test_averaged_weights_are_evaluated_and_kept_and_the_training_is_the_same(task, toys, tmp_path):
    module = import_module(f"seqapps.tasks.{task}")
    histories, kept = [], []
    for decay in (0.0, 0.99):
        run = tmp_path / str(decay)
        options = toys[task].options | {"epochs": 2, "patience": None, "average_weights": decay}
        module.train(module.Config(**options), toys[task].data, run)
        histories.append(pd.read_csv(run / "history.csv"))
        kept.append(weights_of(run))
    plain, averaged = histories
    assert (len(plain), list(plain["loss"])) == (2, list(averaged["loss"]))
    assert (plain["val_loss"] != averaged["val_loss"]).all()
    assert any((last != average).any() for last, average in zip(*kept, strict=True))


@pytest.mark.slow
@every_task
def test_a_run_that_began_before_an_option_existed_is_resumed_with_its_default(task, trained_run, toys, tmp_path):
    run, module = tmp_path / "run", import_module(f"seqapps.tasks.{task}")
    shutil.copytree(trained_run(task), run)
    stored = run_folder.read_json(run / "config.json")
    assert stored.pop("average_weights") == 0
    run_folder.write_json(run / "config.json", stored)
    options = toys[task].options | {"cell": "gru"}
    message = f"`average_weights` must be 0.0 to resume the run in {str(run)!r}. Received: average_weights=0.5."
    with refusal(f"{message} Leave the option out, or train into another folder."):
        module.train(module.Config(**options, average_weights=0.5), toys[task].data, run, resume=True)
    module.train(module.Config(**options), toys[task].data, run, resume=True)
    for resumed, first in zip(weights_of(run), weights_of(trained_run(task)), strict=True):
        np.testing.assert_array_equal(resumed, first)


# --- comparisons ---


@every_task
def test_a_part_of_the_rows_is_trained_on_and_the_others_stay(task, trained_run, toys, tmp_path):
    whole = run_folder.read_json(trained_run(task) / "manifest.json")["fingerprints"]
    module = import_module(f"seqapps.tasks.{task}")
    config = module.Config(data_fraction=0.6, **toys[task].options)
    looked = training.look(lambda: module.train(config, toys[task].data, tmp_path / "run"), 0)
    part = run_folder.read_json(tmp_path / "run" / "preprocessing.json")["fingerprints"]
    assert part["train"] != whole["train"]
    assert (part["validation"], part["test"]) == (whole["validation"], whole["test"])
    assert (looked.parameters > 0, looked.steps_per_epoch > 0, looked.seconds_of_first_epoch) == (True, True, None)
    assert not (tmp_path / "run" / "checkpoints").exists()  # nothing was trained


@every_task
def test_what_runs_are_compared_by_is_in_every_run(task, trained_run):
    run = trained_run(task)
    options = run_folder.read_json(run / "config.json")
    measured = import_module(f"seqapps.tasks.{task}.comparing").measured(options)
    assert set(measured.scores) <= metrics_of(run)["methods"]["model"].keys() & measured.names.keys()
    assert set(measured.columns) <= set(pd.read_csv(run / "predictions.csv.gz", nrows=1).columns)
    assert set(measured.items) <= set(measured.columns)
    assert set(measured.same) <= options.keys()


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
    assert set(config) == {field.name for field in dataclasses.fields(config_of(task))}
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


def weights_of(run):
    return keras.models.load_model(run / "model.keras").get_weights()


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
    for repeated, first in zip(weights_of(tmp_path / "again"), weights_of(run), strict=True):
        np.testing.assert_array_equal(repeated, first)
    assert command(task, data, tmp_path / "other", *stored, "--seed", "7") == cli.DONE
    pairs = zip(weights_of(tmp_path / "other"), weights_of(run), strict=True)
    assert any((other != first).any() for other, first in pairs)
    other, first = metrics_of(tmp_path / "other")["methods"], metrics_of(run)["methods"]
    assert baselines_of(other) == baselines_of(first)
