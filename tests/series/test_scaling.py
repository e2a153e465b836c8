"""Filling and normalising windows inside the graph, beside pandas and numpy."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.series.scaling import NORMALIZATIONS, SMALLEST_VARIANCE, FillMissing, WindowNormalization, forward_fill

BATCH, CHANNELS = 3, 2
LENGTHS = (1, 2, 3, 5, 7, 11, 13, 17, 31, 33)
fuzzed = settings(deadline=None, max_examples=50)
every_method = pytest.mark.parametrize("method", NORMALIZATIONS)


def example(time=7, gaps=1 / 3, seed=0):
    """Windows of which a part is missing."""
    generator = np.random.default_rng(seed)
    values = generator.normal(5, 3, (BATCH, time, CHANNELS)).astype("float32")
    return np.where(generator.random(values.shape) < gaps, np.float32(np.nan), values)


@st.composite
def windows_with_gaps(draw):
    """`(batch, time, channels)` with NaN, often at the start, sometimes everywhere."""
    time, gaps = draw(st.sampled_from(LENGTHS)), draw(st.floats(0, 1))
    values = example(time, gaps, draw(st.integers(0, 997)))
    for row in range(BATCH):
        values[row, : draw(st.integers(0, time)), draw(st.integers(0, CHANNELS - 1))] = np.nan
    return values


def by_pandas(values, fill):
    """`fill` applied to every window as a DataFrame of its channels."""
    return np.stack([fill(pd.DataFrame(window)).to_numpy() for window in values])


def arrays(tensors):
    return [keras.ops.convert_to_numpy(tensor) for tensor in tensors]


# --- filling ---


@fuzzed
@given(windows_with_gaps())
def test_forward_fill_is_that_of_pandas(values):
    observed = ~np.isnan(values)
    filled, known = arrays(forward_fill(keras.ops.convert_to_tensor(np.nan_to_num(values)), observed))
    expected = by_pandas(values, lambda frame: frame.ffill())
    np.testing.assert_array_equal(known, ~np.isnan(expected))
    np.testing.assert_array_equal(filled[known], expected[known])


@fuzzed
@given(windows_with_gaps())
def test_gaps_take_the_value_before_leading_gaps_the_first_value_and_empty_channels_zero(values):
    filled, observed, mask = arrays(FillMissing()(values))
    np.testing.assert_array_equal(filled, by_pandas(values, lambda frame: frame.ffill().bfill().fillna(0)))
    np.testing.assert_array_equal(observed, ~np.isnan(values))
    started = by_pandas(values, lambda frame: frame.ffill().notna().any(axis=1).to_frame())[..., 0]
    np.testing.assert_array_equal(mask, started)


def test_a_worked_example_of_filling():
    nan = np.nan
    values = np.array([[[nan, nan], [nan, 3], [7, nan], [nan, nan], [5, nan]]])
    filled, observed, mask = arrays(FillMissing()(values))
    assert filled.tolist() == [[[7, 3], [7, 3], [7, 3], [7, 3], [5, 3]]]
    assert observed.tolist() == [[[0, 0], [0, 1], [1, 0], [0, 0], [1, 0]]]
    assert mask.tolist() == [[False, True, True, True, True]]
    assert (filled.dtype, observed.dtype, mask.dtype) == (np.float32, np.float32, bool)


def test_nothing_observed_is_zero_and_masked():
    filled, observed, mask = arrays(FillMissing()(np.full((BATCH, 5, CHANNELS), np.nan, "float32")))
    assert not filled.any()
    assert not observed.any()
    assert not mask.any()


def test_an_infinite_value_counts_as_missing():
    filled, observed, _ = arrays(FillMissing()(np.array([[[7.0], [np.inf], [-np.inf]]], "float32")))
    assert filled.ravel().tolist() == [7, 7, 7]
    assert observed.ravel().tolist() == [1, 0, 0]


# --- normalising ---


def normalized(values, method):
    filled, observed, _ = FillMissing()(values)
    return arrays((filled, observed, *WindowNormalization(method)(filled, observed)))


@every_method
@fuzzed
@given(windows_with_gaps())
def test_a_normalised_window_goes_back(method, values):
    filled, _, inside, level, scale = normalized(values, method)
    assert level.shape == scale.shape == (BATCH, 1, CHANNELS)
    np.testing.assert_allclose(inside * scale + level, filled, atol=1e-4)


def test_last_subtracts_the_last_filled_value():
    filled, _, inside, level, scale = normalized(example(), "last")
    np.testing.assert_array_equal(level[:, 0], filled[:, -1])
    np.testing.assert_array_equal(scale, np.ones_like(level))
    np.testing.assert_array_equal(inside, filled - filled[:, -1:])


def test_standard_takes_mean_and_deviation_of_what_was_observed():
    values = example(time=31)
    filled, _, inside, level, scale = normalized(values, "standard")
    mean = np.nanmean(values, axis=1, keepdims=True)
    deviation = np.sqrt(np.nanvar(values, axis=1, keepdims=True) + SMALLEST_VARIANCE)
    np.testing.assert_allclose(level, mean, rtol=1e-5)
    np.testing.assert_allclose(scale, deviation, rtol=1e-5)
    np.testing.assert_allclose(inside, (filled - mean) / deviation, atol=1e-5)


def test_none_leaves_the_values_as_they_are():
    filled, _, inside, level, scale = normalized(example(), "none")
    np.testing.assert_array_equal(inside, filled)
    assert not level.any()
    assert (scale == 1).all()


@every_method
@pytest.mark.parametrize("value", [0.0, 7.0, 1e6, np.nan])
def test_a_constant_or_empty_window_stays_finite(method, value):
    filled, _, inside, _, scale = normalized(np.full((BATCH, 5, CHANNELS), value, "float32"), method)
    assert np.isfinite(inside).all()
    assert (scale > 0).all()
    if method != "none":
        assert not inside.any()
    else:
        np.testing.assert_array_equal(inside, filled)


@every_method
@pytest.mark.parametrize(
    "values", [example(), np.full((BATCH, 7, CHANNELS), 5.0), np.full((BATCH, 7, CHANNELS), np.nan)]
)
def test_gradients_are_finite_with_gaps_in_the_input(method, values):
    values = tf.constant(values, tf.float32)
    weight = tf.Variable(tf.ones([CHANNELS, 1]))
    with tf.GradientTape() as tape:
        tape.watch(values)
        filled, observed, _ = FillMissing()(values)
        inside, level, scale = WindowNormalization(method)(filled, observed)
        loss = tf.reduce_sum(tf.square((inside + 1) @ weight * scale + level))
    of_values, of_weight = tape.gradient(loss, [values, weight])
    assert np.isfinite(of_values).all()
    assert np.isfinite(of_weight).all()
    assert of_weight.numpy().any()
    assert not of_values.numpy()[np.isnan(values)].any()


def test_an_unknown_method_is_refused():
    message = (
        "`normalization` must be one of 'last', 'standard', 'none'. Received: normalization='standart'. "
        "Did you mean 'standard'?"
    )
    with pytest.raises(ValueError, match=rf"\A{re.escape(message)}\Z"):
        WindowNormalization("standart")


# --- in models ---


def functional(method, time):
    history = keras.Input((time, CHANNELS))
    filled, observed, mask = FillMissing()(history)
    return keras.Model(history, [filled, observed, mask, *WindowNormalization(method)(filled, observed)])


@every_method
def test_symbolic_shapes_and_types_are_those_of_the_answers(method):
    time = 5
    model = functional(method, time)
    whole, window = (None, time, CHANNELS), (None, 1, CHANNELS)
    assert [tensor.shape for tensor in model.outputs] == [whole, whole, whole[:2], whole, window, window]
    answers = model(example(time))
    assert [tensor.dtype for tensor in model.outputs] == [keras.backend.standardize_dtype(a.dtype) for a in answers]
    assert [tuple(answer.shape) for answer in answers] == [(BATCH, *tensor.shape[1:]) for tensor in model.outputs]
    assert FillMissing().compute_output_shape(whole) == (whole, whole, whole[:2])
    assert WindowNormalization(method).compute_output_shape(whole, whole) == (whole, window, window)


@every_method
def test_both_layers_reload_from_a_keras_file(tmp_path, method):
    model = functional(method, time=7)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    for expected, answer in zip(arrays(model(example())), arrays(reloaded(example())), strict=True):
        np.testing.assert_array_equal(answer, expected)


@every_method
def test_a_window_alone_gives_the_same_as_in_a_batch(method):
    values, model = example(), functional(method, time=7)
    together = arrays(model(values))
    for row in range(BATCH):
        for alone, batch in zip(arrays(model(values[row : row + 1])), together, strict=True):
            np.testing.assert_allclose(alone, batch[row : row + 1], atol=1e-6)
