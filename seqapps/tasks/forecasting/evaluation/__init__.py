"""Metrics through the bundle: rolling origins over a split, the baselines on the same windows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from seqapps.series import windows
from seqapps.series.panel import ONLY, Panel
from seqapps.tasks.forecasting.baselines import Baselines, classical
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.evaluation.calibration import Calibration, calibrate, stride
from seqapps.tasks.forecasting.evaluation.scores import (
    METRICS,
    MODEL,
    Answers,
    by_step,
    by_third,
    chance,
    lag_check,
    notes,
    number,
    pooled_loss,
    tables,
)
from seqapps.tasks.forecasting.evaluation.verdict import verdict
from seqapps.tasks.forecasting.preprocessing import Preprocessing
from seqapps.tasks.forecasting.serving import Served

__all__ = [
    "METRICS", "MODEL", "Answers", "Calibration", "Evaluation", "answer", "calibrate", "evaluate", "joined",
    "lag_check", "names_of", "prediction_table", "score", "verdict",
]  # fmt: skip


@dataclass(frozen=True)
class Evaluation(Answers):
    """Answers with their scores.

    Attributes:
        metrics: What `metrics.json` holds.
    """

    metrics: dict[str, Any] = field(default_factory=dict)


def evaluate(served: Served, splits: Splits, split: str, baselines: Baselines | None, full: bool = False) -> Evaluation:
    """Forecast from every origin of a split and compare with what came.

    Args:
        served: The run's SavedModel.
        splits: The data, cut by the run's rule.
        split: `"test"`, `"validation"` or `"all"`.
        baselines: Fitted with the run; `None` leaves the model alone in the table.
        full: Whether the classical methods stand in the table too.
    """
    answers = answer(served, splits, split, baselines, full)
    evaluation = score(answers, splits, split, served.config, served.preprocessing.aligned(splits))
    if baselines:
        evaluation.metrics["ridge_strength"] = baselines.strength
    return evaluation


def answer(served: Served, splits: Splits, split: str, baselines: Baselines | None, full: bool = False) -> Answers:
    """What the model and its baselines answer from every origin of a split; arguments as for `evaluate`."""
    panel, preprocessing = splits.panel, served.preprocessing.aligned(splits)
    every = splits.origins(split)
    every_nth = stride(len(every), splits, served.config)
    at = every[::every_nth]
    batches = list(served.answers(panel, at))
    forecasts = {MODEL: np.concatenate([batch["forecast"] for batch in batches])}
    quantiles = {MODEL: np.concatenate([batch["quantiles"] for batch in batches])}
    mean, scale = preprocessing.statistics(at.series, rank=3)
    simple = baselines.forecast(panel, at, preprocessing) if baselines else {}
    for method, forecast in simple.items():
        spread = baselines.quantiles(method, forecast, panel, at)  # type: ignore[union-attr]
        forecasts[method] = preprocessing.inverse(forecast, mean, scale).numpy()
        quantiles[method] = preprocessing.inverse(spread, mean[..., None], scale[..., None]).numpy()
    fallbacks: dict[str, int] = {}
    if full:
        found, fallbacks = classical.forecast(splits, at, preprocessing, served.config)
        for method, (forecast, spread) in found.items():
            forecasts[method], quantiles[method] = forecast, spread
    return Answers(at, windows.futures(panel.values, at, splits.horizon), forecasts, quantiles, every_nth, fallbacks)


def joined(parts: list[Answers]) -> Answers:
    """Answers of several models, each from its own origins, as one."""

    def together(name: str) -> dict[str, np.ndarray]:
        return {
            method: np.concatenate([getattr(part, name)[method] for part in parts]) for method in parts[0].forecasts
        }

    at = windows.joined([part.at for part in parts])
    actual = np.concatenate([part.actual for part in parts])
    fallbacks = {method: sum(part.fallbacks[method] for part in parts) for method in parts[0].fallbacks}
    return Answers(at, actual, together("forecasts"), together("quantiles"), fallbacks=fallbacks)


def score(answers: Answers, splits: Splits, split: str, config: Config, preprocessing: Preprocessing) -> Evaluation:
    """The metrics of answers; `preprocessing` must be aligned with the data."""
    forecasts, quantiles, actual, at = answers.forecasts, answers.quantiles, answers.actual, answers.at
    scores = tables(actual, forecasts, quantiles, config, preprocessing, at)
    methods = {method: {name: number(scores[name][method].mean()) for name in METRICS} for method in forecasts}
    chances = chance(answers, splits.horizon, preprocessing)
    metrics = {
        "split": split,
        "windows": len(at),
        "every_nth_origin": answers.every_nth,
        "methods": methods,
        "verdict": verdict(methods, chances),
        "chance": chances,
        "by_column": {
            name: {
                method: {metric: number(scores[metric][method].get(position, np.nan)) for metric in METRICS}
                for method in forecasts
            }
            for position, name in enumerate(names_of(splits.panel))
            if position in scores["mae"].index
        },
        "by_step": by_step(actual, forecasts, preprocessing, at),
        "by_horizon_third": by_third(actual, quantiles, config, at),
        "pooled_weighted_quantile_loss": pooled_loss(actual, quantiles, config.levels),
        "lag_check": lag_check(splits.panel.values, at, forecasts[MODEL]),
        "notes": notes(answers, scores),
    }
    return Evaluation(at, actual, forecasts, quantiles, answers.every_nth, answers.fallbacks, metrics)


def names_of(panel: Panel) -> list[str]:
    """What the table calls every column of every series."""
    if panel.ids == (ONLY,):
        return list(panel.columns)
    if len(panel.columns) == 1:
        return list(panel.ids)
    return [f"{series}: {column}" for series in panel.ids for column in panel.columns]


def prediction_table(evaluation: Evaluation, splits: Splits, most_rows: int = 200_000) -> pd.DataFrame:
    """One row per column, origin and step: time, reference, answer, loss, and the baselines' answers beside it.

    Origins are thinned evenly to at most `most_rows` rows.
    """
    _, horizon, targets = evaluation.actual.shape
    most_origins = max(1, most_rows // (horizon * targets))
    thinned = slice(None, None, -(-len(evaluation.at) // most_origins))
    at = evaluation.at[thinned]
    actual = evaluation.actual[thinned]
    steps = at.rows[:, None] + np.arange(horizon)
    stamps = splits.panel.stamps
    names = np.array(names_of(splits.panel), dtype=object).reshape(-1, targets)[at.series]  # (origins, targets)
    columns: dict[str, Any] = {
        "id": np.broadcast_to(names[:, None], actual.shape).ravel(),
        "origin": stamps[np.repeat(np.maximum(at.rows - 1, 0), horizon * targets)],
        "time": stamps[np.repeat(steps.ravel(), targets)],
        "reference": actual.ravel(),
        "answer": evaluation.forecasts[MODEL][thinned].ravel(),
    }
    columns["loss"] = np.abs(columns["answer"] - columns["reference"])
    for method, forecast in evaluation.forecasts.items():
        if method != MODEL:
            columns[method] = forecast[thinned].ravel()
    return pd.DataFrame(columns)
