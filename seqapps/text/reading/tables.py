"""Parquet files, batch by batch, and DataFrames."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from seqapps.text.reading.columns import Wanted, find_columns
from seqapps.text.reading.lines import opened
from seqapps.text.reading.rows import Row, Source
from seqapps.text.reading.values import text_of

ROWS_AT_ONCE = 256  # of a Parquet file; a text may have a megabyte
BUFFER = 2**20  # bytes; without one, whole columns of a row group are read at once


def open_parquet(path: Path, wanted: Wanted) -> Source:
    """The rows of a Parquet file, of which two columns are read.

    Raises:
        ValueError: If the file cannot be read, or its columns cannot be told.
    """
    with _parquet(path) as file:
        columns = file.schema_arrow.names
    text, label = find_columns(columns, path.name, wanted)
    return Source(path.name, text, label, partial(_parquet_rows, path, text, label, wanted), f"column {text!r}")


def open_frame(frame: pd.DataFrame, wanted: Wanted) -> Source:
    """The rows of a DataFrame.

    Raises:
        ValueError: If the columns cannot be told.
    """
    columns = [str(name) for name in frame.columns]
    text, label = find_columns(columns, "the DataFrame", wanted)
    texts = frame.iloc[:, columns.index(text)]
    labels = None if label is None else frame.iloc[:, columns.index(label)]

    def read() -> Iterator[Row]:
        cells = zip(texts, texts if labels is None else labels, strict=True)
        for row, (value, answer) in enumerate(cells):
            yield _row(value, answer, (text, label), f"row {row}", wanted)

    return Source("the DataFrame", text, label, read, f"column {text!r}")


def _parquet_rows(path: Path, text: str, label: str | None, wanted: Wanted) -> Iterator[Row]:
    row = 0
    with _parquet(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=[text] if label is None else [text, label]):
            texts = batch.column(text).to_pylist()
            labels = texts if label is None else batch.column(label).to_pylist()
            for value, answer in zip(texts, labels, strict=True):
                yield _row(value, answer, (text, label), f"{path.name}, row {row}", wanted)
                row += 1


def _row(value: Any, answer: Any, columns: tuple[str, str | None], place: str, wanted: Wanted) -> Row:
    text, label = columns
    found = None if label is None else wanted.answer(answer, label, place)
    return Row(text_of(value, text, place), found, place)


@contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """An open Parquet file; one in a gzip archive is unpacked to a temporary file, because its index is at its end."""
    with ExitStack() as stack:
        source: Any = path
        if path.suffix.lower() == ".gz":
            source = stack.enter_context(tempfile.TemporaryFile())
            with opened(path, path.name) as packed:
                shutil.copyfileobj(packed, source)
        try:
            yield stack.enter_context(pq.ParquetFile(source, buffer_size=BUFFER))
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise ValueError(f"{path.name} cannot be read as Parquet: {reason}.") from error
