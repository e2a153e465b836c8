"""Words by their loudness: where sound rises above the quiet around it, there is one."""

from dataclasses import dataclass

import numpy as np

from seqapps.audio.features import Frames

SHORTEST = 0.08  # seconds of a word
FRAME = 0.02  # seconds whose loudness is taken together


@dataclass(frozen=True)
class Segmenter:
    """Cuts a waveform where it is quiet.

    Attributes:
        threshold: How loud a word is at least: 0 is as loud as the quietest moments, 1 as the loudest ones, and
            between them decibels are counted.
        pause: Seconds of quiet that end a word.
    """

    threshold: float
    pause: float

    def cut(self, waveform: np.ndarray, frames: Frames) -> list[np.ndarray]:
        """The waveform of every word, in order; none where nothing is loud.

        Example:

        >>> tone = np.sin(np.arange(4000)).astype("float32")
        >>> waveform = np.concatenate([0.01 * tone, tone, 0.01 * tone, tone, 0.01 * tone])
        >>> frames = Frames(sample_rate=8000, length=200, step=80, mel_bins=20, stacked=1)
        >>> [round(len(word) / 4000, 1) for word in Segmenter(0.5, 0.1).cut(waveform, frames)]
        [1.0, 1.0]
        """
        length = max(round(FRAME * frames.sample_rate), 1)
        count = len(waveform) // length
        if not count:
            return []
        power = np.square(waveform[: count * length].reshape(count, length)).mean(axis=1)
        loudness = 10 * np.log10(power + 1e-10)
        low, high = np.percentile(loudness, [5, 98])
        loud = loudness > low + self.threshold * (high - low)
        return [waveform[begin * length : end * length] for begin, end in self._words(loud)]

    def _words(self, loud: np.ndarray) -> list[tuple[int, int]]:
        """First frame and the one after the last of every word: loud ones, over pauses that are too short to end it."""
        words: list[tuple[int, int]] = []
        for place in np.flatnonzero(loud).tolist():
            if words and (place - words[-1][1]) * FRAME < self.pause:
                words[-1] = (words[-1][0], place + 1)
            else:
                words.append((place, place + 1))
        return [(begin, end) for begin, end in words if (end - begin) * FRAME >= SHORTEST]
