"""Shared by the tests of the sentiment task: the toy run, served, and its data as a file."""

import shutil

import pytest

import seqapps


@pytest.fixture(scope="module")
def folder(trained_run):
    return trained_run("sentiment", "gru")


@pytest.fixture(scope="module")
def run(folder):
    return seqapps.load(folder)


@pytest.fixture(scope="module")
def without_baselines(folder, tmp_path_factory):
    """The toy run as `baselines="none"` leaves it."""
    left_out = shutil.ignore_patterns("baselines.npz", "checkpoints")
    return shutil.copytree(folder, tmp_path_factory.mktemp("runs") / "run", ignore=left_out)


@pytest.fixture
def table(toys, tmp_path):
    """The toy problem as a file."""
    path = tmp_path / "table.csv"
    toys["sentiment"].data.to_csv(path, index=False)
    return path
