"""Alternatives answer what the stack answers to each of them alone, with the same gradients."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.recurrent import one_step
from seqapps.recurrent.alternatives import Alternatives
from seqapps.recurrent.stack import CELLS, MERGES, RecurrentStack

BATCH, COUNT, UNITS = 6, 5, 4
every_cell = pytest.mark.parametrize("cell", CELLS)
every_shape = pytest.mark.parametrize("num_layers", [1, 2, 3])
every_direction = pytest.mark.parametrize("bidirectional", [False, True])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


SHARED = (  # shapes of what adds up to the inputs, but for the features
    [(1, 3, COUNT), (7, 1, COUNT)],
    [(1, 3, 1), (7, 1, COUNT)],
    [(1, 1, COUNT), (4, 3, 1)],
    [(4, 3, 1), (4, 1, COUNT)],
    [(1, 3, COUNT), (4, 1, COUNT), (4, 3, COUNT), (4, 1, 1)],
    [(1, 1, COUNT), (BATCH, 1, 1)],
    [(1, BATCH, COUNT)],
)
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
INPUTS = normal(3, COUNT, UNITS)


def built(cell="gru", num_layers=2, batch=BATCH, **options):
    """A stack with every weight, also the biases, away from its initial value, and states for it."""
    stack = RecurrentStack(UNITS, cell, num_layers, return_state=True, **options)
    stack.build((None, None, UNITS))
    stack.set_weights([normal(*w.shape, seed=i) * 0.5 for i, w in enumerate(stack.weights)])
    return stack, [normal(batch, width, seed=100 + index) for index, width in enumerate(stack.state_sizes)]


def answer(stack, inputs, states, row, place):
    """To one pair of a row and an input, as a sequence of its own."""
    own = [state[row : row + 1] for state in states]
    return stack(inputs[row % len(inputs), place][None, None], initial_state=own)[0][0]


def assert_alike(stack, states, inputs=INPUTS):
    expected = [[answer(stack, inputs, states, row, place) for place in range(COUNT)] for row in range(BATCH)]
    layer = Alternatives(stack)
    specs = tf.TensorSpec([None, None, UNITS]), [tf.TensorSpec([None, state.shape[1]]) for state in states]
    for way in (layer, tf.function(layer, input_signature=specs)):
        np.testing.assert_allclose(way(inputs, states), expected, rtol=1e-5, atol=1e-6)


@every_cell
@every_shape
@every_direction
def test_every_input_is_answered_as_if_it_were_the_only_one(cell, num_layers, bidirectional):
    assert_alike(*built(cell, num_layers, bidirectional=bidirectional))


@every_cell
@pytest.mark.parametrize("groups", [1, 2, 3, BATCH])
def test_inputs_go_round_among_the_rows(cell, groups):
    assert_alike(*built(cell), normal(groups, COUNT, UNITS))


@every_cell
@every_direction
def test_residual_connections_count(cell, bidirectional):
    assert_alike(*built(cell, 3, residual=True, bidirectional=bidirectional))


@pytest.mark.parametrize("merge_mode", MERGES)
def test_directions_are_merged_as_asked_for(merge_mode):
    assert_alike(*built(merge_mode=merge_mode, bidirectional=True))


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"reset_after": False}])
def test_options_that_the_short_way_does_not_have_are_honoured(options):
    assert_alike(*built(**options))


@every_cell
@every_direction
@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_those_of_the_long_way(cell, bidirectional, training):
    stack, states = built(cell, bidirectional=bidirectional)
    assert_same_gradients(stack, states, [INPUTS[None]], training)


def assert_same_gradients(stack, states, parts, training=True):
    """Of all parts of the inputs, the states and the weights, in the short way and in the long one."""
    layer, weights = Alternatives(stack), stack.trainable_variables
    given = [*(tf.constant(part) for part in parts), *(tf.constant(state) for state in states)]
    places = normal(len(states[0]), COUNT, stack.output_size, seed=7)

    def gradients(way, *given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(way(list(given[: len(parts)]), given[len(parts) :], training=training) * places)
        return tape.gradient(loss, [*given, *(weight.value for weight in weights)])

    eager, graph = functools.partial(gradients, layer), tf.function(functools.partial(gradients, layer))
    unknown_sizes = graph.get_concrete_function(*(tf.TensorSpec(sizes_or_1(each.shape)) for each in given))
    expected = gradients(layer._one_by_one, *given)
    for way in (eager, unknown_sizes):
        for short, long in zip(way(*given), expected, strict=True):
            np.testing.assert_allclose(short, long, rtol=1e-4, atol=1e-5)


def sizes_or_1(shape):
    """What a graph knows of a shape: the features, and what is shared."""
    return [size if size == 1 else None for size in shape[:-1]] + [shape[-1]]


@every_cell
@pytest.mark.parametrize("rounds_at_once", [1, 3])
@pytest.mark.parametrize("shapes", SHARED, ids=str)
def test_inputs_can_be_sums_of_what_rounds_groups_and_inputs_share(cell, shapes, rounds_at_once, monkeypatch):
    """However few rounds pass through at a time."""
    rounds, groups, _ = np.broadcast_shapes(*shapes)
    stack, states = built(cell, batch=rounds * groups)
    monkeypatch.setattr(one_step, "PIECE", rounds_at_once * groups * COUNT * UNITS * GATES[cell])
    parts = [normal(*shape, UNITS, seed=seed) for seed, shape in enumerate(shapes)]
    inputs = np.broadcast_to(sum(parts), (rounds, groups, COUNT, UNITS)).reshape(-1, COUNT, UNITS)
    expected = Alternatives(stack)(inputs, states)
    specs = (
        [tf.TensorSpec(sizes_or_1(part.shape)) for part in parts],
        [tf.TensorSpec([None, state.shape[1]]) for state in states],
    )
    told = tf.function(Alternatives(stack), input_signature=specs)(parts, states)
    np.testing.assert_allclose(told, expected, rtol=1e-5, atol=1e-6)
    assert_same_gradients(stack, states, parts)


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"reset_after": False}])
def test_sums_are_honoured_by_the_long_way_too(options):
    stack, states = built(**options)
    parts = [normal(1, 3, COUNT, UNITS), normal(2, 1, 1, UNITS, seed=1)]
    np.testing.assert_allclose(
        Alternatives(stack)(parts, states),
        Alternatives(stack)((parts[0] + parts[1]).reshape(BATCH, COUNT, UNITS), states),
        rtol=1e-5,
        atol=1e-6,
    )


@every_cell
def test_dropout_between_layers_drops_other_features_of_every_input_while_training(cell):
    stack, states = built(cell, dropout=0.5)
    layer = Alternatives(stack)
    alike = np.broadcast_to(INPUTS[:1, :1], (1, 64, UNITS))
    told = layer(alike, states, training=True).numpy()
    assert len(np.unique(told[0].round(5), axis=0)) > 8
    assert len(np.unique(layer(alike, states).numpy()[0].round(5), axis=0)) == 1


@every_cell
def test_recurrent_dropout_acts_while_training_alone(cell):
    stack, states = built(cell, recurrent_dropout=0.5)
    layer = Alternatives(stack)
    assert not np.array_equal(layer(INPUTS, states, training=True), layer(INPUTS, states, training=True))
    assert_alike(stack, states)


@pytest.mark.parametrize("options", [{}, {"activation": "relu"}])
@pytest.mark.parametrize("training", [False, True])
def test_without_rows_there_are_no_answers(options, training):
    stack, states = built(**options)
    nothing, parts = [state[:0] for state in states], [INPUTS[None], normal(0, 1, 1, UNITS)]
    layer = Alternatives(stack)
    for inputs in (INPUTS[:0], parts):
        for way in (layer, tf.function(layer)):
            assert way(inputs, nothing, training=training).shape == (0, COUNT, UNITS)


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_a_stack_keeps_its_precision_among_layers_of_another(policy):
    stack, states = built(dtype="float32")
    expected, before = Alternatives(stack)(INPUTS, states), keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        told = Alternatives(stack)(INPUTS, states)
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(told, expected)


@pytest.mark.parametrize(
    ("counts", "told"), [((1, COUNT), COUNT), ((None, COUNT), COUNT), ((1, 1), 1), ((None, 1), None)]
)
def test_the_shape_of_the_answers_is_told_as_far_as_it_is_known(counts, told):
    shapes = [(None, 1, count, UNITS) for count in counts]
    assert Alternatives(built()[0]).compute_output_shape(shapes, [(None, UNITS)]) == (None, told, UNITS)


def test_a_stored_model_still_has_one_stack(tmp_path):
    stack = RecurrentStack(UNITS, return_state=True, name="stack")
    sequences = keras.Input((None, UNITS))
    _, states = stack(sequences)
    queries = keras.Input(batch_shape=(1, COUNT, UNITS))
    model = keras.Model([sequences, queries], Alternatives(stack)(queries, states))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    given = [normal(BATCH, 2, UNITS), INPUTS[:1]]
    np.testing.assert_array_equal(model(given), loaded(given))
    assert loaded.count_params() == model.count_params() == stack.count_params()
    loaded.get_layer("stack").set_weights([0 * weight for weight in stack.get_weights()])
    assert not np.any(loaded(given))
