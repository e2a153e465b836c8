"""Texts cut into pieces inside the graph, one function per kind of tokenizer, and where blanks go between tokens again.

Regular expressions are RE2's: `\\s` is ASCII, there is neither look-ahead nor subtraction of classes, and a counted
repeat of a large class fills its memory. To rewrite a match as `\\0` is several times as fast as with a group.
"""

from collections.abc import Callable

import tensorflow as tf

from seqapps.text.kinds import END_OF_LINE

LONGEST_PIECE = 32  # bytes
SEPARATOR = b"\xff"  # a byte that UTF-8 never has

VALID = r"[\x00-\x{D7FF}\x{E000}-\x{10FFFF}]*"  # a class of all code points would also take overlong forms
NO_NUL = r"[^\x00]*"
PLAIN = r"(?:[^\pZ\pC]|[\t-\r ])*"  # no blank or control character but ASCII white space
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}ーｰﾞﾟ"  # the sound marks of kana belong to no script
LETTER = rf"[^\PL{UNSPACED}]\pM*"  # not in (not a letter, or of an unspaced script)
# The last part takes one character of an unspaced script, a symbol, punctuation, or a mark without a base.
WORD = rf"{LETTER}(?:['’]?{LETTER})*|(?:\pN\pM*)+|[^\s\v]\pM*"
PIECE = r" ?(?:[\pL\pM]+|\pN{1,3}|[^\s\pL\pM\pN]+)|\s+"

# No blank before a token that matches the first, after one that matches the second, between two of the third.
TIGHT = {
    "word": (r"[.,;:!?%)\]}»”]", r"[(\[{«“]", rf"[{UNSPACED}、。「」『』【】・！），．：；？（]\pM*"),
    "whitespace": (END_OF_LINE,) * 3,
    **dict.fromkeys(("character", "byte_pair"), (r"(?s).*",) * 3),
}


def valid_utf8(texts: tf.Tensor) -> tf.Tensor:
    """Texts with U+FFFD in place of invalid bytes, as ICU places it; a valid text stays what it is, byte for byte.

    Example:

    >>> valid_utf8(tf.constant([b"caf\\xc3\\xa9", b"caf\\xe9"])).numpy()[1].decode()
    'caf\ufffd'
    """

    def replaced(texts: tf.Tensor) -> tf.Tensor:
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")

    return _where_not(VALID, texts, replaced)


def words(texts: tf.Tensor) -> tf.RaggedTensor:
    """`(batch,)` → `(batch, (pieces))`: runs of letters, runs of digits, and any other character alone, with marks.

    `'` and `’` between letters stay inside. Each Han, Kana or Thai character is a piece: no rule finds words there.
    White space, separators and control characters divide and vanish.

    Example:

    >>> [piece.decode() for piece in words(tf.constant(["Don’t pay 99.5%: 東京!"])).values.numpy()]
    ['Don’t', 'pay', '99', '.', '5', '%', ':', '東', '京', '!']
    """

    def plain(texts: tf.Tensor) -> tf.Tensor:
        return tf.strings.regex_replace(texts, r"[\pZ\pC]", " ")

    texts = _where_not(PLAIN, texts, plain)
    return tf.strings.split(tf.strings.regex_replace(texts, WORD, r"\0 "))


def fields(texts: tf.Tensor) -> tf.RaggedTensor:
    """`(batch,)` → `(batch, (pieces))`: what stands between ASCII blanks, and `<eos>` for each line end.

    Example:

    >>> fields(tf.constant(["a b \\n\\n c"])).numpy().tolist()
    [[b'a', b'b', b'<eos>', b'<eos>', b'c']]
    """
    return tf.strings.split(tf.strings.regex_replace(texts, r"\n", f" {END_OF_LINE} "))


def characters(texts: tf.Tensor) -> tf.RaggedTensor:
    """`(batch,)` valid UTF-8 → `(batch, (pieces))`: code points."""
    return tf.strings.unicode_split(texts, "UTF-8")


def byte_pieces(texts: tf.Tensor) -> tf.RaggedTensor:
    """`(batch,)` valid UTF-8 → `(batch, (pieces))` that are the text again when joined.

    A piece is a word, up to three digits or a run of symbols, with the one blank before it if there is just one, or a
    run of white space (after GPT-2, Radford et al. 2019, without its look-ahead). No pair is merged across pieces.

    Pieces have at most 32 bytes, and that is part of what this tokenizer is: a longer one is cut every
    `32 // (bytes of its widest character)` characters. Merging takes one round per merge over all pieces at once, as
    wide as the longest, so without a bound one text of 10,000 letters in a batch takes minutes.

    Example:

    >>> byte_pieces(tf.constant(["two  words,\\n1234"])).numpy().tolist()
    [[b'two', b'  ', b'words', b',', b'\\n', b'123', b'4']]
    """
    pieces = _split(tf.strings.regex_replace(texts, PIECE, rb"\0" + SEPARATOR))
    long = tf.strings.length(pieces.values) > LONGEST_PIECE

    def whole() -> tf.RaggedTensor:
        return pieces

    def cut() -> tf.RaggedTensor:
        marked = _marked(tf.boolean_mask(pieces.values, long))
        parts = _split(tf.tensor_scatter_nd_update(pieces.values, tf.where(long), marked))  # (pieces, (parts))
        splits = tf.gather(parts.row_splits, pieces.row_splits)
        return tf.RaggedTensor.from_row_splits(parts.values, splits, validate=False)

    return tf.cond(tf.reduce_any(long), cut, whole)


SPLIT: dict[str, Callable[[tf.Tensor], tf.RaggedTensor]] = {
    "word": words,
    "whitespace": fields,
    "character": characters,
    "byte_pair": byte_pieces,
}


def split(kind: str, texts: tf.Tensor, lowercase: bool = False) -> tf.RaggedTensor:
    """`(batch,)` strings of any bytes → `(batch, (pieces))` as a tokenizer of that kind takes them."""
    texts = valid_utf8(texts)
    return SPLIT[kind](_where_not(NO_NUL, texts, _lower_with_nul, _lower) if lowercase else texts)


def tightness(kind: str, tokens: tf.Tensor) -> tf.Tensor:
    """`(tokens,)` texts → `(3, tokens)` booleans: no blank before it, none after it, none between two such tokens."""
    return tf.stack([tf.strings.regex_full_match(tokens, pattern) for pattern in TIGHT[kind]])


def _lower(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.lower(texts, encoding="utf-8")


def _lower_with_nul(texts: tf.Tensor) -> tf.Tensor:
    """`tf.strings.lower` ends a text at U+0000, so what stands between is lowered and put together again."""
    parts = tf.strings.split(texts, sep="\0")
    # Attributes of an operation, such as the separator of a join, end at U+0000 too.
    ended = tf.strings.join([_lower(parts.values), "\0"])
    joined = tf.strings.unsorted_segment_join(ended, parts.value_rowids(), parts.nrows())
    lengths = tf.strings.length(joined) - 1
    return tf.strings.substr(joined, tf.zeros_like(lengths), lengths)


def _where_not(
    pattern: str,
    texts: tf.Tensor,
    changed: Callable[[tf.Tensor], tf.Tensor],
    usual: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> tf.Tensor:
    """`usual(texts)`, `changed` where they do not match; if all match, as in nearly every batch, it costs no more."""
    matches = tf.strings.regex_full_match(texts, pattern)

    def same() -> tf.Tensor:
        return usual(texts)

    def mended() -> tf.Tensor:
        return tf.where(matches, usual(texts), changed(texts))

    return tf.cond(tf.reduce_all(matches), same, mended)


def _split(marked: tf.Tensor) -> tf.RaggedTensor:
    pieces = tf.strings.split(marked, sep=SEPARATOR)
    # Not tf.ragged.boolean_mask, which pads all rows to the longest on its way.
    kept = tf.not_equal(pieces.values, "")
    values, rows = (tf.boolean_mask(each, kept) for each in (pieces.values, pieces.value_rowids()))
    return tf.RaggedTensor.from_value_rowids(values, rows, nrows=pieces.nrows())


def _marked(pieces: tf.Tensor) -> tf.Tensor:
    """Separators after as many characters as have 32 bytes if each is as wide as the widest of its piece."""
    marked = pieces
    for largest, width in ((r"\x{10FFFF}", 4), (r"\x{FFFF}", 3), (r"\x{7FF}", 2), (r"\x7F", 1)):
        part = rf"(?s).{{1,{LONGEST_PIECE // width}}}"
        fits = tf.strings.regex_full_match(pieces, rf"[\x00-{largest}]*")
        marked = tf.where(fits, tf.strings.regex_replace(pieces, part, rb"\0" + SEPARATOR), marked)
    return marked
