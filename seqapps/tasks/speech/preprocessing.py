"""What is fitted on the training part: the scale of spectra, and words or tokens. The graph serves with the same."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from seqapps import checks
from seqapps.audio.features import Frames, LogMel
from seqapps.audio.sounds import Sounds
from seqapps.tasks.speech.config import Config
from seqapps.text import batches, tokenizers

MOST_RECORDINGS = 20_000  # that spectra are measured on
ROWS_AT_ONCE = 32
FLATTEST = 1e-3  # deviation of a band in which nothing changes


@dataclass(frozen=True)
class Preprocessing:
    """Waveforms → normalised spectra, and answers by number.

    Attributes:
        frames: How waveforms are cut.
        mean: `(mel_bins,)` of the logarithms of the training part.
        deviation: `(mel_bins,)` of the same.
        classes: Words in the order of the model's outputs; empty where transcripts are written.
        tokenizer: Of transcripts; `None` where words are told apart.
        max_seconds: That are read of a recording.
    """

    frames: Frames
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    classes: tuple[str, ...]
    tokenizer: tokenizers.Tokenizer | None
    max_seconds: float

    @property
    def transcribes(self) -> bool:
        """Whether transcripts are written."""
        return self.tokenizer is not None

    @property
    def outputs(self) -> int:
        """Numbers that a model tells: of every recording, or of every step."""
        return len(self.classes) if self.tokenizer is None else self.tokenizer.vocabulary_size

    @property
    def most_samples(self) -> int:
        """Samples that are read of a recording."""
        return round(self.max_seconds * self.frames.sample_rate)

    def spectra(self) -> LogMel:
        """The layer that reads waveforms."""
        return LogMel(self.frames, name="spectra").normalize(self.mean, self.deviation)

    def to_dict(self) -> dict[str, Any]:
        """The state, as `preprocessing.json` holds it."""
        return {
            "frames": asdict(self.frames),
            "mean": list(self.mean),
            "deviation": list(self.deviation),
            "classes": list(self.classes),
            "tokenizer": self.tokenizer.to_dict() if self.tokenizer is not None else None,
            "max_seconds": self.max_seconds,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`."""
        return cls(
            Frames(**state["frames"]),
            tuple(state["mean"]),
            tuple(state["deviation"]),
            tuple(state["classes"]),
            tokenizers.from_dict(state["tokenizer"]) if state["tokenizer"] is not None else None,
            state["max_seconds"],
        )


def frames_of(config: Config, sample_rate: int) -> Frames:
    """How a config cuts waveforms.

    Raises:
        ValueError: If a window has no sample, is longer than what is read, or has too many bands.
    """
    length, step = (
        round(milliseconds / 1000 * sample_rate)
        for milliseconds in (config.frame_milliseconds, config.step_milliseconds)
    )
    for name, samples in (("frame_milliseconds", length), ("step_milliseconds", step)):
        if samples < 1:
            checks.fail(name, f"at least one sample at {sample_rate} Hz", getattr(config, name))
    frames = Frames(sample_rate, length, step, config.mel_bins, config.stack_frames)
    if frames.span > config.max_seconds * sample_rate:
        advice = f"One step of the network takes {frames.span / sample_rate:g} seconds."
        checks.fail("max_seconds", "as long as one step of the network", config.max_seconds, advice)
    return frames


def fit(
    sounds: Sounds, answers: list[str], classes: tuple[str, ...], sample_rate: int, config: Config
) -> Preprocessing:
    """Measure the spectra of the training part, of a large one of recordings spread evenly over it; find the tokens.

    Args:
        sounds: The training part.
        answers: What is said in it.
        classes: The words; empty where transcripts are written.
        sample_rate: Of the sounds, in Hz.
        config: The options.
    """
    frames = frames_of(config, sample_rate)
    layer, count = LogMel(frames), 0
    total, squares = np.zeros(frames.mel_bins), np.zeros(frames.mel_bins)
    rows = batches.spread(len(sounds), MOST_RECORDINGS)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        spectra, steps = layer(*sounds.padded(rows[start : start + ROWS_AT_ONCE]))
        real = np.arange(spectra.shape[1]) < steps.numpy()[:, None]
        told = spectra.numpy()[real].reshape(-1, frames.mel_bins).astype("float64")
        total, squares, count = total + told.sum(axis=0), squares + np.square(told).sum(axis=0), count + len(told)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), FLATTEST**2))
    tokenizer = None
    if config.mode == "transcribe":
        tokenizer = tokenizers.fit(config.tokenizer, answers, config.vocabulary_size, config.lowercase)
    return Preprocessing(
        frames, tuple(mean.tolist()), tuple(deviation.tolist()), classes, tokenizer, config.max_seconds
    )
