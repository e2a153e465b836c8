"""Quantiles of the simple methods: errors before the test part, of each series or of all, as validation decides."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from seqapps.series import windows
from seqapps.tasks.forecasting import baselines, data, preprocessing
from seqapps.tasks.forecasting.baselines import spread
from seqapps.tasks.forecasting.config import Config

LEVELS = (0.1, 0.5, 0.9)
HORIZON, TARGETS, EXAMPLES = 3, 2, 601
WINDOW, SEASON, LENGTH = 13, 7, 211


def errors_of(values, series=0, step=HORIZON):
    """Errors `(examples, horizon, targets)` of windows that do not overlap."""
    count = len(values)
    rows = 20 + step * np.arange(count)
    return spread.Errors(windows.Origins(rows, np.zeros(count, int), np.full(count, series)), np.asarray(values, float))


def draws(seed, level=0.0, deviation=1.0, count=EXAMPLES):
    return np.random.default_rng(seed).normal(level, deviation, size=(count, HORIZON, TARGETS))


def quantiles(values):
    """`(horizon, targets, levels)`."""
    return np.moveaxis(np.nanquantile(values, LEVELS, axis=0), 0, -1)


# --- which errors ---


def test_a_bias_that_goes_on_is_part_of_the_quantiles():
    train, validation = draws(0, level=2.0), draws(1, level=2.0)
    table = spread.offsets(errors_of(validation), errors_of(train), 1, LEVELS)
    expected = quantiles(np.concatenate([train, validation]))
    np.testing.assert_allclose(table, np.stack([expected, expected]))


def test_after_a_bias_that_did_not_go_on_errors_count_with_either_sign():
    train, validation = draws(0, level=2.0), draws(1, level=-2.0)
    table = spread.offsets(errors_of(validation), errors_of(train), 1, LEVELS)
    both = np.concatenate([train, validation])
    np.testing.assert_allclose(table[0], quantiles(np.concatenate([both, -both])))
    np.testing.assert_allclose(table[..., 1], 0, atol=1e-12)  # the median is the forecast


def test_series_whose_errors_differ_have_quantiles_of_their_own():
    calm, wild = (draws(seed, 1.0, deviation) for seed, deviation in ((0, 1.0), (1, 9.0)))
    train = errors_of(calm).and_also(errors_of(wild, series=1))
    table = spread.offsets(train, train, 2, LEVELS)
    for number, own in enumerate((calm, wild)):
        np.testing.assert_allclose(table[number], quantiles(np.concatenate([own, own])))
    np.testing.assert_allclose(table[2], quantiles(np.concatenate([calm, wild] * 2)))  # of a series that is not known


def test_series_with_a_handful_of_errors_share_them():
    parts = [errors_of(draws(seed, count=2), series=seed) for seed in range(211)]
    train, validation = parts[0], errors_of(draws(999, count=2))
    for seed, part in enumerate(parts[1:], 1):
        train = train.and_also(part)
        validation = validation.and_also(errors_of(draws(1000 + seed, count=2), series=seed))
    table = spread.offsets(validation, train, 211, LEVELS)
    assert (table == table[:1]).all()


def test_a_series_without_errors_has_the_quantiles_of_all():
    calm, wild = (draws(seed, 1.0, deviation) for seed, deviation in ((0, 1.0), (1, 9.0)))
    train = errors_of(calm).and_also(errors_of(wild, series=1)).and_also(errors_of(wild * np.nan, series=3))
    table = spread.offsets(train, train, 4, LEVELS)
    assert (table[0] != table[4]).any()
    for number in (2, 3):
        np.testing.assert_array_equal(table[number], table[4])


def test_errors_that_were_never_observed_leave_the_forecast_as_it_is():
    unknown = errors_of(draws(0) * np.nan)
    assert not spread.offsets(unknown, None, 2, LEVELS).any()


def test_a_missing_error_is_left_out():
    values = draws(0, level=1.0)
    values[::2, 1, 0] = np.nan
    table = spread.offsets(errors_of(values), errors_of(values), 1, LEVELS)
    np.testing.assert_allclose(table[0], quantiles(np.concatenate([values, values])))


def test_few_windows_share_the_errors_of_neighbouring_steps():
    values = draws(0, count=51)  # 100 errors are needed for 10 beyond the outer quantiles
    received = spread.error_quantiles(errors_of(values), LEVELS)
    np.testing.assert_allclose(received[0], quantiles(values[:, :2].reshape(-1, 1, TARGETS))[0])
    overlapping = spread.error_quantiles(errors_of(values, step=1), LEVELS)  # 17 windows that do not overlap
    np.testing.assert_allclose(overlapping, np.broadcast_to(quantiles(values.reshape(-1, 1, TARGETS)), received.shape))


# --- in the baselines ---


def panel_of(deviations, length=LENGTH, **options):
    """Random walks with such steps, as splits with their scaling."""
    random = np.random.default_rng(0)
    parts = [
        pd.DataFrame(
            {"unique_id": f"s{number}", "ds": range(length), "y": 50 + random.normal(0, each, length).cumsum()}
        )
        for number, each in enumerate(deviations)
    ]
    config = Config(window=WINDOW, horizon=HORIZON, season_length=SEASON, **options)
    splits = data.load(pd.concat(parts), config)
    return splits, config, preprocessing.fit(splits, config)


def test_the_quantiles_of_a_series_are_found_by_its_name():
    splits, config, scaling = panel_of((1.0, 5.0, 2.0))
    simple = baselines.fit(splits, config, scaling)
    for method in baselines.METHODS:
        simple.offsets[method] = np.arange(4.0)[:, None, None, None] + np.zeros((4, HORIZON, 1, 3))
    other = dataclasses.replace(splits.panel, ids=("s2", "new", "s0"))
    at = splits.origins("test")
    moved = simple.quantiles(baselines.LAST, np.zeros((len(at), HORIZON, 1)), other, at)
    np.testing.assert_array_equal(moved[:, 0, 0, 0], np.array([2, 3, 0])[at.series])


def test_ridge_regression_of_little_data_is_judged_by_its_validation_errors():
    splits, config, scaling = panel_of((1.0,), length=97)
    assert len(splits.origins("train")) < baselines.FEWEST_PAIRS_PER_COEFFICIENT * WINDOW
    simple = baselines.fit(splits, config, scaling)
    at = splits.origins("validation")
    actual = windows.futures(scaling.arrays(splits.panel).values, at, HORIZON)
    errors = actual - simple.forecast(splits.panel, at, scaling)[baselines.RIDGE]
    expected = np.quantile(errors, config.levels)  # so few that all steps share them
    np.testing.assert_allclose(simple.offsets[baselines.RIDGE][0, 1, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("most", [1, 997, 10**9])
def test_errors_are_thinned_so_that_every_step_of_the_season_is_met(monkeypatch, most):
    splits, _, scaling = panel_of((1.0, 5.0), length=2003)
    simple = baselines.Baselines(WINDOW, HORIZON, SEASON, 1.0, np.zeros((WINDOW, HORIZON)), np.zeros(HORIZON), (), {})
    monkeypatch.setattr(spread, "MOST_ERRORS", most * HORIZON)
    for part in ("train", "validation"):
        errors = baselines._errors(simple, splits, part, scaling)[baselines.SEASONAL]
        assert len(errors.at) <= max(most, 1)
        if most > 1:
            assert set(errors.at.rows % SEASON) == set(range(SEASON))
