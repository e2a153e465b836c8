"""Labelled texts, row by row: CSV, TSV, JSON lines, Parquet, a DataFrame, or a folder with one sub-folder per class."""

from pathlib import Path

import pandas as pd

from seqapps import checks
from seqapps.text.reading.columns import Wanted
from seqapps.text.reading.documents import TABLES
from seqapps.text.reading.folders import open_classes, parts
from seqapps.text.reading.lines import ending_of, text_rows
from seqapps.text.reading.rows import Row, Source
from seqapps.text.reading.tables import open_frame

__all__ = ["Row", "Source", "open_source", "parts", "text_rows"]


def open_source(
    data: str | Path | pd.DataFrame,
    text_column: str | None = None,
    label_column: str | None = None,
    labelled: bool = True,
    label_separator: str | None = None,
) -> Source:
    """Open texts and their labels, whatever holds them: a file is never held in memory as a whole.

    A column that is not named is found by its usual name, such as `text` and `label`; of two columns, the other one is
    the other. Labels become text: as written in CSV, TSV and JSON, whole numbers of Parquet and DataFrames without
    decimals, booleans as `true` and `false`, missing ones empty. In a folder of classes the names of the sub-folders
    are the labels; it has no columns, so the names of columns do not concern it.

    Args:
        data: A file that ends in `.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.json` (one object per line), `.parquet` or
            `.pq`, also with `.gz`, in UTF-8 with or without a byte order mark; a folder with one sub-folder of `.txt`
            files per class; or a DataFrame.
        text_column: Column of texts.
        label_column: Column of labels.
        labelled: Whether labels are wanted. Without, every label is `None` and the column may be absent.
        label_separator: What joins the labels of a text where a file has a list of them, such as `"|"`.

    Returns:
        The rows; each iteration reads them from the start.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the columns cannot be told or the file cannot be read; while iterating, what is wrong in a row,
            with file, line and column.

    Example:

    >>> source = open_source(pd.DataFrame({"review": ["Great!", "Dull."], "stars": [5, 1]}))
    >>> source.text_column, source.label_column
    ('review', 'stars')
    >>> next(iter(source))
    Row(text='Great!', label='5', place='row 0')
    """
    wanted = Wanted(text_column, label_column, labelled, label_separator)
    if isinstance(data, pd.DataFrame):
        return open_frame(data, wanted)
    if not isinstance(data, (str, Path)):
        checks.fail("data", "a path or a DataFrame", data)
    path = Path(data)
    if path.is_dir():
        return open_classes(path, labelled)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
    ending = ending_of(path)
    if ending not in TABLES:
        close = checks.suggestion(ending, TABLES)
        raise ValueError(
            f"{path.name}: the name must end in one of {checks.listing(TABLES)}, also with '.gz'. "
            f"Received: {ending!r}.{close}"
        )
    return TABLES[ending](path, wanted)
