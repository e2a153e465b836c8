"""Inside the graph: what a request holds → what the model reads, and what its sender should know."""

from typing import Any

import numpy as np
import tensorflow as tf

from seqapps.series import calendar
from seqapps.tasks.forecasting.preprocessing import Preprocessing

WHOLE_HISTORY = 2**31 - 1
UNKNOWN = -1


def specs(preprocessing: Preprocessing) -> dict[str, tf.TensorSpec]:
    """The inputs that a run needs; `length`, the only one with a default, comes last."""
    needed = {"history": tf.TensorSpec([None, None, len(preprocessing.columns)], tf.float32)}
    if preprocessing.cycles:
        needed["last_time"] = tf.TensorSpec([None], tf.int64)
    for name in ("past", "future"):
        if columns := getattr(preprocessing, name).names:
            needed[name] = tf.TensorSpec([None, None, len(columns)], tf.float32)
    if preprocessing.static.names:
        needed["static"] = tf.TensorSpec([None, len(preprocessing.static.names)], tf.float32)
    if preprocessing.label_columns:
        needed["static_labels"] = tf.TensorSpec([None, len(preprocessing.label_columns)], tf.string)
    if preprocessing.many:
        needed["unique_id"] = tf.TensorSpec([None], tf.string)
    needed["length"] = tf.TensorSpec([None], tf.int32)
    return {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in needed.items()}


def ends(history: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """For every row the number of steps that count: `(batch,)`."""
    batch, time = tf.shape(history)[0], tf.shape(history)[1]
    return tf.broadcast_to(tf.clip_by_value(length, 0, time), [batch])


def around(values: tf.Tensor, end: tf.Tensor, before: int, after: int = 0) -> tf.Tensor:
    """The steps `[end − before, end + after)` of every row, NaN where there are none.

    Args:
        values: `(batch, time, columns)`.
        end: `(batch,)`.
        before: Steps up to `end`.
        after: Steps from `end` on.

    Returns:
        `(batch, before + after, columns)`.
    """
    time = tf.shape(values)[1]
    step = end[:, None] + tf.range(-before, after)
    values = tf.pad(values, [[0, 0], [0, 1], [0, 0]])  # one step at least, so that an empty history can be read
    found = tf.gather(values, tf.clip_by_value(step, 0, time), batch_dims=1)
    return tf.where(((step >= 0) & (step < time))[..., None], found, tf.constant(np.nan, tf.float32))


class RequestReader:
    """The tables that turn a request into the model's inputs.

    Args:
        preprocessing: The run's.
        window: Steps that the model sees.
        horizon: Steps to forecast.
    """

    def __init__(self, preprocessing: Preprocessing, window: int, horizon: int) -> None:
        self.preprocessing = preprocessing
        self.window = window
        self.horizon = horizon
        self.series = _lookup(preprocessing.ids, 0, UNKNOWN) if preprocessing.many else None
        self.labels = [_lookup(texts, 1, 0) for texts in preprocessing.labels]

    @property
    def tables(self) -> list[Any]:
        """What a bundle must track."""
        return [*self.labels, *([] if self.series is None else [self.series])]

    def known(self, request: dict[str, tf.Tensor]) -> tf.Tensor:
        """For every row the number of its series, `UNKNOWN` for one that was not in the training: `(batch,)`."""
        if self.series is None:
            return tf.zeros_like(request["end"])
        return self.series.lookup(request["unique_id"])

    def statistics(self, request: dict[str, tf.Tensor], series: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and scale of every row: `(batch, 1, targets)`; an unknown series is measured by its own history."""
        mean, scale = (
            tf.gather(tf.constant(table, tf.float64), tf.maximum(series, 0))[:, None]
            for table in (self.preprocessing.mean, self.preprocessing.scale)
        )
        if self.series is None:
            return mean, scale
        own_mean, own_scale = self._own_statistics(request["history"], request["end"])
        unknown = (series == UNKNOWN)[:, None, None]
        return tf.where(unknown, own_mean, mean), tf.where(unknown, own_scale, scale)

    def _own_statistics(self, history, end):
        values = self.preprocessing.transformed(history)
        inside = tf.range(tf.shape(history)[1])[None] < end[:, None]  # (batch, time)
        observed = inside[..., None] & ~tf.math.is_nan(values)
        weight = tf.cast(observed, tf.float64)
        count = tf.maximum(tf.reduce_sum(weight, axis=1, keepdims=True), 1)
        values = tf.where(observed, values, tf.zeros_like(values))
        mean = tf.reduce_sum(values, axis=1, keepdims=True) / count
        variance = tf.reduce_sum(weight * tf.square(values - mean), axis=1, keepdims=True) / count
        # Rounding gives a constant history a deviation that is tiny, not 0.
        constant = variance <= 1e-14 * tf.square(mean)
        return mean, tf.where(constant, tf.ones_like(variance), tf.sqrt(variance))

    def inputs(self, request: dict[str, tf.Tensor], mean: tf.Tensor, scale: tf.Tensor) -> dict[str, tf.Tensor]:
        """The model's inputs, scaled."""
        own, end = self.preprocessing, request["end"]
        inputs = {"history": own.forward(around(request["history"], end, self.window), mean, scale)}
        if own.past.names:
            inputs["past"] = own.past.forward(around(request["past"], end, self.window))
        future = []
        if own.future.names:
            future.append(own.future.forward(around(request["future"], end, self.window, self.horizon)))
        if own.cycles:
            known = calendar.features(request["last_time"], own.frequency, own.cycles, self.window, self.horizon)
            future.append(known)
        if future:
            inputs["future"] = tf.concat(future, axis=-1)  # (batch, window + horizon, known)
        if own.static.names:
            inputs["static"] = own.static.forward(request["static"])
        if self.labels:
            inputs["labels"] = self._label_codes(request)
        return inputs

    def _label_codes(self, request: dict[str, tf.Tensor]) -> tf.Tensor:
        """The number of every label, 0 for one that was not in the training: `(batch, labels)`."""
        texts = tf.unstack(request["static_labels"], axis=1)
        return tf.stack([table.lookup(each) for table, each in zip(self.labels, texts, strict=True)], axis=1)

    def warnings(self, request: dict[str, tf.Tensor], series: tf.Tensor) -> tf.Tensor:
        """What a caller should know about each row: `(batch,)` texts, empty where there is nothing to say."""
        own, end = self.preprocessing, request["end"]
        window = around(request["history"], end, self.window)
        observed = tf.math.is_finite(own.transformed(window))  # (batch, window, targets)
        step_observed = tf.reduce_any(observed, axis=2)
        nothing = ~tf.reduce_any(step_observed, axis=1)
        # A step counts as inside the history from the first observation on.
        inside = tf.cumsum(tf.cast(step_observed, tf.int32), axis=1) > 0
        gaps = tf.reduce_any(inside[..., None] & ~observed, axis=[1, 2])
        row = tf.maximum(series, 0)
        low, high = (tf.gather(tf.constant(table, tf.float32), row)[:, None] for table in (own.low, own.high))
        margin = high - low
        far = observed & ((window < low - margin) | (window > high + margin)) & (series >= 0)[:, None, None]
        sentences = [
            (nothing, "No value was observed: the answer is a constant. "),
            (~step_observed[:, 0] & ~nothing, f"The history does not fill the window of {self.window} steps. "),
            (gaps, "Missing or unusable values were filled. "),
            (tf.reduce_any(far, axis=[1, 2]), "Values lie far outside the training range. "),
            (series == UNKNOWN, "The series was not in the training: it is scaled by its own history. "),
        ]
        empty = tf.constant("")
        texts = [tf.where(applies, text, empty) for applies, text in sentences]
        texts.append(_naming("A label was not in the training", self._unknown_labels(request)))
        texts.append(_naming("Missing covariates were taken as their mean", self._missing_covariates(request)))
        return tf.strings.strip(tf.strings.join(texts))

    def _unknown_labels(self, request):
        """For every label column the rows `(batch,)` in which the training did not have its text."""
        if not self.labels:
            return {}
        unknown = tf.unstack(self._label_codes(request) == 0, axis=1)
        return dict(zip(self.preprocessing.label_columns, unknown, strict=True))

    def _missing_covariates(self, request):
        """For every covariate the rows `(batch,)` in which it is missing where the model reads it, within a series."""
        own, end = self.preprocessing, request["end"]
        missing: dict[str, tf.Tensor] = {}
        for name, after in (("past", 0), ("future", self.horizon)):
            if name in request:
                values = around(request[name], end, self.window, after)
                inside = end[:, None] + tf.range(-self.window, after) >= 0
                holes = tf.reduce_any(~tf.math.is_finite(values) & inside[..., None], axis=1)  # (batch, columns)
                missing |= zip(getattr(own, name).names, tf.unstack(holes, axis=1), strict=True)
        if "static" in request:
            missing |= zip(own.static.names, tf.unstack(~tf.math.is_finite(request["static"]), axis=1), strict=True)
        return missing


def _naming(sentence: str, found: dict[str, tf.Tensor]) -> tf.Tensor:
    """The sentence with the names that apply to each row, nothing where none does: `(batch,)`."""
    if not found:
        return tf.constant("")
    names = tf.strings.join([tf.where(applies, f"{name!r}, ", "") for name, applies in found.items()])
    return tf.strings.regex_replace(names, "(?s)(.+), $", rf"{sentence}: \1. ")


def _lookup(texts: tuple[str, ...], first: int, default: int) -> tf.lookup.StaticHashTable:
    numbers = tf.range(first, first + len(texts))
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(texts, tf.string), numbers)
    return tf.lookup.StaticHashTable(initializer, default)
