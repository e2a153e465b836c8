"""The conformal correction: it never lets quantiles cross, keeps the median, and covers the validation part."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.forecasting import data, evaluation, preprocessing
from seqapps.tasks.forecasting.baselines import FEWEST_WINDOWS_PER_STEP
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.serving import corrected

WINDOW, HORIZON = 7, 3
LEVELS = (0.05, 0.1, 0.5, 0.75, 0.9, 0.95)
MEDIAN = LEVELS.index(0.5)
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


def shares_below(calibration, actual, axis):
    """The share of validation values that do not exceed each corrected quantile."""
    before = np.broadcast_to(np.array(NARROW, "float32"), (1, *calibration.factors.shape))
    quantiles = corrected(tf.constant(before), tf.constant(calibration.factors, tf.float32), MEDIAN).numpy()
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


@settings(max_examples=101, deadline=None)
@given(scaled=numbers, factors=multiples, median=st.integers(0, SIZES[-1] - 1))
def test_corrected_quantiles_never_cross_and_the_median_stays(scaled, factors, median):
    rising = np.sort(np.array(scaled, "float32").reshape(SIZES), axis=-1)
    by = np.array(factors, "float32").reshape(SIZES[1:])
    received = corrected(tf.constant(rising), tf.constant(by), median).numpy()
    np.testing.assert_array_equal(received[..., median], rising[..., median])
    assert (np.diff(received, axis=-1) >= 0).all()
    middle = rising[..., median : median + 1]
    moved = middle + (rising - middle) * by  # no quantile lies nearer to the median than it was moved
    slack = 1e-5 * max(np.abs(moved).max(), np.abs(rising).max())  # of float32
    assert (received[..., median:] >= moved[..., median:] - slack).all()
    assert (received[..., :median] <= moved[..., :median] + slack).all()


def test_quantiles_that_need_no_correction_stay():
    rising = np.sort(np.random.default_rng(0).normal(size=SIZES).astype("float32"), axis=-1)
    received = corrected(tf.constant(rising), tf.ones(SIZES[1:]), 2).numpy()
    np.testing.assert_allclose(received, rising, rtol=1e-5, atol=1e-6)


# --- the factors ---


@pytest.mark.parametrize("validation", [FEWEST_WINDOWS_PER_STEP, 41, 201])
def test_at_least_its_level_of_the_validation_values_lies_below_a_corrected_quantile(validation):
    calibration, actual = calibrated(validation)
    shares = shares_below(calibration, actual, axis=0)  # (horizon, targets, levels)
    for position, level in enumerate(LEVELS):
        if level > 0.5:
            assert (shares[..., position] >= level).all()
            assert (shares[..., position] <= max(level + 2 / validation, shares[..., MEDIAN].max())).all()
        if level < 0.5:  # and no more than its level below a low one, but for the value that it touches
            assert (shares[..., position] <= level + 1 / validation).all()


@pytest.mark.parametrize("validation", [1, FEWEST_WINDOWS_PER_STEP, 41])
def test_the_median_is_never_moved(validation):
    factors = calibrated(validation)[0].factors
    assert factors.shape == (HORIZON, 2, len(LEVELS))
    assert (factors[..., MEDIAN] == 1).all()
    assert (factors >= 0).all()
    assert np.isfinite(factors).all()


def test_few_windows_take_the_steps_together():
    calibration, actual = calibrated(FEWEST_WINDOWS_PER_STEP - 1)
    assert (calibration.factors == calibration.factors[:1]).all()
    shares = shares_below(calibration, actual, axis=(0, 1))  # over all steps
    pooled = np.sort(actual.reshape(-1, 2), axis=0)  # (values, targets)
    for position, level in enumerate(LEVELS):
        if level > 0.5:
            assert (shares[:, position] >= level).all()
            rank = min(int(np.ceil((len(pooled) + 1) * level)), len(pooled))
            needed = pooled[rank - 1] / NARROW[position]
            assert (calibration.factors[0, :, position] >= needed - 1e-5).all()
    enough, _ = calibrated(FEWEST_WINDOWS_PER_STEP)
    assert (enough.factors[0] != enough.factors[1]).any()


def test_missing_validation_values_count_nothing():
    calibration, actual = calibrated(41, gap=slice(5, 34))
    assert np.isnan(actual[..., 0]).any()
    shares = shares_below(calibration, actual, axis=0)
    for position, level in enumerate(LEVELS):
        if level > 0.5:
            assert (shares[..., position] >= level).all()


@pytest.mark.parametrize("validation", [7, 41])
def test_a_column_without_validation_values_keeps_its_quantiles(validation):
    calibration, actual = calibrated(validation, gap=slice(0, validation + HORIZON - 1))
    assert np.isnan(actual[..., 0]).all()
    assert (calibration.factors[:, 0] == 1).all()
    assert (calibration.factors[:, 1, -1] > 1).all()


def test_half_a_validation_part_without_values_is_no_problem():
    calibration, actual = calibrated(41, gap=slice(0, 30), columns=(0, 1))
    assert np.isnan(actual[:20]).all()
    assert np.isfinite(calibration.factors).all()
    assert (calibration.factors[..., MEDIAN] == 1).all()


def test_the_gaps_of_a_column_leave_the_other_columns_alone():
    whole, _ = calibrated(201)
    gap, actual = calibrated(201, gap=slice(0, 198))
    assert (~np.isnan(actual[..., 0])).any()
    np.testing.assert_allclose(gap.factors[:, 1], whole.factors[:, 1])


def test_the_correction_is_taken_only_if_it_helps_on_windows_held_out():
    few, _ = calibrated(2 * FEWEST_WINDOWS_PER_STEP - 1)
    assert (few.loss, few.corrected_loss) == (None, None)
    many, _ = calibrated(201)
    assert many.corrected_loss < many.loss
    assert (many.factors[..., -1] > 1).all()
