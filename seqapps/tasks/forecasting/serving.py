"""The bundle: raw history → forecast and quantiles in raw units, as the interface of signatures fixes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps import export, run_folder
from seqapps.series import grid, windows
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits, read_series
from seqapps.tasks.forecasting.preprocessing import Preprocessing

WHOLE_HISTORY = 2**31 - 1


def bundle(model: keras.Model, preprocessing: Preprocessing, config: Config) -> export.Bundle:
    """The signatures `serving_default` and `forecast` of a trained model.

    Args:
        model: From `build_model`.
        preprocessing: Fitted with the model.
        config: With `window` and `horizon` set.

    Returns:
        A bundle with
        `serving_default(history)` → `forecast (batch, horizon, targets)` and
        `quantiles (batch, horizon, targets, levels)`;
        `forecast(history, length)` → the same and `warning (batch,)`.
        `history` is `(batch, time, targets)` of any length, raw units, NaN = missing, last step = now.
    """
    model.get_layer("stack").use_cudnn = False  # a graph traced for cuDNN would not run on a CPU
    history_spec = tf.TensorSpec([None, None, len(preprocessing.columns)], tf.float32, name="history")
    length_spec = tf.TensorSpec([None], tf.int32, name="length")
    whole = tf.constant([WHOLE_HISTORY], tf.int32)
    window_steps, _ = config.steps
    median = config.levels.index(0.5)

    def answer(window):
        scaled = model(preprocessing.forward(window), training=False)  # (batch, horizon, targets, levels)
        by_level = preprocessing.inverse(tf.transpose(scaled, [0, 1, 3, 2]))
        quantiles = tf.transpose(by_level, [0, 1, 3, 2])  # (batch, horizon, targets, levels)
        return {"forecast": quantiles[..., median], "quantiles": quantiles}

    @tf.function(input_signature=[history_spec])
    def serving_default(history):
        return answer(_last_window(history, whole, window_steps))

    @tf.function(input_signature=[history_spec, length_spec])
    def forecast(history, length=whole):
        window = _last_window(history, length, window_steps)
        return answer(window) | {"warning": _warnings(window, preprocessing)}

    variables = [variable.value for variable in model.variables]
    return export.Bundle(variables, {"serving_default": serving_default, "forecast": forecast})


def _last_window(history, length, window: int):
    """The last `window` steps before `length`, padded with NaN on the left: `(batch, window, targets)`."""
    batch, time = tf.shape(history)[0], tf.shape(history)[1]
    end = tf.broadcast_to(tf.clip_by_value(length, 0, time), [batch])
    step = end[:, None] + tf.range(-window, 0)  # (batch, window)
    history = tf.pad(history, [[0, 0], [0, 1], [0, 0]])  # one step at least, so that an empty history can be read
    values = tf.gather(history, tf.maximum(step, 0), batch_dims=1)
    return tf.where((step >= 0)[..., None], values, tf.constant(np.nan, tf.float32))


def _warnings(window, preprocessing: Preprocessing):
    """What a caller should know about each row: `(batch,)` texts, empty where there is nothing to say."""
    observed = tf.math.is_finite(preprocessing.forward(window))  # (batch, window, targets)
    step_observed = tf.reduce_any(observed, axis=2)
    nothing = ~tf.reduce_any(step_observed, axis=1)
    short = ~step_observed[:, 0]
    # A step counts as inside the history from the first observation on.
    inside = tf.cumsum(tf.cast(step_observed, tf.int32), axis=1) > 0
    gaps = tf.reduce_any(inside[..., None] & ~observed, axis=[1, 2])
    low, high = (tf.constant(edge, tf.float32) for edge in (preprocessing.low, preprocessing.high))
    margin = high - low
    outside = tf.reduce_any(observed & ((window < low - margin) | (window > high + margin)), axis=[1, 2])
    sentences = [
        (nothing, "No value was observed: the answer is a constant. "),
        (short & ~nothing, f"The history does not fill the window of {window.shape[1]} steps. "),
        (gaps, "Missing or unusable values were filled. "),
        (outside, "Values lie far outside the training range. "),
    ]
    empty = tf.constant("")
    return tf.strings.strip(tf.strings.join([tf.where(applies, text, empty) for applies, text in sentences]))


def facts(preprocessing: Preprocessing, config: Config) -> dict[str, Any]:
    """What `signatures.json` tells beside shapes."""
    return {
        "task": "forecasting",
        "columns": list(preprocessing.columns),
        "frequency": config.frequency,
        "window": config.window,
        "horizon": config.horizon,
        "quantile_levels": list(config.levels),
        "ranges": {"length": [0, WHOLE_HISTORY]},
    }


def example_requests(splits: Splits) -> dict[str, dict[str, np.ndarray]]:
    """One golden request per signature: a plain window, a short history, gaps, and nothing observed."""
    window = splits.window
    history = windows.histories(splits.series.values, splits.origins("test")[:1], window)
    rows = np.repeat(history, 4, axis=0).astype("float32")
    rows[1, : window // 2] = np.nan
    rows[2, ::3] = np.nan
    rows[3] = np.nan
    length = np.array([window, window, window - 1, window], "int32")
    return {"serving_default": {"history": rows[:1]}, "forecast": {"history": rows, "length": length}}


class Served:
    """The newest SavedModel of a run, answering for series instead of tensors.

    Args:
        folder: The run.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        options = run_folder.read_json(folder / "config.json")
        self.config = Config.from_dict({name: value for name, value in options.items() if name != "task"}, str(folder))
        self.preprocessing = Preprocessing.from_dict(run_folder.read_json(folder / "preprocessing.json")["fitted"])
        self.window, self.horizon = self.config.steps
        self._loaded = tf.saved_model.load(str(export.newest_version(folder / "export")))

    def answers(
        self, values: np.ndarray, origins: np.ndarray, batch_size: int = 256
    ) -> Iterator[dict[str, np.ndarray]]:
        """Answers of the signature `forecast` for the windows before each origin, batch by batch.

        Args:
            values: `(time, targets)` in the data's own units, NaN where missing.
            origins: `(examples,)` rows at which forecasts start.
            batch_size: Windows per call.
        """
        for start in range(0, len(origins), batch_size):
            rows = origins[start : start + batch_size]
            history = windows.histories(values, rows, self.window).astype("float32")
            answer = self._loaded.forecast(history=tf.constant(history))
            yield {name: value.numpy() for name, value in answer.items()}

    def predict(self, data: str | Path | TextIO | pd.DataFrame) -> pd.DataFrame:
        """Forecast what follows the last row of a table.

        Args:
            data: As for training; the columns of the run must be there, and may have gaps.

        Returns:
            One row per step: the time stamp, then for each column its forecast and, as `column_q0.1`, its quantiles.
        """
        series = read_series(data, self.config)
        (answer,) = self.answers(series.values, np.array([len(series.values)]))
        following = grid.future_stamps(series.stamps[-1], self.horizon, series.frequency)
        columns: dict[str, Any] = {series.time_column: following}
        for position, name in enumerate(series.columns):
            columns[name] = answer["forecast"][0, :, position]
            for level_position, level in enumerate(self.config.levels):
                columns[f"{name}_q{level:g}"] = answer["quantiles"][0, :, position, level_position]
        frame = pd.DataFrame(columns)
        frame.attrs["warning"] = answer["warning"][0].decode()
        return frame
