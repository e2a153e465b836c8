"""Scaling is fitted on the training part, goes forth and back, and loses neither gaps nor small changes."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal
from utilsforecast import losses

from seqapps.tasks.forecasting import data, preprocessing
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.preprocessing import LARGEST_SCALED, Preprocessing

LENGTH, TRAIN, VALIDATION, SEASON = 53, 29, 41, 7
OPTIONS = {"window": 5, "horizon": 3, "season_length": SEASON, "split_rows": (TRAIN, VALIDATION, LENGTH)}
every_transform = pytest.mark.parametrize("transform", ["none", "log"])


def positive(seed=0, length=LENGTH):
    """`(time, 2)` positive values with two levels and scales."""
    return np.random.default_rng(seed).lognormal((0, 5), (0.5, 0.25), (length, 2))


def fitted(values, transform="none"):
    table = pd.DataFrame(values, columns=["load", "wind"][: values.shape[1]])
    table.insert(0, "time", range(len(values)))
    config = Config(**OPTIONS, transform=transform)
    return preprocessing.fit(data.load(table, config), config)


# --- fitting ---


@every_transform
def test_mean_scale_and_range_are_those_of_the_training_part(transform):
    values = positive()
    train = values[:TRAIN]
    transformed = np.log(train) if transform == "log" else train
    scaling = fitted(values, transform)
    np.testing.assert_allclose(scaling.mean, [transformed.sum(axis=0) / TRAIN])
    np.testing.assert_allclose(np.square(scaling.scale), [np.square(transformed - scaling.mean).sum(axis=0) / TRAIN])
    np.testing.assert_array_equal(scaling.low, [train.min(axis=0)])
    np.testing.assert_array_equal(scaling.high, [train.max(axis=0)])
    assert (scaling.ids, scaling.many) == (("",), False)
    assert (scaling.columns, scaling.transform, scaling.mark_missing) == (("load", "wind"), transform, False)


def test_the_test_part_changes_nothing_and_validation_only_the_seasonal_error():
    values = positive()
    before = fitted(values).to_dict()
    values[VALIDATION:] *= 7
    assert fitted(values).to_dict() == before
    values[TRAIN:VALIDATION] *= 7
    after = fitted(values).to_dict()
    assert [name for name in before if before[name] != after[name]] == ["seasonal_error"]


def test_missing_training_values_are_left_out_and_remembered():
    values = positive()
    values[[3, 5], 0] = np.nan
    scaling = fitted(values)
    np.testing.assert_allclose(scaling.mean[0][0], np.delete(values[:TRAIN, 0], [3, 5]).mean())
    assert scaling.mark_missing
    values = positive()
    values[[30, 50], 0] = np.nan
    assert not fitted(values).mark_missing


@every_transform
@pytest.mark.parametrize("value", [0.1, 7.0, 1e9])
def test_a_constant_column_has_scale_one(transform, value):
    values = positive()
    values[:TRAIN, 1] = value
    scaling = fitted(values, transform)
    assert scaling.scale[0][1] == 1
    scaled = scaling.forward(values[:TRAIN])
    np.testing.assert_allclose(scaled[:, 1], 0, atol=1e-6)
    np.testing.assert_allclose(scaling.inverse(scaled)[:, 1], value, rtol=1e-6)


@pytest.mark.parametrize(("row", "value", "shown"), [(3, 0.0, "0"), (50, -2.5, "-2.5")])
def test_a_logarithm_needs_positive_values(row, value, shown):
    values = positive()
    values[row, 1] = value
    with refusal(
        f"`transform` must be 'none' for column 'wind': its smallest value is {shown} and only positive numbers have a "
        "logarithm. Received: transform='log'."
    ):
        fitted(values, "log")
    fitted(values, "none")


@pytest.mark.parametrize("option", ["past_columns", "future_columns"])
def test_a_covariate_that_is_empty_in_training_is_refused(option):
    table = pd.DataFrame({"time": range(LENGTH), "load": positive()[:, 0], "heat": 7.0})
    table.loc[: TRAIN - 1, "heat"] = np.nan
    config = Config(**OPTIONS, **{option: ("heat",)})
    splits = data.load(table, config)
    with refusal(f"Column 'heat': every value of the training part is missing. Leave it out of {option}."):
        preprocessing.fit(splits, config)


@every_transform
def test_a_fit_goes_through_json_and_back(transform):
    values = positive()
    values[3, 0] = np.nan
    scaling = fitted(values, transform)
    assert Preprocessing.from_dict(json.loads(json.dumps(scaling.to_dict()))) == scaling


# --- forth and back ---


@every_transform
def test_forward_gives_z_scores_of_the_transformed_columns(transform):
    values = positive()
    transformed = np.log(values) if transform == "log" else values
    train = transformed[:TRAIN]
    scaled = fitted(values, transform).forward(values)
    assert scaled.dtype == tf.float32
    np.testing.assert_allclose(scaled, (transformed - train.mean(axis=0)) / train.std(axis=0), rtol=1e-5, atol=1e-6)


@every_transform
@settings(deadline=None)
@given(seed=st.integers(0, 997), level=st.floats(1e-6, 1e6))
def test_inverse_undoes_forward(transform, seed, level):
    values = level * positive(seed)
    scaling = fitted(values, transform)
    back = scaling.inverse(scaling.forward(values))
    assert back.dtype == tf.float32
    np.testing.assert_allclose(back, values, rtol=1e-4)


@every_transform
def test_batches_of_windows_are_scaled_like_a_series_also_in_a_graph(transform):
    values = positive()
    scaling = fitted(values, transform)
    series = scaling.forward(values).numpy()
    windows = np.stack([values[:5], values[7:12], values[11:16]]).astype("float32")  # (batch, window, targets)
    scaled = tf.function(scaling.forward)(windows)
    np.testing.assert_allclose(scaled, [series[:5], series[7:12], series[11:16]], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tf.function(scaling.inverse)(scaled), windows, rtol=1e-4)


def test_what_cannot_be_used_becomes_nan_and_leaves_its_neighbours_alone():
    values = positive()
    for transform, unusable in (("none", (np.nan, np.inf, -np.inf)), ("log", (np.nan, np.inf, -np.inf, 0.0, -7.0))):
        scaling = fitted(values, transform)
        whole = scaling.forward(values).numpy()
        for value in unusable:
            spoilt = values.copy()
            spoilt[3, 1] = value
            expected = whole.copy()
            expected[3, 1] = np.nan
            np.testing.assert_array_equal(scaling.forward(spoilt), expected)


def test_without_a_logarithm_values_of_zero_and_below_are_values():
    values = positive() - 100
    assert np.isfinite(fitted(values).forward(np.array([[0.0, -7.0]]))).all()


def test_a_large_level_does_not_swallow_small_changes():
    changes = np.random.default_rng(0).normal(size=(LENGTH, 1))
    scaled, moved = (fitted(values).forward(values) for values in (changes, 1e9 + changes / 64))
    np.testing.assert_allclose(moved, scaled, atol=1e-4)  # float32 would be off by up to 64 at that level


@every_transform
def test_extreme_values_stay_finite(transform):
    scaling = fitted(positive(), transform)
    largest = float(np.finfo("float32").max)
    scaled = scaling.forward(np.array([[largest, 1e300], [1e-300, 1e-300]]))
    assert np.isfinite(scaled).all()
    assert np.abs(scaled).max() <= LARGEST_SCALED
    if transform == "none":
        assert scaled.numpy()[0].tolist() == [LARGEST_SCALED] * 2
    else:
        assert np.isfinite(scaling.inverse(np.full((1, 2), LARGEST_SCALED, "float32"))).all()


# --- the denominator of MASE ---


def test_the_seasonal_error_is_the_denominator_of_mase_in_utilsforecast():
    values = positive()
    before_test = values[:VALIDATION]
    train = pd.DataFrame(
        {
            "unique_id": np.repeat(["load", "wind"], VALIDATION),
            "ds": np.tile(np.arange(VALIDATION), 2),
            "y": before_test.T.ravel(),
        }
    )
    # A forecast that is wrong by 1 has a mean absolute error of 1, so that its MASE is 1 / denominator.
    test = pd.DataFrame({"unique_id": ["load", "wind"], "ds": VALIDATION, "y": 0.0, "model": 1.0})
    mase = losses.mase(test, ["model"], SEASON, train).set_index("unique_id")["model"]
    np.testing.assert_allclose(fitted(values).seasonal_error[0], 1 / mase[["load", "wind"]])


def test_the_seasonal_error_is_the_mean_over_observed_pairs():
    nan = np.nan
    values = np.array([[1, 1], [2, nan], [4, 3], [nan, 5], [11, 7]], "float64")
    # Column 0 at season 2: |4 - 1|, |11 - 4|; column 1: |3 - 1|, |7 - 3|; the pairs with a gap are left out.
    assert preprocessing.seasonal_error(values, 2).tolist() == [(3 + 7) / 2, (2 + 4) / 2]


@pytest.mark.parametrize("season_length", [5, 7])
def test_without_a_pair_of_values_the_seasonal_error_is_zero(season_length):
    assert preprocessing.seasonal_error(np.arange(10.0).reshape(5, 2), season_length).tolist() == [0, 0]
