"""Files → splits of texts and labels. Every data error is raised here or in `seqapps.text.reading`."""

import dataclasses
import hashlib
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd

from seqapps import checks
from seqapps.tasks.sentiment.config import Config
from seqapps.text import reading
from seqapps.text.reading import Row, Source

SPLITS = ("train", "validation", "test")
MOST_NAMED = 10  # classes that an error lists
Data = str | Path | pd.DataFrame


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


def load(data: Data, config: Config, classes: Sequence[str] = ()) -> Splits:
    """Read DATA and cut it into train, validation and test.

    Where a part has no file of its own, it is cut from the training file by the hash of its texts, class by class, so
    that every part has the same share of each class and equal texts stay together.

    Args:
        data: As for training.
        config: The options.
        classes: Those of a run that is measured; other labels are then an error.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file cannot be read, with file, line and column.
    """
    given = _given(data, config)
    book = _LabelBook(config.label_separator, classes)
    parts = {"train": _scan(_opened(given["train"], config), book, known=bool(classes))}
    in_folders = isinstance(given["train"], Path) and given["train"].is_dir()
    if not classes:
        _check_classes(parts["train"], book, in_folders)
    for split in SPLITS[1:]:
        if split in given:
            parts[split] = _scan(_opened(given[split], config), book, known=True)
    fractions = {split: getattr(config, f"{split}_fraction") for split in SPLITS[1:] if split not in parts}
    for split, fraction in fractions.items():
        if fraction == 0:
            advice = f"Or name a file in `{split}_data`."
            checks.fail(f"{split}_fraction", f"above 0 where no file holds the {split} part", fraction, advice)
    if sum(fractions.values()) >= 1:
        received = ", ".join(f"{split}_fraction={fraction}" for split, fraction in fractions.items())
        raise ValueError(
            f"`validation_fraction` and `test_fraction` must leave rows to train on. Received: {received}."
        )
    where = _assigned(parts["train"], book, fractions)
    whole = parts["train"]
    for split in ("train", *fractions):
        parts[split] = whole.taken(where == SPLITS.index(split))
        if not len(parts[split].labels):
            raise ValueError(
                f"{whole.source.name}: {len(whole.labels)} rows are too few for a {split} part. Supply more data."
            )
    return book.splits({split: parts[split] for split in SPLITS}, tuple(classes))


def _given(data: Data, config: Config) -> dict[str, Path | pd.DataFrame]:
    """What holds each part; an option that another one leaves without effect is an error."""
    given = reading.parts(data)
    for split in SPLITS[1:]:
        own = getattr(config, f"{split}_data")
        if own is not None and split in given:
            checks.fail(f"{split}_data", "None, because DATA is a folder with its own files", own)
        if own is not None or split in given:
            rule = "the files of the folder DATA" if own is None else f"{split}_data"
            config.check_default_fractions((f"{split}_fraction",), rule)
        if own is not None:
            given[split] = Path(own)
    return given


def load_whole(data: Data, config: Config, classes: Sequence[str]) -> Splits:
    """Every row of `data` as the split `all`, with the classes of a run."""
    book = _LabelBook(config.label_separator, classes)
    given = reading.parts(data)
    if set(given) != {"train"}:
        raise ValueError(f"{data}: `split` 'all' takes one file. Received: a folder with {', '.join(given)}.")
    return book.splits({"all": _scan(_opened(given["train"], config), book, known=True)}, tuple(classes))


def resolved(config: Config, splits: Splits) -> Config:
    """The config with the columns that were found, so that `config.json` repeats the run."""
    source = splits.parts["train"].source
    return dataclasses.replace(config, text_column=source.text_column, label_column=source.label_column)


class _LabelBook:
    """The sets of labels that were met, numbered in their order; first each of the classes that are known before."""

    def __init__(self, separator: str | None, classes: Sequence[str] = ()) -> None:
        self.separator = separator
        self.numbers: dict[tuple[str, ...], int] = {(name,): number for number, name in enumerate(classes)}

    def read(self, cell: str) -> tuple[str, ...]:
        """The labels of a cell."""
        if self.separator is None:
            return (cell.strip(),)
        return tuple(sorted({name.strip() for name in cell.split(self.separator)} - {""}))

    def position(self, names: tuple[str, ...]) -> int:
        return self.numbers.setdefault(names, len(self.numbers))

    def classes(self) -> tuple[str, ...]:
        """All labels, whole numbers by their value."""
        names = {name for each in self.numbers for name in each}
        whole = all(re.fullmatch(r"-?\d+", name) for name in names)
        return tuple(sorted(names, key=(lambda name: (int(name), name)) if whole else None))

    def splits(self, parts: dict[str, Part], classes: tuple[str, ...] = ()) -> Splits:
        classes = classes or self.classes()
        sets = tuple(tuple(sorted(classes.index(name) for name in names)) for names in self.numbers)
        return Splits(classes, sets, self.separator, parts, tuple(_notes(parts)))


def _opened(data: Path | pd.DataFrame, config: Config) -> Source:
    return reading.open_source(data, config.text_column, config.label_column, label_separator=config.label_separator)


def _scan(source: Source, book: _LabelBook, known: bool = False) -> Part:
    """Read a source once and keep what decides about its rows: labels and hashes.

    Args:
        source: The rows.
        book: Takes the labels.
        known: Whether the labels must be among those that the book has.
    """
    classes = set(book.classes()) if known else set()
    labels, hashes = array("q"), array("Q")
    for row in source:
        names = book.read(row.label or "")
        if names == ("",):
            raise ValueError(f"{row.place}: the label must not be empty. Label the row or delete it.")
        if known and names not in book.numbers:
            _check_known(row, names, classes)
        labels.append(book.position(names))
        hashes.append(int.from_bytes(hashlib.blake2b(row.text.encode(), digest_size=8).digest(), "little"))
    return Part(source, np.ones(len(labels), bool), np.array(labels, "int64"), np.array(hashes, "uint64"))


def _check_known(row: Row, names: tuple[str, ...], classes: set[str]) -> None:
    for name in names:
        if name not in classes:
            listed = checks.listing(sorted(classes)[:MOST_NAMED]) + (", …" if len(classes) > MOST_NAMED else "")
            advice = checks.suggestion(name, classes)
            raise ValueError(f"{row.place}: the label must be one of {listed}. Received: {name!r}.{advice}")


def _check_classes(part: Part, book: _LabelBook, in_folders: bool) -> None:
    classes, rows = book.classes(), len(part.labels)
    source = part.source
    column = source.name if in_folders else f"{source.name}, column {source.label_column!r}"
    if len(classes) < 2:
        received = f"{classes[0]!r} in all {rows} rows" if classes else f"no label in {rows} rows"
        raise ValueError(f"{column}: there must be at least two classes. Received: {received}.")
    if len(classes) > max(10, rows / 2):
        raise ValueError(
            f"{column}: the labels must repeat. Received: {len(classes)} different ones in {rows} rows. "
            "Name the column of labels in `label_column`."
        )


def _assigned(part: Part, book: _LabelBook, fractions: dict[str, float]) -> np.ndarray:
    """For every row the position of its split: each class is cut alike, equal texts go together.

    Neither the seed nor the order of the rows has a say, so that runs with other seeds are judged on the same texts.
    """
    hashes, inverse = np.unique(part.hashes, return_inverse=True)
    rank = np.argsort(np.argsort([repr(names) for names in book.numbers]))  # not the order in which they were met
    labels = np.full(len(hashes), len(rank))
    np.minimum.at(labels, inverse, rank[part.labels])  # of equal texts with different labels the first by name
    where = np.zeros(len(hashes), "int8")
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        taken = 0
        for split, fraction in fractions.items():
            count = min(max(round(fraction * len(own)), 1), len(own) - 1 - taken)  # train keeps one at least
            where[own[taken : taken + max(count, 0)]] = SPLITS.index(split)
            taken += max(count, 0)
    return where[inverse]


def _notes(parts: dict[str, Part]) -> Iterator[str]:
    """Leaks and contradictions, counted."""
    empty = np.frombuffer(hashlib.blake2b(b"", digest_size=8).digest(), "<u8")
    train = parts.get("train")
    for split, part in parts.items():
        if count := int(np.isin(part.hashes, empty).sum()):
            yield f"{_texts(count)} of the {split} part {_be(count)} empty."
        if train is not None and split != "train" and (count := int(np.isin(part.hashes, train.hashes).sum())):
            yield f"{_texts(count)} of the {split} part {_be(count)} in the train part too."
    if train is not None:
        pairs = np.unique(np.stack([train.hashes, train.labels.astype("uint64")]), axis=1)
        if count := int((np.unique(pairs[0], return_counts=True)[1] > 1).sum()):
            yield f"{_texts(count)} of the train part {'occurs' if count == 1 else 'occur'} with different labels."


def _texts(count: int) -> str:
    return f"{count} text{'' if count == 1 else 's'}"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"
