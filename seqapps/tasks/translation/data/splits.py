"""The parts of the data: which rows of a source of pairs belong to each, and their fingerprints."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress

import numpy as np

from seqapps.text.reading import Row, Source

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Part:
    """The pairs of a source that belong to one split; texts stay on disk.

    Attributes:
        source: Where the pairs are read from, again at each use: the text of a row is the source, its label the target.
        keep: `(rows of the source,)`, whether a row belongs to the split.
        hashes: `(pairs,)` 64-bit hash of every pair.
    """

    source: Source
    keep: np.ndarray
    hashes: np.ndarray

    def __len__(self) -> int:
        return len(self.hashes)

    def rows(self) -> Iterator[Row]:
        """The pairs, read from their source."""
        return compress(self.source, self.keep)

    def sources(self) -> Iterator[str]:
        """What is translated."""
        return (row.text for row in self.rows())

    def targets(self) -> Iterator[str]:
        """What it should become."""
        return (row.label or "" for row in self.rows())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the pairs, in their order."""
        return hashlib.sha256(self.hashes.astype("<u8").tobytes()).hexdigest()


@dataclass(frozen=True)
class Splits:
    """What a translator is trained, chosen and judged on.

    Attributes:
        parts: For every split its pairs.
        notes: What a person should know of the data.
        overlaps: For splits with sources that are trained on, with another target, a sentence that says so.
    """

    parts: dict[str, Part]
    notes: tuple[str, ...] = ()
    overlaps: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprints(self) -> dict[str, str]:
        """For every split that of its pairs."""
        return {split: part.fingerprint for split, part in self.parts.items()}
