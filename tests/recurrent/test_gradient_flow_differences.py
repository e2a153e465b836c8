"""Gradients through time beside finite differences, and beside stock layers that Keras itself runs."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_stacks import BATCH, FEATURES, MASK, TIME, built, normal

from seqapps.recurrent.gradient_flow import gradient_flow
from seqapps.recurrent.stack import CELLS, MERGES

STEP = 1e-5
every_cell = pytest.mark.parametrize("cell", CELLS)


# --- finite differences ---


@pytest.fixture
def in_64_bits():
    keras.backend.set_floatx("float64")
    yield
    keras.backend.set_floatx("float32")


@pytest.mark.usefixtures("in_64_bits")
@every_cell
def test_gradients_of_inputs_are_those_of_finite_differences(cell):
    stack = built(3, cell, dtype="float64", num_layers=2)
    inputs = normal(1, TIME, FEATURES).astype("float64")
    weights = normal(1, stack.output_size, seed=9).astype("float64")

    def loss(sequences):
        return tf.reduce_sum(weights * tf.math.sin(stack(sequences)))

    norms = gradient_flow(stack, lambda: loss(inputs)).curve(0, "forward", "input").norms
    for place in range(TIME):
        numeric = np.zeros(FEATURES)
        for feature in range(FEATURES):
            moved = [inputs.copy(), inputs.copy()]
            moved[0][0, place, feature] += STEP
            moved[1][0, place, feature] -= STEP
            numeric[feature] = (loss(moved[0]) - loss(moved[1])) / (2 * STEP)
        assert np.linalg.norm(numeric) == pytest.approx(norms[TIME - 1 - place], rel=1e-4)


@pytest.mark.usefixtures("in_64_bits")
@pytest.mark.parametrize("bidirectional", [False, True])
@every_cell
def test_gradients_of_states_are_those_of_finite_differences(cell, bidirectional):
    """A state of lag k is what the last k steps start from."""
    stack = built(3, cell, dtype="float64", bidirectional=bidirectional, return_state=True)
    inputs = normal(1, TIME, FEATURES).astype("float64")
    weights = normal(1, stack.output_size, seed=9).astype("float64")
    flow = gradient_flow(stack, lambda: weights * stack(inputs)[0])
    directions = ("forward", "backward") if bidirectional else ("forward",)
    kinds = ("h", "c") if cell == "lstm" else ("h",)
    for direction, lag in itertools.product(directions, range(1, TIME)):
        first, rest = (inputs[:, :-lag], inputs[:, -lag:])
        if direction == "backward":
            first, rest = inputs[:, lag:], inputs[:, :lag]
        states = [np.array(state) for state in stack(first)[1]]
        offset = len(kinds) * directions.index(direction)
        columns = slice(3 * directions.index(direction), 3 * directions.index(direction) + 3)
        numeric = {kind: np.zeros(3) for kind in kinds}
        for (number, kind), unit in itertools.product(enumerate(kinds), range(3)):
            values = []
            for sign in (1, -1):
                moved = [state.copy() for state in states]
                moved[offset + number][0, unit] += sign * STEP
                outputs = np.array(stack(rest, initial_state=moved)[0])[:, columns]
                values.append(float((weights[:, columns] * outputs).sum()))
            numeric[kind][unit] = (values[0] - values[1]) / (2 * STEP)
        if cell == "lstm":  # the tape's gradient of c also goes through h = o tanh(c) of the same step
            h, squashed = states[offset][0], np.tanh(states[offset + 1][0])
            numeric["c"] += numeric["h"] * h / squashed * (1 - squashed**2)
        for kind in kinds:
            assert np.linalg.norm(numeric[kind]) == pytest.approx(flow.curve(0, direction, kind).norms[lag], rel=1e-4)


# --- stock layers ---


def of_stock_layers(stack, inputs, everywhere, alone):
    """The outputs of a stack from its layers as Keras runs them, and what every direction of every layer read."""
    directions = 2 if stack.bidirectional else 1
    ends = np.stack([np.eye(TIME)[[4, 2, 3]], np.eye(TIME)[[0, 0, 1]]])[..., None] == 1  # of the rows of MASK
    merge = MERGES[stack.merge_mode] if stack.bidirectional else lambda stream: stream
    read, streams, merged = [], [], tf.Variable(inputs)  # which a tape watches
    for number, layer in enumerate(stack.recurrent_layers):
        direction = number % directions
        read.append(tf.identity(merged))
        stream = layer(read[-1], mask=tf.constant(MASK))[0]
        stream = tf.reverse(stream, [1]) if direction else stream
        streams.append(stream if alone in (None, direction) else tf.stop_gradient(stream))
        if stack.residual and number >= directions:
            streams[-1] += streams[-1 - directions]
        if direction == directions - 1:
            merged = merge(*streams[-directions:])
    if not everywhere:
        merged = merge(
            *(tf.where(e, s, tf.stop_gradient(s)) for e, s in zip(ends, streams[-directions:], strict=False))
        )
    return merged, read


def by_lag(gradients, backward):
    """The mean norm over the rows of `MASK` that have a lag, for every lag."""
    norms = np.linalg.norm(gradients, axis=-1)
    rows = [row[real] if backward else row[real][::-1] for row, real in zip(norms, MASK, strict=True)]
    return [np.mean([row[lag] for row in rows if len(row) > lag]) for lag in range(TIME)]


STACKS = [
    *((cell, {"num_layers": 3, "residual": True, "bidirectional": True, "merge_mode": "sum"}) for cell in CELLS),
    *(("gru", {"num_layers": 2, "bidirectional": True, "merge_mode": merge}) for merge in MERGES),
    ("gru", {"num_layers": 2, "reset_after": False}),
    ("lstm", {"units": (7, 3), "bidirectional": True}),
    ("simple_rnn", {"num_layers": 2, "residual": True}),
]


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize(("cell", "options"), STACKS, ids=str)
def test_gradients_of_what_layers_read_are_those_of_stock_layers(cell, options, everywhere):
    stack = built(cell=cell, return_sequences=True, **options)
    inputs = normal(BATCH, TIME, FEATURES)
    weights = MASK[..., None] * normal(BATCH, TIME, stack.output_size, seed=9)
    flow = gradient_flow(
        stack, lambda: weights * tf.math.sin(stack(inputs, mask=tf.constant(MASK))), everywhere=everywhere
    )
    for direction, name in enumerate(("forward", "backward") if stack.bidirectional else ("forward",)):
        with tf.GradientTape() as tape:
            outputs, read = of_stock_layers(stack, inputs, everywhere, None if everywhere else direction)
            loss = tf.reduce_sum(weights * tf.math.sin(outputs))
        own = read[direction :: 2 if stack.bidirectional else 1]
        for layer, gradient in enumerate(tape.gradient(loss, own)):
            expected = by_lag(gradient.numpy(), backward=direction)
            np.testing.assert_allclose(flow.curve(layer, name, "input").norms, expected, rtol=1e-4, atol=1e-6)
