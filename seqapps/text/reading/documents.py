"""Whole documents for language models: a text file is one, and so is every row of a table."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from seqapps import checks
from seqapps.text.reading.columns import Wanted
from seqapps.text.reading.delimited import open_delimited
from seqapps.text.reading.folders import PART_NAMES, TABLE_ENDINGS
from seqapps.text.reading.json_lines import open_json_lines
from seqapps.text.reading.lines import DELIMITED, JSON_LINES, PARQUET, decoded_lines, ending_of
from seqapps.text.reading.rows import Source
from seqapps.text.reading.tables import open_frame, open_parquet

CHUNK = 1 << 15  # characters, about
TABLES = {
    **dict.fromkeys(DELIMITED, open_delimited),
    **dict.fromkeys(JSON_LINES, open_json_lines),
    **dict.fromkeys(PARQUET, open_parquet),
}
TEXT = ".txt"
BLANK = re.compile(r"(?<=[^\s]) (?=[^\s])")


@dataclass(frozen=True)
class Document:
    """One text, in chunks that no token spans.

    Attributes:
        place: Where it stands, as messages say it.
        chunks: Begins to read it; the chunks joined are the text.
    """

    place: str
    chunks: Iterator[str] = field(repr=False)


@dataclass(frozen=True)
class Documents:
    """Documents that are read from the start by each iteration, one after the other, never held together.

    Attributes:
        name: What messages call the data.
        text_column: Column of the texts; `None` where there is no table.
        read: Begins to read from the start.
    """

    name: str
    text_column: str | None
    read: Callable[[], Iterator[Document]] = field(repr=False)

    def __iter__(self) -> Iterator[Document]:
        return self.read()


def open_documents(data: str | Path | pd.DataFrame, text_column: str | None = None) -> Documents:
    """Open texts that are read as a whole: books, articles, stories.

    Args:
        data: A text file in UTF-8 (also `.gz`), whatever its name ends in if that is no table's ending: one document.
            A folder: one document per `.txt` file, in the order of their names. A table as for `open_source`: one
            document per row.
        text_column: Column of a table; by default the one with a usual name.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If a folder holds no text, or a table has no such column.

    Example:

    >>> documents = open_documents(pd.DataFrame({"text": ["One day", "Once upon a time"]}))
    >>> [(document.place, "".join(document.chunks)) for document in documents]
    [('row 0', 'One day'), ('row 1', 'Once upon a time')]
    """
    if isinstance(data, pd.DataFrame):
        return _of_rows(open_frame(data, Wanted(text_column, None, labelled=False)))
    if not isinstance(data, (str, Path)):
        checks.fail("data", "a path or a DataFrame", data)
    path = Path(data)
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
    if is_table(path):
        return _of_rows(TABLES[ending_of(path)](path, Wanted(text_column, None, labelled=False)))
    name = Path(os.path.abspath(path)).name  # that of a link, not of what it leads to
    if text_column is not None:
        checks.fail("text_column", f"left out for {name}, which is no table", text_column)
    if not path.is_dir():
        return Documents(name, None, lambda: iter([Document(name, _chunks(decoded_lines(path, name)))]))
    texts = sorted(each for each in path.iterdir() if _is_text(each))
    if not texts:
        raise ValueError(f"The folder {name!r} must hold files that end in .txt or .txt.gz. Received: none.")
    return Documents(name, None, lambda: (_of_file(each, f"{name}/{each.name}") for each in texts))


def document_parts(data: str | Path | pd.DataFrame) -> dict[str, Path | pd.DataFrame]:
    """The parts of the data: `train` and, if a folder holds them, `validation` and `test`.

    A part is a file such as `train.txt`, `train.jsonl.gz` or a folder `train/`; a validation part may also be called
    `valid`, `val` or `dev`. Anything else is `train` as a whole.

    Raises:
        FileNotFoundError: If there is no such file or folder, or no `train` beside another part.
        ValueError: If two files or folders could be the same part.
    """
    if isinstance(data, pd.DataFrame):
        return {"train": data}
    if not isinstance(data, (str, Path)):
        checks.fail("data", "a path or a DataFrame", data)
    folder = Path(data)
    if not folder.exists():
        raise FileNotFoundError(f"There is no file or folder {str(folder)!r}.")
    inner = sorted(folder.iterdir()) if folder.is_dir() else []
    found = {part: [path for path in inner if _stem(path) in names] for part, names in PART_NAMES.items()}
    for part, paths in found.items():
        if len(paths) > 1:
            both = checks.listing(path.name for path in paths)
            raise ValueError(f"The folder {str(folder)!r} has more than one {part} part: {both}. Keep one.")
    if not found["train"]:
        held = [path.name for part in ("validation", "test") for path in found[part]]
        if held:
            raise FileNotFoundError(
                f"The folder {str(folder)!r} has no train part, such as train.txt, beside {checks.listing(held)}."
            )
        return {"train": folder}
    return {part: paths[0] for part, paths in found.items() if paths}


def is_table(data: str | Path | pd.DataFrame) -> bool:
    """Whether data have a column of texts."""
    return isinstance(data, pd.DataFrame) or (ending_of(Path(data)) in TABLES and not Path(data).is_dir())


def cut_at_lines(text: str) -> Iterator[str]:
    """A text in chunks that no token spans, as `Document` has them."""
    return _chunks(iter(text.splitlines(keepends=True)) if len(text) > CHUNK else iter([text]))


def _is_text(path: Path) -> bool:
    return ending_of(path) == TEXT and path.is_file() and not path.name.startswith(".")


def _of_rows(source: Source) -> Documents:
    return Documents(
        source.name,
        source.text_column,
        lambda: (Document(row.place, cut_at_lines(row.text)) for row in source),
    )


def _of_file(path: Path, name: str) -> Document:
    return Document(name, _chunks(decoded_lines(path, name)))


def _chunks(lines: Iterator[str]) -> Iterator[str]:
    """Lines together, up to one that begins without white space: there every tokenizer begins a token."""
    held: list[str] = []
    size = 0
    for line in _short(lines):
        before = held[-1][-1:] if held else ""
        after_line, within = before == "\n" and not line[:1].isspace(), line[:1] == " " and not before.isspace()
        if size >= CHUNK and (after_line or within):
            yield "".join(held)
            held, size = [], 0
        held.append(line)
        size += len(line)
    if held:
        yield "".join(held)


def _short(lines: Iterator[str]) -> Iterator[str]:
    """Lines, long ones cut before single blanks between other characters: there too every tokenizer begins a token."""
    for line in lines:
        start = 0
        while len(line) - start > 2 * CHUNK and (blank := BLANK.search(line, start + CHUNK)):
            yield line[start : blank.start()]
            start = blank.start()
        yield line[start:]


def _stem(path: Path) -> str | None:
    if path.is_dir():
        return path.name.lower()
    ending = ending_of(path)
    known = ending in TABLE_ENDINGS or ending == TEXT
    return path.name.lower().removesuffix(".gz").removesuffix(ending) if known else None
