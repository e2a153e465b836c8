"""The forecaster: window → `RecurrentStack` → quantiles of every step."""

from typing import Any

import keras
from keras import ops

from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import heads
from seqapps.tasks.forecasting.model.examples import Sizes, make_examples, make_inputs
from seqapps.tasks.forecasting.model.loss import QuantileLoss, rising
from seqapps.tasks.forecasting.model.side_by_side import MeanOfMembers, members

__all__ = ["QuantileLoss", "Sizes", "build_model", "members", "rising"]


def build_model(config: Config, sizes: Sizes) -> keras.Model:
    """Scaled history with gaps → scaled quantiles.

    With `channels="independent"` every column is an example of its own and one map serves all columns; with `"joint"`
    the columns are the features of one example. With several `members` there are as many such networks with weights of
    their own, and the quantiles are the means of theirs.

    Args:
        config: Options with `window` and `horizon` set.
        sizes: Shapes that the data decide.

    Returns:
        A model from a dictionary with `history` `(batch, window, targets)`, NaN where missing, and those of `past`
        `(batch, window, past)`, `future` `(batch, window + horizon, future)`, `static` `(batch, static)` and `labels`
        `(batch, labels)` that there are, to `(batch, horizon, targets, levels)`, rising along the levels. In training
        several members answer side by side, as `QuantileLoss` reads them.

    Example:

    >>> model = build_model(Config(window=12, horizon=3, cell="lstm"), Sizes(targets=2))
    >>> model.output_shape
    (None, 3, 2, 3)
    """
    inputs = make_inputs(config, sizes)
    if config.members == 1:
        return keras.Model(inputs, _forecast(config, sizes, inputs), name="forecaster")
    networks = [_network(own, sizes, number) for number, own in enumerate(config.of_members, start=1)]
    forecast = MeanOfMembers(name="mean")([network(inputs) for network in networks])
    return keras.Model(inputs, forecast, name="forecaster")


def _network(config: Config, sizes: Sizes, number: int) -> keras.Model:
    """One of several members."""
    inputs = make_inputs(config, sizes)
    return keras.Model(inputs, _forecast(config, sizes, inputs), name=f"member_{number}")


def _forecast(config: Config, sizes: Sizes, inputs: dict[str, Any]):
    """Inputs → quantiles, in the units of the inputs: `(batch, horizon, targets, levels)`."""
    horizon, levels = config.steps[1], len(config.levels)
    examples = make_examples(config, sizes, inputs)
    head = {"direct": heads.direct, "segment": heads.segment, "recursive": heads.recursive}[config.head]
    forecast = head(config, examples)
    if config.linear_skip != "none":
        forecast = forecast + heads.linear_skip(config, examples)
    forecast = forecast * ops.expand_dims(examples.scale, -1) + ops.expand_dims(examples.level, -1)
    if config.channels == "independent":
        forecast = ops.reshape(forecast, (-1, sizes.targets, horizon, levels))
        forecast = ops.transpose(forecast, (0, 2, 1, 3))  # (batch, horizon, targets, levels)
    return forecast
