"""Files → a panel of series on a grid with its splits. Every data error is raised here or in `seqapps.series`."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from seqapps import checks
from seqapps.series import calendar, grid
from seqapps.series.layouts import Roles
from seqapps.series.panel import ONLY, Data, Panel, read_panel
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import notes
from seqapps.tasks.forecasting.data.splits import SPLITS, Splits, make_splits

__all__ = ["SPLITS", "Splits", "load", "load_whole", "notes", "read", "resolved"]

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".pq")
FOLDER_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
LONGEST_HORIZON, LONGEST_WINDOW = 96, 512  # of the defaults: a day of minutes is nobody's first wish


def load(data: str | Path | pd.DataFrame, config: Config) -> Splits:
    """Read series and cut them in time.

    Args:
        data: A CSV (also `.gz`) or Parquet file, a DataFrame, or a folder with `train`, `validation` and `test` files.
        config: The run's options; what is `None` there is found in the data.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the data cannot be used, with file, line and column where there is one.
    """
    panel, begins = read_panel(_parts(data, config), _roles(config), config.frequency)
    _check_roles(panel, config)
    season_length = config.season_length or grid.season_of(panel.frequency)
    horizon = config.horizon or min(max(season_length, 6), LONGEST_HORIZON)
    window = config.window or min(3 * max(season_length, horizon), LONGEST_WINDOW)
    _check_steps(config, window, horizon)
    splits = make_splits(panel, begins, config, window, horizon, season_length)
    chosen = begins or config.split_rows or config.split_dates or config.windows == 1
    notes.check_parts(splits, other_rule=not chosen)
    return dataclasses.replace(splits, notes=notes.notes_on(splits))


def load_whole(data: str | Path | pd.DataFrame, config: Config) -> Splits:
    """Read series of which every window is wanted: no split rule applies.

    Args:
        data: A file or a DataFrame.
        config: A run's resolved options.

    Raises:
        ValueError: If the data cannot be used, or are too short for one example.
    """
    panel = read(data, config)
    window, horizon = config.steps
    cuts = np.repeat(panel.starts[1:, None], 3, axis=1)
    splits = Splits(panel, cuts, window, horizon, config.season_length or 1, ())
    if not len(splits.origins("all")):
        many = len(panel.ids) > 1
        raise ValueError(
            f"The {'longest ' if many else ''}series has {panel.lengths().max()} steps; "
            f"{notes.need_of_one(splits, padded=many)}. "
            "Shorten window or horizon, or supply more data."
        )
    return splits


def read(data: Data, config: Config) -> Panel:
    """One table as a panel, its columns as the config says."""
    panel, _ = read_panel([data], _roles(config), config.frequency)
    return panel


def resolved(config: Config, splits: Splits) -> Config:
    """The config with everything that was found in the data, so that it repeats the run."""
    panel = splits.panel
    rows = panel.roles.layout == "rows"  # its columns are made while reading
    return dataclasses.replace(
        config,
        layout=panel.roles.layout,
        time_column=None if rows else panel.roles.time,
        id_column=None if rows else panel.roles.id,
        target_columns=None if rows else panel.roles.targets,
        frequency=panel.frequency,
        window=splits.window,
        horizon=splits.horizon,
        season_length=splits.season_length,
        segment_length=config.segment_length or _segment_length(splits) if config.head == "segment" else None,
    )


def _segment_length(splits: Splits) -> int:
    """Half the window or horizon, whichever is shorter, but no more than two seasons and no less than one step."""
    half = max(min(splits.window, splits.horizon) // 2, 1)
    return min(half, max(2 * splits.season_length, 1)) if splits.season_length > 1 else half


def _roles(config: Config) -> Roles:
    return Roles(
        layout=config.layout,
        time=config.time_column,
        id=config.id_column,
        targets=config.target_columns,
        past=config.past_columns,
        future=config.future_columns,
        static=config.static_columns,
    )


def _check_steps(config: Config, window: int, horizon: int) -> None:
    """Refuse lags and segments that do not fit what the model sees and forecasts."""
    for lag in config.lags:
        if lag > window:
            checks.fail("lags", f"at most the window of {window} steps", config.lags)
    for name, steps in (("window", window), ("horizon", horizon)):
        if config.segment_length is not None and config.segment_length > steps:
            advice = "The rest of a segment would be padding."
            checks.fail("segment_length", f"at most the {name} of {steps} steps", config.segment_length, advice)


def _check_roles(panel: Panel, config: Config) -> None:
    """Refuse roles that the table gives no meaning."""
    if config.static_columns and panel.ids == (ONLY,):
        advice = "One series has nothing that tells it from others."
        checks.fail("static_columns", "left out for a wide table", config.static_columns, advice)
    if config.calendar and not calendar.cycles(panel.frequency):
        advice = "Its steps show no day, week or year."
        checks.fail("calendar", f"False for the frequency {panel.frequency!r}", True, advice)


def _parts(data: str | Path | pd.DataFrame, config: Config) -> list[str | Path | pd.DataFrame]:
    """The tables in the order of time: one, or one per split."""
    if isinstance(data, (str, Path)) and Path(data).is_dir():
        for name in ("validation_data", "test_data", "split_rows", "split_dates", "windows"):
            if getattr(config, name) is not None:
                checks.fail(name, "None, because DATA is a folder with its own files", getattr(config, name))
        config.check_default_fractions(("validation_fraction", "test_fraction"), "the files of the folder DATA")
        return _folder_files(Path(data))
    if config.validation_data is not None and config.test_data is None:
        raise ValueError(
            "`test_data` must be given together with validation_data: in time, the test follows the validation. "
            f"Received: test_data=None, validation_data={config.validation_data!r}."
        )
    return [data, *(part for part in (config.validation_data, config.test_data) if part is not None)]


def _folder_files(folder: Path) -> list[str | Path | pd.DataFrame]:
    found: list[str | Path | pd.DataFrame] = []
    for split, names in FOLDER_NAMES.items():
        files = [folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES]
        existing = [path for path in files if path.is_file()]
        if not existing:
            raise FileNotFoundError(f"The folder {str(folder)!r} has no {split} file, such as {files[0].name}.")
        if len(existing) > 1:
            both = checks.listing(path.name for path in existing)
            raise ValueError(f"The folder {str(folder)!r} has more than one {split} file: {both}. Keep one.")
        found.append(existing[0])
    return found
