"""The stack beside the published equations, written out in numpy."""

from itertools import product

import keras
import numpy as np
import pytest

from seqapps.recurrent.stack import CELLS, RecurrentStack

BATCH, TIME, FEATURES, UNITS = 5, 3, 2, 7
MASK = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0]], dtype=bool)  # (batch, time)
MERGES = {
    "concat": lambda forward, backward: np.concatenate([forward, backward], axis=-1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
}
# return_sequences, return_state, with a mask, with an initial state, with dropout
WAYS = list(product([False, True], repeat=5))
DIRECTIONS = [(False, "concat"), *((True, merge_mode) for merge_mode in MERGES)]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def with_random_weights(stack):
    """The stack with every weight, also the biases, away from its initial value."""
    stack.build((None, None, FEATURES))
    stack.set_weights([normal(*w.shape, seed=i) * 0.5 for i, w in enumerate(stack.weights)])
    return stack


def states_for(stack):
    return [normal(BATCH, width, seed=100 + index) for index, width in enumerate(stack.state_sizes)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_step(cell, weights, x, states):
    """One step of one cell: `x` is (batch, features), every state (batch, units)."""
    kernel, recurrent, bias = weights
    h = states[0]
    if cell == "simple_rnn":
        return [np.tanh(x @ kernel + h @ recurrent + bias)]
    if cell == "lstm":
        i, f, candidate, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(candidate)
        return [sigmoid(o) * np.tanh(c), c]
    reset_after = bias.ndim == 2
    input_bias, recurrent_bias = bias if reset_after else (bias, np.zeros_like(bias))
    x_z, x_r, x_h = np.split(x @ kernel + input_bias, 3, axis=-1)
    h_z, h_r, h_h = np.split(h @ recurrent + recurrent_bias, 3, axis=-1)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    carried = r * h_h if reset_after else (r * h) @ np.split(recurrent, 3, axis=-1)[2]
    return [z * h + (1 - z) * np.tanh(x_h + carried)]


def numpy_direction(cell, weights, sequences, mask, states, backward):
    """One direction of one layer: outputs in the order of time, and the final states."""
    outputs, output = [None] * TIME, np.zeros((BATCH, UNITS))
    for t in reversed(range(TIME)) if backward else range(TIME):
        new_states = numpy_step(cell, weights, sequences[:, t], states)
        real = mask[:, t, None]
        states = [np.where(real, new, old) for new, old in zip(new_states, states, strict=True)]
        output = outputs[t] = np.where(real, new_states[0], output)
    return np.stack(outputs, axis=1), states


def numpy_stack(stack, sequences, mask, initial_state):
    """All that a stack can answer: outputs at every step, the last output, the flat list of states."""
    merge = MERGES[stack.merge_mode] if stack.bidirectional else lambda forward: forward
    directions = (False, True) if stack.bidirectional else (False,)
    weights = iter([stack.get_weights()[start : start + 3] for start in range(0, len(stack.weights), 3)])
    count = 2 if stack.cell == "lstm" else 1
    given = iter([initial_state[start : start + count] for start in range(0, len(initial_state), count)])
    streams, ends, states = [], [], []
    for index in range(stack.num_layers):
        inputs = merge(*streams) if index else sequences
        runs = [numpy_direction(stack.cell, next(weights), inputs, mask, next(given), b) for b in directions]
        residual = stack.residual and index
        streams = [run[0] + (streams[d] if residual else 0) for d, run in enumerate(runs)]
        ends = [run[1][0] + (ends[d] if residual else 0) for d, run in enumerate(runs)]
        states += [state for run in runs for state in run[1]]
    outputs = merge(*streams)
    return outputs * mask[:, :, None] if stack.bidirectional else outputs, merge(*ends), states


@pytest.mark.parametrize(
    ("cell", "options", "bias_shape"),
    [
        ("simple_rnn", {}, (UNITS,)),
        ("lstm", {}, (4 * UNITS,)),
        ("gru", {"reset_after": True}, (2, 3 * UNITS)),
        ("gru", {"reset_after": False}, (3 * UNITS,)),
    ],
)
def test_one_step_is_the_published_equation(cell, options, bias_shape):
    stack = with_random_weights(RecurrentStack(UNITS, cell=cell, return_state=True, **options))
    x, states = normal(BATCH, FEATURES), states_for(stack)
    expected = numpy_step(cell, stack.get_weights(), x, states)
    assert stack.weights[2].shape == bias_shape
    for output, new_states in (stack.step(x, states), stack(x[:, None], initial_state=states)):
        np.testing.assert_allclose(output, expected[0], atol=1e-6)
        for new, reference in zip(new_states, expected, strict=True):
            np.testing.assert_allclose(new, reference, atol=1e-6)


def test_the_lstm_forget_gate_starts_open():
    stack = RecurrentStack(UNITS, cell="lstm", num_layers=2, bidirectional=True)
    stack.build((None, None, FEATURES))
    for bias in stack.get_weights()[2::3]:
        np.testing.assert_array_equal(bias, np.repeat([0, 1, 0, 0], UNITS))


def check_against_the_equations(stack, masked, with_states):
    sequences = normal(BATCH, TIME, FEATURES)
    states = states_for(stack) if with_states else None
    zeros = [np.zeros((BATCH, UNITS))] * len(stack.state_sizes)
    mask = MASK if masked else np.ones_like(MASK)
    every_output, last_output, expected_states = numpy_stack(stack, sequences, mask, states or zeros)

    answer = stack(sequences, initial_state=states, mask=MASK if masked else None)
    outputs, new_states = answer if stack.return_state else (answer, [])

    np.testing.assert_allclose(outputs, every_output if stack.return_sequences else last_output, atol=1e-5)
    for new, expected in zip(new_states, expected_states if stack.return_state else [], strict=True):
        np.testing.assert_allclose(new, expected, atol=1e-5)
    shapes = keras.tree.map_structure(lambda tensor: tuple(tensor.shape), answer)
    assert stack.compute_output_shape(sequences.shape) == shapes
    doubled = stack.bidirectional and stack.merge_mode == "concat"
    assert stack.output_size == outputs.shape[-1] == UNITS * (2 if doubled else 1)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize(("bidirectional", "merge_mode"), DIRECTIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_call_answers_as_the_equations_do(cell, bidirectional, merge_mode, num_layers, residual):
    shape = {"num_layers": num_layers, "bidirectional": bidirectional, "merge_mode": merge_mode, "residual": residual}
    # One of the 32 ways to call per shape, so rotated that any three of the nine options meet in every combination.
    direction = DIRECTIONS.index((bidirectional, merge_mode))
    way = 3 * (3 * direction + num_layers) + 13 * residual + 5 * list(CELLS).index(cell)
    return_sequences, return_state, masked, with_states, has_dropout = WAYS[way % len(WAYS)]
    returned = {"return_sequences": return_sequences, "return_state": return_state}
    stack = RecurrentStack(UNITS, cell, dropout=0.5 if has_dropout else 0.0, **shape, **returned)
    check_against_the_equations(with_random_weights(stack), masked, with_states)
