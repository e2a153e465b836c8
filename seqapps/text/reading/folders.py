"""Folders: one sub-folder of texts per class, and the parts train, validation and test."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from seqapps import checks
from seqapps.text.reading.lines import DELIMITED, JSON_LINES, PARQUET, decoded_lines, ending_of
from seqapps.text.reading.rows import Row, Source

PART_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
TABLE_ENDINGS = (*DELIMITED, *JSON_LINES, *PARQUET)
CLASSES = "one sub-folder of .txt files per class"
FEW = 5  # names that a message lists


def open_classes(folder: Path, labelled: bool) -> Source:
    """The texts of a folder with one sub-folder per class: a file is a text, its folder's name the label.

    Classes and files come in the order of their names. A line end at the end of a file is not part of its text.

    Raises:
        ValueError: If there is no such sub-folder, or one holds files but no texts.
    """
    name = Path(os.path.abspath(folder)).name  # that of a link, not of what it leads to
    classes = []
    for inner in _visible(folder):
        if not inner.is_dir():
            continue
        if _holds_texts(inner):
            classes.append(inner.name)
        elif held := _visible(inner):
            raise ValueError(f"{name}/{inner.name}: the files must end in .txt or .txt.gz. Received: {_few(held)}.")
    if not classes:
        raise ValueError(f"The folder {name!r} must hold {CLASSES}. Received: {_few(_visible(folder))}.")
    label = "label" if labelled else None
    return Source(name, "text", label, partial(_class_rows, folder, name, tuple(classes), labelled), "the files")


def _class_rows(folder: Path, name: str, classes: tuple[str, ...], labelled: bool) -> Iterator[Row]:
    for label in classes:
        for path in _visible(folder / label):
            if _is_text(path):
                place = f"{name}/{label}/{path.name}"
                text = "".join(decoded_lines(path, place)).removesuffix("\n").removesuffix("\r")
                yield Row(text, label if labelled else None, place)


def parts(data: str | Path | pd.DataFrame) -> dict[str, Path | pd.DataFrame]:
    """The parts of the data: `train` and, if a folder holds them, `validation` and `test`.

    A part is a table, such as `train.csv`, or a folder of classes, such as `train/`. A validation part may also be
    called `valid`, `val` or `dev`. A single file, a DataFrame and a folder of classes are `train`.

    Raises:
        FileNotFoundError: If there is no such file or folder, or no `train` in it.
        ValueError: If two files or folders could be the same part.

    Example:

    >>> list(parts(pd.DataFrame({"text": ["Great!"], "label": ["good"]})))
    ['train']
    """
    if isinstance(data, pd.DataFrame):
        return {"train": data}
    if not isinstance(data, (str, Path)):
        checks.fail("data", "a path or a DataFrame", data)
    folder = Path(data)
    if not folder.exists():
        raise FileNotFoundError(f"There is no file or folder {str(folder)!r}.")
    inner = _visible(folder) if folder.is_dir() else []
    found = {part: [path for path in inner if _stem(path) in names] for part, names in PART_NAMES.items()}
    candidates = [path for paths in found.values() for path in paths]
    classes = any(path.is_dir() and path not in candidates and _holds_texts(path) for path in inner)
    if not folder.is_dir() or (classes and not any(path.is_file() or _holds_classes(path) for path in candidates)):
        return {"train": folder}
    for part, paths in found.items():
        if len(paths) > 1:
            both = checks.listing(path.name for path in paths)
            raise ValueError(f"The folder {str(folder)!r} has more than one {part} part: {both}. Keep one.")
    if not found["train"]:
        raise FileNotFoundError(
            f"The folder {str(folder)!r} has no train part, such as train.csv or train/, and not {CLASSES}. "
            f"It holds {_few(inner)}."
        )
    return {part: paths[0] for part, paths in found.items() if paths}


def _stem(path: Path) -> str | None:
    """The name of a part that a folder or table could be."""
    if path.is_dir():
        return path.name.lower()
    ending = ending_of(path)
    return path.name.lower().removesuffix(".gz").removesuffix(ending) if ending in TABLE_ENDINGS else None


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)


def _is_text(path: Path) -> bool:
    return ending_of(path) == ".txt" and path.is_file()


def _holds_texts(folder: Path) -> bool:
    return any(_is_text(path) for path in folder.iterdir() if not path.name.startswith("."))


def _holds_classes(folder: Path) -> bool:
    return any(path.is_dir() and _holds_texts(path) for path in _visible(folder))


def _few(paths: list[Path]) -> str:
    names = checks.listing(path.name for path in paths[:FEW])
    return f"{names}{', …' * (len(paths) > FEW)}" or "nothing"
