"""Norms of gradients while a network is trained: their course by epoch, and what they say of a loss that explodes."""

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf

COLUMNS = ("gradient_norm", "largest_gradient_norm", "clipped_share")
GREW = 10.0  # times the norm at first: beyond it the gradients exploded, below it something else went wrong


class GradientNorms:
    """What the norm over all weights was since an epoch began, before it was clipped.

    It is kept where the gradients are, so that no step waits for it: `record` belongs to the graph of a training step,
    and only `read` copies numbers out of it. A norm that is not finite counts in none of the means.
    """

    def __init__(self) -> None:
        self._numbers = tf.Variable(tf.zeros(5, tf.float64), trainable=False, name="gradient_norms")

    def record(self, norm: tf.Tensor, limit: float | None) -> None:
        """Count a step.

        Args:
            norm: Scalar.
            limit: Above which it is clipped, or `None`.
        """
        first, total, largest, clipped, steps = tf.unstack(self._numbers)
        norm = tf.cast(norm, tf.float64)
        finite = tf.math.is_finite(norm)
        known = tf.where(finite, norm, tf.zeros_like(norm))
        above = tf.zeros_like(norm) if limit is None else tf.cast(finite & (norm > limit), tf.float64)
        # A step that is not finite ends the count: -1 - the steps before it.
        counted = tf.where(steps < 0, steps, tf.where(finite, steps + 1, -1 - steps))
        first = tf.where(tf.equal(steps, 0), known, first)
        self._numbers.assign(tf.stack([first, total + known, tf.maximum(largest, known), clipped + above, counted]))

    def start(self) -> None:
        """Forget the epoch before."""
        self._numbers.assign(tf.zeros_like(self._numbers))

    @property
    def broken_at(self) -> int | None:
        """The step of the epoch, counted from 1, whose gradient was not finite; `None` if all were."""
        steps = int(self._numbers[4])
        return -steps if steps < 0 else None

    def read(self) -> dict[str, float]:
        """The columns of the history: mean and largest norm, share of the steps that were clipped; and `first`."""
        first, total, largest, clipped, steps = self._numbers.numpy().tolist()
        count = max(-1 - steps if steps < 0 else steps, 1)
        return dict(zip(COLUMNS, (total / count, largest, clipped / count), strict=True)) | {"first": first}


def explanation(history: Sequence[Mapping[str, float]], now: Mapping[str, float], limit: float | None) -> str:
    """Why a loss may have exploded, and what to do, from the norms of the gradients.

    Args:
        history: Of the epochs before.
        now: As `GradientNorms.read`, of the epoch in which it happened.
        limit: `clip_norm`.
    """
    first = history[0]["gradient_norm"] if history else now["first"]
    largest = max([now["largest_gradient_norm"], *(row["largest_gradient_norm"] for row in history)])
    data = "look for extreme values in the data"
    if not largest or not math.isfinite(first):
        return f"No step before had a gradient that is finite and not zero: {data}, or lower learning_rate."
    told = f"The norm of the gradient was {first:.3g} at first and {largest:.3g} at its largest"
    if largest <= GREW * first:
        return f"{told}, which is no explosion: {data}, or lower learning_rate."
    if limit is None:
        return f"{told}, and clip_norm is none: set clip_norm, lower learning_rate, or {data}."
    return f"{told}, of which clip_norm {limit:g} let through no more than that: lower learning_rate, or {data}."
