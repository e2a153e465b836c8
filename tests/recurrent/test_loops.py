"""The loops with gradients of their own beside the stock layers and automatic differentiation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.recurrent import loops
from seqapps.recurrent.stack import CELLS, RecurrentStack

BATCH, TIME, FEATURES, UNITS = 3, 5, 2, 7
STATES = {"simple_rnn": 1, "lstm": 2, "gru": 1}
MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)  # (batch, time)
every_cell = pytest.mark.parametrize("cell", CELLS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def stock(cell, backward):
    layer = CELLS[cell](UNITS, return_sequences=True, return_state=True, go_backwards=backward)
    layer.build((None, None, FEATURES))
    layer.set_weights([normal(*weight.shape, seed=number) * 0.5 for number, weight in enumerate(layer.weights)])
    return layer


def answers_and_gradients(run, layer, initial):
    """Outputs and last states, and the gradients of a weighted sum of them for weights, inputs and first states."""
    inputs = tf.constant(normal(BATCH, TIME, FEATURES, seed=20))
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *initial])
        answers = run(inputs, initial)
        total = sum(tf.reduce_sum(each * normal(*each.shape, seed=30 + n)) for n, each in enumerate(answers))
    return answers, tape.gradient(total, [*weights, inputs, *initial])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("backward", [False, True])
@every_cell
def test_answers_and_gradients_are_those_of_the_stock_layer(cell, backward, masked):
    layer = stock(cell, backward)
    # Before the first real step a stock layer answers 0 where ours keeps its state, so those start at 0 here.
    initial = [tf.constant(normal(BATCH, UNITS, seed=10 + n)) * (not masked) for n in range(STATES[cell])]
    mask = tf.constant(MASK) if masked else None

    def ours(inputs, states):
        return loops.run(cell, layer, inputs, states, mask, training=True)

    def theirs(inputs, states):
        return layer(inputs, initial_state=states, mask=mask)

    for ran, expected in zip(*(answers_and_gradients(run, layer, initial) for run in (ours, theirs)), strict=True):
        for own, other in zip(ran, expected, strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("traced", [False, True])
@every_cell
def test_the_derived_gradient_is_the_automatic_one(cell, traced):
    layer = stock(cell, backward=False)
    initial = [tf.constant(normal(BATCH, UNITS, seed=10 + n)) for n in range(STATES[cell])]
    found = []
    for training in (True, False):

        def run(inputs, states, training=training):
            return loops.run(cell, layer, inputs, states, tf.constant(MASK), training)

        found.append(answers_and_gradients(tf.function(run) if traced else run, layer, initial))
    for derived, automatic in zip(*found, strict=True):
        for own, other in zip(derived, automatic, strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)


@every_cell
def test_a_stack_takes_the_loop_and_trains_as_one_of_stock_layers_does(cell, monkeypatch):
    inputs, targets = normal(BATCH, TIME, FEATURES), normal(BATCH, UNITS)
    weights = []
    for taken in (True, False):
        if not taken:
            monkeypatch.setattr(loops, "usable", lambda layer, training: False)
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((None, FEATURES)), RecurrentStack((5, UNITS), cell, bidirectional=False)])
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        for _ in range(3):
            model.train_on_batch(inputs, targets)
        weights.append(model.get_weights())
    for own, other in zip(*weights, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-6)


def test_what_the_loop_cannot_do_is_left_to_the_stock_layers():
    usual = {"cell": "gru", "units": UNITS}
    for options, training in (
        ({"recurrent_dropout": 0.5}, True),
        ({"activation": "relu"}, False),
        ({"reset_after": False}, False),
        ({"dtype": "float16"}, False),
    ):
        (layer,) = RecurrentStack(**usual, **options).recurrent_layers
        assert not loops.usable(layer, training)
    (layer,) = RecurrentStack(**usual, recurrent_dropout=0.5).recurrent_layers
    assert loops.usable(layer, False)
    assert loops.usable(RecurrentStack(**usual).recurrent_layers[0], True)


@every_cell
def test_a_model_of_ones_own_can_be_exported(cell, tmp_path):
    sequences = keras.Input((None, FEATURES))
    model = keras.Model(sequences, RecurrentStack((5, UNITS), cell)(sequences))
    inputs = normal(BATCH, TIME, FEATURES)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(loaded.serve(inputs), model(inputs), rtol=1e-5, atol=1e-6)
