"""Pairs are encoded once, batched by their tokens, and come again in the same order when a training goes on."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.text import pair_batches, tokenizers
from seqapps.text.batches import TEXTS_AT_ONCE, Encoded
from seqapps.text.kinds import END, PAD, START
from seqapps.text.pair_batches import EncodedPairs, by_tokens, random_encoder, store

PAIRS, TOKENS, ROWS, SEED, DROPOUT = 41, 53, 5, 7, 0.5
SOURCES = [[5, 6, END], [END], [7, END], [8, 9, 5, 6, END]]  # token ids
TARGETS = [[11, END], [12, 13, 14, END], [END], [15, 16, END]]


def letters(texts):
    """Every letter as its code point."""
    return tf.strings.unicode_decode(texts, "UTF-8")


def encoded(rows):
    """Ids in memory."""
    return Encoded(np.array([token for row in rows for token in row], "int32"), np.cumsum([0, *map(len, rows)]))


def pairs(rows=(0, 1, 2, 3)):
    return EncodedPairs(encoded(SOURCES), encoded(TARGETS), np.array(rows, int))


def arrays(dataset):
    return [[value.numpy() for value in tf.nest.flatten(batch)] for batch in dataset]


def assert_same(received, expected):
    assert len(received) == len(expected)
    for ours, theirs in zip(received, expected, strict=True):
        for value, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(value, other)
            assert value.dtype == other.dtype == "int32"


def sentences(words, generator):
    return [" ".join(generator.choice(words, length)) for length in generator.integers(0, 11, PAIRS)]


@pytest.fixture(scope="module")
def texts():
    """Sources and targets of many lengths, some of them empty."""
    generator = np.random.default_rng(0)
    return sentences(["low", "lower", "newest", "widest"], generator), sentences(["bas", "plus", "large"], generator)


@pytest.fixture(scope="module")
def tokenizer(texts):
    return tokenizers.fit("byte_pair", [*texts[0], *texts[1]], vocabulary_size=300)


@pytest.fixture(scope="module")
def made(texts, tokenizer, tmp_path_factory):
    """`made(dropout)`: the same pairs, and with dropout the encoders that cut them in other ways."""
    folder = tmp_path_factory.mktemp("pairs")
    sides = [pair_batches.encode(side, tokenizer.encode, folder / f"{at}.ids") for at, side in enumerate(texts)]
    stored = [store(side, folder / f"{at}.texts") for at, side in enumerate(texts)]
    again = tuple((side, random_encoder(tokenizer, DROPOUT)) for side in stored)
    return lambda dropout: EncodedPairs(*sides, np.arange(PAIRS), again if dropout else None)


with_and_without_dropout = pytest.mark.parametrize("dropout", [False, True])

# --- texts on disk ---


@settings(deadline=None, max_examples=100)
@given(
    texts=st.lists(st.text(max_size=13) | st.sampled_from(["", "é", "日本 🙂", "\n", "\0"]), max_size=11),
    data=st.data(),
)
def test_stored_texts_come_back_in_any_order(tmp_path_factory, texts, data):
    stored = store(iter(texts), tmp_path_factory.getbasetemp() / "stored")
    rows = data.draw(st.lists(st.sampled_from(range(len(texts))), max_size=17)) if texts else []
    assert stored.of(np.array(rows, int)) == [texts[row].encode() for row in rows]
    assert stored.of(np.arange(len(texts))) == [text.encode() for text in texts]


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""]])
def test_no_text_and_empty_texts_are_stored_too(tmp_path, texts):
    assert store(texts, tmp_path / "texts").of(np.arange(len(texts))) == [b""] * len(texts)


def test_stored_texts_are_read_from_disk_and_replace_an_old_file(tmp_path):
    path = tmp_path / "texts"
    store(["an older text"], path)
    stored = store(["é", "", "xy"], path)
    assert (path.read_bytes(), stored.starts.tolist()) == ("éxy".encode(), [0, 2, 2, 4])
    assert isinstance(stored.content, np.memmap)


# --- ids on disk ---


def test_every_text_is_encoded_with_its_end(tmp_path):
    path = tmp_path / "ids"
    pair_batches.encode(["an older text"], letters, path)
    found = pair_batches.encode(["abc", "", "é日🙂", "x" * 1000], letters, path)
    assert found.lengths.tolist() == [4, 1, 4, 1001]
    assert found.padded(np.array([1, 0])).tolist() == [[END, PAD, PAD, PAD], [*map(ord, "abc"), END]]
    assert found.padded(np.array([2])).tolist() == [[*map(ord, "é日🙂"), END]]
    assert (found.token_ids == END).sum() == 4
    assert isinstance(found.token_ids, np.memmap)
    assert found.token_ids.dtype == "int32"
    assert path.stat().st_size == 4 * 1010


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""]])
def test_no_text_and_empty_texts_are_encoded_too(tmp_path, texts):
    found = pair_batches.encode(texts, letters, tmp_path / "ids")
    assert (len(found), found.token_ids.tolist()) == (len(texts), [END] * len(texts))


def test_more_texts_than_are_encoded_at_once_keep_their_order(tmp_path):
    count = 2 * TEXTS_AT_ONCE + 3
    found = pair_batches.encode((chr(ord("a") + number) for number in range(count)), letters, tmp_path / "ids")
    assert found.token_ids.tolist() == [id for number in range(count) for id in (ord("a") + number, END)]


def test_ids_of_a_tokenizer_are_those_it_gives_with_the_end(made, texts, tokenizer):
    for ids, side in zip((made(False).source, made(False).target), texts, strict=True):
        expected = [[*row, END] for row in tokenizer.encode(tf.constant(side)).to_list()]
        assert [
            ids.token_ids[start:stop].tolist() for start, stop in zip(ids.starts, ids.starts[1:], strict=False)
        ] == (expected)


def test_copied_ids_are_read_from_files_of_their_own(made, tmp_path):
    (tmp_path / "mine.source.ids").write_bytes(b"an older file")
    first = made(False)
    copy = first.copied(tmp_path, "mine")
    for side in ("source", "target"):
        theirs, ours = getattr(first, side), getattr(copy, side)
        assert isinstance(ours.token_ids, np.memmap)
        assert (tmp_path / f"mine.{side}.ids").read_bytes() == theirs.token_ids.tobytes()
        np.testing.assert_array_equal(ours.starts, theirs.starts)
        assert ours.token_ids.dtype == "int32"
    chosen = np.arange(PAIRS)
    assert_same([tf.nest.flatten(copy.batch(chosen))], [tf.nest.flatten(first.batch(chosen))])
    none = EncodedPairs(encoded([]), encoded([]), np.zeros(0, int)).copied(tmp_path, "none")
    assert (len(none), none.source.token_ids.tolist()) == (0, [])


# --- a batch ---


def test_a_model_takes_the_source_and_the_target_one_step_later_and_answers_the_target():
    (source, so_far), target = pairs().batch(np.array([3, 0]))
    assert source.tolist() == [[8, 9, 5, 6, END], [5, 6, END, PAD, PAD]]
    assert so_far.tolist() == [[START, 15, 16], [START, 11, PAD]]
    assert target.tolist() == [[15, 16, END], [11, END, PAD]]
    assert {source.dtype, so_far.dtype, target.dtype} == {np.dtype("int32")}


def test_empty_sources_and_targets_have_one_step():
    (source, so_far), target = pairs().batch(np.array([1]))
    assert (source.tolist(), so_far.tolist()) == ([[END]], [[START, 12, 13, 14]])
    (source, so_far), target = pairs().batch(np.array([2]))
    assert (source.tolist(), so_far.tolist(), target.tolist()) == ([[7, END]], [[START]], [[END]])


def test_the_length_of_a_pair_is_that_of_its_longer_side():
    assert pairs().lengths.tolist() == [3, 4, 2, 5]
    assert pairs([3, 1]).lengths.tolist() == [5, 4]
    assert (len(pairs()), len(pairs([3, 1])), len(pairs([]))) == (4, 2, 0)


def test_positions_of_a_batch_count_the_pairs_that_are_there():
    whole, some = pairs(), pairs([3, 1, 0])
    for chosen, rows in (([0], [3]), ([2, 1], [0, 1]), ([0, 1, 2], [3, 1, 0])):
        received, expected = some.batch(np.array(chosen)), whole.batch(np.array(rows))
        assert_same([tf.nest.flatten(received)], [tf.nest.flatten(expected)])


def test_a_seed_cuts_the_same_texts_in_other_ways_on_both_sides(made, texts, tokenizer):
    chosen = np.array([3, 0, 31, 17])
    for rows in (np.arange(PAIRS), np.arange(PAIRS)[::-1]):
        some = EncodedPairs(made(True).source, made(True).target, rows, made(True).again)
        (source, so_far), target = some.batch(chosen, seed=(SEED, 2**31 - 1))
        (plain_source, _), plain_target = some.batch(chosen)
        for ids, plain, side in ((source, plain_source, texts[0]), (target, plain_target, texts[1])):
            assert tokenizer.decode(tf.constant(ids)).numpy().tolist() == [side[row].encode() for row in rows[chosen]]
            assert (ids == END).sum(axis=1).tolist() == [1] * len(chosen)
            assert (ids != PAD).sum() > (plain != PAD).sum()
        assert so_far[:, 0].tolist() == [START] * len(chosen)
        np.testing.assert_array_equal(so_far[:, 1:], np.where(target[:, :-1] == END, PAD, target[:, :-1]))


def test_the_cut_depends_on_the_seed_alone_and_the_sides_do_not_share_it(made, texts):
    some = made(True)
    same_sides = EncodedPairs(some.source, some.source, some.rows, (some.again[0], some.again[0]))
    chosen = np.arange(ROWS)
    first, again = (tf.nest.flatten(same_sides.batch(chosen, (SEED, 3))) for _ in range(2))
    assert_same([first], [again])
    assert first[0].tolist() != first[2].tolist()
    for seed in ((SEED + 1, 3), (SEED, 4)):
        assert same_sides.batch(chosen, seed)[1].tolist() != first[2].tolist()


def test_without_a_seed_or_without_encoders_the_ids_are_those_on_disk(made):
    chosen = np.array([5, 2, 23])
    expected = tf.nest.flatten(made(False).batch(chosen))
    for received in (made(True).batch(chosen), made(False).batch(chosen, seed=(SEED, 3))):
        assert_same([tf.nest.flatten(received)], [expected])


# --- training ---


def steps(some):
    return len(by_tokens(some.lengths, TOKENS, ROWS, SEED, 0))


@with_and_without_dropout
def test_a_training_that_goes_on_at_an_epoch_sees_what_an_uninterrupted_one_sees(made, dropout):
    some = made(dropout)
    count = steps(some)
    whole = arrays(pair_batches.training_batches(some, TOKENS, ROWS, SEED, 0).take(3 * count))
    for first in (1, 2):
        rest = pair_batches.training_batches(some, TOKENS, ROWS, SEED, first).take((3 - first) * count)
        assert_same(arrays(rest), whole[first * count :])
    other = arrays(pair_batches.training_batches(some, TOKENS, ROWS, SEED + 1, 0).take(count))
    assert [batch[2].tolist() for batch in other] != [batch[2].tolist() for batch in whole[:count]]


@with_and_without_dropout
def test_every_epoch_of_a_training_holds_every_pair_once(made, texts, tokenizer, dropout):
    some = made(dropout)
    dataset = pair_batches.training_batches(some, TOKENS, ROWS, SEED, 0)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    found, count = arrays(dataset.take(2 * steps(some))), steps(some)
    expected = sorted((source.encode(), target.encode()) for source, target in zip(*texts, strict=True))
    for epoch in (found[:count], found[count:]):
        seen = []
        for source, _, target in epoch:
            seen += zip(*(tokenizer.decode(tf.constant(ids)).numpy().tolist() for ids in (source, target)), strict=True)
        assert sorted(seen) == expected


def test_dropout_keeps_the_order_of_the_pairs_and_cuts_them_anew_in_every_epoch(made, tokenizer):
    plain, random = (
        arrays(pair_batches.training_batches(made(dropout), TOKENS, ROWS, SEED, 0).take(2 * steps(made(False))))
        for dropout in (False, True)
    )
    cuts = [{}, {}]
    for number, (ours, theirs) in enumerate(zip(random, plain, strict=True)):
        sources = [tokenizer.decode(tf.constant(batch[0])).numpy().tolist() for batch in (ours, theirs)]
        assert sources[0] == sources[1]
        rows = (tuple(row[row != PAD]) for row in ours[0])
        cuts[number // steps(made(False))] |= dict(zip(sources[0], rows, strict=True))
    changed = [cuts[0][text] != cuts[1][text] for text in cuts[0] if len(text) > 11]
    assert sum(changed) > 0.9 * len(changed)


def test_batches_of_the_same_pair_are_cut_in_different_ways_in_an_epoch_and_from_epoch_to_epoch(made):
    some = made(True)
    longest = int(some.lengths.argmax())
    twice = EncodedPairs(some.source, some.target, np.array([longest, longest]), some.again)
    found = arrays(pair_batches.training_batches(twice, TOKENS, 1, SEED, 0).take(6))
    assert len({tuple(source[0]) for source, _, _ in found}) == 6


# --- evaluation ---


@with_and_without_dropout
@pytest.mark.parametrize(("tokens", "rows"), [(TOKENS, ROWS), (1, 1), (10_007, PAIRS)])
def test_an_evaluation_holds_every_pair_once_as_it_is_on_disk(made, tokens, rows, dropout):
    some = made(dropout)
    dataset = pair_batches.evaluation_batches(some, tokens, rows)
    found = arrays(dataset)
    assert len(found) == int(dataset.cardinality()) == len(by_tokens(some.lengths, tokens, rows, 0, 0))
    seen = [tuple(tuple(ids[ids != PAD]) for ids in row) for batch in found for row in zip(*batch, strict=True)]
    expected = []
    for row in range(PAIRS):
        (source, so_far), target = made(False).batch(np.array([row]))
        expected.append(tuple(tuple(ids[0][ids[0] != PAD]) for ids in (source, so_far, target)))
    assert sorted(seen) == sorted(expected)
    assert_same(arrays(dataset), found)  # once more, as after every epoch


def test_an_evaluation_of_some_pairs_holds_no_others():
    found = arrays(pair_batches.evaluation_batches(pairs([3, 1]), TOKENS, ROWS))
    assert [[ids.tolist() for ids in batch] for batch in found] == [
        [
            [[END, PAD, PAD, PAD, PAD], [8, 9, 5, 6, END]],
            [[START, 12, 13, 14], [START, 15, 16, PAD]],
            [[12, 13, 14, END], [15, 16, END, PAD]],
        ]
    ]
    assert arrays(pair_batches.evaluation_batches(pairs([]), TOKENS, ROWS)) == []
