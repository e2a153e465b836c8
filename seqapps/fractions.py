"""A part of the training rows: the same for every model, and each smaller part within the larger ones."""

import numpy as np

ROUNDING = 1e-9  # a tenth of 30 rows is 3, whatever binary fractions say


def kept(groups: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Which rows are trained on: of every group about the same part, of each at least one row.

    The choice depends on the seed and on nothing else, and what a smaller fraction keeps, a larger one keeps too.

    Args:
        groups: `(rows,)` whole numbers, such as classes, of which none may vanish.
        fraction: Of (0, 1].
        seed: Of the choice.

    Returns:
        `(rows,)` booleans.

    Example:

    >>> kept(np.array([0, 0, 0, 0, 1, 1]), fraction=0.5, seed=0)
    array([False, False,  True,  True, False,  True])
    """
    order = np.random.default_rng(seed).permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]  # group by group, each in its random order
    _, firsts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    rank = np.arange(len(groups)) - np.repeat(firsts, counts)
    chosen = np.zeros(len(groups), bool)
    chosen[order] = rank < np.ceil(np.repeat(counts, counts) * fraction - ROUNDING)
    return chosen


def note(fraction: float, count: int, whole: int, rows: str) -> tuple[str, ...]:
    """A sentence on the part that is trained on; none for all.

    Example:

    >>> note(0.3, 3, 10, "texts")
    ('Trained on a part of the training data, data_fraction=0.3: 3 of 10 texts.',)
    """
    told = f"Trained on a part of the training data, data_fraction={fraction:g}: {count} of {whole} {rows}."
    return () if fraction == 1 else (told,)
