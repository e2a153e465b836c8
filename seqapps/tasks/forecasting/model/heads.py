"""Three ways from a window to a horizon, each on any `RecurrentStack`."""

import keras
from keras import ops

from seqapps.recurrent.alternatives import Alternatives
from seqapps.recurrent.pooling import Pooling
from seqapps.recurrent.stack import RecurrentStack
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model.examples import Examples, joined
from seqapps.tasks.forecasting.model.loss import rising


def direct(config: Config, examples: Examples):
    """The last state, or without memory the mean of the window's steps, gives all steps of the horizon at once.

    Returns:
        `(examples, horizon, channels, levels)`, rising along the levels, normalised.
    """
    features = _with_context(examples.window_features(), examples.context)
    pooled = Pooling("mean", name="mean") if config.control == "memoryless" else make_stack(config)
    state = pooled(features, mask=examples.mask)
    state = _dropped(config, state)
    known = examples.horizon_features()
    if known is not None:
        state = ops.concatenate([state, keras.layers.Flatten(name="flatten_known")(known)], axis=-1)
    horizon, channels = config.steps[1], examples.values.shape[2]
    outputs = keras.layers.Dense(horizon * channels * len(config.levels), name="head")(state)
    return _rising(config, ops.reshape(outputs, (-1, horizon, channels, len(config.levels))))


def segment(config: Config, examples: Examples):
    """The recurrence runs over segments; the last state is decoded once per future segment, all in parallel.

    A future segment enters as the sum of a position embedding, a channel embedding and what is known of its steps.
    Source: SegRNN, Lin et al. 2023 (arXiv 2308.11200), there with a GRU and without covariates.

    Returns:
        As `direct`.
    """
    length, width = config.segment_steps, config.widths[0]
    horizon, channels = config.steps[1], examples.values.shape[2]
    count = -(-horizon // length)
    segments = _segments(examples.window_features(), length, at_front=True)
    embedded = keras.layers.Dense(width, activation="relu", name="embed_segment")(segments)
    stack = make_stack(config, return_state=True)
    mask = ops.any(_segments(ops.expand_dims(examples.mask, -1), length, at_front=True), axis=-1)
    _, states = stack(embedded, mask=mask)

    queries = FutureSegments(count, examples.columns, width, name="queries")(examples.values)  # (columns, count, width)
    parts = [ops.expand_dims(queries, 0), *_of_segments(examples, length, width)]
    decoded = Alternatives(stack, name="decode")(parts, states)  # (examples, count, output_size)
    outputs = keras.layers.Dense(length * channels * len(config.levels), name="head")(_dropped(config, decoded))
    outputs = ops.reshape(outputs, (-1, count * length, channels, len(config.levels)))
    return _rising(config, outputs[:, :horizon])


def linear_skip(config: Config, examples: Examples):
    """A linear map of the window, one for all columns, which is added to every quantile; as built it adds nothing.

    Where a series is nearly linear in its past, the network then only learns what is left. Source: the autoregressive
    component of LSTNet, Lai et al. 2018. With `linear_skip="ridge"` its weights are set once and are not trained.

    Returns:
        `(examples, horizon, channels, 1)`, normalised.
    """
    layer = keras.layers.Dense(
        config.steps[1], kernel_initializer="zeros", trainable=config.linear_skip == "trained", name="linear_skip"
    )
    forecast = layer(ops.transpose(examples.values, (0, 2, 1)))  # (examples, channels, horizon)
    return ops.expand_dims(ops.transpose(forecast, (0, 2, 1)), -1)


def recursive(config: Config, examples: Examples):
    """One step at a time; the median of a step is the input of the next.

    Every step is trained on what really came that many steps ahead, with its own forecasts as inputs: its quantiles
    are those of the value at that step, not of one step from a known past.

    Returns:
        As `direct`.
    """
    decoder = RecursiveDecoder(
        make_stack(config, return_state=True), config.steps[1], config.levels, config.dropout, name="recursive_decoder"
    )
    return decoder(*_shifted(examples, config.steps[1]), mask=examples.mask)


@keras.saving.register_keras_serializable("seqapps")
class RecursiveDecoder(keras.layers.Layer):
    """Reads a window with a stack, then goes on step by step with its own medians as inputs.

    Dropout between layers acts on the window; the steps of the horizon share one dropped set of features.

    Args:
        stack: One direction, with `return_state`.
        horizon: Steps to forecast.
        levels: Quantile levels, 0.5 among them.
        dropout: Part of the features dropped before the head.

    Call arguments:
        window: `(examples, window, features)`; the features are the values, marks of what was observed (if any), and
            the known ones.
        values: `(examples, window, channels)`, which `window` begins with.
        mask: `(examples, window)`.
        known: `(examples, horizon, known)` or `None`.

    Returns:
        `(examples, horizon, channels, levels)`.
    """

    def __init__(self, stack: RecurrentStack, horizon: int, levels, dropout: float = 0.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.stack = stack
        self.horizon = horizon
        self.levels = [float(level) for level in levels]
        self.dropout = dropout
        self.features_dropout = keras.layers.Dropout(dropout, name="dropout")

    def build(self, window_shape, values_shape, known_shape=None) -> None:
        self.stack.build(window_shape)
        self.head = keras.layers.Dense(values_shape[2] * len(self.levels), name="head")
        self.head.build((None, self.stack.output_size))
        self.marks = window_shape[2] - values_shape[2] - (known_shape[2] if known_shape else 0)

    def call(self, window, values, known=None, mask=None, training=None):
        output, states = self.stack(window, mask=mask, training=training)
        kept = self.features_dropout(ops.ones_like(output), training=training)  # one mask for all steps
        examples, channels = ops.shape(output)[0], values.shape[2]
        marks = ops.ones((examples, self.marks), dtype=output.dtype)
        middle = self.levels.index(0.5)

        def answer(features):
            free = ops.reshape(self.head(features * kept), (-1, channels, len(self.levels)))
            return rising(free, middle)

        def advance(carry, at):
            quantiles, states = carry
            parts = [quantiles[..., middle], marks, *([] if known is None else [at])]
            output, states = self.stack.step(ops.concatenate(parts, axis=-1), states)
            carry = (answer(output), states)
            return carry, carry  # Keras on TensorFlow wants what is collected to look like what is carried

        first = answer(output)
        if self.horizon == 1:
            return first[:, None]
        steps = None if known is None else ops.transpose(known, (1, 0, 2))[:-1]
        _, (later, _) = ops.scan(advance, (first, states), steps, length=self.horizon - 1)
        return ops.transpose(ops.concatenate([first[None], later]), (1, 0, 2, 3))

    def compute_mask(self, window, values, known=None, mask=None):
        return None

    def compute_output_shape(self, window_shape, values_shape, known_shape=None):
        return (window_shape[0], self.horizon, values_shape[2], len(self.levels))

    def get_config(self):
        return super().get_config() | {
            "stack": keras.saving.serialize_keras_object(self.stack),
            "horizon": self.horizon,
            "levels": self.levels,
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config):
        return cls(stack=keras.saving.deserialize_keras_object(config.pop("stack")), **config)


@keras.saving.register_keras_serializable("seqapps")
class FutureSegments(keras.layers.Layer):
    """A trained vector for every future segment, plus one for every column where columns are examples of their own.

    Args:
        count: Future segments.
        channels: Columns that share the examples; 1 for none.
        width: Size of the vectors.

    Call arguments:
        values: Not looked at; a layer of a model has an input.

    Returns:
        `(channels, count, width)`.
    """

    def __init__(self, count: int, channels: int, width: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.count = count
        self.channels = channels
        self.width = width

    def build(self, values_shape) -> None:
        self.positions = self.add_weight(shape=(self.count, self.width), initializer="normal", name="positions")
        if self.channels > 1:
            self.columns = self.add_weight(shape=(self.channels, self.width), initializer="normal", name="columns")

    def call(self, values):
        positions = ops.expand_dims(self.positions, 0)
        return positions + ops.expand_dims(self.columns, 1) if self.channels > 1 else positions

    def compute_output_shape(self, values_shape):
        return (self.channels, self.count, self.width)

    def get_config(self):
        return super().get_config() | {"count": self.count, "channels": self.channels, "width": self.width}


def make_stack(config: Config, return_state: bool = False) -> RecurrentStack:
    """The recurrent stack that a config describes."""
    return RecurrentStack(**config.recurrent_options, return_state=return_state, name="stack")


def _of_segments(examples: Examples, length: int, width: int) -> list:
    """What is known of every future segment, embedded: `(batch, columns, count, width)`, or 1 where all are alike."""
    window, parts = examples.values.shape[1], []
    if examples.future is not None:
        future = _segments(examples.future[:, window:], length, at_front=False)
        parts.append(ops.expand_dims(keras.layers.Dense(width, name="embed_known")(future), 1))
    if examples.lagged is not None:
        lagged = _segments(examples.lagged[:, window:], length, at_front=False)
        embedded = keras.layers.Dense(width, name="embed_lags")(lagged)
        parts.append(ops.reshape(embedded, (-1, examples.columns, *embedded.shape[1:])))
    if examples.series is not None:
        parts.append(keras.layers.Dense(width, name="embed_context")(examples.series)[:, None, None])
    return parts


def _segments(steps, length: int, *, at_front: bool):
    """`(examples, time, features)` → `(examples, segments, length * features)`; a segment is filled up with 0."""
    time, features = steps.shape[1:]
    missing = -time % length
    padding = (missing, 0) if at_front else (0, missing)
    if missing:
        steps = ops.pad(ops.cast(steps, "float32"), [(0, 0), padding, (0, 0)])
    return ops.reshape(steps, (-1, (time + missing) // length, length * features))


def _with_context(steps, context):
    """Repeats the context at every step."""
    if context is None:
        return steps
    repeated = ops.repeat(ops.expand_dims(context, 1), steps.shape[1], axis=1)
    return ops.concatenate([steps, repeated], axis=-1)


def _shifted(examples: Examples, horizon: int):
    """What the recursive decoder reads: beside each value what is known of the step after it, which it leads to.

    Returns:
        The window's features, its values, and what is known at the steps 2 … horizon + 1 of the horizon (the last is
        never read), or `None`.
    """
    window = examples.values.shape[1]
    known = examples.known
    if known is not None:
        known = ops.pad(known[:, 1:], [(0, 0), (0, 1), (0, 0)])
    if examples.context is not None:
        known = joined([known, ops.repeat(ops.expand_dims(examples.context, 1), window + horizon, axis=1)])
    features = joined([examples.values, examples.observed, None if known is None else known[:, :window]])
    return features, examples.values, None if known is None else known[:, window:]


def _dropped(config: Config, state):
    return keras.layers.Dropout(config.dropout, name="dropout")(state) if config.dropout else state


def _rising(config: Config, outputs):
    return rising(outputs, config.levels.index(0.5))
