"""Labels as cells hold them → numbered sets of classes, with what can be wrong about them."""

import hashlib
import re
from array import array
from collections.abc import Sequence

import numpy as np

from seqapps import checks
from seqapps.tasks.sentiment.data.splits import Part, Splits
from seqapps.text.reading import Row, Source

MOST_NAMED = 10  # classes that an error lists


class LabelBook:
    """The sets of labels that were met, numbered in their order; first each of the classes that are known before.

    Attributes:
        separated: Whether some label held the separator.
    """

    def __init__(self, separator: str | None, classes: Sequence[str] = ()) -> None:
        self.separator = separator
        self.separated = False
        self.numbers: dict[tuple[str, ...], int] = {(name,): number for number, name in enumerate(classes)}

    def read(self, cell: str) -> tuple[str, ...]:
        """The labels of a cell."""
        if self.separator is None:
            return (cell.strip(),)
        self.separated = self.separated or self.separator in cell
        return tuple(sorted({name.strip() for name in cell.split(self.separator)} - {""}))

    def position(self, names: tuple[str, ...]) -> int:
        """The number of a set of labels."""
        return self.numbers.setdefault(names, len(self.numbers))

    def classes(self) -> tuple[str, ...]:
        """All labels, whole numbers by their value."""
        names = {name for each in self.numbers for name in each}
        whole = all(re.fullmatch(r"-?\d+", name) for name in names)
        return tuple(sorted(names, key=(lambda name: (int(name), name)) if whole else None))

    def splits(self, parts: dict[str, Part], classes: Sequence[str], notes: tuple[str, ...]) -> Splits:
        """The parts with the classes of a run, or else all that were met."""
        classes = tuple(classes) or self.classes()
        numbers = {name: number for number, name in enumerate(classes)}
        sets = tuple(tuple(sorted(numbers[name] for name in names)) for names in self.numbers)
        return Splits(classes, sets, self.separator, parts, notes)


def scan(source: Source, book: LabelBook, column: str, known: bool = False) -> Part:
    """Read a source once and keep what decides about its rows: labels and hashes.

    Args:
        source: The rows.
        book: Takes the labels.
        column: The column of labels as messages add it to a place; empty where there is none.
        known: Whether the labels must be among those that the book has.
    """
    classes = set(book.classes()) if known else set()
    labels, hashes = array("q"), array("Q")
    for row in source:
        names = book.read(row.label or "")
        if names == ("",):
            raise ValueError(f"{row.place}{column}: the label must not be empty. Label the row or delete it.")
        if known and names not in book.numbers:
            _check_known(row, column, names, classes)
        labels.append(book.position(names))
        hashes.append(int.from_bytes(hashlib.blake2b(row.text.encode(), digest_size=8).digest(), "little"))
    return Part(source, np.ones(len(labels), bool), np.array(labels, "int64"), np.array(hashes, "uint64"))


def _check_known(row: Row, column: str, names: tuple[str, ...], classes: set[str]) -> None:
    for name in names:
        if name not in classes:
            listed = checks.listing(sorted(classes)[:MOST_NAMED]) + (", …" if len(classes) > MOST_NAMED else "")
            advice = checks.suggestion(name, classes)
            raise ValueError(f"{row.place}{column}: the label must be one of {listed}. Received: {name!r}.{advice}")


def check_classes(part: Part, book: LabelBook, column: str) -> None:
    """Refuse labels that are no classes: a single one, or nearly one per row."""
    classes, rows = book.classes(), len(part.labels)
    place = f"{part.source.name}{column}"
    if len(classes) < 2:
        received = f"{classes[0]!r} in all {rows} rows" if classes else f"no label in {rows} rows"
        raise ValueError(f"{place}: there must be at least two classes. Received: {received}.")
    if len(classes) > max(10, rows / 2):
        raise ValueError(
            f"{place}: the labels must repeat. Received: {len(classes)} different ones in {rows} rows. "
            "Name the column of labels in `label_column`."
        )
