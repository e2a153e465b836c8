"""Scores of probabilities, and what chance explains of them."""

import numpy as np
from scipy import stats
from sklearn import metrics as sklearn_metrics

from seqapps.classification import temperature
from seqapps.classification.temperature import indicators
from seqapps.significance import SIGNIFICANT, mcnemar_test

MODEL = "model"
METRICS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}
LOWER_IS_BETTER = ("log_loss", "calibration_error")
RESAMPLES = 2000
TINY = 1e-12


def right(probability: np.ndarray, targets: np.ndarray, multi_label: bool) -> np.ndarray:
    """`(texts,)`, whether a text's answer is the truth; with several labels, whether all are."""
    return temperature.right(probability - 0.5, targets, multi_label)


def scores(probability: np.ndarray, targets: np.ndarray, multi_label: bool) -> dict[str, float | None]:
    """Metrics of one method; ROC-AUC is the mean over classes, each against the others."""
    classes = probability.shape[1]
    truth = indicators(targets, classes)
    seen = [number for number in range(classes) if 0 < truth[:, number].sum() < len(truth)]
    areas = [sklearn_metrics.roc_auc_score(truth[:, number], probability[:, number]) for number in seen]
    answers = answered(probability, multi_label)
    met = np.flatnonzero(truth.any(axis=0) | answers.any(axis=0))  # others have no F1
    f1 = sklearn_metrics.f1_score(truth, answers, labels=met, average="macro", zero_division=0) if met.size else 0.0
    return {
        "accuracy": float(right(probability, targets, multi_label).mean()),
        "macro_f1": float(f1),
        "roc_auc": float(np.mean(areas)) if areas else None,
        "log_loss": float(losses(probability, targets, multi_label).mean()),
        "calibration_error": temperature.calibration_error(probability, targets, multi_label),
    }


def interval(correct: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """For every method the 95 % bootstrap interval of its accuracy over texts."""
    told = {}
    for method, hits in correct.items():
        ends = [float(hits.mean())] * 2
        if 0 < ends[0] < 1:
            found = stats.bootstrap(
                (hits.astype(float),), np.mean, n_resamples=RESAMPLES, batch=50, method="percentile",
                rng=np.random.default_rng(0),
            )  # fmt: skip
            ends = [float(end) for end in found.confidence_interval]
        told[method] = ends
    return told


def chance(correct: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """McNemar's exact test against every baseline, on the texts that only one of the two has right.

    Returns:
        For every baseline `p_value` (two-sided), `only_model` and `only_baseline`, the texts that one alone has right.
    """
    own = correct[MODEL]
    told = {}
    for method, other in correct.items():
        if method == MODEL:
            continue
        only_model, only_baseline = int((own & ~other).sum()), int((other & ~own).sum())
        told[method] = {
            "p_value": mcnemar_test(own, other).p_value,
            "only_model": only_model,
            "only_baseline": only_baseline,
        }
    return told


def verdict(methods: dict[str, dict[str, float | None]], chances: dict[str, dict[str, float]]) -> str:
    """Whether the model beats the best baseline, by accuracy, in plain words. A win that chance explains is none."""
    others = {method: each["accuracy"] for method, each in methods.items() if method != MODEL}
    if not others:
        return "No baseline was run, so this table does not tell whether the model is any good."
    best = max(others, key=lambda method: others[method] or 0.0)
    own, other = methods[MODEL]["accuracy"] or 0.0, others[best] or 0.0
    numbers = f"accuracy {own:.4g} against {other:.4g}"
    p_value = chances[best]["p_value"]
    test = f"McNemar test, p = {p_value:.2g}"
    if own <= other:
        return f"The model does NOT beat the best baseline, {best}: {numbers} ({test})."
    if p_value >= SIGNIFICANT:
        return f"The model does NOT beat the best baseline, {best}, beyond chance: {numbers} ({test})."
    return f"The model beats the best baseline, {best}: {numbers} ({test})."


def by_class(probability: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and number of texts of every class."""
    precision, recall, f1, count = sklearn_metrics.precision_recall_fscore_support(
        indicators(targets, len(classes)), answered(probability, targets.ndim == 2), zero_division=0
    )
    return {
        name: {
            "precision": float(precision[number]),
            "recall": float(recall[number]),
            "f1": float(f1[number]),
            "texts": int(count[number]),
        }
        for number, name in enumerate(classes)
    }


def confusion(probability: np.ndarray, targets: np.ndarray) -> list[list[int]] | None:
    """Texts by true class (rows) and answer (columns); `None` with several labels per text."""
    if targets.ndim == 2:
        return None
    labels = range(probability.shape[1])
    return sklearn_metrics.confusion_matrix(targets, probability.argmax(axis=1), labels=labels).tolist()


def losses(probability: np.ndarray, targets: np.ndarray, multi_label: bool) -> np.ndarray:
    """Log loss of every text in nats."""
    logits = np.log(np.clip(probability, TINY, 1)) - (np.log(np.clip(1 - probability, TINY, 1)) if multi_label else 0)
    return temperature.losses(logits, targets, multi_label)


def answered(probability: np.ndarray, multi_label: bool) -> np.ndarray:
    """`(texts, classes)`, which classes are the answer: the likeliest, or with several labels all likely ones."""
    return probability > 0.5 if multi_label else np.eye(probability.shape[1], dtype=bool)[probability.argmax(axis=1)]
