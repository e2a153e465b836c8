"""The bundle on batches: what a row may contain, what it may not do to its neighbours, and what it is told."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps import export
from seqapps.tasks.forecasting import serving
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import Sizes, build_model
from seqapps.tasks.forecasting.preprocessing import Preprocessing

BATCH, WINDOW, HORIZON, TARGETS, UNITS, LEVELS = 3, 13, 5, 2, 7, 3
LONG, SHORT = 17, 11  # steps of a history
LOW, HIGH = 20.0, 40.0  # of the training values
CONSTANT = "No value was observed: the answer is a constant."
SHORTER = "The history does not fill the window of 13 steps."
FILLED = "Missing or unusable values were filled."
OUTSIDE = "Values lie far outside the training range."


def made_bundle(transform):
    """A bundle with weights as initialised, and the scaling of values between LOW and HIGH."""
    keras.utils.set_random_seed(7)
    config = Config(window=WINDOW, horizon=HORIZON, units=UNITS, transform=transform, channels="joint")
    mean, scale = (3.4, 0.2) if transform == "log" else (30.0, 5.0)
    facts = {"mean": mean, "scale": scale, "seasonal_error": 1.0, "low": LOW, "high": HIGH}
    tables = {name: ((value,) * TARGETS,) for name, value in facts.items()}  # of one series
    scaling = Preprocessing(("tide", "swell"), transform, ids=("",), mark_missing=True, frequency="h", **tables)
    return serving.bundle(build_model(config, Sizes(TARGETS, mark_missing=True)), scaling, config).functions


@pytest.fixture(scope="module")
def bundles():
    return {transform: made_bundle(transform) for transform in ("none", "log")}


@pytest.fixture(params=["none", "log"])
def bundle(request, bundles):
    return bundles[request.param]


@pytest.fixture
def plain(bundles):
    return bundles["none"]


@pytest.fixture
def logarithmic(bundles):
    return bundles["log"]


def histories(rows=BATCH, time=WINDOW, seed=0):
    return np.random.default_rng(seed).uniform(LOW, HIGH, (rows, time, TARGETS)).astype("float32")


def forecast(bundle, history, length=None):
    inputs = {"history": tf.constant(history, tf.float32)}
    if length is not None:
        inputs["length"] = tf.constant(length, tf.int32)
    return {name: value.numpy() for name, value in bundle["forecast"](**inputs).items()}


def warnings_of(bundle, history, length=None):
    return [text.decode() for text in forecast(bundle, history, length)["warning"]]


def assert_same(received, expected, rows=slice(None), expected_rows=slice(None)):
    for name in ("forecast", "quantiles"):
        np.testing.assert_allclose(received[name][rows], expected[name][expected_rows], rtol=1e-4, atol=1e-4)


# --- shapes and signatures ---


@pytest.mark.parametrize("rows", [0, 1, BATCH])
@pytest.mark.parametrize("time", [0, 1, SHORT, WINDOW, LONG])
def test_any_number_of_rows_and_steps_is_answered(bundle, rows, time):
    received = forecast(bundle, histories(rows, time))
    shapes = {name: value.shape for name, value in received.items()}
    quantiles = (rows, HORIZON, TARGETS, LEVELS)
    assert shapes == {"forecast": quantiles[:3], "quantiles": quantiles, "warning": (rows,)}
    assert np.isfinite(received["quantiles"]).all()


def test_the_default_signature_equals_the_full_one_with_defaults(bundle):
    history = histories(time=LONG)
    history[1, :7] = np.nan
    default = {name: value.numpy() for name, value in bundle["serving_default"](tf.constant(history)).items()}
    full = forecast(bundle, history)
    assert list(default) == ["forecast", "quantiles"]
    for name, value in default.items():
        np.testing.assert_array_equal(value, full[name])


def test_the_forecast_is_the_median_and_quantiles_never_cross(bundle):
    received = forecast(bundle, histories())
    np.testing.assert_array_equal(received["forecast"], received["quantiles"][..., 1])
    assert (np.diff(received["quantiles"], axis=-1) > 0).all()


def test_written_signatures_are_those_of_the_interface(trained_run, toys):
    version = export.newest_version(trained_run("forecasting", "gru") / "export")
    described = json.loads((version / "assets.extra" / "signatures.json").read_text(encoding="utf-8"))
    history = {"dtype": "float32", "shape": [None, None, TARGETS]}
    length = {"dtype": "int32", "shape": [None], "default": [2**31 - 1]}
    answers = {
        "forecast": {"dtype": "float32", "shape": [None, HORIZON, TARGETS]},
        "quantiles": {"dtype": "float32", "shape": [None, HORIZON, TARGETS, LEVELS]},
    }
    warning = {"dtype": "string", "shape": [None]}
    assert described.pop("signatures") == {
        "serving_default": {"inputs": {"history": history}, "outputs": answers},
        "forecast": {"inputs": {"history": history, "length": length}, "outputs": {**answers, "warning": warning}},
    }
    assert described == {
        "task": "forecasting",
        "columns": ["tide", "swell"],
        "frequency": "h",
        "window": toys["forecasting"].options["window"],
        "horizon": toys["forecasting"].options["horizon"],
        "quantile_levels": [0.1, 0.5, 0.9],
        "ranges": {"length": [0, 2**31 - 1]},
    }


# --- rows ---

GARBAGE = st.floats(width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 1e38, -1e38, 0.0, -1.0, 1e-38])


@settings(max_examples=31, deadline=None)
@given(
    values=st.lists(GARBAGE, min_size=WINDOW * TARGETS, max_size=WINDOW * TARGETS),
    transform=st.sampled_from(["none", "log"]),
)
def test_no_row_spoils_its_neighbours_or_depends_on_them(bundles, values, transform):
    bundle, clean = bundles[transform], histories()
    mixed = clean.copy()
    mixed[1] = np.array(values, "float32").reshape(WINDOW, TARGETS)
    received = forecast(bundle, mixed)
    assert_same(received, forecast(bundle, clean), [0, 2], [0, 2])
    assert_same(received, forecast(bundle, mixed[1:2]), [1])
    assert np.isfinite(received["quantiles"]).all()
    assert (np.diff(received["quantiles"], axis=-1) >= 0).all()


def test_the_logarithm_answers_with_positive_numbers_only(logarithmic):
    falling = LOW * np.exp(-np.arange(WINDOW))[None, :, None].repeat(TARGETS, axis=2)
    received = forecast(logarithmic, np.concatenate([histories(), falling, np.full_like(falling, 1e-30)]))
    assert (received["quantiles"] > 0).all()


def test_values_without_a_logarithm_are_missing(logarithmic):
    unusable, missing = histories(), histories()
    unusable[0, 4, 1], unusable[1, 5], unusable[2, :3] = 0, -7, -np.inf
    missing[0, 4, 1], missing[1, 5], missing[2, :3] = np.nan, np.nan, np.nan
    assert_same(forecast(logarithmic, unusable), forecast(logarithmic, missing))
    assert warnings_of(logarithmic, unusable) == warnings_of(logarithmic, missing) == [FILLED, FILLED, SHORTER]


# --- steps ---


def test_only_the_last_window_counts(bundle):
    history = histories(time=LONG)
    changed = history.copy()
    changed[:, : LONG - WINDOW] = np.nan
    received = forecast(bundle, changed)
    assert_same(received, forecast(bundle, history[:, -WINDOW:]))
    assert received["warning"].tolist() == [b""] * BATCH


def test_a_shorter_history_equals_one_padded_with_nan(bundle):
    history = histories(time=SHORT)
    padding = np.full((BATCH, WINDOW - SHORT, TARGETS), np.nan, "float32")
    assert_same(forecast(bundle, history), forecast(bundle, np.concatenate([padding, history], axis=1)))


@settings(max_examples=31, deadline=None)
@given(
    lengths=st.lists(st.integers(0, LONG), min_size=BATCH, max_size=BATCH),
    padding=st.lists(GARBAGE, min_size=LONG * TARGETS, max_size=LONG * TARGETS),
)
def test_steps_from_length_on_are_ignored(bundles, lengths, padding):
    plain = bundles["none"]
    history = histories(time=LONG)
    padded = np.broadcast_to(np.array(padding, "float32").reshape(LONG, TARGETS), history.shape).copy()
    for row, length in enumerate(lengths):
        padded[row, :length] = history[row, :length]
    received = forecast(plain, padded, lengths)
    for row, length in enumerate(lengths):
        alone = forecast(plain, history[row : row + 1, :length])
        assert_same(received, alone, [row])
        assert received["warning"][row] == alone["warning"][0]


def test_one_length_serves_all_rows_and_is_held_within_the_history(plain):
    history = histories(time=LONG)
    assert_same(forecast(plain, history, [SHORT]), forecast(plain, history[:, :SHORT]))
    assert_same(forecast(plain, history, [LONG + 1]), forecast(plain, history))
    assert_same(forecast(plain, history, [-3]), forecast(plain, history[:, :0]))


# --- warnings ---


def test_each_row_is_told_what_was_wrong_with_it(bundle):
    history = histories(rows=9)
    history[1] = np.nan
    history[2, :SHORT] = np.nan
    history[3, 5] = np.nan
    history[4, -1, 1] = np.inf
    history[5, 7, 0] = HIGH + 1.01 * (HIGH - LOW)
    history[6, 7, 1] = HIGH + 0.99 * (HIGH - LOW)
    history[7, :3], history[7, 7] = np.nan, np.nan
    history[8, :3], history[8, 7, 0], history[8, 9] = np.nan, np.nan, 1e9
    assert warnings_of(bundle, history) == [
        "",
        CONSTANT,
        SHORTER,
        FILLED,
        FILLED,
        OUTSIDE,
        "",
        f"{SHORTER} {FILLED}",
        f"{SHORTER} {FILLED} {OUTSIDE}",
    ]


def test_an_empty_history_is_answered_with_one_constant_and_a_warning(bundle):
    received = forecast(bundle, histories(time=0))
    assert received["warning"].tolist() == [CONSTANT.encode()] * BATCH
    assert (received["quantiles"] == received["quantiles"][:1]).all()
    assert_same(received, forecast(bundle, np.full((BATCH, LONG, TARGETS), np.nan)))


def test_a_value_far_below_the_training_range_is_told(plain):
    history = histories(rows=2)
    history[0, 7, 0] = LOW - 0.99 * (HIGH - LOW)
    history[1, 7, 0] = LOW - 1.01 * (HIGH - LOW)
    assert warnings_of(plain, history) == ["", OUTSIDE]
