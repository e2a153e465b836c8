"""Which text belongs to which part: every class is cut alike, equal texts go together.

Neither the seed nor the order of the rows has a say, so that runs with other seeds are judged on the same texts.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from seqapps.tasks.sentiment.data.labels import LabelBook
from seqapps.tasks.sentiment.data.splits import SPLITS, Part

TRAIN = SPLITS.index("train")
FEW = 5  # texts; where a part takes fewer of a class, rounding is no small thing
HALF = 0.5  # a text; so far a part's lack of texts may outweigh its lack of those of one label


def cut(part: Part, book: LabelBook, fractions: Mapping[str, float]) -> np.ndarray:
    """For every row the position of its split in `SPLITS`.

    Args:
        part: All rows.
        book: Their labels.
        fractions: What each part but train shall have of the texts.
    """
    hashes, text_of_row = np.unique(part.hashes, return_inverse=True)
    ordered = sorted(book.numbers, key=repr)  # not the order in which they were met
    rank = np.empty(len(ordered), "int64")
    rank[[book.numbers[names] for names in ordered]] = np.arange(len(ordered))
    sets = np.full(len(hashes), len(ordered))
    np.minimum.at(sets, text_of_row, rank[part.labels])  # of equal texts with different labels the first by name
    where = _class_by_class(sets, fractions) if book.separator is None else _label_by_label(sets, ordered, fractions)
    return where[text_of_row]


def _class_by_class(classes: np.ndarray, fractions: Mapping[str, float]) -> np.ndarray:
    """Cut texts that have one class each, in the order of their hashes: `(texts,)` → `(texts,)`.

    A part takes its share of a class, one text at least, and leaves one to train on. Of small classes that would add
    up: what a part has had too much or too little of them, by whole texts, is made up for by the next small class.
    """
    where = np.zeros(len(classes), "int8")
    owed = dict.fromkeys(fractions, 0.0)  # texts
    by_class = np.argsort(classes, kind="stable")
    for own in np.split(by_class, np.flatnonzero(np.diff(classes[by_class])) + 1):
        taken = 0
        for split, fraction in fractions.items():
            share = fraction * len(own)
            count = max(round(share), 1)
            if share < FEW:
                count += int(owed[split] + share - count)
            count = min(max(count, 0), len(own) - 1 - taken)
            if share < FEW:  # what a class is too small to give stays owed only in part, or the next would give all
                owed[split] = float(np.clip(owed[split] + share - count, -1, 1))
            where[own[taken : taken + count]] = SPLITS.index(split)
            taken += count
    return where


def _label_by_label(sets: np.ndarray, members: Sequence[tuple[str, ...]], fractions: Mapping[str, float]) -> np.ndarray:
    """Cut texts that have any number of labels by iterative stratification (Sechidis et al. 2011).

    The texts of the rarest label are given away first, each to the part that still wants most of that label; then
    those of the label that is now the rarest. The paper lets what a part lacks of all texts decide ties only; here it
    counts for half a text, or hundreds of labels with three texts each would leave none to validate. The last text of
    a label that train has not goes there.

    Args:
        sets: `(texts,)` position in `members`; texts in the order of their hashes.
        members: Sets of labels; no label at all counts as one.
        fractions: What each part but train shall have.
    """
    labels_of, holders = _labels_and_holders(sets, members)
    shares = {SPLITS.index(split): fraction for split, fraction in fractions.items()}
    shares = {TRAIN: 1 - sum(shares.values()), **shares}
    wanted = {split: [share * len(each) for each in holders] for split, share in shares.items()}
    owed = dict.fromkeys(shares, 0.0)  # of the texts that are given away
    in_train = [False] * len(holders)
    left = np.array([len(each) for each in holders])
    where = np.full(len(sets), -1, "int8")
    while left.any():
        rarest = int(np.where(left > 0, left, len(sets) + 1).argmin())
        for text in holders[rarest]:
            if where[text] >= 0:
                continue
            own = labels_of[sets[text]]
            lacks = {split: wanted[split][rarest] + min(max(owed[split], -HALF), HALF) for split in shares}
            best = max(lacks, key=lacks.__getitem__)
            if any(left[label] == 1 and not in_train[label] for label in own):
                best = TRAIN
            where[text] = best
            for split, share in shares.items():
                owed[split] += share - (split == best)
            for label in own:
                wanted[best][label] -= 1
                in_train[label] = in_train[label] or best == TRAIN
                left[label] -= 1
    return where


def _labels_and_holders(
    sets: np.ndarray, members: Sequence[tuple[str, ...]]
) -> tuple[list[list[int]], list[list[int]]]:
    """The labels of every set, numbered by name, and the texts of every label."""
    names = sorted({name for each in members for name in each or ("",)})
    numbers = {name: number for number, name in enumerate(names)}
    labels_of = [[numbers[name] for name in each or ("",)] for each in members]
    holders: list[list[int]] = [[] for _ in names]
    for text, position in enumerate(sets.tolist()):
        for label in labels_of[position]:
            holders[label].append(text)
    return labels_of, holders
