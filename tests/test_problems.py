"""The long-lag problems: what they ask, how far back, and what the best fixed answer scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal

from seqapps import problems
from seqapps.problems import PROBLEMS, TEST, VALIDATION, batches

ROWS = 2003
every_problem = pytest.mark.parametrize("name", PROBLEMS)


def drawn(name, lag, rows=ROWS, seed=0):
    return next(batches(name, lag, rows, seed))


def nats(probabilities, targets):
    return -np.log(np.take_along_axis(probabilities, targets[..., None], -1)).mean()


@every_problem
def test_batches_have_the_shapes_that_a_problem_tells_and_depend_on_the_seed(name):
    problem = PROBLEMS[name]
    for lag in (problem.shortest_lag, 13, 200):
        inputs, targets = drawn(name, lag, 3)
        assert inputs.shape == (3, problem.steps(lag), problem.features)
        assert targets.shape == ((3, problem.steps(lag)) if problem.every_step else (3,))
        assert (inputs.dtype, targets.dtype) == ("float32", "int32" if problem.classes else "float32")
    first, second = batches(name, 13, 3, seed=5), batches(name, 13, 3, seed=5)
    one, two = next(first), next(first)
    np.testing.assert_array_equal(one[0], next(second)[0])
    for other in (two, next(batches(name, 13, 3, 6)), *(next(batches(name, 13, 3, 5, s)) for s in (VALIDATION, TEST))):
        assert (one[0] != other[0]).any()


@given(lag=st.integers(1, 97), seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_adding_asks_for_the_sum_of_two_numbers_the_first_of_which_lies_a_lag_back(lag, seed):
    inputs, targets = drawn("adding", lag, 17, seed)
    numbers, marks = inputs[..., 0], inputs[..., 1]
    assert ((numbers >= 0) & (numbers < 1)).all()
    for row in range(17):
        first, second = np.flatnonzero(marks[row])
        assert marks[row].sum() == 2
        assert inputs.shape[1] - 1 - first >= lag
        assert targets[row] == pytest.approx(numbers[row, first] + numbers[row, second])


def test_always_answering_1_to_adding_scores_the_variance_of_two_uniform_numbers():
    _, targets = drawn("adding", 50, 200_003)
    assert np.mean((targets - 1) ** 2) == pytest.approx(PROBLEMS["adding"].baseline(50), rel=0.02)
    assert PROBLEMS["adding"].baseline(50) == pytest.approx(0.1667, abs=1e-4)


@pytest.mark.parametrize("lag", [1, 10])
def test_what_the_last_step_of_adding_tells_is_far_from_solving_it(lag):
    """The second mark may stand there: then a network without a memory knows one of the two numbers."""
    inputs, targets = drawn("adding", lag, 200_003)
    last, marked = inputs[:, -1].T
    loss = np.mean((np.where(marked == 1, 0.5 + last, 1) - targets) ** 2)
    steps = inputs.shape[1]
    share = np.mean([1 / (steps - 1 - first) for first in range(10)])
    assert loss == pytest.approx(1 / 6 - share / 12, rel=0.02)
    assert loss > 0.8 * PROBLEMS["adding"].baseline(lag)


def test_copy_memory_asks_for_what_came_first_at_the_end():
    lag = 5
    inputs, targets = drawn("copy_memory", lag, 7)
    read = inputs.argmax(-1)
    np.testing.assert_array_equal(inputs.sum(-1), 1)
    np.testing.assert_array_equal(targets[:, -10:], read[:, :10])
    assert (targets[:, :-10] == problems.BLANK).all()
    assert (read[:, :10] < 8).all()
    assert (read[:, 10 + lag - 1] == problems.RECALL).all()
    rest = np.delete(read, [*range(10), 10 + lag - 1], axis=1)
    assert (rest == problems.BLANK).all()


def test_copy_memory_without_a_memory_scores_as_arjovsky_says():
    """Blanks are certain, and of the ten symbols every one of eight is as likely."""
    lag = 30
    _, targets = drawn("copy_memory", lag, 11)
    probabilities = np.zeros((*targets.shape, 9))
    probabilities[:, :-10, problems.BLANK] = 1
    probabilities[:, -10:, :8] = 1 / 8
    assert nats(probabilities, targets) == pytest.approx(10 * math.log(8) / (lag + 20))
    assert PROBLEMS["copy_memory"].baseline(lag) == pytest.approx(10 * math.log(8) / (lag + 20))


def test_every_bit_turns_the_parity_round():
    inputs, targets = drawn("parity", 12)
    assert inputs.shape[1] == 13
    assert set(np.unique(inputs)) == {-1, 1}
    np.testing.assert_array_equal(np.prod(-inputs[..., 0], axis=1) == -1, targets == 1)
    assert targets.mean() == pytest.approx(0.5, abs=0.05)
    assert PROBLEMS["parity"].baseline(12) == math.log(2)


@given(lag=st.integers(8, 97), seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_temporal_order_asks_for_two_symbols_in_their_order_the_first_of_which_lies_a_lag_back(lag, seed):
    inputs, targets = drawn("temporal_order", lag, 17, seed)
    read = inputs.argmax(-1)
    assert (read[:, 0] == problems.BEGIN).all()
    assert (read[:, -1] == problems.END).all()
    for row in range(17):
        first, second = np.flatnonzero(read[row] >= problems.FIRST_ORDERED)
        assert read.shape[1] - 1 - first >= lag
        assert targets[row] == 2 * (read[row, first] - 6) + read[row, second] - 6


def test_temporal_order_is_that_of_the_paper_at_a_lag_of_80():
    inputs, targets = drawn("temporal_order", 80)
    places = np.argwhere(inputs.argmax(-1) >= problems.FIRST_ORDERED)[:, 1].reshape(-1, 2)
    assert inputs.shape[1] == 100
    assert (places[:, 0].min(), places[:, 0].max(), places[:, 1].min(), places[:, 1].max()) == (10, 19, 50, 59)
    np.testing.assert_allclose(np.bincount(targets) / len(targets), 0.25, atol=0.04)
    assert PROBLEMS["temporal_order"].baseline(80) == math.log(4)


def test_unknown_problems_and_lags_that_there_are_not_are_refused():
    names = "'adding', 'copy_memory', 'parity', 'temporal_order'"
    with refusal(f"`problem` must be one of {names}. Received: problem='addition'. Did you mean 'adding'?"):
        drawn("addition", 5)
    with refusal("`lag` must be an integer of at least 8. Received: lag=7. The temporal order needs that many steps."):
        drawn("temporal_order", 7)
    with refusal("`rows` must be an integer of at least 1. Received: rows=0."):
        drawn("adding", 5, 0)
    with refusal("`seed` must be an integer of at least 0. Received: seed=-1."):
        batches("adding", 5, 3, seed=-1)  # at once, not with the first batch
