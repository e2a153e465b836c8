"""The classifier: token ids → embedding → `RecurrentStack` → pooling → logits."""

import keras
import numpy as np

from seqapps.recurrent.controls import ShuffledSteps
from seqapps.recurrent.pooling import Pooling
from seqapps.recurrent.stack import RecurrentStack
from seqapps.tasks.sentiment.config import Config

EMBEDDING_SIZE = 64  # where neither the config nor a file of vectors says one


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
