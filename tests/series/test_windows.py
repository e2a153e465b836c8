"""Windows beside a plain loop, and an order of training that a seed and an epoch fix alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.series import windows

TIME, TARGETS, WINDOW, HORIZON, BATCH, SEED = 41, 2, 5, 3, 7, 11
VALUES = np.arange(TIME * TARGETS, dtype="float64").reshape(TIME, TARGETS)
ARRAYS = windows.Arrays(VALUES)
ROWS = windows.origins(0, TIME, WINDOW, HORIZON)
STEPS = -(-len(ROWS) // BATCH)
sizes = st.integers(1, 7)
fuzzed = settings(deadline=None)


def past_of(row, window):
    """The window before a row, one value at a time."""
    return [VALUES[step] if step >= 0 else [np.nan] * TARGETS for step in range(row - window, row)]


def one_series(rows):
    return windows.one_series(np.array(rows))


def origins_of(batch):
    """Which rows the windows of a batch come from: the first target counts in steps of `TARGETS`."""
    inputs, future = batch
    last = inputs["history"][:, -1, 0].numpy()
    np.testing.assert_array_equal(future[:, 0, 0], last + TARGETS)
    return (last / TARGETS).astype(int) + 1


def epochs(count, seed=SEED, first=0, batch_size=BATCH, rows=ROWS):
    """The order of the rows in `count` epochs."""
    at = windows.one_series(rows)
    batches = windows.training_batches(ARRAYS, at, WINDOW, HORIZON, batch_size, seed, first)
    steps = -(-len(rows) // batch_size)
    order = [origins_of(batch) for batch in batches.take(count * steps)]
    return [np.concatenate(order[epoch * steps : (epoch + 1) * steps]).tolist() for epoch in range(count)]


# --- beside a plain loop ---


@fuzzed
@given(st.integers(0, 17), st.integers(0, 31), sizes, sizes)
def test_origins_are_all_rows_with_a_whole_window_before_and_a_whole_horizon_in_the_part(start, stop, window, horizon):
    expected = [row for row in range(start, stop) if row - window >= 0 and row + horizon <= stop]
    rows = windows.origins(start, stop, window, horizon)
    assert rows.tolist() == expected
    assert rows.dtype == np.int32


@fuzzed
@given(st.lists(st.integers(0, TIME), min_size=1, max_size=5), sizes)
def test_a_history_is_the_window_before_its_row_and_nan_before_the_first(rows, window):
    expected = [past_of(row, window) for row in rows]
    np.testing.assert_array_equal(windows.histories(VALUES, one_series(rows), window), expected)


@fuzzed
@given(st.lists(st.integers(0, TIME - 7), min_size=1, max_size=5), sizes)
def test_a_future_starts_at_its_row(rows, horizon):
    expected = [[VALUES[row + ahead] for ahead in range(horizon)] for row in rows]
    np.testing.assert_array_equal(windows.futures(VALUES, one_series(rows), horizon), expected)


def test_evaluation_sees_every_window_once_in_order():
    batches = list(windows.evaluation_batches(ARRAYS, one_series(ROWS), WINDOW, HORIZON, BATCH))
    assert [len(inputs["history"]) for inputs, _ in batches] == [BATCH] * (STEPS - 1) + [
        len(ROWS) - BATCH * (STEPS - 1)
    ]
    np.testing.assert_array_equal(np.concatenate([origins_of(batch) for batch in batches]), ROWS)
    history = np.concatenate([inputs["history"] for inputs, _ in batches])
    future = np.concatenate([future for _, future in batches])
    assert history.dtype == future.dtype == np.float32
    np.testing.assert_array_equal(history, windows.histories(VALUES, one_series(ROWS), WINDOW))
    np.testing.assert_array_equal(future, windows.futures(VALUES, one_series(ROWS), HORIZON))


def test_batches_hold_what_belongs_to_each_window():
    values = np.concatenate([np.arange(40.0), np.arange(1000.0, 1006)])[:, None]  # two series
    arrays = windows.Arrays(
        values=values,
        past=values + 0.25,
        future=values + 0.5,
        static=np.array([[7.0], [8.0]]),
        labels=np.array([[1], [2]]),
    )
    at = windows.Origins(np.array([5, 43]), np.array([0, 40]), np.array([0, 1]))
    ((inputs, future),) = windows.evaluation_batches(arrays, at, 5, 3, 7)
    nan = np.nan
    np.testing.assert_array_equal(inputs["history"][..., 0], [[0, 1, 2, 3, 4], [nan, nan, 1000, 1001, 1002]])
    np.testing.assert_array_equal(
        inputs["past"][..., 0], [[0.25, 1.25, 2.25, 3.25, 4.25], [0, 0, 1000.25, 1001.25, 1002.25]]
    )
    known = [0.5 + np.arange(8), [0, 0, *(1000.5 + np.arange(6))]]
    np.testing.assert_array_equal(inputs["future"][..., 0], known)
    assert (inputs["static"].numpy().tolist(), inputs["labels"].numpy().tolist()) == ([[7], [8]], [[1], [2]])
    np.testing.assert_array_equal(future[..., 0], [[5, 6, 7], [1003, 1004, 1005]])


def test_origins_are_joined_one_after_the_other():
    whole = windows.Origins(np.array([5, 43, 44]), np.array([0, 40, 40]), np.array([0, 1, 1]))
    joined = windows.joined([whole[:1], whole[1:1], whole[1:]])
    for name in ("rows", "firsts", "series"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


# --- the order of training ---


def test_every_epoch_is_another_permutation_of_all_windows():
    orders = epochs(5)
    for order in orders:
        assert sorted(order) == ROWS.tolist()
    assert len({tuple(order) for order in [ROWS.tolist(), *orders]}) == 6


def test_the_last_partial_batch_of_every_epoch_is_kept():
    batches = windows.training_batches(ARRAYS, one_series(ROWS), WINDOW, HORIZON, BATCH, SEED, 0)
    rest = len(ROWS) - BATCH * (STEPS - 1)
    assert 0 < rest < BATCH
    lengths = [len(inputs["history"]) for inputs, _ in batches.take(3 * STEPS)]
    assert lengths == 3 * [*[BATCH] * (STEPS - 1), rest]


def test_training_shows_the_whole_window_and_the_whole_future():
    for inputs, future in windows.training_batches(ARRAYS, one_series(ROWS), WINDOW, HORIZON, BATCH, SEED, 0).take(
        STEPS
    ):
        at = one_series(origins_of((inputs, future)))
        assert list(inputs) == ["history"]
        np.testing.assert_array_equal(inputs["history"], windows.histories(VALUES, at, WINDOW))
        np.testing.assert_array_equal(future, windows.futures(VALUES, at, HORIZON))


@pytest.mark.parametrize("seed", [0, SEED, 2**31 - 1, 2**40 + 7])
def test_an_order_depends_on_its_seed_and_epoch_alone(seed):
    keras.utils.set_random_seed(1)
    orders = epochs(3, seed)
    keras.utils.set_random_seed(2)
    tf.random.uniform([5])
    assert epochs(3, seed) == orders
    assert epochs(3, seed, batch_size=13) == orders


def test_seeds_differ():
    orders = [order for seed in (0, 1, 2) for order in epochs(2, seed)]
    assert len({tuple(order) for order in orders}) == 6


@pytest.mark.parametrize("first", [1, 3])
def test_starting_at_an_epoch_equals_skipping_those_before(first):
    assert epochs(2, first=first) == epochs(first + 2)[first:]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_windows_are_a_training_set_too(count):
    for order in epochs(3, rows=ROWS[:count]):
        assert sorted(order) == ROWS[:count].tolist()
