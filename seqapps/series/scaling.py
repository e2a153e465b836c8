"""Missing values and window normalisation inside the graph: Keras layers on `(batch, time, channels)`."""

import keras
from keras import ops

from seqapps import checks

NORMALIZATIONS = ("last", "standard", "none")
SMALLEST_VARIANCE = 1e-5  # of Kim et al. 2022 (RevIN): keeps a constant window finite


def forward_fill(values, observed):
    """Carry the last observed value forward.

    Works by doubling: after round k a step knows the last observation of the 2^k steps up to it, so that a window of
    720 steps needs 10 rounds and no loop over time.

    Args:
        values: `(batch, time, channels)`; finite also where nothing was observed.
        observed: `(batch, time, channels)` booleans.

    Returns:
        Filled values and, for each step, whether anything was observed up to it.
    """
    shift = 1
    while shift < values.shape[1]:
        padding = [(0, 0), (shift, 0), (0, 0)]
        values = ops.where(observed, values, ops.pad(values[:, :-shift], padding))
        observed = ops.logical_or(observed, ops.pad(observed[:, :-shift], padding, constant_values=False))
        shift *= 2
    return values, observed


@keras.saving.register_keras_serializable("seqapps")
class FillMissing(keras.layers.Layer):
    """Fill NaN inside a window with the value before it, so that no NaN reaches a recurrent layer.

    A masked NaN would still give NaN gradients. Steps before the first observation take its value, and a channel that
    was never observed is 0, the training mean.

    Call arguments:
        values: `(batch, time, channels)`, NaN where missing.

    Returns:
        `filled` and `observed`, both `(batch, time, channels)`, and `mask` `(batch, time)`: `False` for the steps
        before anything was observed, which is how a short history is padded.

    Example:

    >>> filled, observed, mask = FillMissing()(ops.array([[[float("nan")], [2.0], [float("nan")]]]))
    >>> ops.convert_to_numpy(filled)[0, :, 0].tolist(), ops.convert_to_numpy(mask)[0].tolist()
    ([2.0, 2.0, 2.0], [False, True, True])
    """

    def call(self, values):
        observed = ops.isfinite(values)
        filled, known = forward_fill(ops.where(observed, values, ops.zeros_like(values)), observed)
        first = ops.expand_dims(ops.argmax(ops.cast(observed, "int32"), axis=1), axis=1)  # (batch, 1, channels)
        filled = ops.where(known, filled, ops.take_along_axis(filled, first, axis=1))
        return filled, ops.cast(observed, filled.dtype), ops.any(known, axis=-1)

    def compute_output_shape(self, values_shape):
        return tuple(values_shape), tuple(values_shape), tuple(values_shape[:2])

    def compute_output_spec(self, values):
        shape = values.shape
        return (
            keras.KerasTensor(shape, dtype=self.compute_dtype),
            keras.KerasTensor(shape, dtype=self.compute_dtype),
            keras.KerasTensor(shape[:2], dtype="bool"),
        )


@keras.saving.register_keras_serializable("seqapps")
class WindowNormalization(keras.layers.Layer):
    """Level and scale of each window and channel, for normalising on the way in and its inverse on the way out.

    Args:
        method: `"last"` subtracts the last value (as NLinear, Zeng et al. 2023, and SegRNN, Lin et al. 2023, do),
            `"standard"` subtracts the mean and divides by the standard deviation of the observed steps (RevIN, Kim et
            al. 2022, without its weights), `"none"` leaves the values as they are.

    Call arguments:
        filled: `(batch, time, channels)`.
        observed: `(batch, time, channels)`, 1 where a value was observed.

    Returns:
        `normalized` `(batch, time, channels)`, `level` and `scale` `(batch, 1, channels)`, with
        `filled = normalized * scale + level`.
    """

    def __init__(self, method: str = "last", **kwargs) -> None:
        super().__init__(**kwargs)
        checks.check_choice("normalization", method, NORMALIZATIONS)
        self.method = method

    def call(self, filled, observed):
        if self.method == "standard":
            count = ops.maximum(ops.sum(observed, axis=1, keepdims=True), 1)
            level = ops.sum(filled * observed, axis=1, keepdims=True) / count
            variance = ops.sum(ops.square(filled - level) * observed, axis=1, keepdims=True) / count
            scale = ops.sqrt(variance + SMALLEST_VARIANCE)
        else:
            last = filled[:, -1:]
            level = last if self.method == "last" else ops.zeros_like(last)
            scale = ops.ones_like(last)
        return (filled - level) / scale, level, scale

    def compute_output_shape(self, filled_shape, observed_shape):
        per_window = (filled_shape[0], 1, filled_shape[2])
        return tuple(filled_shape), per_window, per_window

    def get_config(self):
        return super().get_config() | {"method": self.method}
