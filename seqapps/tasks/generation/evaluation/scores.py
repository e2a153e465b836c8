"""Scores of what was thought of every token, and what chance explains of them."""

import math

import numpy as np
from scipy import stats

from seqapps.significance import SIGNIFICANT

MODEL, FRESH, CACHE = "model", "model, fresh windows", "model with neural cache"
OWN = (MODEL, FRESH, CACHE)
METRICS = {
    "perplexity": "perplexity",
    "nats_per_token": "nats per token",
    "nats_per_character": "nats per character",
    "bits_per_character": "bits per character",
    "bits_per_byte": "bits per byte",
}
LOWER_IS_BETTER = tuple(METRICS)
BLOCK = 256  # tokens, whose means are compared
HIGHEST_EXPONENT = 700.0  # beyond which a perplexity is no float


def scores(nats: np.ndarray, characters: int, size: int) -> dict[str, float]:
    """Metrics of one method; all are better when lower.

    Args:
        nats: `(tokens,)` log-probabilities.
        characters: Of the text that the tokens are.
        size: Its bytes as UTF-8.
    """
    total = float(-nats.sum())
    return {
        "perplexity": math.exp(min(total / len(nats), HIGHEST_EXPONENT)),
        "nats_per_token": total / len(nats),
        "nats_per_character": total / characters,
        "bits_per_character": total / characters / math.log(2),
        "bits_per_byte": total / size / math.log(2),
    }


def chance(nats: dict[str, np.ndarray]) -> dict[str, float]:
    """For every baseline the p-value of a paired t-test over blocks of tokens (two-sided); 1 where there are too few.

    Neighbouring tokens are not independent, blocks of them nearly are.
    """
    own = _blocks(nats[MODEL])
    others = {method: _blocks(each) for method, each in nats.items() if method not in OWN}
    if len(own) < 2:
        return dict.fromkeys(others, 1.0)
    return {method: _p_value(own, each) for method, each in others.items()}


def _p_value(own: np.ndarray, other: np.ndarray) -> float:
    if np.ptp(own - other) < 1e-12 * (1 + np.abs(own).max()):  # no spread: nothing to divide by
        return 1.0 if np.allclose(own, other) else 0.0
    return float(stats.ttest_rel(own, other).pvalue)


def _blocks(nats: np.ndarray) -> np.ndarray:
    whole = len(nats) // BLOCK * BLOCK
    return nats[:whole].reshape(-1, BLOCK).mean(axis=1)


def verdict(methods: dict[str, dict[str, float]], chances: dict[str, float]) -> str:
    """Whether the model beats the best baseline, by perplexity, in plain words. A win that chance explains is none."""
    others = {method: each["perplexity"] for method, each in methods.items() if method not in OWN}
    if not others:
        return "No baseline was run, so this table does not tell whether the model is any good."
    best = min(others, key=others.__getitem__)
    numbers = f"perplexity {methods[MODEL]['perplexity']:.4g} against {others[best]:.4g}"
    test = f"paired t-test over blocks of {BLOCK} tokens, p = {chances[best]:.2g}"
    if not methods[MODEL]["perplexity"] < others[best]:
        return f"The model does NOT beat the best baseline, {best}: {numbers} ({test})."
    if chances[best] >= SIGNIFICANT:
        return f"The model does NOT beat the best baseline, {best}, beyond chance: {numbers} ({test})."
    return f"The model beats the best baseline, {best}: {numbers} ({test})."
