"""Logits → probabilities that mean what they say: one temperature, fitted on validation."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

LEAST, MOST = 0.05, 20.0
BINS = 15


def fit(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> float:
    """The temperature with the lowest log loss; above 1 where the logits are too sure.

    Source: Guo et al. 2017.

    Args:
        logits: `(texts, classes)`.
        targets: `(texts,)` classes, or `(texts, classes)` of 0 and 1 with `multi_label`.
        multi_label: Whether every class is a question of its own.

    Example:

    >>> logits = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    >>> round(fit(logits, np.array([0, 0, 0, 1]), multi_label=False), 2)  # 3 of 4 are right: log 3 = 1.1
    3.64
    """
    bounds = (np.log(LEAST), np.log(MOST))
    found = minimize_scalar(
        lambda log: log_loss(logits / np.exp(log), targets, multi_label), bounds=bounds, method="bounded"
    )
    return float(np.exp(found.x))


def probabilities(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    """`(texts, classes)` logits → probabilities."""
    return expit(logits) if multi_label else softmax(logits, axis=1)


def indicators(targets: np.ndarray, classes: int) -> np.ndarray:
    """`(texts,)` classes or `(texts, classes)` of 0 and 1 → `(texts, classes)` of 0 and 1."""
    return (targets if targets.ndim == 2 else np.eye(classes)[targets]).astype(int)


def outputs_of(targets: np.ndarray, classes: int) -> np.ndarray:
    """What a linear classifier learns: `indicators`, of two exclusive classes only the second."""
    indicated = indicators(targets, classes)
    return indicated[:, 1:] if classes == 2 and targets.ndim == 1 else indicated


def losses(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> np.ndarray:
    """Log loss of every text in nats; with `multi_label` the mean over classes. Lower is better."""
    if multi_label:
        return -(targets * log_expit(logits) + (1 - targets) * log_expit(-logits)).mean(axis=1)
    return -log_softmax(logits, axis=1)[np.arange(len(targets)), targets]


def log_loss(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> float:
    """Mean of `losses`."""
    return float(losses(logits, targets, multi_label).mean())


def share_right(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> float:
    """Share of texts whose classes are all found. Higher is better."""
    return float(right(logits, targets, multi_label).mean())


def right(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> np.ndarray:
    """`(texts,)`, whether the most probable class is the true one; with `multi_label`, whether all classes are."""
    if multi_label:
        return ((logits > 0) == (targets > 0.5)).all(axis=1)
    return logits.argmax(axis=1) == targets


def calibration_error(probability: np.ndarray, targets: np.ndarray, multi_label: bool) -> float:
    """How far certainty lies from the share that is right: mean over bins of equal width. Lower is better.

    Source: the expected calibration error of Guo et al. 2017, of the most probable class; with `multi_label` of every
    class on its own.

    Args:
        probability: `(texts, classes)`.
        targets: As in `fit`.
        multi_label: As in `fit`.

    Example:

    >>> calibration_error(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]), multi_label=False)
    0.45
    """
    certainty, found = certainties(probability, targets, multi_label)
    return float(sum(share * abs(sure - true) for share, sure, true in bins(certainty, found)))


def certainties(probability: np.ndarray, targets: np.ndarray, multi_label: bool) -> tuple[np.ndarray, np.ndarray]:
    """The probability of every answer, and whether the answer is right."""
    if multi_label:
        return np.maximum(probability, 1 - probability).ravel(), ((probability > 0.5) == (targets > 0.5)).ravel()
    return probability.max(axis=1), probability.argmax(axis=1) == targets


def bins(certainty: np.ndarray, found: np.ndarray) -> list[tuple[float, float, float]]:
    """For every bin that is not empty: share of answers, their mean certainty, and the share of them that is right."""
    number = np.minimum((certainty * BINS).astype(int), BINS - 1)
    return [
        (float((number == each).mean()), float(certainty[number == each].mean()), float(found[number == each].mean()))
        for each in np.unique(number)
    ]
