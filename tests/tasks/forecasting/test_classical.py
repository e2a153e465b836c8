"""Naive2 by hand and against the M4 competition; exponential smoothing and Theta keep the grammar of the others."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal
from scipy.stats import norm
from statsforecast.models import AutoETS, AutoTheta

from seqapps.series import windows
from seqapps.tasks.forecasting import data, preprocessing
from seqapps.tasks.forecasting.baselines import classical
from seqapps.tasks.forecasting.config import Config

NEIGHBOUR = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("SEQAPPS_DATA", NEIGHBOUR))
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
SHAPE = np.array([0.5, 1.5, 0.8, 1.2])  # mean 1
METHODS = (classical.ETS, classical.THETA, classical.NAIVE2)


def path_of(name):
    folder = DATA / "forecasting" if (DATA / "forecasting").is_dir() else DATA
    if not (folder / name).is_file():
        pytest.skip(f"{name} is not here; set SEQAPPS_DATA to the folder that holds it")
    return folder / name


def naive2(past, horizon, season_length, levels=(0.5,)):
    return classical.naive2(np.array(past, "float64"), horizon, season_length, levels)


# --- naive2 by hand ---


@pytest.mark.parametrize(
    ("past", "season_length"),
    [
        ([3, 1, 4, 1, 5], 1),
        ([1, 2, 1, 2, 5], 2),  # shorter than three seasons
        ([5, 5, 5, 5, 5, 5, 5, 5], 2),  # constant
        ([-1, 2, -1, 2, -1, 2, -1, 5], 2),  # no product of level and season
        ([0, 2, 0, 2, 0, 2, 0, 5], 2),
        ([5], 4),
    ],
)
def test_without_a_season_naive2_is_the_last_value(past, season_length):
    point, spread = naive2(past, 7, season_length)
    assert point.tolist() == [past[-1]] * 7
    np.testing.assert_array_equal(spread[:, 0], point)


@pytest.mark.parametrize("length", range(20, 28))
def test_naive2_continues_a_multiplicative_season_exactly(length):
    whole = 40 * SHAPE[np.arange(length + 11) % 4]
    past = whole[:length]
    assert classical.seasonal(past, 4)
    np.testing.assert_allclose(classical.seasonal_indices(past, 4), SHAPE)
    point, spread = naive2(past, 11, 4, LEVELS)
    np.testing.assert_allclose(point, whole[length:])
    np.testing.assert_allclose(spread, np.repeat(point[:, None], 5, axis=1))  # the adjusted series never moves


def test_an_odd_season_has_a_plain_moving_average():
    past = np.tile([3.0, 6.0, 9.0], 7)
    np.testing.assert_allclose(classical.seasonal_indices(past, 3), [0.5, 1, 1.5])
    np.testing.assert_allclose(naive2(past, 4, 3)[0], [3, 6, 9, 3])


def test_seasonal_indices_are_mean_ratios_to_the_centred_moving_average():
    past = np.array([2.0, 5.0, 4.0, 7.0, 6.0, 9.0])
    # Weights 1/4, 1/2, 1/4 give the trend 4, 5, 5.75, 7 from the second step on; step 4 is (4 + 14 + 6) / 4 = 6.
    trend = [(2 + 10 + 4) / 4, (5 + 8 + 7) / 4, (4 + 14 + 6) / 4, (7 + 12 + 9) / 4]
    odd, even = (5 / trend[0] + 7 / trend[2]) / 2, (4 / trend[1] + 6 / trend[3]) / 2
    mean = (odd + even) / 2
    np.testing.assert_allclose(classical.seasonal_indices(past, 2), [even / mean, odd / mean])


def test_a_season_is_significant_beyond_the_limit_of_bartlett():
    past = np.array([1.0, 3.0] * 4)
    # Around the mean 2 all products are ±1: lag 1 has -7/8, lag 2 has 6/8; limit 1.645 √((1 + 2 · (7/8)²) / 8).
    assert classical.SEASONAL * np.sqrt((1 + 2 * (7 / 8) ** 2) / 8) > 6 / 8
    assert not classical.seasonal(past, 2)
    past = np.array([1.0, 3.0] * 8)
    assert classical.SEASONAL * np.sqrt((1 + 2 * (15 / 16) ** 2) / 16) < 14 / 16
    assert classical.seasonal(past, 2)


def test_the_quantiles_of_naive2_are_those_of_a_random_walk():
    past = np.array([10.0, 12.0, 11.0, 15.0])
    _, spread = naive2(past, 3, 1, LEVELS)
    deviation = np.std([2.0, -1.0, 4.0])
    for step in range(3):
        np.testing.assert_allclose(spread[step], 15 + deviation * np.sqrt(step + 1) * norm.ppf(LEVELS))


@settings(deadline=None)
@given(
    past=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=31),
    season_length=st.integers(1, 7),
    horizon=st.integers(1, 9),
)
def test_naive2_always_answers_with_rising_quantiles(past, season_length, horizon):
    point, spread = naive2(past, horizon, season_length, LEVELS)
    assert (point.shape, spread.shape) == ((horizon,), (horizon, 5))
    assert np.isfinite(spread).all()
    assert (np.diff(spread, axis=1) >= -1e-9 * np.abs(spread[:, 1:])).all()
    np.testing.assert_allclose(spread[:, 2], point)


def test_naive2_reaches_its_published_scores_on_m4_hourly():
    config = Config(window=48, horizon=48, season_length=24, test_data=str(path_of("m4_hourly_test.csv.gz")))
    splits = data.load(path_of("m4_hourly_train.csv.gz"), config)
    panel, at = splits.panel, splits.origins("test")
    assert (len(panel.ids), len(at), panel.roles.layout) == (414, 414, "rows")
    assert sorted(set(at.rows - at.firsts)) == [700, 960]
    scaling = preprocessing.fit(splits, config)
    actual = windows.futures(panel.values, at, 48)[..., 0]
    forecast = np.stack(
        [naive2(panel.values[first:row, 0], 48, 24)[0] for row, first in zip(at.rows, at.firsts, strict=True)]
    )
    error = np.abs(actual - forecast)
    smape = 200 * (error / (np.abs(actual) + np.abs(forecast))).mean()
    mase = (error.mean(axis=1) / np.array(scaling.seasonal_error)[:, 0]).mean()
    assert (round(smape, 3), round(mase, 3)) == (18.383, 2.395)


# --- all methods ---


def walks(length=60, transform="none"):
    """Two series of a long table with a season of 4 and their splits."""
    random = np.random.default_rng(0)
    parts = []
    for number, name in enumerate("ab"):
        level = 50 + 20 * number + random.normal(size=length).cumsum()
        season = SHAPE[np.arange(length) % 4]
        parts.append(pd.DataFrame({"unique_id": name, "ds": range(length), "y": level * season}))
    config = Config(window=8, horizon=3, season_length=4, quantiles=LEVELS, windows=2, transform=transform)
    splits = data.load(pd.concat(parts), config)
    return splits, config, preprocessing.fit(splits, config)


def forecasts(splits, at, scaling, config, failed=(0, 0)):
    """The answers of all methods; so many fits of AutoETS and AutoTheta must have failed."""
    answers, fallbacks = classical.forecast(splits, at, scaling, config)
    assert fallbacks == dict(zip(METHODS, (*failed, 0), strict=True))
    return answers


@pytest.mark.parametrize("transform", ["none", "log"])
def test_forecasts_are_those_of_each_series_whole_past(transform):
    splits, config, scaling = walks(transform=transform)
    at = splits.origins("test")
    answers = forecasts(splits, at, scaling, config)
    assert tuple(answers) == METHODS
    forth, back = (np.log, np.exp) if transform == "log" else (np.asarray, np.asarray)
    for example, (row, first) in enumerate(zip(at.rows, at.firsts, strict=True)):
        past = splits.panel.values[first:row, 0]
        for name, model in ((classical.ETS, AutoETS), (classical.THETA, AutoTheta)):
            expected = model(season_length=4).forecast(y=forth(past), h=3, level=[80, 50])
            point, spread = (answer[example, :, 0] for answer in answers[name])
            np.testing.assert_allclose(point, back(expected["mean"]), rtol=1e-6)
            bounds = [expected["lo-80"], expected["lo-50"], expected["mean"], expected["hi-50"], expected["hi-80"]]
            np.testing.assert_allclose(spread, back(np.stack(bounds, axis=-1)), rtol=1e-6)
        point, spread = (answer[example, :, 0] for answer in answers[classical.NAIVE2])
        expected_point, expected_spread = naive2(past, 3, 4, config.levels)
        np.testing.assert_array_equal(point, expected_point)
        np.testing.assert_array_equal(spread, expected_spread)


def test_quantiles_rise_with_their_level():
    splits, config, scaling = walks()
    assert config.levels == LEVELS
    for point, spread in forecasts(splits, splits.origins("test"), scaling, config).values():
        assert (point.shape, spread.shape) == ((4, 3, 1), (4, 3, 1, 5))
        assert (np.diff(spread, axis=-1) > 0).all()


def test_values_from_the_origin_on_never_change_a_forecast():
    splits, config, scaling = walks()
    at = splits.origins("test")[:1]
    before = forecasts(splits, at, scaling, config)
    splits.panel.values[at.rows[0] :] = 1e6
    for name, (point, spread) in forecasts(splits, at, scaling, config).items():
        np.testing.assert_array_equal(point, before[name][0])
        np.testing.assert_array_equal(spread, before[name][1])


def test_a_gap_takes_the_value_before_it_and_at_the_start_the_one_after():
    splits, config, scaling = walks()
    at = splits.origins("test")[:1]
    splits.panel.values[[0, 1, 7], 0] = np.nan
    answers = forecasts(splits, at, scaling, config)
    splits.panel.values[[0, 1, 7], 0] = splits.panel.values[[2, 2, 6], 0]
    for name, (point, _) in forecasts(splits, at, scaling, config).items():
        np.testing.assert_array_equal(answers[name][0], point)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_past_that_is_too_short_for_a_fit_still_has_a_forecast(length):
    splits, config, scaling = walks()
    at = windows.Origins(np.array([length]), np.array([0]), np.array([0]))
    last = splits.panel.values[length - 1, 0]
    for name, (point, spread) in forecasts(splits, at, scaling, config, failed=(1, 1)).items():
        assert np.isfinite(point).all()
        assert np.isfinite(spread).all()
        if length == 1 or name != classical.NAIVE2:
            np.testing.assert_allclose(point, last)


def test_a_series_without_any_value_before_the_origin_has_finite_forecasts():
    splits, config, scaling = walks()
    at = splits.origins("test")[:1]
    splits.panel.values[: at.rows[0], 0] = np.nan
    for point, _ in forecasts(splits, at, scaling, config).values():
        assert np.isfinite(point).all()


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_on_logarithms_what_has_none_is_a_gap(value):
    splits, config, scaling = walks(transform="log")
    at = splits.origins("test")[:1]
    splits.panel.values[[0, 1, 7], 0] = np.nan
    expected = forecasts(splits, at, scaling, config)
    splits.panel.values[[0, 1, 7], 0] = value
    answers = forecasts(splits, at, scaling, config)
    for name in (classical.ETS, classical.THETA):
        np.testing.assert_array_equal(answers[name][0], expected[name][0])
        np.testing.assert_array_equal(answers[name][1], expected[name][1])


def test_a_forecast_of_logarithms_that_explodes_stays_finite():
    splits, config, scaling = walks(transform="log")
    at = splits.origins("test")[:1]
    splits.panel.values[: at.rows[0], 0] = 10.0 ** np.linspace(-250, 36, at.rows[0])
    for point, spread in forecasts(splits, at, scaling, config).values():
        assert np.isfinite(point).all()
        assert np.isfinite(spread).all()


def test_an_error_that_has_nothing_to_do_with_the_data_is_raised(monkeypatch):
    splits, config, scaling = walks()

    def broken(*_, **__):
        raise ValueError("a bug")

    monkeypatch.setattr(AutoTheta, "forecast", broken)
    with refusal("a bug"):
        classical.forecast(splits, splits.origins("test"), scaling, config)


# --- how many ---


def test_more_fits_than_anybody_waits_for_are_refused():
    table = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=6100, freq="h"), "a": 1.0, "b": 2.0})
    table["a"] += np.arange(6100) % 7
    table["b"] += np.arange(6100) % 5
    few = {"window": 8, "horizon": 3}
    splits = data.load(table, Config(**few, windows=1000))
    classical.check_fits(splits, "test")
    splits = data.load(table, Config(**few, windows=1001))
    with refusal(
        "`baselines` must be 'fast' for 2002 windows: each would need fits of its own. Received: baselines='full'. "
        "Take fewer windows with --windows and --step-size."
    ):
        classical.check_fits(splits, "test")
    for option in ("fast", "none"):
        classical.check_fits(splits, "test", option)
    classical.check_fits(data.load(table, Config(**few, windows=1001, step_size=2)), "validation", "fast")
