"""Outputs of a network → logits of every token, with weights of its own or those of the token vectors."""

from typing import Any

import keras
from keras import ops

from seqapps.recurrent.masking import NEVER
from seqapps.text.kinds import PAD, START

NEVER_NEXT = (PAD, START)


@keras.saving.register_keras_serializable("seqapps")
class Softmax(keras.layers.Layer):
    """Outputs → logits of every token; padding and the start of a text never come next.

    Call arguments:
        outputs: `(…, features)`.

    Returns:
        `(…, vocabulary_size)`.
    """

    def __init__(self, vocabulary_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size

    def build(self, outputs_shape) -> None:
        self.kernel = self._kernel(outputs_shape[-1])
        self.bias = self.add_weight(shape=(self.vocabulary_size,), initializer="zeros", name="bias")

    def _kernel(self, features: int) -> Any:
        return self.add_weight(shape=(self.vocabulary_size, features), initializer="glorot_uniform", name="kernel")

    def call(self, outputs):
        return ops.matmul(outputs, ops.transpose(self.kernel)) + self._masked_bias()

    def table(self, multiple: int) -> tuple[Any, Any]:
        """What a loop multiplies outputs by and adds at every step: `(features, width)` and `(width,)`.

        The width is the next one that `multiple` divides; ids from the vocabulary's size on never come next.
        """
        missing = -self.vocabulary_size % multiple
        kernel = ops.pad(ops.transpose(self.kernel), [[0, 0], [0, missing]])
        return kernel, ops.pad(self._masked_bias(), [[0, missing]], constant_values=NEVER)

    def _masked_bias(self):
        """The bias, so low at ids that never come next that no output of a network makes up for it."""
        ids = ops.arange(self.vocabulary_size)
        return ops.where((ids == PAD) | (ids == START), NEVER, self.bias)

    def compute_output_shape(self, outputs_shape):
        return (*outputs_shape[:-1], self.vocabulary_size)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"vocabulary_size": self.vocabulary_size}


@keras.saving.register_keras_serializable("seqapps")
class TiedSoftmax(Softmax):
    """A softmax whose weights are the token vectors (Press & Wolf 2017, Inan et al. 2017).

    Args:
        embedding: The layer of the token vectors, of the width of the outputs.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, embedding: keras.layers.Embedding, **kwargs: Any) -> None:
        super().__init__(embedding.input_dim, **kwargs)
        self.embedding = embedding

    def _kernel(self, features: int) -> Any:
        return self.embedding.embeddings

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["vocabulary_size"]
        return config | {"embedding": keras.saving.serialize_keras_object(self.embedding)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TiedSoftmax":
        return cls(keras.saving.deserialize_keras_object(config.pop("embedding")), **config)
