"""What is fitted on the training part: the tokenizer and the classes. The same object serves inside the graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import tensorflow as tf

from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.data import Splits
from seqapps.text import tokenizers

MOST_TEXTS = 200_000  # that the tokenizer is fitted on


@dataclass(frozen=True)
class Preprocessing:
    """Texts → token ids, and classes by number.

    Attributes:
        tokenizer: Fitted on the training part.
        classes: Names in the order of the model's outputs.
        multi_label: Whether a text has any number of classes.
        max_tokens: Tokens that are read of a text, at most.
    """

    tokenizer: tokenizers.Tokenizer
    classes: tuple[str, ...]
    multi_label: bool
    max_tokens: int

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """`(batch,)` texts → ragged `(batch, (tokens))` ids, `max_tokens` of each at most."""
        return self.cut(self.tokenizer.encode(texts))

    def cut(self, token_ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """What the model reads of texts: all, or of a longer one the first and the last tokens, `max_tokens` together.

        Both ends tell more than either (Sun et al. 2019).
        """
        at_end = self.max_tokens // 2
        at_start = self.max_tokens - at_end
        rest = token_ids[:, at_start:]
        return tf.concat([token_ids[:, :at_start], rest[:, -at_end:] if at_end else rest[:, :0]], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """The state, as `preprocessing.json` holds it."""
        return {
            "tokenizer": self.tokenizer.to_dict(),
            "classes": list(self.classes),
            "multi_label": self.multi_label,
            "max_tokens": self.max_tokens,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`."""
        tokenizer = tokenizers.from_dict(state["tokenizer"])
        return cls(tokenizer, tuple(state["classes"]), state["multi_label"], state["max_tokens"])


def fit(splits: Splits, config: Config) -> Preprocessing:
    """Fit the tokenizer on the training part; of a large one on texts that are spread evenly over it."""
    stride = -(-splits.count("train") // MOST_TEXTS)
    texts = islice(splits.texts("train"), 0, None, stride)
    tokenizer = tokenizers.fit(config.tokenizer, texts, config.vocabulary_size, config.lowercase)
    return Preprocessing(tokenizer, splits.classes, splits.multi_label, config.max_tokens)
