"""Every row's token is the one that its own logits, knobs and random number say, whatever its neighbours ask for."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy_network import LAST, knobs

from seqapps.decoding import choosing
from seqapps.decoding.choosing import NEVER

BATCH, VOCABULARY, DRAWS = 5, 7, 1009
GRID = ((np.arange(DRAWS) + 0.5) / DRAWS).astype("float32")
EDGES = np.array([0, np.finfo("float32").tiny, 2**-24, 0.5, LAST], "float32")
fuzzed = settings(deadline=None, max_examples=100)
tidy = st.integers(-400, 400).map(lambda number: number / 8)


def chosen(logits, uniform, **values):
    """One row of logits or as many as there are numbers → tokens."""
    logits = np.broadcast_to(np.asarray(logits, "float32"), (len(uniform), np.shape(logits)[-1]))
    rows = knobs(len(uniform), **({"temperature": 1.0} | values))
    return choosing.choose(tf.constant(logits), rows, tf.constant(uniform)).numpy()


def logits_of(*shares):
    return np.log(np.array(shares, "float32"))


def softmax(logits):
    weights = np.exp(np.asarray(logits, "float64") - np.max(logits))
    return weights / weights.sum()


def some_logits(rows=BATCH, width=VOCABULARY, seed=0):
    return np.random.default_rng(seed).normal(scale=2, size=(rows, width)).astype("float32")


def assert_drawn(logits, kept, uniform=GRID, **values):
    """Every kept token as often as the softmax over the kept ones says, and no other."""
    counts = np.bincount(chosen(logits, uniform, **values), minlength=len(logits))
    expected = np.zeros(len(logits))
    expected[kept] = softmax(np.asarray(logits)[kept] / values.get("temperature", 1.0))
    np.testing.assert_allclose(counts / len(uniform), expected, atol=1.01 / len(uniform))
    assert set(np.flatnonzero(counts)) == set(kept)


# --- temperature ---


def test_without_a_temperature_the_likeliest_token_is_taken_whatever_is_drawn():
    logits = some_logits()
    for uniform in EDGES:
        answer = chosen(logits, np.full(BATCH, uniform), temperature=0.0)
        assert answer.tolist() == logits.argmax(axis=1).tolist()
        assert answer.dtype == "int32"
    for values in ({"top_k": 2}, {"top_p": 0.5}, {"temperature": np.nan}, {"temperature": -3.0}):
        answer = chosen(logits, np.full(BATCH, LAST), **({"temperature": 0.0} | values))
        assert answer.tolist() == logits.argmax(axis=1).tolist()


def test_of_tokens_equally_likely_the_first_is_taken():
    assert chosen([1, 3, 2, 3], EDGES, temperature=0.0).tolist() == [1] * len(EDGES)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 5.0])
def test_tokens_are_drawn_as_often_as_the_softmax_says(temperature):
    logits = some_logits(1, seed=3)[0] / 3
    assert_drawn(logits, list(range(VOCABULARY)), temperature=temperature)
    assert_drawn(logits + 1000, list(range(VOCABULARY)), temperature=temperature)
    np.testing.assert_array_equal(np.sort(chosen(logits, GRID)), chosen(logits, GRID))  # in the order of ids


def test_a_very_low_temperature_takes_the_likeliest_and_a_high_one_takes_all_alike():
    logits = some_logits()
    for uniform in EDGES:
        answer = chosen(logits, np.full(BATCH, uniform), temperature=1e-5)
        assert answer.tolist() == logits.argmax(axis=1).tolist()
    counts = np.bincount(chosen(logits[0], GRID, temperature=1e6), minlength=VOCABULARY)
    np.testing.assert_allclose(counts, DRAWS / VOCABULARY, atol=1)


# --- the least and the largest random number ---


def test_nought_draws_the_first_possible_token_and_the_largest_number_the_last():
    logits = [NEVER, NEVER, 0.1, NEVER, -3, 2, NEVER]
    assert chosen(logits, EDGES).tolist()[:: len(EDGES) - 1] == [2, 5]
    assert chosen([0.0] * 3, EDGES).tolist()[:: len(EDGES) - 1] == [0, 2]
    assert chosen([-50, 0], np.zeros(1, "float32")).tolist() == [0]  # improbable, not impossible


@fuzzed
@given(
    logits=st.lists(tidy | st.just(NEVER) | st.just(-np.inf), min_size=2, max_size=VOCABULARY),
    uniform=st.floats(0, float(LAST), width=32) | st.sampled_from([0.0, float(LAST)]),
    temperature=st.sampled_from([0.0, 0.01, 1.0, 100.0]),
    top_k=st.integers(0, VOCABULARY + 2),
    top_p=st.sampled_from([0.0, 0.25, 0.9, 1.0]),
)
@example([NEVER, 3.0, NEVER], float(LAST), 1.0, 3, 1.0)
@example([-np.inf, NEVER, 3.0], 0.0, 1.0, 0, 0.9)
def test_what_has_no_probability_is_never_chosen(logits, uniform, temperature, top_k, top_p):
    logits[len(logits) // 2] = 1.0  # something is possible
    values = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    (token,) = chosen(logits, np.array([uniform], "float32"), **values)
    assert logits[token] > NEVER
    assert not top_k or sum(other > logits[token] for other in logits) < top_k


@pytest.mark.parametrize("values", [{}, {"top_k": 101}, {"top_p": 0.99}])
def test_a_large_vocabulary_of_which_little_is_possible_gives_nothing_else(values):
    logits = np.full(10_007, NEVER)
    possible = np.random.default_rng(0).choice(10_007, 101, replace=False)
    logits[possible] = np.random.default_rng(1).normal(size=101)
    uniform = np.concatenate([EDGES, GRID[:200], GRID[-200:]])
    assert set(chosen(logits, uniform, **values)) <= set(possible)


# --- the likeliest ones ---


@pytest.mark.parametrize(
    ("shares", "values", "kept"),
    [
        ((0.1, 0.4, 0.2, 0.3), {"top_k": 1}, [1]),
        ((0.1, 0.4, 0.2, 0.3), {"top_k": 2}, [1, 3]),
        ((0.1, 0.4, 0.2, 0.3), {"top_k": 3}, [1, 2, 3]),
        ((0.1, 0.4, 0.2, 0.3), {"top_k": 4}, [0, 1, 2, 3]),
        ((0.1, 0.4, 0.2, 0.3), {"top_k": 2**31 - 1}, [0, 1, 2, 3]),
        ((0.1, 0.4, 0.2, 0.3), {"top_p": 0.0}, [1]),
        ((0.1, 0.4, 0.2, 0.3), {"top_p": 0.39}, [1]),
        ((0.1, 0.4, 0.2, 0.3), {"top_p": 0.41}, [1, 3]),  # until the sum reaches it
        ((0.1, 0.4, 0.2, 0.3), {"top_p": 0.69}, [1, 3]),
        ((0.1, 0.4, 0.2, 0.3), {"top_p": 0.71}, [1, 2, 3]),
        ((0.1, 0.4, 0.2, 0.3), {"top_p": 0.91}, [0, 1, 2, 3]),
        # The share is that of what top_k leaves: 0.4 / 0.7 = 0.571.
        ((0.1, 0.4, 0.2, 0.3), {"top_k": 2, "top_p": 0.57}, [1]),
        ((0.1, 0.4, 0.2, 0.3), {"top_k": 2, "top_p": 0.58}, [1, 3]),
        ((0.1, 0.4, 0.2, 0.3), {"top_k": 2, "top_p": 0.999}, [1, 3]),
        # At temperature 2 shares of 16, 4 and 1 of 21 become 4, 2 and 1 of 7.
        ((1 / 21, 16 / 21, 4 / 21), {"top_p": 0.6}, [1]),
        ((1 / 21, 16 / 21, 4 / 21), {"top_p": 0.6, "temperature": 2.0}, [1, 2]),
        ((1 / 21, 16 / 21, 4 / 21), {"top_p": 0.87, "temperature": 2.0}, [0, 1, 2]),
        # Tokens as likely as the last that is kept stay too.
        ((0.2, 0.3, 0.2, 0.3), {"top_k": 1}, [1, 3]),
        ((0.2, 0.3, 0.2, 0.3), {"top_k": 2}, [1, 3]),
        ((0.2, 0.3, 0.2, 0.3), {"top_k": 3}, [0, 1, 2, 3]),
        ((0.2, 0.3, 0.2, 0.3), {"top_p": 0.1}, [1, 3]),
        ((0.2, 0.3, 0.2, 0.3), {"top_p": 0.7}, [0, 1, 2, 3]),
        ((0.25, 0.25, 0.25, 0.25), {"top_k": 2, "top_p": 0.1}, [0, 1, 2, 3]),
    ],
)
def test_exactly_the_likeliest_tokens_are_kept(shares, values, kept):
    assert_drawn(logits_of(*shares), kept, **values)


def test_a_share_that_is_reached_exactly_is_enough():
    # One is likelier than the next by less than a share can tell: a quarter each, exactly, on every processor.
    logits = np.array([0, -1e-9, -2e-9, -3e-9], "float32")
    for kept, share in enumerate(np.float32([0.25, 0.5, 0.75]), 1):
        assert_drawn(logits, list(range(kept)), top_p=share)
        assert_drawn(logits, list(range(kept + 1)), top_p=np.nextafter(share, np.float32(1)))


def test_what_is_forbidden_does_not_come_back_where_more_is_asked_for_than_there_is():
    logits = np.array([NEVER, 1, NEVER, 2, NEVER], "float32")
    assert_drawn(logits, [1, 3], top_k=4)
    assert_drawn(logits, [1, 3], top_k=4, top_p=0.9999)


# --- neighbours ---


def test_a_row_gets_what_it_gets_alone_whatever_its_neighbours_ask_for():
    asked = [
        {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        for temperature in (0.0, 0.7, 3.0)
        for top_k in (0, 1, 3)
        for top_p in (0.0, 0.6, 1.0)
    ]
    logits = some_logits(len(asked), 13)
    for number in (0.0, 0.3, 0.6, 0.9, LAST):
        uniform = np.full(1, number, "float32")
        alone = [int(chosen(row, uniform, **values)[0]) for row, values in zip(logits, asked, strict=True)]
        columns = {name: [values[name] for values in asked] for name in asked[0]}
        assert chosen(logits, np.repeat(uniform, len(asked)), **columns).tolist() == alone
        backwards = {name: values[::-1] for name, values in columns.items()}
        assert chosen(logits[::-1], np.repeat(uniform, len(asked)), **backwards).tolist() == alone[::-1]


# --- repetition ---


@fuzzed
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(tidy, st.booleans()), min_size=3, max_size=3),
            st.sampled_from([0.1, 0.5, 1.0, 1.3, 7.0]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_the_text_holds_is_penalised(rows):
    logits = np.array([[logit for logit, _ in cells] for cells, _ in rows], "float32")
    seen = np.array([[held for _, held in cells] for cells, _ in rows])
    penalty = np.array([each for _, each in rows], "float32")
    expected = logits.copy()
    for row, token in np.argwhere(seen):
        logit, by = logits[row, token], penalty[row]
        expected[row, token] = logit / by if logit > 0 else logit * by
    received = choosing.penalised(tf.constant(logits), tf.constant(seen), tf.constant(penalty)).numpy()
    np.testing.assert_allclose(received, expected, rtol=1e-6)
    np.testing.assert_array_equal(received[~seen], logits[~seen])
    assert (received <= logits)[penalty >= 1].all()
    assert (received >= logits)[penalty <= 1].all()


def ending_a_repeated_run(text, ngram):
    """Tokens after which the last `ngram` tokens would stand in the text twice."""
    if not ngram:
        return set()
    runs = {tuple(text[place : place + ngram]) for place in range(len(text) - ngram + 1)}
    return {token for token in range(VOCABULARY) if (*text[len(text) - ngram + 1 :], token) in runs}


def equal_to_the_end(history):
    """For every place how many tokens up to there equal those at the end."""

    def count(place):
        back = 0
        while back <= place and history[place - back] == history[-1 - back] >= 0:
            back += 1
        return back

    return [count(place) for place in range(len(history))]


@fuzzed
@given(st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=13), st.integers(0, 5)), min_size=1, max_size=4))
@example([([1, 2, 1, 2, 1], 3), ([], 1), ([0], 1), ([0], 2), ([2, 2, 2], 3)])
def test_tokens_that_would_repeat_a_run_are_found(rows):
    width = 1 + max(len(text) for text, _ in rows)
    history = [[-1] * (width - len(text)) + text for text, _ in rows]
    matched = tf.constant([equal_to_the_end(each) for each in history])
    ngram = tf.constant([each for _, each in rows])
    received = choosing.repeating(tf.constant(history), matched, ngram, VOCABULARY).numpy()
    assert received.shape == (len(rows), VOCABULARY)
    for banned, (text, length) in zip(received, rows, strict=True):
        assert set(np.flatnonzero(banned)) == ending_a_repeated_run(text, length)


# --- random numbers ---


def test_draws_depend_on_the_seed_of_the_row_alone():
    seeds = [0, 1, -1, 2**32, 2**40 + 1, 1, 2**63 - 1]
    together = choosing.draws(tf.constant(seeds, tf.int64), DRAWS).numpy()
    assert together.shape == (len(seeds), DRAWS)
    for row, seed in zip(together, seeds, strict=True):
        np.testing.assert_array_equal(choosing.draws(tf.constant([seed], tf.int64), DRAWS).numpy()[0], row)
        assert ((row >= 0) & (row < 1)).all()
        np.testing.assert_allclose(np.sort(row), GRID, atol=0.06)
    assert len({row.tobytes() for row in together}) == len(set(seeds))
    assert choosing.draws(tf.zeros([0], tf.int64), DRAWS).shape == (0, DRAWS)


@pytest.mark.parametrize("temperature", [1e9, np.inf])
def test_no_temperature_makes_possible_what_must_not_come_next(temperature):
    assert set(chosen([NEVER, NEVER, 1.0, 2.0], GRID, temperature=temperature)) == {2, 3}
