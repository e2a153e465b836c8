"""Tests of significance against scipy and statsmodels called by hand, formulas written out, and published examples."""

import numpy as np
import pytest
from sacrebleu.metrics import BLEU
from scipy import stats
from statsmodels.stats import contingency_tables, multitest

from seqapps.significance import (
    Outcome,
    corpus_bootstrap,
    corrected,
    diebold_mariano,
    interval,
    mcnemar_test,
    merged,
    paired_bootstrap,
    permutation_test,
)

ITEMS = 101


@pytest.fixture
def generator():
    return np.random.default_rng(3)


# --- McNemar ---


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_is_the_binomial_test_of_what_one_alone_has_right(seed):
    generator = np.random.default_rng(seed)
    ours, theirs = generator.random(ITEMS) < 0.8, generator.random(ITEMS) < 0.7
    alone = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    expected = stats.binomtest(alone[0], sum(alone)).pvalue
    assert mcnemar_test(ours, theirs).p_value == pytest.approx(expected, rel=1e-12)
    table = np.histogram2d(ours, theirs, bins=2)[0]
    assert mcnemar_test(ours, theirs).p_value == pytest.approx(contingency_tables.mcnemar(table).pvalue, rel=1e-12)
    assert mcnemar_test(ours, theirs).sign == np.sign(alone[0] - alone[1])
    assert mcnemar_test(theirs, ours) == Outcome(mcnemar_test(ours, theirs).p_value, -mcnemar_test(ours, theirs).sign)


def test_equal_answers_differ_by_chance_alone(generator):
    hits = generator.random(ITEMS) < 0.5
    assert mcnemar_test(hits, hits) == Outcome(1.0, 0)


# --- permutations ---


def test_all_permutations_of_few_items_are_taken():
    """Of 2^5 sums of ±1, ±2, ±3, ±4, ±5, those at least as far from 0 as 1 + 2 + 3 + 4 − 5 = 5 are counted."""
    sums = [sum(signs * np.arange(1, 6)) for signs in np.array(np.meshgrid(*[[1, -1]] * 5)).reshape(5, -1).T]
    expected = np.mean(np.abs(sums) >= 5)
    losses = np.array([1, 2, 3, 4, 0]), np.array([0, 0, 0, 0, 5])
    assert permutation_test(*losses, 1000) == Outcome(pytest.approx(expected), -1)
    assert permutation_test(*losses[::-1], 1000) == Outcome(pytest.approx(expected), 1)
    assert permutation_test(losses[0], losses[0], 1000) == Outcome(1.0, 0)


def test_more_permutations_let_a_p_value_be_smaller(generator):
    ours = generator.random(ITEMS)
    for count in (100, 1000):
        assert permutation_test(ours, ours + 1, count) == Outcome(pytest.approx(2 / (count + 1)), 1)


# --- bootstrap ---


def test_the_bootstrap_counts_means_that_lie_farther_off_than_the_one_that_was_seen(generator):
    ours, theirs = generator.normal(size=(2, ITEMS))
    difference, resamples = ours - theirs, 400
    drawn = stats.bootstrap(
        (difference,), np.mean, n_resamples=resamples, batch=50, method="percentile", rng=np.random.default_rng(0)
    ).bootstrap_distribution
    far = sum(abs(mean - difference.mean()) > abs(difference.mean()) for mean in drawn)
    better = 1 if difference.mean() < 0 else -1  # they are losses
    assert paired_bootstrap(ours, theirs, resamples) == Outcome((far + 1) / (resamples + 1), better)
    # It stands for a normal law of the mean, near enough.
    assert paired_bootstrap(ours, theirs, 4000).p_value == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, abs=0.03)


def test_a_bootstrap_of_few_items_tells_nothing_and_of_equal_losses_that_nothing_differs():
    assert paired_bootstrap(np.zeros(19), np.ones(19), 100) is None
    assert paired_bootstrap(np.ones(20), np.ones(20), 100) == Outcome(1.0, 0)
    assert paired_bootstrap(np.zeros(20), np.ones(20), 100) == Outcome(1 / 101, 1)


def test_equal_translations_differ_by_chance_alone_and_bad_ones_do_not():
    references = [f"the number {number} is written here in words" for number in range(40)]
    wrong = ["nothing of the kind stands here at all"] * 40
    assert corpus_bootstrap(references, references, references, BLEU(), 200) == Outcome(1.0, 0)
    assert corpus_bootstrap(references, wrong, references, BLEU(), 200) == Outcome(pytest.approx(2 / 201), 1)
    assert corpus_bootstrap(wrong, references, references, BLEU(), 200) == Outcome(pytest.approx(2 / 201), -1)
    assert corpus_bootstrap(references[:19], wrong[:19], references[:19], BLEU(), 200) is None


@pytest.mark.parametrize("test", ["bleu", "losses"])
def test_a_bootstrap_seldom_calls_systems_different_that_are_equally_good(test, generator):
    """Two systems that err on sentences of their own choice: at 0.05 about 5 of 100 pairs may be called different."""
    references = [f"the number {number} is written here in a few words" for number in range(30)]
    rejected = 0
    for _ in range(100):
        wrong = generator.random((2, 30)) < 0.3
        if test == "bleu":
            answers = [
                [text[:-8] if bad else text for text, bad in zip(references, each, strict=True)] for each in wrong
            ]
            rejected += corpus_bootstrap(*answers, references, BLEU(), 200).p_value < 0.05
        else:
            rejected += paired_bootstrap(*wrong.astype(float), 200).p_value < 0.05
    assert rejected <= 11  # of a binomial law with 0.05 one in 200 samples has more


# --- Diebold and Mariano ---


def by_hand(ours, theirs, overlap):
    """The statistic of Diebold & Mariano (1995), corrected by Harvey, Leybourne & Newbold (1997), equation (9)."""
    difference = np.array(ours) - np.array(theirs)
    count, horizon = len(difference), overlap + 1
    centred = difference - difference.mean()
    autocovariance = [np.sum(centred[lag:] * centred[: count - lag]) / count for lag in range(horizon)]
    variance = (autocovariance[0] + 2 * sum(autocovariance[1:])) / count
    statistic = difference.mean() / np.sqrt(variance)
    statistic *= np.sqrt((count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count)
    return 2 * stats.t.cdf(-abs(statistic), df=count - 1)


@pytest.mark.parametrize("overlap", [0, 1, 5])
def test_diebold_mariano_is_the_formula_of_the_papers(overlap, generator):
    shared = np.convolve(generator.normal(size=ITEMS + overlap), np.ones(overlap + 1), "valid")
    ours, theirs = shared + 0.3 + generator.normal(size=ITEMS), generator.normal(size=ITEMS)
    p_value, sign = diebold_mariano(ours, theirs, overlap)
    assert p_value == pytest.approx(by_hand(ours, theirs, overlap), rel=1e-9)
    assert 0 < p_value < 1
    assert sign == (1 if np.mean(ours) < np.mean(theirs) else -1)
    assert diebold_mariano(theirs, ours, overlap) == Outcome(pytest.approx(p_value), -sign)


def test_of_forecasts_that_do_not_overlap_it_is_a_t_test(generator):
    ours, theirs = generator.normal(size=(2, ITEMS))
    assert diebold_mariano(ours, theirs, 0).p_value == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, rel=1e-9)


def test_a_variance_that_equal_weights_make_negative_is_taken_with_falling_ones():
    difference = np.array([1.0, -0.9] * 10)  # neighbours' covariance is nearly minus the variance
    centred = difference - difference.mean()
    variance, covariance = np.sum(centred**2) / 20, np.sum(centred[1:] * centred[:-1]) / 20
    assert variance + 2 * covariance < 0
    falling = (variance + 2 * covariance / 2) / 20  # Newey & West: lag 1 of 1 counts a half
    statistic = difference.mean() / np.sqrt(falling) * np.sqrt((20 + 1 - 4 + 2 / 20) / 20)
    assert diebold_mariano(difference, np.zeros(20), 1) == Outcome(pytest.approx(2 * stats.t.sf(statistic, 19)), -1)


def test_few_forecasts_and_those_that_overlap_too_much_tell_nothing(generator):
    losses = generator.normal(size=(2, ITEMS))
    assert diebold_mariano(*losses[:, :9], 0) is None
    assert diebold_mariano(*losses, overlap=60) is None
    assert diebold_mariano(losses[0], losses[0], 1) == Outcome(1.0, 0)
    assert diebold_mariano(losses[0], losses[0] + 1, 1) == Outcome(0.0, 1)


# --- seeds and families ---


def test_seeds_that_agree_give_twice_their_median():
    assert merged([Outcome(0.01, 1), Outcome(0.5, 1), Outcome(0.02, 1)]) == Outcome(pytest.approx(0.04), 1)
    assert merged([Outcome(0.01, -1), None, Outcome(0.03, -1)]) == Outcome(pytest.approx(0.04), -1)
    assert merged([Outcome(0.9, 1), Outcome(0.8, 1)]).p_value == 1.0
    assert merged([]) is None
    assert merged([None, Outcome(0.03, -1)]) == Outcome(0.03, -1)


def test_seeds_that_disagree_count_against_each_other():
    """One-sided p-values for the first: 0.0005 and 0.9995, of which twice the median is 1; for the other the same."""
    assert merged([Outcome(0.001, 1), Outcome(0.001, -1)]) == Outcome(1.0, 0)
    # For the first 0.005, 0.01 and 0.75: twice the median, doubled for two directions.
    assert merged([Outcome(0.01, 1), Outcome(0.02, 1), Outcome(0.5, -1)]) == Outcome(pytest.approx(0.04), 1)
    assert merged([Outcome(0.01, 1), Outcome(0.02, -1), Outcome(1.0, 0)]).p_value == 1.0


def test_a_family_is_corrected_by_holm():
    p_values = [0.01, 0.04, None, 0.03, 0.005]
    # In rising order 0.005 × 4, 0.01 × 3, 0.03 × 2, 0.04 × 1, each at least the one before.
    assert corrected(p_values) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    known = [value for value in p_values if value is not None]
    expected = multitest.multipletests(known, method="holm")[1]
    assert [value for value in corrected(p_values) if value is not None] == pytest.approx(expected)
    assert corrected([None]) == [None]


def test_the_interval_over_seeds_is_students():
    scores = [0.81, 0.83, 0.80]
    half = stats.t.ppf(0.975, 2) * np.std(scores, ddof=1) / np.sqrt(3)
    assert interval(scores) == pytest.approx((np.mean(scores) - half, np.mean(scores) + half))
    assert interval([0.8]) is None
    assert interval([0.8, 0.8]) == (0.8, 0.8)
