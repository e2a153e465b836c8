"""Which column of a table is what: a column per target, a column of ids, or a row per series."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from seqapps import checks
from seqapps.series import reading, time_stamps

ID_NAMES = ("unique_id", "series_id", "item_id")


@dataclass(frozen=True)
class Roles:
    """Which column is what; `None` and `()` mean that the table decides.

    Attributes:
        layout: `"wide"` (a column per target), `"long"` (a column of ids), `"rows"` (a row per series) or `"auto"`.
        time: Column of time stamps.
        id: Column of ids of a long table.
        targets: Columns to forecast.
        past: Covariates that are known up to now.
        future: Covariates that are known over the horizon too.
        static: Columns that are constant within a series.
    """

    layout: str = "auto"
    time: str | None = None
    id: str | None = None
    targets: tuple[str, ...] | None = None
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


def resolved(table: reading.Table, roles: Roles) -> Roles:
    """The roles, with what the user left open decided by the table."""
    names = [str(name) for name in table.frame.columns]
    layout = _layout(table, roles, names) if roles.layout == "auto" else roles.layout
    if layout == "rows":
        for option in ("past", "future", "static"):
            if getattr(roles, option):
                advice = "It has values alone."
                checks.fail(
                    f"{option}_columns", "left out for a table of one row per series", getattr(roles, option), advice
                )
        return Roles("rows", "step", names[0], ("value",))
    identity = roles.id
    if layout == "long" and identity is None:
        identity = next((name for name in names if name.lower() in ID_NAMES), None)
        if identity is None:
            raise ValueError(
                f"{table.source} has no column of ids. Name it with `id_column`. It has {reading.listing(names)}."
            )
    time = roles.time or time_stamps.find_time_column(table)
    taken = {time, identity, *roles.past, *roles.future, *roles.static}
    targets = roles.targets
    if targets is None:
        free = tuple(name for name in names if name not in taken)
        _check_target(table, roles, layout, free)
        targets = ("y",) if layout == "long" and "y" in free else free
    if not targets:
        raise ValueError(f"{table.source} has no column beside the time column {time!r}.")
    for name in (time, identity):
        if name in (*targets, *roles.past, *roles.future, *roles.static):
            raise ValueError(f"{table.source}, column {name!r}: it tells time or series and can have no other role.")
    return replace(roles, layout=layout, time=time, id=identity, targets=targets)


def _check_target(table: reading.Table, roles: Roles, layout: str, free: tuple[str, ...]) -> None:
    """Refuse roles that leave nothing to forecast, or not what is meant."""
    covariates = {option: getattr(roles, option) for option in ("past", "future", "static")}
    for option, columns in covariates.items():
        if layout == "long" and "y" in columns:
            advice = "Name target_columns if another column is to be forecast."
            checks.fail(f"{option}_columns", "without 'y', the target of a long table", columns, advice)
    if not free and any(covariates.values()):
        raise ValueError(f"{table.source} has no column left to forecast: each has another role. Leave the target out.")


def _layout(table: reading.Table, roles: Roles, names: list[str]) -> str:
    if roles.id is not None or any(name.lower() in ID_NAMES for name in names):
        return "long"
    first, *others = (table.frame[name] for name in names)
    is_text = not pd.api.types.is_numeric_dtype(first) and not pd.api.types.is_datetime64_any_dtype(first)
    numbers = all(pd.api.types.is_numeric_dtype(column) for column in others)
    named_as_time = names[0].lower() in time_stamps.TIME_NAMES
    if roles.time is not None or named_as_time or not is_text or not others or not numbers or not first.is_unique:
        return "wide"
    return "wide" if time_stamps.some_time(first) else "rows"


def melted(table: reading.Table) -> tuple[reading.Table, np.ndarray]:
    """One row per series → one row per step; steps count from 1, empty cells at a row's end are padding."""
    names = list(table.frame.columns)
    if len(names) < 2:
        raise ValueError(f"{table.source} has one column; one row per series needs a name and values.")
    ids = reading.text_column(table, names[0])
    doubled = pd.Series(ids)[pd.Series(ids).duplicated()]
    if len(doubled):
        raise ValueError(f"{table.place(int(doubled.index[0]))}: the series {doubled.iloc[0]!r} occurs twice.")
    values = np.stack([reading.number_column(table, name) for name in names[1:]], axis=1)  # (series, time)
    observed = ~np.isnan(values)
    if not observed.any(axis=1).all():
        row = int(np.flatnonzero(~observed.any(axis=1))[0])
        raise ValueError(f"{table.place(row)}: the series {ids[row]!r} has no values.")
    lengths = values.shape[1] - np.argmax(observed[:, ::-1], axis=1)
    kept = np.arange(values.shape[1]) < lengths[:, None]
    frame = pd.DataFrame({"step": np.nonzero(kept)[1] + 1, "value": values[kept]})
    rows = np.nonzero(kept)[0]
    return reading.Table(frame, table.source, table.lines[rows], table.unit), ids[rows]
