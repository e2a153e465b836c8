"""Long texts as a stream of windows, as truncated back-propagation through time reads them.

Documents are cut into strips, as many at least as there are lanes. Every lane reads a strip window by window, then the
next one of a queue; the state of a network goes on from window to window and starts anew with every strip. Source of
the method: Williams & Peng 1990; of its form with lanes side by side: Mikolov et al. 2010.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from seqapps.text.batches import Encoded, bucketed
from seqapps.text.kinds import PAD, START

POOL = 100  # of lanes, whose strips are sorted by length together


@dataclass(frozen=True)
class Strips:
    """Parts of a stream that are read from their start to their end.

    The token at a strip's first place is read as `START`: a document has it there, and where a strip begins inside a
    document it says that what came before is not known, as before a prompt.

    Attributes:
        first: `(strips,)` place of the first input.
        stop: `(strips,)` place after the last target.
    """

    first: np.ndarray
    stop: np.ndarray

    @property
    def targets(self) -> np.ndarray:
        """`(strips,)` tokens that are predicted."""
        return self.stop - self.first - 1


def cut(encoded: Encoded, lanes: int, shift: int = 0) -> Strips:
    """Documents → strips of about equal length, about a lane's share of all at most.

    Args:
        encoded: Documents, each with `START` in front.
        lanes: Strips that are read side by side.
        shift: Tokens by which strips inside a document begin later, so that epochs cut at different places.

    Example:

    >>> encoded = Encoded(np.arange(12), np.array([0, 9, 12]))
    >>> strips = cut(encoded, lanes=3)
    >>> list(zip(strips.first.tolist(), strips.stop.tolist()))
    [(0, 5), (4, 9), (9, 12)]
    """
    targets = encoded.lengths - 1
    share = max(1, -(-int(targets.sum()) // lanes))
    short = (targets > 0) & (targets <= share)  # a document without a token has nothing to predict
    first, stop = [encoded.starts[:-1][short]], [encoded.starts[1:][short]]
    for document in np.flatnonzero(targets > share):
        start, count = encoded.starts[document], int(targets[document])
        bounds = start + np.linspace(0, count, -(-count // share) + 1).round().astype("int64")
        bounds[1:-1] += np.minimum(shift, (bounds[2:] - bounds[1:-1]) // 2)
        first.append(bounds[:-1])
        stop.append(bounds[1:] + 1)
    order = np.argsort(np.concatenate(first), kind="stable")
    return Strips(np.concatenate(first)[order], np.concatenate(stop)[order])


def steps_per_epoch(encoded: Encoded, lanes: int, window: int) -> int:
    """Windows of every lane in which about all tokens are read once."""
    strips = cut(encoded, lanes)
    return max(1, -(-int((-(-strips.targets // window)).sum()) // lanes))


def training_windows(
    encoded: Encoded, lanes: int, window: int, steps: int, seed: int, first_epoch: int
) -> tf.data.Dataset:
    """Windows without end, from the first one of an epoch of `steps` on.

    Args:
        encoded: Documents, each with `START` in front.
        lanes: Rows of a window.
        window: Steps of a window, at most; fewer where no lane has as many left.
        steps: Windows of an epoch.
        seed: Of the order of strips and the places where documents are cut.
        first_epoch: Where a resumed training goes on.

    Returns:
        Of `(inputs, targets, carried)`: `(lanes, time)` ids twice, padded with 0 where a strip has ended, and
        `(lanes,)` 1 where the lane goes on with its strip, 0 where a strip begins.
    """

    def queue() -> Iterator[tuple[int, int]]:
        epoch = 0
        while True:
            shift = int(np.random.default_rng([seed, epoch]).integers(window))
            strips = cut(encoded, lanes, shift)
            for rows in bucketed(strips.targets, lanes, seed, epoch, POOL):
                yield from zip(strips.first[rows].tolist(), strips.stop[rows].tolist(), strict=True)
            epoch += 1

    def windows() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        places = _places(queue(), lanes, window)
        for _ in range(first_epoch * steps):
            next(places)
        for first, length, carried in places:
            yield _window(encoded, first, length, carried)

    return _dataset(windows, lanes, tf.data.INFINITE_CARDINALITY)


def evaluation_windows(encoded: Encoded, lanes: int, window: int) -> tf.data.Dataset:
    """All tokens once, as `training_windows` gives them."""
    strips = cut(encoded, lanes)
    order = np.argsort(-strips.targets, kind="stable")
    queue = list(zip(strips.first[order].tolist(), strips.stop[order].tolist(), strict=True))

    def windows() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for first, length, carried in _places(iter(queue), lanes, window):
            yield _window(encoded, first, length, carried)

    return _dataset(windows, lanes, sum(1 for _ in _places(iter(queue), lanes, window)))


def _places(queue: Iterator[tuple[int, int]], lanes: int, window: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Of every lane where its window begins, how many targets it has, and whether its strip goes on.

    Ends when the queue and all lanes have ended; lanes that have nothing left have no targets.
    """
    first, stop = np.zeros(lanes, "int64"), np.ones(lanes, "int64")
    while True:
        carried = np.ones(lanes, "float32")
        for lane in np.flatnonzero(stop - first <= 1):
            carried[lane] = 0
            first[lane], stop[lane] = next(queue, (0, 1))
        length = np.minimum(stop - first - 1, window)
        if not length.any():
            return
        yield first.copy(), length, carried
        first += length


def _window(
    encoded: Encoded, first: np.ndarray, length: np.ndarray, carried: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    column = np.arange(length.max())
    real = column < length[:, None]  # (lanes, time)
    places = np.where(real, first[:, None] + column, 0)
    inputs = np.where(real, encoded.token_ids[places], PAD).astype("int32")
    inputs[(carried == 0) & (length > 0), 0] = START
    targets = np.where(real, encoded.token_ids[places + 1], PAD).astype("int32")
    return inputs, targets, carried


def _dataset(windows, lanes: int, count: int) -> tf.data.Dataset:
    ids = tf.TensorSpec([lanes, None], tf.int32)
    signature = (ids, ids, tf.TensorSpec([lanes], tf.float32))
    dataset = tf.data.Dataset.from_generator(windows, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
