"""What the baselines answer, for one word per recording and for transcripts."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from seqapps import run_folder
from seqapps.audio.features import Frames
from seqapps.audio.sounds import Sounds
from seqapps.tasks.speech.baselines.linear import LinearWords, fit_linear, spectra_of, waveforms_of
from seqapps.tasks.speech.baselines.segments import Segmenter
from seqapps.tasks.speech.errors import plain, word_errors
from seqapps.tasks.speech.preprocessing import Preprocessing
from seqapps.text import batches

COMMONEST = "commonest answer"
LINEAR = "logistic regression"
SEGMENTED = "segments by loudness, logistic regression"
THRESHOLDS, PAUSES = (0.2, 0.3, 0.4, 0.5, 0.6), (0.03, 0.06, 0.1, 0.15)
FEWEST_SEGMENTS = 2  # of a word that is learned
MOST_TRIED, MOST_HEARD = 200, 400  # validation and training recordings with which the cutting is chosen


@dataclass(frozen=True)
class Baselines:
    """Fitted baselines.

    Attributes:
        frames: How waveforms become spectra, one per step.
        words: That the linear classifier tells apart.
        commonest: The commonest answer of the training part.
        shares: `(words,)` share of every word in the training part; empty for transcripts.
        linear: The classifier; `None` where too few words could be cut out.
        segmenter: What cuts words out; `None` where a recording is one word.
        notes: Sentences on what could not be fitted.
    """

    frames: Frames
    words: tuple[str, ...]
    commonest: str
    shares: np.ndarray
    linear: LinearWords | None
    segmenter: Segmenter | None
    notes: tuple[str, ...] = field(default=())

    def probabilities(self, sounds: Sounds) -> dict[str, np.ndarray]:
        """For every method `(recordings, words)`, of one word per recording."""
        told = {COMMONEST: np.tile(self.shares, (len(sounds), 1))}
        if self.linear is not None:
            told[LINEAR] = self.linear.probabilities(spectra_of(waveforms_of(sounds), self.frames))
        return told

    def transcripts(self, sounds: Sounds) -> dict[str, list[str]]:
        """For every method what it writes of every recording."""
        told = {COMMONEST: [self.commonest] * len(sounds)}
        if self.linear is not None and self.segmenter is not None:
            told[SEGMENTED] = transcribed(waveforms_of(sounds), self.segmenter, self.linear, self.words, self.frames)
        return told

    def save(self, path: Path) -> None:
        """Write to `.npz`, without pickles."""
        facts: dict[str, Any] = {
            "frames": vars(self.frames),
            "words": self.words,
            "commonest": self.commonest,
            "notes": self.notes,
        }
        facts |= {"segmenter": vars(self.segmenter) if self.segmenter else None}
        arrays: dict[str, Any] = {"facts": np.array(json.dumps(facts)), "shares": self.shares}
        if self.linear is not None:
            arrays |= {"weights": self.linear.weights, "intercept": self.linear.intercept}
            arrays["strength"] = np.array(self.linear.strength)
        run_folder.write_with(path, lambda temporary: np.savez_compressed(temporary, **arrays))

    @classmethod
    def load(cls, path: Path) -> "Baselines":
        """The inverse of `save`."""
        with np.load(path, allow_pickle=False) as arrays:
            facts = json.loads(str(arrays["facts"]))
            linear = None
            if "weights" in arrays:
                linear = LinearWords(arrays["weights"], arrays["intercept"], float(arrays["strength"]))
            segmenter = Segmenter(**facts["segmenter"]) if facts["segmenter"] else None
            told = (tuple(facts["words"]), facts["commonest"], arrays["shares"])
            return cls(Frames(**facts["frames"]), *told, linear, segmenter, tuple(facts["notes"]))


def fit_words(parts: dict[str, tuple[Sounds, list[str]]], prepared: Preprocessing) -> Baselines:
    """Baselines of one word per recording."""
    frames, words = replace(prepared.frames, stacked=1), prepared.classes
    numbers = {split: np.array([words.index(each) for each in answers]) for split, (_, answers) in parts.items()}
    spectra = {split: spectra_of(waveforms_of(sounds), frames) for split, (sounds, _) in parts.items()}
    linear = fit_linear(
        spectra["train"], numbers["train"], len(words), (spectra["validation"], numbers["validation"])
    )  # fmt: skip
    shares = np.bincount(numbers["train"], minlength=len(words)) / len(numbers["train"])
    return Baselines(frames, words, words[int(shares.argmax())], shares, linear, None)


def fit_transcripts(parts: dict[str, tuple[Sounds, list[str]]], prepared: Preprocessing) -> Baselines:
    """Baselines of transcripts: the cutting with the fewest word errors on validation.

    What a word sounds like is learned from the training recordings in which cutting finds as many pieces as there are
    words.
    """
    assert prepared.tokenizer is not None
    frames, lowercase = replace(prepared.frames, stacked=1), prepared.tokenizer.lowercase
    told = {split: plain(answers, lowercase) for split, (_, answers) in parts.items()}
    commonest = Counter(told["train"]).most_common(1)[0][0]
    waveforms = {split: waveforms_of(sounds) for split, (sounds, _) in parts.items()}
    tried, references = waveforms["validation"][:MOST_TRIED], told["validation"][:MOST_TRIED]
    chosen: Segmenter | None = None
    fewest = np.inf
    some = batches.spread(len(waveforms["train"]), MOST_HEARD)
    heard = [waveforms["train"][row] for row in some], [told["train"][row] for row in some]
    for threshold, pause in product(THRESHOLDS, PAUSES):
        segmenter = Segmenter(threshold, pause)
        found = _learned(*heard, segmenter, frames)
        if found is None:
            continue
        errors = word_errors(references, transcribed(tried, segmenter, *found, frames)).sum()
        if errors < fewest:
            chosen, fewest = segmenter, errors
    best = None if chosen is None else _learned(waveforms["train"], told["train"], chosen, frames)
    if best is None:
        note = "No baseline could cut words out: in no training recordings were there as many loud places as words."
        return Baselines(frames, (), commonest, np.zeros(0), None, None, (note,))
    linear, words = best
    return Baselines(frames, words, commonest, np.zeros(0), linear, chosen)


def transcribed(
    waveforms: list[np.ndarray], segmenter: Segmenter, linear: LinearWords, words: tuple[str, ...], frames: Frames
) -> list[str]:
    """What is written of every recording: the likeliest word of each of its pieces."""
    pieces = [segmenter.cut(waveform, frames) for waveform in waveforms]
    flat = [piece for each in pieces for piece in each]
    answers = linear.probabilities(spectra_of(flat, frames)).argmax(axis=1).tolist() if flat else []
    waiting = iter(answers)
    return [" ".join(words[next(waiting)] for _ in each) for each in pieces]


def _learned(
    waveforms: list[np.ndarray], transcripts: list[str], segmenter: Segmenter, frames: Frames
) -> tuple[LinearWords, tuple[str, ...]] | None:
    """A classifier of the words of recordings that fall into as many pieces as they have words."""
    pieces: list[np.ndarray] = []
    said: list[str] = []
    for waveform, transcript in zip(waveforms, transcripts, strict=True):
        cut, spoken = segmenter.cut(waveform, frames), transcript.split()
        if len(cut) == len(spoken):
            pieces += cut
            said += spoken
    counts = Counter(said)
    words = tuple(sorted(word for word, count in counts.items() if count >= FEWEST_SEGMENTS))
    if len(words) < 2:
        return None
    rows = [row for row, word in enumerate(said) if word in words]
    spectra = spectra_of([pieces[row] for row in rows], frames)
    return fit_linear(spectra, np.array([words.index(said[row]) for row in rows]), len(words), ([], np.zeros(0))), words
