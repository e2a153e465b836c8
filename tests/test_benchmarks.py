"""The benchmarks can be started: what they import is there, and their tables can be written from the results."""

import importlib
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", WITH_TABLE)
def test_a_table_is_what_its_benchmark_makes_of_the_results(name, benchmarks):
    written = (benchmarks / f"{name}.md").read_text(encoding="utf-8")
    assert importlib.import_module(name).table() == written
