"""Rows are cut into batches of about equal length and about equal token counts, anew and alike in every epoch."""

from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqapps.text.pair_batches import by_tokens

PAIRS, TOKENS, ROWS, SEED = 41, 53, 5, 7
LENGTHS = np.random.default_rng(0).integers(1, 17, PAIRS)
several = settings(deadline=None, max_examples=100)
lengths_of_rows = st.lists(st.integers(1, 30), max_size=50)


def lists(batches):
    return [rows.tolist() for rows in batches]


@several
@given(lengths=lengths_of_rows, tokens=st.integers(1, 60), rows=st.integers(1, 7), epoch=st.integers(0, 3))
@example(lengths=[31], tokens=1, rows=1, epoch=0)
def test_an_epoch_holds_every_row_once_in_batches_as_large_as_the_limits_allow(lengths, tokens, rows, epoch):
    lengths = np.array(lengths, int)
    batches = by_tokens(lengths, tokens, rows, SEED, epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= rows
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens  # a longer row is alone
    found = sorted(sorted(lengths[batch]) for batch in batches)
    found.sort(key=lambda batch: (batch[0], batch[-1], -len(batch)))
    for batch, following in pairwise(found):
        assert batch[-1] <= following[0]
        assert len(batch) == rows or (len(batch) + 1) * following[0] > tokens


@several
@given(
    lengths=lengths_of_rows,
    tokens=st.integers(1, 60),
    rows=st.integers(1, 7),
    other=st.tuples(*[st.integers(0, 9)] * 2),
)
def test_every_epoch_has_as_many_batches_of_the_same_lengths(lengths, tokens, rows, other):
    lengths = np.array(lengths, int)
    first, second = (
        sorted(sorted(lengths[batch].tolist()) for batch in by_tokens(lengths, tokens, rows, *order))
        for order in ((SEED, 0), other)
    )
    assert first == second


def test_the_order_of_an_epoch_depends_on_seed_and_number_alone():
    first = lists(by_tokens(LENGTHS, TOKENS, ROWS, SEED, 0))
    assert lists(by_tokens(LENGTHS.copy(), TOKENS, ROWS, SEED, 0)) == first
    for seed, epoch in ((SEED, 1), (SEED + 1, 0), (1, SEED)):
        assert lists(by_tokens(LENGTHS, TOKENS, ROWS, seed, epoch)) != first


def test_rows_of_one_length_meet_others_in_every_epoch_and_batches_come_in_a_random_order():
    lengths = np.repeat([3, 2, 5], 20)
    epochs = [by_tokens(lengths, TOKENS, ROWS, SEED, epoch) for epoch in range(2)]
    meetings = [{frozenset(rows.tolist()) for rows in epoch} for epoch in epochs]
    assert len(meetings[0] & meetings[1]) < 2
    longest = [lengths[rows].max() for rows in epochs[0]]
    assert sorted(longest) == [2] * 4 + [3] * 4 + [5] * 4
    assert longest not in (sorted(longest), sorted(longest, reverse=True))
