"""Tables: read, and checked with file, line and column."""

import csv
import gzip
import io
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from seqapps import checks

DELIMITERS = (",", ";", "\t")
MOST_NAMES = 12  # of a listing; a table of one row per series has a column per step
BLANK = re.compile(r"^[ \t]+(?=\r?$)", re.MULTILINE)


@dataclass(frozen=True)
class Table:
    """A table of text and numbers that still knows where each row came from.

    Attributes:
        frame: The rows, with a fresh index.
        source: The file's name, or `"the DataFrame"`.
        lines: For every row its line in the file, or its row number from 0.
        unit: What `lines` counts: `"line"` or `"row"`.
    """

    frame: pd.DataFrame
    source: str
    lines: np.ndarray
    unit: str

    def place(self, row: int) -> str:
        """Where a row stands, as messages say it."""
        return f"{self.source}, {self.unit} {self.lines[row]}"

    def reordered(self, order: np.ndarray) -> "Table":
        """The rows in another order; each still knows where it came from."""
        return Table(self.frame.iloc[order].reset_index(drop=True), self.source, self.lines[order], self.unit)


def read_table(
    data: str | Path | pd.DataFrame | TextIO, text: tuple[str, ...] = (), as_written: tuple[str, ...] = ()
) -> Table:
    """Read CSV (also `.gz`), Parquet, an open text stream or a DataFrame.

    Args:
        data: A path, a DataFrame, or a stream of CSV such as standard input. CSV is UTF-8, with or without a byte order
            mark; the fields are separated by commas, semicolons or tabs, as the header shows.
        text: Columns that are text whatever they look like, such as ids: `007` is not 7, and `NA` is a name.
        as_written: Columns that are text too, in which `NA` is a missing value as in any other column.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty or cannot be read, with the line where it can be told.
    """
    if isinstance(data, pd.DataFrame):
        return _checked(_frame_table(data, "the DataFrame"))
    if not isinstance(data, (str, Path)):
        return _checked(_csv_table(data.read(), str(getattr(data, "name", "the stream")).strip("<>"), text, as_written))
    path = Path(data)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if path.suffix in (".parquet", ".pq"):
        return _checked(_frame_table(_parquet_frame(path), str(path)))
    return _checked(_csv_table(_text_of(path), str(path), text, as_written))


def _parquet_frame(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as Parquet: {error}") from error


def _frame_table(frame: pd.DataFrame, source: str) -> Table:
    """A DataFrame as a table; its index becomes a column unless it only numbers the rows or is one already."""
    index = frame.index
    numbers_rows = index.nlevels == 1 and index.name is None and pd.api.types.is_numeric_dtype(index)
    frame = frame.reset_index(drop=numbers_rows or index.name in frame.columns)
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return Table(frame, source, np.arange(len(frame)), "row")


def _text_of(path: Path) -> str:
    """The text of a file that may be compressed."""
    raw = path.read_bytes()
    try:
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be decompressed: {str(error).rstrip('.')}.") from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: the text is not UTF-8. Save the file as UTF-8.") from error


def _csv_table(text: str, source: str, as_text: tuple[str, ...], as_written: tuple[str, ...]) -> Table:
    if "\0" in text:  # UTF-16 without its mark passes for UTF-8
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{source}, line {line}: the text is not UTF-8. Save the file as UTF-8.")
    text = BLANK.sub("", text.removeprefix("\ufeff"))
    body = text.lstrip("\r\n")
    if not body:
        raise ValueError(f"{source} is empty: it needs a header line and rows.")
    blank = text.count("\n", 0, len(text) - len(body))  # lines above the header
    header = re.split(r"[\r\n]", body, maxsplit=1)[0]
    delimiter = max(DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)
    names = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True))
    _check_doubled([name.strip() for name in names if name.strip()], source)
    as_text = tuple(name for name in names if name.strip() in as_text or name.strip().lower() in as_text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Blank lines are kept while reading, so that a row's number tells its line.
            frame = pd.read_csv(
                io.StringIO(body),
                sep=delimiter,
                index_col=False,
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                converters=dict.fromkeys(as_text, str),
                dtype={name: str for name in names if name.strip() in as_written and name not in as_text},
                float_precision="round_trip",  # by default pandas misses the last bit of many numbers
            )
    except (pd.errors.ParserWarning, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        _check_fields(body, delimiter, source, blank)
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise ValueError(f"{source} cannot be read as CSV: {reason}.") from error
    frame[list(as_text)] = frame[list(as_text)].replace("", np.nan)
    frame = frame.rename(columns=lambda name: str(name).strip())
    filled = ~frame.isna().all(axis=1).to_numpy()
    return Table(frame[filled].reset_index(drop=True), source, np.flatnonzero(filled) + 2 + blank, "line")


def _check_fields(body: str, delimiter: str, source: str, blank: int) -> None:
    """Refuse the first row with more fields than the header; pandas tells its line only sometimes."""
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, skipinitialspace=True)
    width = len(next(reader))
    for fields in reader:
        if len(fields) > width:
            raise ValueError(
                f"{source}, line {reader.line_num + blank}: expected {width} fields, as in the header. "
                f"Received: {len(fields)}. Name every column, and quote what holds a {delimiter!r}."
            )


def _checked(table: Table) -> Table:
    if table.frame.empty:
        raise ValueError(f"{table.source} is empty: it has a header but no rows.")
    _check_doubled(list(table.frame.columns), table.source)
    return table


def _check_doubled(names: list[str], source: str) -> None:
    """Refuse a name that stands for two columns; pandas would rename the second one of a file."""
    counts = Counter(names)
    doubled = next((name for name in names if counts[name] > 1), None)
    if doubled is not None:
        raise ValueError(f"{source}: column {doubled!r} occurs twice. Give every column its own name.")


def check_columns(table: Table, names: tuple[str, ...], option: str) -> None:
    """Refuse names that are no columns of `table`, with the closest column as a suggestion."""
    columns = [str(name) for name in table.frame.columns]
    for name in names:
        if name not in columns:
            advice = checks.suggestion(name, columns)
            raise ValueError(f"{table.source} has no column {name!r} (`{option}`).{advice} It has {listing(columns)}.")


def listing(columns: Sequence[str]) -> str:
    """Columns in quotes, the first ones where there are many."""
    return checks.listing(columns[:MOST_NAMES]) + (f" … ({len(columns)} columns)" if len(columns) > MOST_NAMES else "")


def number_column(table: Table, name: str) -> np.ndarray:
    """A column as float64, missing cells as NaN; text or an infinite value is an error with its line."""
    column = table.frame[name]
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype(str)  # else pandas would count nanoseconds
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    text = np.flatnonzero(np.isnan(values) & column.notna().to_numpy())
    if text.size:
        cell = column.iloc[text[0]]
        raise ValueError(
            f"{table.place(text[0])}, column {name!r}: expected a number. Received: {str(cell)!r}. "
            "Leave a missing value empty."
        )
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise ValueError(
            f"{table.place(infinite[0])}, column {name!r}: the value must be finite. Received: {values[infinite[0]]}."
        )
    return values


def text_column(table: Table, name: str) -> np.ndarray:
    """A column of names as text: `(rows,)`; an empty cell is an error with its line."""
    column = table.frame[name]
    empty = np.flatnonzero((column.isna() | (column == "")).to_numpy())
    if empty.size:
        raise ValueError(f"{table.place(empty[0])}, column {name!r}: expected a name. Received: nothing.")
    return column.astype(str).to_numpy(dtype=object)
