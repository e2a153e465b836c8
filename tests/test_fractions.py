"""A part of the training rows: which ones, for every fraction and seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqapps.fractions import kept, note

GROUPS = np.array([0] * 20 + [1] * 10 + [2] * 3)


def test_every_group_gives_its_share_and_none_vanishes():
    for fraction, counts in ((0.1, [2, 1, 1]), (0.3, [6, 3, 1]), (0.5, [10, 5, 2]), (1.0, [20, 10, 3])):
        assert np.bincount(GROUPS[kept(GROUPS, fraction, seed=5)]).tolist() == counts


@given(st.lists(st.integers(0, 4), max_size=60), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 2**32 - 1))
def test_a_smaller_part_lies_within_a_larger_one(groups, one, other, seed):
    small, large = (kept(np.array(groups, int), fraction, seed) for fraction in sorted((one, other)))
    assert not (small & ~large).any()


def test_the_seed_alone_decides():
    first = kept(GROUPS, 0.3, seed=0)
    np.testing.assert_array_equal(kept(GROUPS, 0.3, seed=0), first)
    assert (kept(GROUPS, 0.3, seed=1) != first).any()


@pytest.mark.parametrize("whole", range(1, 200, 7))
def test_a_tenth_is_a_tenth_whatever_binary_fractions_say(whole):
    assert kept(np.zeros(10 * whole, int), 0.1, seed=0).sum() == whole
    assert kept(np.zeros(10 * whole, int), 0.3, seed=0).sum() == 3 * whole


def test_all_rows_need_no_note():
    assert note(1.0, 7, 7, "texts") == ()
