"""What every head reads: normalised windows, and what is known of each step of window and horizon."""

import functools
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from seqapps.recurrent.controls import ShuffledSteps
from seqapps.series.scaling import FillMissing, WindowNormalization
from seqapps.tasks.forecasting.config import Config

LABEL_WIDTH = 8


@dataclass(frozen=True)
class Sizes:
    """Shapes that the data decide.

    Attributes:
        targets: Columns to forecast.
        mark_missing: Whether the model sees which values were observed.
        past: Covariates known up to now.
        future: Covariates known over the horizon too, the calendar's among them.
        static: Numbers that belong to a series.
        labels: For every label that belongs to a series how many there are, the unknown one included.
    """

    targets: int
    mark_missing: bool = False
    past: int = 0
    future: int = 0
    static: int = 0
    labels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Examples:
    """Symbolic tensors; an example is a window of one column (`channels="independent"`) or of all (`"joint"`).

    Attributes:
        values: `(examples, window, channels)`, normalised; channels is 1 or the number of targets.
        observed: The same shape, 1 where a value was observed; `None` if the model does not see it.
        mask: `(examples, window)`, `False` before the first observation.
        level: `(examples, 1, channels)`, the normalisation's inverse.
        scale: The same shape.
        past: `(examples, window, past)` or `None`.
        future: `(batch, window + horizon, future)` or `None`: covariates, which all columns share.
        lagged: `(examples, window + horizon, lags * channels)` or `None`: the seasonal lags.
        series: `(batch, context)` or `None`: what belongs to the whole series, which all columns share.
        columns: How many examples in turn are columns of one window.
    """

    values: Any
    observed: Any
    mask: Any
    level: Any
    scale: Any
    past: Any
    future: Any
    lagged: Any
    series: Any
    columns: int

    @functools.cached_property
    def known(self):
        """Covariates and seasonal lags: `(examples, window + horizon, known)` or `None`."""
        return joined([_per_example(self.future, self.columns), self.lagged])

    @functools.cached_property
    def context(self):
        """What belongs to the whole series: `(examples, context)` or `None`."""
        return _per_example(self.series, self.columns)

    def window_features(self):
        """All that is known at the steps of the window: `(examples, window, features)`."""
        window = self.values.shape[1]
        parts = [self.values, self.observed, self.past, None if self.known is None else self.known[:, :window]]
        return joined(parts)

    def horizon_features(self):
        """All that is known at the steps of the horizon: `(examples, horizon, known)` or `None`."""
        return None if self.known is None else self.known[:, self.values.shape[1] :]


def make_inputs(config: Config, sizes: Sizes) -> dict[str, Any]:
    """The model's inputs, scaled: those that `sizes` needs."""
    window, horizon = config.steps
    inputs = {"history": keras.Input((window, sizes.targets), name="history")}
    if sizes.past:
        inputs["past"] = keras.Input((window, sizes.past), name="past")
    if sizes.future:
        inputs["future"] = keras.Input((window + horizon, sizes.future), name="future")
    if sizes.static:
        inputs["static"] = keras.Input((sizes.static,), name="static")
    if sizes.labels:
        inputs["labels"] = keras.Input((len(sizes.labels),), dtype="int32", name="labels")
    return inputs


def make_examples(config: Config, sizes: Sizes, inputs: dict[str, Any]) -> Examples:
    """Inputs → what every head reads."""
    independent = config.channels == "independent"
    history = inputs["history"]
    if independent:  # (batch * targets, window, 1)
        history = ops.reshape(ops.transpose(history, (0, 2, 1)), (-1, history.shape[1], 1))
    filled, observed, mask = FillMissing(name="fill_missing")(history)
    values, level, scale = WindowNormalization(config.normalization, name="normalize")(filled, observed)
    columns = sizes.targets if independent else 1
    past = _per_example(inputs.get("past"), columns)
    if config.control == "shuffled":
        values, observed, past = _shuffled(values, observed, past, mask)
    return Examples(
        values=values,
        observed=observed if sizes.mark_missing else None,
        mask=mask,
        level=level,
        scale=scale,
        past=past,
        future=inputs.get("future"),
        lagged=joined([_lagged(values, lag, config.steps[1]) for lag in config.lags]),
        series=_context(inputs, sizes),
        columns=columns,
    )


def _shuffled(values, observed, past, mask):
    """What was measured at the steps of a window, in an order that tells nothing; what is known of time stays.

    Padding is filled with the first value, which would tell which one came first: it becomes 0.
    """
    measured = joined([values, observed, past]) * ops.cast(ops.expand_dims(mask, -1), "float32")
    steps = ShuffledSteps("left", name="shuffle")(measured, mask=mask)
    end = values.shape[-1]
    return steps[..., :end], steps[..., end : 2 * end], None if past is None else steps[..., 2 * end :]


def _per_example(tensor, columns: int):
    """What all columns of a window share, once for each of them."""
    return tensor if tensor is None or columns == 1 else ops.repeat(tensor, columns, axis=0)


def joined(parts):
    """The features that there are, side by side; `None` if there are none."""
    parts = [part for part in parts if part is not None]
    return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0] if parts else None


def _lagged(values, lag: int, horizon: int):
    """The value `lag` steps before each step of window and horizon; beyond the window the last `lag` repeat.

    The first steps of the window get 0, which is its level; where a short history is padded, its first value stands.
    """
    batch_and_time = [(0, 0), (lag, 0), (0, 0)]
    past = ops.pad(values, batch_and_time)[:, : values.shape[1]]
    repeats = -(-horizon // lag)
    future = ops.tile(values[:, -lag:], (1, repeats, 1))[:, :horizon]
    return ops.concatenate([past, future], axis=1)  # (examples, window + horizon, channels)


def _context(inputs: dict[str, Any], sizes: Sizes):
    parts = [inputs.get("static")]
    for position, count in enumerate(sizes.labels):
        embedding = keras.layers.Embedding(count, LABEL_WIDTH, name=f"label_{position}")
        parts.append(embedding(inputs["labels"][:, position]))
    return joined(parts)  # (batch, context)
