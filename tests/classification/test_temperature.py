"""Probabilities mean what they say: temperature, log loss and calibration error by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from seqapps.classification import temperature

TEXTS, CLASSES = 20_011, 3


def drawn(multi_label, factor, seed=0):
    """Logits, and targets drawn from the probabilities of logits that are `factor` times smaller."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (TEXTS, CLASSES))
    true = temperature.probabilities(logits / factor, multi_label)
    if multi_label:
        return logits, (generator.random(true.shape) < true).astype("float32")
    return logits, (generator.random((TEXTS, 1)) > true.cumsum(axis=1)).sum(axis=1)


# --- the fit ---


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_the_temperature_that_drew_the_labels_is_found(multi_label, factor):
    logits, targets = drawn(multi_label, factor)
    assert temperature.fit(logits, targets, multi_label) == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize("right", [3, 5, 7])
def test_the_temperature_of_one_repeated_answer_follows_from_its_share(right):
    logits, texts = np.tile([4.0, 0.0], (8, 1)), np.arange(8)
    # The share right / 8 is the probability where (4 - 0) / temperature = log(right / (8 - right)).
    expected = 4 / np.log(right / (8 - right)) if right > 4 else temperature.MOST
    assert temperature.fit(logits, (texts >= right).astype(int), False) == pytest.approx(expected, rel=1e-3)
    table = (texts < right).astype("float32")[:, None]
    assert temperature.fit(logits[:, :1], table, True) == pytest.approx(expected, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.floats(-9, 9)] * CLASSES, st.integers(0, CLASSES - 1)), min_size=1, max_size=20),
    multi_label=st.booleans(),
)
def test_a_fit_is_never_worse_than_none_and_no_temperature_is_better(rows, multi_label):
    logits, targets = np.array([row[:-1] for row in rows]), np.array([row[-1] for row in rows])
    targets = np.eye(CLASSES)[targets] if multi_label else targets
    found = temperature.fit(logits, targets, multi_label)
    assert temperature.LEAST <= found <= temperature.MOST

    def loss(divisor):
        return temperature.log_loss(logits / divisor, targets, multi_label)

    best = min(loss(divisor) for divisor in np.geomspace(temperature.LEAST, temperature.MOST, 101))
    assert loss(found) <= best + 1e-3 + 1e-3 * abs(best)


def test_no_class_changes_its_rank():
    logits, targets = drawn(False, 2.5)
    scaled = logits / temperature.fit(logits, targets, False)
    np.testing.assert_array_equal(scaled.argsort(axis=1), logits.argsort(axis=1))
    assert temperature.share_right(scaled, targets, False) == temperature.share_right(logits, targets, False)


# --- log loss ---


def test_log_loss_is_that_of_its_formula():
    logits = np.array([[np.log(6), np.log(3), 0.0], [0.0, 0.0, np.log(2)]])  # 0.6, 0.3, 0.1 and 0.25, 0.25, 0.5
    np.testing.assert_allclose(temperature.probabilities(logits, False), [[0.6, 0.3, 0.1], [0.25, 0.25, 0.5]])
    np.testing.assert_allclose(temperature.losses(logits, np.array([1, 2]), False), [-np.log(0.3), np.log(2)])
    assert temperature.log_loss(logits, np.array([1, 2]), False) == pytest.approx((np.log(2) - np.log(0.3)) / 2)
    separate = np.log([[4.0, 1.0], [0.25, 3.0]])  # 0.8, 0.5 and 0.2, 0.75
    np.testing.assert_allclose(temperature.probabilities(separate, True), [[0.8, 0.5], [0.2, 0.75]])
    expected = [-np.log(0.8 * 0.5) / 2, -np.log(0.2 * 0.25) / 2]
    np.testing.assert_allclose(temperature.losses(separate, np.array([[1, 0], [1, 0]]), True), expected)


def test_huge_logits_have_finite_losses():
    logits = np.array([[1e5, -1e5], [-1e5, 1e5]])
    assert temperature.losses(logits, np.array([1, 1]), False).tolist() == [2e5, 0]
    assert temperature.losses(logits, np.array([[0, 1], [0, 1]]), True).tolist() == [1e5, 0]
    assert np.isfinite(temperature.probabilities(logits, True)).all()


@settings(max_examples=30, deadline=None)
@given(logits=st.lists(st.lists(st.floats(-30, 30), min_size=CLASSES, max_size=CLASSES), min_size=1, max_size=7))
def test_probabilities_are_softmax_or_the_logistic_function(logits):
    np.testing.assert_allclose(temperature.probabilities(np.array(logits), False), softmax(logits, axis=1))
    np.testing.assert_allclose(temperature.probabilities(np.array(logits), True), expit(logits))


def test_an_answer_is_right_if_all_its_classes_are():
    logits = np.array([[2.0, 1.0, -1.0], [-1.0, -3.0, -2.0]])
    assert temperature.right(logits, np.array([0, 0]), False).tolist() == [True, True]
    assert temperature.right(logits, np.array([1, 2]), False).tolist() == [False, False]
    targets = np.array([[1, 1, 0], [0, 0, 0]])
    assert temperature.right(logits, targets, True).tolist() == [True, True]
    assert temperature.right(logits, 1 - targets, True).tolist() == [False, False]
    assert temperature.share_right(logits, np.array([[1, 1, 0], [0, 1, 0]]), True) == 0.5


# --- calibration error ---


def test_the_calibration_error_is_the_mean_distance_over_bins():
    sure = np.array([0.81, 0.83, 0.86, 0.95, 0.99, 0.55])  # bins of 1/15: the first three share one, the next two too
    probability = np.stack([sure, 1 - sure], axis=1)
    targets = np.array([0, 1, 0, 0, 0, 1])
    expected = 3 / 6 * abs(2.5 / 3 - 2 / 3) + 2 / 6 * abs(0.97 - 1) + 1 / 6 * 0.55
    assert temperature.calibration_error(probability, targets, False) == pytest.approx(expected)
    bins = temperature.bins(*temperature.certainties(probability, targets, False))
    np.testing.assert_allclose(bins, [(1 / 6, 0.55, 0), (3 / 6, 2.5 / 3, 2 / 3), (2 / 6, 0.97, 1)])


def test_with_several_labels_every_class_is_an_answer():
    probability, targets = np.array([[0.9, 0.2], [0.3, 0.5]]), np.array([[1, 0], [1, 0]])
    certainty, found = temperature.certainties(probability, targets, True)
    np.testing.assert_allclose(certainty, [0.9, 0.8, 0.7, 0.5])
    assert found.tolist() == [True, True, False, True]  # 0.5 is not more likely than not
    assert temperature.calibration_error(probability, targets, True) == pytest.approx((0.1 + 0.2 + 0.7 + 0.5) / 4)


def test_certainty_of_one_falls_in_the_last_bin_and_a_perfect_table_has_no_error():
    probability = np.eye(2)[[0, 1, 1]]
    assert temperature.bins(*temperature.certainties(probability, np.array([0, 1, 1]), False)) == [(1, 1, 1)]
    assert temperature.calibration_error(probability, np.array([0, 1, 1]), False) == 0
    assert temperature.calibration_error(probability, np.array([1, 0, 0]), False) == 1


@pytest.mark.parametrize("multi_label", [False, True])
def test_scaling_by_the_fitted_temperature_calibrates(multi_label):
    logits, targets = drawn(multi_label, 2.5)
    before = temperature.probabilities(logits, multi_label)
    after = temperature.probabilities(logits / temperature.fit(logits, targets, multi_label), multi_label)
    assert temperature.calibration_error(before, targets, multi_label) > 0.1
    assert temperature.calibration_error(after, targets, multi_label) < 0.015
