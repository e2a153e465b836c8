"""Logistic regression on averaged log-mel spectra: what a word sounds like in each of some equal pieces of its time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from seqapps.audio.features import RANGE, Frames, LogMel
from seqapps.audio.sounds import Sounds

PIECES = 10  # of equal time
LOUD = 5.0  # nats below the loudest step (22 decibels) at which a word begins and ends
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # C of logistic regression: higher is weaker
USUAL_STRENGTH = 0.03  # where nothing tells a better one
ROWS_AT_ONCE = 32


def spectra_of(waveforms: Sequence[np.ndarray], frames: Frames) -> list[np.ndarray]:
    """Log-mel spectra as the network's, as loud as they are: `(steps, bands)` of every waveform."""
    layer, told = LogMel(frames, "none"), []
    for start in range(0, len(waveforms), ROWS_AT_ONCE):
        some = waveforms[start : start + ROWS_AT_ONCE]
        lengths = np.array([len(each) for each in some], "int32")
        batch = np.zeros((len(some), max(lengths.max(), 1)), "float32")
        for position, each in enumerate(some):
            batch[position, : len(each)] = each
        spectra, steps = layer(batch, lengths)
        told += [each[:count] for each, count in zip(spectra.numpy(), steps.numpy(), strict=True)]
    return told


def waveforms_of(sounds: Sounds) -> list[np.ndarray]:
    """Every recording on its own, read from disk where it is used."""
    return [sounds.samples[begin:end] for begin, end in zip(sounds.starts[:-1], sounds.starts[1:], strict=True)]


def features_of(spectra: Sequence[np.ndarray]) -> np.ndarray:
    """`(recordings, PIECES * bands + 1)`: the mean spectrum of every piece of the word's time, and the log of the time.

    Example:

    >>> features_of([np.ones((20, 3)), np.zeros((4, 3))]).shape
    (2, 31)
    """
    rows = []
    for each in map(_word, spectra):
        edges = np.linspace(0, len(each), PIECES + 1)
        pieces = [each[int(low) : max(int(np.ceil(high)), int(low) + 1)] for low, high in pairwise(edges)]
        rows.append(np.concatenate([*(piece.mean(axis=0) for piece in pieces), [np.log(len(each))]]))
    return np.array(rows)


def _word(spectrum: np.ndarray) -> np.ndarray:
    """The part of a recording between its first and its last loud step, less its mean: neither silence nor loudness."""
    levels = np.logaddexp.reduce(spectrum, axis=1)
    loud = np.flatnonzero(levels > levels.max() - LOUD)
    kept = np.maximum(spectrum[loud[0] : loud[-1] + 1] - levels.max(), -RANGE)
    return kept - kept.mean()


@dataclass(frozen=True)
class LinearWords:
    """A linear classifier of words.

    Attributes:
        weights: `(features, words)`.
        intercept: `(words,)`.
        strength: C of logistic regression, chosen on validation where there was something to choose on.
    """

    weights: np.ndarray
    intercept: np.ndarray
    strength: float

    def probabilities(self, spectra: Sequence[np.ndarray]) -> np.ndarray:
        """`(recordings, words)`."""
        return softmax(self.logits(features_of(spectra)), axis=1)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """`(recordings, features)` from `features_of` → `(recordings, words)`."""
        return features @ self.weights + self.intercept


def fit_linear(
    spectra: Sequence[np.ndarray], words: np.ndarray, count: int, validation: tuple[Sequence[np.ndarray], np.ndarray]
) -> LinearWords:
    """The strength that is most often right on validation; of equal ones the most penalised.

    Args:
        spectra: Of the training recordings.
        words: `(recordings,)` numbers of theirs, of which there are at least two.
        count: Of all words.
        validation: Spectra and words; it may be empty.
    """
    known = features_of(spectra)
    scaler = StandardScaler().fit(known)
    scaled, choosing = scaler.transform(known), len(validation[0]) > 0
    methods = [
        _unscaled(LogisticRegression(C=strength, max_iter=1000).fit(scaled, words), scaler, count, strength)
        for strength in (STRENGTHS if choosing else (USUAL_STRENGTH,))
    ]
    tried = features_of(validation[0]) if choosing else known
    truth = validation[1] if choosing else words
    return max(methods, key=lambda method: float((method.logits(tried).argmax(axis=1) == truth).mean()))


def _unscaled(fitted: LogisticRegression, scaler: StandardScaler, count: int, strength: float) -> LinearWords:
    """A regression on features as they are; words that it has not met are never answered."""
    coefficients, own = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # one output tells both
        coefficients, own = np.concatenate([0 * coefficients, coefficients]), np.array([0.0, *own])
    weights, intercept = np.zeros((coefficients.shape[1], count)), np.full(count, -1e9)
    weights[:, fitted.classes_] = (coefficients / scaler.scale_).T
    intercept[fitted.classes_] = own - coefficients @ (scaler.mean_ / scaler.scale_)
    return LinearWords(weights, intercept, strength)
