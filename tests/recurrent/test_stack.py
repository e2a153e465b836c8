"""Masks, states and steps: the stack behaves like one recurrent layer."""

from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies

from seqapps.recurrent.stack import CELLS, RecurrentStack

BATCH, TIME, FEATURES, UNITS, TOKENS = 3, 5, 2, 7, 11
LENGTHS = (5, 3, 1)
MASK = np.arange(TIME) < np.array(LENGTHS)[:, None]  # (batch, time)
SCATTERED = np.array([[0, 1, 1, 0, 1], [1, 0, 0, 1, 0], [0, 0, 1, 1, 1]], dtype=bool)  # (batch, time)
HUGE = 1e6
both_directions = pytest.mark.parametrize("bidirectional", [False, True])
every_cell = pytest.mark.parametrize("cell", CELLS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(cell, num_layers=2, **options):
    """A stack with every weight, also the biases, away from its initial value."""
    stack = RecurrentStack(UNITS, cell, num_layers, **options)
    stack.build((None, None, FEATURES))
    stack.set_weights([normal(*w.shape, seed=i) * 0.5 for i, w in enumerate(stack.weights)])
    return stack


def states_for(stack, batch=BATCH):
    return [normal(batch, width, seed=100 + index) for index, width in enumerate(stack.state_sizes)]


def assert_close(answer, expected):
    for tensor, reference in zip(keras.tree.flatten(answer), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(tensor, reference, atol=1e-6)


def rows(answer, index):
    """Row `index` of outputs and of every state, still as a batch."""
    return keras.tree.map_structure(lambda tensor: tensor[index : index + 1], answer)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@every_cell
def test_steps_in_a_loop_equal_a_call(cell, num_layers, residual):
    stack = built(cell, num_layers, residual=residual, return_sequences=True, return_state=True)
    sequences, states = normal(BATCH, TIME, FEATURES), states_for(stack)
    expected = stack(sequences, initial_state=states)
    outputs = []
    for t in range(TIME):
        output, states = stack.step(sequences[:, t], states)
        outputs.append(output)
    assert_close((np.stack(outputs, axis=1), states), expected)


@every_cell
def test_steps_can_come_before_any_call(cell):
    stack = RecurrentStack(UNITS, cell, 2)
    inputs = normal(BATCH, FEATURES)
    output, _ = stack.step(inputs, stack.initial_state(BATCH))
    assert_close(stack(inputs[:, None]), output)


@every_cell
def test_a_while_loop_in_a_graph_can_take_the_steps(cell):
    stack = built(cell, return_state=True)
    sequences = keras.ops.convert_to_tensor(normal(BATCH, TIME, FEATURES))

    def take_step(t, output, *states):
        output, states = stack.step(keras.ops.take(sequences, t, axis=1), states)
        return (t + 1, output, *states)

    @tf.function
    def generate(*states):
        _, output, *states = keras.ops.while_loop(lambda t, *_: t < TIME, take_step, (0, states[-1], *states))
        return output, states

    assert_close(generate(*stack.initial_state(BATCH)), stack(sequences))


@pytest.mark.parametrize("residual", [False, True])
@every_cell
def test_a_prefix_and_then_the_rest_equal_the_whole(cell, residual):
    stack = built(cell, 3, residual=residual, return_sequences=True, return_state=True)
    sequences = normal(BATCH, TIME, FEATURES)
    outputs, expected_states = stack(sequences)
    prefix, states = stack(sequences[:, :2])
    rest, final_states = stack(sequences[:, 2:], initial_state=states)
    assert_close((np.concatenate([prefix, rest], axis=1), final_states), (outputs, expected_states))


@both_directions
@every_cell
def test_no_initial_state_is_the_same_as_zeros(cell, bidirectional):
    stack = built(cell, bidirectional=bidirectional, return_state=True)
    sequences = normal(BATCH, TIME, FEATURES)
    zeros = stack.initial_state(BATCH)
    assert [tuple(state.shape) for state in zeros] == [(BATCH, UNITS)] * len(stack.state_sizes)
    assert not np.any(zeros)
    assert_close(stack(sequences, initial_state=zeros), stack(sequences))


@pytest.mark.parametrize(
    ("cell", "bidirectional", "expected"),
    [
        ("gru", False, [11, 7]),
        ("simple_rnn", True, [11, 11, 7, 7]),
        ("lstm", False, [11, 11, 7, 7]),
        ("lstm", True, [11, 11, 11, 11, 7, 7, 7, 7]),
    ],
)
def test_state_sizes_are_the_widths_of_the_states(cell, bidirectional, expected):
    stack = RecurrentStack([11, 7], cell, bidirectional=bidirectional, return_state=True)
    outputs, states = stack(normal(BATCH, TIME, FEATURES))
    assert stack.state_sizes == [state.shape[-1] for state in states] == expected
    assert stack.output_size == outputs.shape[-1] == 7 * (1 + bidirectional)


@both_directions
@every_cell
def test_padding_never_influences_outputs_at_real_steps_last_output_or_states(cell, bidirectional):
    options = {"bidirectional": bidirectional, "residual": True, "return_state": True}
    clean = np.where(MASK[..., None], normal(BATCH, TIME, FEATURES), 0).astype("float32")
    huge = np.where(MASK[..., None], clean, HUGE).astype("float32")
    for return_sequences in (True, False):
        stack = built(cell, return_sequences=return_sequences, **options)
        assert_close(stack(huge, mask=MASK), stack(clean, mask=MASK))


@both_directions
@every_cell
def test_masked_steps_are_as_if_they_were_not_there(cell, bidirectional):
    stack = built(cell, bidirectional=bidirectional, return_sequences=True, return_state=True)
    sequences, initial = normal(BATCH, TIME, FEATURES), states_for(stack)
    outputs, states = stack(sequences, mask=SCATTERED, initial_state=initial)
    for row, real in enumerate(SCATTERED):
        alone = stack(sequences[row : row + 1, real], initial_state=rows(initial, row))
        assert_close((outputs.numpy()[row : row + 1, real], rows(states, row)), alone)


@cache
def built_once(cell, bidirectional):
    return built(cell, bidirectional=bidirectional, residual=True, return_state=True)


@settings(max_examples=7, deadline=None, derandomize=True, database=None)
@given(
    cell=strategies.sampled_from(list(CELLS)),
    bidirectional=strategies.booleans(),
    lengths=strategies.lists(strategies.integers(1, TIME), min_size=BATCH, max_size=BATCH),
    padding=strategies.sampled_from([0.0, -1.0, HUGE]),
    seed=strategies.integers(0, 1000),
)
def test_a_row_alone_equals_the_row_in_the_batch(cell, bidirectional, lengths, padding, seed):
    stack = built_once(cell, bidirectional)
    mask = np.arange(TIME) < np.array(lengths)[:, None]
    sequences = np.where(mask[..., None], normal(BATCH, TIME, FEATURES, seed=seed), padding).astype("float32")
    together = stack(sequences, mask=mask)
    for row, length in enumerate(lengths):
        assert_close(stack(sequences[row : row + 1, :length]), rows(together, row))


@both_directions
@every_cell
def test_a_row_of_padding_only_answers_its_initial_state_and_leaves_its_neighbours_alone(cell, bidirectional):
    stack = built(cell, bidirectional=bidirectional, return_sequences=True, return_state=True)
    last = built(cell, bidirectional=bidirectional)
    sequences, initial = normal(BATCH, TIME, FEATURES), states_for(stack)
    mask = MASK & (np.arange(BATCH) != 1)[:, None]
    sequences[1] = HUGE
    outputs, states = stack(sequences, mask=mask, initial_state=initial)
    assert_close(rows(states, 1), rows(initial, 1))
    assert_close(outputs[1], np.zeros((TIME, stack.output_size)))
    per_layer = 2 if cell == "lstm" else 1
    ends = initial[-2 * per_layer :: per_layer] if bidirectional else initial[-per_layer:][:1]
    assert_close(last(sequences, mask=mask, initial_state=initial)[1], np.concatenate([end[1] for end in ends]))
    expected = stack(sequences[:1], mask=mask[:1], initial_state=rows(initial, 0))
    assert_close((outputs[:1], rows(states, 0)), expected)


@every_cell
def test_the_last_output_is_forward_at_the_last_real_step_and_backward_at_the_first(cell):
    options = {"bidirectional": True, "residual": True}
    sequences = normal(BATCH, TIME, FEATURES)
    mask = np.stack([np.ones(TIME, bool), MASK[1], SCATTERED[1]])
    last = built(cell, **options)(sequences, mask=mask)
    every = built(cell, return_sequences=True, **options)(sequences, mask=mask)
    for row in range(BATCH):
        real = np.flatnonzero(mask[row])
        expected = np.concatenate([every[row, real[-1], :UNITS], every[row, real[0], UNITS:]])
        assert_close(last[row], expected)


@every_cell
def test_padded_steps_repeat_the_last_output_with_one_direction_and_are_zero_with_two(cell):
    sequences = normal(BATCH, TIME, FEATURES)
    one = built(cell, residual=True, return_sequences=True)(sequences, mask=MASK)
    two = built(cell, residual=True, return_sequences=True, bidirectional=True)(sequences, mask=MASK)
    for row, length in enumerate(LENGTHS):
        assert_close(one[row, length:], np.repeat(one[row, length - 1 : length], TIME - length, axis=0))
        assert not np.any(two[row, length:])
        assert np.all(two[row, :length])


def embedding_with_huge_padding():
    """Token 0 is padding and its vector would spoil every answer that reads it."""
    embedding = keras.layers.Embedding(TOKENS, FEATURES, mask_zero=True)
    embedding.build((None, None))
    vectors = normal(TOKENS, FEATURES, seed=5)
    vectors[0] = HUGE
    embedding.set_weights([vectors])
    return embedding


@pytest.mark.parametrize("with_states", [False, True])
@both_directions
@every_cell
def test_the_mask_of_an_embedding_is_honoured(cell, bidirectional, with_states):
    stack = built(cell, bidirectional=bidirectional, return_state=True)
    token_ids = np.where(MASK, np.random.default_rng(0).integers(1, TOKENS, (BATCH, TIME)), 0)
    embedded = embedding_with_huge_padding()(token_ids)
    states = states_for(stack) if with_states else None
    assert_close(stack(embedded, initial_state=states), stack(np.asarray(embedded), states, MASK))


@pytest.mark.parametrize("with_states", [False, True])
@every_cell
def test_the_mask_of_a_masking_layer_is_honoured(cell, with_states):
    stack = built(cell, bidirectional=True, return_state=True)
    sequences = np.where(MASK[..., None], normal(BATCH, TIME, FEATURES), HUGE).astype("float32")
    masked = keras.layers.Masking(HUGE)(sequences)
    states = states_for(stack) if with_states else None
    assert_close(stack(masked, initial_state=states), stack(sequences, states, MASK))


@every_cell
def test_an_explicit_mask_goes_before_the_mask_that_the_input_carries(cell):
    stack = built(cell, return_sequences=True)
    sequences = keras.layers.Masking(0.0)(np.where(MASK[..., None], normal(BATCH, TIME, FEATURES), 0))
    assert_close(stack(sequences, mask=SCATTERED), stack(np.asarray(sequences), mask=SCATTERED))


@both_directions
@every_cell
def test_the_mask_travels_on_to_the_next_layer(cell, bidirectional):
    sequences = np.where(MASK[..., None], normal(BATCH, TIME, FEATURES), HUGE).astype("float32")
    stack = built(cell, bidirectional=bidirectional, return_sequences=True)
    averages = keras.layers.GlobalAveragePooling1D()(stack(keras.layers.Masking(HUGE)(sequences)))
    for row, length in enumerate(LENGTHS):
        alone = stack(sequences[row : row + 1, :length])
        assert_close(averages[row], np.mean(alone[0], axis=0))
