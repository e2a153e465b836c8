"""Scores of transcripts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from seqapps.significance import SIGNIFICANT, permutation_test
from seqapps.tasks.speech.errors import character_errors, rate, word_errors, words_of
from seqapps.tasks.speech.evaluation.scores import MODEL

RESAMPLES = 2000


def scored(answers: Mapping[str, Sequence[str]], truth: Sequence[str]) -> tuple[dict[str, Any], np.ndarray]:
    """Metrics of every method, and the model's word errors of every recording.

    Args:
        answers: For every method what it writes, as of `errors.plain`.
        truth: What is said, as of `errors.plain`.
    """
    errors = {method: word_errors(truth, each) for method, each in answers.items()}
    words, characters = words_of(truth), np.array([len(text) for text in truth])
    methods = {
        method: {
            "word_error_rate": rate(errors[method], words),
            "character_error_rate": rate(character_errors(truth, each), characters),
            "exact_match": float(np.mean([one == other for one, other in zip(each, truth, strict=True)])),
        }
        for method, each in answers.items()
    }
    chances = chance(errors)
    metrics = {
        "mode": "transcribe",
        "methods": methods,
        "verdict": verdict(methods, chances),
        "p_values": chances,
        "interval": {method: interval(each, words) for method, each in errors.items()},
        "words": int(words.sum()),
    }
    return metrics, errors[MODEL].astype(float)


def interval(errors: np.ndarray, words: np.ndarray) -> list[float]:
    """The 95 % bootstrap interval of the word error rate over recordings."""
    if len(errors) < 2 or errors.min() == errors.max() == 0:
        return [rate(errors, words)] * 2
    found = stats.bootstrap(
        (errors, words), lambda errors, words, axis: errors.sum(axis) / np.maximum(words.sum(axis), 1), paired=True,
        n_resamples=RESAMPLES, batch=50, method="percentile", rng=np.random.default_rng(0),
    )  # fmt: skip
    return [float(end) for end in found.confidence_interval]


def chance(errors: Mapping[str, np.ndarray]) -> dict[str, float]:
    """For every baseline how often chance alone tells it and the model apart as much, over recordings.

    Two-sided, of a permutation test.
    """
    others = {method: each for method, each in errors.items() if method != MODEL}
    return {method: permutation_test(errors[MODEL], each, RESAMPLES).p_value for method, each in others.items()}


def verdict(methods: Mapping[str, Mapping[str, float]], chances: Mapping[str, float]) -> str:
    """Whether the model beats the best baseline, by word error rate, in plain words. A win of chance is none."""
    others = {method: each["word_error_rate"] for method, each in methods.items() if method != MODEL}
    if not others:
        return "No baseline was run, so this table does not tell whether the model is any good."
    best = min(others, key=others.__getitem__)
    own, other, p_value = methods[MODEL]["word_error_rate"], others[best], chances[best]
    told = f"word error rate {own:.4g} against {other:.4g} (permutation test, p = {p_value:.2g})"
    if own >= other:
        return f"The model does NOT beat the best baseline, {best}: {told}."
    if p_value >= SIGNIFICANT:
        return f"The model does NOT beat the best baseline, {best}, beyond chance: {told}."
    return f"The model beats the best baseline, {best}: {told}."
