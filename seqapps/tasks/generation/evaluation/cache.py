"""A neural cache: tokens that followed similar states a short while ago become likelier.

Source: Grave, Joulin & Usunier 2017. The cache holds the network's features and the token that followed each; its
probability of a token is the share of the weights exp(flatness × product of features) that stand at that token.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqapps.tasks.generation.evaluation.reading import Chunk
from seqapps.text.batches import Encoded

SIZE = 2000  # tokens that the cache holds
FLATNESS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


@dataclass
class Memory:
    """What a cache holds of one document."""

    features: np.ndarray
    tokens: np.ndarray

    def probabilities(self, features: np.ndarray, tokens: np.ndarray, flatness: tuple[float, ...]) -> np.ndarray:
        """Probability of every token from what stood before it, and remember it.

        Args:
            features: `(time, size)`, from which the tokens are predicted.
            tokens: `(time,)`.
            flatness: Exponents, for each of which to answer.

        Returns:
            `(flatness, time)`; -1 where the cache was empty.
        """
        time, held = len(tokens), len(self.tokens)
        self.features = np.concatenate([self.features, features])
        self.tokens = np.concatenate([self.tokens, tokens])
        products = features @ self.features.T  # (time, held + time)
        age = held + np.arange(time)[:, None] - np.arange(held + time)
        known = (age > 0) & (age <= SIZE)
        equal = self.tokens == tokens[:, None]
        told = np.full((len(flatness), time), -1.0)
        for number, exponent in enumerate(flatness):
            weight = np.where(known, exponent * products, -np.inf)
            highest = weight.max(axis=1, initial=-1e30)
            weight = np.exp(weight - highest[:, None])
            total = weight.sum(axis=1)
            some = total > 0
            told[number, some] = (weight * equal).sum(axis=1)[some] / total[some]
        self.features, self.tokens = self.features[-SIZE:], self.tokens[-SIZE:]
        return told


def probabilities(chunks: Iterator[Chunk], encoded: Encoded, flatness: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """What a model thought of every token of a stream, and what a cache beside it thinks.

    Args:
        chunks: From `carried`.
        encoded: The documents.
        flatness: Exponents, for each of which to answer.

    Returns:
        `(tokens,)` nats of the model, its likeliest ids, and `(flatness, tokens)` probabilities of the cache.
    """
    count = len(encoded.token_ids)
    nats, likeliest, cache = np.zeros(count), np.zeros(count, "int32"), np.full((len(flatness), count), -1.0)
    memories: list[Memory] = []
    for chunk in chunks:
        if chunk.begins:
            empty = np.zeros((0, chunk.features.shape[-1]), "float32"), np.zeros(0, "int32")
            memories = [Memory(*empty) for _ in chunk.places]
        for row, memory in enumerate(memories):
            inside = chunk.places[row] >= 0
            places = chunk.places[row][inside]
            nats[places] = chunk.log_probability[row][inside]
            likeliest[places] = chunk.likeliest[row][inside]
            if len(places):
                tokens = encoded.token_ids[places]
                cache[:, places] = memory.probabilities(chunk.features[row][inside], tokens, flatness)
    return nats, likeliest, cache


def mixed(nats: np.ndarray, cache: np.ndarray, share: float) -> np.ndarray:
    """Nats of tokens by the model and the cache together."""
    with np.errstate(divide="ignore"):  # of what the cache does not know the logarithm is minus infinity
        both = np.logaddexp(nats + np.log1p(-share), np.log(share * np.maximum(cache, 0)))
    return np.where(cache < 0, nats, both)


def choose(nats: np.ndarray, cache: np.ndarray) -> dict[str, float]:
    """The flatness and the share of the cache that fit a stream best."""
    losses = {
        (exponent, share): -mixed(nats, cache[number], share).mean()
        for number, exponent in enumerate(FLATNESS)
        for share in SHARES
    }
    exponent, share = min(losses, key=losses.__getitem__)
    return {"flatness": exponent, "share": share}
