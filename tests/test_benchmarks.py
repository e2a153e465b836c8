"""The benchmarks can be started: what they import is there, and their tables can be written from the results."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.model import build_model

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
WITHOUT_TORCH = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem != "torch_generation")
WITH_TABLE = [name for name in WITHOUT_TORCH if (BENCHMARKS / f"{name}.md").is_file()]


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    before = set(sys.modules)
    yield BENCHMARKS
    for name in set(sys.modules) - before:
        if name in WITHOUT_TORCH:
            del sys.modules[name]


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_a_benchmark_finds_all_that_it_imports(name, benchmarks):
    assert importlib.import_module(name).__doc__


def test_both_loops_of_predict_know_the_same_text(benchmarks):
    speed = importlib.import_module("generation_speed")
    model = build_model(Config(cell="lstm", units=7, num_layers=2, embedding_size=5), 11)
    tokens = np.random.default_rng(0).integers(4, 11, (2, speed.READ)).astype("int32")
    stepwise = speed.one_step_model(model, 2)
    states = [np.zeros(tensor.shape, "float32") for tensor in stepwise.inputs[1:]]
    for column in tokens.T:
        logits, *states = stepwise.predict_on_batch([column[:, None], *states])
    np.testing.assert_allclose(speed.window_model(model, 2).predict_on_batch(tokens), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", WITH_TABLE)
def test_a_table_is_what_its_benchmark_makes_of_the_results(name, benchmarks):
    written = (benchmarks / f"{name}.md").read_text(encoding="utf-8")
    assert importlib.import_module(name).table() == written
