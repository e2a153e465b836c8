"""Encoded texts on disk, and batches of texts of about equal length in an order that a resumed run repeats."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf

POOL = 100  # batches whose texts are sorted by length together
TEXTS_AT_ONCE = 512


@dataclass(frozen=True)
class Encoded:
    """Token ids of many texts, one after the other.

    Attributes:
        token_ids: `(tokens,)` int32, memory-mapped.
        starts: `(texts + 1,)`; text `i` is `token_ids[starts[i] : starts[i + 1]]`.
        features: `(texts, features)` that a model takes beside the ids, or `None`.
    """

    token_ids: np.ndarray
    starts: np.ndarray
    features: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of every text."""
        return np.diff(self.starts)

    def inputs(self, rows: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """What a model takes of some texts: `padded`, and the features where there are any."""
        return self.padded(rows) if self.features is None else (self.padded(rows), self.features[rows])

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """Some texts, padded right with 0 to the longest of them, which counts as one token at least.

        Returns:
            `(texts, time)` int32.
        """
        lengths = self.starts[rows + 1] - self.starts[rows]
        batch = np.zeros((len(rows), max(1, int(lengths.max(initial=1)))), "int32")
        for position, (start, length) in enumerate(zip(self.starts[rows], lengths, strict=True)):
            batch[position, :length] = self.token_ids[start : start + length]
        return batch


def encode(texts: Iterable[str], encoder, path: Path) -> Encoded:
    """Encode texts once, some at a time, into a file that is then read from disk.

    Args:
        texts: In their order; never held together.
        encoder: `(batch,)` texts → ragged `(batch, (tokens))` ids.
        path: Where the ids go; an old file is replaced.
    """
    encoder = tf.function(encoder, input_signature=[tf.TensorSpec([None], tf.string)])
    lengths = [np.zeros(1, "int64")]
    with path.open("wb") as file:
        for some in chunks(texts, TEXTS_AT_ONCE):
            ids = encoder(tf.constant(some, tf.string))
            lengths.append(ids.row_lengths().numpy().astype("int64"))
            file.write(ids.flat_values.numpy().astype("int32").tobytes())
    return Encoded(_mapped(path), np.cumsum(np.concatenate(lengths)))


def copied(encoded: Encoded, path: Path) -> Encoded:
    """The same texts, whose ids are read from a file of their own; an old one is replaced."""
    encoded.token_ids.tofile(path)
    return dataclasses.replace(encoded, token_ids=_mapped(path))


def _mapped(path: Path) -> np.ndarray:
    """The ids of a file; an empty one cannot be mapped."""
    return np.memmap(path, "int32", "r") if path.stat().st_size else np.zeros(0, "int32")


def spread(count: int, most: int) -> np.ndarray:
    """The numbers of all rows or, of more than `most`, so many that are evenly spread.

    Example:

    >>> spread(3, 5).tolist(), spread(7, 5).tolist()
    ([0, 1, 2], [0, 1, 2, 4, 5])
    """
    kept = min(count, most)
    return np.arange(kept) * count // max(kept, 1)


def chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of `size` texts; the last one may be shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def bucketed(lengths: np.ndarray, batch_size: int, seed: int, epoch: int, pool: int = POOL) -> list[np.ndarray]:
    """Rows of every batch of an epoch: random, but of about equal length, so that little is padded.

    Texts are shuffled, sorted by length within pools of `pool` batches, cut into batches, and the batches shuffled. The
    order depends on `seed`, `epoch` and the lengths alone.

    Args:
        lengths: `(texts,)` tokens of every text.
        batch_size: Texts of a batch.
        seed: Of the order.
        epoch: Counted from 0.
        pool: Batches that are sorted together; with 1 nothing is bucketed.

    Example:

    >>> [rows.tolist() for rows in bucketed(np.array([5, 1, 4, 2, 9, 3]), batch_size=2, seed=0, epoch=0)]
    [[1, 3], [5, 2], [0, 4]]
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), pool * batch_size):
        rows = order[start : start + pool * batch_size]
        if pool > 1:
            rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)]
    return [batches[position] for position in generator.permutation(len(batches))]


def training_batches(
    encoded: Encoded, targets: np.ndarray, weights: np.ndarray, batch_size: int, seed: int, first_epoch: int
) -> tf.data.Dataset:
    """Epoch after epoch without end, from `first_epoch` on: ids `(batch, time)`, targets and weights `(batch,)`.

    Args:
        encoded: The texts.
        targets: `(texts,)` classes or `(texts, classes)` of 0 and 1.
        weights: `(texts,)` of the loss.
        batch_size: Texts of a batch.
        seed: Of the order.
        first_epoch: Where a resumed training goes on.
    """

    def batches() -> Iterator[tuple]:
        epoch = first_epoch
        while True:
            for rows in bucketed(encoded.lengths, batch_size, seed, epoch):
                yield encoded.inputs(rows), targets[rows], weights[rows]
            epoch += 1

    return _dataset(batches, tf.data.INFINITE_CARDINALITY, encoded, targets, weights)


def evaluation_batches(encoded: Encoded, targets: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """All texts once, the shortest first: ids `(batch, time)` and targets."""

    def batches() -> Iterator[tuple]:
        order = np.argsort(encoded.lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield encoded.inputs(rows), targets[rows]

    return _dataset(batches, -(-len(encoded) // batch_size), encoded, targets)


def _dataset(batches, count: int, encoded: Encoded, *per_text: np.ndarray) -> tf.data.Dataset:
    def specification(values: np.ndarray) -> tf.TensorSpec:
        return tf.TensorSpec([None, *values.shape[1:]], tf.as_dtype(values.dtype))

    ids = tf.TensorSpec([None, None], tf.int32)
    inputs = ids if encoded.features is None else (ids, specification(encoded.features))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=(inputs, *map(specification, per_text)))
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
