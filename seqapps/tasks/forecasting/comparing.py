"""What a comparison of forecasters must know of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqapps.significance import FEWEST_ORIGINS, Measured, Outcome, diebold_mariano, permutation_test
from seqapps.tasks.forecasting import data as data_module
from seqapps.tasks.forecasting import preprocessing
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.evaluation import METRICS
from seqapps.tasks.forecasting.model import build_model
from seqapps.tasks.forecasting.pipeline import refits


def measured(options: Mapping[str, Any]) -> Measured:
    """By what runs with these options are compared: MASE, or MAE where it is not defined, and Diebold & Mariano's test
    of the mean absolute errors from every origin; of many series with few origins a permutation test over series."""
    test = "Diebold-Mariano test with the correction of Harvey, Leybourne & Newbold"
    over_series = f", or with fewer than {FEWEST_ORIGINS} origins a permutation test over series"
    return Measured(
        scores=("mase", "mae"),
        names=METRICS,
        lower_is_better=True,
        test=test + over_series if _are_series(options) else test,
        columns={"id": str, "origin": str, "time": str, "reference": float, "loss": float},
        items=("id", "origin", "time", "reference"),
        same=("season_length",),
        tested=_tested,
    )


def parameters(config: Config, data: str | Path | pd.DataFrame) -> Callable[[Config], int]:
    """What counts the numbers that a model of these data holds, for any config that differs in the recurrence alone."""
    splits = data_module.load(data, config)
    sizes = preprocessing.fit(refits.served_splits(splits, config), config).sizes()

    def count(config: Config) -> int:
        return build_model(data_module.resolved(config, splits), sizes).count_params()

    return count


def _are_series(options: Mapping[str, Any]) -> bool:
    """Whether every column of a panel is a series of its own, which tells something that others do not."""
    return options["layout"] == "rows" or (options["layout"] == "long" and len(options["target_columns"]) == 1)


def _tested(ours: pd.DataFrame, theirs: pd.DataFrame, options: Mapping[str, Any], resamples: int) -> Outcome | None:
    """Of the absolute errors in standard deviations of a column's test values: means over all columns and steps."""
    deviation = ours.groupby("id")["reference"].transform("std")
    deviation = deviation.where(deviation > 0, 1.0)  # a constant column, or one with a single value, has none
    table = pd.DataFrame({name: _ordered(ours[name]) for name in ("origin", "time")})
    table["ours"], table["theirs"] = ours["loss"] / deviation, theirs["loss"] / deviation
    if table["origin"].nunique() < FEWEST_ORIGINS and _are_series(options):
        means = table.groupby(ours["id"])[["ours", "theirs"]].mean().dropna()
        return permutation_test(means["ours"].to_numpy(), means["theirs"].to_numpy(), resamples)
    origins = table.groupby("origin").agg({"time": ["min", "max"], "ours": "mean", "theirs": "mean"})
    origins = origins[origins["ours"]["mean"].notna()]
    first, last = (origins["time"][end].to_numpy() for end in ("min", "max"))
    later = np.searchsorted(first, last, side="right") - 1 - np.arange(len(first))  # forecasts that share a step
    losses = [origins[name]["mean"].to_numpy() for name in ("ours", "theirs")]
    return diebold_mariano(losses[0], losses[1], int(later.max(initial=0)))


def _ordered(stamps: pd.Series) -> pd.Series:
    """Time stamps, or whole numbers that stand for them, as what can be ordered."""
    numbers = pd.to_numeric(stamps, errors="coerce")
    return pd.to_datetime(stamps) if numbers.isna().any() else numbers
