"""Scaling fitted on the training part; the same object works in `tf.data`, in the served graph and in baselines."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps import checks
from seqapps.series import calendar, windows
from seqapps.series.panel import Panel
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.model import Sizes

LARGEST_SCALED = 1e6  # beyond it a float32 square loses all meaning; far outside any training range
TABLES = ("mean", "scale", "low", "high", "seasonal_error")  # one row per series


@dataclass(frozen=True)
class Columns:
    """Covariates with what is known of them from the training part.

    Attributes:
        names: The columns.
        mean: Mean of each.
        scale: Population standard deviation of each; 1 for a constant one.
    """

    names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def forward(self, values: tf.Tensor) -> tf.Tensor:
        """Raw units → z-scores `(…, columns)`, float32; what is missing becomes 0, the mean."""
        values = tf.cast(values, tf.float64)
        scaled = (values - tf.constant(self.mean, tf.float64)) / tf.constant(self.scale, tf.float64)
        scaled = tf.clip_by_value(scaled, -LARGEST_SCALED, LARGEST_SCALED)
        return tf.cast(tf.where(tf.math.is_finite(values), scaled, tf.zeros_like(scaled)), tf.float32)


@dataclass(frozen=True)
class Preprocessing:
    """What is known of series and columns from the training part.

    Attributes:
        columns: Names of the targets.
        transform: `"none"` or `"log"`, applied before scaling.
        ids: Names of the series; of a wide table one, the empty text.
        mean: `(series, targets)` means of the transformed values.
        scale: `(series, targets)` population standard deviations of the transformed values; 1 for constant ones.
        low: `(series, targets)` smallest training values, in the data's own units.
        high: `(series, targets)` largest training values.
        seasonal_error: `(series, targets)` mean absolute seasonal differences before the test part, in the data's own
            units: the denominator of MASE (Hyndman & Koehler 2006).
        mark_missing: Whether the training part has missing values, so that the model sees which ones they are.
        past: Covariates known up to now.
        future: Covariates known over the horizon.
        static: Numbers that belong to a series.
        label_columns: Texts that belong to a series.
        labels: For every label column its texts in the training part.
        cycles: Seconds of the calendar's cycles that are inputs.
        frequency: The grid's step.
    """

    columns: tuple[str, ...]
    transform: str
    ids: tuple[str, ...]
    mean: tuple[tuple[float, ...], ...]
    scale: tuple[tuple[float, ...], ...]
    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]
    seasonal_error: tuple[tuple[float, ...], ...]
    mark_missing: bool
    past: Columns = Columns()
    future: Columns = Columns()
    static: Columns = Columns()
    label_columns: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    cycles: tuple[float, ...] = ()
    frequency: str = "1"

    @property
    def many(self) -> bool:
        """Whether series are told apart by an id."""
        return self.ids != ("",)

    def transformed(self, values: tf.Tensor) -> tf.Tensor:
        """Raw units → the scale that statistics are taken on: `(…, targets)`, float64, NaN for what cannot be used."""
        values = tf.cast(values, tf.float64)
        usable = tf.math.is_finite(values) & ((values > 0) if self.transform == "log" else tf.constant(True))
        # Replaced before the logarithm: it would be NaN where `usable` is False.
        values = tf.where(usable, values, tf.ones_like(values))
        values = tf.math.log(values) if self.transform == "log" else values
        return tf.where(usable, values, tf.constant(np.nan, tf.float64))

    def forward(self, values: tf.Tensor, mean: Any = None, scale: Any = None) -> tf.Tensor:
        """Raw units → z-scores of the transformed columns: `(…, targets)`, float32, NaN for what cannot be used.

        Works in float64, so that a large level does not swallow small changes.

        Args:
            values: `(…, targets)`.
            mean: Broadcasts against `values`; by default that of the first series.
            scale: The same.
        """
        mean, scale = self._statistics(mean, scale)
        scaled = (self.transformed(values) - mean) / scale
        missing = tf.math.is_nan(scaled)
        scaled = tf.clip_by_value(tf.where(missing, tf.zeros_like(scaled), scaled), -LARGEST_SCALED, LARGEST_SCALED)
        return tf.cast(tf.where(missing, tf.constant(np.nan, tf.float64), scaled), tf.float32)

    def inverse(self, scaled: tf.Tensor, mean: Any = None, scale: Any = None) -> tf.Tensor:
        """Z-scores `(…, targets)` → raw units, float32; `mean` and `scale` as in `forward`."""
        mean, scale = self._statistics(mean, scale)
        values = tf.cast(scaled, tf.float64) * scale + mean
        if self.transform == "log":
            values = tf.exp(tf.minimum(values, 88.0))  # e^88 is the largest power that float32 holds
        return tf.cast(values, tf.float32)

    def _statistics(self, mean, scale):
        given = zip((mean, scale), (self.mean[0], self.scale[0]), strict=True)
        # A cast of Python's numbers would go through float32.
        return (tf.constant(first, tf.float64) if own is None else tf.cast(own, tf.float64) for own, first in given)

    def statistics(self, series: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and scale for values `(examples, …, targets)` of the given rank, one series number per example."""
        mean, scale = np.asarray(self.mean)[series], np.asarray(self.scale)[series]
        shape = (len(series), *[1] * (rank - 2), len(self.columns))
        return mean.reshape(shape), scale.reshape(shape)

    def aligned(self, splits: Splits) -> Self:
        """The same with exactly the series of other data; one without training is known from its other rows."""
        if splits.panel.ids == self.ids:
            return self
        row = {name: position for position, name in enumerate(self.ids)}
        tables: dict[str, list] = {name: [] for name in TABLES}
        for number, name in enumerate(splits.panel.ids):
            own = None if name in row else _of_one_series(splits, number, self.transform)
            for table, rows in tables.items():
                rows.append(getattr(self, table)[row[name]] if own is None else _floats(own[table]))
        changed: dict[str, Any] = {name: tuple(rows) for name, rows in tables.items()}
        return replace(self, ids=splits.panel.ids, **changed)

    def arrays(self, panel: Panel) -> windows.Arrays:
        """What windows of the panel that this is fitted on, or aligned with, are cut from."""
        codes = [{text: number for number, text in enumerate(texts, 1)} for texts in self.labels]
        texts = panel.labels(self.label_columns)
        labels = [[code.get(text, 0) for code, text in zip(codes, each, strict=True)] for each in texts]
        series = np.repeat(np.arange(len(panel.ids)), panel.lengths())
        return windows.Arrays(
            values=self.forward(panel.values, *self.statistics(series, rank=2)).numpy(),
            past=self.past.forward(panel.past).numpy() if self.past.names else None,
            future=self.future.forward(panel.future).numpy() if self.future.names else None,
            static=self.static.forward(panel.numbers(self.static.names)).numpy() if self.static.names else None,
            labels=np.array(labels, dtype="int32") if self.labels else None,
            seconds=seconds(panel.stamps) if self.cycles else None,
            frequency=self.frequency,
            cycles=self.cycles,
        )

    def sizes(self) -> Sizes:
        """Shapes of the model's inputs."""
        return Sizes(
            targets=len(self.columns),
            mark_missing=self.mark_missing,
            past=len(self.past.names),
            future=len(self.future.names) + 2 * len(self.cycles),
            static=len(self.static.names),
            labels=tuple(len(texts) + 1 for texts in self.labels),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: what is read back from a file equals it."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        fields: dict[str, Any] = {name: _tuples(value) for name, value in state.items()}
        for name in ("past", "future", "static"):
            fields[name] = Columns(**{key: tuple(value) for key, value in state[name].items()})
        return cls(**fields)


def seconds(stamps: pd.Index) -> np.ndarray:
    """Seconds since 1970 of time stamps: `(rows,)` int64."""
    return pd.DatetimeIndex(stamps).as_unit("s").astype("int64").to_numpy()


def fit(splits: Splits, config: Config) -> Preprocessing:
    """Fit on the training part; only `seasonal_error` also sees the validation part, which precedes the test.

    Raises:
        ValueError: If `transform="log"` meets a value that is not positive.
    """
    panel = splits.panel
    if config.transform == "log":
        _check_positive(panel)
    numbers = tuple(name for name in panel.roles.static if panel.numeric(name))
    label_columns = tuple(name for name in panel.roles.static if name not in numbers)
    tables = [_of_one_series(splits, number, config.transform) for number in range(len(panel.ids))]
    train = _training_rows(splits)
    seen = np.array([bool(stop > start) for start, stop in zip(*splits.rows("train"), strict=True)])
    return Preprocessing(
        columns=panel.columns,
        transform=config.transform,
        ids=panel.ids,
        **{name: tuple(_floats(table[name]) for table in tables) for name in tables[0]},
        mark_missing=bool(np.isnan(panel.values[train]).any()),
        past=_columns(panel.roles.past, panel.past[train], "past"),
        future=_columns(panel.roles.future, panel.future[train], "future"),
        static=_columns(numbers, panel.numbers(numbers)[seen], "static"),
        label_columns=label_columns,
        labels=tuple(tuple(sorted(set(texts))) for texts in panel.labels(label_columns)[seen].T),
        cycles=_recurring(splits) if config.calendar else (),
        frequency=panel.frequency,
    )


def _recurring(splits: Splits) -> tuple[float, ...]:
    """The calendar's cycles that the longest training part of a series shows.

    Raises:
        ValueError: If it shows none.
    """
    starts, stops = splits.rows("train")
    steps, frequency = int(np.max(np.subtract(stops, starts))), splits.panel.frequency
    cycles = calendar.recurring(frequency, steps)
    if not cycles:
        advice = "No day, week or year comes round twice in it."
        checks.fail("calendar", f"False for a training part of {steps} steps of {frequency!r}", True, advice)
    return cycles


def _training_rows(splits: Splits) -> np.ndarray:
    starts, stops = splits.rows("train")
    return np.concatenate([np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)])


def _of_one_series(splits: Splits, number: int, transform: str) -> dict[str, np.ndarray]:
    """Statistics of one series: from its training part, or from all before the test where that has no values."""
    panel, first = splits.panel, splits.panel.starts[number]
    start, stop = (int(ends[number]) for ends in splits.rows("train"))
    train = panel.values[start:stop]
    before_test = panel.values[first : splits.ends[number, 1]]
    if transform == "log":  # what has no logarithm is missing; in the training it is an error
        train, before_test = (np.where(values > 0, values, np.nan) for values in (train, before_test))
    train = train if len(train) and not np.isnan(train).all(axis=0).any() else before_test
    if not len(train) or np.isnan(train).all(axis=0).any():  # nothing is known of some column
        train = np.where(np.isnan(train).all(axis=0), 1.0, train) if len(train) else np.ones((1, len(panel.columns)))
    transformed = np.log(train) if transform == "log" else train
    low, high = np.nanmin(train, axis=0), np.nanmax(train, axis=0)
    return {
        "mean": np.nanmean(transformed, axis=0),
        # Rounding gives a constant column a deviation that is tiny, not 0.
        "scale": np.where(low < high, np.nanstd(transformed, axis=0), 1.0),
        "low": low,
        "high": high,
        "seasonal_error": seasonal_error(before_test, splits.season_length),
    }


def _columns(names: tuple[str, ...], values: np.ndarray, role: str) -> Columns:
    if not names:
        return Columns()
    for position, name in enumerate(names):
        if np.isnan(values[:, position]).all():
            raise ValueError(
                f"Column {name!r}: every value of the training part is missing. Leave it out of {role}_columns."
            )
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    scale = np.where(low < high, np.nanstd(values, axis=0), 1.0)
    return Columns(names, _floats(np.nanmean(values, axis=0)), _floats(scale))


def seasonal_error(values: np.ndarray, season_length: int) -> np.ndarray:
    """Mean absolute difference to one season before, per column; 0 where no pair of values is observed."""
    differences = np.abs(values[season_length:] - values[:-season_length])
    observed = ~np.isnan(differences)
    return np.where(observed, differences, 0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)


def _check_positive(panel: Panel) -> None:
    low = np.nanmin(panel.values, axis=0)
    for name, smallest in zip(panel.columns, low, strict=True):
        if smallest <= 0:
            raise ValueError(
                f"`transform` must be 'none' for column {name!r}: its smallest value is {smallest:g} and only positive "
                "numbers have a logarithm. Received: transform='log'."
            )


def _floats(array: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in array)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value
