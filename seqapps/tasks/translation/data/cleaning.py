"""Pairs that teach nothing or tell too much: found while the data are read once, counted, and left out."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from seqapps.text.reading import Source

PATIENCE_CHARACTERS = 10  # added to both sides: the ratio of two short texts says little


@dataclass(frozen=True)
class Scan:
    """What is known of every row of a source after one reading.

    Attributes:
        pairs: `(rows,)` 64-bit hash of source and target.
        sources: `(rows,)` 64-bit hash of the source alone.
        empty: `(rows,)`: whether a side is empty.
        ratios: `(rows,)`: how many times as long as the other the longer side is.
    """

    pairs: np.ndarray
    sources: np.ndarray
    empty: np.ndarray
    ratios: np.ndarray


def scan(source: Source) -> Scan:
    """Read a source once."""
    pairs, sources, empty, ratios = [], [], [], []
    for row in source:
        target = row.label or ""
        sources.append(_hash(row.text))
        pairs.append(_hash(f"{len(row.text)}\t{row.text}\t{target}"))
        empty.append(not row.text.strip() or not target.strip())
        short, long = sorted((len(row.text) + PATIENCE_CHARACTERS, len(target) + PATIENCE_CHARACTERS))
        ratios.append(long / short)
    return Scan(np.array(pairs, "uint64"), np.array(sources, "uint64"), np.array(empty, bool), np.array(ratios))


def kept_of_training(scanned: Scan, keep: np.ndarray, others: np.ndarray, most: float) -> tuple[np.ndarray, list[str]]:
    """Which rows are trained on, and for each reason of leaving out a sentence with how many it struck.

    Args:
        scanned: The source.
        keep: `(rows,)`: the rows of the training part.
        others: Hashes of the pairs of validation and test.
        most: Greatest ratio of lengths.
    """
    rows, first = np.flatnonzero(keep), np.zeros(len(keep), bool)
    first[rows[np.unique(scanned.pairs[rows], return_index=True)[1]]] = True  # of equal pairs of the part
    reasons = [
        (scanned.empty, "with an empty side"),
        (scanned.ratios > most, f"one of whose sides is more than {most:g} times as long as the other"),
        (~first, "that stand in the training part already"),
        (np.isin(scanned.pairs, others), "that are in the validation or test part too"),
    ]
    notes = []
    for strikes, words in reasons:
        struck = keep & strikes
        if count := int(struck.sum()):
            notes.append(f"Not trained on: {count} pair{'s' * (count > 1)} {words}.")
        keep = keep & ~struck
    return keep, notes


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
