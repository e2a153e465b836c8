"""The simple methods against statsforecast, scikit-learn and plain loops; they see the past and nothing else."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from statsforecast.models import Naive, SeasonalNaive

from seqapps.series import windows
from seqapps.tasks.forecasting import baselines, data, preprocessing
from seqapps.tasks.forecasting.baselines import ridge
from seqapps.tasks.forecasting.config import Config

STEPS, WINDOW, HORIZON, SEASON, TARGETS = 211, 13, 5, 7, 2
LONG_HORIZON = 17  # more than two seasons
ORIGINS = np.array([31, 101, 157], dtype="int32")


def splits_of(values, horizon=HORIZON, **options):
    frame = pd.DataFrame(values, columns=[f"column_{number}" for number in range(values.shape[1])])
    frame.insert(0, "time", pd.date_range("2024-01-01", periods=len(values), freq="h"))
    config = Config(window=WINDOW, horizon=horizon, season_length=SEASON, **options)
    return data.load(frame, config), config


def fitted(values, horizon=HORIZON, **options):
    """The baselines of a series, and its scaling."""
    splits, config = splits_of(values, horizon, **options)
    scaling = preprocessing.fit(splits, config)
    return baselines.fit(splits, config, scaling), scaling


def z_forecasts(simple, values, rows, scaling):
    """Z-scores of every method from each row of the one series on."""
    panel = dataclasses.replace(splits_of(noise(steps=len(values), targets=values.shape[1]))[0].panel, values=values)
    return simple.forecast(panel, windows.one_series(np.asarray(rows)), scaling)


def forecasts_of(simple, values, rows, scaling):
    """The same in the data's own units."""
    answers = z_forecasts(simple, values, rows, scaling).items()
    return {method: scaling.inverse(forecast).numpy() for method, forecast in answers}


def actual_of(values, rows):
    return windows.futures(values, windows.one_series(np.asarray(rows)), HORIZON)


def noise(seed=0, steps=STEPS, targets=TARGETS):
    return 50 + np.random.default_rng(seed).normal(size=(steps, targets)).cumsum(axis=0)


def gaps(values):
    """The same values with single gaps, a gap longer than a season and a column that begins late."""
    values = values.copy()
    values[[40, 41, 97, 100, 156], 0] = np.nan
    values[60:71] = np.nan
    values[:3, 1] = np.nan
    return values


# --- against other libraries ---


@pytest.mark.parametrize("horizon", [HORIZON, LONG_HORIZON])
def test_repeat_last_and_seasonal_naive_are_those_of_statsforecast(horizon):
    values = noise()
    simple, scaling = fitted(values, horizon)
    forecasts = forecasts_of(simple, values, ORIGINS, scaling)
    for row, origin in enumerate(ORIGINS):
        for column in range(TARGETS):
            past = values[:origin, column]
            last = Naive().forecast(past, horizon)["mean"]
            seasonal = SeasonalNaive(SEASON).forecast(past, horizon)["mean"]
            np.testing.assert_allclose(forecasts[baselines.LAST][row, :, column], last, rtol=1e-6)
            np.testing.assert_allclose(forecasts[baselines.SEASONAL][row, :, column], seasonal, rtol=1e-6)


def test_ridge_regression_is_that_of_scikit_learn_on_differences_from_the_last_value():
    values = noise()
    simple, scaling = fitted(values)
    scaled = (values - np.array(scaling.mean[0])) / np.array(scaling.scale[0])
    end = splits_of(values)[0].ends[0, 0]
    pasts, futures = [], []
    for origin in range(WINDOW, end - HORIZON + 1):
        for column in range(TARGETS):
            last = scaled[origin - 1, column]
            pasts.append(scaled[origin - WINDOW : origin, column] - last)
            futures.append(scaled[origin : origin + HORIZON, column] - last)
    reference = Ridge(simple.strength).fit(pasts, futures)
    forecast = z_forecasts(simple, values, ORIGINS, scaling)[baselines.RIDGE]
    for row, origin in enumerate(ORIGINS):
        for column in range(TARGETS):
            past = scaled[origin - WINDOW : origin, column]
            expected = reference.predict([past - past[-1]])[0] + past[-1]
            np.testing.assert_allclose(forecast[row, :, column], expected, rtol=1e-4, atol=1e-5)


def test_ridge_regression_finds_a_linear_recurrence():
    hours = np.arange(5 * STEPS)
    values = np.stack([np.sin(hours / 3) + 0.5 * np.cos(hours / 5), np.cos(hours / 3)], axis=-1)
    simple, scaling = fitted(values)
    origins = windows.origins(4 * STEPS, 5 * STEPS, WINDOW, HORIZON)
    forecasts = forecasts_of(simple, values, origins, scaling)
    error = {name: np.abs(answer - actual_of(values, origins)).mean() for name, answer in forecasts.items()}
    assert simple.strength == min(ridge.STRENGTHS)
    assert error[baselines.RIDGE] < 0.02 * error[baselines.LAST]


def test_the_strength_of_ridge_regression_is_the_best_one_on_validation():
    values = noise()
    splits, config = splits_of(values)
    scaling = preprocessing.fit(splits, config)
    simple = baselines.fit(splits, config, scaling)
    scaled = (values - np.array(scaling.mean[0])) / np.array(scaling.scale[0])

    def pairs(split):
        origins = splits.origins(split)
        past, future = windows.histories(scaled, origins, WINDOW), windows.futures(scaled, origins, HORIZON)
        last = past[:, -1:]
        return [(part - last).transpose(0, 2, 1).reshape(-1, part.shape[1]) for part in (past, future)]

    train, validation = pairs("train"), pairs("validation")
    errors = {
        strength: np.square(Ridge(strength).fit(*train).predict(validation[0]) - validation[1]).mean()
        for strength in ridge.STRENGTHS
    }
    assert simple.strength == min(errors, key=errors.get) != min(ridge.STRENGTHS)


@pytest.mark.parametrize("numbers", [1, 7 * WINDOW * TARGETS, 7 * WINDOW * TARGETS + 1, 1000 * WINDOW * TARGETS])
def test_how_many_windows_are_held_at_once_never_changes_a_forecast(monkeypatch, numbers):
    values, origins = gaps(noise()), np.arange(1, STEPS)
    simple, scaling = fitted(values)
    expected = z_forecasts(simple, values, origins, scaling)[baselines.RIDGE]
    monkeypatch.setattr(baselines, "FORECAST_NUMBERS", numbers)
    np.testing.assert_allclose(z_forecasts(simple, values, origins, scaling)[baselines.RIDGE], expected, atol=1e-6)


# --- short histories ---


def test_what_a_history_lacks_of_a_season_is_its_last_value():
    values = np.concatenate([100 + np.arange(11.0), np.arange(11.0)])[:, None]
    frame = pd.DataFrame({"unique_id": np.repeat(["a", "b"], 11), "ds": [*range(11)] * 2, "y": values[:, 0]})
    panel = data.read(frame, Config())
    at = windows.Origins(np.array([3, 14, 16, 18, 11]), np.array([0, 11, 11, 11, 11]), np.array([0, 1, 1, 1, 1]))
    forecast = baselines._repeat_season(values, panel, at, horizon=9, season=SEASON)
    np.testing.assert_array_equal(
        forecast[..., 0],
        [
            [102, 102, 102, 102, 100, 101, 102, 102, 102],
            [2, 2, 2, 2, 0, 1, 2, 2, 2],
            [4, 4, 0, 1, 2, 3, 4, 4, 4],
            [0, 1, 2, 3, 4, 5, 6, 0, 1],
            [0] * 9,  # nothing was observed yet
        ],
    )
    holed = values.copy()
    holed[13] = np.nan
    forecast = baselines._repeat_season(holed, panel, at[1:2], horizon=5, season=SEASON)
    np.testing.assert_array_equal(forecast[0, :, 0], [1, 1, 1, 1, 0])


# --- gaps ---


def test_a_gap_takes_the_value_before_it_or_that_of_the_season_before():
    values = gaps(noise())
    simple, scaling = fitted(values)
    forecasts = forecasts_of(simple, values, [42, 101, 2], scaling)
    last, seasonal = forecasts[baselines.LAST], forecasts[baselines.SEASONAL]
    np.testing.assert_allclose(last[0, :, 0], values[39, 0], rtol=1e-6)
    expected = [values[94, 0], values[95, 0], values[96, 0], values[90, 0], values[98, 0]]  # row 97 takes row 90
    np.testing.assert_allclose(seasonal[1, :, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(last[2, :, 1], scaling.mean[0][1], rtol=1e-6)  # nothing was observed yet


@pytest.mark.parametrize("transform", ["none", "log"])
def test_every_method_answers_with_numbers_whatever_is_missing(transform):
    values = gaps(noise())
    simple, scaling = fitted(values, transform=transform)
    for forecast in forecasts_of(simple, values, np.arange(1, STEPS), scaling).values():
        assert forecast.shape == (STEPS - 1, HORIZON, TARGETS)
        assert np.isfinite(forecast).all()


def test_baselines_can_be_fitted_where_every_future_has_a_gap():
    values = noise()
    values[::HORIZON] = np.nan
    simple, scaling = fitted(values)
    assert np.isfinite(simple.coefficients).all()
    assert np.isfinite(z_forecasts(simple, values, ORIGINS, scaling)[baselines.RIDGE]).all()


# --- nothing but the past ---


@settings(max_examples=31, deadline=None)
@given(origin=st.integers(1, STEPS - 1), future=st.sampled_from([np.nan, 0.0, 1e9, -7.0]), with_gaps=st.booleans())
def test_values_from_the_origin_on_never_change_a_forecast(series_and_baselines, origin, future, with_gaps):
    values, simple, scaling = series_and_baselines[with_gaps]
    changed = values.copy()
    changed[origin:] = future
    expected = z_forecasts(simple, values, [origin], scaling)
    for method, forecast in z_forecasts(simple, changed, [origin], scaling).items():
        np.testing.assert_array_equal(forecast, expected[method])


@pytest.fixture(scope="module")
def series_and_baselines():
    return {with_gaps: (values, *fitted(values)) for with_gaps, values in ((False, noise()), (True, gaps(noise())))}


def test_the_test_part_never_changes_what_was_fitted():
    values = noise()
    changed = values.copy()
    changed[splits_of(values)[0].ends[0, 1] :] *= -31
    before, after = (dataclasses.asdict(fitted(each)[0]) for each in (values, changed))
    for name in ("strength", "coefficients", "intercept"):
        np.testing.assert_array_equal(before[name], after[name])
    for method in baselines.METHODS:
        np.testing.assert_array_equal(before["offsets"][method], after["offsets"][method])


# --- the file ---


def test_baselines_are_the_same_after_saving_and_loading(tmp_path):
    values = gaps(noise())
    simple, scaling = fitted(values)
    simple.save(tmp_path / "baselines.npz")
    loaded = baselines.Baselines.load(tmp_path / "baselines.npz")
    assert (loaded.window, loaded.horizon, loaded.season_length) == (WINDOW, HORIZON, SEASON)
    assert loaded.strength == simple.strength
    expected = z_forecasts(simple, values, ORIGINS, scaling)
    for method, forecast in z_forecasts(loaded, values, ORIGINS, scaling).items():
        np.testing.assert_array_equal(forecast, expected[method])
        np.testing.assert_array_equal(loaded.offsets[method], simple.offsets[method])
    assert [path.name for path in tmp_path.iterdir()] == ["baselines.npz"]


@pytest.mark.parametrize("numbers", [1, 7 * (WINDOW + HORIZON) * TARGETS, 10**9])
def test_how_many_windows_ridge_regression_reads_at_once_never_changes_it(monkeypatch, numbers):
    values = gaps(noise())
    expected, _ = fitted(values)
    monkeypatch.setattr(ridge, "NUMBERS_AT_ONCE", numbers)
    simple, _ = fitted(values)
    assert simple.strength == expected.strength
    np.testing.assert_allclose(simple.coefficients, expected.coefficients, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(simple.intercept, expected.intercept, rtol=1e-9, atol=1e-12)
