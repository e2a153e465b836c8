"""Recordings as they might also have been: spoken faster, louder, later, in a noisier room, by others."""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

SHARE = 0.5  # of the recordings that have a change, of each kind on its own
SLOWEST, FASTEST = 0.8, 1.25  # speed; the pitch goes with it, as of a tape
QUIETER, LOUDER = -12.0, 6.0  # decibels
LATEST = 0.1  # seconds of silence before and after
MOST_CUT = 0.35  # of a recording at either end
NOISE = (5.0, 45.0)  # decibels that the recording is louder than the noise
REDDEST = 1.5  # power of the frequency with which noise may fall; 0 is white
VOICE = 0.15  # logarithm of the factor by which bands move, at most
MICROPHONE, WAVES = 0.4, 5  # height of the waves of its curve, in standard deviations of a band, and their number
FREQUENCY_GAPS, TIME_GAPS = 2, 2
WIDEST_FREQUENCY_GAP, WIDEST_TIME_GAP = 0.2, 0.15  # of all bands, of the steps of a recording
NOISE_LENGTH = 2**14  # samples of the noise that is made once


@dataclass(frozen=True)
class Augmentation:
    """Changes of waveforms while training.

    Attributes:
        sample_rate: Samples per second.
        longest_cut: Seconds that may be missing at the start and at the end, as where a recording was cut too closely.
    """

    sample_rate: int
    longest_cut: float

    def change(self, waveform: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """One recording, changed at random: speed, place, loudness, noise.

        Args:
            waveform: `(samples,)` in [-1, 1].
            generator: What is drawn depends on it alone.

        Returns:
            `(samples,)` float32 in [-1, 1], not as many as before.

        Example:

        >>> changed = Augmentation(8000, longest_cut=0.01).change(np.ones(800, "float32"), np.random.default_rng(0))
        >>> changed.dtype, 600 < len(changed) < 2000
        (dtype('float32'), True)
        """
        changed, happens = waveform.astype("float64"), generator.uniform(size=3) < SHARE
        if happens[0]:
            speed = np.exp(generator.uniform(np.log(SLOWEST), np.log(FASTEST)))
            count = max(int(len(waveform) / speed), 1)
            changed = np.interp(np.arange(count) * speed, np.arange(len(waveform)), waveform)
        if happens[1]:
            changed = self._shifted(changed, generator)
        if happens[2]:
            loudness = float(np.sqrt(np.mean(np.square(changed)))) + 1e-6
            changed += self._noise(len(changed), generator) * loudness * 10 ** (-generator.uniform(*NOISE) / 20)
        return np.clip(changed * 10 ** (generator.uniform(QUIETER, LOUDER) / 20), -1, 1).astype("float32")

    def _shifted(self, waveform: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Later or earlier: at either end some silence more, or some sound less."""
        ends = generator.uniform(-self.longest_cut, LATEST, size=2) * self.sample_rate
        most = int(MOST_CUT * len(waveform))
        first, last = (min(max(int(-end), 0), most) for end in ends)
        before, after = (max(int(end), 0) for end in ends)
        return np.pad(waveform[first : len(waveform) - last], (before, after))

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
class SpectrumChanges(keras.layers.Layer):
    """Spectra as of another voice and another microphone, with gaps, while training.

    All bands move up or down as in a shorter or longer vocal tract (Jaitly & Hinton 2013); a smooth curve over the
    bands is added, as microphones and rooms do; some bands and some steps become the mean, 0 (the masks of SpecAugment,
    Park et al. 2019; their widths are shares, because words are short).

    Args:
        mel_bins: Bands of a spectrum.
        seed: Of the changes.
        **kwargs: As for every Keras layer.

    Call arguments:
        spectra: `(batch, steps, stacked * mel_bins)`, normalised.
        steps: `(batch,)` real steps.
        training: Whether anything changes.

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
        shape = tf.shape(spectra)
        windows = tf.reshape(spectra, [shape[0], -1, self.mel_bins])  # (batch, windows, mel_bins)
        changed = tf.matmul(windows, self._voices(shape[0])) + self._microphones(shape[0])[:, None]
        happens = keras.random.uniform((shape[0], 1, 1), seed=self.seeds) < SHARE
        windows = tf.where(happens, changed, windows)
        bands = tf.fill(shape[:1], float(self.mel_bins))
        for _ in range(FREQUENCY_GAPS):
            windows *= self._gap(bands, WIDEST_FREQUENCY_GAP, self.mel_bins)[:, None]
        changed = tf.reshape(windows, shape)
        for _ in range(TIME_GAPS):
            changed *= self._gap(tf.cast(steps, tf.float32), WIDEST_TIME_GAP, shape[1])[:, :, None]
        return changed

    def _voices(self, batch):
        """What moves bands: `(batch, mel_bins, mel_bins)`, of every new band the weights of the old ones."""
        drawn = keras.random.uniform((batch, 1), -1, 1, seed=self.seeds)
        places = tf.range(self.mel_bins, dtype=tf.float32)
        taken = tf.minimum(places * tf.exp(VOICE * drawn), self.mel_bins - 1.0)  # (batch, mel_bins)
        return tf.nn.relu(1 - tf.abs(taken[:, None, :] - places[None, :, None]))

    def _microphones(self, batch):
        """Curves of some slow waves over the bands: `(batch, mel_bins)`."""
        waves = tf.range(WAVES, dtype=tf.float32)[:, None]  # of the first one half a period goes over all bands
        places = (tf.range(self.mel_bins, dtype=tf.float32) + 0.5) / self.mel_bins
        heights = MICROPHONE / (1 + waves / 2)
        drawn = keras.random.normal((batch, WAVES), seed=self.seeds)
        return tf.matmul(drawn, heights * tf.cos(math.pi * waves * places))

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
