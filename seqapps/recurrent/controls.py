"""What a model has instead of memory or order, to see whether they matter at all."""

import keras
from keras import ops

PRIME, FACTOR, SHIFT = 2**31 - 1, 48_271, 11  # of a hash of whole numbers; products stay below 2^63
FINEST = 1 / 64  # features that differ by less count as equal


@keras.saving.register_keras_serializable("seqapps")
class ShuffledSteps(keras.layers.Layer):
    """Puts the steps of every sequence into an order that depends on which steps there are, never on their order.

    All sequences with the same steps become one and the same, so nothing of their order is left; and the order is
    another for other steps, so that no network learns to undo it. Padding stays where it is.

    Args:
        padded: The side at which masked steps stand, `"left"` or `"right"`.
        **kwargs: As for every Keras layer.

    Call arguments:
        steps: `(batch, time)` whole numbers, of which 0 is padding, or `(batch, time, features)`.
        mask: `(batch, time)`, `False` at padding; of whole numbers it is not needed.

    Returns:
        The steps in their new order, of the same shape.

    Example:

    >>> layer = ShuffledSteps("right")
    >>> bool(ops.all(layer(ops.array([[4, 5, 6, 7, 0]])) == layer(ops.array([[7, 5, 4, 6, 0]]))))
    True
    """

    def __init__(self, padded: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.padded = padded
        self.supports_masking = True

    def call(self, steps, mask=None):
        if len(steps.shape) == 2:
            mask, own = steps != 0, _mixed(ops.cast(steps, "int64"))
        else:
            own = _hashes(steps)
        if mask is not None:
            own = ops.where(mask, own, 0)
        key = _mixed(own + _mixed(ops.sum(own, axis=1, keepdims=True)))  # (batch, time)
        if mask is not None:
            key = ops.where(mask, key, -1 if self.padded == "left" else PRIME)
        order = ops.argsort(key, axis=1)
        return ops.take_along_axis(steps, order if len(steps.shape) == 2 else ops.expand_dims(order, -1), axis=1)

    def compute_mask(self, steps, mask=None):
        return mask

    def compute_output_spec(self, steps, mask=None):
        return keras.KerasTensor(steps.shape, dtype=steps.dtype)  # whole numbers stay whole

    def get_config(self):
        return super().get_config() | {"padded": self.padded}


def _mixed(numbers):
    """A hash of int64 numbers, in [0, PRIME): twice a square of a linear map, which no sum undoes."""
    for _ in range(2):
        numbers = ops.mod(ops.mod(numbers, PRIME) * FACTOR + SHIFT, PRIME)
        numbers = ops.mod(numbers * numbers, PRIME)
    return numbers


def _hashes(steps):
    """One number for every step of `(batch, time, features)`: `(batch, time)`."""
    coarse = ops.cast(ops.round(steps / FINEST), "int64")
    return ops.sum(_mixed(coarse + ops.arange(steps.shape[-1], dtype="int64") * FACTOR), axis=-1)
