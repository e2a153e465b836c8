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
        label_separator: What joins the classes of a text; `None` where each has one.
        max_tokens: Tokens that are read of a text, at most.
    """

    tokenizer: tokenizers.Tokenizer
    classes: tuple[str, ...]
    label_separator: str | None
    max_tokens: int

    @property
    def multi_label(self) -> bool:
        """Whether a text has any number of classes."""
        return self.label_separator is not None

    @property
    def at_start(self) -> int:
        """Tokens that are read of the start of a longer text."""
        return self.max_tokens - self.max_tokens // 2

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """`(batch,)` texts → ragged `(batch, (tokens))` ids, `max_tokens` of each at most."""
        return self.cut(self.tokenizer.encode(texts))

    def cut(self, token_ids: tf.RaggedTensor) -> tf.RaggedTensor:
        """What the model reads of texts: all, or of a longer one the first and the last tokens, `max_tokens` together.

        Both ends tell more than either (Sun et al. 2019).
        """
        at_end = self.max_tokens - self.at_start
        rest = token_ids[:, self.at_start :]
        return tf.concat([token_ids[:, : self.at_start], rest[:, -at_end:] if at_end else rest[:, :0]], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """The state, as `preprocessing.json` holds it."""
        return {
            "tokenizer": self.tokenizer.to_dict(),
            "classes": list(self.classes),
            "label_separator": self.label_separator,
            "max_tokens": self.max_tokens,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`."""
        tokenizer = tokenizers.from_dict(state["tokenizer"])
        return cls(tokenizer, tuple(state["classes"]), state["label_separator"], state["max_tokens"])


def fit(splits: Splits, config: Config) -> Preprocessing:
    """Fit the tokenizer on the training part; of a large one on texts that are spread evenly over it."""
    texts = islice(splits.texts("train"), 0, None, _stride(splits))
    tokenizer = tokenizers.fit(config.tokenizer, texts, config.vocabulary_size, config.lowercase)
    return Preprocessing(tokenizer, splits.classes, splits.separator, config.max_tokens)


def sample_note(splits: Splits) -> str:
    """A sentence on the texts that the tokenizer is fitted on, empty where they are all."""
    count, stride = splits.count("train"), _stride(splits)
    if stride == 1:
        return ""
    return f"The tokenizer was fitted on {-(-count // stride)} of {count} training texts, spread evenly over them."


def _stride(splits: Splits) -> int:
    return -(-splits.count("train") // MOST_TEXTS)
