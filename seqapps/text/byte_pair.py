"""Byte-pair encoding (Sennrich et al. 2016) of bytes (Radford et al. 2019): training, and merging inside the graph.

Ids: the reserved ones, the 256 bytes, then the merges in the order in which they were found.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import tensorflow as tf

from seqapps.text.kinds import PAD, SPECIAL_TOKENS

Pair = tuple[int, int]
FIRST_BYTE = len(SPECIAL_TOKENS)
FIRST_MERGE = FIRST_BYTE + 256


def train(counts: Mapping[bytes, int], most: int) -> list[Pair]:
    """Merge the pair of neighbours that occurs most often, again and again.

    Of pairs that occur equally often the one that is smaller as two byte strings comes first, so that the result does
    not depend on the order of the pieces. A merge changes the counts of its neighbours only; a heap finds the next one.

    Args:
        counts: How often each piece occurs.
        most: Merges to find; fewer are found when no pair occurs twice.

    Returns:
        Pairs of ids; the merge at position `i` makes the token `FIRST_MERGE + i`.

    Example:

    >>> merges = train({b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3}, most=4)
    >>> texts_of(merges)[FIRST_MERGE:]
    [b'es', b'est', b'lo', b'low']
    """
    texts = texts_of([])
    words = [([FIRST_BYTE + byte for byte in piece], count) for piece, count in counts.items()]
    occurrences: defaultdict[Pair, int] = defaultdict(int)
    holders: defaultdict[Pair, set[int]] = defaultdict(set)  # words that have, or once had, the pair
    for index, (ids, count) in enumerate(words):
        for pair in pairwise(ids):
            occurrences[pair] += count
            holders[pair].add(index)

    def ranked(pairs: Iterable[Pair]) -> list[tuple[int, bytes, bytes, Pair]]:
        return [(-occurrences[p], texts[p[0]], texts[p[1]], p) for p in pairs if occurrences[p] > 1]

    merges: list[Pair] = []
    heap = ranked(occurrences)
    heapq.heapify(heap)
    while heap and len(merges) < most:
        negative, left, right, best = heapq.heappop(heap)
        if occurrences[best] != -negative:
            continue  # its count has changed, and it was put into the heap again then
        changes: defaultdict[Pair, int] = defaultdict(int)
        for index in holders.pop(best):
            ids, count = words[index]
            joined = _merged(ids, best, len(texts))
            words[index] = joined, count
            for pair in pairwise(ids):
                changes[pair] -= count
            for pair in pairwise(joined):
                changes[pair] += count
                holders[pair].add(index)
        merges.append(best)
        texts.append(left + right)
        for pair, change in changes.items():
            occurrences[pair] += change
        for entry in ranked(pair for pair, change in changes.items() if change):
            heapq.heappush(heap, entry)
    return merges


def _merged(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """`ids` with every occurrence of `pair`, from the left, replaced by `new`."""
    merged: list[int] = []
    position = 0
    while position < len(ids):
        is_pair = tuple(ids[position : position + 2]) == pair
        merged.append(new if is_pair else ids[position])
        position += 2 if is_pair else 1
    return merged


def texts_of(merges: Iterable[Pair]) -> list[bytes]:
    """The bytes of every id, the name for a reserved one."""
    texts = [*(name.encode() for name in SPECIAL_TOKENS), *(bytes([byte]) for byte in range(256))]
    for left, right in merges:
        texts.append(texts[left] + texts[right])
    return texts


class BytePairs:
    """Pieces → ids, by the merges of a training.

    Args:
        merges: Pairs of ids, as `train` returns them.

    Example:

    >>> pairs = BytePairs(train({b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3}, most=4))
    >>> ids = pairs.encode(tf.ragged.constant([[b"low", b"est"], [b"slow"]]))
    >>> [[pairs.texts[id] for id in row] for row in ids.numpy()]
    [[b'low', b'est'], [b's', b'low']]
    """

    def __init__(self, merges: Iterable[Pair]) -> None:
        self.merges = list(merges)
        self.texts = texts_of(self.merges)
        self._none = len(self.texts)  # above every id: the pair is not merged
        keys = [-1, *(left * self._none + right for left, right in self.merges)]  # no table may be empty
        merged = [self._none, *range(FIRST_MERGE, self._none)]
        self._merges = _table(tf.constant(keys, tf.int64), tf.constant(merged), self._none)
        ids, texts = tf.range(FIRST_BYTE, self._none), tf.constant(self.texts[FIRST_BYTE:])
        alone = self._merge(texts)
        whole = tf.logical_and(alone.row_lengths() == 1, alone.to_tensor()[:, 0] == ids)
        self._whole = _table(tf.boolean_mask(texts, whole), tf.boolean_mask(ids, whole), PAD)
        self.tables = [self._merges, self._whole]

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` takes: a merge is two ids with a blank between, so that it is one line of a JSON file."""
        return {"merges": [f"{left} {right}" for left, right in self.merges]}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls((int(left), int(right)) for left, right in map(str.split, state["merges"]))

    def encode(self, pieces: tf.RaggedTensor) -> tf.RaggedTensor:
        """`(batch, (pieces))` byte strings → `(batch, (tokens))` int32.

        Most pieces of a text are one token, which a table knows; each of the others is merged once per batch, however
        often it occurs.
        """
        known = self._whole.lookup(pieces.values)  # (pieces,)
        others = tf.equal(known, PAD)
        unique, index = tf.unique(tf.boolean_mask(pieces.values, others))
        rows = tf.concat([tf.RaggedTensor.from_uniform_row_length(known, 1), self._merge(unique)], axis=0)
        row_of_piece = tf.range(tf.size(known))
        row_of_piece = tf.tensor_scatter_nd_update(row_of_piece, tf.where(others), tf.size(known) + index)
        tokens = tf.gather(rows, row_of_piece)  # (pieces, (tokens))
        splits = tf.gather(tokens.row_splits, pieces.row_splits)
        return tf.RaggedTensor.from_row_splits(tokens.values, splits, validate=False)  # (batch, (tokens))

    def encode_with_dropout(self, pieces: tf.RaggedTensor, dropout: float, seed: tf.Tensor) -> tf.RaggedTensor:
        """As `encode`, but each possible merge is left out with probability `dropout`, anew in every round.

        A piece is then cut now one way and now another, so that a network sees the parts of frequent words too. Source:
        Provilkov et al. 2020 (BPE-dropout).

        Args:
            pieces: `(batch, (pieces))` byte strings.
            dropout: In [0, 1).
            seed: `(2,)` int32; with the same pieces it decides what is left out.
        """
        tokens = self._merge(pieces.values, dropout, seed)
        splits = tf.gather(tokens.row_splits, pieces.row_splits)
        return tf.RaggedTensor.from_row_splits(tokens.values, splits, validate=False)

    def _merge(self, pieces: tf.Tensor, dropout: float = 0.0, seed: tf.Tensor | None = None) -> tf.RaggedTensor:
        """`(pieces,)` → `(pieces, (tokens))`: each round merges the first pair of lowest rank in every piece."""
        lengths = tf.strings.length(pieces)
        width = tf.maximum(tf.reduce_max(lengths), 1)
        column = tf.range(width)  # (width,)
        values = tf.cast(tf.io.decode_raw(pieces, tf.uint8, fixed_length=width), tf.int32)  # (pieces, width)
        ids = tf.where(column < lengths[:, tf.newaxis], FIRST_BYTE + values, PAD)

        def merge_once(ids: tf.Tensor, going: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            following = tf.pad(ids[:, 1:], [[0, 0], [0, 1]], constant_values=PAD)
            merged = self._merges.lookup(tf.cast(ids, tf.int64) * self._none + tf.cast(following, tf.int64))
            if seed is not None:
                drawn = tf.random.stateless_uniform(tf.shape(merged), seed + tf.stack([0, number]))
                merged = tf.where(drawn < dropout, self._none, merged)
            lowest = tf.reduce_min(merged, axis=1, keepdims=True)  # (pieces, 1)
            found = (lowest < self._none) & going  # a piece ends with the first round that leaves out all its merges
            place = tf.where(found, tf.argmin(merged, axis=1, output_type=tf.int32)[:, tf.newaxis], width)
            ids = tf.where(column < place, ids, tf.where(column == place, lowest, following))
            return ids, found, number + 1

        def goes_on(_: tf.Tensor, going: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            return tf.reduce_any(going)

        going = tf.ones([tf.size(pieces), 1], tf.bool)
        ids, _, _ = tf.while_loop(goes_on, merge_once, (ids, going, 0))
        return tf.RaggedTensor.from_tensor(ids, padding=PAD)


def _table(keys: tf.Tensor, values: tf.Tensor, default: int) -> tf.lookup.StaticHashTable:
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)
