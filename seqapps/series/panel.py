"""One or many series on one regular grid, as flat arrays; read from wide, long or one-row-per-series tables."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from seqapps.series import grid, reading, time_stamps
from seqapps.series.layouts import ID_NAMES, Roles, melted, resolved

ONLY = ""  # the id of the one series of a wide table
Data = str | Path | pd.DataFrame | TextIO


@dataclass(frozen=True)
class Panel:
    """Series one after the other in flat arrays; every series is without gaps on the grid of `frequency`.

    Attributes:
        roles: The columns, as the table or the user decided.
        ids: Name of every series.
        starts: `(series + 1,)` first row of every series, and the number of rows.
        stamps: `(rows,)` time stamps.
        values: `(rows, targets)` in the data's own units, NaN where missing.
        past: `(rows, past)`.
        future: `(rows, future)`.
        static: `(series, static columns)` texts as they are written, empty where there are none.
        frequency: The grid's step.
        missing_steps: Time stamps that the data did not have.
        source: What messages call the data.
    """

    roles: Roles
    ids: tuple[str, ...]
    starts: np.ndarray
    stamps: pd.Index
    values: np.ndarray
    past: np.ndarray
    future: np.ndarray
    static: np.ndarray
    frequency: str
    missing_steps: int
    source: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the targets."""
        return self.roles.targets or ()

    @property
    def time_column(self) -> str:
        """Name of the column of time stamps."""
        return self.roles.time or "step"

    def labels(self, columns: tuple[str, ...]) -> np.ndarray:
        """Static columns as texts: `(series, columns)`."""
        return self.static[:, [self.roles.static.index(name) for name in columns]]

    def numbers(self, columns: tuple[str, ...]) -> np.ndarray:
        """Static columns as numbers: `(series, columns)`, NaN where missing.

        Raises:
            ValueError: If a text is no number; in the training it would have made the column one of texts.
        """
        numbers = np.full((len(self.ids), len(columns)), np.nan)
        for position, name in enumerate(columns):
            for series, text in enumerate(self.labels((name,))[:, 0]):
                number = _number(text)
                if text and number is None:
                    raise ValueError(
                        f"{self.name(series)}, column {name!r}: expected a number, as in the training. "
                        f"Received: {text!r}."
                    )
                numbers[series, position] = np.nan if number is None else number
        return numbers

    def numeric(self, column: str) -> bool:
        """Whether a static column holds nothing but numbers."""
        return all(_number(text) is not None for text in self.labels((column,))[:, 0] if text)

    def lengths(self) -> np.ndarray:
        """Steps of every series."""
        return np.diff(self.starts)

    def name(self, series: int) -> str:
        """What messages call a series."""
        return _called(self.source, self.ids[series])


def _number(text: str) -> float | None:
    """A finite number, or `None`."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None  # to Python 1_2 is 12


def _called(source: str, name: str) -> str:
    """What messages call a series of some data."""
    return source if name == ONLY else f"{source}, series {name!r}"


@dataclass(frozen=True)
class Rows:
    """A table as it was read, sorted by series and not yet on a grid."""

    roles: Roles
    ids: np.ndarray
    stamps: pd.Index
    frame: pd.DataFrame
    source: str


def read_panel(parts: Sequence[Data], roles: Roles, frequency: str | None = None) -> tuple[Panel, list[pd.Series]]:
    """Tables that follow each other in time as one panel.

    Args:
        parts: The first one decides on the columns; the others may hold them in another order, and more.
        roles: Which column is what.
        frequency: The grid's step; by default the one that fits the longest series.

    Returns:
        The panel, and for every further part the time stamp at which each series begins in it.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a table cannot be used, with file, line and column.
    """
    counts_steps = frequency is not None and frequency.isdigit()
    rows = [_read_rows(parts[0], roles, counts_steps)]
    counts_steps = not isinstance(rows[0].stamps, pd.DatetimeIndex)
    for part in parts[1:]:
        rows.append(_following(rows, _read_rows(part, rows[0].roles, counts_steps)))
    begins = [part.stamps.to_series().groupby(part.ids, sort=False).first() for part in rows[1:]]
    return _on_grid(rows, frequency), begins


def _read_rows(data: Data, roles: Roles, counts_steps: bool) -> Rows:
    table = reading.read_table(data, (*ID_NAMES, *([roles.id] if roles.id else [])), roles.static)
    roles = resolved(table, roles)
    if roles.layout == "rows":
        table, ids = melted(table)
        return Rows(roles, ids, pd.Index(table.frame["step"]), table.frame[["value"]], table.source)
    reading.check_columns(table, (roles.time or "",), "time_column")
    for option in ("past", "future", "static"):
        reading.check_columns(table, getattr(roles, option), f"{option}_columns")
    reading.check_columns(table, roles.targets or (), "target_columns")
    ids = np.full(len(table.frame), ONLY, dtype=object)
    if roles.layout == "long":
        reading.check_columns(table, (roles.id or "",), "id_column")
        ids = reading.text_column(table, roles.id or "")
        codes, _ = pd.factorize(ids)
        order = np.argsort(codes, kind="stable")
        table, ids = table.reordered(order), ids[order]
    stamps = time_stamps.time_column(table, roles.time or "", groups=ids, counts_steps=counts_steps)
    frame = pd.DataFrame(
        {name: reading.number_column(table, name) for name in (*(roles.targets or ()), *roles.past, *roles.future)}
    )
    for name in roles.static:
        frame[name] = _as_written(table.frame[name])
    return Rows(roles, ids, stamps, frame, table.source)


def _as_written(column: pd.Series) -> np.ndarray:
    """A column as texts, `None` where there is nothing; pandas makes 7 beside an empty cell 7.0, which is 7 again."""
    cells = (int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in column)
    return np.array([None if pd.isna(cell) or cell == "" else str(cell) for cell in cells], dtype=object)


def _following(earlier: list[Rows], later: Rows) -> Rows:
    """`later` as what follows in time; a table without time stamps counts on from where the one before ended."""
    if isinstance(later.stamps, pd.DatetimeIndex) != isinstance(earlier[0].stamps, pd.DatetimeIndex):
        kinds = ("numbers that count steps", "time stamps")
        expected = kinds[isinstance(earlier[0].stamps, pd.DatetimeIndex)]
        raise ValueError(
            f"{later.source}, column {later.roles.time!r}: expected {expected}, as in {earlier[0].source}. "
            f"Received: {later.stamps[0]}."
        )
    ends: dict = {}
    for part in earlier:
        ends |= part.stamps.to_series().groupby(part.ids, sort=False).last().to_dict()
    unknown = next((name for name in later.ids if name not in ends), None)
    if unknown is not None:
        raise ValueError(f"{later.source}: the series {unknown!r} does not occur in {earlier[0].source}.")
    if later.roles.layout == "rows":
        return replace(later, stamps=pd.Index(later.stamps.to_numpy() + pd.Series(later.ids).map(ends).to_numpy()))
    firsts = later.stamps.to_series().groupby(later.ids, sort=False).first()
    for name, first in firsts.items():
        if not first > ends[name]:
            which = "" if name == ONLY else f", series {name!r},"
            raise ValueError(
                f"{later.source}{which} must start after {earlier[-1].source} ends ({ends[name]}). Received: {first}."
            )
    return later


def _on_grid(parts: list[Rows], frequency: str | None) -> Panel:
    roles, source = parts[0].roles, " with ".join(part.source for part in parts)
    codes, names = pd.factorize(np.concatenate([part.ids for part in parts]))
    order = np.argsort(codes, kind="stable")
    frame = pd.concat([part.frame for part in parts], ignore_index=True).iloc[order].reset_index(drop=True)
    for name in roles.targets or ():
        if frame[name].isna().all():
            raise ValueError(f"{source}, column {name!r}: every value is missing. Leave it out of target_columns.")
    stamps = parts[0].stamps.append([part.stamps for part in parts[1:]])[order]
    edges = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    ids = tuple(str(name) for name in names)
    grids, place, frequency = _grids(stamps, edges, ids, frequency, source)
    starts = np.concatenate([[0], np.cumsum([len(each) for each in grids])])

    def spread(columns: tuple[str, ...]) -> np.ndarray:
        flat = np.full((starts[-1], len(columns)), np.nan)
        flat[place] = frame[list(columns)].to_numpy(dtype="float64")
        return flat

    return Panel(
        roles=roles,
        ids=ids,
        starts=starts,
        stamps=grids[0].append(grids[1:]) if len(grids) > 1 else grids[0],
        values=spread(roles.targets or ()),
        past=spread(roles.past),
        future=spread(roles.future),
        static=_static(frame, roles.static, edges, ids, source),
        frequency=frequency,
        missing_steps=int(starts[-1]) - len(frame),
        source=source,
    )


def _grids(stamps: pd.Index, edges: np.ndarray, ids: tuple[str, ...], frequency: str | None, source: str):
    """The grid of every series, the row on them of every time stamp, and the frequency that all share."""
    if frequency is None:
        longest = int(np.argmax(np.diff(edges)))
        stretch = stamps[edges[longest] : edges[longest + 1]]
        _, frequency = grid.regular_grid(stretch, None, _called(source, ids[longest]))
    grids, places, start = [], [], 0
    for name, (first, after) in zip(ids, itertools.pairwise(edges), strict=True):
        full, _ = grid.regular_grid(stamps[first:after], frequency, _called(source, name))
        places.append(start + full.get_indexer(stamps[first:after]))
        grids.append(full)
        start += len(full)
    return grids, np.concatenate(places), frequency


def _static(frame: pd.DataFrame, columns: tuple[str, ...], edges: np.ndarray, names: tuple[str, ...], source: str):
    """The static columns of every series; rows that leave one empty, such as those to come, take that of the others.

    In a column of nothing but numbers 7 and 7.0 are one value: pandas writes the second beside an empty cell.
    """
    series = np.repeat(np.arange(len(names)), np.diff(edges))
    static = np.full((len(names), len(columns)), "", dtype=object)
    for position, column in enumerate(columns):
        texts = frame[column]
        numbers = texts.map(_number, na_action="ignore")
        compared = numbers if numbers.count() == texts.count() else texts
        several = np.flatnonzero(compared.groupby(series).nunique().to_numpy() > 1)
        if several.size:
            raise ValueError(
                f"{source}, column {column!r}: a static column must hold one value per series. Received: more than "
                f"one for series {names[several[0]]!r}. Name it in past_columns or future_columns."
            )
        first = texts.groupby(series).first()
        static[:, position] = first.where(first.notna(), "")
    return static
