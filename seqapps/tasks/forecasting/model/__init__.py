"""The forecaster: window → `RecurrentStack` → quantiles of every step."""

import keras
from keras import ops

from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import heads
from seqapps.tasks.forecasting.model.examples import Sizes, make_examples, make_inputs
from seqapps.tasks.forecasting.model.loss import QuantileLoss, rising

__all__ = ["QuantileLoss", "Sizes", "build_model", "rising"]


def build_model(config: Config, sizes: Sizes) -> keras.Model:
    """Scaled history with gaps → scaled quantiles.

    With `channels="independent"` every column is an example of its own and one map serves all columns; with `"joint"`
    the columns are the features of one example.

    Args:
        config: Options with `window` and `horizon` set.
        sizes: Shapes that the data decide.

    Returns:
        A model from a dictionary with `history` `(batch, window, targets)`, NaN where missing, and those of `past`
        `(batch, window, past)`, `future` `(batch, window + horizon, future)`, `static` `(batch, static)` and `labels`
        `(batch, labels)` that there are, to `(batch, horizon, targets, levels)`, rising along the levels.

    Example:

    >>> model = build_model(Config(window=12, horizon=3, cell="lstm"), Sizes(targets=2))
    >>> model.output_shape
    (None, 3, 2, 3)
    """
    horizon, levels = config.steps[1], len(config.levels)
    inputs = make_inputs(config, sizes)
    examples = make_examples(config, sizes, inputs)
    if config.head == "segment":
        forecast = heads.segment(config, examples, sizes.targets)
    else:
        forecast = {"direct": heads.direct, "recursive": heads.recursive}[config.head](config, examples)
    if config.linear_skip != "none":
        forecast = forecast + heads.linear_skip(config, examples)
    forecast = forecast * ops.expand_dims(examples.scale, -1) + ops.expand_dims(examples.level, -1)
    if config.channels == "independent":
        forecast = ops.reshape(forecast, (-1, sizes.targets, horizon, levels))
        forecast = ops.transpose(forecast, (0, 2, 1, 3))  # (batch, horizon, targets, levels)
    return keras.Model(inputs, forecast, name="forecaster")
