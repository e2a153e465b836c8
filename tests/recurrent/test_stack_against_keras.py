"""The stack beside stock Keras layers that hold the same weights."""

import keras
import numpy as np
import pytest

from seqapps.recurrent.stack import CELLS, RecurrentStack

BATCH, TIME, FEATURES, UNITS = 3, 5, 2, 7
WIDTHS = (7, 11, 13)
MASKS = {
    "none": None,
    "right": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=bool),
    "interior": np.array([[0, 1, 1, 0, 1], [1, 0, 0, 1, 0], [1, 1, 0, 1, 1]], dtype=bool),
}
MERGES = {"concat": keras.layers.Concatenate, "sum": keras.layers.Add}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def assert_close(answers, expected):
    for answer, reference in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, reference, atol=1e-6)


def built_with_random_weights(layers, features):
    for number, layer in enumerate(layers):
        layer.build((None, None, features[number]))
        layer.set_weights([0.5 * normal(*w.shape, seed=31 * number + i) for i, w in enumerate(layer.get_weights())])
    return layers


def stock_layers(cell, widths, merge_mode, return_sequences):
    """One stock layer per width; wrapped by `Bidirectional` if there is a merge mode."""
    layers = []
    for number, width in enumerate(widths, 1):
        is_last = number == len(widths)
        layer = CELLS[cell](width, return_sequences=return_sequences or not is_last, return_state=True)
        layers.append(keras.layers.Bidirectional(layer, merge_mode=merge_mode) if merge_mode else layer)
    factor = 2 if merge_mode == "concat" else 1
    return built_with_random_weights(layers, [FEATURES, *(factor * width for width in widths)])


def run_stock(layers, sequences, mask, initial_state):
    outputs, states = sequences, []
    count = len(initial_state) // len(layers) if initial_state else 0
    for number, layer in enumerate(layers):
        given = initial_state[count * number : count * (number + 1)] if initial_state else None
        outputs, *new_states = layer(outputs, mask=mask, initial_state=given)
        states += new_states
    return [outputs, *states]


def check_against_stock(cell, widths, merge_mode, return_sequences, mask, with_states=False):
    directions = {"bidirectional": True, "merge_mode": merge_mode} if merge_mode else {}
    stack = RecurrentStack(widths, cell, return_sequences=return_sequences, return_state=True, **directions)
    stack.build((None, None, FEATURES))
    layers = stock_layers(cell, widths, merge_mode, return_sequences)
    stack.set_weights([weight for layer in layers for weight in layer.get_weights()])
    sequences = normal(BATCH, TIME, FEATURES)
    states = [normal(BATCH, width, seed=i) for i, width in enumerate(stack.state_sizes)] if with_states else None
    outputs, new_states = stack(sequences, mask=mask, initial_state=states)
    assert_close([outputs, *new_states], run_stock(layers, sequences, mask, states))


@pytest.mark.parametrize(
    ("depth", "return_sequences", "padding"), [(1, True, "none"), (2, False, "right"), (3, False, "interior")]
)
@pytest.mark.parametrize("merge_mode", [None, "concat"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_stack_equals_stock_layers_one_after_the_other(cell, merge_mode, depth, return_sequences, padding):
    check_against_stock(cell, WIDTHS[:depth], merge_mode, return_sequences, MASKS[padding])


@pytest.mark.parametrize("merge_mode", ["sum", "ave", "mul"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_merge_mode_and_masked_step_is_as_in_keras(cell, merge_mode):
    check_against_stock(cell, WIDTHS[:2], merge_mode, True, MASKS["interior"])


@pytest.mark.parametrize("merge_mode", [None, "concat"])
@pytest.mark.parametrize("cell", CELLS)
def test_an_initial_state_starts_the_layers_as_in_keras(cell, merge_mode):
    check_against_stock(cell, WIDTHS[:2], merge_mode, False, None, with_states=True)
    check_against_stock(cell, WIDTHS[:2], merge_mode, True, MASKS["right"], with_states=True)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_weights_go_back_into_stock_layers(cell, bidirectional):
    stack = RecurrentStack(UNITS, cell, bidirectional=bidirectional)
    sequences = normal(BATCH, TIME, FEATURES)
    outputs = stack(sequences)
    stock = CELLS[cell](UNITS)
    stock = keras.layers.Bidirectional(stock) if bidirectional else stock
    stock.build((None, None, FEATURES))
    stock.set_weights(stack.get_weights())
    assert_close([outputs], [stock(sequences)])


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"reset_after": False}])
def test_activation_and_reset_gate_reach_every_stock_layer(options):
    stack = RecurrentStack(UNITS, "gru", num_layers=2, **options)
    layers = [keras.layers.GRU(UNITS, return_sequences=sequences, **options) for sequences in (True, False)]
    built_with_random_weights(layers, [FEATURES, UNITS])
    stack.build((None, None, FEATURES))
    stack.set_weights([weight for layer in layers for weight in layer.get_weights()])
    sequences = normal(BATCH, TIME, FEATURES)
    assert_close([stack(sequences)], [layers[1](layers[0](sequences))])


def residual_streams(layers, sequences, mask, merge):
    """Outputs at every step of the last layer, per direction, from `layers[number][direction]`."""
    streams = []
    for number, directions in enumerate(layers):
        inputs = merge(streams) if number else sequences
        new_streams = [layer(inputs, mask=mask) for layer in directions]
        if len(directions) == 2:
            new_streams[1] = keras.ops.flip(new_streams[1], axis=1)
        if number:
            new_streams = [new + old for new, old in zip(new_streams, streams, strict=True)]
        streams = new_streams
    return [keras.ops.convert_to_numpy(stream) for stream in streams]


@pytest.mark.parametrize(("merge_mode", "return_sequences"), [(None, True), ("concat", False), ("sum", True)])
@pytest.mark.parametrize("cell", CELLS)
def test_residual_adds_input_to_output_per_direction_before_the_merge(cell, merge_mode, return_sequences):
    merge = MERGES[merge_mode]() if merge_mode else lambda streams: streams[0]
    backwards = (False, True) if merge_mode else (False,)
    layers = [[CELLS[cell](UNITS, return_sequences=True, go_backwards=b) for b in backwards] for _ in range(3)]
    width = 2 * UNITS if merge_mode == "concat" else UNITS
    flat = [layer for directions in layers for layer in directions]
    built_with_random_weights(flat, [FEATURES] * len(backwards) + [width] * 2 * len(backwards))
    sequences, mask = normal(BATCH, TIME, FEATURES), MASKS["right"]
    streams = residual_streams(layers, sequences, mask, merge)
    ends = [streams[0][range(BATCH), mask.sum(1) - 1], *(stream[:, 0] for stream in streams[1:])]

    directions = {"bidirectional": True, "merge_mode": merge_mode} if merge_mode else {}
    stack = RecurrentStack(UNITS, cell, 3, residual=True, return_sequences=return_sequences, **directions)
    stack.build((None, None, FEATURES))
    stack.set_weights([weight for layer in flat for weight in layer.get_weights()])
    outputs = keras.ops.convert_to_numpy(stack(sequences, mask=mask))
    if return_sequences:
        assert_close(outputs[mask], np.asarray(merge(streams))[mask])
    else:
        assert_close([outputs], [merge(ends)])
