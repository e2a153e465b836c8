"""Gradients through time beside cases by hand and what the stack itself answers."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from refusals import refusal
from toy_stacks import BATCH, FEATURES, MASK, TIME, UNITS, built, normal

from seqapps.recurrent.gradient_curves import Curve
from seqapps.recurrent.gradient_flow import GATES, gradient_flow
from seqapps.recurrent.stack import CELLS, MERGES, RecurrentStack

every_cell = pytest.mark.parametrize("cell", CELLS)


def linear(recurrent, **options):
    """A recurrence h ← w h + x of one unit per direction."""
    stack = RecurrentStack(1, "simple_rnn", activation="linear", **options)
    stack.build((None, None, 1))
    stack.set_weights(
        [np.array(weight, "float32") for _ in stack.recurrent_layers for weight in ([[1]], recurrent, [0])]
    )
    return stack


# --- cases by hand ---


@pytest.mark.parametrize("weight", [0.5, 1.0, -1.5])
def test_the_norm_at_lag_k_of_a_linear_recurrence_is_its_weight_to_the_power_of_k(weight):
    stack = linear([[weight]])
    flow = gradient_flow(stack, lambda: 3 * stack(normal(BATCH, TIME, 1)))
    expected = [3 * abs(weight) ** lag for lag in range(TIME)]
    for state in ("h", "input"):
        np.testing.assert_allclose(flow.curve(0, "forward", state).norms, expected, rtol=1e-6)
    assert flow.curve(0, "forward", "h").rows == (BATCH,) * TIME
    assert flow.gates == ()
    assert len(flow.curves) == 2


def test_the_lag_counts_real_steps_and_the_mean_is_over_rows_that_have_it():
    stack = linear([[0.5]])
    inputs = np.ones((BATCH, TIME, 1), "float32")
    scale = np.array([[1], [2], [4]], "float32")
    flow = gradient_flow(stack, lambda: scale * stack(inputs, mask=MASK))
    curve = flow.curve(0, "forward", "h")
    assert curve.rows == (3, 3, 2, 1, 1)  # the rows have 5, 3 and 2 real steps
    np.testing.assert_allclose(curve.norms, [7 / 3, 0.5 * 7 / 3, 0.25 * 3 / 2, 0.125, 0.0625], rtol=1e-6)
    np.testing.assert_allclose(curve.starts, [7 / 3, 7 / 3, 3 / 2, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(curve.shares, [1, 0.5, 0.25, 0.125, 0.0625], rtol=1e-6)  # whatever the losses are


def test_the_two_directions_end_at_opposite_places():
    stack = linear([[0.5]], bidirectional=True, return_sequences=True)
    outputs = np.zeros((1, TIME, 2), "float32")
    outputs[0, -1, 0], outputs[0, 0, 1] = 2, 3
    flow = gradient_flow(stack, lambda: outputs * stack(np.ones((1, TIME, 1), "float32")))
    halves = 0.5 ** np.arange(TIME)
    np.testing.assert_allclose(flow.curve(0, "forward", "h").norms, 2 * halves)
    np.testing.assert_allclose(flow.curve(0, "backward", "h").norms, 3 * halves)


def test_below_the_top_the_other_direction_sends_nothing_in_where_a_direction_begins():
    """The backward direction of the upper layer ends at step 0, the furthest lag of the lower forward one."""
    stack = linear([[0.5]], num_layers=2, bidirectional=True, merge_mode="sum", return_sequences=True)
    inputs = np.ones((1, TIME, 1), "float32")
    flow = gradient_flow(stack, lambda: stack(inputs))
    lags = np.arange(TIME)
    for direction in ("forward", "backward"):
        np.testing.assert_allclose(flow.curve(1, direction, "h").norms, 0.5**lags)
        np.testing.assert_allclose(flow.curve(0, direction, "h").norms, (lags + 1) * 0.5**lags)
    everywhere = gradient_flow(stack, lambda: stack(inputs), everywhere=True)
    assert everywhere.curve(0, "forward", "h").growth > 1


def test_a_loss_of_all_steps_enters_where_directions_end_or_everywhere():
    stack = linear([[0.5]], return_sequences=True)
    inputs = np.ones((1, 4, 1), "float32")
    ends = gradient_flow(stack, lambda: stack(inputs)).curve(0, "forward", "h").norms
    everywhere = gradient_flow(stack, lambda: stack(inputs), everywhere=True).curve(0, "forward", "h").norms
    assert ends == (1, 0.5, 0.25, 0.125)
    assert everywhere == (1, 1.5, 1.75, 1.875)  # 1 + w + w² + …


def test_the_straight_path_of_an_lstm_keeps_the_gradient_of_c_as_its_forget_gate_says():
    """With input and output gates that never change, dc at lag k is f^k times dc at lag 0."""
    stack = RecurrentStack(1, "lstm")
    stack.build((None, None, 1))
    logit = float(np.log(0.8 / 0.2))
    stack.set_weights([np.zeros((1, 4), "float32"), np.zeros((1, 4), "float32"), np.array([0, logit, 0, 0], "float32")])
    flow = gradient_flow(stack, lambda: stack(normal(1, TIME, 1)))
    c = np.array(flow.curve(0, "forward", "c").norms)
    np.testing.assert_allclose(c / c[0], 0.8 ** np.arange(TIME), rtol=1e-5)
    gates = {gate.name: gate.values.numpy() for gate in flow.gates}
    np.testing.assert_allclose(gates["forget"], np.full((1, TIME, 1), 0.8), rtol=1e-5)
    np.testing.assert_allclose(gates["input"], np.full((1, TIME, 1), 0.5), rtol=1e-6)
    assert (flow.curve(0, "forward", "h").norms[0], flow.curve(0, "forward", "h").norms[1:]) == (1, (0,) * (TIME - 1))


@pytest.mark.parametrize(
    ("norms", "starts", "lag", "peak", "growth"),
    [
        ((2.0, 0.02, 0.019), (2.0, 2.0, 2.0), 2, 0, 1),
        ((1.0, 5.0, 0.5), (1.0, 1.0, 1.0), None, 1, 5),
        ((1.0, 0.001, 3.0), (1.0, 1.0, 1.0), 1, 2, 3),
        ((3.0, 3.0, 80.0), (3.0, 3.0, 40.0), None, 2, 2),  # a long row with a large loss
        ((3.0, 3.0, 0.02), (3.0, 3.0, 0.02), None, 0, 1),  # one with a small loss
        ((3.0, 3.0, 0.0), (3.0, 3.0, 0.0), None, 0, 1),  # one without any: of it nothing is known
        ((0.0, 0.0), (0.0, 0.0), 0, 0, 0),
        ((1.0, math.nan, 2.0), (1.0, 1.0, 1.0), None, 1, math.inf),
        ((1.0, 0.001, math.inf), (1.0, 1.0, 1.0), None, 2, math.inf),
        ((math.nan, 1.0), (math.nan, math.nan), None, 0, math.inf),
    ],
)
def test_a_curve_is_read_beside_what_the_same_rows_have_at_lag_0(norms, starts, lag, peak, growth):
    curve = Curve(0, "forward", "h", norms, (1,) * len(norms), starts)
    assert (curve.vanishes_at, curve.peak, curve.growth) == (lag, peak, growth)


# --- every kind of stack ---

KINDS = [
    {},
    {"units": (UNITS, 3), "return_sequences": True, "return_state": True},
    {"num_layers": 2, "residual": True, "dropout": 0.3, "recurrent_dropout": 0.2},
    *({"num_layers": 2, "bidirectional": True, "merge_mode": merge, "return_sequences": True} for merge in MERGES),
    {"num_layers": 3, "residual": True, "bidirectional": True, "merge_mode": "sum", "return_state": True},
]


@pytest.mark.parametrize(("options", "masked"), [({}, False), *((kind, True) for kind in KINDS)], ids=str)
@every_cell
def test_the_stepped_outputs_are_those_of_the_stack(cell, options, masked):
    stack = built(cell=cell, **options)
    inputs, mask = normal(BATCH, TIME, FEATURES), MASK if masked else None
    initial = [normal(BATCH, width, seed=40 + n) for n, width in enumerate(stack.state_sizes)] if masked else None
    stepped = []

    def losses():
        stepped.append(stack(inputs, initial_state=initial, mask=mask))
        return sum(tf.reduce_sum(each) for each in tf.nest.flatten(stepped[-1]))

    flow = gradient_flow(stack, losses)
    expected = tf.nest.flatten(stack(inputs, initial_state=initial, mask=mask))
    for own, other in zip(tf.nest.flatten(stepped[0]), expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-5)
    kinds = 1 + (2 if cell == "lstm" else 1)
    assert len(flow.curves) == kinds * len(stack.recurrent_layers)
    assert len(flow.gates) == len(GATES[cell]) * len(stack.recurrent_layers)
    assert all(curve.norms[0] > 0 for curve in flow.curves)


def test_without_reset_after_the_gates_have_one_bias():
    stack = built(reset_after=False)
    flow = gradient_flow(stack, lambda: stack(normal(BATCH, TIME, FEATURES)))
    kernel, recurrent, bias = stack.get_weights()
    first = normal(BATCH, TIME, FEATURES)[:, 0] @ kernel + bias
    assert recurrent.shape == (UNITS, 3 * UNITS)
    expected = 1 / (1 + np.exp(-first[:, :UNITS]))
    np.testing.assert_allclose(flow.gates[0].values[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_gates_of_a_gru_choose_between_its_old_state_and_a_new_one(reset_after):
    """Between its outputs h and the gates stands h = z h₋ + (1 - z) n with n in (-1, 1)."""
    stack = built(return_sequences=True, reset_after=reset_after)
    made = []

    def losses():
        made.append(stack(normal(BATCH, TIME, FEATURES)))
        return made[0]

    gates = {gate.name: gate.values.numpy() for gate in gradient_flow(stack, losses).gates}
    state = made[0].numpy()
    before = np.concatenate([np.zeros((BATCH, 1, UNITS)), state[:, :-1]], axis=1)
    new = (state - gates["update"] * before) / (1 - gates["update"])
    kernel, recurrent, bias = stack.get_weights()
    inputs = normal(BATCH, TIME, FEATURES) @ kernel[:, 2 * UNITS :]
    if reset_after:
        inner = gates["reset"] * (before @ recurrent[:, 2 * UNITS :] + bias[1, 2 * UNITS :]) + bias[0, 2 * UNITS :]
    else:
        inner = (gates["reset"] * before) @ recurrent[:, 2 * UNITS :] + bias[2 * UNITS :]
    np.testing.assert_allclose(new, np.tanh(inputs + inner), atol=1e-4)


def test_the_gates_of_an_lstm_make_its_states():
    stack = built(cell="lstm", bidirectional=True, return_sequences=True)
    made = []

    def losses():
        made.append(stack(normal(BATCH, TIME, FEATURES), mask=MASK))
        return made[0]

    flow = gradient_flow(stack, losses)
    gate = {(each.direction, each.name): each.values.numpy() for each in flow.gates}
    for number, direction in enumerate(("forward", "backward")):
        h = made[0].numpy()[..., number * UNITS : (number + 1) * UNITS]
        assert (np.abs(h[MASK]) < gate[direction, "output"][MASK]).all()  # h = o tanh(c)
    assert len(gate) == 6
    for values in gate.values():
        assert np.isnan(values[~MASK]).all()
        assert ((values[MASK] > 0) & (values[MASK] < 1)).all()


# --- inside a model, and what goes wrong ---


@every_cell
def test_a_stack_is_measured_inside_a_model_as_alone_and_left_as_it_was(cell):
    token_ids = np.array([[1, 2, 3, 4], [5, 1, 0, 0]], "int32")
    inputs = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(6, FEATURES, mask_zero=True)(inputs)
    stack = RecurrentStack(UNITS, cell, num_layers=2, dropout=0.5)
    model = keras.Model(inputs, keras.layers.Dense(1)(stack(embedded)))
    before = model(token_ids).numpy()
    inside = gradient_flow(stack, lambda: model(token_ids, training=False))
    np.testing.assert_array_equal(model(token_ids), before)
    vectors, head = model.layers[1](token_ids), model.layers[-1]
    alone = gradient_flow(stack, lambda: head(stack(vectors, mask=token_ids > 0)))
    assert inside.curves == alone.curves
    assert inside.curve(0, "forward", "h").rows == (2, 2, 1, 1)
    assert stack.recorder is None
    assert all(np.isfinite(curve.norms).all() for curve in inside.curves)


def test_of_several_calls_the_first_is_measured_through_the_others():
    stack = linear([[0.5]], return_state=True)

    def losses():
        _, states = stack(np.ones((1, 3, 1), "float32"))
        return stack(np.ones((1, 2, 1), "float32"), initial_state=states)[0]

    assert gradient_flow(stack, losses).curve(0, "forward", "h").norms == (0.25, 0.125, 0.0625)


@pytest.mark.parametrize(
    "losses",
    [
        lambda stack: tf.constant(1.0),
        lambda stack: stack(normal(BATCH, TIME, FEATURES), training=True),
        lambda stack: stack(normal(BATCH, 0, FEATURES)),
    ],
    ids=["not called", "training", "no steps"],
)
@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_function_that_does_not_step_the_stack_is_refused(losses, return_sequences):
    stack = built(num_layers=2, return_sequences=return_sequences)
    message = (
        "`losses` must call the stack with training=False on one step at least. "
        "Received: a function that stepped 0 of its 2 layers and directions."
    )
    with refusal(message):
        gradient_flow(stack, lambda: losses(stack))
    assert stack.recorder is None


def test_losses_that_do_not_depend_on_the_stack_are_refused():
    stack = built()
    message = "`losses` must depend on what the stack answers. Received: losses without a gradient."
    with refusal(message):
        gradient_flow(stack, lambda: tf.stop_gradient(stack(normal(BATCH, TIME, FEATURES))))
