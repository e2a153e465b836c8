"""A look at what a training would be, without training: everything that data and options get wrong is found by then."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import keras
import tensorflow as tf

WARM_UP = 2  # steps that tell nothing of others: the first one builds the graph


class Look(NamedTuple):
    """What a training would be.

    Attributes:
        parameters: Numbers that the model holds.
        steps_per_epoch: Batches of an epoch.
        seconds_of_first_epoch: From some of its steps, the first of which builds the graph, and without validation;
            `None` where none was taken.
    """

    parameters: int
    steps_per_epoch: int
    seconds_of_first_epoch: float | None


class Looked(Exception):  # noqa: N818 - it reports no error: it leaves a training that is not wanted
    """Ends a training before its first epoch."""

    def __init__(self, look: Look) -> None:
        super().__init__(str(look))
        self.look = look


_steps: ContextVar[int | None] = ContextVar("steps", default=None)


def look(train: Callable[[], object], steps: int) -> Look:
    """Call what trains a model, and stop it where `fit` would begin, or after some steps that are timed.

    Args:
        train: Reads data, builds a model and calls `seqapps.training.fit`. What it writes before is its own.
        steps: How many are timed; 0 for none.

    Raises:
        ValueError: Whatever `train` raises before; also if it never begins a training.
    """
    with _looking(steps):
        try:
            train()
        except Looked as stopped:
            return stopped.look
    raise ValueError("`train` must begin a training. It ended without one.")


@contextmanager
def _looking(steps: int) -> Iterator[None]:
    token = _steps.set(steps)
    try:
        yield
    finally:
        _steps.reset(token)


def stop_if_looking(model: keras.Model, data: Callable[[int], tf.data.Dataset], steps_per_epoch: int) -> None:
    """Where `fit` begins: nothing, or in a `look` the end of it.

    Raises:
        Looked: In a `look`.
    """
    steps = _steps.get()
    if steps is None:
        return
    seconds = _seconds(model, data(0), min(steps, steps_per_epoch), steps_per_epoch) if steps else None
    language_model = getattr(model, "language_model", model)  # a model that only trains another one has its weights
    parameters = language_model.count_params()
    raise Looked(Look(parameters, steps_per_epoch, seconds))


def _seconds(model: keras.Model, batches: tf.data.Dataset, timed: int, steps_per_epoch: int) -> float:
    """Of an epoch: what the first steps took, and the median of those that are timed for each of the others."""
    started = time.perf_counter()
    step, took = model.make_train_function() or model.train_function, []
    iterator = iter(batches)
    for _ in range(WARM_UP):
        step(iterator)
    warm_up = time.perf_counter() - started
    for _ in range(timed):
        began = time.perf_counter()
        step(iterator)
        took.append(time.perf_counter() - began)
    return warm_up + statistics.median(took) * max(steps_per_epoch - WARM_UP, 0)
