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

FEWEST_ORIGINS = 10  # of forecasts; fewer tell nothing
SEED = 0  # of resamples


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
        p_value: Of two tables of `columns` with the same items, one of the runs' options, and the number of resamples;
            `None` where there are too few items to tell.
    """

    scores: tuple[str, ...]
    names: Mapping[str, str]
    lower_is_better: bool
    test: str
    columns: Mapping[str, type]
    items: tuple[str, ...]
    same: tuple[str, ...]
    p_value: Callable[[pd.DataFrame, pd.DataFrame, Mapping[str, Any], int], float | None]


def mcnemar_test(ours: np.ndarray, theirs: np.ndarray) -> float:
    """McNemar's exact test (1947), two-sided, on the items that one alone has right.

    Args:
        ours: `(items,)` booleans, whether an answer is right.
        theirs: The same of the other.

    Example:

    >>> mcnemar_test(np.array([True] * 7 + [False]), np.array([False] * 6 + [True, True]))
    0.125
    """
    table = [[np.sum(ours & theirs), np.sum(ours & ~theirs)], [np.sum(~ours & theirs), np.sum(~ours & ~theirs)]]
    if table[0][1] == table[1][0]:  # as likely as can be; without any such item there is nothing to divide by
        return 1.0
    return float(mcnemar(table, exact=True).pvalue)


def paired_bootstrap(ours: np.ndarray, theirs: np.ndarray, resamples: int) -> float | None:
    """Paired bootstrap test of a mean difference of losses, two-sided (Efron & Tibshirani 1993, section 16.4).

    The p-value is the share of resamples whose mean lies farther from that of the items than that lies from 0, as
    sacrebleu counts it.

    Args:
        ours: `(items,)` losses.
        theirs: The same of the other.
        resamples: How many.

    Returns:
        The p-value, at least 1 / (resamples + 1); `None` for a single item.

    Example:

    >>> paired_bootstrap(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 2.5]), 100)
    1.0
    """
    difference = np.asarray(ours, float) - np.asarray(theirs, float)
    if len(difference) < 2:
        return None
    mean = difference.mean()
    if mean == 0:
        return 1.0
    drawn = stats.bootstrap(
        (difference,), np.mean, n_resamples=resamples, batch=50, method="percentile", rng=np.random.default_rng(SEED)
    ).bootstrap_distribution
    return float((np.sum(np.abs(drawn - mean) > abs(mean)) + 1) / (resamples + 1))


def corpus_bootstrap(
    ours: Sequence[str], theirs: Sequence[str], references: Sequence[str], metric: Metric, resamples: int
) -> float:
    """Paired bootstrap test of a score of sacrebleu (Koehn 2004), two-sided, as sacrebleu computes it."""
    systems = [("theirs", list(theirs)), ("ours", list(ours))]
    _, told = PairedTest(systems, {"score": metric}, [list(references)], test_type="bs", n_samples=resamples)()
    first, second = next(results for name, results in told.items() if name != "System")
    # sacrebleu counts resamples that differ by more than the systems do: of equal ones none does.
    return 1.0 if first.score == second.score else float(second.p_value)


def diebold_mariano(ours: np.ndarray, theirs: np.ndarray, overlap: int) -> float | None:
    """Diebold & Mariano's test (1995) of equal losses, two-sided, corrected for few forecasts.

    The variance of the mean difference takes in the autocovariances up to lag `overlap`, with equal weights, or where
    these give no positive variance with falling ones (Newey & West 1987). The statistic is corrected and compared with
    Student's t as Harvey, Leybourne & Newbold (1997) do.

    Args:
        ours: `(origins,)` losses, in the order of time.
        theirs: The same of the other.
        overlap: How many of the next forecasts share a step with one: horizon − 1 for origins at every step.

    Returns:
        The p-value; `None` for fewer than 10 origins, or where they overlap so much that nothing can be told.

    Example:

    >>> ours, theirs = np.array([1, 2, 2, 3, 1, 2, 3, 2, 1, 2.0]), np.array([2, 2, 3, 3, 2, 3, 3, 2, 2, 4.0])
    >>> round(diebold_mariano(ours, theirs, overlap=0), 4)
    0.0095
    """
    difference = np.asarray(ours, float) - np.asarray(theirs, float)
    count, horizon = len(difference), overlap + 1
    correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / max(count, 1)) / max(count, 1)
    if count < FEWEST_ORIGINS or horizon > count // 2 or correction <= 0:
        return None
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():  # no spread: nothing to divide by
        return float(difference[0] == 0)
    for kernel in ("uniform", "bartlett"):
        options = {"maxlags": overlap, "kernel": kernel, "use_correction": False}
        fitted = OLS(difference, np.ones(count)).fit(cov_type="HAC", cov_kwds=options)
        variance = float(fitted.cov_params()[0, 0])
        if variance > 0:
            break
    statistic = difference.mean() / np.sqrt(variance) * np.sqrt(correction)
    return float(2 * stats.t.sf(abs(statistic), count - 1))


def merged(p_values: Sequence[float | None]) -> float | None:
    """One p-value of the same question for several seeds: twice their median, at most 1; of one seed its own.

    Valid however the p-values depend on each other, which those of the same test items do (Rüger 1978; Vovk & Wang
    2020). Seeds that tell nothing are left out.

    Example:

    >>> merged([0.03, 0.01, 0.2]), merged([0.03]), merged([None])
    (0.06, 0.03, None)
    """
    told = [value for value in p_values if value is not None]
    if len(told) < 2:
        return told[0] if told else None
    return float(min(1.0, 2 * np.median(told)))


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
