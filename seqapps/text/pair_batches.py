"""Batches of pairs of about equal length and about equal token counts, in an order that a resumed run repeats."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqapps.text import batches
from seqapps.text.batches import Encoded
from seqapps.text.kinds import END, PAD, START
from seqapps.text.tokenizers import Tokenizer

Encoder = Callable[[tf.Tensor], tf.RaggedTensor]
RandomEncoder = Callable[[tf.Tensor, tf.Tensor], tf.RaggedTensor]  # texts, and a seed of two numbers


@dataclass(frozen=True)
class Texts:
    """Texts on disk that can be had in any order.

    Attributes:
        content: All of them as UTF-8, one after the other, memory-mapped.
        starts: `(texts + 1,)`: text `i` is `content[starts[i] : starts[i + 1]]`.
    """

    content: np.ndarray
    starts: np.ndarray

    def of(self, rows: np.ndarray) -> list[bytes]:
        """Some texts."""
        return [self.content[self.starts[row] : self.starts[row + 1]].tobytes() for row in rows]


def store(texts: Iterable[str], path: Path) -> Texts:
    """Write texts into a file that is then read from disk; an old one is replaced."""
    starts = [0]
    with path.open("wb") as file:
        for text in texts:
            starts.append(starts[-1] + file.write(text.encode()))
    return Texts(np.memmap(path, "uint8", "r") if starts[-1] else np.zeros(0, "uint8"), np.array(starts))


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs of texts as ids, each side followed by `END`.

    Attributes:
        source: Ids of the sources.
        target: Ids of the targets.
        rows: `(pairs,)`: which of them there are.
        again: For each side its texts and an encoder that cuts them in other ways, or `None`.
    """

    source: Encoded
    target: Encoded
    rows: np.ndarray
    again: tuple[tuple[Texts, RandomEncoder], ...] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        """`(pairs,)`: tokens of the longer side."""
        return np.maximum(self.source.lengths, self.target.lengths)[self.rows]

    def copied(self, folder: Path, name: str) -> "EncodedPairs":
        """The same pairs, whose ids are read from files of their own, `NAME.source.ids` and `NAME.target.ids`."""
        source = batches.copied(self.source, folder / f"{name}.source.ids")
        target = batches.copied(self.target, folder / f"{name}.target.ids")
        return dataclasses.replace(self, source=source, target=target)

    def batch(self, chosen: np.ndarray, seed: tuple[int, int] | None = None) -> tuple[tuple, np.ndarray]:
        """What a model takes of some pairs, and what it should answer.

        Args:
            chosen: Positions in `rows`.
            seed: Of the encoders of `again`; without one the ids are those on disk.

        Returns:
            `((source, target so far), target)`: `(pairs, places)` and twice `(pairs, time)` int32.
        """
        rows = self.rows[chosen]
        if self.again is None or seed is None:
            source, target = self.source.padded(rows), self.target.padded(rows)
        else:
            source, target = (
                _with_end(encoder(tf.constant(texts.of(rows)), tf.constant([(seed[0] + side) % 2**31, seed[1]])))
                .to_tensor(PAD)
                .numpy()
                for side, (texts, encoder) in enumerate(self.again)
            )
        so_far = np.concatenate([np.full((len(rows), 1), START, "int32"), target[:, :-1]], axis=1)
        return (source, np.where(so_far == END, PAD, so_far)), target


def encode(texts: Iterable[str], encoder: Encoder, path: Path, most: int | None = None) -> Encoded:
    """As `batches.encode`, with `END` after every text.

    Args:
        texts: In their order; never held together.
        encoder: `(batch,)` texts → ragged `(batch, (tokens))` ids.
        path: Where the ids go; an old file is replaced.
        most: Tokens of a text that are kept, without the end: its first ones.
    """
    return batches.encode(texts, lambda some: _with_end(encoder(some)[:, :most]), path)


def _with_end(ids: tf.RaggedTensor) -> tf.RaggedTensor:
    return tf.concat([ids, tf.fill([ids.nrows(), 1], END)], axis=1)


def random_encoder(tokenizer: Tokenizer, dropout: float) -> RandomEncoder:
    """An encoder that leaves out merges of byte pairs at random, as a graph."""

    def encode(texts: tf.Tensor, seed: tf.Tensor) -> tf.RaggedTensor:
        return tokenizer.encode_with_dropout(texts, dropout, seed)

    return tf.function(encode, input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([2], tf.int32)])


def by_tokens(lengths: np.ndarray, most_tokens: int, most_rows: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Rows of every batch of an epoch: of about equal length, and of at most so many tokens with the padding.

    Rows are sorted by length, those of equal length in random order, and cut into batches from the shortest on; then
    the batches are shuffled. Every epoch has as many batches, of the same lengths.

    Args:
        lengths: `(rows,)` tokens of every row.
        most_tokens: Rows times the longest of them, at most, but for a row that is longer by itself.
        most_rows: Rows of a batch, at most.
        seed: Of the order.
        epoch: Counted from 0.

    Example:

    >>> [rows.tolist() for rows in by_tokens(np.array([5, 1, 4, 2, 9, 3]), most_tokens=9, most_rows=3, seed=0, epoch=0)]
    [[2], [4], [1, 3, 5], [0]]
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    cuts, begin = [], 0
    for place, row in enumerate(order):
        count = place + 1 - begin
        if place > begin and (count > most_rows or count * lengths[row] > most_tokens):
            cuts.append(place)
            begin = place
    parts = np.split(order, cuts) if len(order) else []
    return [parts[position] for position in generator.permutation(len(parts))]


def training_batches(
    pairs: EncodedPairs, most_tokens: int, most_rows: int, seed: int, first_epoch: int
) -> tf.data.Dataset:
    """Epoch after epoch without end, from `first_epoch` on, as `EncodedPairs.batch`; names as in `by_tokens`.

    Texts that are cut in other ways may have more tokens than those on disk, by whose lengths batches are made.
    """

    def drawn_batches() -> Iterator[tuple]:
        epoch = first_epoch
        while True:
            for number, chosen in enumerate(by_tokens(pairs.lengths, most_tokens, most_rows, seed, epoch)):
                drawn = np.random.default_rng([seed, epoch, number]).integers(2**31, size=2)
                yield pairs.batch(chosen, (int(drawn[0]), int(drawn[1])))
            epoch += 1

    return _dataset(drawn_batches, tf.data.INFINITE_CARDINALITY)


def evaluation_batches(pairs: EncodedPairs, most_tokens: int, most_rows: int) -> tf.data.Dataset:
    """All pairs once."""
    cut = by_tokens(pairs.lengths, most_tokens, most_rows, 0, 0)
    return _dataset(lambda: (pairs.batch(chosen) for chosen in cut), len(cut))


def _dataset(generate: Callable[[], Iterator[tuple]], count: int) -> tf.data.Dataset:
    ids = tf.TensorSpec([None, None], tf.int32)
    dataset = tf.data.Dataset.from_generator(generate, output_signature=((ids, ids), ids))
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
