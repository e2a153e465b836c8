"""Recordings as they might also have been: spoken faster, louder, later, in a noisier room; and spectra with gaps."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

SLOWEST, FASTEST = 0.8, 1.25  # speed; the pitch goes with it, as of a tape
QUIETER, LOUDER = -12.0, 6.0  # decibels
LATEST, LONGEST_CUT = 0.1, 0.03  # seconds of silence before, and of speech that is missing at the start
NOISE = (5.0, 45.0)  # decibels that the recording is louder than the noise
REDDEST = 1.5  # power of the frequency with which noise may fall; 0 is white
FREQUENCY_GAPS, TIME_GAPS = 2, 2
WIDEST_FREQUENCY_GAP, WIDEST_TIME_GAP = 0.2, 0.15  # of all bands, of the steps of a recording
NOISE_LENGTH = 2**14  # samples of the noise that is made once


@dataclass(frozen=True)
class Augmentation:
    """Changes of waveforms while training.

    Attributes:
        sample_rate: Samples per second.
    """

    sample_rate: int

    def change(self, waveform: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """One recording, changed at random: speed, place, loudness, noise.

        Args:
            waveform: `(samples,)` in [-1, 1].
            generator: What is drawn depends on it alone.

        Returns:
            `(samples,)` float32 in [-1, 1], not as many as before.

        Example:

        >>> changed = Augmentation(8000).change(np.ones(800, "float32"), np.random.default_rng(0))
        >>> changed.dtype, 600 < len(changed) < 2000
        (dtype('float32'), True)
        """
        speed = np.exp(generator.uniform(np.log(SLOWEST), np.log(FASTEST)))
        count = max(int(len(waveform) / speed), 1)
        changed = np.interp(np.arange(count) * speed, np.arange(len(waveform)), waveform)
        changed = self._shifted(changed, generator)
        loudness = float(np.sqrt(np.mean(np.square(changed)))) + 1e-6
        noise = self._noise(len(changed), generator) * loudness * 10 ** (-generator.uniform(*NOISE) / 20)
        gain = 10 ** (generator.uniform(QUIETER, LOUDER) / 20)
        return np.clip((changed + noise) * gain, -1, 1).astype("float32")

    def _shifted(self, waveform: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Later or earlier: silence on both sides, or the first moments cut off."""
        before = int(generator.uniform(-LONGEST_CUT, LATEST) * self.sample_rate)
        after = int(generator.uniform(0, LATEST) * self.sample_rate)
        kept = waveform[-before:] if 0 < -before < len(waveform) // 2 else waveform
        return np.pad(kept, (max(before, 0), after))

    def _noise(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """`(count,)` of mean square 1: white, pink or in between."""
        length = min(max(count, 2), NOISE_LENGTH)
        frequencies = np.arange(length // 2 + 1)
        spectrum = generator.normal(size=(2, len(frequencies))) * np.maximum(frequencies, 1) ** (
            -generator.uniform(0, REDDEST) / 2
        )
        noise = np.fft.irfft(spectrum[0] + 1j * spectrum[1], length)
        noise /= np.sqrt(np.mean(np.square(noise))) + 1e-12
        return np.resize(noise, count)


@keras.saving.register_keras_serializable("seqapps")
class SpectrumGaps(keras.layers.Layer):
    """Sets some bands and some steps of normalised spectra to their mean, 0, while training.

    Source: the masks of SpecAugment (Park et al. 2019); widths are shares, because words are short.

    Args:
        mel_bins: Bands of a spectrum.
        seed: Of the gaps.
        **kwargs: As for every Keras layer.

    Call arguments:
        spectra: `(batch, steps, stacked * mel_bins)`.
        steps: `(batch,)` real steps.
        training: Whether there are gaps.

    Returns:
        As `spectra`.
    """

    def __init__(self, mel_bins: int, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mel_bins = mel_bins
        self.seed = seed
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, spectra, steps, training=False):
        if not training:
            return spectra
        shape, kept = tf.shape(spectra), 1.0
        bands = tf.fill(shape[:1], float(self.mel_bins))
        for _ in range(FREQUENCY_GAPS):
            gap = self._gap(bands, WIDEST_FREQUENCY_GAP, self.mel_bins)  # (batch, mel_bins)
            kept *= tf.tile(gap, [1, shape[2] // self.mel_bins])[:, None]
        for _ in range(TIME_GAPS):
            kept *= self._gap(tf.cast(steps, tf.float32), WIDEST_TIME_GAP, shape[1])[:, :, None]
        return spectra * kept

    def _gap(self, lengths, widest: float, count):
        """`(batch, count)`: 0 within a gap of at most the share `widest` of a row's length, 1 elsewhere."""
        drawn = keras.random.uniform((2, tf.shape(lengths)[0]), seed=self.seeds)
        width = tf.floor(drawn[0] * (tf.floor(widest * lengths) + 1))
        start = tf.floor(drawn[1] * (lengths - width + 1))
        place = tf.range(count, dtype=tf.float32)
        inside = (place >= start[:, None]) & (place < (start + width)[:, None])
        return tf.cast(~inside, tf.float32)

    def compute_output_shape(self, spectra_shape, steps_shape):
        return spectra_shape

    def compute_output_spec(self, spectra, steps, training=False):
        return keras.KerasTensor(spectra.shape, "float32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"mel_bins": self.mel_bins, "seed": self.seed}
