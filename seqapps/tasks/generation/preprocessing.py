"""What is fitted on the training part: the tokenizer. The same object serves inside the graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.data import Part, Splits
from seqapps.text import tokenizers
from seqapps.text.batches import Encoded
from seqapps.text.kinds import END, START

MOST_CHARACTERS = 200_000_000  # that the tokenizer is fitted on
CHUNKS_AT_ONCE = 64


@dataclass(frozen=True)
class Preprocessing:
    """Texts ↔ token ids.

    Attributes:
        tokenizer: Fitted on the training part.
    """

    tokenizer: tokenizers.Tokenizer

    def encode(self, part: Part, path: Path) -> Encoded:
        """Documents as ids on disk: `START`, its tokens, and `END` where the document is read to its end.

        Args:
            part: The documents; never held together.
            path: Where the ids go; an old file is replaced.
        """
        starts, length = [0], 0
        with path.open("wb") as file:
            for chunks in _batched(_marked(part)):
                rows = self._encode(tf.constant([text for text, _, _ in chunks], tf.string))
                ids, splits = rows.values.numpy(), rows.row_splits.numpy()
                for row, (_, is_first, is_last) in enumerate(chunks):
                    if is_first and length:
                        starts.append(length)
                    before = [START] if is_first else []
                    after = [END] if is_last else []
                    joined = np.concatenate([before, ids[splits[row] : splits[row + 1]], after]).astype("int32")
                    file.write(joined.tobytes())
                    length += len(joined)
        return Encoded(np.memmap(path, "int32", "r"), np.array([*starts, length]))

    @cached_property
    def _encode(self) -> Any:
        return tf.function(self.tokenizer.encode, input_signature=[tf.TensorSpec([None], tf.string)])

    def to_dict(self) -> dict[str, Any]:
        """The state, as `preprocessing.json` holds it."""
        return {"tokenizer": self.tokenizer.to_dict()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`."""
        return cls(tokenizers.from_dict(state["tokenizer"]))


def fit(splits: Splits, config: Config) -> Preprocessing:
    """Fit the tokenizer on the training part; of a large one on chunks that are spread evenly over it."""
    texts = islice(splits.parts["train"].texts(), 0, None, _stride(splits))
    return Preprocessing(tokenizers.fit(config.tokenizer, texts, config.vocabulary_size, config.lowercase))


def sample_note(splits: Splits) -> str:
    """A sentence on the texts that the tokenizer is fitted on, empty where they are all."""
    if _stride(splits) == 1:
        return ""
    return f"The tokenizer was fitted on one of {_stride(splits)} chunks of the training text, evenly spread."


def _stride(splits: Splits) -> int:
    return -(-splits.parts["train"].characters // MOST_CHARACTERS)


def _marked(part: Part) -> Iterator[tuple[str, bool, bool]]:
    """Chunks with whether each is the first of its document, and the last one where that is read to its end."""
    for document, whole in part:
        held, is_first = next(document.chunks, ""), True
        for chunk in document.chunks:
            yield held, is_first, False
            held, is_first = chunk, False
        yield held, is_first, whole


def _batched(chunks: Iterator[tuple[str, bool, bool]]) -> Iterator[list[tuple[str, bool, bool]]]:
    while batch := list(islice(chunks, CHUNKS_AT_ONCE)):
        yield batch
