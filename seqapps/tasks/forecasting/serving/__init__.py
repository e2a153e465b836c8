"""The bundle: raw history → forecast and quantiles in raw units, as the interface of signatures fixes them."""

import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps import export
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.model import members
from seqapps.tasks.forecasting.preprocessing import Preprocessing
from seqapps.tasks.forecasting.serving import request as requests
from seqapps.tasks.forecasting.serving.served import Served, request_of

__all__ = ["Served", "bundle", "corrected", "example_requests", "facts"]


def bundle(
    model: keras.Model,
    preprocessing: Preprocessing,
    config: Config,
    correction: tuple[np.ndarray, np.ndarray] | None = None,
) -> export.Bundle:
    """The signatures `serving_default` and `forecast` of a trained model.

    Args:
        model: From `build_model`.
        preprocessing: Fitted with the model.
        config: With `window` and `horizon` set.
        correction: Factors and shifts `(horizon, targets, levels)` of the conformal correction, or `None`.

    Returns:
        A bundle with
        `serving_default(history)` → `forecast (batch, horizon, targets)` and
        `quantiles (batch, horizon, targets, levels)`;
        `forecast(history, length)` → the same and `warning (batch,)`.
        `history` is `(batch, time, targets)` of any length, raw units, NaN = missing, last step = now. A run that needs
        time stamps, ids or covariates takes them too, and serves `forecast` as `serving_default`.
    """
    for layer in [layer for network in members(model) for layer in network.layers]:
        stack = getattr(layer, "stack", layer)
        if hasattr(stack, "use_cudnn"):  # a graph traced for cuDNN would not run on a CPU
            stack.use_cudnn = False
    reader = requests.RequestReader(preprocessing, *config.steps)
    median = config.levels.index(0.5)

    def answer(request: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        request = request | {"end": requests.ends(request["history"], request.pop("length"))}
        series = reader.known(request)
        mean, scale = reader.statistics(request, series)  # (batch, 1, targets)
        scaled = model(reader.inputs(request, mean, scale), training=False)  # (batch, horizon, targets, levels)
        if correction is not None:
            factors, shifts = (tf.constant(each, tf.float32) for each in correction)
            scaled = corrected(scaled, factors, shifts, median)
        by_level = preprocessing.inverse(tf.transpose(scaled, [0, 1, 3, 2]), mean[:, None], scale[:, None])
        quantiles = tf.transpose(by_level, [0, 1, 3, 2])  # (batch, horizon, targets, levels)
        warning = reader.warnings(request, series)
        return {"forecast": quantiles[..., median], "quantiles": quantiles, "warning": warning}

    needed = requests.specs(preprocessing)
    forecast = _with_arguments(answer, needed)
    serving_default = forecast
    if set(needed) == {"history", "length"}:

        @tf.function(input_signature=[needed["history"]])
        def serving_default(history):
            whole = tf.constant([requests.WHOLE_HISTORY], tf.int32)
            finished = answer({"history": history, "length": whole})
            return {name: finished[name] for name in ("forecast", "quantiles")}

    functions = {"serving_default": serving_default, "forecast": forecast}
    return export.Bundle([variable.value for variable in model.variables], functions, reader.tables)


def _with_arguments(answer: Any, needed: dict[str, tf.TensorSpec]) -> Any:
    """A `tf.function` with one named argument per input, so that clients see their names; `length` has a default."""

    def forecast(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(dict(zip(needed, values, strict=True)))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    defaults = {"length": {"default": tf.constant([requests.WHOLE_HISTORY], tf.int32)}}
    parameters = [inspect.Parameter(name, kind, **defaults.get(name, {})) for name in needed]
    forecast.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return tf.function(forecast, input_signature=list(needed.values()))


def corrected(scaled: tf.Tensor, factors: tf.Tensor, shifts: tf.Tensor, median: int) -> tf.Tensor:
    """Quantiles with their distances from the median multiplied and shifted; they do not cross, and the median stays.

    Args:
        scaled: `(batch, horizon, targets, levels)`, rising.
        factors: `(horizon, targets, levels)`, none negative.
        shifts: `(horizon, targets, levels)`.
        median: Position of the median.
    """
    middle = scaled[..., median : median + 1]
    levels = tf.unstack(middle + (scaled - middle) * factors + shifts, axis=-1)
    levels[median] = scaled[..., median]
    for position in range(median + 1, len(levels)):
        levels[position] = tf.maximum(levels[position], levels[position - 1])
    for position in range(median - 1, -1, -1):
        levels[position] = tf.minimum(levels[position], levels[position + 1])
    return tf.stack(levels, axis=-1)


def facts(preprocessing: Preprocessing, config: Config) -> dict[str, Any]:
    """What `signatures.json` tells beside shapes."""
    told: dict[str, Any] = {
        "task": "forecasting",
        "columns": list(preprocessing.columns),
        "frequency": config.frequency,
        "window": config.window,
        "horizon": config.horizon,
        "quantile_levels": list(config.levels),
        "ranges": {"length": [0, requests.WHOLE_HISTORY]},
    }
    for name in ("past", "future", "static"):
        if columns := getattr(preprocessing, name).names:
            told[f"{name}_columns"] = list(columns)
    if preprocessing.label_columns:
        told["static_label_columns"] = list(preprocessing.label_columns)
        told["static_labels"] = [list(texts) for texts in preprocessing.labels]
    return told


def example_requests(splits: Splits, preprocessing: Preprocessing) -> dict[str, dict[str, np.ndarray]]:
    """One golden request per signature: a plain window, a short history, gaps, and nothing observed."""
    window = splits.window
    request = request_of(splits.panel, splits.origins("test")[:1], window, splits.horizon, preprocessing)
    request = {name: np.repeat(value, 4, axis=0) for name, value in request.items()}
    rows = request["history"]
    rows[1, : window // 2] = np.nan
    rows[2, ::3] = np.nan
    rows[3] = np.nan
    if "unique_id" in request:
        request["unique_id"][3] = b"a series of its own"
    length = np.array([window, window, window - 1, window], "int32")
    full = request | {"length": length}
    served = request if len(request) == 1 else full  # a run that needs more than history serves `forecast`
    return {"serving_default": {name: value[:1] for name, value in served.items()}, "forecast": full}
