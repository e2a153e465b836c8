"""Conformal correction of the quantiles on the validation part."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np

from seqapps.series import windows
from seqapps.tasks.forecasting.baselines.spread import apart, pooled_steps, with_neighbours
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.preprocessing import Preprocessing
from seqapps.tasks.forecasting.serving import corrected

METHODS = ("none", "shifts", "factors")
SMALLEST_DISTANCE = 1e-6  # z-scores between a quantile and the median; keeps the ratio finite
FEWEST_WINDOWS = 10  # that do not overlap; on fewer nothing is compared
MOST_QUANTILES = 40_000_000  # steps × columns × levels × origins that are held in memory at once


@dataclass(frozen=True)
class Calibration:
    """The correction, `median + factor · (quantile − median) + shift`, and what speaks for it.

    Attributes:
        method: `"none"`, `"shifts"` or `"factors"`.
        factors: `(horizon, targets, levels)`; 1 where there is nothing to correct.
        shifts: `(horizon, targets, levels)` z-scores; 0 where there is nothing to correct.
        held_out_loss: For every method the pinball loss of the outer quantiles on the half of the validation part that
            it was not fitted on, both ways; empty if there are too few windows to tell.
    """

    method: str
    factors: np.ndarray
    shifts: np.ndarray
    held_out_loss: dict[str, float] = field(default_factory=dict)

    def to_dict(self, config: Config) -> dict[str, Any]:
        """As `calibration.json` holds it."""
        told = {"levels": config.levels, "method": self.method, "held_out_loss": self.held_out_loss}
        return told | {"factors": self.factors.tolist(), "shifts": self.shifts.tolist()}


def calibrate(model: keras.Model, splits: Splits, preprocessing: Preprocessing, config: Config) -> Calibration:
    """Conformal correction from validation residuals, per step of the horizon and column.

    Either the quantile of level τ is shifted by the τ-quantile of the truth's distance from it, or its distance from
    the median is multiplied by the τ-quantile of the truth's distance in units of it; both with the finite-sample step
    of split conformal prediction, so that a share of τ of the validation values lies below. Sources: Romano et al. 2019
    (conformalised quantile regression), Kivaranovic et al. 2020 (in units of the distance from the median),
    Stankevičiūtė et al. 2021 (per horizon step).

    Windows overlap and time goes on, so nothing is guaranteed, and a validation part that is harder than the future
    would only make the intervals too wide. So each is fitted on each half of the validation part and tried on the other
    one: the method with the lowest pinball loss there is taken, and no correction is one of them. Where there are too
    few windows to compare, nothing is corrected. A step with too few windows for a quantile shares those of its
    neighbours.
    """
    at = splits.origins("validation")
    at = at[:: stride(len(at), splits, config)]
    batches = windows.evaluation_batches(preprocessing.arrays(splits.panel), at, splits.window, splits.horizon, 256)
    answers = [(future.numpy(), model(inputs, training=False).numpy()) for inputs, future in batches]
    actual, quantiles = (np.concatenate(each).astype("float64") for each in zip(*answers, strict=True))
    seen = ~np.isnan(actual).all(axis=(1, 2))
    at, actual, quantiles = at[seen], actual[seen], quantiles[seen]
    halves = _halves(at, splits.horizon)
    if min(counts := [len(apart(at[half], splits.horizon)) for half in halves]) == 0 or sum(counts) < FEWEST_WINDOWS:
        return Calibration("none", *_correction("none", at, actual, quantiles, config.levels))
    losses = dict.fromkeys(METHODS, 0.0)
    for fitted, tried in (halves, halves[::-1]):
        for method in METHODS:
            correction = _correction(method, at[fitted], actual[fitted], quantiles[fitted], config.levels)
            moved = corrected(quantiles[tried], *correction, config.levels.index(0.5)).numpy()
            losses[method] += _loss(actual[tried], moved, config.levels) / 2
    best = min(losses, key=lambda method: losses[method])
    return Calibration(best, *_correction(best, at, actual, quantiles, config.levels), losses)


def _correction(
    method: str, at: windows.Origins, actual: np.ndarray, quantiles: np.ndarray, levels: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Factors and shifts of a method: `(horizon, targets, levels)` each."""
    middle, horizon = levels.index(0.5), actual.shape[1]
    count = len(apart(at, horizon))
    factors, shifts = np.ones(quantiles.shape[1:]), np.zeros(quantiles.shape[1:])
    for position, level in enumerate(levels):
        if position == middle or method == "none":
            continue
        side = 1 if level > 0.5 else -1
        error = side * (actual - quantiles[..., position])  # (examples, horizon, targets)
        if method == "factors":
            distance = np.maximum(side * (quantiles[..., position] - quantiles[..., middle]), SMALLEST_DISTANCE)
            error = side * (actual - quantiles[..., middle]) / distance
        rank = partial(_order_statistic, level=max(level, 1 - level))
        found = with_neighbours(error, pooled_steps(count, horizon, level), rank)
        if method == "shifts":
            shifts[..., position] = side * np.nan_to_num(found)  # without values nothing is known
        else:
            factors[..., position] = np.where(np.isnan(found), 1.0, np.maximum(found, 0.0))
    return factors, shifts


def _order_statistic(errors: np.ndarray, level: float) -> np.ndarray:
    """The ⌈(n + 1) · level⌉-th smallest of n errors, at most the largest: `(horizon, targets)`, NaN where n is 0."""
    count = (~np.isnan(errors)).sum(axis=0)
    rank = np.clip(np.ceil((count + 1) * level).astype(int) - 1, 0, np.maximum(count - 1, 0))
    return np.take_along_axis(np.sort(errors, axis=0), rank[None], axis=0)[0]  # NaN is sorted to the end


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


def stride(origins: int, splits: Splits, config: Config) -> int:
    """Every how many-th origin can be taken so that all quantiles fit into memory."""
    numbers = origins * splits.horizon * splits.panel.values.shape[1] * len(config.levels)
    return max(1, -(-numbers // MOST_QUANTILES))
