"""CSV and TSV: rows of cells, each of which may hold delimiters, quotes and line breaks if it is quoted."""

import csv
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from seqapps.text.reading.columns import Wanted, find_columns
from seqapps.text.reading.lines import decoded_lines, ending_of
from seqapps.text.reading.rows import Row, Source

LONGEST_CELL = 2**24  # characters; so much of a file is held in memory when a quote is never closed
FIELD_LIMIT = threading.Lock()  # the limit of module csv belongs to the whole process
HEADER = "The first line must name the columns."


@dataclass(frozen=True)
class Layout:
    """How the cells of a row are told apart: by `delimiter`, and by quotes or not."""

    delimiter: str
    quoted: bool


def open_delimited(path: Path, wanted: Wanted) -> Source:
    """The rows of a CSV or TSV file.

    The cells of CSV are separated by commas or, if its header has none, by semicolons or tabs. In TSV a quote is a
    character like any other, unless the whole file reads as quoted.

    Raises:
        ValueError: If the file is empty, its columns cannot be told, or its header cannot be read.
    """
    layout = Layout("\t", _is_quoted(path)) if ending_of(path) == ".tsv" else Layout(_delimiter(path), True)
    columns = _header(_records(path, layout))
    if columns is None:
        raise ValueError(f"{path.name} is empty: it needs a header line and rows.")
    text, label = find_columns(columns, path.name, wanted, HEADER)
    picked = columns.index(text), None if label is None else columns.index(label)
    return Source(path.name, text, label, partial(_rows, path, layout, *picked), f"column {text!r}")


def _rows(path: Path, layout: Layout, text_at: int, label_at: int | None) -> Iterator[Row]:
    table = _records(path, layout)
    width = len(_header(table) or ())
    for line, cells in table:
        if len(cells) != width:
            if len(cells) == 1 and not cells[0].strip():
                continue  # a line of blanks
            raise ValueError(
                f"{path.name}, line {line}: expected {width} cells, as in the header. Received: {len(cells)}. "
                f"Quote a cell that holds a {layout.delimiter!r}."
            )
        yield Row(cells[text_at], None if label_at is None else cells[label_at], f"{path.name}, line {line}")


def _header(table: Iterator[tuple[int, list[str]]]) -> list[str] | None:
    """The names of the columns, from the first row that is not blank."""
    for _, cells in table:
        if any(cell.strip() for cell in cells):
            return [cell.strip() for cell in cells]
    return None


def _records(path: Path, layout: Layout, lines: Iterable[str] | None = None) -> Iterator[tuple[int, list[str]]]:
    """Every row of cells with its first line; empty lines are left out."""
    reader = csv.reader(
        decoded_lines(path, path.name) if lines is None else lines,
        delimiter=layout.delimiter,
        quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        line = reader.line_num + 1
        try:
            cells = _next(reader)
        except csv.Error as error:
            _explain(error, f"{path.name}, line {line}", layout)
        if cells is None:
            return
        if cells:
            yield line, cells


def _next(reader: Any) -> list[str] | None:
    with FIELD_LIMIT:
        before = csv.field_size_limit()
        csv.field_size_limit(max(before, LONGEST_CELL))
        try:
            return next(reader, None)
        finally:
            csv.field_size_limit(before)


def _explain(error: csv.Error, place: str, layout: Layout) -> NoReturn:
    """Say in the words of a file what module csv says in those of its parser."""
    reason, close = str(error), "Close the quote, and double the quotes inside a quoted cell."
    if "unexpected end" in reason:
        problem = f"a quoted cell must be closed. Received: the end of the file. {close}"
    elif "field limit" in reason:
        problem = f"a cell must have at most {LONGEST_CELL} characters. Received: more. {close}"
    elif "expected after" in reason:
        follows = f"a {layout.delimiter!r} or the end of the line must follow the quote that closes a cell"
        problem = f"{follows}. Received: another character. Double the quotes inside a quoted cell."
    elif "new-line character" in reason:
        problem = (
            "a carriage return must stand in quotes or before a line feed. Received: one inside a line. "
            "Save the file with line ends LF or CRLF."
        )
    else:
        problem = f"the row must be CSV. Received: {reason}."
    raise ValueError(f"{place}: {problem}") from error


def _delimiter(path: Path) -> str:
    """What separates the cells of a CSV file, from its first line that is not blank."""
    header = next((line for line in decoded_lines(path, path.name) if line.strip()), "")
    bare = re.sub(r'"[^"]*("|$)', "", header)
    return max((",", ";", "\t"), key=lambda delimiter: (delimiter == "," and "," in bare, bare.count(delimiter)))


def _is_quoted(path: Path) -> bool:
    """Whether the cells of a TSV file are quoted where they have to be.

    The registered format, text/tab-separated-values, knows no quotes: in SST-2 one is a character like any other. Yet
    pandas and spreadsheets write them. A file is quoted if some cell begins with a quote and the whole then reads as
    rows of one width. Two lone quotes may read so too, and swallow the rows between them: where every line is a row of
    several cells by itself and the header is bare, quotes that join lines are characters.
    """
    lines, begins, header_quoted = 0, False, False
    tabs: set[int] = set()

    def watched() -> Iterator[str]:
        nonlocal lines, begins, header_quoted
        for line in decoded_lines(path, path.name):
            begins = begins or line.startswith('"') or '\t"' in line
            if line.strip("\r\n"):
                lines += 1
                tabs.add(line.count("\t"))
                header_quoted = header_quoted or (lines == 1 and begins)
            yield line

    rows = width = 0
    try:
        for _, cells in _records(path, Layout("\t", True), watched()):
            width = width or len(cells)
            if len(cells) != width:
                return False
            rows += 1
    except ValueError as error:
        if isinstance(error.__cause__, csv.Error):
            return False
        raise  # what cannot be decoded is wrong in both layouts
    joined = rows < lines and len(tabs) == 1 and 0 not in tabs and not header_quoted
    return begins and not joined
