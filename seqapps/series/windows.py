"""Windows of a series as batches: `(history, future)` pairs, in an order that a resumed run repeats."""

import numpy as np
import tensorflow as tf


def origins(start: int, stop: int, window: int, horizon: int) -> np.ndarray:
    """Rows at which a forecast can start so that its whole horizon lies in `[start, stop)`.

    The window before an origin may reach back beyond `start`.

    Example:

    >>> origins(start=4, stop=10, window=5, horizon=3)
    array([5, 6, 7], dtype=int32)
    """
    return np.arange(max(start, window), stop - horizon + 1, dtype="int32")


def histories(values: np.ndarray, rows: np.ndarray, window: int) -> np.ndarray:
    """The window before each origin.

    Args:
        values: `(time, targets)`.
        rows: `(examples,)` origins.
        window: Steps; those before the first row of `values` become NaN.

    Returns:
        `(examples, window, targets)`.
    """
    before = rows[:, None] + np.arange(-window, 0)
    return np.where((before >= 0)[..., None], values[np.maximum(before, 0)], np.nan)


def futures(values: np.ndarray, rows: np.ndarray, horizon: int) -> np.ndarray:
    """What follows from each origin on: `(examples, horizon, targets)`."""
    return values[rows[:, None] + np.arange(horizon)]


def evaluation_batches(
    values: np.ndarray, rows: np.ndarray, window: int, horizon: int, batch_size: int
) -> tf.data.Dataset:
    """All windows once, in the order of `rows`, the last partial batch kept."""
    to_windows = _window_function(values, rows, window, horizon)
    return tf.data.Dataset.range(len(rows)).batch(batch_size).map(to_windows).prefetch(2)


def training_batches(
    values: np.ndarray, rows: np.ndarray, window: int, horizon: int, batch_size: int, seed: int, first_epoch: int
) -> tf.data.Dataset:
    """Epoch after epoch without end, from `first_epoch` on; an epoch's order depends on `seed` and its number alone."""
    to_windows = _window_function(values, rows, window, horizon)
    count = len(rows)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        key = tf.stack([seed % 2**31, tf.cast(epoch, tf.int32)])
        order = tf.random.experimental.index_shuffle(tf.range(count), key, count - 1)
        return tf.data.Dataset.from_tensor_slices(tf.cast(order, tf.int64)).batch(batch_size)

    return tf.data.Dataset.range(first_epoch, 2**31).flat_map(one_epoch).map(to_windows).prefetch(2)


def _window_function(values: np.ndarray, rows: np.ndarray, window: int, horizon: int):
    series = tf.constant(values, tf.float32)
    starts = tf.constant(rows, tf.int32)

    def to_windows(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        at = tf.gather(starts, positions)[:, None]
        history = tf.gather(series, at + tf.range(-window, 0))  # (batch, window, targets)
        return history, tf.gather(series, at + tf.range(horizon))

    return to_windows
