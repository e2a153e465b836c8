"""Texts are cut into pieces as a plain reading of the rules cuts them, whatever bytes they hold."""

import unicodedata

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqapps.text import pieces
from seqapps.text.kinds import TOKENIZERS

UNSPACED = "東京ひカーｰﾟกไ"
MARKS = "\u0301\u0334\ufe0f\u20e3ิ"  # of Latin letters, of emoji and keycaps, of Thai
BLANKS = " \t\n\f\r\v"
OTHER_BLANKS = "\x00\x1f\x7f\xa0\u2028\u3000\u200d\ufeff"
ALPHABET = f"aZßéЖאم12²٣'’.(_€🙂\U000e0001{UNSPACED}{MARKS}{BLANKS}{OTHER_BLANKS}"
fuzzed = settings(deadline=None, max_examples=100)
# Runs, so that pieces longer than 32 bytes come up.
texts = st.lists(st.tuples(st.sampled_from(ALPHABET), st.integers(1, 3) | st.integers(30, 35)), max_size=12).map(
    lambda runs: "".join(character * length for character, length in runs)
)


@pytest.fixture(scope="module")
def split():
    """`split(kind, *texts)`: lists of pieces."""
    texts = [tf.TensorSpec([None], tf.string)]
    graphs = {
        kind: tf.function(lambda batch, kind=kind: pieces.split(kind, batch), input_signature=texts)
        for kind in TOKENIZERS
    }
    return lambda kind, *texts: graphs[kind](tf.constant(texts, tf.string)).to_list()


def decoded(row):
    return [piece.decode() for piece in row]


def kind_of(character):
    if character in BLANKS or unicodedata.category(character)[0] in "ZC":
        return "blank"
    if character in UNSPACED:
        return "other"
    return {"L": "letter", "M": "mark", "N": "digit"}.get(unicodedata.category(character)[0], "other")


def plain_words(text):
    """What `words` promises, one character at a time."""
    found, base = [], None
    for position, character in enumerate(text):
        kind = kind_of(character)
        if character in "'’" and base == "letter" and [*map(kind_of, text[position + 1 :][:1])] == ["letter"]:
            kind = "letter"
        if kind == "blank":
            base = None
        elif base and (kind == "mark" or (kind == base and kind in ("letter", "digit"))):
            found[-1] += character
        else:
            found.append(character)
            base = "other" if kind == "mark" else kind
    return found


def plain_byte_pieces(text):
    """What `byte_pieces` promises, one character at a time."""

    def kind_at(position):
        category = unicodedata.category(text[position])[0]
        if text[position] in " \t\n\f\r":
            return "blank"
        return {"L": "letter", "M": "letter", "N": "digit"}.get(category, "symbol")

    found, start = [], 0
    while start < len(text):
        has_blank = text[start] == " " and start + 1 < len(text) and kind_at(start + 1) != "blank"
        first = end = start + has_blank
        while end < len(text) and kind_at(end) == kind_at(first) and (kind_at(first) != "digit" or end - first < 3):
            end += 1
        piece = text[start:end]
        step = len(piece) if len(piece.encode()) <= 32 else 32 // max(len(character.encode()) for character in piece)
        found += [piece[cut : cut + step] for cut in range(0, len(piece), step)]
        start = end
    return found


# --- words ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's 5 o’clock, isn't it?", ["It's", "5", "o’clock", ",", "isn't", "it", "?"]),
        ("'tis the dogs' rock'n'roll ''", ["'", "tis", "the", "dogs", "'", "rock'n'roll", "'", "'"]),
        ("e\u0301te\u0301 हिन्दी", ["e\u0301te\u0301", "हिन्दी"]),
        ("漢字とカナー2024年", [*"漢字とカナー", "2024", "年"]),
        ("ภาษาไทยนี้", [*"ภาษาไทย", "นี้"]),
        ("I❤\ufe0fU 1\ufe0f\u20e3 a_b C++", ["I", "❤\ufe0f", "U", "1\ufe0f\u20e3", "a", "_", "b", "C", "+", "+"]),
        ("a\x00b\x1fc\xa0d\u2028e\u3000f\u200dg", list("abcdefg")),
        ("<pad> <unk>", ["<", "pad", ">", "<", "unk", ">"]),
        (" \n\t", []),
        ("", []),
    ],
)
def test_words_are_letters_with_marks_digits_and_single_characters(split, text, expected):
    assert decoded(split("word", text)[0]) == expected


@fuzzed
@given(texts)
@example("a'\u0301b \u0301c 1'2")
def test_words_are_those_of_a_plain_reading(split, text):
    assert decoded(split("word", text, "ok")[0]) == plain_words(text)


# --- whitespace, characters ---


def test_a_tokenised_corpus_is_cut_at_blanks_and_every_line_end_is_a_token(split):
    assert split("whitespace", " = A <unk> @-@ b = \n\n c\td\r\ne", "\n", "f") == [
        [b"=", b"A", b"<unk>", b"@-@", b"b", b"=", b"<eos>", b"<eos>", b"c", b"d", b"<eos>", b"e"],
        [b"<eos>"],
        [b"f"],
    ]


def test_characters_are_code_points(split):
    assert decoded(split("character", "e\u0301\n\x00👩\u200d🚀")[0]) == [
        "e",
        "\u0301",
        "\n",
        "\x00",
        "👩",
        "\u200d",
        "🚀",
    ]


# --- byte pieces ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to be,  or\tnot!?\n\n  12345", ["to", " be", ",", "  ", "or", "\t", "not", "!?", "\n\n  ", "123", "45"]),
        (" $5 e\u0301t", [" $", "5", " e\u0301t"]),
        ("a\x1fb\x00\xa0c", ["a", "\x1f", "b", "\x00\xa0", "c"]),
        ("x" * 33 + "-" * 65, ["x" * 32, "x", "-" * 32, "-" * 32, "-"]),
        ("ж" * 17 + " " + "東" * 11, ["ж" * 16, "ж", " " + "東" * 9, "東東"]),
        ("🙂" * 9 + "x" * 32, ["🙂" * 8, "🙂", "x" * 32]),
    ],
)
def test_byte_pieces_are_words_digits_symbols_and_runs_of_blanks_of_at_most_32_bytes(split, text, expected):
    assert decoded(split("byte_pair", text)[0]) == expected


@fuzzed
@given(texts)
@example("x" * 10_000)
@example(" " * 10_000)
@example("東x" * 5_000)
def test_byte_pieces_are_those_of_a_plain_reading(split, text):
    found = split("byte_pair", "a b", text, "", "c")
    assert decoded(found[1]) == plain_byte_pieces(text)
    assert [found[0], *found[2:]] == [[b"a", b" b"], [], [b"c"]]


@fuzzed
@given(st.text())
def test_byte_pieces_are_the_text_again(split, text):
    row = split("byte_pair", text)[0]
    assert b"".join(row).decode() == text
    assert max(map(len, row), default=0) <= 32


# --- small letters ---


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_small_letters_do_not_end_at_a_nul(split, kind):
    texts = ["Good\0 SOUP Awful", "a\0", "\0a", "a\0\0B", "\0", "", "\0ÀΟΔΟΣ\0ΣΑΣ", "No NUL"]
    lowered = pieces.split(kind, tf.constant(texts), lowercase=True).to_list()
    assert lowered == split(kind, *(text.lower() for text in texts))
    assert lowered[0] != split(kind, "good")[0]


@fuzzed
@given(st.lists(st.text("aÉБ\0 ", max_size=9), min_size=1, max_size=3))
def test_small_letters_are_those_of_python_whatever_nul_stands_between(texts):
    found = pieces.split("byte_pair", tf.constant(texts), lowercase=True).to_list()
    assert [b"".join(row).decode() for row in found] == [text.lower() for text in texts]


# --- bytes that are no text ---


@fuzzed
@given(st.binary(max_size=40), st.text(max_size=7))
@example(b"\xff\xfe", "\ufffe\uffff\ufeff\x00")  # the separator, and what a converter may drop
@example(b"\xc0\x80\xe0\x80\x80\xed\xa0\x80\xf4\x90\x80\x80", "\U0010ffff")  # overlong, surrogate, too large
def test_invalid_utf8_is_replaced_and_never_touches_a_neighbour(split, raw, text):
    for kind in ("character", "byte_pair"):
        row, *others = split(kind, raw, text)
        assert b"".join(others[0]) == text.encode()
        try:
            assert b"".join(row).decode() == raw.decode()
        except UnicodeDecodeError:
            assert "\ufffd" in b"".join(row).decode()


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_no_text_and_empty_texts_have_no_pieces(split, kind):
    assert split(kind) == []
    assert split(kind, "", "") == [[], []]
