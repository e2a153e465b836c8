"""The neural cache answers as a plain loop over what it holds, document by document, and validation chooses it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.generation.evaluation import cache
from seqapps.tasks.generation.evaluation.cache import FLATNESS, SHARES, Memory, choose, mixed
from seqapps.tasks.generation.evaluation.reading import Chunk
from seqapps.text.batches import Encoded
from seqapps.text.kinds import END, START

FEATURES, TIME = 3, 29
EXPONENTS = (0.0, 0.3, 1.7)
SIZES = (1, 5, 2000)


def remembered(features, tokens, exponent, size):
    """Grave, Joulin & Usunier 2017, equations 2 and 3, token by token; -1 where there is nothing."""
    told = []
    for now in range(len(tokens)):
        held = range(max(0, now - size), now)
        weights = [math.exp(exponent * float(np.dot(features[now], features[then]))) for then in held]
        equal = sum(weight for weight, then in zip(weights, held, strict=True) if tokens[then] == tokens[now])
        told.append(equal / sum(weights) if weights else -1.0)
    return told


def drawn(seed=0, time=TIME, scale=1.0):
    """Features and tokens of a text."""
    generator = np.random.default_rng(seed)
    return scale * generator.normal(size=(time, FEATURES)), generator.integers(4, 8, time)


def empty(dtype="float32"):
    return Memory(np.zeros((0, FEATURES), dtype), np.zeros(0, "int32"))


# --- one document ---


@pytest.mark.parametrize("size", SIZES)
def test_a_memory_answers_as_a_loop_does(monkeypatch, size):
    monkeypatch.setattr(cache, "SIZE", size)
    features, tokens = drawn()
    found = empty().probabilities(features, tokens, EXPONENTS)
    assert found.shape == (len(EXPONENTS), TIME)
    for number, exponent in enumerate(EXPONENTS):
        np.testing.assert_allclose(found[number], remembered(features, tokens, exponent, size))


def test_a_memory_by_hand():
    features = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [2, 0, 0]])
    found = empty().probabilities(features, np.array([4, 5, 4, 4]), (1.0,))[0]
    # 5 never came; the products of the third are 1 and 1, those of the last 2 (4), 0 (5) and 2 (4).
    expected = [-1, 0, 1 / 2, 2 * math.e**2 / (2 * math.e**2 + 1)]
    np.testing.assert_allclose(found, expected)


@settings(max_examples=40, deadline=None)
@given(cuts=st.sets(st.integers(0, TIME), max_size=7), seed=st.integers(0, 99))
@pytest.mark.parametrize("size", SIZES)
def test_pieces_of_a_document_are_answered_like_the_whole(size, cuts, seed):
    features, tokens = drawn(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "SIZE", size)
        memory, told = empty(), []
        bounds = [0, *sorted(cuts), TIME]
        for start, stop in itertools.pairwise(bounds):
            told.append(memory.probabilities(features[start:stop], tokens[start:stop], EXPONENTS))
            assert len(memory.features) == len(memory.tokens) == min(stop, size)
        whole = empty().probabilities(features, tokens, EXPONENTS)
    np.testing.assert_allclose(np.concatenate(told, axis=1), whole)
    np.testing.assert_allclose(whole[1], remembered(features, tokens, EXPONENTS[1], size))


def test_features_of_any_size_overflow_nothing():
    features, tokens = drawn(scale=100.0)
    found = empty().probabilities(features.astype("float32"), tokens, (0.0, 0.8))
    assert ((found[:, 1:] >= 0) & (found[:, 1:] <= 1)).all()
    np.testing.assert_allclose(found[0], remembered(features, tokens, 0.0, TIME))
    products = features @ features.T
    nearest = [tokens[products[now, :now].argmax()] for now in range(1, TIME)]
    np.testing.assert_allclose(found[1, 1:], nearest == tokens[1:], atol=1e-6)


def test_probabilities_of_all_tokens_sum_to_one():
    features, tokens = drawn()
    answers = []
    for token in range(4, 8):
        memory = empty()
        memory.probabilities(features[:-1], tokens[:-1], EXPONENTS)
        answers.append(memory.probabilities(features[-1:], np.array([token]), EXPONENTS)[:, 0])
    np.testing.assert_allclose(np.sum(answers, axis=0), 1)


# --- many documents ---

LENGTHS = (11, 7, 5)


def encoded_and_told():
    """Documents in a stream, and what a model thought of every token: features, nats and the likeliest."""
    generator = np.random.default_rng(0)
    documents = [[START, *generator.integers(4, 7, length).tolist(), END] for length in LENGTHS]
    starts = np.cumsum([0, *map(len, documents)])
    count = starts[-1]
    told = generator.normal(size=(count, FEATURES)), -generator.random(count), generator.integers(4, 7, count)
    return Encoded(np.concatenate(documents).astype("int32"), starts), told


def chunks_of(encoded, told, groups, size):
    """Documents side by side, some tokens at a time, as they are read."""
    for rows in groups:
        starts, stops = encoded.starts[rows] + 1, encoded.starts[np.array(rows) + 1]
        for begin in range(0, max(stops - starts), size):
            column = starts[:, None] + np.arange(begin, min(begin + size, max(stops - starts)))
            places = np.where(column < stops[:, None], column, -1)
            features, nats, likeliest = (each[places] for each in told)
            yield Chunk(places, nats, likeliest, features, begins=begin == 0)


@pytest.mark.parametrize("groups", [[[0, 1, 2]], [[0], [1], [2]], [[1, 0], [2]]])
@pytest.mark.parametrize("size", [2, 5, 256])
def test_every_document_has_a_memory_of_its_own(groups, size):
    encoded, told = encoded_and_told()
    nats, likeliest, found = cache.probabilities(chunks_of(encoded, told, groups, size), encoded, EXPONENTS)
    predicted = encoded.token_ids != START
    np.testing.assert_array_equal(nats, np.where(predicted, told[1], 0))
    np.testing.assert_array_equal(likeliest, np.where(predicted, told[2], 0))
    for number, exponent in enumerate(EXPONENTS):
        expected = [
            answer
            for start, stop in zip(encoded.starts[:-1] + 1, encoded.starts[1:], strict=True)
            for answer in (-1, *remembered(told[0][start:stop], encoded.token_ids[start:stop], exponent, TIME))
        ]
        np.testing.assert_allclose(found[number], expected)


# --- beside the model ---


def test_the_model_and_the_cache_share_the_answer():
    nats, told = np.log([0.5, 0.25, 0.125]), np.array([-1.0, 0.75, 0.0])
    found = mixed(nats, told, 0.2)
    np.testing.assert_allclose(np.exp(found), [0.5, 0.8 * 0.25 + 0.2 * 0.75, 0.8 * 0.125])
    np.testing.assert_allclose(mixed(nats, told, 0.0), nats)


def test_what_fits_best_is_chosen():
    generator = np.random.default_rng(0)
    nats = np.log(generator.random(TIME))
    told = np.concatenate([np.full((len(FLATNESS), 1), -1.0), generator.random((len(FLATNESS), TIME - 1))], axis=1)
    losses = {
        (flatness, share): -np.mean(
            [
                math.log((1 - share) * math.exp(own) + share * other) if other >= 0 else own
                for own, other in zip(nats, row, strict=True)
            ]
        )
        for flatness, row in zip(FLATNESS, told, strict=True)
        for share in SHARES
    }
    flatness, share = min(losses, key=losses.get)
    assert choose(nats, told) == {"flatness": flatness, "share": share}


@pytest.mark.parametrize("best", range(len(FLATNESS)))
def test_a_cache_that_knows_all_has_the_largest_share(best):
    told = np.full((len(FLATNESS), TIME), 0.5)
    told[best] = 1.0
    assert choose(np.full(TIME, np.log(0.4)), told) == {"flatness": FLATNESS[best], "share": max(SHARES)}


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_a_cache_that_knows_less_than_the_model_has_no_share(value):
    assert choose(np.full(TIME, np.log(0.4)), np.full((len(FLATNESS), TIME), value))["share"] == 0.0


def test_a_cache_that_never_answers_changes_nothing():
    nats, told = np.log(np.random.default_rng(0).random(TIME)), np.full((len(FLATNESS), TIME), -1.0)
    for share in SHARES:
        np.testing.assert_array_equal(mixed(nats, told[0], share), nats)
    assert choose(nats, told)["share"] == 0.0
