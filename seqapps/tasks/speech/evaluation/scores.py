"""What both kinds of answers have in common: names of metrics, scores by speaker, and the verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqapps.classification.scores import METRICS as WORD_METRICS
from seqapps.classification.scores import MODEL
from seqapps.tasks.speech.errors import rate, word_errors, words_of

__all__ = ["MODEL", "TRANSCRIPT_METRICS", "by_speaker", "metrics_of", "wins"]
TRANSCRIPT_METRICS = {
    "word_error_rate": "word error rate",
    "character_error_rate": "character error rate",
    "exact_match": "exact match",
}


def metrics_of(mode: str) -> dict[str, str]:
    """The shown name of every metric."""
    return WORD_METRICS if mode == "classify" else TRANSCRIPT_METRICS


def by_speaker(
    mode: str, answers: Mapping[str, Sequence[str]], references: Sequence[str], speakers: Sequence[str | None]
) -> dict[str, dict[str, float]]:
    """For every known speaker, from the hardest on, recordings and each method's accuracy or word error rate."""
    names = np.array([speaker or "" for speaker in speakers])
    told = {}
    for speaker in sorted(set(names.tolist()) - {""}):
        rows = np.flatnonzero(names == speaker).tolist()
        truth = [references[row] for row in rows]
        told[speaker] = {"recordings": float(len(rows))}
        for method, each in answers.items():
            said = [each[row] for row in rows]
            right = float(np.mean([one == other for one, other in zip(said, truth, strict=True)]))
            told[speaker][method] = right if mode == "classify" else rate(word_errors(truth, said), words_of(truth))
    sign = 1 if mode == "classify" else -1
    return dict(sorted(told.items(), key=lambda item: (sign * item[1][MODEL], item[0])))


def wins(metrics: Mapping[str, Any]) -> bool:
    """Whether the model beats the best baseline."""
    return str(metrics["verdict"]).startswith("The model beats")
