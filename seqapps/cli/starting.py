"""What starts every verb: options that were given, a run, and TensorFlow without its chatter."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

USAGE = 2  # the exit code of words that contradict each other


@contextmanager
def refused(words: argparse.Namespace) -> Iterator[None]:
    """What the block finds wrong with the words ends the command, as a mistake of usage."""
    try:
        yield
    except ValueError as problem:
        print(f"seqapps {words.task} {words.verb}: {problem}", file=sys.stderr)
        raise SystemExit(USAGE) from problem


def given(words: argparse.Namespace, kind: Any) -> dict[str, Any]:
    """The fields of a class of options that were given; values that it refuses end the command."""
    if kind is None:
        return {}
    options = {name: getattr(words, name) for name in kind.__dataclass_fields__ if hasattr(words, name)}
    with refused(words):
        kind(**options)
    return options


def load(words: argparse.Namespace) -> Any:
    """The run that is asked for, which must be of the task."""
    run = quiet_import("seqapps.served_run").load(words.run)
    if run.task != words.task:
        raise ValueError(f"{words.run!r} is a run of the task {run.task!r}, not of {words.task!r}.")
    return run


def quiet_import(name: str) -> ModuleType:
    """Import a module that needs TensorFlow, whose start-up messages no setting silences."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Concurrent operations, and oneDNN's, add in another order from run to run: a resumed run would differ in the
    # last bit. TensorFlow reads both when it is imported.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with _standard_error_held_back():
        module = import_module(name)
        import_module("tensorflow").constant(0)  # the first operation looks for devices, and says so
    return module


@contextmanager
def _standard_error_held_back() -> Iterator[None]:
    """Keep what goes to file descriptor 2; show it only if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
