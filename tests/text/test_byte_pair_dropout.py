"""Merges of byte pairs that are left out at random change the cut of a text, and never the text."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from refusals import refusal

from seqapps.text.byte_pair import FIRST_BYTE, FIRST_MERGE, BytePairs
from seqapps.text.pair_batches import random_encoder
from seqapps.text.tokenizers import fit, from_dict

TEXTS = [
    "low lower lowest, new newer newest; wide wider widest.\n",
    "The newest low is lower than the widest new one, naïve café 🙂 日本語",
    "",
    "x",
]
SEED, MANY = (5, 7), 2_003
A, B, C = (FIRST_BYTE + byte for byte in b"abc")
AB, ABC = FIRST_MERGE, FIRST_MERGE + 1
several = settings(deadline=None, max_examples=60)
seeds = st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 2)
any_texts = st.lists(st.text("lowernstid ,.é日🙂\n\0") | st.text(), max_size=5)


@pytest.fixture(scope="module")
def tokenizer():
    """Of byte pairs; do not change it."""
    return fit("byte_pair", TEXTS * 3, vocabulary_size=300)


@pytest.fixture(scope="module")
def cut(tokenizer):
    """`cut(texts, dropout, seed)`: ragged ids, from one graph for every dropout."""
    signature = [tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.float32), tf.TensorSpec([2], tf.int32)]
    graph = tf.function(tokenizer.encode_with_dropout, input_signature=signature)
    return lambda texts, dropout, seed=SEED: graph(tf.constant(texts, tf.string), dropout, tf.constant(seed))


def pieces_of(text, count):
    """The cuts of one piece that is drawn again and again, with two merges: a-b, then ab-c."""
    pairs = BytePairs([(A, B), (AB, C)])
    ids = pairs.encode_with_dropout(tf.ragged.constant([[text] * count]), 0.3, tf.constant(SEED))
    return pairs, ids.to_list()[0]


# --- the text ---


@several
@given(texts=any_texts, dropout=st.floats(0, 1, exclude_max=True, width=32), seed=seeds)
@example(texts=["low lower lowest", ""], dropout=0.5, seed=(2**31 - 1, 2**31 - 1))
@example(texts=["", ""], dropout=0.5, seed=(0, 0))
def test_decoding_gives_the_text_whatever_is_left_out(tokenizer, cut, texts, dropout, seed):
    ids = cut(texts, dropout, seed)
    assert ids.nrows() == len(texts)
    assert tokenizer.decode(ids).numpy().tolist() == [text.encode() for text in texts]
    assert (ids.values.numpy() >= FIRST_BYTE).all()


@several
@given(texts=any_texts, seed=seeds)
def test_with_a_dropout_of_0_the_ids_are_those_of_encoding(tokenizer, cut, texts, seed):
    assert cut(texts, 0.0, seed).to_list() == tokenizer.encode(tf.constant(texts, tf.string)).to_list()


def test_capitals_and_invalid_utf8_are_read_as_in_encoding():
    tokenizer = fit("byte_pair", TEXTS, 300, lowercase=True)
    ids = tokenizer.encode_with_dropout(tf.constant([b"LOWEST \xff NAIVE"]), 0.5, tf.constant(SEED))
    assert tokenizer.decode(ids).numpy().tolist() == ["lowest \ufffd naive".encode()]


def test_ids_are_ragged_int32_and_a_neighbour_of_any_length_changes_no_text(tokenizer, cut):
    texts = ["low", "", "newest widest " * 211, "low"]
    ids = cut(texts, 0.5)
    assert isinstance(ids, tf.RaggedTensor)
    assert (ids.dtype, ids.shape.as_list(), ids.row_lengths().numpy()[1]) == (tf.int32, [4, None], 0)
    for batch in (texts, texts[::-1], texts[:1]):
        assert tokenizer.decode(cut(batch, 0.5)).numpy().tolist() == [text.encode() for text in batch]


# --- the seed ---


def test_the_same_seed_gives_the_same_ids_and_another_one_others(tokenizer, cut):
    first = cut(TEXTS, 0.5).to_list()
    assert cut(TEXTS, 0.5).to_list() == first
    assert tokenizer.encode_with_dropout(tf.constant(TEXTS), 0.5, tf.constant(SEED)).to_list() == first
    again = from_dict(tokenizer.to_dict())
    assert again.encode_with_dropout(tf.constant(TEXTS), 0.5, tf.constant(SEED)).to_list() == first
    assert random_encoder(tokenizer, 0.5)(tf.constant(TEXTS), tf.constant(SEED)).to_list() == first
    for seed in ((5, 8), (6, 7), (7, 5)):
        assert cut(TEXTS, 0.5, seed).to_list() != first


def test_equal_words_and_equal_texts_are_cut_in_different_ways(cut):
    ids = cut(["newest " * 31] * 3, 0.5).to_list()
    assert len({tuple(row) for row in ids}) == 3
    words = cut(["newest"] * 31, 0.5).to_list()
    assert len({tuple(word) for word in words}) > 2


# --- the dropout ---


def test_more_dropout_gives_more_tokens_up_to_one_for_every_byte(tokenizer, cut):
    counts = [
        np.mean([cut(TEXTS, dropout, (5, seed)).row_lengths().numpy().sum() for seed in range(11)])
        for dropout in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    assert counts == sorted(set(counts))
    size = sum(len(text.encode()) for text in TEXTS)
    assert counts[0] < 0.6 * size
    assert 0.9 * size < counts[-1] <= size


def test_a_merge_is_left_out_as_often_as_the_dropout_says():
    pairs, pieces = pieces_of(b"ab", MANY)
    assert set(pieces) == {A, B, AB}
    left_out = pieces.count(A) / MANY
    assert abs(left_out - 0.3) < 4 * np.sqrt(0.3 * 0.7 / MANY)  # four standard errors
    assert pairs.encode(tf.ragged.constant([[b"ab"]])).to_list() == [[AB]]


def test_a_piece_ends_with_the_first_round_that_leaves_out_all_its_merges():
    # Without a-b in the first round `abc` stays three bytes; without ab-c in the second it is two tokens.
    _, pieces = pieces_of(b"abc", MANY)
    found = {tokens: pieces.count(tokens[0]) / MANY for tokens in ((A, B, C), (AB, C), (ABC,))}
    for tokens, expected in {(A, B, C): 0.3, (AB, C): 0.7 * 0.3, (ABC,): 0.7 * 0.7}.items():
        assert abs(found[tokens] - expected) < 4 * np.sqrt(expected * (1 - expected) / MANY)
    assert sum(found.values()) == pytest.approx(1)
    assert pieces.count(C) == pieces.count(A) + pieces.count(AB)


def test_every_cut_that_the_merges_allow_comes_and_no_other():
    merges = [(A, B), (B, C), (AB, C), (A, FIRST_MERGE + 1)]
    whole = tuple(FIRST_BYTE + byte for byte in b"abcab")
    allowed, new = set(), {whole}
    while new:
        allowed |= new
        new = {
            (*ids[:place], FIRST_MERGE + rank, *ids[place + 2 :])
            for ids in new
            for rank, pair in enumerate(merges)
            for place in range(len(ids) - 1)
            if ids[place : place + 2] == pair
        }
    ids = BytePairs(merges).encode_with_dropout(tf.ragged.constant([[b"abcab"]] * MANY), 0.5, tf.constant(SEED))
    assert len(allowed) == 10
    assert {tuple(row) for row in ids.to_list()} == allowed


# --- other tokenizers ---


@pytest.mark.parametrize("kind", ["word", "whitespace", "character"])
def test_a_tokenizer_that_merges_nothing_refuses_a_dropout(kind):
    other = fit(kind, TEXTS, 300)
    with refusal(f"`kind` must be 'byte_pair' for merges to be left out. Received: kind={kind!r}."):
        other.encode_with_dropout(tf.constant(TEXTS), 0.1, tf.constant(SEED))
