"""Files → splits of texts and labels. Every data error is raised here or in `seqapps.text.reading`."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seqapps import checks, fractions
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.data.cutting import cut
from seqapps.tasks.sentiment.data.labels import LabelBook, check_classes, scan
from seqapps.tasks.sentiment.data.notes import notes
from seqapps.tasks.sentiment.data.splits import SPLITS, Part, Splits
from seqapps.text import reading

__all__ = ["SPLITS", "Data", "Part", "Splits", "load", "load_whole", "resolved"]

Data = str | Path | pd.DataFrame
LEFT_OUT = -1  # of the training part, where only a part of it is wanted


def load(data: Data, config: Config, classes: Sequence[str] = ()) -> Splits:
    """Read DATA and cut it into train, validation and test.

    Where a part has no file of its own, it is cut from the training file by the hash of its texts, class by class or,
    with several labels per text, label by label, so that every part has about the same share of each and equal texts
    stay together.

    Args:
        data: As for training.
        config: The options.
        classes: Those of a run that is measured; other labels are then an error.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file cannot be read, with file, line and column.
    """
    given = config.with_own_files(reading.parts(data))
    book = LabelBook(config.label_separator, classes)
    parts = {"train": _scanned(given["train"], config, book, known=bool(classes))}
    if not classes:
        check_classes(parts["train"], book, _column(given["train"], parts["train"].source))
    told = () if classes else tuple(_separator_notes(book))
    for split in SPLITS[1:]:
        if split in given:
            parts[split] = _scanned(given[split], config, book, known=True)
    shares = {split: getattr(config, f"{split}_fraction") for split in SPLITS[1:] if split not in parts}
    _check_fractions(shares)
    whole, where = parts["train"], cut(parts["train"], book, shares)
    training = np.flatnonzero(where == SPLITS.index("train"))
    if config.data_fraction < 1:
        where[training[~fractions.kept(whole.labels[training], config.data_fraction, config.seed)]] = LEFT_OUT
    for split in ("train", *shares):
        parts[split] = whole.taken(where == SPLITS.index(split))
        if not len(parts[split].labels):
            raise ValueError(
                f"{whole.source.name}: {len(whole.labels)} rows are too few for a {split} part. Supply more data."
            )
    parts = {split: parts[split] for split in SPLITS}
    told = (*told, *fractions.note(config.data_fraction, len(parts["train"].labels), len(training), "texts"))
    return book.splits(parts, classes, (*told, *notes(parts)))


def load_whole(data: Data, config: Config, classes: Sequence[str]) -> Splits:
    """Every row of `data` as the split `all`, with the classes of a run."""
    book = LabelBook(config.label_separator, classes)
    given = reading.parts(data)
    if set(given) != {"train"}:
        raise ValueError(f"{data}: `split` 'all' takes one file. Received: a folder with {', '.join(given)}.")
    parts = {"all": _scanned(given["train"], config, book, known=True)}
    return book.splits(parts, classes, tuple(notes(parts)))


def resolved(config: Config, splits: Splits) -> Config:
    """The config with the columns that were found, so that `config.json` repeats the run."""
    source = splits.parts["train"].source
    return dataclasses.replace(config, text_column=source.text_column, label_column=source.label_column)


def _scanned(data: Path | pd.DataFrame, config: Config, book: LabelBook, known: bool) -> Part:
    columns = config.text_column, config.label_column
    source = reading.open_source(data, *columns, label_separator=config.label_separator)
    return scan(source, book, _column(data, source), known)


def _column(data: Path | pd.DataFrame, source: reading.Source) -> str:
    """The column of labels as messages add it to a place; a folder of classes has none."""
    return "" if isinstance(data, Path) and data.is_dir() else f", column {source.label_column!r}"


def _separator_notes(book: LabelBook) -> Iterator[str]:
    if book.separator is not None and not book.separated:
        yield (
            f"The label separator {book.separator!r} occurs in no label of the training data: none of its texts has "
            "several classes."
        )


def _check_fractions(shares: dict[str, float]) -> None:
    for split, fraction in shares.items():
        if fraction == 0:
            advice = f"Or name a file in `{split}_data`."
            checks.fail(f"{split}_fraction", f"above 0 where no file holds the {split} part", fraction, advice)
    if sum(shares.values()) >= 1:
        received = ", ".join(f"{split}_fraction={fraction}" for split, fraction in shares.items())
        raise ValueError(
            f"`validation_fraction` and `test_fraction` must leave rows to train on. Received: {received}."
        )
