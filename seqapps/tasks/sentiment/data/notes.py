"""What a person should know of the data: empty texts, leaks and contradictions, counted."""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from seqapps.tasks.sentiment.data.splits import Part

EMPTY = np.frombuffer(hashlib.blake2b(b"", digest_size=8).digest(), "<u8")


def notes(parts: Mapping[str, Part]) -> Iterator[str]:
    """Sentences that each say how many texts of which parts."""
    for split, part in parts.items():
        if count := int(np.isin(part.hashes, EMPTY).sum()):
            yield f"{_texts(count)} of the {split} part {_be(count)} empty."
    for earlier, later in combinations(parts, 2):
        if count := int(np.isin(parts[later].hashes, parts[earlier].hashes).sum()):
            yield f"{_texts(count)} of the {later} part {_be(count)} in the {earlier} part too."
    yield from _contradictions(parts)


def _contradictions(parts: Mapping[str, Part]) -> Iterator[str]:
    """Texts that occur with different labels, each counted once, by the parts in which it occurs."""
    hashes, labels = (np.concatenate([getattr(part, name) for part in parts.values()]) for name in ("hashes", "labels"))
    part_of_row = np.repeat(np.arange(len(parts)), [len(part.labels) for part in parts.values()])
    texts, first, text_of_row = np.unique(hashes, return_index=True, return_inverse=True)
    occurs = np.zeros((len(texts), len(parts)), bool)
    occurs[text_of_row, part_of_row] = True
    contradicting = np.unique(text_of_row[labels != labels[first[text_of_row]]])
    patterns, counts = np.unique(occurs[contradicting], axis=0, return_counts=True)
    for where, count in zip(patterns[::-1], counts[::-1], strict=True):  # the train part first
        *others, last = [split for split, inside in zip(parts, where, strict=True) if inside]
        named = f"{', '.join(others)} and {last} parts" if others else f"{last} part"
        yield f"{_texts(count)} of the {named} {'occurs' if count == 1 else 'occur'} with different labels."


def _texts(count: int) -> str:
    return f"{count} text{'' if count == 1 else 's'}"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"
