"""The conformal correction: it never lets quantiles cross, keeps the median, and covers the validation part."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.forecasting import data, evaluation, preprocessing
from seqapps.tasks.forecasting.baselines import spread
from seqapps.tasks.forecasting.baselines.spread import FEWEST_BEYOND
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.evaluation.calibration import FEWEST_WINDOWS
from seqapps.tasks.forecasting.serving import corrected

WINDOW, HORIZON = 7, 3
LEVELS = (0.05, 0.1, 0.5, 0.75, 0.9, 0.95)
MEDIAN = LEVELS.index(0.5)
HALF = (FEWEST_WINDOWS // 2 - 1) * HORIZON + 1  # windows of which just enough do not overlap
FEW = 2 * HALF + HORIZON - 1  # the halves share nothing
ENOUGH = round(FEWEST_BEYOND / 0.05) * HORIZON  # for every level at every step
NARROW = (-0.2, -0.1, 0.0, 0.1, 0.2, 0.3)  # far too sure of itself


def noise(validation, gap, columns):
    """White noise with so many windows to validate, where `gap` is missing in some columns, and a split of it."""
    train, test = 31, HORIZON
    rows = train + validation + HORIZON - 1 + test
    values = np.random.default_rng(7).standard_t(3, size=(rows, 2)) * [1, 7]
    for column in columns:
        values[train:][gap, column] = np.nan
    frame = pd.DataFrame(values, columns=["a", "b"])
    frame.insert(0, "time", pd.date_range("2024-01-01", periods=rows, freq="h"))
    return frame, (train, rows - test, rows)


def constant_model():
    """A model whose answers are `NARROW`, whatever it reads, at every step of every column."""
    history = keras.Input((WINDOW, 2), name="history")
    zeros = keras.ops.zeros_like(keras.ops.tile(history[:, :1, :, None], (1, HORIZON, 1, len(LEVELS))))
    return keras.Model({"history": history}, zeros + np.array(NARROW, "float32"))


def calibrated(validation, gap=slice(0), columns=(0,)):
    """The calibration of that model on noise, and what came in the windows that validate."""
    frame, split_rows = noise(validation, gap, columns)
    options = {"window": WINDOW, "horizon": HORIZON, "season_length": 1, "interval_level": 0.9}
    config = Config(quantiles=LEVELS, split_rows=split_rows, **options)
    assert config.levels == LEVELS
    splits = data.load(frame, config)
    scaling = preprocessing.fit(splits, config)
    calibration = evaluation.calibrate(constant_model(), splits, scaling, config)
    at = splits.origins("validation")
    assert len(at) == validation
    scaled = scaling.arrays(splits.panel).values
    return calibration, scaled[at.rows[:, None] + np.arange(HORIZON)]  # (examples, horizon, targets)


def quantiles_of(calibration):
    """What the correction makes of the model's answers: `(horizon, targets, levels)`."""
    before = tf.constant(np.broadcast_to(np.array(NARROW, "float32"), (1, *calibration.factors.shape)))
    by = (tf.constant(each, tf.float32) for each in (calibration.factors, calibration.shifts))
    return corrected(before, *by, MEDIAN).numpy()[0]


def shares_below(calibration, actual, axis):
    """The share of validation values that do not exceed each corrected quantile."""
    quantiles = quantiles_of(calibration)
    seen = np.broadcast_to(~np.isnan(actual)[..., None], (*actual.shape, len(LEVELS)))
    below = seen & (actual[..., None] <= quantiles + 1e-5)
    return below.sum(axis=axis) / seen.sum(axis=axis)


# --- the correction ---

SIZES = (3, HORIZON, 2, 5)  # batch, horizon, targets, levels
COUNT = int(np.prod(SIZES))
numbers = st.lists(st.floats(-1e4, 1e4, width=32, allow_subnormal=False), min_size=COUNT, max_size=COUNT)
multiples = st.lists(
    st.floats(0, 1e3, width=32, allow_subnormal=False), min_size=COUNT // SIZES[0], max_size=COUNT // SIZES[0]
)
shift = st.floats(-1e3, 1e3, width=32, allow_subnormal=False)
moves = st.lists(shift, min_size=COUNT // SIZES[0], max_size=COUNT // SIZES[0])


@settings(max_examples=101, deadline=None)
@given(scaled=numbers, factors=multiples, shifts=moves, median=st.integers(0, SIZES[-1] - 1))
def test_corrected_quantiles_never_cross_and_the_median_stays(scaled, factors, shifts, median):
    rising = np.sort(np.array(scaled, "float32").reshape(SIZES), axis=-1)
    times, plus = (np.array(each, "float32").reshape(SIZES[1:]) for each in (factors, shifts))
    received = corrected(tf.constant(rising), tf.constant(times), tf.constant(plus), median).numpy()
    np.testing.assert_array_equal(received[..., median], rising[..., median])
    assert (np.diff(received, axis=-1) >= 0).all()
    middle = rising[..., median : median + 1]
    moved = middle + (rising - middle) * times + plus  # no quantile lies nearer to the median than it was moved
    slack = 1e-5 * max(np.abs(moved).max(), np.abs(rising).max())  # of float32
    above, below = slice(median + 1, None), slice(median)
    assert (received[..., above] >= moved[..., above] - slack).all()
    assert (received[..., below] <= moved[..., below] + slack).all()


def test_quantiles_that_need_no_correction_stay():
    rising = np.sort(np.random.default_rng(0).normal(size=SIZES).astype("float32"), axis=-1)
    received = corrected(tf.constant(rising), tf.ones(SIZES[1:]), tf.zeros(SIZES[1:]), 2).numpy()
    np.testing.assert_allclose(received, rising, rtol=1e-5, atol=1e-6)


# --- the factors ---


def test_at_least_its_level_of_the_validation_values_lies_below_a_corrected_quantile():
    calibration, actual = calibrated(ENOUGH)
    shares = shares_below(calibration, actual, axis=0)  # (horizon, targets, levels)
    for position, level in enumerate(LEVELS):
        if level > 0.5:
            assert (shares[..., position] >= level).all()
            assert (shares[..., position] <= max(level + 2 / ENOUGH, shares[..., MEDIAN].max())).all()
        if level < 0.5:  # and no more than its level below a low one, but for the value that it touches
            assert (shares[..., position] <= level + 1 / ENOUGH).all()


@pytest.mark.parametrize("validation", [1, FEW, 201])
def test_the_median_is_never_moved(validation):
    calibration, _ = calibrated(validation)
    for values, unchanged in ((calibration.factors, 1), (calibration.shifts, 0)):
        assert values.shape == (HORIZON, 2, len(LEVELS))
        assert (values[..., MEDIAN] == unchanged).all()
        assert np.isfinite(values).all()
    assert (calibration.factors >= 0).all()


def test_few_windows_take_the_steps_together():
    calibration, actual = calibrated(FEW)
    assert calibration.method != "none"
    quantiles = quantiles_of(calibration)
    assert (quantiles == quantiles[:1]).all()
    shares = shares_below(calibration, actual, axis=(0, 1))  # over all steps
    for position, level in enumerate(LEVELS):
        if level > 0.5:
            assert (shares[:, position] >= level).all()


@pytest.mark.parametrize(
    ("windows_apart", "level", "steps"),
    [(30, 0.9, 4), (100, 0.9, 1), (99, 0.9, 2), (99, 0.1, 2), (30, 0.6, 1), (30, 0.99, 34), (1, 0.9, 96), (0, 0.9, 96)],
)
def test_so_many_steps_share_their_errors_that_ten_of_them_lie_beyond_the_quantile(windows_apart, level, steps):
    assert spread.pooled_steps(windows_apart, horizon=96, level=level) == steps


@pytest.mark.parametrize("at_once", [1, 7, 10**6])
def test_a_step_shares_the_errors_of_the_steps_around_it(monkeypatch, at_once):
    monkeypatch.setattr(spread, "MOST_ERRORS", at_once)
    errors = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])[None, :, None]  # one per step
    expected = {1: [1, 10, 100, 1000, 10000], 3: [111, 111, 1110, 11100, 11100], 5: [11111] * 5}
    for width, sums in expected.items():
        assert spread.with_neighbours(errors, width, lambda pooled: pooled.sum(axis=0))[:, 0].tolist() == sums


def test_missing_validation_values_count_nothing():
    calibration, actual = calibrated(41, gap=slice(5, 34))
    assert np.isnan(actual[..., 0]).any()
    assert calibration.method != "none"
    shares = shares_below(calibration, actual, axis=(0, 1))
    for position, level in enumerate(LEVELS):
        if level > 0.5:
            assert (shares[..., position] >= level).all()


@pytest.mark.parametrize("validation", [FEW, 41])
def test_a_column_without_validation_values_keeps_its_quantiles(validation):
    calibration, actual = calibrated(validation, gap=slice(0, validation + HORIZON - 1))
    assert np.isnan(actual[..., 0]).all()
    quantiles = quantiles_of(calibration)
    np.testing.assert_allclose(quantiles[:, 0], np.broadcast_to(NARROW, (HORIZON, len(LEVELS))), rtol=1e-6)
    assert (quantiles[:, 1, -1] > NARROW[-1]).all()


def test_half_a_validation_part_without_values_is_no_problem():
    calibration, actual = calibrated(41, gap=slice(0, 30), columns=(0, 1))
    assert np.isnan(actual[:20]).all()
    assert np.isfinite(quantiles_of(calibration)).all()


def test_the_gaps_of_a_column_leave_the_other_columns_alone():
    whole, _ = calibrated(201)
    gap, actual = calibrated(201, gap=slice(0, 198))
    assert (~np.isnan(actual[..., 0])).any()
    np.testing.assert_allclose(quantiles_of(gap)[:, 1], quantiles_of(whole)[:, 1], rtol=1e-6)


def test_the_method_with_the_lowest_loss_on_windows_held_out_is_taken():
    many, _ = calibrated(201)
    assert sorted(many.held_out_loss) == ["factors", "none", "shifts"]
    assert many.held_out_loss[many.method] == min(many.held_out_loss.values()) < many.held_out_loss["none"]
    assert (quantiles_of(many)[..., -1] > NARROW[-1]).all()


@pytest.mark.parametrize("validation", [1, FEW - 1])
def test_with_too_few_windows_to_compare_nothing_is_corrected(validation):
    calibration, _ = calibrated(validation)
    assert (calibration.method, calibration.held_out_loss) == ("none", {})
    np.testing.assert_allclose(quantiles_of(calibration), np.broadcast_to(NARROW, (HORIZON, 2, len(LEVELS))), rtol=1e-6)
