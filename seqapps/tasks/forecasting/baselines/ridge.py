"""Ridge regression of the horizon on the window, from sums over all windows, which never lie in memory at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from seqapps.series import windows

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
NUMBERS_AT_ONCE = 10_000_000  # of windows and futures


@dataclass(frozen=True)
class Pairs:
    """Windows and what followed, as differences from the window's last value: one pair per origin and column.

    Attributes:
        filled: `(rows, targets)`, the windows' values, without gaps.
        observed: `(rows, targets)`, NaN where missing; a future with a gap is left out.
        at: Where the futures start.
        window: Steps before.
        horizon: Steps after.
    """

    filled: np.ndarray
    observed: np.ndarray
    at: windows.Origins
    window: int
    horizon: int

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """`(pairs, window)` and `(pairs, horizon)`, some pairs at a time."""
        # Where every future has a gap, the filled values are learned rather than nothing at all.
        source = self.observed if self._any_whole() else self.filled
        at_once = max(1, NUMBERS_AT_ONCE // ((self.window + self.horizon) * self.filled.shape[1]))
        for start in range(0, len(self.at), at_once):
            at = self.at[start : start + at_once]
            history = padded(windows.histories(self.filled, at, self.window))
            history = history.transpose(0, 2, 1).reshape(-1, self.window)
            future = windows.futures(source, at, self.horizon).transpose(0, 2, 1).reshape(-1, self.horizon)
            whole = ~np.isnan(future).any(axis=1)
            last = history[whole, -1:]
            yield history[whole] - last, future[whole] - last

    def _any_whole(self) -> bool:
        gaps = np.pad(np.cumsum(np.isnan(self.observed), axis=0), [(1, 0), (0, 0)])
        return bool((gaps[self.at.rows + self.horizon] == gaps[self.at.rows]).any())


def fit(train: Pairs, validation: Pairs) -> tuple[float, np.ndarray, np.ndarray]:
    """The strength with the least squared error on `validation`, and its `(window, horizon)` and `(horizon,)`.

    The normal equations, Hoerl & Kennard 1970; the intercept is not penalised.
    """
    count, of_windows, of_futures = 0, np.zeros(train.window), np.zeros(train.horizon)
    gram, moment = np.zeros((train.window, train.window)), np.zeros((train.window, train.horizon))
    for history, future in train.batches():
        count += len(history)
        of_windows += history.sum(axis=0)
        of_futures += future.sum(axis=0)
        gram += history.T @ history
        moment += history.T @ future
    mean_window, mean_future = of_windows / count, of_futures / count
    gram -= count * np.outer(mean_window, mean_window)
    moment -= count * np.outer(mean_window, mean_future)
    fitted = {}
    for strength in STRENGTHS:
        coefficients = scipy.linalg.solve(gram + strength * np.eye(train.window), moment, assume_a="pos")
        fitted[strength] = coefficients, mean_future - mean_window @ coefficients
    errors = dict.fromkeys(STRENGTHS, 0.0)
    for history, future in validation.batches():
        for strength, (coefficients, intercept) in fitted.items():
            errors[strength] += np.square(history @ coefficients + intercept - future).sum()
    best = min(errors, key=lambda strength: errors[strength])
    return best, *fitted[best]


def padded(history: np.ndarray) -> np.ndarray:
    """Windows that reach before their series take its first value there."""
    if not np.isnan(history).any():
        return history
    first = np.argmax(~np.isnan(history), axis=1, keepdims=True)
    return np.where(np.isnan(history), np.nan_to_num(np.take_along_axis(history, first, axis=1)), history)
