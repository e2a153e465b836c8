"""The outputs of all steps as one vector."""

import keras
from keras import ops

LOWEST = -1e9  # a score that no softmax and no maximum sees
SMALLEST = 1e-30  # keeps a row without a step from dividing by 0


@keras.saving.register_keras_serializable("seqapps")
class Pooling(keras.layers.Layer):
    """The outputs of all real steps as one vector; a row without any gives 0.

    Args:
        kind: `"mean"`, `"max"`, `"mean_max"` (both, side by side) or `"attention"` (a weighted mean, the weights a
            softmax of a trained score of every step; Yang et al. 2016 without their hidden layer).

    Call arguments:
        outputs: `(batch, time, features)`.
        mask: `(batch, time)`, `False` at padding; all steps are real without it.

    Returns:
        `(batch, features)`, twice as wide for `"mean_max"`.
    """

    def __init__(self, kind: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.supports_masking = True

    def build(self, outputs_shape) -> None:
        if self.kind == "attention":
            self.score = self.add_weight(shape=(outputs_shape[-1],), initializer="zeros", name="score")

    def call(self, outputs, mask=None):
        real = ops.ones(ops.shape(outputs)[:2], outputs.dtype) if mask is None else ops.cast(mask, outputs.dtype)
        real = ops.expand_dims(real, -1)  # (batch, time, 1)
        pooled = []
        if self.kind in ("mean", "mean_max"):
            pooled.append(ops.sum(outputs * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1))
        if self.kind in ("max", "mean_max"):
            highest = ops.max(ops.where(real > 0, outputs, LOWEST), axis=1)
            pooled.append(ops.where(ops.any(real > 0, axis=1), highest, 0.0))
        if self.kind == "attention":
            score = ops.expand_dims(ops.sum(outputs * self.score, axis=-1), -1)
            score = ops.where(real > 0, score, LOWEST)
            weight = ops.exp(score - ops.max(score, axis=1, keepdims=True)) * real
            pooled.append(ops.sum(outputs * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), SMALLEST))
        return ops.concatenate(pooled, axis=-1) if len(pooled) > 1 else pooled[0]

    def compute_mask(self, outputs, mask=None):
        return None

    def compute_output_shape(self, outputs_shape):
        width = outputs_shape[-1] * (2 if self.kind == "mean_max" else 1)
        return (outputs_shape[0], width)

    def get_config(self):
        return super().get_config() | {"kind": self.kind}
