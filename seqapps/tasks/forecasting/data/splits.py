"""A panel cut in time, every series by the same rule."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from seqapps import fractions
from seqapps.series import windows
from seqapps.series.panel import Panel
from seqapps.tasks.forecasting.config import Config

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """A panel cut in time.

    Attributes:
        panel: The series.
        cuts: `(series, 3)` for every series the row after its train, validation and test part, which may lie beyond a
            series that is too short for its rule.
        window: Steps that the model sees.
        horizon: Steps to forecast.
        season_length: Steps of a season.
        notes: What a user should know about the data and need not mend.
        step_size: Steps from one origin of the test part to the next.
        data_fraction: The part of every series' training steps, the last ones, that is trained on.
    """

    panel: Panel
    cuts: np.ndarray
    window: int
    horizon: int
    season_length: int
    notes: tuple[str, ...]
    step_size: int = 1
    data_fraction: float = 1.0

    @property
    def ends(self) -> np.ndarray:
        """`(series, 3)` the cuts, held within each series."""
        return np.clip(self.cuts, self.panel.starts[:-1, None], self.panel.starts[1:, None])

    def rows(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """For every series the first row of a split and the row after its last; `"all"` is the whole series."""
        if split == "all":
            return self.panel.starts[:-1], self.panel.starts[1:]
        position = SPLITS.index(split)
        if position == 0:
            left_out = np.floor((1 - self.data_fraction) * self.training_steps + fractions.ROUNDING).astype("int64")
            return self.panel.starts[:-1] + left_out, self.ends[:, 0]
        return self.ends[:, position - 1], self.ends[:, position]

    @property
    def training_steps(self) -> np.ndarray:
        """`(series,)` steps of the training part, all of it."""
        return self.ends[:, 0] - self.panel.starts[:-1]

    def steps(self, split: str) -> int:
        """Steps of a split, over all series."""
        start, stop = self.rows(split)
        return int((stop - start).sum())

    def origins(self, split: str) -> windows.Origins:
        """Rows at which a forecast starts so that its horizon lies in the split; its window may reach back before.

        Those of the test part lie whole numbers of `step_size` after its cut, so that the last ones are kept where a
        series is too short for all.
        """
        starts, stops = self.rows(split)
        if split in ("train", "all"):
            earliest = starts + self._leads(stops - starts)
        else:  # which are the same whatever part is trained on
            earliest = self.panel.starts[:-1] + self._leads(self.training_steps)
        rows, firsts, series = [], [], []
        for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            first = self.panel.starts[number]
            found = windows.origins(int(start), int(stop), int(earliest[number]), self.horizon)
            found = found[(found - self.cuts[number, 1]) % self.step_size == 0] if split == "test" else found
            rows.append(found)
            firsts.append(np.full(len(found), first, dtype="int32"))
            series.append(np.full(len(found), number, dtype="int32"))
        return windows.Origins(*(np.concatenate(each) for each in (rows, firsts, series)))

    def _leads(self, steps: np.ndarray) -> np.ndarray:
        """Steps that come before every origin of a series, `(series,)`, as many as a part of `steps` allows.

        Among many series one that is too short for a window and horizon takes part with padded windows, from one season
        on; one that is too short for that has one such window.
        """
        known = steps - self.horizon
        short = np.clip(known, 1, min(self.season_length, self.window))
        return np.where((known < self.window) & (len(known) > 1), short, self.window)

    def moved(self, steps: int) -> "Splits":
        """The same cut `steps` later, with one window to test: what a model trained anew for that window sees.

        A series that is too short for the window has no part in it.
        """
        train, validation = self.cuts[:, 0] + steps, self.cuts[:, 1] + steps
        return replace(self, cuts=np.stack([train, validation, validation + self.horizon], axis=1))

    def fingerprint(self, split: str) -> str:
        """SHA-256 of a split's columns, time stamps and values."""
        panel, digest = self.panel, hashlib.sha256()
        digest.update("\n".join([panel.frequency, *panel.columns, *panel.ids, repr(panel.roles)]).encode())
        for start, stop in zip(*self.rows(split), strict=True):
            if stop > start:
                digest.update("\n".join(map(str, panel.stamps[[start, stop - 1]])).encode())
            for values in (panel.values, panel.past, panel.future):
                digest.update(np.ascontiguousarray(values[start:stop]).tobytes())
        digest.update("\n".join(panel.static.ravel().tolist()).encode())
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
        ValueError: If the rule does not fit the data.
    """
    cuts = _cuts(panel, begins, config, horizon)
    return Splits(panel, cuts, window, horizon, season_length, (), config.step_size, config.data_fraction)


def _cuts(panel: Panel, begins: list[pd.Series], config: Config, horizon: int) -> np.ndarray:
    starts, lengths = panel.starts[:-1], panel.lengths()
    if config.split_rows is not None:
        if config.split_rows[-1] > lengths.max():
            advice = f"{panel.source} has {lengths.max()} rows on its grid."
            raise ValueError(f"`split_rows` must end within the data. Received: {config.split_rows}. {advice}")
        return starts[:, None] + np.array(config.split_rows)
    if config.split_dates is not None:
        return _date_cuts(panel, config.split_dates)
    if config.windows is not None:
        test = horizon + (config.windows - 1) * config.step_size
        last = panel.starts[1:]
        return np.stack([last - 2 * test, last - test, last], axis=1)
    if begins:
        return _file_cuts(panel, begins, config)
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


def _file_cuts(panel: Panel, begins: list[pd.Series], config: Config) -> np.ndarray:
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


def _date_cuts(panel: Panel, dates: tuple[str, ...]) -> np.ndarray:
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
