"""Conformal correction of the quantiles on the validation part."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from seqapps.series import windows
from seqapps.tasks.forecasting.baselines import FEWEST_WINDOWS_PER_STEP, error_quantiles
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.preprocessing import Preprocessing

SMALLEST_DISTANCE = 1e-6  # z-scores between a quantile and the median; keeps the ratio finite
MOST_FORECASTS = 4_000_000  # steps × columns × origins that are held in memory at once


@dataclass(frozen=True)
class Calibration:
    """The correction and what speaks for it.

    Attributes:
        factors: `(horizon, targets, levels)` by which the distance from the median is multiplied; 1 at the median, and
            everywhere if the correction does not help.
        loss: Pinball loss of the outer quantiles as they are, on the half of the validation part that the correction
            was not fitted on, both ways; `None` if there are too few windows to tell.
        corrected_loss: The same, corrected.
    """

    factors: np.ndarray
    loss: float | None = None
    corrected_loss: float | None = None

    def to_dict(self, config: Config) -> dict[str, Any]:
        """As `calibration.json` holds it."""
        told = {"held_out_loss": self.loss, "held_out_corrected_loss": self.corrected_loss}
        return {"levels": config.levels, **told, "factors": self.factors.tolist()}


def calibrate(model: keras.Model, splits: Splits, preprocessing: Preprocessing, config: Config) -> Calibration:
    """Conformal correction from validation residuals, per step of the horizon and column.

    The distance of the quantile of level τ from the median is multiplied by the τ-quantile of the truth's distance in
    units of it, with the finite-sample step of split conformal prediction, so that a share of τ of the validation
    values lies below. Sources: Romano et al. 2019 (conformalised quantile regression), Kivaranovic et al. 2020 (in
    units of the distance from the median), Stankevičiūtė et al. 2021 (per horizon step).

    Windows overlap and time goes on, so nothing is guaranteed, and a validation part that is harder than the future
    would only make the intervals too wide. So the correction is fitted on each half of the validation part and tried on
    the other one: it is taken only if it lowers the pinball loss there.
    """
    at = splits.origins("validation")
    at = at[:: max(1, -(-len(at) * splits.horizon * len(preprocessing.columns) // MOST_FORECASTS))]
    batches = windows.evaluation_batches(preprocessing.arrays(splits.panel), at, splits.window, splits.horizon, 256)
    answers = [(future.numpy(), model(inputs, training=False).numpy()) for inputs, future in batches]
    actual, quantiles = (np.concatenate(each).astype("float64") for each in zip(*answers, strict=True))
    factors = _factors(actual, quantiles, config.levels)
    halves = _halves(at, splits.horizon)
    if min(len(half) for half in halves) < FEWEST_WINDOWS_PER_STEP:
        return Calibration(factors)
    losses = []
    for fitted, tried in (halves, halves[::-1]):
        own = _factors(actual[fitted], quantiles[fitted], config.levels)
        moved = _moved(quantiles[tried], own, config.levels)
        losses.append([_loss(actual[tried], each, config.levels) for each in (quantiles[tried], moved)])
    loss, corrected = (float(np.nanmean(each)) for each in zip(*losses, strict=True))
    return Calibration(factors if corrected < loss else np.ones_like(factors), loss, corrected)


def _factors(actual: np.ndarray, quantiles: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """What the distances from the median must be multiplied by: `(horizon, targets, levels)`."""
    middle = levels.index(0.5)
    error = actual - quantiles[..., middle]  # (examples, horizon, targets)
    factors = np.ones(quantiles.shape[1:])
    # Steps are taken together where there are few windows; both ends move outwards by the finite-sample step.
    observed = (~np.isnan(error)).sum(axis=0)  # (horizon, targets)
    if len(error) < FEWEST_WINDOWS_PER_STEP:
        observed = np.broadcast_to(observed.sum(axis=0), observed.shape)
    count = observed[observed > 0].min(initial=np.iinfo(int).max)
    for position, level in enumerate(levels):
        if position == middle:
            continue
        side = 1 if level > 0.5 else -1
        distance = np.maximum(side * (quantiles[..., position] - quantiles[..., middle]), SMALLEST_DISTANCE)
        rank = min(np.ceil((count + 1) * max(level, 1 - level)) / count, 1.0)
        found = np.maximum(error_quantiles(side * error / distance, (rank,))[..., 0], 0.0)
        factors[..., position] = np.where(observed > 0, found, 1.0)  # without values nothing is known
    return factors


def _moved(quantiles: np.ndarray, factors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    median = quantiles[..., levels.index(0.5), None]
    return median + (quantiles - median) * factors


def _loss(actual: np.ndarray, quantiles: np.ndarray, levels: tuple[float, ...]) -> float:
    """Mean pinball loss over all levels but the median, which no correction moves."""
    outer = [position for position, level in enumerate(levels) if level != 0.5]
    error = actual[..., None] - quantiles[..., outer]
    level = np.array(levels)[outer]
    return float(np.nanmean(np.maximum(level * error, (level - 1) * error)))


def _halves(at: windows.Origins, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of two halves that share nothing: every other series, or the earlier and later windows of one."""
    if len(np.unique(at.series)) > 1:
        odd = at.series % 2 == 1
        return np.flatnonzero(~odd), np.flatnonzero(odd)
    middle = (at.rows[0] + at.rows[-1]) // 2
    return np.flatnonzero(at.rows <= middle - horizon // 2), np.flatnonzero(at.rows >= middle - horizon // 2 + horizon)
