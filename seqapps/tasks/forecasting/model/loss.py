"""The training loss, and outputs that rise along the quantile levels."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("seqapps")
class QuantileLoss(keras.losses.Loss):
    """Twice the pinball loss, mean over levels and observed values; at level 0.5 alone it is the absolute error.

    Source: Koenker & Bassett 1978. Lower is better.

    Args:
        levels: Quantile levels, each between 0 and 1.

    Call arguments:
        y_true: `(batch, horizon, targets)`, NaN where missing; missing values count nothing.
        y_pred: `(batch, horizon, targets, levels)`, or of several members `(batch, members, horizon, targets, levels)`:
            then it is the mean of their losses.

    Example:

    >>> loss = QuantileLoss([0.1, 0.5, 0.9])
    >>> float(loss(ops.array([[[2.0]]]), ops.array([[[[1.0, 2.0, 3.0]]]])))
    0.13333...
    """

    def __init__(self, levels, name="quantile_loss", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.levels = [float(level) for level in levels]

    def call(self, y_true, y_pred):
        of_members = len(y_pred.shape) == 5
        if of_members:
            y_true = ops.expand_dims(y_true, 1)  # all below has members after batch
        observed = ops.isfinite(y_true)
        actual = ops.where(observed, y_true, ops.zeros_like(y_true))
        error = ops.expand_dims(actual, -1) - y_pred  # (batch, horizon, targets, levels)
        levels = ops.convert_to_tensor(self.levels, dtype=error.dtype)
        pinball = ops.mean(2 * ops.maximum(levels * error, (levels - 1) * error), axis=-1)
        weight = ops.cast(observed, pinball.dtype)
        losses = ops.sum(pinball * weight, axis=(-2, -1)) / ops.maximum(ops.sum(weight, axis=(-2, -1)), 1)
        return ops.mean(losses, axis=1) if of_members else losses  # (batch,)

    def get_config(self):
        return super().get_config() | {"levels": self.levels}


def rising(outputs, middle: int):
    """Free numbers → quantiles that never cross: the median, and steps away from it that are never negative.

    Source: Park et al. 2022, incremental quantile functions. Sorting the outputs instead lets them swap their parts
    from example to example, and learns worse (`docs/decisions.md`).

    Args:
        outputs: `(…, levels)`.
        middle: Position of the median among the levels.

    Returns:
        `(…, levels)`, never falling along the last axis.
    """
    median = outputs[..., middle : middle + 1]
    above = ops.cumsum(ops.softplus(outputs[..., middle + 1 :]), axis=-1)
    below = ops.cumsum(ops.softplus(ops.flip(outputs[..., :middle], axis=-1)), axis=-1)
    return ops.concatenate([median - ops.flip(below, axis=-1), median, median + above], axis=-1)
