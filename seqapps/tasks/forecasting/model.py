"""The forecaster: window → `RecurrentStack` → quantiles of every step."""

import keras
from keras import ops

from seqapps.recurrent.stack import RecurrentStack
from seqapps.series.scaling import FillMissing, WindowNormalization
from seqapps.tasks.forecasting.config import Config


@keras.saving.register_keras_serializable("seqapps")
class QuantileLoss(keras.losses.Loss):
    """Twice the pinball loss, mean over levels and observed values; at level 0.5 alone it is the absolute error.

    Source: Koenker & Bassett 1978. Lower is better.

    Args:
        levels: Quantile levels, each between 0 and 1.

    Call arguments:
        y_true: `(batch, horizon, targets)`, NaN where missing; missing values count nothing.
        y_pred: `(batch, horizon, targets, levels)`.

    Example:

    >>> loss = QuantileLoss([0.1, 0.5, 0.9])
    >>> float(loss(ops.array([[[2.0]]]), ops.array([[[[1.0, 2.0, 3.0]]]])))
    0.13333...
    """

    def __init__(self, levels, name="quantile_loss", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.levels = [float(level) for level in levels]

    def call(self, y_true, y_pred):
        observed = ops.isfinite(y_true)
        actual = ops.where(observed, y_true, ops.zeros_like(y_true))
        error = ops.expand_dims(actual, -1) - y_pred  # (batch, horizon, targets, levels)
        levels = ops.convert_to_tensor(self.levels, dtype=error.dtype)
        pinball = ops.mean(2 * ops.maximum(levels * error, (levels - 1) * error), axis=-1)
        weight = ops.cast(observed, pinball.dtype)
        return ops.sum(pinball * weight, axis=(1, 2)) / ops.maximum(ops.sum(weight, axis=(1, 2)), 1)  # (batch,)

    def get_config(self):
        return super().get_config() | {"levels": self.levels}


def build_model(config: Config, targets: int, mark_missing: bool = False) -> keras.Model:
    """Scaled history with gaps → scaled quantiles.

    With `channels="independent"` every column is an example of its own and one map serves all columns; with `"joint"`
    the columns are the features of one example.

    Args:
        config: Options with `window` and `horizon` set.
        targets: Number of columns.
        mark_missing: Whether the stack also sees which values were observed.

    Returns:
        A model from `(batch, window, targets)`, NaN where missing, to `(batch, horizon, targets, levels)`, rising along
        the levels.

    Example:

    >>> model = build_model(Config(window=12, horizon=3, cell="lstm"), targets=2)
    >>> model.output_shape
    (None, 3, 2, 3)
    """
    (window, horizon), levels = config.steps, len(config.levels)
    history = keras.Input((window, targets), name="history")
    channels, examples = targets, history
    if config.channels == "independent":
        channels = 1
        examples = ops.reshape(ops.transpose(history, (0, 2, 1)), (-1, window, 1))  # (batch * targets, window, 1)
    filled, observed, mask = FillMissing(name="fill_missing")(examples)
    normalized, level, scale = WindowNormalization(config.normalization, name="normalize")(filled, observed)
    features = ops.concatenate([normalized, observed], axis=-1) if mark_missing else normalized
    state = _stack(config)(features, mask=mask)
    if config.dropout:
        state = keras.layers.Dropout(config.dropout, name="dropout")(state)
    forecast = keras.layers.Dense(horizon * channels * levels, name="head")(state)
    forecast = ops.reshape(forecast, (-1, horizon, channels, levels))
    forecast = rising(forecast, config.levels.index(0.5)) * ops.expand_dims(scale, -1) + ops.expand_dims(level, -1)
    if config.channels == "independent":
        forecast = ops.reshape(forecast, (-1, targets, horizon, levels))
        forecast = ops.transpose(forecast, (0, 2, 1, 3))  # (batch, horizon, targets, levels)
    return keras.Model(history, forecast, name="forecaster")


def rising(outputs, middle: int):
    """Free numbers → quantiles that never cross: the median, and steps away from it that are never negative.

    Source: Park et al. 2022, incremental quantile functions. Sorting the outputs instead lets them swap their parts
    from example to example, and learns worse (`docs/decisions.md`).

    Args:
        outputs: `(…, levels)`.
        middle: Position of the median among the levels.

    Returns:
        `(…, levels)`, never falling along the last axis.
    """
    median = outputs[..., middle : middle + 1]
    above = ops.cumsum(ops.softplus(outputs[..., middle + 1 :]), axis=-1)
    below = ops.cumsum(ops.softplus(ops.flip(outputs[..., :middle], axis=-1)), axis=-1)
    return ops.concatenate([median - ops.flip(below, axis=-1), median, median + above], axis=-1)


def _stack(config: Config) -> RecurrentStack:
    return RecurrentStack(
        config.units,
        cell=config.cell,
        num_layers=config.num_layers,
        bidirectional=config.bidirectional,
        merge_mode=config.merge_mode,
        dropout=config.dropout,
        recurrent_dropout=config.recurrent_dropout,
        residual=config.residual,
        name="stack",
    )
