"""Scores of one word per recording."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqapps.classification import scores, temperature


def scored(
    probabilities: dict[str, np.ndarray], answers: Sequence[str], classes: tuple[str, ...], divisor: float
) -> tuple[dict[str, Any], np.ndarray]:
    """Metrics of every method, and the model's loss of every recording.

    Args:
        probabilities: For every method `(recordings, words)`.
        answers: The true words.
        classes: Words in the order of the columns.
        divisor: The model's temperature, without which its certainty is told too.
    """
    targets = np.array([classes.index(answer) for answer in answers])
    own = probabilities[scores.MODEL]
    methods = {method: scores.scores(each, targets, False) for method, each in probabilities.items()}
    correct = {method: scores.right(each, targets, False) for method, each in probabilities.items()}
    chances = scores.chance(correct)
    before = temperature.probabilities(np.log(np.maximum(own, scores.TINY)) * divisor, False)
    metrics = {
        "mode": "classify",
        "methods": methods,
        "verdict": scores.verdict(methods, chances),
        "mcnemar": chances,
        "interval": scores.interval(correct),
        "calibration_error_before": temperature.calibration_error(before, targets, False),
        "by_class": scores.by_class(own, targets, classes),
        "confusion": scores.confusion(own, targets),
    }
    return metrics, scores.losses(own, targets, False)
