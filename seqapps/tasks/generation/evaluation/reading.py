"""A served model reads documents on: what it thought of every token, with the states carried or in fresh windows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqapps.tasks.generation.serving import Served
from seqapps.text.batches import Encoded
from seqapps.text.kinds import PAD, START

WINDOW = 256  # tokens of a fresh window
CHUNK = 256  # tokens that are read at once
ROWS = 32  # documents or windows that are read side by side, at most
MOST_LOGITS = 50_000_000  # numbers


@dataclass(frozen=True)
class Chunk:
    """Some tokens of documents, and what the model thought of them.

    Attributes:
        places: `(rows, time)` places of the tokens in the stream, -1 where there is none.
        log_probability: `(rows, time)` in nats.
        likeliest: `(rows, time)` ids.
        features: `(rows, time, size)` from which the model told them.
        begins: Whether these are the first tokens of their documents.
    """

    places: np.ndarray
    log_probability: np.ndarray
    likeliest: np.ndarray
    features: np.ndarray
    begins: bool


def carried(served: Served, encoded: Encoded) -> Iterator[Chunk]:
    """Documents from their start to their end, the state carried through each; some of about equal length at once."""
    order = np.argsort(-encoded.lengths, kind="stable")
    count = rows_at_once(served)
    for first in range(0, len(order), count):
        rows = order[first : first + count]
        starts, stops = encoded.starts[rows], encoded.starts[rows + 1]
        states = None
        for begin in range(0, int((stops - starts).max()) - 1, CHUNK):
            column = starts[:, None] + begin + np.arange(CHUNK + 1)  # (rows, time + 1)
            column = column[:, : int((stops - starts).max()) - begin]
            inside = column < stops[:, None]
            ids = np.where(inside, encoded.token_ids[np.where(inside, column, 0)], PAD).astype("int32")
            told = served.advance(ids, states)
            states = told["states"]
            yield _chunk(np.where(inside, column, -1)[:, 1:], told, begins=begin == 0)


def fresh(served: Served, encoded: Encoded) -> Iterator[Chunk]:
    """Windows one after the other, each read without what came before but for one token."""
    firsts, stops = [], []
    for start, stop in zip(encoded.starts[:-1], encoded.starts[1:], strict=True):
        firsts.append(np.arange(start, stop - 1, WINDOW))
        stops.append(np.minimum(firsts[-1] + WINDOW + 1, stop))
    first, stop = np.concatenate(firsts), np.concatenate(stops)
    rows = rows_at_once(served)
    # The one token before a window is read after START; where that token is START, nothing stands before it.
    for skipped, chosen in enumerate((encoded.token_ids[first] == START, encoded.token_ids[first] != START)):
        for row in range(0, int(chosen.sum()), rows):
            begins, ends = first[chosen][row : row + rows], stop[chosen][row : row + rows]
            column = begins[:, None] + np.arange(int((ends - begins).max()))
            inside = column < ends[:, None]
            ids = np.where(inside, encoded.token_ids[np.where(inside, column, 0)], PAD).astype("int32")
            ids = np.concatenate([np.full((len(ids), skipped), START, "int32"), ids], axis=1)
            told = served.advance(ids, None)
            yield _chunk(np.where(inside, column, -1)[:, 1:], told, begins=True, skipped=skipped)


def rows_at_once(served: Served) -> int:
    """Documents or windows that are read side by side: fewer of a large vocabulary, whose probabilities take room."""
    return max(1, min(ROWS, MOST_LOGITS // (CHUNK * served.preprocessing.tokenizer.vocabulary_size)))


def _chunk(places: np.ndarray, told: dict, begins: bool, skipped: int = 0) -> Chunk:
    nats, likeliest, features = (
        told[name].numpy()[:, skipped:] for name in ("log_probability", "likeliest", "features")
    )
    return Chunk(places, nats, likeliest, features, begins)


def spread(chunks: Iterator[Chunk], count: int) -> tuple[np.ndarray, np.ndarray]:
    """What was thought of every token of a stream: `(count,)` nats, 0 where nothing was, and the likeliest ids."""
    nats, likeliest = np.zeros(count), np.zeros(count, "int32")
    for chunk in chunks:
        inside = chunk.places >= 0
        nats[chunk.places[inside]] = chunk.log_probability[inside]
        likeliest[chunk.places[inside]] = chunk.likeliest[inside]
    return nats, likeliest
