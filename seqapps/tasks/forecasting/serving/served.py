"""A run's SavedModel, answering for tables instead of tensors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps import export, run_folder
from seqapps.series import calendar, grid, windows
from seqapps.series.panel import Data, Panel
from seqapps.tasks.forecasting import data as data_module
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import notes
from seqapps.tasks.forecasting.preprocessing import Preprocessing, seconds
from seqapps.tasks.forecasting.serving import covariates


def request_of(
    panel: Panel, at: windows.Origins, window: int, horizon: int, preprocessing: Preprocessing
) -> dict[str, np.ndarray]:
    """What came before some origins as a request of the signature `forecast`."""
    reach = _reach(panel, at, window, preprocessing)
    request: dict[str, np.ndarray] = {"history": windows.histories(panel.values, at, reach).astype("float32")}
    if preprocessing.cycles:
        request["last_time"] = _last_time(panel, at)
    if preprocessing.past.names:
        request["past"] = windows.histories(panel.past, at, reach).astype("float32")
    if preprocessing.future.names:
        history, future = windows.histories(panel.future, at, reach), windows.futures(panel.future, at, horizon)
        request["future"] = np.concatenate([history, future], axis=1).astype("float32")
    if preprocessing.static.names:
        request["static"] = panel.numbers(preprocessing.static.names)[at.series].astype("float32")
    if preprocessing.label_columns:
        request["static_labels"] = _bytes(panel.labels(preprocessing.label_columns)[at.series])
    if preprocessing.many:
        request["unique_id"] = _bytes(np.array(panel.ids, dtype=object)[at.series])
    return request


def _reach(panel: Panel, at: windows.Origins, window: int, preprocessing: Preprocessing) -> int:
    """Steps to send: a window, or all that is known of a series that is scaled by what comes with the request."""
    if not preprocessing.many:
        return window
    unknown = ~np.isin(np.array(panel.ids, dtype=object), np.array(preprocessing.ids, dtype=object))[at.series]
    return max(window, int((at.rows - at.firsts)[unknown].max(initial=0)))


def _last_time(panel: Panel, at: windows.Origins) -> np.ndarray:
    """Seconds since 1970 of the step before each origin; before a series' first row a step is counted back."""
    own = seconds(panel.stamps)
    at_first = at.rows == at.firsts
    step = int(calendar.step_seconds(panel.frequency))
    return np.where(at_first, own[np.minimum(at.rows, len(own) - 1)] - step, own[at.rows - 1])


def _bytes(texts: np.ndarray) -> np.ndarray:
    return np.vectorize(str.encode, otypes=[object])(texts)


class Served:
    """The newest SavedModel of a run, answering for series instead of tensors.

    Args:
        folder: The run.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.config = Config.from_dict(run_folder.read_options(folder), str(folder))
        self.preprocessing = Preprocessing.from_dict(run_folder.read_json(folder / "preprocessing.json")["fitted"])
        self.window, self.horizon = self.config.steps
        self._loaded = tf.saved_model.load(str(export.newest_version(folder / "export")))

    def answers(self, panel: Panel, at: windows.Origins, batch_size: int = 256) -> Iterator[dict[str, np.ndarray]]:
        """Answers of the signature `forecast` for the windows before each origin, batch by batch."""
        for start in range(0, len(at), batch_size):
            rows = at[start : start + batch_size]
            request = request_of(panel, rows, self.window, self.horizon, self.preprocessing)
            answer = self._loaded.forecast(**{name: tf.constant(value) for name, value in request.items()})
            yield {name: value.numpy() for name, value in answer.items()}

    def _following(self, panel: Panel, row: int, first: int) -> pd.Index:
        """The time stamps of the horizon; a series without any value is answered from its first row on."""
        if row > first:
            return grid.future_stamps(panel.stamps[row - 1], self.horizon, panel.frequency)
        later = grid.future_stamps(panel.stamps[first], self.horizon - 1, panel.frequency)
        return panel.stamps[first : first + 1].append(later)

    def predict(self, data: Data) -> pd.DataFrame:
        """Forecast what follows the last row of every series of a table.

        Args:
            data: As for training; the columns of the run must be there, and the targets may have gaps. Rows after a
                series' last value are the steps to come: `horizon` of them at least where covariates are known there.

        Returns:
            One row per series and step: the id (if there are several series), the time stamp, then for each column its
            forecast and, as `column_q0.1`, its quantiles.

        Raises:
            ValueError: If the data cannot be used, or a covariate is missing where the model reads it.
        """
        panel = data_module.read(data, self.config)
        at = _now(panel)
        covariates.check_known(panel, at, self.window, self.horizon)
        answers = list(self.answers(panel, at))
        forecast, quantiles, warning = (
            np.concatenate([answer[name] for answer in answers]) for name in ("forecast", "quantiles", "warning")
        )
        following = [
            self._following(panel, int(row), int(first)) for row, first in zip(at.rows, at.firsts, strict=True)
        ]
        columns: dict[str, Any] = {panel.time_column: following[0].append(following[1:])}
        if self.preprocessing.many:
            names = np.repeat(np.array(panel.ids, dtype=object)[at.series], self.horizon)
            columns = {panel.roles.id or "unique_id": names} | columns
        for position, name in enumerate(panel.columns):
            columns[name] = forecast[:, :, position].ravel()
            for level_position, level in enumerate(self.config.levels):
                columns[f"{name}_q{level:g}"] = quantiles[:, :, position, level_position].ravel()
        frame = pd.DataFrame(columns)
        frame.attrs["warning"] = _one_warning(warning, panel)
        return frame


def _one_warning(warnings: np.ndarray, panel: Panel) -> str:
    """The warnings of all series in one line."""
    texts = [warning.decode() for warning in warnings]
    if len(texts) == 1:
        return texts[0]
    said = []
    for text in filter(None, dict.fromkeys(texts)):
        names = [name for name, each in zip(panel.ids, texts, strict=True) if each == text]
        said.append(f"{len(names)} series ({notes.few(names)}): {text}")
    return " ".join(said)


def _now(panel: Panel) -> windows.Origins:
    """The step after each series' last value; the rows that follow without any are to come."""
    origins = []
    for first, after in zip(panel.starts[:-1], panel.starts[1:], strict=True):
        observed = np.flatnonzero(~np.isnan(panel.values[first:after]).all(axis=1))
        origins.append(int(first) + (int(observed[-1]) + 1 if observed.size else 0))
    return windows.Origins(np.array(origins), panel.starts[:-1], np.arange(len(panel.ids)))
