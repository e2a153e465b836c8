"""What is fitted on the training part: the tokenizers of both languages. The same object serves inside the graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.data import Part, Splits
from seqapps.text import pair_batches, tokenizers
from seqapps.text.pair_batches import EncodedPairs

MOST_PAIRS = 2_000_000  # that the tokenizers are fitted on


@dataclass(frozen=True)
class Preprocessing:
    """Texts ↔ token ids of two languages.

    Attributes:
        source: The tokenizer of sources.
        target: That of targets; the same object where they share a vocabulary.
    """

    source: tokenizers.Tokenizer
    target: tokenizers.Tokenizer

    @property
    def shared(self) -> bool:
        """Whether both languages have one vocabulary."""
        return self.source is self.target

    def encode(
        self, part: Part, folder: Path, name: str, dropout: float = 0.0, most: int | None = None
    ) -> EncodedPairs:
        """Pairs as ids on disk.

        Args:
            part: The pairs; never held together.
            folder: Where the files go; old ones are replaced.
            name: Of the files.
            dropout: Of the merges of byte pairs, in batches that are given a seed.
            most: Tokens of a text that are kept: its first ones.
        """
        sides = {"source": (self.source, part.sources), "target": (self.target, part.targets)}
        encoded, again = {}, []
        for side, (tokenizer, texts) in sides.items():
            encoded[side] = pair_batches.encode(texts(), tokenizer.encode, folder / f"{name}.{side}.ids", most)
            if dropout:
                stored = pair_batches.store(texts(), folder / f"{name}.{side}.texts")
                again.append((stored, pair_batches.random_encoder(tokenizer, dropout)))
        return EncodedPairs(**encoded, rows=np.arange(len(part)), again=tuple(again) or None)

    def to_dict(self) -> dict[str, Any]:
        """The state, as `preprocessing.json` holds it."""
        own = {"source": self.source.to_dict()}
        return own if self.shared else own | {"target": self.target.to_dict()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`."""
        source = tokenizers.from_dict(state["source"])
        return cls(source, tokenizers.from_dict(state["target"]) if "target" in state else source)


def fit(splits: Splits, config: Config) -> Preprocessing:
    """Fit the tokenizers on the training part; of a large one on pairs that are spread evenly over it."""
    part = splits.parts["train"]

    def fitted(texts: Iterator[str]) -> tokenizers.Tokenizer:
        return tokenizers.fit(config.tokenizer, texts, config.vocabulary_size, config.lowercase)

    def both() -> Iterator[str]:
        for row in islice(part.rows(), 0, None, _stride(part)):
            yield row.text
            yield row.label or ""

    if config.shared_vocabulary:
        tokenizer = fitted(both())
        return Preprocessing(tokenizer, tokenizer)
    return Preprocessing(*(fitted(islice(each(), 0, None, _stride(part))) for each in (part.sources, part.targets)))


def sample_note(splits: Splits) -> str:
    """A sentence on the pairs that the tokenizers are fitted on, empty where they are all."""
    stride = _stride(splits.parts["train"])
    return f"The tokenizers were fitted on one of {stride} training pairs, evenly spread." if stride > 1 else ""


def _stride(part: Part) -> int:
    return -(-len(part) // MOST_PAIRS)
