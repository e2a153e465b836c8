"""Files → a series on a regular grid with its splits. Every data error is raised here or in `seqapps.series`."""

import dataclasses
import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from seqapps import checks
from seqapps.series import grid, reading, windows
from seqapps.tasks.forecasting.config import Config

SPLITS = ("train", "validation", "test")
LONGEST_HORIZON, LONGEST_WINDOW = 96, 512  # of the defaults: a day of minutes is nobody's first wish
SUFFIXES = (".csv", ".csv.gz", ".parquet", ".pq")
FOLDER_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}


@dataclass(frozen=True)
class Series:
    """Columns on a regular time grid.

    Attributes:
        stamps: `(time,)` time stamps, without gaps.
        values: `(time, targets)` in the data's own units, NaN where missing.
        columns: Names of the targets.
        time_column: Name of the column of time stamps.
        frequency: The grid's step.
        missing_steps: Time stamps that the data did not have.
        source: What messages call the data.
    """

    stamps: pd.Index
    values: np.ndarray
    columns: tuple[str, ...]
    time_column: str
    frequency: str
    missing_steps: int
    source: str


@dataclass(frozen=True)
class Splits:
    """A series cut in time: rows `[0, ends[0])` train, `[ends[0], ends[1])` validate, `[ends[1], ends[2])` test."""

    series: Series
    ends: tuple[int, int, int]
    window: int
    horizon: int
    season_length: int
    notes: tuple[str, ...]

    def rows(self, split: str) -> tuple[int, int]:
        """First row of a split and the row after its last; `"all"` is the whole series."""
        if split == "all":
            return 0, len(self.series.values)
        position = SPLITS.index(split)
        return (0, *self.ends)[position], self.ends[position]

    def origins(self, split: str) -> np.ndarray:
        """Rows at which a forecast starts so that its horizon lies in the split; its window may reach back before."""
        start, stop = self.rows(split)
        return windows.origins(start, stop, self.window, self.horizon)

    def fingerprint(self, split: str) -> str:
        """SHA-256 of a split's columns, time stamps and values."""
        start, stop = self.rows(split)
        names = [self.series.frequency, *self.series.columns, *map(str, self.series.stamps[[start, stop - 1]])]
        return hashlib.sha256("\n".join(names).encode() + self.series.values[start:stop].tobytes()).hexdigest()


def load(data: str | Path | pd.DataFrame, config: Config) -> Splits:
    """Read a series and cut it in time.

    Args:
        data: A CSV (also `.gz`) or Parquet file, a DataFrame, or a folder with `train`, `validation` and `test` files.
        config: The run's options; what is `None` there is found in the data.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the data cannot be used, with file, line and column where there is one.
    """
    series, starts = _joined(_parts(data, config), config)
    season_length = config.season_length or grid.season_of(series.frequency)
    horizon = config.horizon or min(max(season_length, 6), LONGEST_HORIZON)
    window = config.window or min(3 * max(season_length, horizon), LONGEST_WINDOW)
    ends = _ends(series, starts, config)
    splits = Splits(series, ends, window, horizon, season_length, _notes(series, ends))
    _check_lengths(splits)
    return splits


def load_whole(data: str | Path | pd.DataFrame, config: Config) -> Splits:
    """Read a series of which every window is wanted: no split rule applies.

    Args:
        data: A file or a DataFrame.
        config: A run's resolved options.

    Raises:
        ValueError: If the data cannot be used, or are shorter than one window and horizon.
    """
    series = read_series(data, config)
    window, horizon = config.steps
    length = len(series.values)
    _check_series_length(length, window, horizon)
    return Splits(series, (length, length, length), window, horizon, config.season_length or 1, ())


def resolved(config: Config, splits: Splits) -> Config:
    """The config with everything that was found in the data, so that it repeats the run."""
    return dataclasses.replace(
        config,
        time_column=splits.series.time_column,
        target_columns=splits.series.columns,
        frequency=splits.series.frequency,
        window=splits.window,
        horizon=splits.horizon,
        season_length=splits.season_length,
    )


def read_series(data: str | Path | pd.DataFrame | TextIO, config: Config) -> Series:
    """One table as a series on its grid; missing steps become NaN and are counted."""
    return _on_grid([_read_rows(data, config)], config.frequency)


@dataclass(frozen=True)
class _Rows:
    """A table's time stamps and values as they were read."""

    stamps: pd.Index
    values: np.ndarray
    columns: tuple[str, ...]
    time_column: str
    source: str


def _read_rows(data: str | Path | pd.DataFrame | TextIO, config: Config) -> _Rows:
    table = reading.read_table(data)
    if config.time_column is not None:
        reading.check_columns(table, (config.time_column,), "time_column")
    time_name = config.time_column or reading.find_time_column(table)
    counts_steps = config.frequency is not None and config.frequency.isdigit()
    stamps = reading.time_column(table, time_name, counts_steps=counts_steps)
    columns = config.target_columns or tuple(str(name) for name in table.frame.columns if str(name) != time_name)
    reading.check_columns(table, columns, "target_columns")
    if not columns:
        raise ValueError(f"{table.source} has no column beside the time column {time_name!r}.")
    values = np.stack([reading.number_column(table, name) for name in columns], axis=-1)  # (time, targets)
    for position, name in enumerate(columns):
        if np.isnan(values[:, position]).all():
            raise ValueError(
                f"{table.source}, column {name!r}: every value is missing. Leave it out of target_columns."
            )
    return _Rows(stamps, values, columns, time_name, table.source)


def _on_grid(parts: list[_Rows], frequency: str | None) -> Series:
    """Tables that follow each other in time as one series without gaps."""
    first = parts[0]
    source = " with ".join(part.source for part in parts)
    stamps = first.stamps.append([part.stamps for part in parts[1:]])
    full, frequency = grid.regular_grid(stamps, frequency, source)
    values = np.full((len(full), len(first.columns)), np.nan)
    values[full.get_indexer(stamps)] = np.concatenate([part.values for part in parts])
    return Series(full, values, first.columns, first.time_column, frequency, len(full) - len(stamps), source)


def _parts(data: str | Path | pd.DataFrame, config: Config) -> dict[str, str | Path | pd.DataFrame]:
    """The tables in the order of time: one, or one per split."""
    if isinstance(data, (str, Path)) and Path(data).is_dir():
        for name in ("validation_data", "test_data", "split_rows", "split_dates"):
            if getattr(config, name) is not None:
                checks.fail(name, "None, because DATA is a folder with its own files", getattr(config, name))
        config.check_default_fractions(("validation_fraction", "test_fraction"), "the files of the folder DATA")
        return _folder_files(Path(data))
    if config.validation_data is not None and config.test_data is None:
        raise ValueError(
            "`test_data` must be given together with validation_data: in time, the test follows the validation. "
            f"Received: test_data=None, validation_data={config.validation_data!r}."
        )
    parts: dict[str, str | Path | pd.DataFrame] = {"train": data}
    if config.validation_data is not None:
        parts["validation"] = config.validation_data
    if config.test_data is not None:
        parts["test"] = config.test_data
    return parts


def _folder_files(folder: Path) -> dict[str, str | Path | pd.DataFrame]:
    found: dict[str, str | Path | pd.DataFrame] = {}
    for split, names in FOLDER_NAMES.items():
        files = [folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES]
        existing = [path for path in files if path.is_file()]
        if not existing:
            raise FileNotFoundError(f"The folder {str(folder)!r} has no {split} file, such as {files[0].name}.")
        if len(existing) > 1:
            both = checks.listing(path.name for path in existing)
            raise ValueError(f"The folder {str(folder)!r} has more than one {split} file: {both}. Keep one.")
        found[split] = existing[0]
    return found


def _joined(parts: dict[str, str | Path | pd.DataFrame], config: Config) -> tuple[Series, list]:
    """The tables as one series, and the time stamps at which all but the first begin.

    The first table decides on the columns; the others may hold them in another order, and more.
    """
    train, *others = parts.values()
    rows = [_read_rows(train, config)]
    same = dataclasses.replace(config, time_column=rows[0].time_column, target_columns=rows[0].columns)
    rows += [_read_rows(part, same) for part in others]
    for earlier, later in itertools.pairwise(rows):
        if not later.stamps[0] > earlier.stamps[-1]:
            raise ValueError(
                f"{later.source} must start after {earlier.source} ends ({earlier.stamps[-1]}). "
                f"Received: {later.stamps[0]}."
            )
    return _on_grid(rows, config.frequency), [part.stamps[0] for part in rows[1:]]


def _ends(series: Series, starts: list, config: Config) -> tuple[int, int, int]:
    """The row after the last of each split, by the one rule that the config or the files give."""
    length = len(series.values)
    if config.split_rows is not None:
        if config.split_rows[-1] > length:
            advice = f"{series.source} has {length} rows on its grid."
            raise ValueError(f"`split_rows` must end within the data. Received: {config.split_rows}. {advice}")
        return tuple(config.split_rows)  # type: ignore[return-value]
    if config.split_dates is not None:
        return _date_ends(series, config.split_dates)
    if starts:
        rows = [int(series.stamps.searchsorted(start)) for start in starts]
        if len(rows) == 1:  # a test file alone: the end of DATA validates
            return rows[0] - round(rows[0] * config.validation_fraction), rows[0], length
        return rows[0], rows[1], length
    if config.validation_fraction + config.test_fraction >= 1:
        raise ValueError(
            "`validation_fraction` and `test_fraction` must leave rows to train on. Received: "
            f"validation_fraction={config.validation_fraction}, test_fraction={config.test_fraction}."
        )
    test = length - round(length * config.test_fraction)
    return test - round(length * config.validation_fraction), test, length


def _date_ends(series: Series, dates: tuple[str, ...]) -> tuple[int, int, int]:
    rows = []
    for date in dates:
        try:
            stamp = _utc(pd.Timestamp(date)) if isinstance(series.stamps, pd.DatetimeIndex) else int(date)
        except ValueError as error:
            raise ValueError(f"`split_dates` must be time stamps of the data. Received: {date!r}.") from error
        rows.append(int(series.stamps.searchsorted(stamp)))
    if not 0 < rows[0] < rows[1] < len(series.stamps):
        raise ValueError(
            f"`split_dates` must rise and lie within {series.stamps[0]} to {series.stamps[-1]}. Received: "
            f"{', '.join(dates)}."
        )
    return rows[0], rows[1], len(series.stamps)


def _utc(stamp: pd.Timestamp) -> pd.Timestamp:
    """A time stamp without a zone; one with a zone becomes UTC, as in the data."""
    return stamp if stamp.tzinfo is None else stamp.tz_convert(None)


def _check_lengths(splits: Splits) -> None:
    window, horizon = splits.window, splits.horizon
    need = _check_series_length(len(splits.series.values), window, horizon)
    for split in SPLITS:
        start, stop = splits.rows(split)
        if not len(splits.origins(split)):
            what = need if split == "train" else f"one example needs horizon = {horizon}"
            raise ValueError(
                f"The {split} part has {stop - start} steps; {what}. "
                "Shorten window or horizon, change the split, or supply more data."
            )
        if np.isnan(splits.series.values[start:stop]).all():
            raise ValueError(f"Every value of the {split} part is missing. Change the split, or supply more data.")


def _check_series_length(length: int, window: int, horizon: int) -> str:
    need = f"one example needs window + horizon = {window} + {horizon} = {window + horizon}"
    if length < window + horizon:
        raise ValueError(f"The series has {length} steps; {need}. Shorten window or horizon, or supply more data.")
    return need


def _notes(series: Series, ends: tuple[int, int, int]) -> tuple[str, ...]:
    """What a user should know about the data and need not mend."""
    notes = []
    if series.missing_steps:
        notes.append(f"{series.missing_steps} time steps are missing; their values are treated as missing.")
    missing = np.isnan(series.values).sum(axis=0)
    for name, count in zip(series.columns, missing, strict=True):
        if count > series.missing_steps:
            notes.append(f"Column {name!r}: {count} of {len(series.values)} values are missing.")
    train = series.values[: ends[0]]
    for position, name in enumerate(series.columns):
        observed = train[~np.isnan(train[:, position]), position]
        if not observed.size:
            raise ValueError(f"{series.source}, column {name!r}: every value of the training part is missing.")
        if (observed == observed[0]).all():
            notes.append(f"Column {name!r} is constant in the training part ({observed[0]:g}).")
    return tuple(notes)
