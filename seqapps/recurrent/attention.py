"""Attention of a decoder over what an encoder has read."""

from typing import Any

import keras
from keras import ops

from seqapps import checks
from seqapps.recurrent.masking import NEVER

SCORES = ("additive", "multiplicative")


@keras.saving.register_keras_serializable("seqapps")
class Attention(keras.layers.Layer):
    """Means of a memory, weighted for every query by how well each of its places fits.

    The score of a query `q` and a place `m` of the memory is `v · tanh(W q + U m)` if additive (Bahdanau et al. 2015,
    appendix A.1.2) and `q · W m` if multiplicative (Luong et al. 2015, "general"). A softmax over the places makes them
    weights; places that `mask` marks `False` get 0. A memory of nothing else gets equal weights. A mask that
    a tensor carries is not looked at: it does not say whether it is that of the queries or that of the memory.

    Args:
        units: Width of the hidden layer of an additive score; the width of queries for a multiplicative one.
        score: `"additive"` or `"multiplicative"`.
        **kwargs: As for every Keras layer.

    Call arguments:
        queries: `(batch, time, features)`.
        memory: `(batch, places, width)`: what is averaged; with `keys` it may be another tensor than theirs.
        keys: `(batch, places, units)` from `keys(memory)`, so that a decoder computes them once; or `None`.
        mask: `(batch, places)` booleans, `False` where there is padding, or `None`.

    Returns:
        `(context, weights)`: `(batch, time, width)` and `(batch, time, places)`, whose rows sum to 1.

    Raises:
        ValueError: If the score is none of the two.

    Example:

    >>> attention = Attention(5, "additive")
    >>> context, weights = attention(ops.ones((2, 3, 7)), ops.ones((2, 4, 6)))
    >>> context.shape, weights.shape
    (TensorShape([2, 3, 6]), TensorShape([2, 3, 4]))
    """

    def __init__(self, units: int, score: str = "additive", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        checks.check_integer("units", units, 1)
        checks.check_choice("score", score, SCORES)
        self.units = units
        self.score = score
        self.supports_masking = True

    def build(self, queries_shape, memory_shape, keys_shape=None, mask_shape=None) -> None:
        new = {"initializer": "glorot_uniform"}
        self.memory_kernel = self.add_weight(shape=(memory_shape[-1], self.units), name="memory_kernel", **new)
        if self.score == "multiplicative":
            if queries_shape[-1] != self.units:
                advice = "A multiplicative score multiplies a query with a place of the memory."
                checks.fail("units", f"{queries_shape[-1]}, the width of queries", self.units, advice)
            return
        self.query_kernel = self.add_weight(shape=(queries_shape[-1], self.units), name="query_kernel", **new)
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.vector = self.add_weight(shape=(self.units, 1), name="vector", **new)

    def keys(self, memory):
        """What a score needs of the memory: `(batch, places, width)` → `(batch, places, units)`; of a built layer."""
        return ops.matmul(memory, self.memory_kernel)

    def call(self, queries, memory, keys=None, mask=None):
        keys = self.keys(memory) if keys is None else keys
        if self.score == "multiplicative":
            scores = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))  # (batch, time, places)
        else:
            hidden = ops.expand_dims(ops.matmul(queries, self.query_kernel) + self.bias, 2)  # (batch, time, 1, units)
            hidden = ops.tanh(hidden + ops.expand_dims(keys, 1))  # (batch, time, places, units)
            scores = ops.squeeze(ops.matmul(hidden, self.vector), -1)  # (batch, time, places)
        scores = ops.cast(scores, "float32")  # which can hold NEVER
        if mask is not None:
            scores = ops.where(ops.expand_dims(mask, 1), scores, NEVER)
        # A softmax; that of Keras warns where a memory has one place.
        weights = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
        weights = ops.cast(weights / ops.sum(weights, axis=-1, keepdims=True), memory.dtype)
        return ops.matmul(weights, memory), weights

    def compute_mask(self, *_, **__):
        """Neither the context nor the weights carry a mask."""

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units, "score": self.score}
