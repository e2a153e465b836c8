"""The highest scores are those that TensorFlow's own search finds, in its order."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.decoding.likeliest import BLOCK, likeliest
from seqapps.recurrent.masking import NEVER


@tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([], tf.int32)])
def of_any_width(scores, count):
    return likeliest(scores, count)


def assert_as_top_k(scores, count):
    expected = tf.math.top_k(scores, count)
    for received in (likeliest(tf.constant(scores), count), of_any_width(scores, count)):
        np.testing.assert_array_equal(received[0], expected.values)
        np.testing.assert_array_equal(received[1], expected.indices)


@settings(deadline=None, max_examples=100)
@given(
    rows=st.integers(0, 3),
    width=st.sampled_from([1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7, 20 * BLOCK]),
    count=st.integers(1, 9),
    different=st.sampled_from([1, 2, 5, 1000]),
    seed=st.integers(0, 99),
)
def test_they_are_those_of_a_plain_search_with_equal_scores_in_their_order(rows, width, count, different, seed):
    generator = np.random.default_rng(seed)
    assert_as_top_k(generator.integers(0, different, (rows, width)).astype("float32"), min(count, width))


@pytest.mark.parametrize("width", [5, BLOCK + 5])
def test_what_never_comes_is_found_before_what_is_not_there(width):
    scores = np.full((3, width), NEVER, "float32")
    scores[1, 3] = 1.0
    scores[2] = -np.inf
    assert_as_top_k(scores, width)
