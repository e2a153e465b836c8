"""Baselines reproduce what is known of them before a forecasting benchmark speaks of a model."""

from pathlib import Path

import numpy as np
import pandas as pd
import training_runs
from scipy import stats

from seqapps.series import windows
from seqapps.tasks.forecasting import baselines, preprocessing
from seqapps.tasks.forecasting import data as forecasting_data
from seqapps.tasks.forecasting.baselines.classical import naive2
from seqapps.tasks.forecasting.config import Config

NAIVE, SEASONAL, RIDGE = "repeat last value", "seasonal naive", "ridge regression"
# What is known of a baseline on the same windows, from outside: (method, metric, value, distance that is rounding).
# ETTh1: the last value from Zeng et al. 2023, Table 2, whose batches leave out the last windows (at horizon 336 so many
# that it does not compare), and ridge regression on differences from the last value. M4: the competition's table.
# Airline: the last 12 months repeated.
KNOWN = {
    "etth1": [
        (NAIVE, "scaled_mse", 1.295, 0.002),
        (NAIVE, "scaled_mae", 0.713, 0.001),
        (RIDGE, "scaled_mse", 0.383, 0.001),
    ],
    "etth1-336": [(RIDGE, "scaled_mse", 0.474, 0.003)],
    "etth1-long-96": [(NAIVE, "scaled_mse", 1.295, 0.002)],
    "etth1-long-336": [],
    "m4-hourly": [
        (NAIVE, "smape", 43.003, 0.001),
        (NAIVE, "mase", 11.608, 0.001),
        (SEASONAL, "smape", 13.912, 0.001),
        (SEASONAL, "mase", 1.193, 0.001),
    ],
    "airline": [(SEASONAL, "mase", 2.494, 0.001)],
    "airline-13": [(SEASONAL, "mase", 1.801, 0.001)],
}
# Ridge regression on ETTh1 with a window of 720 steps: the known MSE of z-scores by horizon.
LONG_WINDOW, LONG_RIDGE = 720, {96: 0.370, 336: 0.425}
NAIVE2 = {"smape": 18.383, "mase": 2.395}  # of the M4 competition on the hourly series: the unit of OWA
SEASON, HORIZON = 24, 48  # of M4 Hourly
LEVELS = np.arange(1, 10) / 10
SEASONAL_WQL = 0.0376  # seasonal naive with quantiles from its residuals, pooled, of M4 Hourly


def check_known(row: str, methods: dict) -> list[str]:
    """Refuse a row whose baselines do not reproduce what is known of them; say what they reproduce."""
    sentences = []
    for method, metric, known, rounding in KNOWN[row if row in KNOWN else row.split("-")[0]]:
        received = methods[method][metric]
        sentences.append(training_runs.check_score(method, metric, known, received, rounding))
    return sentences


def check_naive2(data: Path) -> str:
    """Refuse to speak of OWA before Naive2 reproduces the competition's scores."""
    smape, mase = [], []
    for past, future in hourly(data):
        forecast, _ = naive2(past, HORIZON, SEASON)
        smape.append(np.mean(200 * np.abs(forecast - future) / (np.abs(forecast) + np.abs(future))))
        mase.append(np.mean(np.abs(forecast - future)) / np.mean(np.abs(past[SEASON:] - past[:-SEASON])))
    received = {"smape": float(np.mean(smape)), "mase": float(np.mean(mase))}
    for metric, known in NAIVE2.items():
        training_runs.check_score("Naive2", metric, known, received[metric], 0.001)
    shown = f"({received['smape']:.4f}) and MASE of 2.395 ({received['mase']:.4f})"
    return f"Naive2 reproduces the known sMAPE of 18.383 {shown}"


def check_ridge(path: Path, horizon: int) -> str:
    """Refuse a row with a long window before ridge regression reproduces what is known of it at the longest one."""
    options = Config(split_rows=(8640, 11520, 14400), window=LONG_WINDOW, horizon=horizon)
    splits = forecasting_data.load(path, options)
    scaling = preprocessing.fit(splits, options)
    at = splits.origins("test")
    actual = windows.futures(scaling.arrays(splits.panel).values, at, horizon)
    forecast = baselines.fit(splits, options, scaling).forecast(splits.panel, at, scaling)[RIDGE]
    received, known = float(np.mean((forecast - actual) ** 2)), LONG_RIDGE[horizon]
    method = f"{RIDGE} with a window of {LONG_WINDOW} steps"
    sentence = training_runs.check_score(method, "MSE", known, received, 0.004)
    return f"{sentence}, with a MAE of {float(np.mean(np.abs(forecast - actual))):.4f}"


def check_seasonal_naive(data: Path) -> str:
    """Refuse to speak of quantile losses before the seasonal naive's, with normal residuals, is the known one.

    Its variance grows with every season ahead. Source: Hyndman & Athanasopoulos 2021, section 5.5.
    """
    pinball, total = np.zeros(len(LEVELS)), 0.0
    for past, future in hourly(data):
        deviation = np.sqrt(np.mean((past[SEASON:] - past[:-SEASON]) ** 2))
        middle = np.tile(past[-SEASON:], HORIZON // SEASON)
        width = deviation * np.sqrt(np.arange(HORIZON) // SEASON + 1)
        error = future[:, None] - (middle[:, None] + stats.norm.ppf(LEVELS) * width[:, None])  # (horizon, levels)
        pinball += np.maximum(LEVELS * error, (LEVELS - 1) * error).sum(axis=0)
        total += np.abs(future).sum()
    received = float(np.mean(2 * pinball / total))
    method = f"{SEASONAL} with quantiles from its residuals"
    return training_runs.check_score(method, "pooled weighted quantile loss", SEASONAL_WQL, received, 0.0002)


def hourly(data: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Past and future of every series of M4 Hourly."""
    train, test = (
        pd.read_csv(data / f"m4_hourly_{part}.csv.gz", index_col=0).to_numpy("float64") for part in ("train", "test")
    )
    return [(padded[~np.isnan(padded)], future) for padded, future in zip(train, test, strict=True)]
