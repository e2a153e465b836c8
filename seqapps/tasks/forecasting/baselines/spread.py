"""How far a simple method's forecasts miss: quantiles of its errors before the test part."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from seqapps.series import windows

FEWEST_BEYOND = 10  # independent errors that should lie beyond a quantile
MOST_ERRORS = 2_000_000  # that are held at once


@dataclass(frozen=True)
class Errors:
    """Errors of a method, in z-scores.

    Attributes:
        at: Where its forecasts started.
        values: `(examples, horizon, targets)`, NaN where nothing was observed.
    """

    at: windows.Origins
    values: np.ndarray

    def of(self, series: int) -> "Errors":
        """Those of one series."""
        own = self.at.series == series
        return Errors(self.at[own], self.values[own])

    def and_also(self, more: "Errors") -> "Errors":
        """These errors and others."""
        return Errors(windows.joined([self.at, more.at]), np.concatenate([self.values, more.values]))


def offsets(validation: Errors, train: Errors | None, series: int, levels: Sequence[float]) -> np.ndarray:
    """What turns a method's forecast into quantiles: quantiles of its errors, `(series + 1, horizon, targets, levels)`.

    They are those of each series or of all together, as they came or with either sign, whatever has the lowest pinball
    loss on the validation part if it is taken from the training part; then it is taken from both. The last row is that
    of all series together, for a series that is not known.

    Args:
        validation: Errors on the validation part.
        train: Errors on the training part; `None` if they tell nothing, which leaves the validation errors of all.
        series: How many there are.
        levels: Quantile levels.
    """
    if train is None:
        return _table(validation, series, levels, own=False)
    ways = [(own, either_sign) for own in ((False, True) if series > 1 else (False,)) for either_sign in (False, True)]
    losses = [_loss(validation, _table(train, series, levels, *way), levels) for way in ways]
    return _table(train.and_also(validation), series, levels, *ways[int(np.argmin(losses))])


def _table(errors: Errors, series: int, levels: Sequence[float], own: bool, either_sign: bool = False) -> np.ndarray:
    """Offsets of each series' own errors or of all errors, as they came or with their opposites."""
    if either_sign:
        # What has been too low so far may be too high from now on.
        errors = errors.and_also(Errors(errors.at, -errors.values))
    shared = np.nan_to_num(error_quantiles(errors, levels))  # 0 where nothing was observed
    together = np.broadcast_to(shared, (series + 1, *shared.shape))
    if not own:
        return together
    each = np.stack([*(error_quantiles(errors.of(number), levels) for number in range(series)), shared])
    return np.where(np.isnan(each), together, each)


def _loss(errors: Errors, table: np.ndarray, levels: Sequence[float]) -> float:
    """Sum of the pinball losses of the quantiles that a table of offsets gives."""
    total = 0.0
    for position, level in enumerate(levels):
        left = errors.values - table[errors.at.series, ..., position]
        total += float(np.nansum(np.maximum(level * left, (level - 1) * left)))
    return total


def error_quantiles(errors: Errors, levels: Sequence[float]) -> np.ndarray:
    """Quantiles of errors at every step: `(horizon, targets, levels)`, NaN where nothing was observed."""
    horizon = errors.values.shape[1]
    if not len(errors.at):
        return np.full((*errors.values.shape[1:], len(levels)), np.nan)

    def quantiles(pooled: np.ndarray) -> np.ndarray:
        seen = ~np.isnan(pooled).all(axis=0)
        known = np.where(seen, pooled, 0.0)
        quantile = np.nanquantile if np.isnan(known).any() else np.quantile  # the first one is slow
        return np.where(seen, quantile(known, levels, axis=0), np.nan)  # (levels, steps, targets)

    outermost = max(max(levels), 1 - min(levels))
    width = pooled_steps(len(apart(errors.at, horizon)), horizon, outermost)
    return np.moveaxis(with_neighbours(errors.values, width, quantiles), 0, -1)


def pooled_steps(count: int, horizon: int, level: float) -> int:
    """How many neighbouring steps share their errors, so that enough of them lie beyond a quantile.

    Args:
        count: Windows that do not overlap.
        horizon: Steps of a window.
        level: Of the quantile; its distance from 0 or 1 counts, whichever is smaller.
    """
    needed = FEWEST_BEYOND / (min(level, 1 - level) * max(count, 1))
    return min(horizon, math.ceil(round(needed, 6)))


def with_neighbours(errors: np.ndarray, width: int, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A statistic of every step, from the errors of the `width` steps around it: `(…, horizon, targets)`.

    Args:
        errors: `(examples, horizon, targets)`.
        width: Steps that share their errors.
        statistic: From `(errors, steps, targets)` to `(…, steps, targets)`.
    """
    examples, horizon, targets = errors.shape
    starts = np.clip(np.arange(horizon) - width // 2, 0, horizon - width)
    different = np.unique(starts)
    at_once = max(1, MOST_ERRORS // (examples * width * targets))
    found = []
    for first in range(0, len(different), at_once):
        steps = different[first : first + at_once]
        found.append(statistic(np.concatenate([errors[:, steps + shift] for shift in range(width)])))
    return np.concatenate(found, axis=-2)[..., np.searchsorted(different, starts), :]


def apart(at: windows.Origins, horizon: int) -> np.ndarray:
    """Positions of origins whose horizons do not overlap; those of different series never do."""
    kept: list[int] = []
    last: dict[int, int] = {}
    for position, (row, series) in enumerate(zip(at.rows.tolist(), at.series.tolist(), strict=True)):
        if row >= last.get(series, row - horizon) + horizon:
            kept.append(position)
            last[series] = row
    return np.array(kept, dtype=int)
