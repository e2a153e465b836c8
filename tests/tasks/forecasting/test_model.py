"""The loss against independent computations; the model's shapes, its symmetries and what padding may not do."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from seqapps.config import CELL_NAMES
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import QuantileLoss, Sizes, build_model, rising

BATCH, WINDOW, HORIZON, TARGETS, UNITS = 3, 13, 5, 2, 7
LEVELS = (0.1, 0.5, 0.9)
SHORT = 7  # observed steps of a short history
every_cell = pytest.mark.parametrize("cell", CELL_NAMES)
both_channels = pytest.mark.parametrize("channels", ["independent", "joint"])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(targets=TARGETS, window=WINDOW, mark_missing=False, **options):
    keras.utils.set_random_seed(5)
    return build_model(Config(window=window, horizon=HORIZON, units=UNITS, **options), Sizes(targets, mark_missing))


def answer(model, history):
    return keras.ops.convert_to_numpy(model({"history": history}, training=False))


# --- the loss ---


def test_the_loss_is_twice_the_pinball_loss_of_scikit_learn():
    actual, predicted = normal(BATCH, HORIZON, TARGETS), normal(BATCH, HORIZON, TARGETS, len(LEVELS), seed=1)
    by_level = [
        mean_pinball_loss(actual.ravel(), predicted[..., position].ravel(), alpha=level)
        for position, level in enumerate(LEVELS)
    ]
    assert float(QuantileLoss(LEVELS)(actual, predicted)) == pytest.approx(2 * np.mean(by_level), rel=1e-5)


def test_the_loss_of_the_median_alone_is_the_absolute_error():
    actual, predicted = normal(BATCH, HORIZON, TARGETS), normal(BATCH, HORIZON, TARGETS, 1, seed=1)
    expected = np.abs(actual - predicted[..., 0]).mean()
    assert float(QuantileLoss([0.5])(actual, predicted)) == pytest.approx(expected, rel=1e-5)


def test_missing_targets_count_nothing():
    actual, predicted = normal(BATCH, HORIZON, TARGETS), normal(BATCH, HORIZON, TARGETS, len(LEVELS), seed=1)
    actual[0, 2:, 1] = np.nan
    actual[1, :, 0] = np.inf
    actual[2] = np.nan
    error = actual[..., None] - predicted
    levels = np.array(LEVELS)
    pinball = 2 * np.where(error > 0, levels * error, (levels - 1) * error).mean(axis=-1)
    expected = [pinball[row][np.isfinite(actual[row])].mean() for row in (0, 1)] + [0]
    received = keras.ops.convert_to_numpy(QuantileLoss(LEVELS).call(actual, predicted))
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def test_missing_targets_have_no_gradient():
    actual, predicted = normal(BATCH, HORIZON, TARGETS), tf.Variable(normal(BATCH, HORIZON, TARGETS, 3, seed=1))
    actual[0, 2, 1] = np.nan
    with tf.GradientTape() as tape:
        loss = QuantileLoss(LEVELS)(actual, predicted)
    gradient = tape.gradient(loss, predicted).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient[0, 2, 1] == 0).all()
    assert (gradient != 0).sum() == gradient.size - len(LEVELS)


def test_the_loss_is_rebuilt_from_its_config():
    rebuilt = keras.losses.deserialize(keras.losses.serialize(QuantileLoss(LEVELS)))
    assert (type(rebuilt), rebuilt.levels) == (QuantileLoss, list(LEVELS))


# --- shapes ---


@pytest.mark.parametrize("num_layers", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("bidirectional", [False, True])
@every_cell
def test_every_combination_answers_with_quantiles_of_every_step_and_column(cell, bidirectional, num_layers):
    history = normal(BATCH, WINDOW, TARGETS)
    for channels, normalization in itertools.product(("independent", "joint"), ("last", "standard", "none")):
        options = {"bidirectional": bidirectional, "num_layers": num_layers, "channels": channels}
        model = built(cell=cell, normalization=normalization, **options)
        assert model.output_shape == (None, HORIZON, TARGETS, len(LEVELS))
        received = answer(model, history)
        assert received.shape == (BATCH, HORIZON, TARGETS, len(LEVELS))
        assert np.isfinite(received).all()


def test_one_map_serves_any_number_of_independent_columns():
    assert built(targets=2).count_params() == built(targets=11).count_params()
    assert built(targets=2, channels="joint").count_params() < built(targets=11, channels="joint").count_params()


# --- quantiles ---


def test_quantiles_rise_from_the_median_in_steps_of_softplus():
    outputs = np.array([[0.3, -2.0, 7.0, 1.5, -0.4]], "float32")
    steps = np.log1p(np.exp(outputs[0].astype("float64")))
    expected = [7 - steps[1] - steps[0], 7 - steps[1], 7, 7 + steps[3], 7 + steps[3] + steps[4]]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(rising(outputs, 2))[0], expected, rtol=1e-6)


@pytest.fixture(scope="module")
def many_levels():
    options = {"cell": "simple_rnn", "normalization": "standard", "mark_missing": True}
    return built(window=SHORT, quantiles=(0.01, 0.25, 0.75, 0.99), **options)


@settings(max_examples=31, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.1, 1.0, 31.0]), values=st.data())
def test_quantiles_never_cross(many_levels, seed, size, values):
    many_levels.set_weights(
        [size * normal(*weight.shape, seed=[seed, number]) for number, weight in enumerate(many_levels.weights)]
    )
    cell = st.floats(-1e6, 1e6, width=32) | st.just(np.nan)
    flat = values.draw(st.lists(cell, min_size=BATCH * SHORT * TARGETS, max_size=BATCH * SHORT * TARGETS))
    received = answer(many_levels, np.array(flat, "float32").reshape(BATCH, SHORT, TARGETS))
    assert received.shape == (BATCH, HORIZON, TARGETS, 7)
    assert np.isfinite(received).all()
    assert (np.diff(received, axis=-1) >= 0).all()


# --- symmetries ---


@every_cell
def test_permuting_independent_columns_permutes_the_forecast(cell):
    model, history = built(targets=3, cell=cell, mark_missing=True), normal(BATCH, WINDOW, 3)
    history[0, 4, 1] = np.nan
    order = [2, 0, 1]
    np.testing.assert_allclose(answer(model, history[..., order]), answer(model, history)[:, :, order], rtol=1e-5)


def test_a_column_of_its_own_never_sees_its_neighbours_and_joint_columns_do():
    history = normal(BATCH, WINDOW, TARGETS)
    changed = history.copy()
    changed[..., 1] += normal(BATCH, WINDOW, seed=1)
    independent, joint = built(), built(channels="joint")
    np.testing.assert_array_equal(answer(independent, history)[:, :, 0], answer(independent, changed)[:, :, 0])
    assert (answer(joint, history)[:, :, 0] != answer(joint, changed)[:, :, 0]).all()


@both_channels
def test_with_the_last_value_as_level_a_constant_added_to_the_history_is_added_to_the_forecast(channels):
    model, history = built(normalization="last", channels=channels), normal(BATCH, WINDOW, TARGETS)
    shift = np.array([3.0, -11.0], "float32")
    np.testing.assert_allclose(answer(model, history + shift), answer(model, history) + shift[:, None], atol=2e-5)


@both_channels
def test_with_the_windows_own_scale_the_forecast_follows_every_change_of_unit(channels):
    model, history = built(normalization="standard", channels=channels), normal(BATCH, WINDOW, TARGETS)
    factor, shift = np.array([5.0, 0.7], "float32"), np.array([3.0, -11.0], "float32")
    expected = answer(model, history) * factor[:, None] + shift[:, None]
    np.testing.assert_allclose(answer(model, history * factor + shift), expected, rtol=1e-3, atol=1e-3)


def test_without_normalization_the_level_matters():
    model, history = built(normalization="none"), normal(BATCH, WINDOW, TARGETS)
    difference = answer(model, history + 3) - answer(model, history)
    assert (np.abs(difference - 3) > 0.1).all()


# --- gaps and padding ---


def padded(history, steps=SHORT):
    shorter = history.copy()
    shorter[:, :-steps] = np.nan
    return shorter


@pytest.mark.parametrize(
    ("cell", "bidirectional", "normalization"),
    [
        *itertools.product(CELL_NAMES, [False, True], ["standard"]),
        ("gru", False, "last"),
        ("gru", True, "none"),
    ],
)
def test_padding_on_the_left_equals_a_shorter_history(cell, bidirectional, normalization):
    options = {"cell": cell, "bidirectional": bidirectional, "normalization": normalization, "mark_missing": True}
    model, shorter_model = built(**options), built(window=SHORT, **options)
    shorter_model.set_weights(model.get_weights())
    history = normal(BATCH, WINDOW, TARGETS)
    expected = answer(shorter_model, history[:, -SHORT:])
    np.testing.assert_allclose(answer(model, padded(history)), expected, rtol=1e-5, atol=1e-6)


@every_cell
def test_a_short_an_empty_and_a_broken_history_leave_the_other_rows_alone(cell):
    model, history = built(cell=cell, normalization="standard", channels="joint"), normal(BATCH + 2, WINDOW, TARGETS)
    mixed = history.copy()
    mixed[1] = padded(history[1:2])[0]
    mixed[2] = np.nan
    mixed[3, ::2] = np.inf
    received = answer(model, mixed)
    assert np.isfinite(received).all()
    np.testing.assert_allclose(received[[0, 4]], answer(model, history)[[0, 4]], rtol=1e-5, atol=1e-6)
    for row in range(BATCH + 2):
        np.testing.assert_allclose(received[row], answer(model, mixed[row : row + 1])[0], rtol=1e-5, atol=1e-6)


def test_a_gap_takes_the_value_before_it_and_is_marked():
    history = normal(BATCH, WINDOW, TARGETS)
    gap, filled = history.copy(), history.copy()
    gap[:, 5:7] = np.nan
    filled[:, 5:7] = history[:, 4:5]
    unmarked, marked = built(), built(mark_missing=True)
    np.testing.assert_allclose(answer(unmarked, gap), answer(unmarked, filled), rtol=1e-6)
    assert (answer(marked, gap) != answer(marked, filled)).any()


def test_a_saved_model_answers_the_same(tmp_path):
    model, history = built(cell="lstm", mark_missing=True, dropout=0.3), normal(BATCH, WINDOW, TARGETS)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(answer(restored, history), answer(model, history))
