"""What is fitted on the training part: the tokenizers of both languages. The same object serves inside the graph."""

import dataclasses
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

    def encode(self, part: Part, folder: Path, name: str, most: int | None = None) -> EncodedPairs:
        """Pairs as ids on disk.

        Args:
            part: The pairs; never held together.
            folder: Where the files go; old ones are replaced.
            name: Of the files.
            most: Tokens of a text that are kept: its first ones.
        """
        source, target = (
            pair_batches.encode(texts, tokenizer.encode, folder / f"{name}.{side}.ids", most)
            for side, tokenizer, texts in self._sides(part)
        )
        return EncodedPairs(source, target, np.arange(len(part)))

    def cut_anew(self, pairs: EncodedPairs, part: Part, folder: Path, name: str, dropout: float) -> EncodedPairs:
        """Pairs whose texts batches cut in other ways, where they are given a seed.

        Args:
            pairs: From `encode`.
            part: The same pairs as texts, which go to disk.
            folder: Where the files go; old ones are replaced.
            name: Of the files.
            dropout: Part of the merges of byte pairs that is left out.
        """
        again = tuple(
            (
                pair_batches.store(texts, folder / f"{name}.{side}.texts"),
                pair_batches.random_encoder(tokenizer, dropout),
            )
            for side, tokenizer, texts in self._sides(part)
        )
        return dataclasses.replace(pairs, again=again)

    def _sides(self, part: Part) -> Iterator[tuple[str, tokenizers.Tokenizer, Iterator[str]]]:
        """The name, tokenizer and texts of both sides."""
        yield "source", self.source, part.sources()
        yield "target", self.target, part.targets()

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
