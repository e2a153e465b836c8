"""The parts of the data: which rows of a source belong to each, their classes and their fingerprints."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress

import numpy as np

from seqapps.text.reading import Row, Source

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Part:
    """The rows of a source that belong to one split; texts stay on disk.

    Attributes:
        source: Where the texts are read from, again at each use.
        keep: `(rows of the source,)`, whether a row belongs to the split.
        labels: `(texts,)` position of the row's labels in `Splits.label_sets`.
        hashes: `(texts,)` 64-bit hash of every text.
    """

    source: Source
    keep: np.ndarray
    labels: np.ndarray
    hashes: np.ndarray

    def taken(self, which: np.ndarray) -> "Part":
        """The rows of the source that `which` marks."""
        return Part(self.source, which, self.labels[which], self.hashes[which])


@dataclass(frozen=True)
class Splits:
    """What a classifier is trained, chosen and judged on.

    Attributes:
        classes: Names, sorted; whole numbers by their value.
        label_sets: The sets of classes that occur, as positions in `classes`; without a separator one class each.
        separator: What separates the labels of a text; `None` where each has one.
        parts: For every split its rows.
        notes: What a person should know of the data.
    """

    classes: tuple[str, ...]
    label_sets: tuple[tuple[int, ...], ...]
    separator: str | None
    parts: dict[str, Part]
    notes: tuple[str, ...] = ()

    @property
    def multi_label(self) -> bool:
        """Whether a text has any number of classes."""
        return self.separator is not None

    def count(self, split: str) -> int:
        """Texts of a split."""
        return len(self.parts[split].labels)

    def rows(self, split: str) -> Iterator[Row]:
        """Rows of a split, read from their source."""
        part = self.parts[split]
        return compress(part.source, part.keep)

    def texts(self, split: str) -> Iterator[str]:
        """Texts of a split, read from their source."""
        return (row.text for row in self.rows(split))

    def targets(self, split: str) -> np.ndarray:
        """`(texts,)` int32 classes, or with `multi_label` `(texts, classes)` float32 of 0 and 1."""
        if not self.multi_label:
            return np.array([labels[0] for labels in self.label_sets], "int32")[self.parts[split].labels]
        table = np.zeros((len(self.label_sets), len(self.classes)), "float32")
        for position, labels in enumerate(self.label_sets):
            table[position, list(labels)] = 1
        return table[self.parts[split].labels]

    def fingerprint(self, split: str) -> str:
        """SHA-256 of the texts and labels of a split, in their order."""
        part = self.parts[split]
        names = [repr([self.classes[label] for label in labels]).encode() for labels in self.label_sets]
        digest = hashlib.sha256(part.hashes.astype("<u8").tobytes())
        for label in part.labels:
            digest.update(names[label])
        return digest.hexdigest()
