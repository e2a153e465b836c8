"""Metrics through the bundle, the baselines on the same texts, and tests of what chance explains."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd

from seqapps.classification import temperature
from seqapps.classification.scores import (
    LOWER_IS_BETTER,
    METRICS,
    MODEL,
    answered,
    by_class,
    chance,
    confusion,
    interval,
    losses,
    right,
    scores,
    verdict,
)
from seqapps.classification.temperature import indicators
from seqapps.tasks.sentiment.baselines import Baselines
from seqapps.tasks.sentiment.data import Splits
from seqapps.text import batches

__all__ = [
    "LOWER_IS_BETTER",
    "METRICS",
    "MODEL",
    "SKIP",
    "Evaluation",
    "calibrate",
    "evaluate",
    "prediction_table",
    "verdict",
]
TEXTS_AT_ONCE = 512
SKIP = "linear skip without the network"


@dataclass(frozen=True)
class Evaluation:
    """Answers to every text of a split, with their scores.

    Attributes:
        probabilities: For every method `(texts, classes)`.
        targets: `(texts,)` classes, or `(texts, classes)` of 0 and 1 with several labels per text.
        metrics: What `metrics.json` holds.
    """

    probabilities: dict[str, np.ndarray]
    targets: np.ndarray
    metrics: dict[str, Any]


def calibrate(model: keras.Model, validation: batches.Encoded, targets: np.ndarray, multi_label: bool) -> dict:
    """The temperature that makes the model's probabilities on validation mean what they say.

    Returns:
        What `calibration.json` holds: `temperature`, and log loss and calibration error before and after.
    """
    order, logits = np.argsort(validation.lengths, kind="stable"), []
    for start in range(0, len(order), TEXTS_AT_ONCE):
        rows = order[start : start + TEXTS_AT_ONCE]
        logits.append(keras.ops.convert_to_numpy(model(validation.inputs(rows), training=False)))
    answers, truth = np.concatenate(logits).astype("float64"), targets[order]
    divisor = temperature.fit(answers, truth, multi_label)
    told: dict[str, Any] = {"temperature": divisor}
    for name, scaled in (("before", answers), ("after", answers / divisor)):
        probability = temperature.probabilities(scaled, multi_label)
        told[name] = {
            "log_loss": temperature.log_loss(scaled, truth, multi_label),
            "calibration_error": temperature.calibration_error(probability, truth, multi_label),
        }
    return told


def evaluate(served, splits: Splits, split: str, baselines: Baselines | None) -> Evaluation:
    """Classify every text of a split with the served model and its baselines.

    Args:
        served: The run's SavedModel.
        splits: The data, cut by the run's rule.
        split: `"test"`, `"validation"` or `"all"`.
        baselines: Fitted with the run; `None` leaves the model alone in the table. Else a linear skip stands in it on
            its own too: what the network adds to it is the difference.
    """
    parts: dict[str, list[np.ndarray]] = {}
    raw = []  # as the model gave them, before their temperature
    for texts in batches.chunks(splits.texts(split), TEXTS_AT_ONCE):
        logits = served.logits(texts)
        raw.append(logits * served.temperature)
        told = {MODEL: temperature.probabilities(logits, splits.multi_label)}
        if baselines:
            told |= baselines.probabilities(texts)
            if (alone := served.skip_logits(texts)) is not None:
                told[SKIP] = temperature.probabilities(alone, splits.multi_label)
        for method, probability in told.items():
            parts.setdefault(method, []).append(probability)
    probabilities = {method: np.concatenate(each) for method, each in parts.items()}
    targets = splits.targets(split)
    methods = {method: scores(each, targets, splits.multi_label) for method, each in probabilities.items()}
    before = temperature.probabilities(np.concatenate(raw), splits.multi_label)
    correct = {method: right(each, targets, splits.multi_label) for method, each in probabilities.items()}
    chances = chance(correct)
    told_metrics = {
        "split": split,
        "texts": len(targets),
        "methods": methods,
        "verdict": verdict(methods, chances),
        "mcnemar": chances,
        "interval": interval(correct),
        "calibration_error_before": temperature.calibration_error(before, targets, splits.multi_label),
        "by_class": by_class(probabilities[MODEL], targets, splits.classes),
        "confusion": confusion(probabilities[MODEL], targets),
        "notes": list(splits.notes),
    }
    if baselines:
        told_metrics["strengths"] = baselines.strengths()
    return Evaluation(probabilities, targets, told_metrics)


def prediction_table(evaluation: Evaluation, splits: Splits, split: str) -> pd.DataFrame:
    """One row per text: where it stands, reference, answer, loss, certainty, and the baselines' answers beside it."""
    targets, classes = evaluation.targets, np.array(splits.classes, dtype=object)
    columns: dict[str, Any] = {"id": [row.place for row in splits.rows(split)]}
    separator = splits.separator or ""
    columns["reference"] = _names(indicators(targets, len(classes)) > 0, classes, separator)
    own = evaluation.probabilities[MODEL]
    answers = {method: answered(each, splits.multi_label) for method, each in evaluation.probabilities.items()}
    columns["answer"] = _names(answers[MODEL], classes, separator)
    columns["loss"] = losses(own, targets, splits.multi_label)
    columns["probability"] = own.max(axis=1)
    for method, chosen in answers.items():
        if method != MODEL:
            columns[method] = _names(chosen, classes, separator)
    return pd.DataFrame(columns)


def _names(chosen: np.ndarray, classes: np.ndarray, separator: str) -> list[str]:
    return [separator.join(classes[row]) for row in chosen]
