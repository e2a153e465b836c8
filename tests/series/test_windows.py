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
ROWS = windows.origins(0, TIME, WINDOW, HORIZON)
STEPS = -(-len(ROWS) // BATCH)
sizes = st.integers(1, 7)
fuzzed = settings(deadline=None)


def past_of(row, window):
    """The window before a row, one value at a time."""
    return [VALUES[step] if step >= 0 else [np.nan] * TARGETS for step in range(row - window, row)]


def origins_of(batch):
    """Which rows the windows of a batch come from: the first target counts in steps of `TARGETS`."""
    history, future = batch
    last = history[:, -1, 0].numpy()
    np.testing.assert_array_equal(future[:, 0, 0], last + TARGETS)
    return (last / TARGETS).astype(int) + 1


def epochs(count, seed=SEED, first=0, batch_size=BATCH, rows=ROWS):
    """The order of the rows in `count` epochs."""
    batches = windows.training_batches(VALUES, rows, WINDOW, HORIZON, batch_size, seed, first)
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
    np.testing.assert_array_equal(windows.histories(VALUES, np.array(rows), window), expected)


@fuzzed
@given(st.lists(st.integers(0, TIME - 7), min_size=1, max_size=5), sizes)
def test_a_future_starts_at_its_row(rows, horizon):
    expected = [[VALUES[row + ahead] for ahead in range(horizon)] for row in rows]
    np.testing.assert_array_equal(windows.futures(VALUES, np.array(rows), horizon), expected)


def test_evaluation_sees_every_window_once_in_order():
    batches = list(windows.evaluation_batches(VALUES, ROWS, WINDOW, HORIZON, BATCH))
    assert [len(history) for history, _ in batches] == [BATCH] * (STEPS - 1) + [len(ROWS) - BATCH * (STEPS - 1)]
    np.testing.assert_array_equal(np.concatenate([origins_of(batch) for batch in batches]), ROWS)
    history, future = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))
    assert history.dtype == future.dtype == np.float32
    np.testing.assert_array_equal(history, windows.histories(VALUES, ROWS, WINDOW))
    np.testing.assert_array_equal(future, windows.futures(VALUES, ROWS, HORIZON))


# --- the order of training ---


def test_every_epoch_is_another_permutation_of_all_windows():
    orders = epochs(5)
    for order in orders:
        assert sorted(order) == ROWS.tolist()
    assert len({tuple(order) for order in [ROWS.tolist(), *orders]}) == 6


def test_the_last_partial_batch_of_every_epoch_is_kept():
    batches = windows.training_batches(VALUES, ROWS, WINDOW, HORIZON, BATCH, SEED, 0)
    rest = len(ROWS) - BATCH * (STEPS - 1)
    assert 0 < rest < BATCH
    lengths = [len(history) for history, _ in batches.take(3 * STEPS)]
    assert lengths == 3 * [*[BATCH] * (STEPS - 1), rest]


def test_training_shows_the_whole_window_and_the_whole_future():
    for history, future in windows.training_batches(VALUES, ROWS, WINDOW, HORIZON, BATCH, SEED, 0).take(STEPS):
        rows = origins_of((history, future))
        np.testing.assert_array_equal(history, windows.histories(VALUES, rows, WINDOW))
        np.testing.assert_array_equal(future, windows.futures(VALUES, rows, HORIZON))


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
