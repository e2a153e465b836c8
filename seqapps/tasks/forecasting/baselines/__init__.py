"""The honest simple methods: last value, seasonal naive, ridge regression tuned on validation, and classical ones."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqapps import run_folder
from seqapps.series import windows
from seqapps.series.panel import Panel
from seqapps.tasks.forecasting.baselines import ridge, spread
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.preprocessing import Preprocessing

LAST, SEASONAL, RIDGE = "repeat last value", "seasonal naive", "ridge regression"
METHODS = (LAST, SEASONAL, RIDGE)
FORECAST_NUMBERS = 10_000_000  # of windows that a forecast holds at once
FEWEST_PAIRS_PER_COEFFICIENT = 10  # with fewer, ridge regression knows its training errors too well


@dataclass(frozen=True)
class Baselines:
    """Fitted baselines.

    Attributes:
        window: Steps that ridge regression sees.
        horizon: Steps to forecast.
        season_length: Steps of a season.
        strength: Ridge's penalty, chosen on validation.
        coefficients: `(window, horizon)` of ridge regression on scaled differences from the last value.
        intercept: `(horizon,)`.
        ids: The series that were fitted.
        offsets: For every method `(series + 1, horizon, targets, levels)`: quantiles of its errors before the test
            part, in z-scores, which turn its forecast into quantiles. The last row is for any other series.
    """

    window: int
    horizon: int
    season_length: int
    strength: float
    coefficients: np.ndarray
    intercept: np.ndarray
    ids: tuple[str, ...]
    offsets: dict[str, np.ndarray]

    def forecast(self, panel: Panel, at: windows.Origins, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
        """Forecasts of every method from each origin: `(examples, horizon, targets)`, z-scores.

        Args:
            panel: The series.
            at: Where the forecasts start.
            preprocessing: Aligned with the panel; all methods work on its scale.
        """
        scaled = preprocessing.arrays(panel).values
        filled = _filled(scaled, panel)
        return {
            LAST: np.repeat(_before(filled, at)[:, None], self.horizon, axis=1),
            SEASONAL: _repeat_season(scaled, panel, at, self.horizon, self.season_length),
            RIDGE: self._ridge(filled, at),
        }

    def quantiles(self, method: str, forecast: np.ndarray, panel: Panel, at: windows.Origins) -> np.ndarray:
        """`(examples, horizon, targets)` → `(examples, horizon, targets, levels)`, both z-scores."""
        row = {name: number for number, name in enumerate(self.ids)}
        rows = np.array([row.get(name, len(row)) for name in panel.ids])
        return forecast[..., None] + self.offsets[method][rows[at.series]]

    def _ridge(self, filled: np.ndarray, at: windows.Origins) -> np.ndarray:
        at_once = max(1, FORECAST_NUMBERS // (self.window * filled.shape[1]))
        forecasts = []
        for start in range(0, len(at), at_once):
            history = ridge.padded(windows.histories(filled, at[start : start + at_once], self.window))
            last = history[:, -1:]  # (examples, 1, targets)
            steps = np.einsum("ewt,wh->eht", history - last, self.coefficients) + self.intercept[:, None]
            forecasts.append(steps + last)
        return np.concatenate(forecasts)

    def save(self, path: Path) -> None:
        """Write to `.npz`, without pickles."""
        offsets = {f"offsets_{METHODS.index(method)}": value for method, value in self.offsets.items()}
        sizes = np.array([self.window, self.horizon, self.season_length])
        arrays: dict[str, Any] = {"sizes": sizes, "strength": np.array(self.strength), **offsets}
        arrays |= {"coefficients": self.coefficients, "intercept": self.intercept, "ids": np.array(self.ids)}
        run_folder.write_with(path, lambda temporary: np.savez(temporary, **arrays))

    @classmethod
    def load(cls, path: Path) -> "Baselines":
        """The inverse of `save`."""
        with np.load(path, allow_pickle=False) as arrays:
            window, horizon, season_length = (int(size) for size in arrays["sizes"])
            offsets = {method: arrays[f"offsets_{position}"] for position, method in enumerate(METHODS)}
            strength, coefficients, intercept = float(arrays["strength"]), arrays["coefficients"], arrays["intercept"]
            ids = tuple(arrays["ids"].tolist())
        return cls(window, horizon, season_length, strength, coefficients, intercept, ids, offsets)


def fit(splits: Splits, config: Config, preprocessing: Preprocessing) -> Baselines:
    """Fit ridge regression on training windows and choose its strength on validation; quantiles as in `spread`."""
    strength, coefficients, intercept = fit_ridge(splits, preprocessing)
    sizes = (splits.window, splits.horizon, splits.season_length)
    pointwise = Baselines(*sizes, strength, coefficients, intercept, splits.panel.ids, {})
    train, validation = (_errors(pointwise, splits, part, preprocessing) for part in ("train", "validation"))
    pairs = len(splits.origins("train")) * splits.panel.values.shape[1]
    offsets = {}
    for method in METHODS:
        too_few = method == RIDGE and pairs < FEWEST_PAIRS_PER_COEFFICIENT * splits.window
        before = None if too_few else train[method]
        table = spread.offsets(validation[method], before, len(splits.panel.ids), config.levels)
        offsets[method] = table.astype("float32")
    return dataclasses.replace(pointwise, offsets=offsets)


def _errors(simple: Baselines, splits: Splits, part: str, preprocessing: Preprocessing) -> dict[str, spread.Errors]:
    """The errors of every method on a part, from so many of its origins that they fit into memory."""
    at, panel = splits.origins(part), splits.panel
    origins = len(splits.origins("train")) + len(splits.origins("validation"))
    stride = math.ceil(origins * splits.horizon * panel.values.shape[1] / spread.MOST_ERRORS)
    while math.gcd(stride, splits.season_length) > 1:  # the origins shall meet every step of the season
        stride += 1
    at = at[::stride]
    actual = windows.futures(preprocessing.arrays(panel).values, at, splits.horizon)
    forecasts = simple.forecast(panel, at, preprocessing)
    return {method: spread.Errors(at, actual - forecast) for method, forecast in forecasts.items()}


def fit_ridge(splits: Splits, preprocessing: Preprocessing) -> tuple[float, np.ndarray, np.ndarray]:
    """Ridge regression of z-scores, as differences from the last value: strength, coefficients and intercept."""
    scaled = preprocessing.arrays(splits.panel).values
    filled = _filled(scaled, splits.panel)
    train, validation = (
        ridge.Pairs(filled, scaled, splits.origins(split), splits.window, splits.horizon)
        for split in ("train", "validation")
    )
    return ridge.fit(train, validation)


def _filled(scaled: np.ndarray, panel: Panel) -> np.ndarray:
    """Gaps take the value before them; what comes before a series' first value is 0, the training mean."""
    series = np.repeat(np.arange(len(panel.ids)), panel.lengths())
    return pd.DataFrame(scaled).groupby(series).ffill().fillna(0.0).to_numpy(dtype="float64")


def _before(filled: np.ndarray, at: windows.Origins) -> np.ndarray:
    """The value before each origin, 0 where its series has none: `(examples, targets)`."""
    inside = at.rows > at.firsts
    return np.where(inside[:, None], filled[np.maximum(at.rows - 1, 0)], 0.0)


def _repeat_season(scaled: np.ndarray, panel: Panel, at: windows.Origins, horizon: int, season: int) -> np.ndarray:
    """The last season again and again; a gap in it takes the value of the season before.

    Where a history is too short for a season, its last value stands for what it lacks.
    """
    filled = scaled.copy()
    for first, after in zip(panel.starts[:-1], panel.starts[1:], strict=True):
        for start in range(first + season, after, season):
            block = filled[start : min(start + season, after)]
            before = filled[start - season : start][: len(block)]
            block[:] = np.where(np.isnan(block), before, block)
    filled = _filled(filled, panel)
    rows = at.rows[:, None] - season + np.arange(horizon) % season
    inside = rows >= at.firsts[:, None]
    return np.where(inside[..., None], filled[np.maximum(rows, 0)], _before(filled, at)[:, None])
