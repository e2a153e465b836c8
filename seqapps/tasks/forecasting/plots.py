"""Figures and sections of the forecasting report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqapps import report
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.evaluation import METRICS, MODEL, Evaluation

MOST_COLUMNS = 8


def write_report(
    path: Path,
    config: Config,
    splits: Splits,
    evaluation: Evaluation,
    history: Sequence[Mapping[str, float]],
    best_epoch: int,
) -> None:
    """Write `report.html`: verdict and table first, then forecasts, errors by step and the course of the training."""
    metrics = evaluation.metrics
    columns = ", ".join(splits.series.columns[:MOST_COLUMNS]) + (
        " …" if len(splits.series.columns) > MOST_COLUMNS else ""
    )
    sections = [
        _score_section(evaluation, splits, config.interval_level),
        _forecast_section(config, splits, evaluation),
    ]
    by_step = report.Section("Error by step of the horizon")
    by_step.figure(_step_figure(metrics["by_step"]), "Mean absolute error of the z-scores by step for every method")
    if len(splits.series.columns) > 1:
        by_step.paragraph("MASE of every column:").table(*_column_table(metrics["by_column"]))
    training = report.Section("Training").figure(report.curves(history, best_epoch), "Training and validation loss")
    options = {name: value for name, value in config.to_dict().items() if value is not None}
    training.paragraph("Options: " + ", ".join(f"{name} {value}" for name, value in options.items()), "note")
    report.write(path, f"Forecast of {columns}", [*sections, by_step, training])


def _score_section(evaluation: Evaluation, splits: Splits, interval_level: float) -> report.Section:
    metrics = evaluation.metrics
    scores = metrics["methods"]
    stride = metrics["every_nth_origin"]
    section = report.Section(f"Scores on the {metrics['split']} part")
    wins = metrics["verdict"].startswith("The model beats")
    section.paragraph(metrics["verdict"], "verdict" if wins else "verdict loses")
    goals = {"coverage": interval_level}
    section.table(*report.score_table(scores, METRICS), best=report.best_rows(scores, METRICS, goals), own=0)
    origins = "origin" if stride == 1 else f"{stride}th origin"
    section.paragraph(
        f"{metrics['windows']} windows, every {origins}; each method forecasts {splits.horizon} steps from the same "
        f"origins. Lower is better, except that coverage should be {interval_level:g}, the interval's level. MASE "
        f"divides by the mean absolute difference to {splits.season_length} "
        f"step{'s' if splits.season_length > 1 else ''} before, over all rows before the test part. z-MSE and "
        "z-MAE are errors of z-scores (mean and deviation of the training part), WQL is the weighted quantile loss. "
        "Baselines get quantiles from their errors on validation.",
        "note",
    )
    for note in [metrics["lag_check"]["message"], *splits.notes]:
        if note:
            section.paragraph(f"Note: {note}")
    return section


def _forecast_section(config: Config, splits: Splits, evaluation: Evaluation) -> report.Section:
    section = report.Section("Forecasts against the truth")
    shown = splits.series.columns[:MOST_COLUMNS]
    for position, name in enumerate(shown):
        figure = _forecast_figure(config, splits, evaluation, position)
        section.figure(figure, f"Forecasts of {name} with intervals, and what came")
    if len(shown) < len(splits.series.columns):
        section.paragraph(f"The first {len(shown)} of {len(splits.series.columns)} columns are shown.", "note")
    return section


def _forecast_figure(config: Config, splits: Splits, evaluation: Evaluation, column: int) -> Figure:
    """The first, a middle and the last window of the split, for one column."""
    count = len(evaluation.origins)
    chosen = sorted({0, count // 2, count - 1})
    figure = Figure(figsize=(4.2 * len(chosen) if len(chosen) > 1 else 7.5, 3.1), layout="constrained")
    low, high = (config.levels.index(level) for level in config.interval)
    for axes, example in zip(np.atleast_1d(figure.subplots(1, len(chosen))), chosen, strict=True):
        origin = int(evaluation.origins[example])
        past = np.arange(max(0, origin - min(splits.window, 2 * splits.horizon)), origin)
        future = np.arange(origin, origin + splits.horizon)
        stamps = splits.series.stamps
        axes.plot(stamps[past], splits.series.values[past, column], color="#333333", linewidth=1.1)
        axes.plot(stamps[future], evaluation.actual[example, :, column], color="#333333", linewidth=1.1, label="truth")
        quantiles = evaluation.quantiles[MODEL][example, :, column]
        axes.fill_between(
            stamps[future],
            quantiles[:, low],
            quantiles[:, high],
            color=report.COLORS[0],
            alpha=0.22,
            linewidth=0,
            label=f"{config.interval_level:.0%} interval",
        )
        axes.plot(
            stamps[future], evaluation.forecasts[MODEL][example, :, column], color=report.COLORS[0], label="forecast"
        )
        axes.axvline(stamps[origin - 1], color="#999999", linewidth=0.8, linestyle=":")
        axes.set_title(f"{splits.series.columns[column]}, from {_short(stamps[origin - 1])}", fontsize=9)
        axes.tick_params(axis="x", labelrotation=30, labelsize=7)
        axes.tick_params(axis="y", labelsize=8)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _short(stamp: pd.Timestamp | int) -> str:
    if not isinstance(stamp, pd.Timestamp):
        return str(stamp)
    return f"{stamp:%Y-%m-%d}" if stamp == stamp.normalize() else f"{stamp:%Y-%m-%d %H:%M}"


def _step_figure(by_step: Mapping[str, Sequence[float | None]]) -> Figure:
    figure = Figure(figsize=(7.5, 3.2))
    axes = figure.subplots()
    for position, (method, errors) in enumerate(by_step.items()):
        values = [np.nan if error is None else error for error in errors]
        width = 2.2 if method == MODEL else 1.3
        axes.plot(range(1, len(values) + 1), values, color=report.COLORS[position], label=method, linewidth=width)
    axes.set_xlabel("step of the horizon")
    axes.set_ylabel("mean absolute error of z-scores")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure


def _column_table(by_column: Mapping[str, Mapping[str, Mapping[str, float | None]]]):
    """MASE of every method in every column."""
    methods = list(next(iter(by_column.values())))
    return ["", *methods], [
        [column, *(report.number(scores[method]["mase"]) for method in methods)] for column, scores in by_column.items()
    ]
