"""Word vectors are read from the files of GloVe, word2vec and fastText, each word by the rule that the page states."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal

from seqapps.text import embeddings

TOKENS = ("<pad>", "<unk>", "<start>", "<end>", "good", "bad", "at home", "東京", "x")
GOOD, BAD, AT_HOME, TOKYO, X = 4, 5, 6, 7, 8
SEED, SIZE = 7, 3


@pytest.fixture
def written(tmp_path):
    """Writes lines to a file and gives its path."""

    def write(*lines, name="vectors.txt", end="\n"):
        content = "".join(f"{line}{end}" for line in lines).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return write


def read(path, lowercase=False, tokens=TOKENS, seed=SEED, size=None):
    return embeddings.read(path, tokens, lowercase, seed, size)


# --- formats ---


@pytest.mark.parametrize(
    ("name", "header", "blank", "end"),
    [
        ("glove.txt", (), "", "\n"),
        ("glove.txt.gz", (), "", "\n"),
        ("word2vec.txt", ("4 3",), " ", "\n"),  # a blank ends each of its lines
        ("crawl.vec", ("4 3",), "", "\n"),
        ("crawl.vec.gz", ("4 3",), "", "\r\n"),
    ],
)
def test_every_format_gives_its_numbers(written, name, header, blank, end):
    rows = ["good 0.5 -1 2e-1", "and 7 7 7", "bad 1.25 0 -3", "東京 .5 1. +2"]
    path = written(*header, *(row + blank for row in rows), name=name, end=end)
    found = read(path)
    assert embeddings.width_of(path) == SIZE
    assert (found.table.shape, found.table.dtype, found.found) == ((len(TOKENS), SIZE), np.dtype("float32"), 3)
    np.testing.assert_array_equal(
        found.table[[GOOD, BAD, TOKYO]], np.array([[0.5, -1, 0.2], [1.25, 0, -3], [0.5, 1, 2]], "float32")
    )


def test_a_header_is_left_out_in_the_first_line_only(written):
    path = written("x 1 2", "good 3 4", "bad 5")
    assert embeddings.width_of(path) == 2
    with refusal("vectors.txt, line 3: there must be a word and 2 finite numbers. Received: '5'."):
        read(path)


def test_a_first_line_of_a_word_and_one_number_is_no_header(written):
    found = read(written("good 0.5", "bad 0.25"))
    assert (found.found, found.table[GOOD].tolist(), found.table[BAD].tolist()) == (2, [0.5], [0.25])


def test_a_word_may_hold_blanks(written):
    path = written("good 1 2 3", "at home 4 5 6", ". . . 7 8 9")
    found = read(path, tokens=(*TOKENS, ". . ."))
    assert found.found == 3
    np.testing.assert_array_equal(found.table[[GOOD, AT_HOME, -1]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]])


def test_a_first_word_with_blanks_is_read_where_the_size_is_known(written):
    found = read(written("at home 4 5 6", "good 1 2 3"), size=SIZE)
    np.testing.assert_array_equal(found.table[[GOOD, AT_HOME]], [[1, 2, 3], [4, 5, 6]])


def test_blank_lines_and_bytes_that_are_no_utf_8_are_passed_over(written, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"good 1 2\n\n\xff\xfe 3 4\n  \nbad 5 6")
    found = read(path)
    assert found.found == 2
    np.testing.assert_array_equal(found.table[[GOOD, BAD]], [[1, 2], [5, 6]])


# --- which vector a token gets ---


def test_the_first_of_equal_words_counts(written):
    found = read(written("good 1 2", "bad 3 4", "good 5 6", "bad 7 8"))
    np.testing.assert_array_equal(found.table[[GOOD, BAD]], [[1, 2], [3, 4]])
    assert found.found == 2


def test_a_capital_word_stands_for_a_small_token_where_the_file_has_no_small_one(written):
    path = written("Good 1 2", "GOOD 3 4", "BAD 5 6", "good 7 8")
    found = read(path, lowercase=True)
    np.testing.assert_array_equal(found.table[[GOOD, BAD]], [[7, 8], [5, 6]])
    assert found.found == 2
    found = read(written("Good 1 2", "GOOD 3 4", "x 5 6"), lowercase=True)
    assert found.table[GOOD].tolist() == [1, 2]


def test_capitals_count_where_tokens_are_not_lower_cased(written):
    found = read(written("Good 1 2", "bad 3 4"), tokens=(*TOKENS, "Good"))
    assert found.found == 2
    assert found.table[-1].tolist() == [1, 2]
    assert found.table[GOOD].tolist() != [1, 2]


def test_padding_is_zero_and_missing_tokens_are_drawn_with_the_spread_of_the_known(written):
    tokens = ("<pad>", *(f"w{number}" for number in range(2003)))
    rows = np.random.default_rng(0).normal([5, -7], [2, 0.1], (1009, 2))
    path = written(*(f"w{number} {x:.6f} {y:.6f}" for number, (x, y) in enumerate(rows)))
    found = read(path, tokens=tokens)
    assert found.table[0].tolist() == [0, 0]
    missing = found.table[1 + len(rows) :]
    assert missing.mean(axis=0) == pytest.approx([5, -7], abs=0.3)
    assert missing.std(axis=0) == pytest.approx([2, 0.1], rel=0.3)
    assert len(np.unique(missing, axis=0)) == len(missing)


def test_a_word_of_the_file_that_is_called_like_padding_counts_for_nothing(written):
    found, plain = (
        read(written("good 1 2", "<pad> 99 99", "bad 3 4")),
        read(written("good 1 2", "bad 3 4", name="b.txt")),
    )
    np.testing.assert_array_equal(found.table, plain.table)
    assert found.found == 2


def test_the_seed_draws_and_changes_nothing_else(written):
    path = written("good 1 2", "bad 3 5")
    first, again, other = read(path), read(path), read(path, seed=SEED + 1)
    np.testing.assert_array_equal(first.table, again.table)
    np.testing.assert_array_equal(first.table[[GOOD, BAD]], other.table[[GOOD, BAD]])
    assert (first.table[X] != other.table[X]).all()


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["good", "Good", "bad", "at home", "東京", "other", "…"]),
            st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=SIZE, max_size=SIZE),
        ),
        min_size=1,
    ),
    lowercase=st.booleans(),
)
def test_any_file_gives_each_token_the_vector_that_a_plain_search_finds(tmp_path_factory, rows, lowercase):
    path = tmp_path_factory.mktemp("vectors") / "any.txt"
    path.write_text("".join(f"{word} {' '.join(map(repr, numbers))}\n" for word, numbers in rows), encoding="utf-8")

    def searched(token):
        own = [numbers for word, numbers in rows if word == token]
        other = [numbers for word, numbers in rows if lowercase and word not in TOKENS and word.lower() == token]
        return (own + other)[:1]

    expected = {position: searched(token)[0] for position, token in enumerate(TOKENS) if searched(token)}
    if not expected:
        with pytest.raises(ValueError, match="must be a file with vectors of words that the training texts use"):
            read(path, lowercase, size=SIZE)
        return
    found = read(path, lowercase, size=SIZE)
    assert found.found == len(expected)
    np.testing.assert_array_equal(found.table[list(expected)], np.array(list(expected.values()), "float32"))


# --- errors ---


def test_a_missing_file_is_an_error(tmp_path):
    path = tmp_path / "missing.txt"
    for look in (lambda: read(path), lambda: embeddings.width_of(path), lambda: read(tmp_path)):
        with pytest.raises(FileNotFoundError):
            look()
    with refusal(f"There is no embeddings file {str(path)!r}.", FileNotFoundError):
        read(path)


@pytest.mark.parametrize(
    ("line", "received"),
    [
        ("good 1 2", "'1 2'"),
        ("good 1 2 three", "'1 2 three'"),
        ("good 1 2 nan", "'1 2 nan'"),
        ("good 1 inf 3", "'1 inf 3'"),
        ("good 1,5 2 3", "'1,5 2 3'"),
        ("good 1 2 " + "z" * 50, f"'1 2 {'z' * 36}'"),
    ],
)
def test_a_line_of_a_known_word_that_holds_no_vector_is_an_error_with_its_place(written, line, received):
    path = written("3 3", "bad 1 2 3", line, name="a.vec")
    with refusal(f"a.vec, line 3: there must be a word and 3 finite numbers. Received: {received}."):
        read(path, size=SIZE)


def test_lines_of_other_words_are_not_looked_at(written):
    assert read(written("good 1 2 3", "other one two", "yet another"), size=SIZE).found == 1


def test_a_file_without_a_word_of_the_texts_is_an_error(written):
    path = written("other 1 2", "words 3 4")
    with refusal(
        "`embeddings` must be a file with vectors of words that the training texts use. "
        f"Received: embeddings={str(path)!r}."
    ):
        read(path)


@pytest.mark.parametrize("lines", [(), ("3 2",), ("", "  ")])
def test_a_file_without_a_vector_has_no_width(written, lines):
    path = written(*lines)
    with refusal(f"{path} must hold word vectors. Received: no line with a word and its numbers."):
        embeddings.width_of(path)


@pytest.mark.parametrize("lines", [("good", "bad"), ("good\t0.5\t1", "bad\t2\t3")])
def test_a_list_of_words_and_a_table_with_tabs_hold_no_vectors(written, lines):
    path = written(*lines)
    with refusal(f"{path} must hold word vectors. Received: no line with a word and its numbers."):
        embeddings.width_of(path)


def test_a_damaged_archive_is_an_error_with_its_name(written, tmp_path):
    whole = written(*(f"w{number} 1 2 3" for number in range(1009)), name="whole.gz").read_bytes()
    for content, reason in (
        (whole[:-20], "Compressed file ended before the end-of-stream marker was reached"),
        (b"good 1 2 3\n", "Not a gzipped file (b'go')"),
    ):
        path = tmp_path / "damaged.gz"
        path.write_bytes(content)
        with refusal(f"damaged.gz cannot be decompressed: {reason}."):
            read(path)
