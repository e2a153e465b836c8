"""Byte pairs are merged as the published algorithm merges them: in training, and inside the graph."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqapps.text import pieces
from seqapps.text.byte_pair import FIRST_BYTE, FIRST_MERGE, BytePairs, texts_of, train

ROOT = Path(__file__).parents[2]
SENNRICH = {b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3}  # Sennrich et al. 2016, Algorithm 1
MULTILINGUAL = [
    "naïve café — “quoted” 🙂 don't 12345\n",
    "日本語のテスト、東京。",
    "हिन्दी में लिखा हुआ",
    "מימין לשמאל 👩‍👩‍👧‍👦",
    "\t\tif x == 1:\r\n",
]
fuzzed = settings(deadline=None, max_examples=100)
corpora = st.dictionaries(st.text("abc", min_size=1, max_size=9).map(str.encode), st.integers(1, 5), max_size=12)


def plain_train(counts, most):
    """The algorithm with every pair counted anew before each merge; the texts of the merged pairs."""
    words = {piece: [bytes([byte]) for byte in piece] for piece in counts}
    merges = []
    while len(merges) < most:
        pairs = Counter()
        for piece, symbols in words.items():
            for pair in pairwise(symbols):
                pairs[pair] += counts[piece]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < 2:
            break
        merges.append(best)
        for symbols in words.values():
            place = 0
            while place < len(symbols) - 1:
                if (symbols[place], symbols[place + 1]) == best:
                    symbols[place : place + 2] = [b"".join(best)]
                place += 1
    return merges


def plain_encode(piece, merges):
    """The pair of lowest rank first, of equal ones the leftmost, one merge at a time."""
    ranks = {pair: FIRST_MERGE + rank for rank, pair in enumerate(merges)}
    ids = [FIRST_BYTE + byte for byte in piece]
    while found := [(ranks[pair], place) for place, pair in enumerate(pairwise(ids)) if pair in ranks]:
        merged, place = min(found)
        ids[place : place + 2] = [merged]
    return ids


def counted(texts):
    return Counter(pieces.byte_pieces(tf.constant(texts)).values.numpy().tolist())


@pytest.fixture(scope="module")
def real_texts():
    """Lines of this project's pages, which hold prose, tables, code and numbers, and lines in other scripts."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines(keepends=True)]
    assert len(lines) >= 200
    return [*lines[::2], *MULTILINGUAL * 2], [*lines[1::2], *MULTILINGUAL]


@pytest.fixture(scope="module")
def trained(real_texts):
    return BytePairs(train(counted(real_texts[0]), 700))


# --- training ---


def test_the_published_example_gives_the_published_merges():
    with_end_of_word = {piece + b"_": count for piece, count in SENNRICH.items()}
    assert texts_of(train(with_end_of_word, most=5))[FIRST_MERGE:] == [b"es", b"est", b"est_", b"lo", b"low"]


def test_equal_counts_are_decided_by_the_bytes_and_nothing_is_merged_that_occurs_once():
    # After `low` the pairs n-e, e-w and w-est occur 6 times each; after `newest` w-i, i-d and d-est 3 times; then e-r
    # and low-e twice.
    expected = [
        *(b"es", b"est", b"lo", b"low"),
        *(b"ew", b"ewest", b"newest"),
        *(b"dest", b"idest", b"widest"),
        *(b"er", b"lower"),
    ]
    assert texts_of(train(SENNRICH, most=100))[FIRST_MERGE:] == expected
    assert train({b"abc": 1}, most=100) == []
    assert train(SENNRICH, most=0) == []


def test_pairs_that_overlap_are_counted_at_every_place_and_merged_from_the_left():
    assert texts_of(train({b"aaa": 1}, most=9))[FIRST_MERGE:] == [b"aa"]  # two places; then aa-a occurs once
    assert texts_of(train({b"aaaaa": 2}, most=9))[FIRST_MERGE:] == [b"aa", b"aaa", b"aaaaa"]  # aa-aa and aa-a are equal


@fuzzed
@given(corpora, st.integers(0, 20))
@example({b"aaa": 1, b"baaa": 2, b"aaaabaaaa": 1}, 20)
def test_training_finds_what_counting_anew_finds_in_any_order_of_pieces(counts, most):
    merges = train(counts, most)
    texts = texts_of(merges)
    assert [(texts[left], texts[right]) for left, right in merges] == plain_train(counts, most)
    assert train(dict(reversed(counts.items())), most) == merges
    assert len(set(texts)) == len(texts)


def test_real_texts_are_trained_as_by_counting_anew(real_texts):
    counts = counted(real_texts[0])
    texts = texts_of(merges := train(counts, 60))
    assert [(texts[left], texts[right]) for left, right in merges] == plain_train(counts, 60)


# --- encoding ---


def test_a_new_word_is_made_of_the_parts_that_were_learnt():
    pairs = BytePairs(train(SENNRICH, most=4))
    ids = pairs.encode(tf.ragged.constant([[b"lowest", b"wow"], [], [b"low"]]))
    assert [[pairs.texts[id] for id in row] for row in ids.to_list()] == [
        [b"low", b"est", b"w", b"o", b"w"],
        [],
        [b"low"],
    ]
    assert ids.dtype == tf.int32


def test_every_token_is_one_token_when_it_stands_alone(trained):
    ids = range(FIRST_BYTE, len(trained.texts))
    assert [plain_encode(trained.texts[id], trained.merges) for id in ids] == [[id] for id in ids]
    assert trained.encode(tf.ragged.constant([[trained.texts[id]] for id in ids])).to_list() == [[id] for id in ids]


def test_real_texts_are_encoded_as_by_a_plain_reading(trained, real_texts):
    row = pieces.byte_pieces(tf.constant(real_texts[1]))
    expected = [[id for piece in row for id in plain_encode(piece, trained.merges)] for row in row.to_list()]
    assert trained.encode(row).to_list() == expected
    lengths = [len(plain_encode(piece, trained.merges)) for piece in row.values.numpy().tolist()]
    assert lengths.count(1) > len(lengths) / 2  # most by the table of whole pieces,
    assert len(set(lengths)) > 5  # and others by merging


@settings(fuzzed, max_examples=15)
@given(corpora, st.lists(st.lists(st.text("abcd", min_size=1, max_size=32).map(str.encode), max_size=5), max_size=5))
@example({b"abc": 2, b"abd": 2, b"bcd": 3}, [[b"abcdabcd", b"a" * 32]])
def test_any_pieces_are_encoded_as_by_a_plain_reading(counts, batch):
    pairs = BytePairs(train(counts, most=20))
    rows = tf.ragged.constant(batch, tf.string, ragged_rank=1)
    expected = [[id for piece in row for id in plain_encode(piece, pairs.merges)] for row in batch]
    assert pairs.encode(rows).to_list() == expected


A, B, C = (FIRST_BYTE + byte for byte in b"abc")


@pytest.mark.parametrize(
    ("merges", "expected"),
    [
        ([(A, B), (B, C), (A, FIRST_MERGE + 1)], [FIRST_MERGE, C]),  # a-b goes first: the last token is never made
        ([(A, B), (FIRST_MERGE, C), (B, C), (A, FIRST_MERGE + 2)], [FIRST_MERGE + 1]),  # two tokens have these bytes
    ],
)
def test_merges_from_elsewhere_are_obeyed(merges, expected):
    assert plain_encode(b"abc", merges) == expected
    assert BytePairs(merges).encode(tf.ragged.constant([[b"abc"]])).to_list() == [expected]
