"""Scores are what a pencil says, chance is a paired t-test, the verdict is one plain sentence, and copies are found."""

import math
from importlib import import_module

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from seqapps.tasks.generation.evaluation.originality import distinct, longest_copied
from seqapps.tasks.generation.evaluation.scores import (
    BLOCK,
    CACHE,
    FRESH,
    LOWER_IS_BETTER,
    METRICS,
    MODEL,
    chance,
    scores,
    verdict,
)

MODULE = import_module("seqapps.tasks.generation.evaluation.scores")  # whose name in its package is the function
UNIGRAM, KNESER_NEY = "unigram", "Kneser-Ney, order 6"


# --- scores ---


def test_scores_by_hand():
    # One, two, three and no bits: six for four tokens, which are twelve characters and twenty-four bytes.
    found = scores(np.log([1 / 2, 1 / 4, 1 / 8, 1]), characters=12, size=24)
    assert found == pytest.approx(
        {
            "perplexity": 2 ** (6 / 4),
            "nats_per_token": 6 / 4 * math.log(2),
            "nats_per_character": 6 / 12 * math.log(2),
            "bits_per_character": 6 / 12,
            "bits_per_byte": 6 / 24,
        }
    )
    assert tuple(found) == tuple(METRICS) == LOWER_IS_BETTER
    assert all(type(value) is float for value in found.values())


def test_equally_likely_tokens_have_a_perplexity_of_their_number():
    for count in (2, 65, 10_000):
        assert scores(np.full(7, -np.log(count)), 7, 7)["perplexity"] == pytest.approx(count)
    certain = scores(np.zeros(7), 7, 7)
    assert list(certain.values()) == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("nats", [-701.0, -1e6, -np.inf])
def test_a_perplexity_is_a_float_however_bad_it_is(nats):
    found = scores(np.array([nats, nats]), 2, 2)
    assert found["perplexity"] == math.exp(700)
    assert found["nats_per_token"] == -nats


# --- chance ---


def test_chance_is_a_paired_t_test_over_blocks():
    generator = np.random.default_rng(0)
    count = 7 * BLOCK + 101  # the last tokens are no block
    nats = {MODEL: generator.normal(-1, 1, count)}
    nats |= {UNIGRAM: generator.normal(-1.05, 1, count), KNESER_NEY: nats[MODEL] - generator.normal(0.001, 0.1, count)}
    nats |= {FRESH: nats[MODEL] - 1, CACHE: nats[MODEL] + 1}
    found = chance(nats)
    assert list(found) == [UNIGRAM, KNESER_NEY]
    for method, value in found.items():
        means = [[nats[each][b * BLOCK : (b + 1) * BLOCK].mean() for b in range(7)] for each in (MODEL, method)]
        difference = np.subtract(*means)
        t = difference.mean() / (difference.std(ddof=1) / np.sqrt(7))
        assert value == pytest.approx(2 * stats.t.sf(abs(t), df=6))
        assert 0 < value < 1


@pytest.mark.parametrize(("first", "second"), [(0.3, 0.1), (-0.2, -0.3), (0.1, -0.1), (0.5, 0.0)])
def test_chance_of_two_blocks_by_hand(monkeypatch, first, second):
    monkeypatch.setattr(MODULE, "BLOCK", 3)
    own = np.array([-1.0, -2.0, -3.0, -4.0, -3.0, -2.0, -99.0])
    other = own - np.array([first - 0.5, first, first + 0.5, second, second + 2, second - 2, 0])
    t = (first + second) / abs(first - second)  # with one degree of freedom: Cauchy's distribution
    expected = 1 - 2 / math.pi * math.atan(abs(t))
    assert chance({MODEL: own, UNIGRAM: other}) == pytest.approx({UNIGRAM: expected})
    assert chance({MODEL: other, UNIGRAM: own}) == pytest.approx({UNIGRAM: expected})


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK - 1])
def test_few_blocks_tell_nothing(count):
    assert chance({MODEL: np.full(count, -1.0), UNIGRAM: np.full(count, -9.0), KNESER_NEY: np.full(count, -2.0)}) == {
        UNIGRAM: 1.0, KNESER_NEY: 1.0,
    }  # fmt: skip


def test_methods_that_never_differ_and_those_that_always_differ_alike_need_no_test():
    nats = np.random.default_rng(0).normal(-3, 1, 3 * BLOCK)
    assert chance({MODEL: nats, UNIGRAM: nats.copy(), KNESER_NEY: nats - 0.5}) == {UNIGRAM: 1.0, KNESER_NEY: 0.0}
    assert chance({MODEL: nats, UNIGRAM: nats.reshape(3, BLOCK)[:, ::-1].ravel()}) == {UNIGRAM: 1.0}
    assert chance({MODEL: nats, FRESH: nats - 1}) == {}


# --- the verdict ---


def said(model, others, p_values):
    """The sentence on perplexities; the model's other ways of reading are better than all, and do not count."""
    methods = {method: {"perplexity": value} for method, value in {MODEL: model, **others}.items()}
    methods |= {FRESH: {"perplexity": 1.0}, CACHE: {"perplexity": 1.0}}
    return verdict(methods, p_values)


@pytest.mark.parametrize(
    ("model", "others", "p_values", "expected"),
    [
        (
            4.5678, {UNIGRAM: 27.5, KNESER_NEY: 4.9}, {UNIGRAM: 1.0, KNESER_NEY: 1e-9},
            "The model beats the best baseline, Kneser-Ney, order 6: perplexity 4.568 against 4.9 "
            "(paired t-test over blocks of 256 tokens, p = 1e-09).",
        ),
        (
            81.03, {UNIGRAM: 81.04}, {UNIGRAM: 0.0499},
            "The model beats the best baseline, unigram: perplexity 81.03 against 81.04 "
            "(paired t-test over blocks of 256 tokens, p = 0.05).",
        ),
        (
            4.8, {KNESER_NEY: 4.9, UNIGRAM: 27.5}, {UNIGRAM: 0.0, KNESER_NEY: 0.05},
            "The model does NOT beat the best baseline, Kneser-Ney, order 6, beyond chance: perplexity 4.8 against 4.9 "
            "(paired t-test over blocks of 256 tokens, p = 0.05).",
        ),
        (
            4.8, {UNIGRAM: 4.9}, {UNIGRAM: 1.0},
            "The model does NOT beat the best baseline, unigram, beyond chance: perplexity 4.8 against 4.9 "
            "(paired t-test over blocks of 256 tokens, p = 1).",
        ),
        (
            5.1234, {UNIGRAM: 27.5, KNESER_NEY: 4.9}, {UNIGRAM: 0.0, KNESER_NEY: 0.012345},
            "The model does NOT beat the best baseline, Kneser-Ney, order 6: perplexity 5.123 against 4.9 "
            "(paired t-test over blocks of 256 tokens, p = 0.012).",
        ),
        (
            4.9, {KNESER_NEY: 4.9}, {KNESER_NEY: 0.0},
            "The model does NOT beat the best baseline, Kneser-Ney, order 6: perplexity 4.9 against 4.9 "
            "(paired t-test over blocks of 256 tokens, p = 0).",
        ),
        (4.8, {}, {}, "No baseline was run, so this table does not tell whether the model is any good."),
    ],
)  # fmt: skip
def test_the_verdict_is_one_plain_sentence(model, others, p_values, expected):
    assert said(model, others, p_values) == expected


# --- written texts ---

TEXTS = st.lists(st.lists(st.integers(4, 7), max_size=17).map(lambda ids: np.array(ids, "int32")), max_size=5)


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS)
def test_distinct_is_the_share_of_different_n_grams(texts):
    for length in (1, 2, 3, 4):
        shifted = [[text[shift:].tolist() for shift in range(length)] for text in texts]
        grams = [gram for rows in shifted for gram in zip(*rows, strict=False)]
        expected = len(dict.fromkeys(grams)) / len(grams) if grams else 0.0
        assert distinct(texts)[f"distinct_{length}"] == expected
    assert list(distinct(texts)) == ["distinct_1", "distinct_2", "distinct_3", "distinct_4"]


def test_distinct_by_hand():
    # Five tokens of three kinds; 4 5, 5 4, 4 5 and nothing over the end of a text; 4 5 4 and 5 4 5; 4 5 4 5.
    found = distinct([np.array([4, 5, 4, 5]), np.array([6])])
    assert found == {"distinct_1": 3 / 5, "distinct_2": 2 / 3, "distinct_3": 1.0, "distinct_4": 1.0}
    assert distinct([np.array([4] * 11)]) == pytest.approx(
        {"distinct_1": 1 / 11, "distinct_2": 1 / 10, "distinct_3": 1 / 9, "distinct_4": 1 / 8}
    )
    assert set(distinct([]).values()) == set(distinct([np.array([], "int32")]).values()) == {0.0}


def longest_common(text, training):
    """The length of the longest run of both, by dynamic programming."""
    best, ends = 0, np.zeros(len(training) + 1, int)
    for token in text:
        ends[1:] = np.where(training == token, ends[:-1] + 1, 0)
        best = max(best, ends.max())
    return best


def holds(text, run):
    return any((text[place : place + len(run)] == run).all() for place in range(len(text) - len(run) + 1))


@settings(max_examples=150, deadline=None)
@given(
    texts=TEXTS,
    training=st.lists(st.integers(2, 7), max_size=53).map(lambda ids: np.array(ids, "int32")),
    copied=st.tuples(st.integers(0, 53), st.integers(0, 23)),
)
@example(texts=[], training=np.zeros(0, "int32"), copied=(0, 0))
def test_the_longest_copied_run_is_that_of_brute_force(texts, training, copied):
    start, length = copied
    texts = [*texts, np.concatenate([[9], training[start : start + length], [9]]).astype("int32")]
    found = longest_copied(texts, training)
    assert len(found) == max(longest_common(text, training) for text in texts)
    assert holds(training, found)
    assert any(holds(text, found) for text in texts)
    assert found.dtype == np.int32


def test_no_run_goes_on_from_one_text_to_the_next():
    training = np.arange(4, 15)
    assert longest_copied([np.array([4, 5, 6]), np.array([7, 8, 9, 10])], training).tolist() == [7, 8, 9, 10]
    assert longest_copied([np.array([99, 98]), np.array([], "int32")], training).tolist() == []
    assert longest_copied([], training).tolist() == longest_copied([training], np.zeros(0, int)).tolist() == []


def test_a_long_copy_of_a_large_vocabulary_is_found_exactly():
    generator = np.random.default_rng(0)
    training = generator.integers(4, 50_000, 100_003).astype("int32")
    text = generator.integers(4, 50_000, 307).astype("int32")
    text[41:298] = training[70_001:70_258]
    text[40], text[298] = training[70_000] + 1, training[70_258] + 1
    np.testing.assert_array_equal(longest_copied([text[:41], text], training), training[70_001:70_258])
