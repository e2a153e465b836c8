"""How varied written texts are, and how much of them was copied from the training text."""

from collections.abc import Sequence

import numpy as np

LONGEST_GRAM = 4
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing


def distinct(texts: Sequence[np.ndarray]) -> dict[str, float]:
    """Share of different n-grams among all n-grams of texts, for n from 1 to 4 (Li et al. 2016).

    Args:
        texts: `(tokens,)` ids of every text.

    Example:

    >>> distinct([np.array([4, 5, 4, 5]), np.array([4])])["distinct_2"]
    0.6666666666666666
    """
    told = {}
    for length in range(1, LONGEST_GRAM + 1):
        grams = [tuple(text[place : place + length]) for text in texts for place in range(len(text) - length + 1)]
        told[f"distinct_{length}"] = len(set(grams)) / len(grams) if grams else 0.0
    return told


def longest_copied(texts: Sequence[np.ndarray], training: np.ndarray) -> np.ndarray:
    """The longest run of tokens that one of the texts shares with the training text.

    Args:
        texts: `(tokens,)` ids of every text.
        training: `(tokens,)` ids.

    Returns:
        The run, empty where no token is shared.

    Example:

    >>> longest_copied([np.array([9, 4, 5, 6, 9])], np.array([4, 5, 6, 7, 4, 5])).tolist()
    [4, 5, 6]
    """
    best = np.zeros(0, "int32")
    low, high = 0, max((len(text) for text in texts), default=0)
    while low < high:  # a run of some length holds runs of every lesser one
        length = (low + high + 1) // 2
        found = _shared(texts, training, length)
        if found is None:
            high = length - 1
        else:
            low, best = length, found
    return best


def _shared(texts: Sequence[np.ndarray], training: np.ndarray, length: int) -> np.ndarray | None:
    known = np.sort(_hashes(training, length))
    if not len(known):
        return None
    for text in texts:
        wanted = _hashes(text, length)
        near = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        places = np.flatnonzero(known[near] == wanted)
        if len(places):
            return text[places[0] : places[0] + length]
    return None


def _hashes(ids: np.ndarray, length: int) -> np.ndarray:
    """A hash of every run of `length` ids, built from those of runs half as long."""
    if len(ids) < length:
        return np.zeros(0, "uint64")
    if length == 1:
        return (ids.astype("uint64") + np.uint64(1)) * FACTOR
    half = length // 2
    left, right = _hashes(ids, half), _hashes(ids, length - half)
    count = len(ids) - length + 1
    power = pow(int(FACTOR), length - half, 1 << 64)
    mixed = left[:count] * np.uint64(power) + right[half : half + count]
    return mixed ^ (mixed >> np.uint64(29))
