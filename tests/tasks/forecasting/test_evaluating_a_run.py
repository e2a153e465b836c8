"""A run is measured again on data that its own rule splits, with its own baselines, and the terminal is told."""

import shutil

import numpy as np
import pytest
from refusals import refusal

import seqapps
from seqapps import cli, run_folder
from seqapps.tasks.forecasting import data, evaluation, pipeline, serving
from seqapps.tasks.forecasting.baselines import METHODS
from seqapps.tasks.forecasting.evaluation import calibration

NO_BASELINES = "`baselines` must be 'none' for a run that was trained without baselines. Received: baselines='fast'."


@pytest.fixture(scope="module")
def without_baselines(trained_run, tmp_path_factory):
    """The toy run as `baselines="none"` leaves it."""
    left_out = shutil.ignore_patterns("baselines.npz", "checkpoints")
    folder = tmp_path_factory.mktemp("runs") / "run"
    return shutil.copytree(trained_run("forecasting", "gru"), folder, ignore=left_out)


@pytest.fixture
def table(toys, tmp_path):
    """The toy problem as a file."""
    path = tmp_path / "table.csv"
    toys["forecasting"].data.to_csv(path, index=False)
    return path


def split_by_a_test_file(run, folder, test_data):
    """A copy of a run whose config says that a file tests."""
    copy = shutil.copytree(run, folder, ignore=shutil.ignore_patterns("checkpoints"))
    config = run_folder.read_json(copy / "config.json")
    run_folder.write_json(copy / "config.json", config | {"test_data": str(test_data)})
    return seqapps.load(copy)


# --- baselines ---


def test_the_baselines_are_by_default_those_of_the_run(trained_run, without_baselines, table):
    run = seqapps.load(trained_run("forecasting", "gru"))
    for baselines, methods in ((None, METHODS), ("fast", METHODS), ("none", ())):
        metrics = run.evaluate(table, split="validation", baselines=baselines)
        assert list(metrics["methods"]) == [evaluation.MODEL, *methods]
    run = seqapps.load(without_baselines)
    for baselines in (None, "none"):
        metrics = run.evaluate(table, split="validation", baselines=baselines)
        assert list(metrics["methods"]) == [evaluation.MODEL]


def test_baselines_that_a_run_does_not_have_are_refused(capfd, without_baselines, table):
    with refusal(NO_BASELINES):
        seqapps.load(without_baselines).evaluate(table, baselines="fast")
    words = ["forecasting", "evaluate", str(without_baselines), str(table), "--baselines", "fast"]
    assert cli.run(words) == cli.PROBLEM
    assert capfd.readouterr() == ("", f"seqapps: {NO_BASELINES}\n")


def test_unknown_baselines_and_parts_are_refused(without_baselines, table):
    run = seqapps.load(without_baselines)
    with refusal("`baselines` must be one of 'none', 'fast', 'full'. Received: baselines='fats'. Did you mean 'fast'?"):
        run.evaluate(table, baselines="fats")
    with refusal("`split` must be one of 'test', 'validation', 'all'. Received: split='tset'. Did you mean 'test'?"):
        run.evaluate(table, split="tset")


# --- the rule of the run ---


def test_a_test_file_that_is_gone_comes_with_advice(trained_run, table, tmp_path):
    gone = str(tmp_path / "gone.csv")
    run = split_by_a_test_file(trained_run("forecasting", "gru"), tmp_path / "run", gone)
    for split in ("test", "validation"):
        with refusal(
            f"There is no file {gone!r}. The run was split by `test_data` {gone!r}; "
            "for data of another time use --split all.",
            FileNotFoundError,
        ):
            run.evaluate(table, split=split)
    metrics = run.evaluate(table, split="all")
    assert np.isfinite(metrics["methods"][evaluation.MODEL]["mae"])


def test_data_that_do_not_come_before_the_test_file_come_with_advice(trained_run, toys, table, tmp_path):
    run = split_by_a_test_file(trained_run("forecasting", "gru"), tmp_path / "run", table)
    first, last = toys["forecasting"].data["time"].iloc[[0, -1]]
    with refusal(
        f"{table} must start after the DataFrame ends ({last}). Received: {first}. The run was split by `test_data` "
        f"{str(table)!r}; for data of another time use --split all."
    ):
        run.evaluate(toys["forecasting"].data)


def test_without_a_test_file_a_problem_comes_without_that_advice(trained_run, tmp_path):
    missing = str(tmp_path / "missing.csv")
    with refusal(f"There is no file {missing!r}.", FileNotFoundError):
        seqapps.load(trained_run("forecasting", "gru")).evaluate(missing)


# --- the terminal ---


def test_the_summary_says_how_the_windows_were_thinned(monkeypatch, trained_run, toys):
    served = serving.Served(trained_run("forecasting", "gru"))
    splits = data.load(toys["forecasting"].data, served.config)
    numbers = 5 * 2 * 3  # horizon × columns × levels
    for most, said in (
        (76, "76 windows"), (75, "38 windows, every 2th origin"), (26, "26 windows, every 3th origin"),
        (2, "2 windows, every 38th origin"), (1, "1 window, every 76th origin"),
    ):  # fmt: skip
        monkeypatch.setattr(calibration, "MOST_QUANTILES", most * numbers)
        metrics = evaluation.evaluate(served, splits, "test", None).metrics
        lines = pipeline.summary(metrics).splitlines()
        assert lines[0] == f"Scores on the test part ({said}):"
        assert lines[-1] == metrics["verdict"]
