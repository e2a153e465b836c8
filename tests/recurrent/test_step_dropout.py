"""Dropout between layers in a loop of one's own: steps with factors do what a call with the same mask does."""

import keras
import numpy as np
import pytest
from refusals import refusal

from seqapps.recurrent.stack import CELLS, RecurrentStack

BATCH, TIME, FEATURES, UNITS = 3, 5, 2, 7
every_cell = pytest.mark.parametrize("cell", CELLS)
every_depth = pytest.mark.parametrize("num_layers", [2, 3])
with_and_without_residual = pytest.mark.parametrize("residual", [False, True])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


SEQUENCES = normal(BATCH, TIME, FEATURES)


def built(cell, units, **options):
    """A stack with every weight, also the biases, away from its initial value."""
    stack = RecurrentStack(units, cell, return_sequences=True, return_state=True, **options)
    stack.build((None, None, FEATURES))
    stack.set_weights([normal(*w.shape, seed=i) * 0.5 for i, w in enumerate(stack.weights)])
    return stack


def states_for(stack):
    return [normal(BATCH, width, seed=100 + index) for index, width in enumerate(stack.state_sizes)]


def factors_for(stack):
    """For every layer from the second on numbers like those of dropout, and others."""
    choices = [0.0, 0.5, 1.0, 2.0]
    generator = np.random.default_rng(3)
    return [generator.choice(choices, (BATCH, width)).astype("float32") for width in stack.units[:-1]]


def stepped(stack, states, factors):
    """Outputs at every step, and the last states."""
    outputs = []
    for t in range(TIME):
        output, states = stack.step(SEQUENCES[:, t], states, dropout_factors=factors)
        outputs.append(output)
    return np.stack(outputs, axis=1), states


def drawn(stack):
    """The factors that the next call in training is going to draw."""
    generators = [layer.seed_generator.state for layer in stack.dropout_layers]
    before = [keras.ops.convert_to_numpy(state) for state in generators]
    factors = [
        layer(np.ones((BATCH, 1, width), "float32"), training=True)[:, 0]
        for layer, width in zip(stack.dropout_layers, stack.units, strict=False)
    ]
    for state, value in zip(generators, before, strict=True):
        state.assign(value)
    return factors


def assert_close(answer, expected):
    for tensor, reference in zip(keras.tree.flatten(answer), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(tensor, reference, atol=1e-6)


@with_and_without_residual
@every_depth
@every_cell
def test_factors_of_one_change_nothing(cell, num_layers, residual):
    stack = built(cell, [UNITS] * num_layers, residual=residual)
    inputs, states = SEQUENCES[:, 0], states_for(stack)
    ones = [np.ones((BATCH, width), "float32") for width in stack.units[:-1]]
    received = stack.step(inputs, states, dropout_factors=ones)
    for answer, expected in zip(
        keras.tree.flatten(received), keras.tree.flatten(stack.step(inputs, states)), strict=True
    ):
        np.testing.assert_array_equal(answer, expected)


@every_cell
def test_one_layer_takes_no_factors(cell):
    stack = built(cell, UNITS)
    inputs, states = SEQUENCES[:, 0], states_for(stack)
    assert_close(stack.step(inputs, states, dropout_factors=[]), stack.step(inputs, states))


@with_and_without_residual
@every_depth
@every_cell
def test_steps_with_the_factors_of_a_call_equal_the_call(cell, num_layers, residual):
    keras.utils.set_random_seed(2)
    stack = built(cell, [UNITS] * num_layers, dropout=0.5, residual=residual)
    states, factors = states_for(stack), drawn(stack)
    assert {0.0, 2.0} == set(np.unique(factors))
    expected = stack(SEQUENCES, initial_state=states, training=True)
    assert_close(stepped(stack, states, factors), expected)
    assert np.max(np.abs(stepped(stack, states, None)[0] - expected[0])) > 1e-3


@every_cell
def test_layers_of_unequal_widths_get_factors_of_theirs(cell):
    keras.utils.set_random_seed(2)
    stack = built(cell, [7, 11, 5], dropout=0.5)
    states, factors = states_for(stack), drawn(stack)
    assert [each.shape for each in factors] == [(BATCH, 7), (BATCH, 11)]
    assert_close(stepped(stack, states, factors), stack(SEQUENCES, initial_state=states, training=True))


@with_and_without_residual
@every_cell
def test_factors_multiply_what_the_second_of_two_stock_layers_reads(cell, residual):
    stack = built(cell, [UNITS, UNITS], residual=residual)
    states, (factors,) = states_for(stack), factors_for(stack)
    per_layer = len(states) // 2
    first, second = stack.recurrent_layers
    stream, *first_states = first(SEQUENCES, initial_state=states[:per_layer])
    outputs, *second_states = second(stream * factors[:, None], initial_state=states[per_layer:])
    outputs = outputs + stream if residual else outputs  # what is added was not multiplied
    assert_close(stepped(stack, states, [factors]), (outputs, first_states + second_states))


@every_cell
def test_factors_leave_the_states_of_the_first_layer_alone(cell):
    stack = built(cell, [UNITS] * 3)
    states, factors = states_for(stack), factors_for(stack)
    per_layer = len(states) // 3
    (_, received), (_, plain) = (stepped(stack, states, each) for each in (factors, None))
    assert_close(received[:per_layer], plain[:per_layer])
    for layer in (1, 2):
        assert np.max(np.abs(received[layer * per_layer] - plain[layer * per_layer])) > 1e-3


@every_cell
def test_a_layer_whose_inputs_are_all_dropped_reads_noughts(cell):
    stack = built(cell, [UNITS, UNITS])
    states = states_for(stack)
    per_layer = len(states) // 2
    output, _ = stack.step(SEQUENCES[:, 0], states, dropout_factors=[np.zeros((BATCH, UNITS), "float32")])
    expected, _ = stack.recurrent_layers[1].cell(np.zeros((BATCH, UNITS), "float32"), states[per_layer:])
    assert_close(output, expected)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_layer_after_the_first_needs_its_factors(count):
    stack = RecurrentStack((7, 5, 3))
    message = (
        f"`dropout_factors` must hold one tensor for each of the 2 layers after the first. Received: {count} tensors."
    )
    with refusal(message):
        stack.step(keras.ops.ones((3, 2)), stack.initial_state(3), dropout_factors=[keras.ops.ones((3, 7))] * count)
