"""Whether two runs differ by more than chance: paired tests on the same items, several seeds, many comparisons."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sacrebleu.metrics.base import Metric
from sacrebleu.significance import PairedTest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

SIGNIFICANT = 0.05  # below which a difference is called real
FEWEST_ORIGINS = 10  # of forecasts; fewer tell nothing
FEWEST_ITEMS = 20  # of a bootstrap, which at 0.05 calls equal ones different in 16 of 100 cases of 5 items, 11 of 8
SEED = 0  # of resamples


class Outcome(NamedTuple):
    """What a paired test tells.

    Attributes:
        p_value: Two-sided.
        sign: 1 where the one that is named first is better, -1 where the other is, 0 where neither is.
    """

    p_value: float
    sign: int


class Measured(NamedTuple):
    """By what runs of a task are compared.

    Attributes:
        scores: Names in `metrics.json`; the first one that all runs have decides.
        names: What each is called.
        lower_is_better: Of the deciding scores.
        test: Name of the paired test, with its source.
        columns: What is read of `predictions.csv.gz`, and whether it is `str` or `float`.
        items: The columns that must be equal in two runs for their items to be the same.
        same: Options that must be equal, because scores depend on them.
        tested: Of two tables of `columns` with the same items, one of the runs' options, and the number of resamples;
            `None` where there are too few items to tell.
        by_part: Score by which parts of the training rows are compared, where the deciding one depends on what is
            fitted on them.
    """

    scores: tuple[str, ...]
    names: Mapping[str, str]
    lower_is_better: bool
    test: str
    columns: Mapping[str, type]
    items: tuple[str, ...]
    same: tuple[str, ...]
    tested: Callable[[pd.DataFrame, pd.DataFrame, Mapping[str, Any], int], Outcome | None]
    by_part: str | None = None


def mcnemar_test(ours: np.ndarray, theirs: np.ndarray) -> Outcome:
    """McNemar's exact test (1947), two-sided, on the items that one alone has right.

    Args:
        ours: `(items,)` booleans, whether an answer is right.
        theirs: The same of the other.

    Example:

    >>> mcnemar_test(np.array([True] * 7 + [False]), np.array([False] * 6 + [True, True]))
    Outcome(p_value=0.125, sign=1)
    """
    table = [[np.sum(ours & theirs), np.sum(ours & ~theirs)], [np.sum(~ours & theirs), np.sum(~ours & ~theirs)]]
    if table[0][1] == table[1][0]:  # as likely as can be; without any such item there is nothing to divide by
        return Outcome(1.0, 0)
    return Outcome(float(mcnemar(table, exact=True).pvalue), 1 if table[0][1] > table[1][0] else -1)


def mcnemar_of_answers(
    ours: pd.DataFrame, theirs: pd.DataFrame, options: Mapping[str, Any], resamples: int
) -> Outcome | None:
    """McNemar's test of two tables with the columns `reference` and `answer`; arguments as for `Measured.tested`."""
    return mcnemar_test(*((each["answer"] == each["reference"]).to_numpy() for each in (ours, theirs)))


def permutation_test(ours: np.ndarray, theirs: np.ndarray, resamples: int) -> Outcome:
    """Permutation test of a sum of losses, two-sided: of every item the two change places at random (Pitman 1937).

    Exact for few items, of which all permutations are taken.

    Args:
        ours: `(items,)` losses.
        theirs: The same of the other.
        resamples: Permutations, at most; the p-value is at least 2 / (resamples + 1).

    Example:

    >>> permutation_test(np.array([0, 1, 0, 2]), np.array([1, 3, 1, 3]), 1000)  # 2 of 16 permutations are as far apart
    Outcome(p_value=0.125, sign=1)
    """
    difference = np.asarray(ours, float) - np.asarray(theirs, float)
    if not difference.any():
        return Outcome(1.0, 0)
    found = stats.permutation_test(
        (difference,), np.sum, permutation_type="samples", n_resamples=resamples, batch=100,
        rng=np.random.default_rng(SEED),
    )  # fmt: skip
    return Outcome(float(found.pvalue), _lower_is_better(difference.sum()))


def paired_bootstrap(ours: np.ndarray, theirs: np.ndarray, resamples: int) -> Outcome | None:
    """Paired bootstrap test of a mean difference of losses, two-sided (Efron & Tibshirani 1993, section 16.4).

    The p-value is the share of resamples whose mean lies farther from that of the items than that lies from 0.

    Args:
        ours: `(items,)` losses.
        theirs: The same of the other.
        resamples: How many.

    Returns:
        With a p-value of at least 1 / (resamples + 1); `None` for fewer than 20 items.

    Example:

    >>> paired_bootstrap(np.arange(20.0), np.arange(20.0)[::-1], 100)
    Outcome(p_value=1.0, sign=0)
    """
    difference = np.asarray(ours, float) - np.asarray(theirs, float)
    if len(difference) < FEWEST_ITEMS:
        return None
    mean = difference.mean()
    if mean == 0:
        return Outcome(1.0, 0)
    drawn = stats.bootstrap(
        (difference,), np.mean, n_resamples=resamples, batch=50, method="percentile", rng=np.random.default_rng(SEED)
    ).bootstrap_distribution
    p_value = float((np.sum(np.abs(drawn - mean) > abs(mean)) + 1) / (resamples + 1))
    return Outcome(p_value, _lower_is_better(mean))


def corpus_bootstrap(
    ours: Sequence[str], theirs: Sequence[str], references: Sequence[str], metric: Metric, resamples: int
) -> Outcome | None:
    """Paired bootstrap test of a score of sacrebleu (Koehn 2004), two-sided.

    sacrebleu counts the resamples in which the size of the difference, less its mean, exceeds that of the systems. This
    sees one end of the distribution alone, so its p-value is doubled here.

    Args:
        ours: Answers to every item.
        theirs: The same of the other.
        references: What is right.
        metric: Whose score is better when higher.
        resamples: How many.

    Returns:
        With a p-value of at least 2 / (resamples + 1); `None` for fewer than 20 items.
    """
    if len(references) < FEWEST_ITEMS:
        return None
    systems = [("theirs", list(theirs)), ("ours", list(ours))]
    _, told = PairedTest(systems, {"score": metric}, [list(references)], test_type="bs", n_samples=resamples)()
    first, second = next(results for name, results in told.items() if name != "System")
    if first.score == second.score:  # of equal ones no resample exceeds the difference
        return Outcome(1.0, 0)
    return Outcome(min(1.0, 2 * float(second.p_value)), _lower_is_better(first.score - second.score))


def diebold_mariano(ours: np.ndarray, theirs: np.ndarray, overlap: int) -> Outcome | None:
    """Diebold & Mariano's test (1995) of equal losses, two-sided, corrected for few forecasts.

    The variance of the mean difference takes in the autocovariances up to lag `overlap`, with equal weights, or where
    these give no positive variance with falling ones (Newey & West 1987). The statistic is corrected and compared with
    Student's t as Harvey, Leybourne & Newbold (1997) do.

    Args:
        ours: `(origins,)` losses, in the order of time.
        theirs: The same of the other.
        overlap: How many of the next forecasts share a step with one: horizon − 1 for origins at every step.

    Returns:
        `None` for fewer than 10 origins, or where they overlap so much that nothing can be told.

    Example:

    >>> ours, theirs = np.array([1, 2, 2, 3, 1, 2, 3, 2, 1, 2.0]), np.array([2, 2, 3, 3, 2, 3, 3, 2, 2, 4.0])
    >>> round(diebold_mariano(ours, theirs, overlap=0).p_value, 4)
    0.0095
    """
    difference = np.asarray(ours, float) - np.asarray(theirs, float)
    count, horizon = len(difference), overlap + 1
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / max(count, 1)) / max(count, 1)
    if count < FEWEST_ORIGINS or horizon > count // 2 or correction <= 0:
        return None
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():  # no spread: nothing to divide by
        return Outcome(float(difference[0] == 0), _lower_is_better(difference[0]))
    for kernel in ("uniform", "bartlett"):
        options = {"maxlags": overlap, "kernel": kernel, "use_correction": False}
        fitted = OLS(difference, np.ones(count)).fit(cov_type="HAC", cov_kwds=options)
        variance = float(fitted.cov_params()[0, 0])
        if variance > 0:
            break
    statistic = difference.mean() / np.sqrt(variance) * np.sqrt(correction)
    return Outcome(float(2 * stats.t.sf(abs(statistic), count - 1)), _lower_is_better(difference.mean()))


def _lower_is_better(difference: float) -> int:
    """The sign of a test whose first losses are higher by `difference`."""
    return int(-np.sign(difference))


def merged(tested: Sequence[Outcome | None]) -> Outcome | None:
    """One test of the same question for several seeds; of one seed its own.

    For either direction twice the median of the one-sided p-values, and of the two results twice the smaller: seeds
    that disagree speak against each other, and where all agree it is twice the median of the two-sided p-values. Twice
    the median is valid however p-values depend on each other, which those of the same test items do (Rüger 1978; Vovk &
    Wang 2020); the second doubling is Bonferroni's. Seeds that tell nothing are left out.

    Example:

    >>> merged([Outcome(0.03, 1), Outcome(0.01, 1), Outcome(0.2, 1)])
    Outcome(p_value=0.06, sign=1)
    >>> merged([Outcome(0.001, 1), Outcome(0.001, -1)])
    Outcome(p_value=1.0, sign=0)
    """
    told = [each for each in tested if each is not None]
    if len(told) < 2:
        return told[0] if told else None
    first, second = (
        float(2 * np.median([each.p_value / 2 if sign * each.sign > 0 else 1 - each.p_value / 2 for each in told]))
        for sign in (1, -1)
    )
    return Outcome(min(1.0, 2 * min(first, second)), int(np.sign(second - first)))


def corrected(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values of a family of comparisons, corrected by Holm's method (1979) so that chance rarely wins any of them.

    Example:

    >>> corrected([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    told = [value for value in p_values if value is not None]
    changed = iter(multipletests(told, method="holm")[1].tolist() if told else [])
    return [None if value is None else next(changed) for value in p_values]


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Student's t interval of the mean of a score over seeds; `None` for a single one.

    Example:

    >>> [round(end, 4) for end in interval([0.8, 0.81, 0.85])]
    [0.7543, 0.8857]
    """
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    low, high = stats.t.interval(level, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    return float(low), float(high)
