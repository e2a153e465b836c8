"""The classical methods of `--baselines full`: exponential smoothing, Theta and the M4 competition's Naive2."""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsforecast.models import AutoETS, AutoTheta

from seqapps import checks
from seqapps.series import windows
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.preprocessing import Preprocessing

ETS, THETA, NAIVE2 = "AutoETS", "AutoTheta", "Naive2"
MOST_FITS = 2_000  # per method; a fit takes seconds where the season is long
SEASONAL = 1.645  # standard errors: the 90 % limit of the competition's test of seasonality
FEWEST_VALUES = 4  # to a shorter past statsforecast fits nothing
UNFITTED = ("tiny datasets", "no model able to be fitted")  # what it says where a longer past is too short, or odd
LARGEST_LOGARITHM = 88.0  # its power is the largest that float32 holds
Answer = tuple[np.ndarray, np.ndarray]  # (horizon,) forecast, (horizon, levels) quantiles


def check_fits(splits: Splits, split: str, option: str = "full") -> None:
    """Refuse more fits than anybody would wait for.

    Raises:
        ValueError: With their number and how to have fewer.
    """
    fits = len(splits.origins(split)) * splits.panel.values.shape[1]
    if option == "full" and fits > MOST_FITS:
        advice = "Take fewer windows with --windows and --step-size."
        checks.fail("baselines", f"'fast' for {fits} windows: each would need fits of its own", option, advice)


def forecast(
    splits: Splits, at: windows.Origins, preprocessing: Preprocessing, config: Config
) -> tuple[dict[str, Answer], dict[str, int]]:
    """Forecasts of every method from each origin, each from the whole past of its series.

    With `transform="log"` AutoETS and AutoTheta work on logarithms, as the model does; Naive2 is defined on the data.

    Returns:
        For every method `(examples, horizon, targets)` and `(examples, horizon, targets, levels)`, raw units; and how
        many of its fits failed, so that the last value is the forecast.
    """
    season, horizon, values = splits.season_length, splits.horizon, splits.panel.values
    log = preprocessing.transform == "log"
    methods: dict[str, Callable[[np.ndarray], Answer | None]] = {
        ETS: lambda past: _statistical(AutoETS(season_length=season), past, horizon, config.levels, log),
        THETA: lambda past: _statistical(AutoTheta(season_length=season), past, horizon, config.levels, log),
        NAIVE2: lambda past: naive2(_filled(past), horizon, season, config.levels),
    }
    answers: dict[str, Answer] = {}
    fallbacks = dict.fromkeys(methods, 0)
    for name, method in methods.items():
        points = np.empty((len(at), horizon, values.shape[1]))
        spreads = np.empty((*points.shape, len(config.levels)))
        for example, (row, first) in enumerate(zip(at.rows, at.firsts, strict=True)):
            for target in range(values.shape[1]):
                past = values[first:row, target]
                answer = method(past)
                if answer is None:
                    fallbacks[name] += 1
                    answer = _filled(past)[-1], _filled(past)[-1]
                points[example, :, target], spreads[example, :, target] = answer
        answers[name] = (points, spreads)
    return answers, fallbacks


def _filled(past: np.ndarray) -> np.ndarray:
    """A gap takes the value before it, at the start the one after; 0 where there is none."""
    return pd.Series(past).ffill().bfill().fillna(0.0).to_numpy()


def _statistical(model, past: np.ndarray, horizon: int, levels: tuple[float, ...], log: bool) -> Answer | None:
    """One of statsforecast's models, or `None` where it cannot be fitted."""
    if log:  # what has no logarithm is a gap
        past = np.log(np.where(past > 0, past, np.nan))
    series = _filled(past)
    widths = sorted({round(100 * abs(1 - 2 * level), 4) for level in levels if level != 0.5})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = model.forecast(y=series.astype("float64"), h=horizon, level=widths)
    except Exception as error:  # statsforecast has no narrower class for what it cannot fit
        if len(series) >= FEWEST_VALUES and str(error) not in UNFITTED:
            raise
        return None
    spread = np.empty((horizon, len(levels)))
    for position, level in enumerate(levels):
        name = f"{'lo' if level < 0.5 else 'hi'}-{round(100 * abs(1 - 2 * level), 4)}"
        spread[:, position] = answer["mean"] if level == 0.5 else answer[name]
    if not (np.isfinite(answer["mean"]).all() and np.isfinite(spread).all()):
        return None
    return (_power(answer["mean"]), _power(spread)) if log else (answer["mean"], spread)


def _power(values: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(values, LARGEST_LOGARITHM))


def naive2(past: np.ndarray, horizon: int, season_length: int, levels: tuple[float, ...] = (0.5,)) -> Answer:
    """The last value, seasonally adjusted where the season is significant: the M4 competition's reference.

    Source: Makridakis et al. 2020, with the classical multiplicative decomposition. Quantiles are those of a random
    walk with the steps of the adjusted series.

    Args:
        past: `(time,)`, without gaps.
        horizon: Steps to forecast.
        season_length: Steps of a season.
        levels: Quantile levels.

    Returns:
        `(horizon,)` and `(horizon, levels)`.

    Example:

    >>> naive2(np.array([1.0, 2.0] * 6 + [3.0]), horizon=2, season_length=1)[0]
    array([3., 3.])
    """
    indices = np.ones(season_length)
    if seasonal(past, season_length):
        indices = seasonal_indices(past, season_length)
    phase = np.arange(len(past)) % season_length
    adjusted = past / indices[phase]
    ahead = indices[np.arange(len(past), len(past) + horizon) % season_length]
    deviation = np.std(np.diff(adjusted)) if len(past) > 1 else 0.0
    spread = deviation * np.sqrt(np.arange(1, horizon + 1))[:, None] * norm.ppf(levels)
    return adjusted[-1] * ahead, (adjusted[-1] + spread) * ahead[:, None]


def seasonal(past: np.ndarray, season_length: int) -> bool:
    """Whether the autocorrelation at the season exceeds its 90 % limit (Bartlett's formula)."""
    if season_length < 2 or len(past) < 3 * season_length or (past <= 0).any() or np.ptp(past) == 0:
        return False
    centred = past - past.mean()
    lags = range(1, season_length + 1)
    correlation = np.array([centred[lag:] @ centred[:-lag] for lag in lags]) / (centred @ centred)
    limit = SEASONAL * np.sqrt((1 + 2 * np.square(correlation[:-1]).sum()) / len(past))
    return bool(abs(correlation[-1]) > limit)


def seasonal_indices(past: np.ndarray, season_length: int) -> np.ndarray:
    """Indices of the classical multiplicative decomposition: `(season_length,)` from the first step on, mean 1."""
    even = season_length % 2 == 0
    weights = np.full(season_length + even, 1 / season_length)
    if even:
        weights[[0, -1]] /= 2
    trend = np.convolve(past, weights, mode="valid")
    start = len(weights) // 2
    ratio = past[start : start + len(trend)] / trend
    phase = np.arange(start, start + len(trend)) % season_length
    indices = np.bincount(phase, ratio, season_length) / np.bincount(phase, minlength=season_length)
    return indices / indices.mean()
