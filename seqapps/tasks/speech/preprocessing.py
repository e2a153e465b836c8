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
QUIETEST_SHARE, MARGIN = 0.01, 3.0  # of the recordings; nats (13 decibels)
FLATTEST = 1e-3  # deviation of a band in which nothing changes


@dataclass(frozen=True)
class Preprocessing:
    """Waveforms → normalised spectra, and answers by number.

    Attributes:
        frames: How waveforms are cut.
        mean: `(mel_bins,)` of the logarithms of the training part.
        deviation: `(mel_bins,)` of the same.
        level: What recordings are measured by, as `LogMel` takes it.
        lowest: Level below which a recording counts as silence.
        classes: Words in the order of the model's outputs; empty where transcripts are written.
        tokenizer: Of transcripts; `None` where words are told apart.
        max_seconds: That are read of a recording.
    """

    frames: Frames
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    level: str
    lowest: float
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
        layer = LogMel(self.frames, self.level, name="spectra")
        return layer.normalize(self.mean, self.deviation, self.lowest)

    def to_dict(self) -> dict[str, Any]:
        """The state, as `preprocessing.json` holds it."""
        return {
            "frames": asdict(self.frames),
            "mean": list(self.mean),
            "deviation": list(self.deviation),
            "level": self.level,
            "lowest": self.lowest,
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
            state["level"],
            state["lowest"],
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
    layer = LogMel(frames_of(config, sample_rate), config.measured_level)
    some = batches.spread(len(sounds), MOST_RECORDINGS)
    rows = [some[start : start + ROWS_AT_ONCE] for start in range(0, len(some), ROWS_AT_ONCE)]
    lowest = _lowest(layer, sounds, rows)
    bins, count = layer.frames.mel_bins, 0
    layer.normalize([0.0] * bins, [1.0] * bins, lowest)
    total, squares = np.zeros(bins), np.zeros(bins)
    for chosen in rows:
        spectra, steps = layer(*sounds.padded(chosen))
        real = np.arange(spectra.shape[1]) < steps.numpy()[:, None]
        told = spectra.numpy()[real].reshape(-1, bins).astype("float64")
        total, squares, count = total + told.sum(axis=0), squares + np.square(told).sum(axis=0), count + len(told)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), FLATTEST**2))
    tokenizer = None
    if config.mode == "transcribe":
        tokenizer = tokenizers.fit(config.tokenizer, answers, config.vocabulary_size, config.lowercase)
    scale = (tuple(mean.tolist()), tuple(deviation.tolist()), config.measured_level, lowest)
    return Preprocessing(layer.frames, *scale, classes, tokenizer, config.max_seconds)


def _lowest(layer: LogMel, sounds: Sounds, rows: list[np.ndarray]) -> float:
    """The loudest window of the quietest recordings, and some decibels less."""
    loudest = []
    for chosen in rows:
        mel, steps = layer.powers(*sounds.padded(chosen))
        real = np.arange(mel.shape[1]) < (steps.numpy() * layer.frames.stacked)[:, None]
        loudest.append(np.where(real, layer.levels(mel).numpy(), -np.inf).max(axis=1))
    return float(np.quantile(np.concatenate(loudest), QUIETEST_SHARE)) - MARGIN
