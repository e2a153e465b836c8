"""Tokenizers that encode and decode inside the graph, with core TensorFlow operations only."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import tensorflow as tf

from seqapps import checks
from seqapps.text import pieces
from seqapps.text.byte_pair import FIRST_MERGE, BytePairs, train
from seqapps.text.kinds import END, END_OF_LINE, PAD, SPECIAL_TOKENS, START, TOKENIZERS, UNKNOWN

REPLACEMENT = "\ufffd".encode()
TEXTS_AT_ONCE, CHARACTERS_AT_ONCE = 1000, 2_000_000  # in one call of the graph while counting, at most


class Tokenizer:
    """Texts → token ids and back. `fit` and `from_dict` make one.

    Before anything else invalid UTF-8 becomes U+FFFD and, with `lowercase`, capitals become small letters
    (`tf.strings.lower`, which does not fold case: ß stays ß). Nothing else is normalised: é in one code point and é in
    two differ. A token of one of the reserved names in a text is never taken for a reserved id, but for `<unk>`, which
    tokenised corpora write where a word was left out.

    - `"word"`: what `pieces.words` finds. Decoding sets blanks between, but not before closing punctuation, after
      opening brackets, or between characters of Han, Kana and Thai and their punctuation: readable, not lossless.
    - `"whitespace"`: what `pieces.fields` finds. Decoding sets one blank between tokens, and a line end for `<eos>`.
    - `"character"`: code points. Decoding gives the text, with U+FFFD for unknown characters.
    - `"byte_pair"`: bytes, merged within what `pieces.byte_pieces` finds. Nothing is unknown; decoding gives the text.

    Args:
        kind: One of `TOKENIZERS`.
        coder: The ids of pieces.
        lowercase: Whether capitals become small letters.

    Attributes:
        vocabulary_size: Number of ids, with the reserved ones `PAD`, `UNKNOWN`, `START` and `END`.
        tables: Lookup tables that a SavedModel has to track.
    """

    def __init__(self, kind: str, coder: "Vocabulary | BytePairs", lowercase: bool) -> None:
        self.kind = kind
        self.lowercase = lowercase
        self.vocabulary_size = len(coder.texts)
        self.tables = coder.tables
        self._coder = coder
        self._names = pieces.valid_utf8(tf.constant(coder.texts))  # (vocabulary,)
        self._spelled = tf.constant(_spelled(kind, coder.texts))  # (vocabulary,) bytes, joined before they are UTF-8
        self._tight = pieces.tightness(kind, self._names)  # (3, vocabulary)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """`(batch,)` strings → `(batch, (tokens))` int32, without `START` and `END`; also eager and in `tf.data`.

        Example:

        >>> tokenizer = fit("word", ["a rose is a rose"], vocabulary_size=7)
        >>> tokenizer.encode(tf.constant(["a rose", "", "is it a"])).to_list()
        [[4, 5], [], [6, 1, 4]]
        """
        return self._coder.encode(pieces.split(self.kind, texts, self.lowercase))

    def encode_with_dropout(self, texts: tf.Tensor, dropout: float, seed: tf.Tensor) -> tf.RaggedTensor:
        """As `encode`, for training, with merges of byte pairs left out at random.

        Args:
            texts: `(batch,)` strings.
            dropout: Probability in [0, 1).
            seed: `(2,)` int32; with the same texts it decides what is left out.

        Raises:
            ValueError: If the tokenizer merges nothing.

        Example:

        >>> tokenizer = fit("byte_pair", ["low lower lowest"], vocabulary_size=262)
        >>> ids = tokenizer.encode_with_dropout(tf.constant(["low low low"]), 0.5, tf.constant([0, 1]))
        >>> tokenizer.decode(ids).numpy().tolist(), ids.row_lengths().numpy() > 5
        ([b'low low low'], array([ True]))
        """
        if not isinstance(self._coder, BytePairs):
            checks.fail("kind", "'byte_pair' for merges to be left out", self.kind)
        return self._coder.encode_with_dropout(pieces.split(self.kind, texts, self.lowercase), dropout, seed)

    def decode(self, ids: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
        """`(batch, time)` ids, dense or ragged → `(batch,)` strings of valid UTF-8.

        `PAD`, `START` and everything from the first `END` on is left out. An id outside the vocabulary is `UNKNOWN`.

        Example:

        >>> tokenizer = fit("word", ["Well, a rose is a rose."], vocabulary_size=10)
        >>> ids = tokenizer.encode(tf.constant(["Well, a rose it is."])).to_tensor()
        >>> tokenizer.decode(tf.pad(ids, [[0, 0], [0, 2]])).numpy().tolist()
        [b'Well, a rose <unk> is.']
        """
        ids = self._known(ids.to_tensor(PAD) if isinstance(ids, tf.RaggedTensor) else ids)
        ended = tf.cumsum(tf.cast(ids == END, tf.int32), axis=1) > 0
        place = tf.where(~(ended | (ids == PAD) | (ids == START)))  # (tokens, 2)
        tokens, row = tf.gather_nd(ids, place), place[:, 0]
        before = tf.concat([[PAD], tokens], axis=0)[:-1]
        same_row = row == tf.concat([[-1], row], axis=0)[:-1]
        spelled = self.spell(tf.where(same_row, before, PAD), tokens)
        return pieces.valid_utf8(tf.strings.unsorted_segment_join(spelled, row, tf.shape(ids)[0]))

    def spell(self, before: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """What tokens add to a text that goes on: `(tokens,)` ids, and those before them → `(tokens,)` bytes.

        Args:
            before: `PAD` or `START` where the text begins.
            ids: In the vocabulary. Part of a character is not valid UTF-8 before it is joined with the rest.

        Example:

        >>> tokenizer = fit("word", ["Well, a rose"], vocabulary_size=8)
        >>> ids = tokenizer.encode(tf.constant(["Well, a"])).values
        >>> tokenizer.spell(tf.concat([[PAD], ids[:-1]], axis=0), ids).numpy().tolist()
        [b'Well', b',', b' a']
        """
        closing, unspaced = tf.gather(self._tight[0], ids), tf.gather(self._tight[2], ids)
        opened, after_unspaced = tf.gather(self._tight[1], before), tf.gather(self._tight[2], before)
        first = (before == PAD) | (before == START)
        blank = ~(first | closing | opened | (unspaced & after_unspaced))
        return tf.strings.join([tf.where(blank, " ", ""), tf.gather(self._spelled, ids)])

    def tokens(self, ids: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tf.RaggedTensor:
        """Ids of any shape → the text of each for display, valid UTF-8; part of a character shows as U+FFFD.

        Example:

        >>> tokenizer = fit("byte_pair", ["low lower lowest"], vocabulary_size=262)
        >>> tokenizer.tokens(tokenizer.encode(tf.constant(["low é"]))).numpy()[0].tolist()
        [b'low', b' ', b'\\xef\\xbf\\xbd', b'\\xef\\xbf\\xbd']
        """
        return tf.gather(self._names, self._known(ids))

    def to_dict(self) -> dict[str, Any]:
        """The fitted state for `preprocessing.json`."""
        return {"kind": self.kind, "lowercase": self.lowercase, **self._coder.to_dict()}

    def _known(self, ids: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tf.RaggedTensor:
        ids = tf.cast(ids, tf.int32)
        return tf.where((ids >= 0) & (ids < self.vocabulary_size), ids, UNKNOWN)


class Vocabulary:
    """Pieces → one id each, in the order of a list; `UNKNOWN` for every other piece.

    Args:
        known: The pieces, from the first id after the reserved ones on.
    """

    def __init__(self, known: Iterable[bytes]) -> None:
        self.texts = [*(name.encode() for name in SPECIAL_TOKENS), *known]
        first = len(SPECIAL_TOKENS)  # the reserved names are not in the table, so no text can ask for one
        entries = tf.lookup.KeyValueTensorInitializer(self.texts[first:], tf.range(first, len(self.texts)))
        self._ids = tf.lookup.StaticHashTable(entries, UNKNOWN)
        self.tables = [self._ids]

    def encode(self, found: tf.RaggedTensor) -> tf.RaggedTensor:
        """`(batch, (pieces))` → `(batch, (tokens))` int32."""
        return self._ids.lookup(found)

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` takes."""
        return {"vocabulary": [text.decode() for text in self.texts[len(SPECIAL_TOKENS) :]]}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(text.encode() for text in state["vocabulary"])


def fit(kind: str, texts: Iterable[str], vocabulary_size: int, lowercase: bool = False) -> Tokenizer:
    """Find the tokens of `texts`; the same whatever their order.

    The vocabulary holds the most frequent pieces; of pieces equally frequent those that come first by code point. For
    `"byte_pair"` it holds the 256 bytes and merges of them (`byte_pair.train`).

    Args:
        kind: One of `TOKENIZERS`.
        texts: The training texts; read once, never held together.
        vocabulary_size: Largest number of ids, with the four reserved ones.
        lowercase: Whether capitals become small letters.

    Raises:
        ValueError: If an option is none, or the texts hold no token.

    Example:

    >>> fit("character", ["abab", "ba\\n"], vocabulary_size=7).to_dict()
    {'kind': 'character', 'lowercase': False, 'vocabulary': ['a', 'b', '\\n']}
    """
    reserved = f"the {len(SPECIAL_TOKENS)} reserved ids"
    checks.check_choice("kind", kind, TOKENIZERS)
    if kind == "byte_pair":
        advice = f"{reserved.capitalize()} and the 256 bytes need a place."
        checks.check_integer("vocabulary_size", vocabulary_size, FIRST_MERGE, advice)
    else:
        advice = f"Besides {reserved} one token needs a place."
        checks.check_integer("vocabulary_size", vocabulary_size, len(SPECIAL_TOKENS) + 1, advice)
    checks.check_boolean("lowercase", lowercase)
    if isinstance(texts, (str, bytes)):
        checks.fail("texts", "a list of texts, not one text", texts[:20])
    counts = _counted(kind, texts, lowercase)
    if kind == "byte_pair":
        return Tokenizer(kind, BytePairs(train(counts, vocabulary_size - FIRST_MERGE)), lowercase)
    most_frequent = sorted(counts, key=lambda piece: (-counts[piece], piece))  # UTF-8 sorts by code point
    return Tokenizer(kind, Vocabulary(most_frequent[: vocabulary_size - len(SPECIAL_TOKENS)]), lowercase)


def from_dict(state: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of a `to_dict`, also when that went through JSON.

    Example:

    >>> tokenizer = fit("byte_pair", ["low lower lowest"], vocabulary_size=262)
    >>> tokenizer.to_dict()
    {'kind': 'byte_pair', 'lowercase': False, 'merges': ['112 115', '260 123']}
    >>> from_dict(tokenizer.to_dict()).to_dict() == tokenizer.to_dict()
    True
    """
    checks.check_choice("kind", state["kind"], TOKENIZERS)
    coder = BytePairs if state["kind"] == "byte_pair" else Vocabulary
    return Tokenizer(state["kind"], coder.from_dict(state), state["lowercase"])


def _counted(kind: str, texts: Iterable[str], lowercase: bool) -> Counter[bytes]:
    """How often each piece occurs, found by the graph that serves, so that training and serving cannot differ."""

    def found(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        unique, _, count = tf.unique_with_counts(pieces.split(kind, batch, lowercase).values)
        return unique, count

    graph = tf.function(found, input_signature=[tf.TensorSpec([None], tf.string)])
    counts: Counter[bytes] = Counter()
    number = 0
    for batch in _some_at_once(texts):
        unique, count = graph(tf.constant(batch, tf.string))
        counts.update(dict(zip(unique.numpy().tolist(), count.numpy().tolist(), strict=True)))
        number += len(batch)
    if kind != "byte_pair":
        del counts[SPECIAL_TOKENS[UNKNOWN].encode()]
    if not counts:
        received = f"{number} text{'' if number == 1 else 's'} without one"
        raise ValueError(
            f"`texts` must hold at least one token of kind {kind!r}. Received: {received}. Supply more text."
        )
    return counts


def _some_at_once(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists that are not too long."""
    held: list[str] = []
    size = 0
    for text in texts:
        held.append(text)
        size += len(text)
        if len(held) == TEXTS_AT_ONCE or size >= CHARACTERS_AT_ONCE:
            yield held
            held, size = [], 0
    if held:
        yield held


def _spelled(kind: str, texts: list[bytes]) -> list[bytes]:
    """What decoding writes for every id."""
    if kind == "whitespace":
        return [b"\n" if text == END_OF_LINE.encode() else text for text in texts]
    if kind == "word":
        return texts
    return [REPLACEMENT if id == UNKNOWN else text for id, text in enumerate(texts)]
