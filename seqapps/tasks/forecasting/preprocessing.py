"""Scaling fitted on the training part; the same object works in `tf.data`, in the served graph and in baselines."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import tensorflow as tf

from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits

LARGEST_SCALED = 1e6  # beyond it a float32 square loses all meaning; far outside any training range


@dataclass(frozen=True)
class Preprocessing:
    """What is known of the columns from the training part.

    Attributes:
        columns: Names of the targets.
        transform: `"none"` or `"log"`, applied before scaling.
        mean: Mean of each transformed column.
        scale: Population standard deviation of each transformed column; 1 for a constant one.
        low: Smallest training value of each column, in its own units.
        high: Largest training value.
        seasonal_error: Mean absolute seasonal difference of each column before the test part, in its own units: the
            denominator of MASE (Hyndman & Koehler 2006).
        mark_missing: Whether the training part has missing values, so that the model sees which ones they are.
    """

    columns: tuple[str, ...]
    transform: str
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seasonal_error: tuple[float, ...]
    mark_missing: bool

    def forward(self, values: tf.Tensor) -> tf.Tensor:
        """Raw units → z-scores of the transformed columns: `(…, targets)`, float32, NaN for what cannot be used.

        Works in float64, so that a large level does not swallow small changes.
        """
        values = tf.cast(values, tf.float64)
        usable = tf.math.is_finite(values) & ((values > 0) if self.transform == "log" else tf.constant(True))
        # Replaced before the logarithm: it would be NaN where `usable` is False.
        values = tf.where(usable, values, tf.ones_like(values))
        values = tf.math.log(values) if self.transform == "log" else values
        scaled = (values - tf.constant(self.mean, tf.float64)) / tf.constant(self.scale, tf.float64)
        scaled = tf.clip_by_value(scaled, -LARGEST_SCALED, LARGEST_SCALED)
        return tf.cast(tf.where(usable, scaled, tf.constant(np.nan, tf.float64)), tf.float32)

    def inverse(self, scaled: tf.Tensor) -> tf.Tensor:
        """Z-scores `(…, targets)` → raw units, float32."""
        values = tf.cast(scaled, tf.float64) * tf.constant(self.scale, tf.float64) + tf.constant(self.mean, tf.float64)
        if self.transform == "log":
            values = tf.exp(tf.minimum(values, 88.0))  # e^88 is the largest power that float32 holds
        return tf.cast(values, tf.float32)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in state.items()
        }
        return cls(**fields)


def fit(splits: Splits, config: Config) -> Preprocessing:
    """Fit on the training part; only `seasonal_error` also sees the validation part, which precedes the test.

    Raises:
        ValueError: If `transform="log"` meets a value that is not positive.
    """
    series = splits.series
    train = series.values[: splits.ends[0]]
    if config.transform == "log":
        _check_positive(splits)
    transformed = np.log(train) if config.transform == "log" else train
    low, high = np.nanmin(train, axis=0), np.nanmax(train, axis=0)
    # Rounding gives a constant column a deviation that is tiny, not 0.
    scale = np.where(low < high, np.nanstd(transformed, axis=0), 1.0)
    return Preprocessing(
        columns=series.columns,
        transform=config.transform,
        mean=_floats(np.nanmean(transformed, axis=0)),
        scale=_floats(scale),
        low=_floats(low),
        high=_floats(high),
        seasonal_error=_floats(seasonal_error(series.values[: splits.ends[1]], splits.season_length)),
        mark_missing=bool(np.isnan(train).any()),
    )


def seasonal_error(values: np.ndarray, season_length: int) -> np.ndarray:
    """Mean absolute difference to one season before, per column; 0 where no pair of values is observed."""
    differences = np.abs(values[season_length:] - values[:-season_length])
    observed = ~np.isnan(differences)
    return np.where(observed, differences, 0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)


def _check_positive(splits: Splits) -> None:
    low = np.nanmin(splits.series.values, axis=0)
    for name, smallest in zip(splits.series.columns, low, strict=True):
        if smallest <= 0:
            raise ValueError(
                f"`transform` must be 'none' for column {name!r}: its smallest value is {smallest:g} and only positive "
                "numbers have a logarithm. Received: transform='log'."
            )


def _floats(array: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in array)
