"""The column of time stamps of a table: found, read, and checked with file and line."""

import shlex
import warnings

import numpy as np
import pandas as pd

from seqapps.series import reading

TIME_NAMES = ("date", "time", "ds", "timestamp", "datetime", "month", "year", "day", "week", "hour")
MOST_IDS = 0.5  # of the rows; a column with more texts tells no series apart


def reads_as_time(column: pd.Series) -> bool:
    """Whether the first cells of a column of text are time stamps."""
    return bool(_parsed(column.head(20)).notna().all())


def some_time(column: pd.Series) -> bool:
    """Whether any of the first cells of a column of text is a time stamp."""
    return bool(_parsed(column.head(20)).notna().any())


def find_time_column(table: reading.Table) -> str:
    """The column of time stamps: one with a usual name, else the first text column that reads as dates."""
    columns = [str(name) for name in table.frame.columns]
    for usual in TIME_NAMES:  # the most telling name first: `date` before `year`
        for name in columns:
            if name.lower() == usual:
                return name
    for name in columns:
        column = table.frame[name]
        if pd.api.types.is_datetime64_any_dtype(column) or (
            not pd.api.types.is_numeric_dtype(column) and reads_as_time(column)
        ):
            return name
    numbers = all(pd.api.types.is_numeric_dtype(table.frame[name]) for name in columns)
    rows = ", or say --layout rows if every row is a series" if numbers and len(columns) > 2 else ""
    raise ValueError(
        f"{table.source} has no column that reads as time stamps. Name it with `time_column`{rows}. "
        f"It has {reading.listing(columns)}."
    )


def _parsed(column: pd.Series) -> pd.Series:
    """Time stamps without a zone (those with one become UTC); what cannot be read becomes NaT."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pandas tells when it falls back to a slower parser
        stamps = pd.to_datetime(column, errors="coerce", utc=True)
    return stamps.dt.tz_localize(None)


def time_column(
    table: reading.Table, name: str, *, groups: np.ndarray | None = None, counts_steps: bool = False
) -> pd.Index:
    """The time stamps of a table: dates, or whole numbers that count steps.

    Whole numbers of four digits are years, of eight digits days as YYYYMMDD, unless `counts_steps` says otherwise.
    With `groups`, `(rows,)` names of series that follow one another, each series has its own course of time.

    Raises:
        ValueError: If a stamp is missing or unreadable, unsorted or doubled, with its line.
    """
    column = table.frame[name]
    if pd.api.types.is_numeric_dtype(column):
        stamps = _numeric_stamps(table, name, counts_steps)
    else:
        parsed = _parsed(column)
        bad = np.flatnonzero(parsed.isna().to_numpy())
        if bad.size:
            cell = column.iloc[bad[0]]
            received = "nothing" if pd.isna(cell) else repr(str(cell))
            raise ValueError(
                f"{table.place(bad[0])}, column {name!r}: expected a time stamp such as 2024-01-31 or "
                f"2024-01-31 23:00. Received: {received}."
            )
        stamps = pd.DatetimeIndex(parsed, name=name)
    _check_order(table, name, stamps, groups)
    return stamps


def _numeric_stamps(table: reading.Table, name: str, counts_steps: bool) -> pd.Index:
    numbers = reading.number_column(table, name)
    bad = np.flatnonzero(np.isnan(numbers) | (numbers != np.floor(numbers)))
    if bad.size:
        raise ValueError(
            f"{table.place(bad[0])}, column {name!r}: expected a time stamp or a whole number of steps. "
            f"Received: {numbers[bad[0]]:g}."
        )
    whole = numbers.astype("int64")
    for low, high, pattern in () if counts_steps else ((1000, 2999, "%Y"), (10000101, 29991231, "%Y%m%d")):
        if (whole >= low).all() and (whole <= high).all():
            dates = pd.to_datetime(pd.Series(whole).astype(str), format=pattern, errors="coerce")
            if dates.notna().all():
                return pd.DatetimeIndex(dates, name=name)
    return pd.Index(whole, name=name)


def _check_order(table: reading.Table, name: str, stamps: pd.Index, groups: np.ndarray | None) -> None:
    later = stamps[1:] > stamps[:-1]
    if groups is not None:
        later = later | (groups[1:] != groups[:-1])
    if later.all():
        return
    row = int(np.flatnonzero(~later)[0]) + 1
    same = stamps[:row] == stamps[row]
    if groups is not None:
        same = same & (groups[:row] == groups[row])
    if same.any():
        problem, advice = f"the time stamp {stamps[row]} occurs twice", "Keep one row per time stamp"
    else:
        problem, advice = f"{stamps[row]} comes after {stamps[row - 1]}", "Sort the rows by time"
    ids = _like_ids(table, name) if stamps.has_duplicates and (groups is None or (groups == groups[0]).all()) else None
    if ids is not None:
        advice += f"; if {ids!r} tells series apart, say --id-column {shlex.quote(ids)}"
    raise ValueError(f"{table.place(row)}, column {name!r}: {problem}. {advice}.")


def _like_ids(table: reading.Table, time: str) -> str | None:
    """The first column of few texts, which may tell series apart."""
    for name in table.frame.columns:
        column = table.frame[name]
        is_text = name != time and not pd.api.types.is_numeric_dtype(column)
        if is_text and 1 < column.nunique() <= MOST_IDS * len(column):
            return str(name)
    return None
