"""Metrics of forecasts against what came, and the sentences that say what they mean."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from utilsforecast import losses

from seqapps.series import windows
from seqapps.tasks.forecasting.baselines import LAST
from seqapps.tasks.forecasting.baselines.spread import apart
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.preprocessing import Preprocessing

MODEL = "model"
FEWEST_PAIRS = 10  # windows that do not overlap; fewer tell nothing
METRICS = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mase": "MASE",
    "smape": "sMAPE %",
    "scaled_mse": "z-MSE",
    "scaled_mae": "z-MAE",
    "weighted_quantile_loss": "WQL",
    "coverage": "coverage",
    "winkler": "Winkler",
}  # all but coverage: lower is better


@dataclass(frozen=True)
class Answers:
    """What a model and its baselines answered from some origins, and what came.

    Attributes:
        at: Where the forecasts start.
        actual: `(examples, horizon, targets)` in raw units, NaN where missing.
        forecasts: For every method `(examples, horizon, targets)`.
        quantiles: For every method `(examples, horizon, targets, levels)`.
        every_nth: How many origins there are for each that was taken.
        fallbacks: For every classical method how many of its fits failed and became the last value.
    """

    at: windows.Origins
    actual: np.ndarray
    forecasts: dict[str, np.ndarray]
    quantiles: dict[str, np.ndarray]
    every_nth: int = 1
    fallbacks: dict[str, int] = field(default_factory=dict)


def tables(actual, forecasts, quantiles, config: Config, preprocessing, at: windows.Origins) -> dict[str, pd.DataFrame]:
    """Every metric of every method, one row per column of every series."""
    levels, interval = config.levels, config.interval
    level = round(100 * (interval[1] - interval[0]), 4)
    column = columns_of(at, actual.shape[2])
    frame = {"unique_id": np.broadcast_to(column, actual.shape).ravel(), "y": actual.ravel()}
    scaled = {"unique_id": frame["unique_id"], "y": z_scores(actual, preprocessing, at).ravel()}
    for method, forecast in forecasts.items():
        frame[method] = forecast.ravel().astype("float64")
        scaled[method] = z_scores(forecast, preprocessing, at).ravel()
        for position, each in enumerate(levels):
            frame[f"{method}-q{each}"] = quantiles[method][..., position].ravel().astype("float64")
        for end, each in zip(("lo", "hi"), interval, strict=True):
            frame[f"{method}-{end}-{level}"] = frame[f"{method}-q{each}"]
    table, scaled_table = (pd.DataFrame(columns).dropna(subset="y") for columns in (frame, scaled))
    methods = list(forecasts)
    by_level = {method: [f"{method}-q{each}" for each in levels] for method in methods}
    errors = {
        "mae": losses.mae(table, methods),
        "rmse": losses.rmse(table, methods),
        "smape": losses.smape(table, methods),
        "scaled_mse": losses.mse(scaled_table, methods),
        "scaled_mae": losses.mae(scaled_table, methods),
        "weighted_quantile_loss": losses.scaled_crps(table, by_level, np.array(levels)),
        "coverage": losses.coverage(table, methods, level),
        "winkler": losses.winkler_score(table, methods, level),
    }
    tables = {name: error.set_index("unique_id").sort_index() for name, error in errors.items()}
    total = table["y"].abs().groupby(table["unique_id"]).sum()
    tables["weighted_quantile_loss"] = tables["weighted_quantile_loss"].where(total > 0)  # else a division by 0
    tables["smape"] = 200 * tables["smape"]  # to the percent of the M competitions: 200 |y − f| / (|y| + |f|)
    denominator = pd.Series(np.ravel(preprocessing.seasonal_error)).replace(0.0, np.nan).reindex(tables["mae"].index)
    tables["mase"] = tables["mae"].div(denominator, axis=0)
    return tables


def notes(answers: Answers, scores: dict[str, pd.DataFrame]) -> list[str]:
    """What a reader of the scores should know: fits that failed, and columns whose metric would divide by 0."""
    fits = len(answers.at) * answers.actual.shape[2]
    told = [
        f"{method} could not be fitted to {failed} of {fits} pasts: there it repeats the last value."
        for method, failed in answers.fallbacks.items()
        if failed
    ]
    why = {
        "mase": "values never differ from one season to the next before the test part",
        "weighted_quantile_loss": "values are all 0 in this part",
    }
    for name, reason in why.items():
        missing = scores[name][MODEL].isna()
        if missing.any():
            columns = f"{missing.sum()} of {len(missing)} columns of series"
            told.append(f"{METRICS[name]} leaves out {columns}, whose {reason}.")
    return told


def by_third(actual, quantiles, config: Config, at: windows.Origins) -> dict[str, dict[str, list[float | None]]]:
    """Coverage and Winkler score of the interval in the first, second and last third of the horizon.

    Means over the columns of all series, as in the table.
    """
    low, high = (config.levels.index(level) for level in config.interval)
    width = round(100 * config.interval_level, 4)  # as utilsforecast reads it from a column's name
    thirds = [third for third in np.array_split(np.arange(actual.shape[1]), 3) if len(third)]
    column = columns_of(at, actual.shape[2])
    told: dict[str, dict[str, list[float | None]]] = {}
    for method, spread in quantiles.items():
        told[method] = {"coverage": [], "winkler": []}
        for third in thirds:
            part = actual[:, third]
            frame = {"unique_id": np.broadcast_to(column, part.shape).ravel(), "y": part.ravel()}
            for end, position in (("lo", low), ("hi", high)):
                frame[f"{method}-{end}-{width}"] = spread[..., position][:, third].ravel()
            table = pd.DataFrame(frame).dropna(subset="y")
            for metric, loss in (("coverage", losses.coverage), ("winkler", losses.winkler_score)):
                told[method][metric].append(number(loss(table, [method], width)[method].mean()))
    return told


def columns_of(at: windows.Origins, targets: int) -> np.ndarray:
    """A number for every column of every series: `(examples, 1, targets)`."""
    return at.series[:, None, None] * targets + np.arange(targets)


def pooled_loss(actual, quantiles, levels) -> dict[str, float | None]:
    """Twice the pinball loss over the sum of absolute values, all series and steps together, mean over levels."""
    observed = ~np.isnan(actual)
    truth = actual[observed]
    total = np.abs(truth).sum()
    told = {}
    for method, spread in quantiles.items():
        error = truth[:, None] - spread[observed]
        pinball = np.maximum(np.array(levels) * error, (np.array(levels) - 1) * error)
        told[method] = number(2 * pinball.sum(axis=0).mean() / total) if total else None
    return told


def z_scores(values: np.ndarray, preprocessing: Preprocessing, at: windows.Origins) -> np.ndarray:
    """Z-scores of `(examples, …, targets)`, with mean and deviation of the (transformed) training part."""
    return preprocessing.forward(values, *preprocessing.statistics(at.series, values.ndim)).numpy().astype("float64")


def number(value: float) -> float | None:
    """JSON has no NaN: a metric that is not defined is null."""
    return None if np.isnan(value) else float(value)


def by_step(actual, forecasts, preprocessing: Preprocessing, at: windows.Origins) -> dict[str, list[float | None]]:
    """Mean absolute error of the z-scores at every step of the horizon."""
    expected = z_scores(actual, preprocessing, at)
    by_step = {}
    for method, forecast in forecasts.items():
        error = np.abs(z_scores(forecast, preprocessing, at) - expected)
        count = (~np.isnan(error)).sum(axis=(0, 2))
        mean = np.nansum(error, axis=(0, 2)) / np.where(count, count, np.nan)  # a step without truth has no error
        by_step[method] = [number(value) for value in mean]
    return by_step


def chance(answers: Answers, horizon: int, preprocessing: Preprocessing) -> dict[str, dict[str, float | None]]:
    """How likely every baseline's higher error than the model's, and its lower one than the last value's, is by chance.

    A paired t-test, one-sided, of the mean absolute errors of z-scores over windows that do not overlap; windows of
    different series never do.

    Returns:
        For every baseline `windows`, `p_value` of the model's lead over it and `p_value_against_last` of its lead over
        the last value; `None` where there are too few windows to tell or nothing to compare.
    """
    positions = apart(answers.at, horizon)
    at = answers.at[positions]
    truth = z_scores(answers.actual[positions], preprocessing, at)
    errors = {}
    for method, forecast in answers.forecasts.items():
        error = np.abs(z_scores(forecast[positions], preprocessing, at) - truth)
        count = (~np.isnan(error)).sum(axis=(1, 2))
        errors[method] = np.nansum(error, axis=(1, 2)) / np.where(count, count, np.nan)
    seen = ~np.isnan(list(errors.values())).any(axis=0)
    errors = {method: error[seen] for method, error in errors.items()}
    return {
        method: {
            "windows": int(seen.sum()),
            "p_value": _p_value(errors[MODEL], error),
            "p_value_against_last": _p_value(error, errors[LAST]) if LAST in errors and method != LAST else None,
        }
        for method, error in errors.items()
        if method != MODEL
    }


def _p_value(error: np.ndarray, other: np.ndarray) -> float | None:
    """How likely so much less error than the other's is by chance; `None` for too few pairs."""
    if len(error) < FEWEST_PAIRS:
        return None
    lead = other - error
    if np.std(lead) <= 1e-9 * np.abs(lead).max():  # a constant lead needs no test
        return float(lead.mean() <= 0)
    return float(stats.ttest_rel(error, other, alternative="less").pvalue)


def lag_check(values: np.ndarray, at: windows.Origins, forecast: np.ndarray) -> dict[str, Any]:
    """Tells when the forecast of a step is only the last input, shifted in time.

    A forecast that copies its input lies much nearer to the last value before the origin than to the truth. Reported
    for a step and column if its distance to that value is under a quarter of its distance to the truth.

    Args:
        values: `(rows, targets)` in raw units.
        at: Where the forecasts start.
        forecast: `(examples, horizon, targets)`.

    Returns:
        `share`: the part of steps and columns that are copies; `message`: a sentence, empty if there is nothing to say.
    """
    series = np.searchsorted(np.unique(at.firsts), np.arange(len(values)), side="right")
    filled = pd.DataFrame(values).groupby(series).ffill().to_numpy()  # a gap never takes the value of another series
    last = windows.histories(filled, at, 1)  # (examples, 1, targets)
    actual = windows.futures(values, at, forecast.shape[1])
    known = ~np.isnan(actual) & ~np.isnan(last)
    count = np.maximum(known.sum(axis=0), 1)
    to_last = np.where(known, np.abs(forecast - last), 0).sum(axis=0) / count  # (horizon, targets)
    to_truth = np.where(known, np.abs(forecast - actual), 0).sum(axis=0) / count
    share = float((to_last < 0.25 * to_truth).mean())
    message = ""
    if share >= 0.5:
        message = (
            f"In {share:.0%} of steps and columns the forecast is little more than the last input value, shifted in "
            "time: the model has found nothing to add to it."
        )
    return {"share": share, "message": message}
