"""Metrics through the bundle: rolling origins over a split, the baselines on the same windows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from utilsforecast import losses

from seqapps.series import windows
from seqapps.tasks.forecasting.baselines import Baselines
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.preprocessing import Preprocessing
from seqapps.tasks.forecasting.serving import Served

MODEL = "model"
MOST_FORECASTS = 4_000_000  # steps × columns × origins that are held in memory at once
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
class Evaluation:
    """What a model and its baselines answered on a split, and how good it was.

    Attributes:
        origins: `(examples,)` rows at which the forecasts start.
        actual: `(examples, horizon, targets)` in raw units, NaN where missing.
        forecasts: For every method `(examples, horizon, targets)`.
        quantiles: For every method `(examples, horizon, targets, levels)`.
        metrics: What `metrics.json` holds.
    """

    origins: np.ndarray
    actual: np.ndarray
    forecasts: dict[str, np.ndarray]
    quantiles: dict[str, np.ndarray]
    metrics: dict[str, Any]


def evaluate(served: Served, splits: Splits, split: str, baselines: Baselines | None) -> Evaluation:
    """Forecast from every origin of a split and compare with what came.

    Args:
        served: The run's SavedModel.
        splits: The data, cut by the run's rule.
        split: `"test"`, `"validation"` or `"all"`.
        baselines: Fitted with the run; `None` leaves the model alone in the table.
    """
    values, preprocessing = splits.series.values, served.preprocessing
    every = splits.origins(split)
    stride = max(1, -(-len(every) * splits.horizon * values.shape[1] // MOST_FORECASTS))
    origins = every[::stride]
    answers = list(served.answers(values, origins))
    forecasts = {MODEL: np.concatenate([answer["forecast"] for answer in answers])}
    quantiles = {MODEL: np.concatenate([answer["quantiles"] for answer in answers])}
    for method, forecast in (baselines.forecast(values, origins, preprocessing) if baselines else {}).items():
        forecasts[method] = forecast
        quantiles[method] = baselines.quantiles(method, forecast)  # type: ignore[union-attr]
    actual = windows.futures(values, origins, splits.horizon)
    config = served.config
    methods = _metrics(actual, forecasts, quantiles, config.levels, config.interval, preprocessing)
    metrics = {
        "split": split,
        "windows": len(origins),
        "every_nth_origin": stride,
        "methods": methods["mean"],
        "verdict": verdict(methods["mean"]),
        "by_column": methods["by_column"],
        "by_step": _by_step(actual, forecasts, preprocessing),
        "lag_check": lag_check(values, origins, forecasts[MODEL]),
    }
    if baselines:
        metrics["ridge_strength"] = baselines.strength
    return Evaluation(origins, actual, forecasts, quantiles, metrics)


def _metrics(actual, forecasts, quantiles, levels, interval, preprocessing: Preprocessing) -> dict[str, Any]:
    """Every metric of every method, per column and as the mean over columns."""
    level = round(100 * (interval[1] - interval[0]), 4)
    frame = {"unique_id": _column_numbers(actual), "y": actual.ravel()}
    scaled = {"unique_id": frame["unique_id"], "y": _scaled(actual, preprocessing).ravel()}
    for method, forecast in forecasts.items():
        frame[method] = forecast.ravel().astype("float64")
        scaled[method] = _scaled(forecast, preprocessing).ravel()
        for position, at in enumerate(levels):
            frame[f"{method}-q{at}"] = quantiles[method][..., position].ravel().astype("float64")
        for end, at in zip(("lo", "hi"), interval, strict=True):
            frame[f"{method}-{end}-{level}"] = frame[f"{method}-q{at}"]
    table, scaled_table = (pd.DataFrame(columns).dropna(subset="y") for columns in (frame, scaled))
    methods = list(forecasts)
    by_level = {method: [f"{method}-q{at}" for at in levels] for method in methods}
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
    tables["smape"] = 200 * tables["smape"]  # to the percent of the M competitions: 200 |y − f| / (|y| + |f|)
    denominator = pd.Series(preprocessing.seasonal_error).replace(0.0, np.nan).reindex(tables["mae"].index)
    tables["mase"] = tables["mae"].div(denominator, axis=0)
    return {
        "mean": {method: {name: _number(tables[name][method].mean()) for name in METRICS} for method in methods},
        "by_column": {
            column: {
                method: {name: _number(tables[name][method].get(position, np.nan)) for name in METRICS}
                for method in methods
            }
            for position, column in enumerate(preprocessing.columns)
        },
    }


def _column_numbers(actual: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.arange(actual.shape[2]), actual.shape).ravel()


def _scaled(values: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Z-scores of `(…, targets)`, with the mean and deviation of the (transformed) training part."""
    return preprocessing.forward(values).numpy().astype("float64")


def _number(value: float) -> float | None:
    """JSON has no NaN: a metric that is not defined is null."""
    return None if np.isnan(value) else float(value)


def _by_step(actual, forecasts, preprocessing: Preprocessing) -> dict[str, list[float | None]]:
    """Mean absolute error of the z-scores at every step of the horizon."""
    expected = _scaled(actual, preprocessing)
    by_step = {}
    for method, forecast in forecasts.items():
        error = np.abs(_scaled(forecast, preprocessing) - expected)
        count = (~np.isnan(error)).sum(axis=(0, 2))
        mean = np.nansum(error, axis=(0, 2)) / np.where(count, count, np.nan)  # a step without truth has no error
        by_step[method] = [_number(value) for value in mean]
    return by_step


def verdict(methods: dict[str, dict[str, float | None]]) -> str:
    """One plain sentence: whether the model beats the best baseline, by MASE (by MAE where MASE is not defined)."""
    if len(methods) == 1:
        return "No baseline was run, so this table does not tell whether the model is any good."
    name = "mase" if methods[MODEL]["mase"] is not None else "mae"
    scores = {method: score for method, metrics in methods.items() if (score := metrics[name]) is not None}
    model = scores.pop(MODEL, None)
    if model is None or not scores:
        return "Nothing could be compared: the split has no observed values."
    best = min(scores, key=lambda method: scores[method])
    gain = 100 * (1 - model / scores[best]) if scores[best] else 0.0
    compared = f"the best baseline, {best}: {METRICS[name]} {model:.4g} against {scores[best]:.4g}"
    if model < scores[best]:
        return f"The model beats {compared} ({gain:.1f} % less).{_losses(methods, name)}"
    return f"The model does NOT beat {compared} ({abs(gain):.1f} % more)."


def _losses(methods: dict[str, dict[str, float | None]], decided: str) -> str:
    """A sentence that names the metrics by which a winner still loses."""
    lost = []
    for name in ("mase", "scaled_mse", "smape", "weighted_quantile_loss"):
        scores = {method: score for method, metrics in methods.items() if (score := metrics[name]) is not None}
        if name == decided or MODEL not in scores:
            continue
        best = min(scores, key=lambda method: scores[method])
        if best != MODEL:
            lost.append(f"{METRICS[name].removesuffix(' %')} ({best} {scores[best]:.4g}, model {scores[MODEL]:.4g})")
    return f" It does not by {', '.join(lost)}." if lost else ""


def lag_check(values: np.ndarray, origins: np.ndarray, forecast: np.ndarray) -> dict[str, Any]:
    """Tells when the forecast of a step is only the last input, shifted in time.

    A forecast that copies its input lies much nearer to the last value before the origin than to the truth. Reported
    for a step and column if its distance to that value is under a quarter of its distance to the truth.

    Args:
        values: `(time, targets)` in raw units.
        origins: `(examples,)`.
        forecast: `(examples, horizon, targets)`.

    Returns:
        `share`: the part of steps and columns that are copies; `message`: a sentence, empty if there is nothing to say.
    """
    last = pd.DataFrame(values).ffill().to_numpy()[np.maximum(origins - 1, 0)][:, None]
    actual = windows.futures(values, origins, forecast.shape[1])
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


def prediction_table(evaluation: Evaluation, splits: Splits, most_rows: int = 200_000) -> pd.DataFrame:
    """One row per column, origin and step: time, reference, answer, loss, and the baselines' answers beside it.

    Origins are thinned evenly to at most `most_rows` rows.
    """
    _, horizon, targets = evaluation.actual.shape
    most_origins = max(1, most_rows // (horizon * targets))
    stride = -(-len(evaluation.origins) // most_origins)
    origins = evaluation.origins[::stride]
    actual = evaluation.actual[::stride]
    steps = origins[:, None] + np.arange(horizon)
    every = (len(origins), horizon, targets)
    stamps = splits.series.stamps
    columns: dict[str, Any] = {
        "id": np.broadcast_to(np.array(splits.series.columns), every).ravel(),
        "origin": stamps[np.repeat(np.maximum(origins - 1, 0), horizon * targets)],
        "time": stamps[np.repeat(steps.ravel(), targets)],
        "reference": actual.ravel(),
        "answer": evaluation.forecasts[MODEL][::stride].ravel(),
    }
    columns["loss"] = np.abs(columns["answer"] - columns["reference"])
    for method, forecast in evaluation.forecasts.items():
        if method != MODEL:
            columns[method] = forecast[::stride].ravel()
    return pd.DataFrame(columns)
