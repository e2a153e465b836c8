"""Attention beside its two equations in numpy: masks, keys that were computed before, saving, gradients, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies
from refusals import refusal

from seqapps.recurrent.attention import SCORES, Attention

BATCH, TIME, PLACES, FEATURES, WIDTH, UNITS = 3, 5, 4, 7, 2, 11
LENGTHS = (4, 2, 0)
MASK = np.arange(PLACES) < np.array(LENGTHS)[:, None]  # (batch, places); the last row is nothing but padding
HUGE = 1e6
NAMES = {
    "additive": ["memory_kernel", "query_kernel", "bias", "vector"],
    "multiplicative": ["memory_kernel"],
}
every_score = pytest.mark.parametrize("score", SCORES)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


QUERIES, MEMORY = normal(BATCH, TIME, FEATURES), normal(BATCH, PLACES, WIDTH, seed=1)


def built(score, **options):
    """Attention with every weight, also the bias, away from its initial value."""
    attention = Attention(UNITS if score == "additive" else FEATURES, score, **options)
    attention.build(QUERIES.shape, MEMORY.shape)
    attention.set_weights([normal(*w.shape, seed=2 + i) for i, w in enumerate(attention.weights)])
    return attention


def softmax(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def numpy_score(attention, query, place):
    """How well one place of the memory fits one query."""
    weights = dict(zip(NAMES[attention.score], attention.get_weights(), strict=True))
    key = place @ weights["memory_kernel"]
    if attention.score == "multiplicative":
        return query @ key
    return (np.tanh(query @ weights["query_kernel"] + weights["bias"] + key) @ weights["vector"]).item()


def numpy_attention(attention, queries, memory, mask):
    """Contexts and weights, query by query and place by place."""
    weights = np.zeros((len(queries), queries.shape[1], memory.shape[1]))  # (batch, time, places)
    for row, real in enumerate(mask):
        for step, query in enumerate(queries[row]):
            scores = np.array([numpy_score(attention, query, place) for place in memory[row, real]])
            weights[row, step, real] = softmax(scores) if real.any() else 0
    weights[~mask.any(axis=1)] = 1 / memory.shape[1]
    return np.einsum("btp,bpw->btw", weights, memory), weights


def assert_close(answer, expected):
    for tensor, reference in zip(answer, expected, strict=True):
        np.testing.assert_allclose(tensor, reference, atol=1e-5)


# --- the equations ---


def test_an_additive_score_is_as_computed_by_hand():
    attention = Attention(1)
    attention.build((1, 1, 1), (1, 2, 1))
    # The kernel of the memory, that of queries, the bias and the vector.
    attention.set_weights([np.array(each) for each in ([[2.0]], [[3.0]], [-1.0], [[5.0]])])
    context, weights = attention(tf.constant([[[0.5]]]), tf.constant([[[0.1], [-0.3]]]))
    # 5 tanh(3 · 0.5 - 1 + 2 · 0.1) and 5 tanh(3 · 0.5 - 1 - 2 · 0.3)
    first = 1 / (1 + np.exp(5 * np.tanh(-0.1) - 5 * np.tanh(0.7)))
    np.testing.assert_allclose(weights, [[[first, 1 - first]]], rtol=1e-5)
    np.testing.assert_allclose(context, [[[0.1 * first - 0.3 * (1 - first)]]], rtol=1e-5)


def test_a_multiplicative_score_is_as_computed_by_hand():
    attention = Attention(2, "multiplicative")
    attention.build((1, 1, 2), (1, 2, 1))
    attention.set_weights([np.array([[2.0, 3.0]])])
    context, weights = attention(tf.constant([[[0.5, -0.1]]]), tf.constant([[[1.0], [-1.0]]]))
    first = 1 / (1 + np.exp(-2 * (0.5 * 2 - 0.1 * 3)))  # scores of 0.7 and -0.7
    np.testing.assert_allclose(weights, [[[first, 1 - first]]], rtol=1e-5)
    np.testing.assert_allclose(context, [[[2 * first - 1]]], rtol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
@every_score
def test_contexts_and_weights_are_those_of_the_equations(score, masked):
    attention = built(score)
    assert [weight.name for weight in attention.weights] == NAMES[score]
    answer = attention(QUERIES, MEMORY, None, MASK if masked else None)
    expected = numpy_attention(attention, QUERIES, MEMORY, MASK if masked else np.ones_like(MASK))
    assert_close(answer, expected)


@every_score
def test_every_query_is_answered_by_itself(score):
    attention = built(score)
    together = attention(QUERIES, MEMORY, None, MASK)
    for step in range(TIME):
        alone = attention(QUERIES[:, step : step + 1], MEMORY, None, MASK)
        assert_close(alone, [each[:, step : step + 1] for each in together])


# --- masks ---


@every_score
def test_weights_sum_to_one_and_are_nought_at_padding(score):
    _, weights = built(score)(QUERIES, MEMORY, None, MASK)
    np.testing.assert_allclose(np.sum(weights, axis=-1), np.ones((BATCH, TIME)), rtol=1e-6)
    real = MASK.any(axis=1)
    np.testing.assert_array_equal(weights.numpy() > 0, (MASK | ~real[:, None])[:, None] & np.ones((TIME, 1), bool))


@every_score
def test_padding_never_changes_the_answer(score):
    attention = built(score)
    context, weights = attention(QUERIES, MEMORY, None, MASK)
    for row, length in enumerate(LENGTHS[:2]):
        alone, alone_weights = attention(QUERIES[row : row + 1], MEMORY[row : row + 1, :length])
        np.testing.assert_allclose(context[row], alone[0], atol=1e-6)
        np.testing.assert_allclose(weights[row, :, :length], alone_weights[0], atol=1e-6)
    noisy = np.where(MASK[:, :, None], MEMORY, HUGE * normal(BATCH, PLACES, WIDTH, seed=9))
    for tensor, expected in zip(attention(QUERIES, noisy, None, MASK), (context, weights), strict=True):
        np.testing.assert_array_equal(tensor[:2], expected[:2])


@settings(deadline=None, max_examples=100)
@given(
    score=strategies.sampled_from(SCORES),
    mask=strategies.lists(strategies.lists(strategies.booleans(), min_size=4, max_size=4), min_size=3, max_size=3),
)
def test_any_mask_has_the_meaning_of_the_equations(score, mask):
    attention = built(score)
    answer = attention(QUERIES, MEMORY, None, np.array(mask))
    assert_close(answer, numpy_attention(attention, QUERIES, MEMORY, np.array(mask)))


@every_score
def test_a_memory_of_nothing_but_padding_gets_equal_weights(score):
    context, weights = built(score)(QUERIES, MEMORY, None, MASK)
    np.testing.assert_array_equal(weights[2], np.full((TIME, PLACES), 1 / PLACES))
    np.testing.assert_allclose(context[2], np.tile(MEMORY[2].mean(axis=0), (TIME, 1)), atol=1e-6)


@every_score
def test_a_mask_can_be_given_by_its_name(score):
    attention = built(score)
    for received, expected in zip(
        attention(QUERIES, MEMORY, mask=MASK), attention(QUERIES, MEMORY, None, MASK), strict=True
    ):
        np.testing.assert_array_equal(received, expected)


@every_score
def test_a_mask_that_a_tensor_carries_is_not_looked_at(score):
    attention, ids = Attention(FEATURES, score), np.array([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    vectors = keras.layers.Embedding(UNITS, FEATURES, mask_zero=True)(ids)
    bare = keras.ops.convert_to_numpy(vectors)
    for queries, memory in ((bare, vectors), (vectors, bare), (vectors, vectors)):
        for received, expected in zip(attention(queries, memory), attention(bare, bare), strict=True):
            np.testing.assert_array_equal(received, expected)
            assert getattr(received, "_keras_mask", None) is None


# --- keys ---


@every_score
def test_keys_that_were_computed_before_make_no_difference(score):
    attention = built(score)
    keys = attention.keys(MEMORY)
    np.testing.assert_allclose(keys, MEMORY @ attention.get_weights()[0], atol=1e-6)
    for mask in (None, MASK):
        given, own = attention(QUERIES, MEMORY, keys, mask), attention(QUERIES, MEMORY, None, mask)
        for received, expected in zip(given, own, strict=True):
            np.testing.assert_array_equal(received, expected)


@every_score
def test_scores_are_made_of_the_keys_and_contexts_of_the_memory(score):
    attention = built(score)
    other = normal(BATCH, PLACES, WIDTH, seed=13)
    _, weights = attention(QUERIES, other)
    context, received = attention(QUERIES, MEMORY, attention.keys(other))
    np.testing.assert_array_equal(received, weights)
    np.testing.assert_allclose(context, weights.numpy() @ MEMORY, atol=1e-6)


# --- in models ---


def reader(score):
    """A model that gives contexts and weights."""
    queries, memory = keras.Input((None, FEATURES)), keras.Input((None, WIDTH))
    mask = keras.Input((None,), dtype="bool")
    attention = Attention(UNITS if score == "additive" else FEATURES, score, name="look")
    return keras.Model([queries, memory, mask], attention(queries, memory, None, mask))


@every_score
def test_a_symbolic_call_has_the_shapes_of_a_real_one(score):
    context, weights = reader(score).outputs
    assert (context.shape, weights.shape) == ((None, None, WIDTH), (None, None, None))


@every_score
def test_a_saved_model_reloads_with_equal_outputs(score, tmp_path):
    model = reader(score)
    model.get_layer("look").set_weights(built(score).get_weights())
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = [QUERIES, MEMORY, MASK]
    for answer, expected in zip(reloaded(inputs), model(inputs), strict=True):
        np.testing.assert_array_equal(answer, expected)
    assert_close(reloaded(inputs), built(score)(QUERIES, MEMORY, None, MASK))


@every_score
def test_a_configuration_goes_round(score):
    attention = built(score, name="look", dtype="mixed_bfloat16", trainable=False)
    copy = Attention.from_config(attention.get_config())
    assert copy.get_config() == attention.get_config()
    assert (copy.units, copy.score, copy.name) == (attention.units, score, "look")
    assert (copy.dtype_policy.name, copy.trainable) == ("mixed_bfloat16", False)


@every_score
def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_in_float32(score):
    attention = built(score, dtype="mixed_bfloat16")
    answer = attention(QUERIES, MEMORY, None, MASK)
    for tensor, expected in zip(answer, built(score)(QUERIES, MEMORY, None, MASK), strict=True):
        assert keras.backend.standardize_dtype(tensor.dtype) == "bfloat16"
        np.testing.assert_allclose(keras.ops.cast(tensor, "float32"), expected, atol=0.1)
    assert {weight.dtype for weight in attention.weights} == {"float32"}


@every_score
def test_gradients_reach_every_weight_and_the_inputs_that_are_real(score):
    attention = built(score)
    queries, memory = tf.constant(QUERIES), tf.constant(MEMORY)
    with tf.GradientTape() as tape:
        tape.watch([queries, memory])
        context, _ = attention(queries, memory, None, MASK)
        loss = tf.reduce_sum(context[:2] ** 2)
    *gradients, by_queries, by_memory = tape.gradient(loss, [*attention.trainable_weights, queries, memory])
    assert len(gradients) == len(NAMES[score])
    for weight, gradient in zip(attention.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient), weight.path
    np.testing.assert_array_equal(np.any(by_memory, axis=-1), MASK)
    assert np.any(by_queries[:2])


@every_score
def test_a_row_of_nothing_but_padding_has_finite_gradients(score):
    attention = built(score)
    with tf.GradientTape() as tape:
        context, weights = attention(QUERIES, MEMORY, None, MASK)
        loss = tf.reduce_sum(context**2) + tf.reduce_sum(weights**2)
    for gradient in tape.gradient(loss, attention.trainable_weights):
        assert np.all(np.isfinite(gradient))


# --- what cannot be honoured ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "aditive"},
         "`score` must be one of 'additive', 'multiplicative'. Received: score='aditive'. Did you mean 'additive'?"),
        ({"score": "dot"}, "`score` must be one of 'additive', 'multiplicative'. Received: score='dot'."),
        ({"score": None}, "`score` must be one of 'additive', 'multiplicative'. Received: score=None."),
        ({"units": 0}, "`units` must be an integer of at least 1. Received: units=0."),
        ({"units": 7.0}, "`units` must be an integer of at least 1. Received: units=7.0."),
        ({"units": True}, "`units` must be an integer of at least 1. Received: units=True."),
        ({"unit": 7}, "Unrecognized keyword arguments passed to Attention: {'unit': 7}"),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_honoured_is_refused(options, message):
    with refusal(message):
        Attention(**({"units": UNITS} | options))


def test_a_multiplicative_score_of_another_width_than_that_of_queries_is_refused():
    advice = "A multiplicative score multiplies a query with a place of the memory."
    message = f"`units` must be 7, the width of queries. Received: units=11. {advice}"
    with refusal(message):
        Attention(UNITS, "multiplicative")(QUERIES, MEMORY)
    with refusal(message):
        Attention(UNITS, "multiplicative")(keras.Input((None, FEATURES)), keras.Input((None, WIDTH)))
