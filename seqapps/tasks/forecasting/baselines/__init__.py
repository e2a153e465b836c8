"""The honest simple methods: last value, seasonal naive, ridge regression tuned on validation, and classical ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqapps import run_folder
from seqapps.series import windows
from seqapps.series.panel import Panel
from seqapps.tasks.forecasting.baselines import ridge
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.preprocessing import Preprocessing

LAST, SEASONAL, RIDGE = "repeat last value", "seasonal naive", "ridge regression"
METHODS = (LAST, SEASONAL, RIDGE)
FORECAST_NUMBERS = 10_000_000  # of windows that a forecast holds at once
FEWEST_WINDOWS_PER_STEP = 10


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
        offsets: For every method `(horizon, targets, levels)`: quantiles of its errors on validation, in z-scores,
            which turn its forecast into quantiles.
    """

    window: int
    horizon: int
    season_length: int
    strength: float
    coefficients: np.ndarray
    intercept: np.ndarray
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

    def quantiles(self, method: str, forecast: np.ndarray) -> np.ndarray:
        """`(examples, horizon, targets)` → `(examples, horizon, targets, levels)`, both z-scores."""
        return forecast[..., None] + self.offsets[method]

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
        arrays |= {"coefficients": self.coefficients, "intercept": self.intercept}
        run_folder.write_with(path, lambda temporary: np.savez(temporary, **arrays))

    @classmethod
    def load(cls, path: Path) -> "Baselines":
        """The inverse of `save`."""
        with np.load(path, allow_pickle=False) as arrays:
            window, horizon, season_length = (int(size) for size in arrays["sizes"])
            offsets = {method: arrays[f"offsets_{position}"] for position, method in enumerate(METHODS)}
            strength, coefficients, intercept = float(arrays["strength"]), arrays["coefficients"], arrays["intercept"]
        return cls(window, horizon, season_length, strength, coefficients, intercept, offsets)


def fit(splits: Splits, config: Config, preprocessing: Preprocessing) -> Baselines:
    """Fit ridge regression on training windows; choose its strength, and all error quantiles, on validation windows."""
    panel = splits.panel
    scaled = preprocessing.arrays(panel).values
    strength, coefficients, intercept = fit_ridge(splits, preprocessing)
    at = splits.origins("validation")
    sizes = (splits.window, splits.horizon, splits.season_length)
    pointwise = Baselines(*sizes, strength, coefficients, intercept, {})
    actual = windows.futures(scaled, at, splits.horizon)
    offsets = {
        method: error_quantiles(actual - forecast, config.levels)
        for method, forecast in pointwise.forecast(panel, at, preprocessing).items()
    }
    return Baselines(*sizes, strength, coefficients, intercept, offsets)


def fit_ridge(splits: Splits, preprocessing: Preprocessing) -> tuple[float, np.ndarray, np.ndarray]:
    """Ridge regression of z-scores, as differences from the last value: strength, coefficients and intercept."""
    scaled = preprocessing.arrays(splits.panel).values
    filled = _filled(scaled, splits.panel)
    train, validation = (
        ridge.Pairs(filled, scaled, splits.origins(split), splits.window, splits.horizon)
        for split in ("train", "validation")
    )
    return ridge.fit(train, validation)


def error_quantiles(errors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles of errors `(examples, horizon, targets)`: `(horizon, targets, levels)`."""
    errors = together_if_few(errors)
    errors = np.where(np.isnan(errors).all(axis=0), 0.0, errors)
    return np.moveaxis(np.nanquantile(errors, levels, axis=0), 0, -1)


def together_if_few(errors: np.ndarray) -> np.ndarray:
    """With few windows the errors of all steps at every step, because a handful of errors has no quantiles.

    Args:
        errors: `(examples, horizon, targets)`.
    """
    if len(errors) >= FEWEST_WINDOWS_PER_STEP:
        return errors
    return np.broadcast_to(errors.reshape(-1, 1, errors.shape[2]), (errors[..., 0].size, *errors.shape[1:]))


def _filled(scaled: np.ndarray, panel: Panel) -> np.ndarray:
    """Gaps take the value before them; what comes before a series' first value is 0, the training mean."""
    series = np.repeat(np.arange(len(panel.ids)), panel.lengths())
    return pd.DataFrame(scaled).groupby(series).ffill().fillna(0.0).to_numpy(dtype="float64")


def _before(filled: np.ndarray, at: windows.Origins) -> np.ndarray:
    """The value before each origin, 0 where its series has none: `(examples, targets)`."""
    inside = at.rows > at.firsts
    return np.where(inside[:, None], filled[np.maximum(at.rows - 1, 0)], 0.0)


def _repeat_season(scaled: np.ndarray, panel: Panel, at: windows.Origins, horizon: int, season: int) -> np.ndarray:
    """The last season again and again; a gap in it takes the value of the season before."""
    filled = scaled.copy()
    for first, after in zip(panel.starts[:-1], panel.starts[1:], strict=True):
        for start in range(first + season, after, season):
            block = filled[start : min(start + season, after)]
            before = filled[start - season : start][: len(block)]
            block[:] = np.where(np.isnan(block), before, block)
    filled = _filled(filled, panel)
    rows = at.rows[:, None] - season + np.arange(horizon) % season
    return filled[np.maximum(rows, at.firsts[:, None])]
