"""Paths become texts: collapsed, spelled, or summed over all that spell the same."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.speech.model import BLANK, BlankPadding
from seqapps.tasks.speech.serving.answering import collapsed, likeliest_path, searched

VOCABULARY = 7  # of which 4, 5 and 6 are tokens
TOKENS = (BLANK, 4, 5, 6)


def drawn_logits(steps, seed, real=None):
    logits = np.random.default_rng(seed).normal(scale=2, size=(len(steps), max(steps), VOCABULARY)).astype("float32")
    real = np.arange(max(steps)) < np.array(steps)[:, None] if real is None else real
    return BlankPadding()(logits, real)


def spelled(path):
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


def probabilities_of(logits):
    """How likely every transcript is: the sum over all its paths, of `(steps, vocabulary)` logits."""
    likely = tf.nn.softmax(tf.cast(logits, tf.float64)).numpy()
    told = {}
    for path in itertools.product(TOKENS, repeat=len(likely)):
        chance = np.prod([likely[step, token] for step, token in enumerate(path)])
        told[spelled(path)] = told.get(spelled(path), 0.0) + chance
    return told


# --- the likeliest path ---


@given(
    path=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=12),
    cut=st.integers(0, 12),
    before=st.sampled_from(TOKENS),
)
@settings(max_examples=60, deadline=None)
def test_equal_neighbours_are_one_and_blanks_are_none(path, cut, before):
    told = collapsed(tf.constant([path]), tf.constant([BLANK])).numpy()[0]
    assert tuple(told[told != BLANK].tolist()) == spelled(path)
    parts = [path[:cut], path[cut:]]
    last, joined = BLANK, []
    for part in parts:  # also where a path is cut
        joined += collapsed(tf.constant([part], tf.int32), tf.constant([last])).numpy()[0].tolist()
        last = part[-1] if part else last
    assert joined == told.tolist()
    after = collapsed(tf.constant([path]), tf.constant([before])).numpy()[0]
    assert after[0] == (BLANK if path[0] == before else path[0])


def test_the_likeliest_path_takes_the_likeliest_id_of_every_step():
    logits = drawn_logits((5, 3), seed=0)
    path, log_probability = likeliest_path(logits)
    likely = tf.nn.softmax(tf.cast(logits, tf.float64)).numpy()
    np.testing.assert_array_equal(path, likely.argmax(axis=2))
    np.testing.assert_allclose(log_probability, np.log(likely.max(axis=2)).sum(axis=1), rtol=1e-5)
    alone = likeliest_path(logits[1:, :3])[1]
    np.testing.assert_allclose(log_probability[1:], alone, rtol=1e-5)  # padding costs nothing
    assert not path[1, 3:].numpy().any()


# --- beam search ---


@pytest.mark.parametrize("seed", range(7))
def test_a_wide_beam_finds_the_likeliest_transcript_and_sums_its_paths(seed):
    steps = (5, 3, 1)
    logits = drawn_logits(steps, seed)
    ids, log_probability = searched(logits, beam_width=64)
    for row, count in enumerate(steps):
        expected = probabilities_of(logits[row, :count])
        best = max(expected, key=expected.__getitem__)
        assert tuple(token for token in ids[row].numpy().tolist() if token != BLANK) == best
        assert float(log_probability[row]) == pytest.approx(np.log(expected[best]), rel=1e-4, abs=1e-5)


def test_a_beam_finds_a_transcript_whose_paths_are_likelier_together_than_the_likeliest_path():
    # Graves et al. 2006: blanks are the likeliest path (0.36), yet 4 is likelier (2 * 0.24 + 0.16).
    likely = np.full((1, 2, VOCABULARY), 1e-9)
    likely[..., BLANK], likely[..., 4] = 0.6, 0.4
    logits = tf.constant(np.log(likely), tf.float32)
    assert not likeliest_path(logits)[0].numpy().any()
    ids, log_probability = searched(logits, beam_width=3)
    assert ids.numpy().tolist() == [[4]]
    assert float(log_probability[0]) == pytest.approx(np.log(0.64), rel=1e-4)


@pytest.mark.parametrize("beam_width", [2, 16])
def test_padding_and_neighbours_change_no_search(beam_width):
    steps = (9, 4, 6)
    logits = drawn_logits(steps, seed=1)
    ids, log_probability = searched(logits, beam_width)
    for row, count in enumerate(steps):
        alone, chance = searched(logits[row : row + 1, :count], beam_width)
        assert alone[0][alone[0] != BLANK].numpy().tolist() == ids[row][ids[row] != BLANK].numpy().tolist()
        assert float(chance[0]) == pytest.approx(float(log_probability[row]), rel=1e-4)


def test_certain_blanks_are_an_empty_text():
    logits = drawn_logits((3, 2), seed=0, real=np.zeros((2, 3), bool))
    ids, log_probability = searched(logits, beam_width=4)
    assert ids.shape[0] == 2
    assert not ids.numpy().any()
    np.testing.assert_allclose(log_probability, 0, atol=1e-5)
