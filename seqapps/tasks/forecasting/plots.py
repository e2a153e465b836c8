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
from seqapps.tasks.forecasting.evaluation import METRICS, MODEL, Evaluation, names_of

MOST_COLUMNS = 8  # shown as figures
MOST_ROWS = 50


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
    names = list(metrics["by_column"])
    columns = ", ".join(names[:MOST_COLUMNS]) + (" …" if len(names) > MOST_COLUMNS else "")
    sections = [
        _score_section(evaluation, splits, config.interval_level),
        _forecast_section(config, splits, evaluation),
    ]
    by_step = report.Section("Error by step of the horizon")
    by_step.figure(_step_figure(metrics["by_step"]), "Mean absolute error of the z-scores by step for every method")
    by_step.paragraph(f"The {config.interval_level:.0%} interval in the thirds of the horizon:")
    by_step.table(*_third_table(metrics["by_horizon_third"]))
    if len(names) > 1:
        worst = _worst_first(metrics["by_column"])[:MOST_ROWS]
        shown = "" if len(worst) == len(names) else f", the worst {len(worst)} of {len(names)}"
        by_step.paragraph(f"MASE of every column{shown}:").table(*_column_table(metrics["by_column"], worst))
    curves = report.curves(history, best_epoch, averaged=config.average_weights > 0)
    training = report.Section("Training").figure(curves, "Training and validation loss")
    if config.members > 1:
        told = "In training the loss is the mean of the members' own, in validation that of their mean, which is lower."
        training.paragraph(told, "note")
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
        "Baselines get quantiles from their errors before the test part.",
        "note",
    )
    if len(splits.panel.ids) > 1:
        pooled = metrics["pooled_weighted_quantile_loss"].items()
        told = ", ".join(f"{method} {report.number(loss)}" for method, loss in pooled)
        section.paragraph(f"WQL of all series together, weighted by the size of their values: {told}.")
    for note in [metrics["lag_check"]["message"], *metrics["notes"], *splits.notes]:
        if note:
            section.paragraph(f"Note: {note}")
    return section


def _forecast_section(config: Config, splits: Splits, evaluation: Evaluation) -> report.Section:
    section = report.Section("Forecasts against the truth")
    every = names_of(splits.panel)
    ordered = _worst_first(evaluation.metrics["by_column"])
    shown = ordered[:MOST_COLUMNS]
    for name in shown:
        series, column = divmod(every.index(name), len(splits.panel.columns))
        figure = _forecast_figure(config, splits, evaluation, name, series, column)
        section.figure(figure, f"Forecasts of {name} with intervals, and what came")
    if len(ordered) > 1:
        section.paragraph(f"{len(shown)} of {len(ordered)}, the worst by MASE first.", "note")
    return section


def _worst_first(by_column: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> list[str]:
    """Names from the model's highest MASE to its lowest; where there is none, its error in z-scores takes the place."""

    def error(name: str) -> float:
        scores = by_column[name][MODEL]
        return (scores["scaled_mae"] or 0.0) if scores["mase"] is None else scores["mase"]

    return sorted(by_column, key=error, reverse=True)


def _forecast_figure(
    config: Config, splits: Splits, evaluation: Evaluation, name: str, series: int, column: int
) -> Figure:
    """The first, a middle and the last window of the split, for one column of one series."""
    panel = splits.panel
    own = np.flatnonzero(evaluation.at.series == series)
    chosen = sorted({int(own[0]), int(own[len(own) // 2]), int(own[-1])})
    figure = Figure(figsize=(4.2 * len(chosen) if len(chosen) > 1 else 7.5, 3.1), layout="constrained")
    low, high = (config.levels.index(level) for level in config.interval)
    for axes, example in zip(np.atleast_1d(figure.subplots(1, len(chosen))), chosen, strict=True):
        origin = int(evaluation.at.rows[example])
        past = np.arange(max(panel.starts[series], origin - min(splits.window, 2 * splits.horizon)), origin)
        future = np.arange(origin, origin + splits.horizon)
        stamps = panel.stamps
        axes.plot(stamps[past], panel.values[past, column], color="#333333", linewidth=1.1)
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
        axes.set_title(f"{name}, from {_short(stamps[origin - 1])}", fontsize=9)
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


def _column_table(by_column: Mapping[str, Mapping[str, Mapping[str, float | None]]], names: Sequence[str]):
    """MASE of every method in the named columns."""
    methods = list(by_column[names[0]])
    return ["", *methods], [
        [name, *(report.number(by_column[name][method]["mase"]) for method in methods)] for name in names
    ]


def _third_table(by_third: Mapping[str, Mapping[str, Sequence[float | None]]]):
    """Coverage and Winkler score of every method in the first, second and last third of the horizon."""
    thirds = ("first", "second", "last")[: len(by_third[MODEL]["coverage"])]
    header = ["", *(f"{metric}, {third}" for metric in ("coverage", "Winkler") for third in thirds)]
    rows = [
        [method, *(report.number(value) for metric in ("coverage", "winkler") for value in told[metric])]
        for method, told in by_third.items()
    ]
    return header, rows
