"""Encoded texts go to disk and come back, and batches of about equal length repeat themselves when a run resumes."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.text import batches
from seqapps.text.batches import Encoded

TEXTS, BATCH, POOL, SEED = 41, 3, 5, 7
ROWS = [[4, 5, 6], [], [7], [8, 9, 4, 5, 6]]  # token ids


def letters(texts):
    """Every letter as its code point."""
    return tf.strings.unicode_decode(texts, "UTF-8")


def encoded(rows=ROWS):
    """Texts in memory."""
    starts = np.cumsum([0, *map(len, rows)])
    return Encoded(np.array([token for row in rows for token in row], "int32"), starts)


def numbered(count=TEXTS):
    """Texts of many lengths; every token of text `i` is `i + 1`."""
    lengths = np.random.default_rng(0).integers(0, 17, count)
    return encoded([[number + 1] * length for number, length in enumerate(lengths)])


def all_batches(dataset):
    return [[value.numpy() for value in batch] for batch in dataset]


def assert_same(received, expected):
    assert len(received) == len(expected)
    for ours, theirs in zip(received, expected, strict=True):
        for value, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(value, other)
            assert value.dtype == other.dtype


def cells(rows, lengths):
    """Steps of all batches, with padding."""
    return sum(len(each) * max(1, lengths[each].max()) for each in rows)


# --- on disk ---


def test_texts_come_back_from_disk_as_they_were_encoded(tmp_path):
    texts = ["abc", "", "é日🙂", "x" * 1000]
    found = batches.encode(texts, letters, tmp_path / "ids")
    assert len(found) == 4
    assert found.lengths.tolist() == [3, 0, 3, 1000]
    for text, start, stop in zip(texts, found.starts, found.starts[1:], strict=False):
        assert "".join(map(chr, found.token_ids[start:stop])) == text
    assert isinstance(found.token_ids, np.memmap)
    assert found.token_ids.dtype == "int32"
    assert (tmp_path / "ids").stat().st_size == 4 * 1006


def test_more_texts_than_are_encoded_at_once_keep_their_order(tmp_path):
    count = 2 * batches.TEXTS_AT_ONCE + 3
    found = batches.encode((chr(number + 1) for number in range(count)), letters, tmp_path / "ids")
    assert found.token_ids.tolist() == list(range(1, count + 1))
    assert (found.lengths == 1).all()


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""]])
def test_no_text_and_empty_texts_are_encoded_too(tmp_path, texts):
    found = batches.encode(texts, letters, tmp_path / "ids")
    assert (len(found), found.lengths.tolist()) == (len(texts), [0] * len(texts))
    assert found.padded(np.arange(len(texts))).shape == (len(texts), 1)
    assert (found.padded(np.arange(len(texts))) == 0).all()


def test_an_old_file_is_replaced(tmp_path):
    batches.encode(["abcdefg"], letters, tmp_path / "ids")
    found = batches.encode(["xy"], letters, tmp_path / "ids")
    assert found.token_ids.tolist() == [ord("x"), ord("y")]


def test_chunks_hold_every_text_in_its_order():
    assert list(batches.chunks("abcdefg", 3)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert list(batches.chunks(iter("abc"), 3)) == [["a", "b", "c"]]
    assert list(batches.chunks([], 3)) == []


# --- padding ---


def test_texts_are_padded_right_to_the_longest_that_is_asked_for():
    assert encoded().padded(np.array([2, 0])).tolist() == [[7, 0, 0], [4, 5, 6]]
    assert encoded().padded(np.array([3, 1, 0])).tolist() == [[8, 9, 4, 5, 6], [0] * 5, [4, 5, 6, 0, 0]]
    assert encoded().padded(np.array([1, 1])).tolist() == [[0], [0]]
    assert encoded().padded(np.array([], int)).shape == (0, 1)
    assert encoded().padded(np.array([0])).dtype == "int32"


# --- buckets ---


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 30), max_size=50),
    batch_size=st.integers(1, 7),
    epoch=st.integers(0, 3),
    pool=st.integers(1, 4),
)
def test_an_epoch_holds_every_text_once_in_batches_of_one_size(lengths, batch_size, epoch, pool):
    rows = batches.bucketed(np.array(lengths, int), batch_size, SEED, epoch, pool)
    assert sorted(row for each in rows for row in each) == list(range(len(lengths)))
    sizes = sorted((len(each) for each in rows), reverse=True)
    whole, rest = divmod(len(lengths), batch_size)
    assert sizes == [batch_size] * whole + [rest] * (rest > 0)


def test_the_order_of_an_epoch_depends_on_seed_and_number_alone():
    lengths = numbered().lengths
    first = batches.bucketed(lengths, BATCH, SEED, epoch=0, pool=POOL)
    again = batches.bucketed(lengths.copy(), BATCH, SEED, epoch=0, pool=POOL)
    assert [each.tolist() for each in first] == [each.tolist() for each in again]
    for seed, epoch in ((SEED, 1), (SEED + 1, 0), (1, SEED)):
        other = batches.bucketed(lengths, BATCH, seed, epoch, pool=POOL)
        assert [each.tolist() for each in first] != [each.tolist() for each in other]


def test_a_bucket_holds_texts_of_neighbouring_lengths_and_buckets_come_in_a_random_order():
    lengths = np.arange(60)[::-1]
    rows = batches.bucketed(lengths, BATCH, SEED, epoch=0)  # fewer texts than are sorted together
    assert sorted(sorted(lengths[each].tolist()) for each in rows) == [[n, n + 1, n + 2] for n in range(0, 60, BATCH)]
    longest = [lengths[each].max() for each in rows]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_bucketing_pads_less_and_a_pool_of_one_batch_does_nothing():
    lengths = np.random.default_rng(0).integers(1, 101, 1009)
    real = lengths.sum()
    plain = cells(batches.bucketed(lengths, BATCH, SEED, epoch=0, pool=1), lengths)
    some = cells(batches.bucketed(lengths, BATCH, SEED, epoch=0, pool=POOL), lengths)
    usual = cells(batches.bucketed(lengths, BATCH, SEED, epoch=0), lengths)
    assert real < usual < some < plain
    assert usual - real < 0.01 * real
    assert plain - real > 0.3 * real
    unsorted = batches.bucketed(np.arange(TEXTS), BATCH, SEED, epoch=0, pool=1)
    generator = np.random.default_rng([SEED, 0])
    order = generator.permutation(TEXTS)
    expected = [order[start : start + BATCH].tolist() for start in range(0, TEXTS, BATCH)]
    assert sorted(each.tolist() for each in unsorted) == sorted(expected)


# --- training ---


def training(first_epoch=0, seed=SEED, targets=None, weights=None):
    texts = numbered()
    targets = np.arange(TEXTS, dtype="int32") if targets is None else targets
    weights = np.arange(TEXTS, dtype="float32") / 2 if weights is None else weights
    return batches.training_batches(texts, targets, weights, BATCH, seed, first_epoch)


STEPS = -(-TEXTS // BATCH)


def test_a_training_that_goes_on_at_an_epoch_sees_what_an_uninterrupted_one_sees():
    whole = all_batches(training().take(3 * STEPS))
    assert_same(all_batches(training(first_epoch=2).take(STEPS)), whole[2 * STEPS :])
    assert_same(all_batches(training(first_epoch=1).take(2 * STEPS)), whole[STEPS:])
    other = all_batches(training(seed=SEED + 1).take(STEPS))
    assert [batch[1].tolist() for batch in other] != [batch[1].tolist() for batch in whole[:STEPS]]


def test_every_epoch_of_a_training_holds_every_text_once_with_its_target_and_weight():
    dataset = training()
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    lengths = numbered().lengths
    for epoch in np.array_split(np.arange(2 * STEPS), 2):
        seen = []
        for ids, targets, weights in all_batches(training().skip(epoch[0]).take(STEPS)):
            assert ids.shape[1] == max(1, lengths[targets].max())
            np.testing.assert_array_equal((ids > 0).sum(axis=1), lengths[targets])
            assert all(set(row) <= {0, text + 1} for row, text in zip(ids.tolist(), targets, strict=True))
            np.testing.assert_array_equal(weights, targets / 2)
            seen += targets.tolist()
        assert sorted(seen) == list(range(TEXTS))


def test_targets_may_be_rows_of_zeros_and_ones():
    table = np.eye(TEXTS, 5, dtype="float32")
    dataset = training(targets=table)
    assert [spec.shape.as_list() for spec in dataset.element_spec] == [[None, None], [None, 5], [None]]
    for ids, targets, _ in all_batches(dataset.take(STEPS)):
        texts = ids.max(axis=1) - 1  # an empty text tells no number
        np.testing.assert_array_equal(targets[texts >= 0], table[texts[texts >= 0]])


# --- evaluation ---


@pytest.mark.parametrize("batch_size", [1, BATCH, TEXTS, TEXTS + 1])
def test_an_evaluation_holds_every_text_once_the_shortest_first(batch_size):
    texts = numbered()
    dataset = batches.evaluation_batches(texts, np.arange(TEXTS, dtype="int32"), batch_size)
    found = all_batches(dataset)
    assert len(found) == int(dataset.cardinality()) == -(-TEXTS // batch_size)
    order = np.concatenate([targets for _, targets in found])
    assert sorted(order) == list(range(TEXTS))
    assert (np.diff(texts.lengths[order]) >= 0).all()
    for ids, targets in found:
        np.testing.assert_array_equal((ids > 0).sum(axis=1), texts.lengths[targets])
    assert_same(all_batches(dataset), found)  # once more, as after every epoch
