"""Every example in a docstring runs and answers what it says."""

import doctest
import importlib
import pkgutil

import pytest

import seqapps

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
ALONE = "seqapps.verify_process"  # takes keras away from the process that imports it
MODULES = ["seqapps", *(found.name for found in pkgutil.walk_packages(seqapps.__path__, "seqapps."))]
EXAMPLES = 8  # at least so many docstrings have one


def examples_of(name):
    """The docstrings of a module that hold an example."""
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", [name for name in MODULES if name != ALONE])
def test_the_examples_of_a_module_run(name):
    for test in examples_of(name):
        report = []
        results = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=report.append)
        assert results.attempted == len(test.examples)
        assert results.failed == 0, "".join(report)


def test_examples_are_found():
    assert ALONE in MODULES
    assert sum(len(examples_of(name)) for name in MODULES if name != ALONE) >= EXAMPLES


@pytest.mark.parametrize("name", [name for name in MODULES if name != ALONE])
def test_every_module_and_public_function_says_what_it_is(name):
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip()
    for attribute, value in vars(module).items():
        if callable(value) and getattr(value, "__module__", None) == name and not attribute.startswith("_"):
            assert (value.__doc__ or "").strip(), attribute
