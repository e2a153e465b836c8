"""A covariate that is missing where the model reads it: refused for a table, told by its name for a request."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from refusals import refusal

from seqapps.series import windows
from seqapps.tasks.forecasting import Config, data, preprocessing, serving
from seqapps.tasks.forecasting.model import build_model
from seqapps.tasks.forecasting.serving import covariates

WINDOW, HORIZON, STEPS = 5, 3, 41
DAYS = pd.date_range("2024-01-01", periods=STEPS)
CONFIG = Config(
    window=WINDOW, horizon=HORIZON, units=3, past_columns=("wind", "rain"), future_columns=("price",),
    static_columns=("area", "town"),
)  # fmt: skip
NOW = STEPS - HORIZON  # the first step to come
UP_TO = f"in the window of {WINDOW} steps up to {DAYS[NOW - 1]}."


def table():
    """Two series; their last rows are still to come."""
    random = np.random.default_rng(0)
    parts = []
    for name, area in (("mall", 7.0), ("stall", 131.0)):
        frame = pd.DataFrame(random.normal(size=(STEPS, 4)), columns=["y", "wind", "rain", "price"])
        parts.append(frame.assign(unique_id=name, ds=DAYS, area=area, town=name.upper()))
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[frame["ds"] >= DAYS[NOW], ["y", "wind", "rain"]] = np.nan
    return frame


def check(frame, steps=(NOW, NOW)):
    """Check what a forecast needs from some step of every series on."""
    panel = data.read(frame, CONFIG)
    at = windows.Origins(panel.starts[:-1] + np.array(steps), panel.starts[:-1], np.arange(2))
    covariates.check_known(panel, at, WINDOW, HORIZON)


def cell(step, name="stall"):
    """The row of a step of a series."""
    return step + STEPS * (name == "stall")


# --- tables ---


def test_a_table_that_knows_what_the_model_reads_passes():
    frame = table()
    frame.loc[cell(NOW - WINDOW - 1), ["wind", "rain", "price"]] = np.nan  # no window reaches back to it
    frame.loc[cell(NOW - 1), "wind"] = np.nan  # the past may have gaps
    check(frame)
    check(table(), (0, 2))  # nothing came before, or less than a window


@pytest.mark.parametrize("column", ["area", "town"])
def test_a_series_without_a_value_that_belongs_to_it_is_refused(column):
    frame = table()
    frame.loc[frame["unique_id"] == "stall", column] = None
    with refusal(
        f"the DataFrame, series 'stall', column {column!r}: the series must have a value. Received: nothing. "
        "Fill it in."
    ):
        check(frame)


def test_a_past_column_without_any_value_in_the_window_is_refused():
    frame = table()
    frame.loc[cell(NOW - WINDOW) : cell(NOW - 1), "rain"] = np.nan
    with refusal(
        f"the DataFrame, series 'stall', column 'rain': the covariate must have values {UP_TO} Received: none. "
        "Fill it in."
    ):
        check(frame)


@pytest.mark.parametrize("step", [NOW - WINDOW, NOW - 1])
def test_a_hole_in_the_window_of_what_is_known_of_the_future_is_refused(step):
    frame = table()
    frame.loc[cell(step), "price"] = np.nan
    with refusal(
        f"the DataFrame, series 'stall', column 'price': the covariate must be known {UP_TO} "
        f"Received: nothing at {DAYS[step]}. Fill it in."
    ):
        check(frame)


def test_a_row_that_is_absent_is_a_missing_step():
    check(table().drop(index=cell(NOW - 2)))


@pytest.mark.parametrize("ahead", range(HORIZON))
def test_a_hole_in_the_horizon_is_refused(ahead):
    frame = table()
    frame.loc[cell(NOW + ahead), "price"] = np.nan
    with refusal(
        f"the DataFrame, series 'stall', column 'price': the covariate must be known for the 3 steps after "
        f"{DAYS[NOW - 1]}. Received: 2 of them. Add rows with the time stamps to come, 'price' filled in and the "
        "targets left empty."
    ):
        check(frame)


# --- requests ---


def test_a_request_is_told_which_covariates_were_filled():
    splits = data.load(table(), CONFIG)
    scaling = preprocessing.fit(splits, CONFIG)
    bundle = serving.bundle(build_model(CONFIG, scaling.sizes()), scaling, data.resolved(CONFIG, splits))
    request = serving.request_of(splits.panel, splits.origins("train")[:4], WINDOW, HORIZON, scaling)
    request["past"][1, -1, 0], request["future"][1, 0, 0] = np.nan, np.inf
    request["static"][2] = np.nan
    request["static_labels"][3] = b"Atlantis"
    answers = bundle.functions["forecast"](**{name: tf.constant(value) for name, value in request.items()})
    filled = "Missing covariates were taken as their mean: "
    assert [text.decode() for text in answers["warning"].numpy()] == [
        "",
        f"{filled}'wind', 'price'.",
        f"{filled}'area'.",
        "A label was not in the training: 'town'.",
    ]
    request["static"][2] = scaling.static.mean
    again = bundle.functions["forecast"](**{name: tf.constant(value) for name, value in request.items()})
    np.testing.assert_allclose(again["forecast"][2], answers["forecast"][2], rtol=1e-5)


def test_the_whole_past_is_sent_of_unknown_series_alone():
    splits = data.load(table(), CONFIG)
    scaling = preprocessing.fit(splits, CONFIG)
    at = splits.origins("validation")
    assert serving.request_of(splits.panel, at, WINDOW, HORIZON, scaling)["history"].shape[1] == WINDOW
    other = data.read(table().replace({"unique_id": {"stall": "bazaar"}}), CONFIG)
    request = serving.request_of(other, at, WINDOW, HORIZON, scaling)
    reach = int((at.rows - at.firsts)[at.series == 1].max())
    assert [request[name].shape[1] for name in ("history", "past", "future")] == [reach, reach, reach + HORIZON]
    last = int(np.flatnonzero(at.series == 1)[-1])
    first, row = at.firsts[last], at.rows[last]
    np.testing.assert_allclose(request["history"][last], other.values[first:row], rtol=1e-6)
    np.testing.assert_allclose(request["future"][last], other.future[first : row + HORIZON], rtol=1e-6)
