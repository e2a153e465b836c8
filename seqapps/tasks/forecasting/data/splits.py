"""A panel cut in time, every series by the same rule."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from seqapps.series import windows
from seqapps.series.panel import Panel
from seqapps.tasks.forecasting.config import Config

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """A panel cut in time.

    Attributes:
        panel: The series.
        ends: `(series, 3)` for every series the row after its train, validation and test part.
        window: Steps that the model sees.
        horizon: Steps to forecast.
        season_length: Steps of a season.
        notes: What a user should know about the data and need not mend.
        step_size: Steps from one origin of the test part to the next.
    """

    panel: Panel
    ends: np.ndarray
    window: int
    horizon: int
    season_length: int
    notes: tuple[str, ...]
    step_size: int = 1

    def rows(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """For every series the first row of a split and the row after its last; `"all"` is the whole series."""
        if split == "all":
            return self.panel.starts[:-1], self.panel.starts[1:]
        position = SPLITS.index(split)
        return (self.panel.starts[:-1] if position == 0 else self.ends[:, position - 1]), self.ends[:, position]

    def steps(self, split: str) -> int:
        """Steps of a split, over all series."""
        start, stop = self.rows(split)
        return int((stop - start).sum())

    def origins(self, split: str) -> windows.Origins:
        """Rows at which a forecast starts so that its horizon lies in the split; its window may reach back before.

        In a panel of many series one that is too short for a whole window takes part with a padded one.
        """
        starts, stops = self.rows(split)
        train_start, train_stop = self.rows("train" if split != "all" else "all")
        rows, firsts, series = [], [], []
        for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            first = self.panel.starts[number]
            lead = self.window
            if len(starts) > 1:
                lead = int(np.clip(train_stop[number] - train_start[number] - self.horizon, 1, self.window))
            found = windows.origins(int(start), int(stop), int(first) + lead, self.horizon)
            found = found[:: self.step_size] if split == "test" else found
            rows.append(found)
            firsts.append(np.full(len(found), first, dtype="int32"))
            series.append(np.full(len(found), number, dtype="int32"))
        return windows.Origins(*(np.concatenate(each) for each in (rows, firsts, series)))

    def moved(self, steps: int) -> "Splits":
        """The same cut `steps` later, with one window to test: what a model trained anew for that window sees."""
        train, validation = self.ends[:, 0] + steps, self.ends[:, 1] + steps
        return replace(self, ends=np.stack([train, validation, validation + self.horizon], axis=1))

    def fingerprint(self, split: str) -> str:
        """SHA-256 of a split's columns, time stamps and values."""
        panel, digest = self.panel, hashlib.sha256()
        digest.update("\n".join([panel.frequency, *panel.columns, *panel.ids, repr(panel.roles)]).encode())
        for start, stop in zip(*self.rows(split), strict=True):
            if stop > start:
                digest.update("\n".join(map(str, panel.stamps[[start, stop - 1]])).encode())
            for values in (panel.values, panel.past, panel.future):
                digest.update(np.ascontiguousarray(values[start:stop]).tobytes())
        digest.update(panel.static.tobytes() + "\n".join(panel.labels.ravel().tolist()).encode())
        return digest.hexdigest()


def make_splits(
    panel: Panel, begins: list[pd.Series], config: Config, window: int, horizon: int, season_length: int
) -> Splits:
    """Cut every series by the one rule that the config or the files give.

    Args:
        panel: The series.
        begins: For every file after the first the time stamp at which each series begins in it.
        config: The run's options.
        window: Steps that the model sees.
        horizon: Steps to forecast.
        season_length: Steps of a season.

    Raises:
        ValueError: If a part is too short for one example, or empty of values.
    """
    ends = _ends(panel, begins, config, horizon)
    splits = Splits(panel, ends, window, horizon, season_length, (), config.step_size)
    _check_lengths(splits)
    return Splits(panel, ends, window, horizon, season_length, _notes(splits), config.step_size)


def _ends(panel: Panel, begins: list[pd.Series], config: Config, horizon: int) -> np.ndarray:
    starts, lengths = panel.starts[:-1], panel.lengths()
    if config.split_rows is not None:
        if config.split_rows[-1] > lengths.max():
            advice = f"{panel.source} has {lengths.max()} rows on its grid."
            raise ValueError(f"`split_rows` must end within the data. Received: {config.split_rows}. {advice}")
        return starts[:, None] + np.minimum(np.array(config.split_rows), lengths[:, None])
    if config.split_dates is not None:
        return _date_ends(panel, config.split_dates)
    if config.windows is not None:
        test = horizon + (config.windows - 1) * config.step_size
        last = panel.starts[1:]
        return np.maximum(np.stack([last - 2 * test, last - test, last], axis=1), starts[:, None])
    if begins:
        return _file_ends(panel, begins, config)
    if config.validation_fraction + config.test_fraction >= 1:
        raise ValueError(
            "`validation_fraction` and `test_fraction` must leave rows to train on. Received: "
            f"validation_fraction={config.validation_fraction}, test_fraction={config.test_fraction}."
        )
    test = lengths - _rounded(lengths * config.test_fraction)
    validation = test - _rounded(lengths * config.validation_fraction)
    return starts[:, None] + np.stack([validation, test, lengths], axis=1)


def _rounded(numbers: np.ndarray) -> np.ndarray:
    return np.round(numbers).astype("int64")


def _file_ends(panel: Panel, begins: list[pd.Series], config: Config) -> np.ndarray:
    """Splits begin where the files begin; a test file alone leaves the end of DATA to validate."""
    ends = []
    for number, name in enumerate(panel.ids):
        first, after = int(panel.starts[number]), int(panel.starts[number + 1])
        stamps = panel.stamps[first:after]
        rows = [first + int(stamps.searchsorted(each[name])) if name in each.index else after for each in begins]
        if len(rows) == 1:
            rows = [rows[0] - round((rows[0] - first) * config.validation_fraction), *rows]
        ends.append([min(rows[0], rows[1]), rows[1], after])
    return np.array(ends)


def _date_ends(panel: Panel, dates: tuple[str, ...]) -> np.ndarray:
    stamps = []
    for date in dates:
        try:
            stamps.append(_utc(pd.Timestamp(date)) if isinstance(panel.stamps, pd.DatetimeIndex) else int(date))
        except ValueError as error:
            raise ValueError(f"`split_dates` must be time stamps of the data. Received: {date!r}.") from error
    low, high = panel.stamps.min(), panel.stamps.max()
    if not low < stamps[0] < stamps[1] <= high:  # type: ignore[operator]
        raise ValueError(f"`split_dates` must rise and lie within {low} to {high}. Received: {', '.join(dates)}.")
    ends = []
    for first, after in zip(panel.starts[:-1], panel.starts[1:], strict=True):
        ends.append([*(first + panel.stamps[first:after].searchsorted(stamp) for stamp in stamps), after])
    return np.array(ends)


def _utc(stamp: pd.Timestamp) -> pd.Timestamp:
    """A time stamp without a zone; one with a zone becomes UTC, as in the data."""
    return stamp if stamp.tzinfo is None else stamp.tz_convert(None)


def _check_lengths(splits: Splits) -> None:
    window, horizon = splits.window, splits.horizon
    need = f"one example needs window + horizon = {window} + {horizon} = {window + horizon}"
    longest = splits.panel.lengths().max()
    if longest < window + horizon:
        raise ValueError(f"The series has {longest} steps; {need}. Shorten window or horizon, or supply more data.")
    for split in SPLITS:
        start, stop = splits.rows(split)
        if not len(splits.origins(split)):
            what = need if split == "train" else f"one example needs horizon = {horizon}"
            raise ValueError(
                f"The {split} part has {(stop - start).max()} steps; {what}. "
                "Shorten window or horizon, change the split, or supply more data."
            )
        pairs = zip(start, stop, strict=True)
        if all(np.isnan(splits.panel.values[first:after]).all() for first, after in pairs):
            raise ValueError(f"Every value of the {split} part is missing. Change the split, or supply more data.")


def _notes(splits: Splits) -> tuple[str, ...]:
    """What a user should know about the data and need not mend."""
    panel, notes = splits.panel, []
    if panel.missing_steps:
        notes.append(f"{panel.missing_steps} time steps are missing; their values are treated as missing.")
    for name, count in zip(panel.columns, np.isnan(panel.values).sum(axis=0), strict=True):
        if count > panel.missing_steps:
            notes.append(f"Column {name!r}: {count} of {len(panel.values)} values are missing.")
    many = len(panel.ids) > 1
    constant, unused = [], []
    for series, (start, stop) in enumerate(zip(*splits.rows("train"), strict=True)):
        for position, name in enumerate(panel.columns):
            observed = panel.values[start:stop, position]
            observed = observed[~np.isnan(observed)]
            if not observed.size and not many:
                raise ValueError(f"{panel.source}, column {name!r}: every value of the training part is missing.")
            if not observed.size:
                unused.append(panel.ids[series])
            elif (observed == observed[0]).all():
                constant.append(
                    panel.ids[series] if many else f"{name!r} is constant in the training part ({observed[0]:g})"
                )
    if many:
        constant, unused = list(dict.fromkeys(constant)), list(dict.fromkeys(unused))
        for names, what in (
            (constant, "constant in the training part"),
            (unused, "without values in the training part"),
        ):
            if names:
                shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
                notes.append(f"{len(names)} series are {what}: {shown}.")
    else:
        notes += [f"Column {text}." for text in constant]
    return tuple(notes)
