"""The classifier: token ids → embedding → `RecurrentStack` → pooling → logits."""

import keras
import numpy as np
from keras import ops

from seqapps.recurrent.controls import ShuffledSteps
from seqapps.recurrent.stack import RecurrentStack
from seqapps.tasks.sentiment.config import Config

EMBEDDING_SIZE = 64  # where neither the config nor a file of vectors says one
LOWEST = -1e9  # a logit that no softmax sees
SMALLEST = 1e-30  # keeps a row without a step from dividing by 0


def build_model(
    config: Config, vocabulary_size: int, classes: int, embeddings: np.ndarray | None = None
) -> keras.Model:
    """Token ids → logits of every class.

    Args:
        config: The options.
        vocabulary_size: Ids that there are; 0 is padding.
        classes: Outputs.
        embeddings: `(vocabulary_size, size)` start values, or `None` for random ones.

    Returns:
        A model from `(batch, time)` int32 to `(batch, classes)`; padding never changes an answer. With a `linear_skip`
        it takes a second input `(batch, classes)`, the logits of the skip, which it adds to those of the network.

    Example:

    >>> model = build_model(Config(units=5, bidirectional=True), vocabulary_size=11, classes=3)
    >>> model.output_shape
    (None, 3)
    """
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    read = ShuffledSteps("right", name="shuffle")(token_ids) if config.control == "shuffled" else token_ids
    embedded = _embedding(config, vocabulary_size, embeddings)(read)  # (batch, time, size)
    outputs = keras.layers.Dropout(config.word_dropout, noise_shape=(None, None, 1), name="word_dropout")(embedded)
    if config.control != "memoryless":
        outputs = make_stack(config)(outputs)
    if config.pooling != "last":
        outputs = Pooling(config.pooling, name="pooling")(outputs)  # (batch, features)
    outputs = keras.layers.Dropout(config.dropout, name="dropout")(outputs)
    logits = keras.layers.Dense(classes, name="head")(outputs)
    if config.linear_skip == "none":
        return keras.Model(token_ids, logits, name="classifier")
    skip = keras.Input((classes,), name="linear_logits")
    return keras.Model([token_ids, skip], keras.layers.Add(name="sum")([logits, skip]), name="classifier")


def stack_of(model: keras.Model) -> RecurrentStack | None:
    """The recurrent stack of a model; `None` of one without memory."""
    return next((layer for layer in model.layers if layer.name == "stack"), None)


def as_read(model: keras.Model, token_ids):
    """The ids `(batch, time)` in the order in which the network reads them."""
    shuffle = next((layer for layer in model.layers if layer.name == "shuffle"), None)
    return token_ids if shuffle is None else shuffle(token_ids)


def logits_of(model: keras.Model, embedded, mask):
    """What the network answers to token vectors instead of ids: `(batch, time, size)` → `(batch, classes)`."""
    stack, outputs = stack_of(model), embedded
    if stack is not None:
        outputs = stack(embedded, mask=mask)
    if any(layer.name == "pooling" for layer in model.layers):
        outputs = model.get_layer("pooling")(outputs, mask=mask)
    return model.get_layer("head")(outputs)


def make_stack(config: Config) -> RecurrentStack:
    """The recurrent stack that a config describes."""
    return RecurrentStack(**config.recurrent_options, return_sequences=config.pooling != "last", name="stack")


def loss_of(multi_label: bool) -> keras.losses.Loss:
    """Cross-entropy of one class per text, or of every class on its own."""
    if multi_label:
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _embedding(config: Config, vocabulary_size: int, embeddings: np.ndarray | None) -> keras.layers.Layer:
    size = config.embedding_size or EMBEDDING_SIZE
    layer = keras.layers.Embedding(
        vocabulary_size,
        size,
        embeddings_initializer="uniform",
        mask_zero=True,
        trainable=config.train_embeddings,
        name="embedding",
    )
    if embeddings is not None:
        layer.build((None, None))
        layer.set_weights([embeddings])
    return layer


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
