"""The beam in the graph finds what a plain reading of its rules finds, row by row, and ranks it as published."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy_beam import (
    LETTERS,
    MOST,
    OFF,
    PHASES,
    PLACES,
    VOCABULARY,
    Network,
    assert_alike,
    assert_plain,
    everything,
    hypotheses,
    plainly,
    random_network,
    raw_knobs,
    scored,
    search,
)
from toy_network import RESERVED

from seqapps.decoding import beam
from seqapps.decoding.beam import NEVER
from seqapps.decoding.bounds import LONGEST_TARGET, WIDEST_BEAM
from seqapps.text.kinds import END, PAD, START

BATCH = 5
WIDTHS = (1, 2, 3, 5, 7)
ALL = np.ones(PLACES, bool)
STARTS = list(range(PHASES))


def random_rows(seed, batch=23):
    """Phases, real places and knobs of many rows."""
    generator = np.random.default_rng(seed)
    values = {
        "beam_width": generator.integers(1, 8, batch),
        "length_penalty": generator.uniform(0, 2, batch).astype("float32"),
        "coverage_penalty": generator.uniform(0, 1, batch).astype("float32"),
        "max_length": generator.integers(1, MOST, batch),
    }
    return generator.integers(PHASES, size=batch), np.arange(PLACES) < generator.integers(1, 6, (batch, 1)), values


# --- what is found ---


@pytest.mark.parametrize("seed", range(5))
def test_every_row_finds_with_its_own_knobs_what_plain_python_finds(seed):
    network = random_network(seed)
    phases, places, values = random_rows(seed)
    assert_plain(search(network, phases, places, **values), network, phases, places, **values)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 5),
    end=st.sampled_from([-3.0, 0.0, 3.0]),
    rows=st.lists(
        st.tuples(
            st.integers(0, PHASES - 1),
            st.integers(1, PLACES),
            st.integers(1, 7),
            st.sampled_from([0.0, 0.5, 1.0, 2.0]),
            st.sampled_from([0.0, 0.25, 1.0]),
            st.integers(1, 7),
        ),
        min_size=1,
        max_size=4,
    ),
)
@example(seed=0, end=3.0, rows=[(0, 5, 1, 0.0, 0.0, 1), (1, 1, 7, 2.0, 1.0, 7), (0, 3, 3, 0.5, 0.25, 2)])
def test_rows_of_all_kinds_find_what_plain_python_finds(seed, end, rows):
    network = random_network(seed, end)
    phases, real, *knobs = (list(each) for each in zip(*rows, strict=True))
    places, values = np.arange(PLACES) < np.array(real)[:, None], dict(zip(OFF, knobs, strict=True))
    assert_plain(search(network, phases, places, **values), network, phases, places, **values)


def test_of_continuations_equally_likely_the_first_are_taken():
    alike = Network(np.zeros((1, VOCABULARY, VOCABULARY)), np.ones((1, VOCABULARY, PLACES)))
    found = search(alike, [0] * len(WIDTHS), beam_width=WIDTHS, max_length=2)
    assert_plain(found, alike, [0] * len(WIDTHS), beam_width=WIDTHS, max_length=2)
    assert [each[:2] for each in hypotheses(found)[3]] == [
        ((), True), ((4,), True), ((4, 4), False), ((4, 5), False), ((4, 6), False),
    ]  # fmt: skip


def test_a_beam_of_one_takes_the_likeliest_token_at_every_step():
    for seed in range(3):
        network = random_network(seed)
        for phase, row in enumerate(hypotheses(search(network, STARTS))):
            text, token, complete, total = [], START, False, 0.0
            while len(text) < MOST and not complete:
                told, phase, _ = network.read(token, phase)
                token = max((END, *LETTERS), key=lambda each: told[each])
                total, complete = total + told[token], token == END
                text += [] if complete else [token]
            assert row == [(tuple(text), complete, total)]


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 2.0])
def test_two_tokens_of_a_beam_as_wide_as_the_vocabulary_are_the_best_there_are(length_penalty):
    network = random_network()
    values = {"length_penalty": length_penalty, "max_length": 2}
    for phase, row in enumerate(hypotheses(search(network, STARTS, beam_width=VOCABULARY, **values))):
        best = scored(everything(network, phase, most=2), ALL, length_penalty, 0.0)
        assert_alike(row[:1], best[:1])


@pytest.mark.parametrize(("length_penalty", "coverage_penalty"), [(0.0, 0.0), (0.7, 0.3)])
def test_a_beam_with_room_for_everything_finds_everything(length_penalty, coverage_penalty):
    network, most = random_network(), 2
    values = {"length_penalty": length_penalty, "coverage_penalty": coverage_penalty}
    found = search(network, STARTS, beam_width=WIDEST_BEAM, max_length=most, **values)
    for phase, row in enumerate(hypotheses(found)):
        assert len(row) == 1 + 3 * 4 <= WIDEST_BEAM
        assert_alike(row, scored(everything(network, phase, most), ALL, length_penalty, coverage_penalty))


def test_a_wider_beam_finds_what_a_narrow_one_misses():
    network = random_network(end=-3.0)
    narrow, wide = (search(network, STARTS, beam_width=width).score[:, 0] for width in (1, VOCABULARY))
    assert (wide > narrow).mean() > 0.7


# --- the form of what is found ---


@pytest.mark.parametrize("seed", range(3))
def test_hypotheses_come_in_falling_score_and_then_nothing(seed):
    network = random_network(seed)
    phases, places, values = random_rows(seed)
    found = search(network, phases, places, **values)
    width = values["beam_width"].max()
    assert found.score.shape == found.complete.shape == found.tokens.shape[:2] == (len(phases), width)
    assert (found.tokens.dtype, found.score.dtype, found.complete.dtype) == ("int32", "float32", "bool")
    assert (np.diff(found.score, axis=1) <= 0).all()
    for row, own in zip(found.score, values["beam_width"], strict=True):
        there = row > NEVER
        assert there.sum() <= own
        assert there[0]
        assert not found.complete[found.score == NEVER].any()


@pytest.mark.parametrize("seed", range(3))
def test_ids_that_are_never_written_are_not_written_and_padding_stands_at_the_end(seed):
    found = search(random_network(seed), STARTS, beam_width=VOCABULARY)
    texts = found.tokens[found.score > NEVER]
    assert set(np.unique(texts)) == {PAD, *LETTERS}
    assert RESERVED.never[0] == PAD
    for row in texts.tolist():
        assert PAD not in row[: len([token for token in row if token != PAD])]


def test_complete_is_what_ended_by_itself():
    for length in (1, 2, 5):
        (endless,) = hypotheses(search(random_network(end=-1000.0), [3], beam_width=3, max_length=length))
        assert [(len(text), complete) for text, complete, _ in endless] == [(length, False)] * 3
    (ending,) = hypotheses(search(random_network(end=1000.0), [3], max_length=1))
    assert [each[:2] for each in ending] == [((), True)]
    (one_token,) = hypotheses(search(random_network(), [3], beam_width=VOCABULARY, max_length=1))
    assert {each[:2] for each in one_token} == {((), True), ((4,), False), ((5,), False), ((6,), False)}


def test_what_ended_by_itself_and_what_was_cut_come_up_in_these_rows():
    ended = [search(random_network(seed), STARTS, beam_width=5, max_length=7) for seed in range(5)]
    complete = np.concatenate([found.complete[found.score > NEVER] for found in ended])
    assert 0.2 < complete.mean() < 0.98


def test_nothing_is_found_where_nobody_asks():
    found = search(random_network(), [])
    assert (found.tokens.shape[0], found.score.shape[0], found.complete.shape[0]) == (0, 0, 0)


# --- neighbours ---


def test_a_row_finds_alone_what_it_finds_in_any_batch():
    network = random_network()
    phases, places, values = random_rows(7)
    together = hypotheses(search(network, phases, places, **values))
    for row, phase in enumerate(phases):
        own = {name: each[row : row + 1] for name, each in values.items()}
        (alone,) = hypotheses(search(network, [phase], places[row : row + 1], **own))
        assert_alike(alone, together[row])
    backwards = {name: each[::-1] for name, each in values.items()}
    for row, expected in zip(
        hypotheses(search(network, phases[::-1], places[::-1], **backwards)), together[::-1], strict=True
    ):
        assert_alike(row, expected)


# --- by hand: END with 0.4 or the letter 4 with 0.6, after which END has 0.6; two hypotheses hold both ---

HALF, QUARTER, EIGHTH = 1 / 2, 1 / 4, 1 / 8


def network_by_hand():
    told, looks = np.full((1, VOCABULARY, VOCABULARY), -99.0), np.zeros((1, VOCABULARY, 3))
    told[0, START, [END, 4]], told[0, 4, [END, 4]] = np.log([0.4, 0.6]), np.log([0.6, 0.4])
    looks[0, START], looks[0, 4] = (HALF, QUARTER, QUARTER), (6 * EIGHTH, EIGHTH, EIGHTH)
    return Network(told, looks)


@pytest.mark.parametrize(
    ("values", "real", "short", "long"),
    [
        ({}, 3, np.log(0.4), np.log(0.36)),
        ({"length_penalty": 1.0}, 3, np.log(0.4), np.log(0.36) * 6 / 7),  # 1 and 2 tokens with the end
        ({"length_penalty": 2.0}, 3, np.log(0.4), np.log(0.36) * 36 / 49),
        # Of the places 1/2, 1/4 and 1/4 are covered, or 5/4, which count as 1, and 3/8 and 3/8.
        ({"coverage_penalty": 1.0}, 3, np.log(0.4 / 32), np.log(0.36 * 9 / 64)),
        ({"coverage_penalty": 1.0}, 2, np.log(0.4 / 8), np.log(0.36 * 3 / 8)),
        ({"coverage_penalty": 0.5}, 1, np.log(0.4) - np.log(2) / 2, np.log(0.36)),
        ({"coverage_penalty": 1.0}, 0, np.log(0.4), np.log(0.36)),
        ({"length_penalty": 1.0, "coverage_penalty": 1.0}, 2, np.log(0.4 / 8), np.log(0.36) * 6 / 7 + np.log(3 / 8)),
    ],
)
def test_scores_are_as_computed_by_hand(values, real, short, long):
    (row,) = hypotheses(search(network_by_hand(), [0], [np.arange(3) < real], beam_width=2, **values))
    assert_alike(row, sorted([((), True, short), ((4,), True, long)], key=lambda each: -each[2]))
    assert row[0][0] == (() if short > long else (4,))


def test_what_attention_never_saw_costs_a_finite_number():
    network = network_by_hand()
    network.looks[..., 0] = 0.0
    (row,) = hypotheses(search(network, [0], [[True, False, False]], coverage_penalty=1.0, beam_width=2))
    assert_alike(row, [((), True, np.log(0.4e-6)), ((4,), True, np.log(0.36e-6))])


def test_without_attention_a_coverage_penalty_is_without_effect():
    network = random_network()
    blind = network._replace(looks=network.looks[..., :0])
    plain = search(network, STARTS, beam_width=3)
    for received, expected in zip(search(blind, STARTS, beam_width=3, coverage_penalty=1.0), plain, strict=True):
        np.testing.assert_array_equal(received, expected)


# --- one value per row ---


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("beam_width", [-(2**31), 0, 1, 7, 2**31 - 1], [1, 1, 1, 7, WIDEST_BEAM]),
        ("length_penalty", [np.nan, -np.inf, -0.5, 0.5, np.inf], [0, 0, 0, 0.5, 1e3]),
        ("coverage_penalty", [np.nan, -np.inf, -0.5, 0.5, np.inf], [0, 0, 0, 0.5, 1e3]),
        ("max_length", [-(2**31), 0, 1, 13, 2**31 - 1], [1, 1, 1, 13, LONGEST_TARGET]),
    ],
)
def test_values_out_of_range_mean_the_nearest_or_nothing(name, given, expected):
    rows = beam.for_rows(raw_knobs(**{name: given}), tf.constant(BATCH))
    for (other, (usual, dtype)), received in zip(OFF.items(), rows, strict=True):
        assert received.dtype == dtype
        np.testing.assert_array_equal(received, np.array(expected if other == name else [usual] * BATCH, "float32"))


@pytest.mark.parametrize("values", [{}, {"beam_width": [3], "length_penalty": [0.5], "max_length": [7]}])
@pytest.mark.parametrize("batch", [0, 1, BATCH])
def test_one_value_counts_for_all_rows(batch, values):
    rows = beam.for_rows(raw_knobs(**values), tf.constant(batch))
    for (name, (usual, _)), received in zip(OFF.items(), rows, strict=True):
        assert received.numpy().tolist() == values.get(name, [usual]) * batch


def test_a_search_with_values_out_of_range_is_one_with_the_nearest():
    network = random_network()
    given = {"beam_width": [-5, 0, 2], "length_penalty": [np.nan, -3.0, -np.inf], "max_length": [7, 0, -7]}
    nearest = {"beam_width": [1, 1, 2], "length_penalty": 0.0, "max_length": [7, 1, 1]}
    assert_plain(search(network, [0, 1, 2], coverage_penalty=np.nan, **given), network, [0, 1, 2], **nearest)
    (longest,) = hypotheses(search(random_network(end=-1000.0), [0], max_length=LONGEST_TARGET + 1))
    assert len(longest[0][0]) == LONGEST_TARGET
    (widest,) = hypotheses(search(network, [0], beam_width=WIDEST_BEAM + 1, max_length=7))
    assert_alike(widest, plainly(network, 0, ALL, beam_width=WIDEST_BEAM, max_length=7))


def test_the_greatest_penalties_leave_scores_finite():
    found = search(random_network(), STARTS, beam_width=3, length_penalty=np.inf, coverage_penalty=np.inf)
    assert np.isfinite(found.score).all()
    assert (found.score[:, 0] > NEVER / 2).all()
