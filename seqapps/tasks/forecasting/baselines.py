"""The honest simple methods: last value, seasonal naive, and ridge regression tuned on validation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from seqapps import run_folder
from seqapps.series import windows
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.preprocessing import Preprocessing

LAST, SEASONAL, RIDGE = "repeat last value", "seasonal naive", "ridge regression"
METHODS = (LAST, SEASONAL, RIDGE)
RIDGE_STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
MOST_RIDGE_NUMBERS = 30_000_000  # of windows and futures that ridge regression is fitted on
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
        offsets: For every method `(horizon, targets, levels)`: quantiles of its errors on validation, which turn its
            forecast into quantiles.
    """

    window: int
    horizon: int
    season_length: int
    strength: float
    coefficients: np.ndarray
    intercept: np.ndarray
    offsets: dict[str, np.ndarray]

    def forecast(self, values: np.ndarray, origins: np.ndarray, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
        """Forecasts of every method from each origin: `(examples, horizon, targets)` in raw units.

        Args:
            values: `(time, targets)` in raw units, NaN where missing.
            origins: `(examples,)`.
            preprocessing: The run's; ridge regression works on its scale.
        """
        return {
            LAST: _repeat_last(values, origins, self.horizon, preprocessing),
            SEASONAL: _repeat_season(values, origins, self.horizon, self.season_length, preprocessing),
            RIDGE: self._ridge(values, origins, preprocessing),
        }

    def quantiles(self, method: str, forecast: np.ndarray) -> np.ndarray:
        """`(examples, horizon, targets)` → `(examples, horizon, targets, levels)`."""
        return forecast[..., None] + self.offsets[method]

    def _ridge(self, values, origins, preprocessing):
        scaled = _filled(preprocessing.forward(values).numpy())
        at_once = max(1, FORECAST_NUMBERS // (self.window * values.shape[1]))
        forecasts = []
        for start in range(0, len(origins), at_once):
            history = windows.histories(scaled, origins[start : start + at_once], self.window)
            last = history[:, -1:]  # (examples, 1, targets)
            history = np.where(np.isnan(history), last, history)  # before the first row
            steps = np.einsum("ewt,wh->eht", history - last, self.coefficients) + self.intercept[:, None]
            forecasts.append(preprocessing.inverse(steps + last).numpy())
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
    values = splits.series.values
    scaled = _filled(preprocessing.forward(values).numpy())
    observed = np.where(np.isnan(values), np.nan, scaled)
    train = _difference_pairs(scaled, observed, splits.origins("train"), splits)
    validation = _difference_pairs(scaled, observed, splits.origins("validation"), splits)
    fitted = [Ridge(strength).fit(*train) for strength in RIDGE_STRENGTHS]
    best = min(fitted, key=lambda ridge: np.mean((ridge.predict(validation[0]) - validation[1]) ** 2))
    coefficients = np.atleast_2d(best.coef_).T.astype("float64")  # (window, horizon)
    intercept = np.atleast_1d(best.intercept_).astype("float64")
    sizes = (splits.window, splits.horizon, splits.season_length)
    pointwise = Baselines(*sizes, best.alpha, coefficients, intercept, {})
    origins = splits.origins("validation")
    actual = windows.futures(values, origins, splits.horizon)
    offsets = {
        method: _error_quantiles(actual - forecast, config.levels)
        for method, forecast in pointwise.forecast(values, origins, preprocessing).items()
    }
    return Baselines(*sizes, best.alpha, coefficients, intercept, offsets)


def _difference_pairs(scaled, observed, origins, splits: Splits) -> tuple[np.ndarray, np.ndarray]:
    """Windows and what followed, as differences from the window's last value; one row per origin and column."""
    targets = scaled.shape[1]
    stride = -(-len(origins) * targets * (splits.window + splits.horizon) // MOST_RIDGE_NUMBERS)
    origins = origins[:: max(stride, 1)]
    history = windows.histories(scaled, origins, splits.window).transpose(0, 2, 1).reshape(-1, splits.window)
    future = windows.futures(observed, origins, splits.horizon).transpose(0, 2, 1).reshape(-1, splits.horizon)
    last = history[:, -1:]
    whole = ~np.isnan(future).any(axis=1)
    if not whole.any():  # every future has a gap: learn from the filled values rather than not at all
        future = windows.futures(scaled, origins, splits.horizon).transpose(0, 2, 1).reshape(-1, splits.horizon)
        whole[:] = True
    return (history - last)[whole], (future - last)[whole]


def _error_quantiles(errors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles of errors `(examples, horizon, targets)`: `(horizon, targets, levels)`.

    With few windows the steps of the horizon are taken together, because a handful of errors has no quantiles.
    """
    if len(errors) < FEWEST_WINDOWS_PER_STEP:
        errors = np.broadcast_to(errors.reshape(-1, 1, errors.shape[2]), (errors[..., 0].size, *errors.shape[1:]))
    errors = np.where(np.isnan(errors).all(axis=0), 0.0, errors)
    return np.moveaxis(np.nanquantile(errors, levels, axis=0), 0, -1)


def _filled(values: np.ndarray) -> np.ndarray:
    """Gaps take the value before them; what comes before the first value is 0, the scaled training mean."""
    return pd.DataFrame(values).ffill().fillna(0.0).to_numpy(dtype="float64")


def _filled_raw(values: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    level = preprocessing.inverse(np.zeros((1, values.shape[1]), "float32")).numpy()[0]
    frame = pd.DataFrame(values).ffill()
    return frame.fillna(dict(enumerate(level.tolist()))).to_numpy(dtype="float64")


def _repeat_last(values, origins, horizon, preprocessing):
    last = _filled_raw(values, preprocessing)[np.maximum(origins - 1, 0)]
    return np.repeat(last[:, None], horizon, axis=1)


def _repeat_season(values, origins, horizon, season_length, preprocessing):
    """The last season again and again; a gap in it takes the value of the season before."""
    filled = values.copy()
    for start in range(season_length, len(filled), season_length):
        block = filled[start : start + season_length]
        before = filled[start - season_length : start][: len(block)]
        block[:] = np.where(np.isnan(block), before, block)
    filled = _filled_raw(filled, preprocessing)
    rows = origins[:, None] - season_length + np.arange(horizon) % season_length
    return filled[np.maximum(rows, 0)]
