"""Problems of any lag that only a network with a memory solves: data without end, made from a seed.

In each the answer depends on something that was read at least `lag` steps before. What the best fixed answer scores,
one that does not depend on what is read, is known by calculation: a network that does no better has remembered nothing,
and one that does ten times as well cannot have done without a memory.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from seqapps import checks

MARKED_WITHIN = 10  # first steps, one of which holds the first number of the adding problem
COPIED, SYMBOLS = 10, 8  # of the copy problem: steps to remember, kinds of them
BLANK, RECALL = SYMBOLS, SYMBOLS + 1
BEGIN, END, FIRST_DISTRACTOR, DISTRACTORS, FIRST_ORDERED = 0, 1, 2, 4, 6  # kinds of symbols of the temporal order
TRAINING, VALIDATION, TEST = range(3)  # streams of random numbers of one seed

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A problem of any lag.

    Attributes:
        title: Its name in words.
        features: Of a step.
        outputs: Numbers that a network answers with: 1, or logits of as many classes.
        classes: Whether it answers with a class, measured in nats; else with a number, measured by the squared error.
        every_step: Whether every step has an answer; else the last one alone.
        shortest_lag: That there is.
        steps: Lag → steps of a sequence.
        baseline: Lag → loss of the best answer that does not depend on what is read, mean over all answers.
        draw: Random numbers, rows and lag → inputs `(rows, steps, features)` float32, and targets: `(rows,)` float32,
            or int32 classes `(rows,)` or `(rows, steps)`.
        source: Where it comes from.
    """

    title: str
    features: int
    outputs: int
    classes: bool
    every_step: bool
    shortest_lag: int
    steps: Callable[[int], int]
    baseline: Callable[[int], float]
    draw: Callable[[np.random.Generator, int, int], Batch]
    source: str


def _adding(generator: np.random.Generator, rows: int, lag: int) -> Batch:
    steps = lag + MARKED_WITHIN
    numbers = generator.random((rows, steps), "float32")
    first = generator.integers(MARKED_WITHIN, size=rows)
    second = first + 1 + (generator.random(rows) * (steps - 1 - first)).astype("int64")
    marks = np.zeros((rows, steps), "float32")
    marks[np.arange(rows), first] = marks[np.arange(rows), second] = 1
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=1)


def _copy_memory(generator: np.random.Generator, rows: int, lag: int) -> Batch:
    symbols = generator.integers(SYMBOLS, size=(rows, COPIED))
    read = np.full((rows, lag + 2 * COPIED), BLANK)
    read[:, :COPIED] = symbols
    read[:, COPIED + lag - 1] = RECALL
    answers = np.full(read.shape, BLANK, "int32")
    answers[:, -COPIED:] = symbols
    return np.eye(SYMBOLS + 2, dtype="float32")[read], answers


def _parity(generator: np.random.Generator, rows: int, lag: int) -> Batch:
    bits = generator.integers(2, size=(rows, lag + 1))
    return (2 * bits[..., None] - 1).astype("float32"), (bits.sum(axis=1) % 2).astype("int32")


def _temporal_order(generator: np.random.Generator, rows: int, lag: int) -> Batch:
    steps = _order_steps(lag)
    read = FIRST_DISTRACTOR + generator.integers(DISTRACTORS, size=(rows, steps))
    read[:, 0], read[:, -1] = BEGIN, END
    kinds = generator.integers(2, size=(2, rows))  # X or Y
    for kind, tenth in zip(kinds, (1, 5), strict=True):
        places = generator.integers(tenth * steps // 10, (tenth + 1) * steps // 10, size=rows)
        read[np.arange(rows), places] = FIRST_ORDERED + kind
    return np.eye(FIRST_ORDERED + 2, dtype="float32")[read], (2 * kinds[0] + kinds[1]).astype("int32")


def _order_steps(lag: int) -> int:
    """So many that eight tenths of them are the lag: the first symbol stands in the second tenth."""
    return -(-lag * 10 // 8)


PROBLEMS = {
    "adding": Problem(
        title="adding problem",
        features=2,
        outputs=1,
        classes=False,
        every_step=False,
        shortest_lag=1,
        steps=lambda lag: lag + MARKED_WITHIN,
        baseline=lambda lag: 1 / 6,  # always answering 1: the variance of the sum of two uniform numbers
        draw=_adding,
        source="Hochreiter & Schmidhuber 1997, experiment 4; numbers from 0 to 1 and the baseline as in Le et al. 2015",
    ),
    "copy_memory": Problem(
        title="copy memory",
        features=SYMBOLS + 2,
        outputs=SYMBOLS + 1,
        classes=True,
        every_step=True,
        shortest_lag=1,
        steps=lambda lag: lag + 2 * COPIED,
        baseline=lambda lag: COPIED * math.log(SYMBOLS) / (lag + 2 * COPIED),
        draw=_copy_memory,
        source="Hochreiter & Schmidhuber 1997; as in Arjovsky et al. 2016, whose T is the lag",
    ),
    "parity": Problem(
        title="parity",
        features=1,
        outputs=2,
        classes=True,
        every_step=False,
        shortest_lag=1,
        steps=lambda lag: lag + 1,
        baseline=lambda lag: math.log(2),
        draw=_parity,
        source="Hochreiter & Schmidhuber 1997, section 1; every bit turns the answer round",
    ),
    "temporal_order": Problem(
        title="temporal order",
        features=FIRST_ORDERED + 2,
        outputs=4,
        classes=True,
        every_step=False,
        shortest_lag=8,
        steps=_order_steps,
        baseline=lambda lag: math.log(4),
        draw=_temporal_order,
        source="Hochreiter & Schmidhuber 1997, experiment 6a, whose 100 steps are a lag of 80",
    ),
}


def check_lag(name: str, lag: int, option: str = "lag") -> None:
    """Refuse a lag that a problem does not have, as a value of an option."""
    checks.check_choice("problem", name, tuple(PROBLEMS))
    advice = f"The {PROBLEMS[name].title} needs that many steps."
    checks.check_integer(option, lag, PROBLEMS[name].shortest_lag, advice)


def batches(name: str, lag: int, rows: int, seed: int, stream: int = TRAINING) -> Iterator[Batch]:
    """Fresh sequences without end; the same seed and stream give the same ones.

    Args:
        name: `"adding"`, `"copy_memory"`, `"parity"` or `"temporal_order"`.
        lag: Steps between what must be remembered and the answer, at least.
        rows: Of a batch.
        seed: Of the random numbers.
        stream: `TRAINING`, `VALIDATION` or `TEST`, whose numbers have nothing to do with each other.

    Returns:
        Of `(inputs, targets)` as `Problem.draw`.

    Raises:
        ValueError: If there is no such problem, it has no such lag, or there are no such rows or seed.

    Example:

    >>> inputs, targets = next(batches("adding", lag=20, rows=3, seed=0))
    >>> inputs.shape, targets.shape, round(PROBLEMS["adding"].baseline(20), 4)
    ((3, 30, 2), (3,), 0.1667)
    """
    check_lag(name, lag)
    checks.check_integer("rows", rows, 1)
    checks.check_integer("seed", seed, 0)
    generator = np.random.default_rng([seed, stream])
    return (PROBLEMS[name].draw(generator, rows, lag) for _ in itertools.count())
