"""Options: dropout acts where it says, and what cannot be honoured is refused with the whole message."""

import json

import keras
import numpy as np
import pytest
from refusals import refusal

from seqapps.recurrent.stack import CELLS, RecurrentStack

BATCH, TIME, FEATURES, UNITS = 3, 5, 2, 7
every_cell = pytest.mark.parametrize("cell", CELLS)
both_directions = pytest.mark.parametrize("bidirectional", [False, True])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def differs(answer, other):
    return np.max(np.abs(answer - other)) > 1e-3


def dropout_probe(**options):
    """Two layers: the first always answers 1, the second hands on what it receives.

    A dropped feature is a 0 in the outputs, a kept one is 1 / (1 - dropout) = 2.
    """
    options = {"dropout": 0.5, "return_sequences": True, "activation": None} | options
    probe = RecurrentStack(UNITS, "simple_rnn", 2, **options)
    probe.build((None, None, FEATURES))
    directions = 2 if probe.bidirectional else 1
    ones = [np.zeros((FEATURES, UNITS)), np.zeros((UNITS, UNITS)), np.ones(UNITS)]
    # With two directions the forward one hands on the forward half of its inputs, the backward one the other.
    blocks = np.split(np.eye(UNITS * directions), directions, axis=1)
    hand_on = [weight for block in blocks for weight in (block, np.zeros((UNITS, UNITS)), np.zeros(UNITS))]
    probe.set_weights(ones * directions + hand_on)
    return probe


@both_directions
def test_dropout_drops_the_same_features_at_every_step_of_a_sequence(bidirectional):
    keras.utils.set_random_seed(2)
    probe = dropout_probe(bidirectional=bidirectional)
    sequences = normal(BATCH, TIME, FEATURES)
    outputs = probe(sequences, training=True).numpy()
    assert set(np.unique(outputs)) == {0.0, 2.0}
    np.testing.assert_array_equal(outputs, np.repeat(outputs[:, :1], TIME, axis=1))
    assert len({row.tobytes() for row in outputs[:, 0]}) == BATCH, "every sequence has a mask of its own"
    assert differs(probe(sequences, training=True), outputs), "every call has masks of its own"
    np.testing.assert_array_equal(probe(sequences, training=False), np.ones_like(outputs))
    np.testing.assert_array_equal(probe(sequences), np.ones_like(outputs))


def test_a_model_in_training_switches_the_dropout_of_its_stack_on():
    inputs = keras.Input((TIME, FEATURES))
    model = keras.Model(inputs, dropout_probe()(inputs))
    sequences = normal(BATCH, TIME, FEATURES)
    assert set(np.unique(model(sequences, training=True))) == {0.0, 2.0}
    assert set(np.unique(model(sequences, training=False))) == {1.0}


def test_the_fraction_of_dropped_features_is_the_one_asked_for():
    keras.utils.set_random_seed(2)
    outputs = dropout_probe(dropout=0.2)(np.zeros((1009, 1, FEATURES)), training=True)
    assert np.mean(np.equal(outputs, 0)) == pytest.approx(0.2, abs=0.02)
    assert np.max(outputs) == pytest.approx(1 / (1 - 0.2))


def test_residual_adds_what_dropout_did_not_touch():
    keras.utils.set_random_seed(2)
    outputs = dropout_probe(residual=True)(normal(BATCH, TIME, FEATURES), training=True)
    assert set(np.unique(outputs)) == {1.0, 3.0}


@every_cell
def test_dropout_acts_on_the_inputs_of_every_layer_but_the_first(cell):
    keras.utils.set_random_seed(2)
    stack = RecurrentStack(UNITS, cell, 3, dropout=0.5, return_state=True)
    sequences = normal(BATCH, TIME, FEATURES)
    outputs, states = stack(sequences, training=True)
    _, states_at_rest = stack(sequences)
    per_layer = len(states) // 3
    np.testing.assert_array_equal(states[0], states_at_rest[0])
    assert differs(states[per_layer], states_at_rest[per_layer])
    assert differs(states[2 * per_layer], states_at_rest[2 * per_layer])
    np.testing.assert_array_equal(outputs, states[2 * per_layer])


@both_directions
@every_cell
def test_dropout_and_residual_are_without_effect_on_one_layer(cell, bidirectional):
    stack = RecurrentStack(UNITS, cell, bidirectional=bidirectional, dropout=0.9, residual=True)
    plain = RecurrentStack(UNITS, cell, bidirectional=bidirectional)
    sequences = normal(BATCH, TIME, FEATURES)
    expected = plain(sequences)
    stack.build(sequences.shape)
    stack.set_weights(plain.get_weights())
    np.testing.assert_array_equal(stack(sequences, training=True), expected)


@both_directions
@every_cell
def test_recurrent_dropout_changes_training_and_never_inference(cell, bidirectional):
    keras.utils.set_random_seed(2)
    options = {"bidirectional": bidirectional, "return_sequences": True, "return_state": True}
    stack = RecurrentStack(UNITS, cell, recurrent_dropout=0.5, **options)
    plain = RecurrentStack(UNITS, cell, **options)
    sequences = normal(BATCH, TIME, FEATURES)
    expected, _ = plain(sequences)
    stack.build(sequences.shape)
    stack.set_weights(plain.get_weights())
    outputs, _ = stack(sequences, training=True)
    np.testing.assert_allclose(stack(sequences)[0], expected, atol=1e-6)
    np.testing.assert_allclose(outputs[:, 0, :UNITS], expected[:, 0, :UNITS], atol=1e-6)  # a state of zeros
    assert differs(outputs[:, -1, :UNITS], expected[:, -1, :UNITS])
    assert differs(stack(sequences, training=True)[0], outputs)
    if bidirectional:
        np.testing.assert_allclose(outputs[:, -1, UNITS:], expected[:, -1, UNITS:], atol=1e-6)
        assert differs(outputs[:, 0, UNITS:], expected[:, 0, UNITS:])


@every_cell
def test_recurrent_dropout_reaches_every_layer(cell):
    keras.utils.set_random_seed(2)
    stack = RecurrentStack(UNITS, cell, 2, recurrent_dropout=0.5)
    stack.build((None, None, FEATURES))
    first = stack.recurrent_layers[0]
    # A first layer of zeros has nothing to drop, so that only the second one can make the difference.
    first.set_weights([np.zeros_like(weight) for weight in first.get_weights()])
    last = stack.recurrent_layers[1]
    last.set_weights([normal(*weight.shape) for weight in last.get_weights()])
    sequences = normal(BATCH, TIME, FEATURES)
    assert differs(stack(sequences, training=True), stack(sequences))


@both_directions
@every_cell
def test_a_plain_function_can_initialize_every_recurrent_kernel(cell, bidirectional):
    def sevenths(shape, dtype=None):
        return keras.ops.full(shape, 1 / 7, dtype)

    stack = RecurrentStack(UNITS, cell, 2, bidirectional=bidirectional, recurrent_initializer=sevenths)
    stack.build((None, None, FEATURES))
    for layer in stack.recurrent_layers:
        np.testing.assert_allclose(layer.cell.recurrent_kernel, 1 / 7, rtol=1e-6)
    assert np.isfinite(stack(normal(BATCH, TIME, FEATURES))).all()


@pytest.mark.parametrize(
    ("units", "num_layers", "expected"),
    [(np.int64(UNITS), np.int32(2), [UNITS, UNITS]), ([np.uint8(UNITS), np.int64(5)], None, [UNITS, 5])],
)
def test_integers_of_numpy_become_those_of_python(units, num_layers, expected):
    config = RecurrentStack(units, num_layers=num_layers).get_config()
    assert (config["units"], config["num_layers"]) == (expected, 2)
    assert json.loads(json.dumps(config)) == config


CELL_CHOICE = "`cell` must be one of 'simple_rnn', 'lstm', 'gru'. Received: "
MERGE_CHOICE = "`merge_mode` must be one of 'concat', 'sum', 'ave', 'mul'. Received: "
FRACTION = "must be a number of at least 0 and below 1. Received: "
ONE_DIRECTION = "One direction has nothing to merge: set bidirectional=True or leave merge_mode at its default."
ONE_WIDTH = "A layer adds its input to its output, so both need the same width."
RESET_GATE = "Only the GRU has a reset gate: leave it at its default or choose cell='gru'."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "ltsm"}, f"{CELL_CHOICE}cell='ltsm'. Did you mean 'lstm'?"),
        ({"cell": "GRU"}, f"{CELL_CHOICE}cell='GRU'. Did you mean 'gru'?"),
        ({"cell": "rnn"}, f"{CELL_CHOICE}cell='rnn'."),
        ({"cell": None}, f"{CELL_CHOICE}cell=None."),
        ({"merge_mode": "concatenate"}, f"{MERGE_CHOICE}merge_mode='concatenate'. Did you mean 'concat'?"),
        ({"merge_mode": None, "bidirectional": True}, f"{MERGE_CHOICE}merge_mode=None."),
        ({"merge_mode": "sum"}, f"`merge_mode` must be 'concat' with bidirectional=False. Received: "
         f"merge_mode='sum'. {ONE_DIRECTION}"),
        ({"dropout": 1.0}, f"`dropout` {FRACTION}dropout=1.0."),
        ({"dropout": -0.1}, f"`dropout` {FRACTION}dropout=-0.1."),
        ({"dropout": "0.5"}, f"`dropout` {FRACTION}dropout='0.5'."),
        ({"dropout": True}, f"`dropout` {FRACTION}dropout=True."),
        ({"recurrent_dropout": 1.5}, f"`recurrent_dropout` {FRACTION}recurrent_dropout=1.5."),
        ({"recurrent_dropout": None}, f"`recurrent_dropout` {FRACTION}recurrent_dropout=None."),
        ({"units": 0}, "`units` must be an integer of at least 1. Received: units=0."),
        ({"units": 7.0}, "`units` must be an integer of at least 1. Received: units=7.0."),
        ({"units": True}, "`units` must be an integer of at least 1. Received: units=True."),
        ({"units": "7"}, "`units` must be an integer of at least 1. Received: units='7'."),
        ({"units": [7, -7]}, "`units` must be an integer of at least 1. Received: units=-7."),
        ({"units": []}, "`units` must be an integer or one integer per layer. Received: units=[]."),
        ({"num_layers": 0}, "`num_layers` must be an integer of at least 1. Received: num_layers=0."),
        ({"num_layers": 2.0}, "`num_layers` must be an integer of at least 1. Received: num_layers=2.0."),
        ({"units": [7, 11], "num_layers": 3},
         "`num_layers` must be 2, one layer per entry of `units`. Received: num_layers=3. "
         "There are 2 widths in units=[7, 11]: leave num_layers out, or match it."),
        ({"units": [7, 11], "residual": True},
         f"`units` must be equal in all layers with residual=True. Received: units=[7, 11]. {ONE_WIDTH}"),
        ({"cell": "lstm", "reset_after": False},
         f"`reset_after` must be True for cell='lstm'. Received: reset_after=False. {RESET_GATE}"),
        ({"cell": "simple_rnn", "reset_after": False},
         f"`reset_after` must be True for cell='simple_rnn'. Received: reset_after=False. {RESET_GATE}"),
        ({"bidirectional": 1}, "`bidirectional` must be True or False. Received: bidirectional=1."),
        ({"residual": "yes"}, "`residual` must be True or False. Received: residual='yes'."),
        ({"reset_after": None}, "`reset_after` must be True or False. Received: reset_after=None."),
        ({"return_sequences": 0}, "`return_sequences` must be True or False. Received: return_sequences=0."),
        ({"return_state": []}, "`return_state` must be True or False. Received: return_state=[]."),
        ({"unit": 7}, "Unrecognized keyword arguments passed to RecurrentStack: {'unit': 7}"),
        ({"activation": "tan"}, "Could not interpret activation function identifier: tan"),
        ({"recurrent_initializer": "ortho"}, "Could not interpret initializer identifier: ortho"),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_honoured_is_refused(options, message):
    with refusal(message):
        RecurrentStack(**({"units": UNITS} | options))


def test_a_step_of_two_directions_is_refused():
    stack = RecurrentStack(UNITS, bidirectional=True)
    message = (
        "`bidirectional` must be False for step: the backward direction starts at the end of the sequence. "
        "Received: bidirectional=True."
    )
    with refusal(message):
        stack.step(normal(BATCH, FEATURES), stack.initial_state(BATCH))


@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
def test_a_step_in_training_with_dropout_is_refused(option):
    stack = RecurrentStack(UNITS, num_layers=2, **{option: 0.5})
    message = (
        "`training` must be False for step with dropout: one mask belongs to a whole sequence. "
        "Received: training=True. Call the layer on the sequence instead."
    )
    with refusal(message):
        stack.step(normal(BATCH, FEATURES), stack.initial_state(BATCH), training=True)


def test_a_step_in_training_without_dropout_is_the_same_as_at_rest():
    stack = RecurrentStack(UNITS, num_layers=2)
    inputs, states = normal(BATCH, FEATURES), stack.initial_state(BATCH)
    np.testing.assert_array_equal(stack.step(inputs, states, training=True)[0], stack.step(inputs, states)[0])


@pytest.mark.parametrize("received", [0, 3, 5])
def test_a_wrong_number_of_states_is_refused(received):
    stack = RecurrentStack(UNITS, "lstm", num_layers=2)
    states = [np.zeros((BATCH, UNITS))] * received
    order = "layer by layer, forward then backward, h then c"
    with refusal(f"`initial_state` must hold 4 states ({order}). Received: {received} states."):
        stack(normal(BATCH, TIME, FEATURES), initial_state=states)
    with refusal(f"`states` must hold 4 states ({order}). Received: {received} states."):
        stack.step(normal(BATCH, FEATURES), states)


def test_a_tensor_instead_of_a_list_of_states_is_refused():
    stack = RecurrentStack(UNITS, bidirectional=False)
    state = np.zeros((BATCH, UNITS))
    advice = "Pass the states as a call with return_state=True returns them."
    received = "Received: <class 'numpy.ndarray'>."
    with refusal(f"`initial_state` must be a flat list of 1 states. {received} {advice}"):
        stack(normal(BATCH, TIME, FEATURES), initial_state=state)
    with refusal(f"`states` must be a flat list of 1 states. {received} {advice}"):
        stack.step(normal(BATCH, FEATURES), state)
