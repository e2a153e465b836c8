"""Windows of series as batches: inputs and future, in an order that a resumed run repeats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from seqapps.series import calendar


@dataclass(frozen=True)
class Arrays:
    """What windows are cut from, scaled as the model reads it; `None` for what there is not.

    Attributes:
        values: `(rows, targets)`, NaN where missing.
        past: `(rows, past)`.
        future: `(rows, future)`.
        static: `(series, numbers)`.
        labels: `(series, labels)` whole numbers.
        seconds: `(rows,)` since 1970, where the calendar is an input.
        frequency: The grid's step.
        cycles: Seconds of the calendar's cycles.
    """

    values: np.ndarray
    past: np.ndarray | None = None
    future: np.ndarray | None = None
    static: np.ndarray | None = None
    labels: np.ndarray | None = None
    seconds: np.ndarray | None = None
    frequency: str = ""
    cycles: tuple[float, ...] = ()


@dataclass(frozen=True)
class Origins:
    """Where forecasts start: `(examples,)` each.

    Attributes:
        rows: First row to forecast.
        firsts: First row of its series, beyond which a window does not reach.
        series: Which series it is.
    """

    rows: np.ndarray
    firsts: np.ndarray
    series: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Any) -> "Origins":
        return Origins(self.rows[which], self.firsts[which], self.series[which])


def joined(parts: Sequence[Origins]) -> Origins:
    """Origins one after the other."""
    return Origins(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.firsts for part in parts]),
        np.concatenate([part.series for part in parts]),
    )


def origins(start: int, stop: int, earliest: int, horizon: int) -> np.ndarray:
    """Rows at which a forecast can start so that its whole horizon lies in `[start, stop)`.

    The window before an origin may reach back beyond `start`; none starts before `earliest`.

    Example:

    >>> origins(start=4, stop=10, earliest=5, horizon=3)
    array([5, 6, 7], dtype=int32)
    """
    return np.arange(max(start, earliest), stop - horizon + 1, dtype="int32")


def histories(values: np.ndarray, at: Origins, window: int) -> np.ndarray:
    """The window before each origin: `(examples, window, columns)`, NaN before the first row of its series."""
    before = at.rows[:, None] + np.arange(-window, 0)
    inside = before >= at.firsts[:, None]
    return np.where(inside[..., None], values[np.maximum(before, 0)], np.nan)


def futures(values: np.ndarray, at: Origins, horizon: int) -> np.ndarray:
    """What follows from each origin on: `(examples, horizon, columns)`."""
    return values[at.rows[:, None] + np.arange(horizon)]


def evaluation_batches(arrays: Arrays, at: Origins, window: int, horizon: int, batch_size: int) -> tf.data.Dataset:
    """All windows once, in their order, the last partial batch kept."""
    to_windows = _window_function(arrays, at, window, horizon)
    return tf.data.Dataset.range(len(at)).batch(batch_size).map(to_windows).prefetch(2)


def training_batches(
    arrays: Arrays, at: Origins, window: int, horizon: int, batch_size: int, seed: int, first_epoch: int
) -> tf.data.Dataset:
    """Epoch after epoch without end, from `first_epoch` on; an epoch's order depends on `seed` and its number alone."""
    to_windows = _window_function(arrays, at, window, horizon)
    count = len(at)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        key = tf.stack([seed % 2**31, tf.cast(epoch, tf.int32)])
        order = tf.random.experimental.index_shuffle(tf.range(count), key, count - 1)
        return tf.data.Dataset.from_tensor_slices(tf.cast(order, tf.int64)).batch(batch_size)

    return tf.data.Dataset.range(first_epoch, 2**31).flat_map(one_epoch).map(to_windows).prefetch(2)


def _window_function(arrays: Arrays, at: Origins, window: int, horizon: int):
    values = tf.constant(arrays.values, tf.float32)
    rows, firsts, series = (tf.constant(each, tf.int32) for each in (at.rows, at.firsts, at.series))
    past, future, static = (
        None if each is None else tf.constant(each, tf.float32) for each in (arrays.past, arrays.future, arrays.static)
    )
    labels = None if arrays.labels is None else tf.constant(arrays.labels, tf.int32)
    seconds = None if arrays.seconds is None else tf.constant(arrays.seconds, tf.int64)

    def to_windows(positions: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        row, first = tf.gather(rows, positions)[:, None], tf.gather(firsts, positions)[:, None]
        which = tf.gather(series, positions)
        before = row + tf.range(-window, 0)  # (batch, window)
        inputs = {"history": _gathered(values, before, first, np.nan)}
        if past is not None:
            inputs["past"] = _gathered(past, before, first, 0.0)
        known = []
        if future is not None:
            known.append(_gathered(future, row + tf.range(-window, horizon), first, 0.0))
        if seconds is not None:
            last_time = tf.gather(seconds, row[:, 0] - 1)
            known.append(calendar.features(last_time, arrays.frequency, arrays.cycles, window, horizon))
        if known:
            inputs["future"] = tf.concat(known, axis=-1)  # (batch, window + horizon, known)
        if static is not None:
            inputs["static"] = tf.gather(static, which)
        if labels is not None:
            inputs["labels"] = tf.gather(labels, which)
        return inputs, tf.gather(values, row + tf.range(horizon))

    return to_windows


def _gathered(values: tf.Tensor, at: tf.Tensor, first: tf.Tensor, outside: float) -> tf.Tensor:
    """Rows of `values`, with `outside` where `at` lies before `first`."""
    rows = tf.gather(values, tf.maximum(at, 0))
    return tf.where((at >= first)[..., None], rows, tf.constant(outside, tf.float32))


def one_series(rows: np.ndarray) -> Origins:
    """Origins in a panel of one series."""
    return Origins(rows, np.zeros_like(rows), np.zeros_like(rows))
