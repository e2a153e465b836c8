"""Waveforms → log-mel spectra inside the graph, and the number of real steps of every row."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from seqapps import checks

LOWEST_HZ = 20.0  # below which there is no speech
QUIETEST = 1e-8  # power that the logarithm begins at: below the noise of 16-bit recordings
OVERSAMPLING = 2  # of the spectrum, so that the narrow bands of low notes have a frequency of their own


@dataclass(frozen=True)
class Frames:
    """How a waveform is cut into spectra, in samples.

    Attributes:
        sample_rate: Samples per second.
        length: Of the window of a spectrum.
        step: From one spectrum to the next.
        mel_bins: Bands of a spectrum.
        stacked: Neighbouring spectra that make one step of a network.
    """

    sample_rate: int
    length: int
    step: int
    mel_bins: int
    stacked: int

    @property
    def hop(self) -> int:
        """Samples from one step of the network to the next."""
        return self.step * self.stacked

    @property
    def span(self) -> int:
        """Samples that one step of the network is made of."""
        return self.length + self.step * (self.stacked - 1)

    def count(self, samples):
        """Steps that fill their span: 0 for less samples than that. Takes numbers, arrays and tensors.

        Example:

        >>> frames = Frames(sample_rate=8000, length=200, step=80, mel_bins=20, stacked=2)
        >>> [frames.count(samples) for samples in (0, 279, 280, 439, 440)]
        [0, 0, 1, 1, 2]
        """
        return (samples - self.span + self.hop) // self.hop * (samples >= self.span)


def mel_weights(frames: Frames) -> np.ndarray:
    """The share of every frequency in every band: triangles that are equally wide on the mel scale.

    Source: the scale `2595 log10(1 + f / 700)` of O'Shaughnessy 1987, triangles as in Davis & Mermelstein 1980.

    Returns:
        `(frequencies, mel_bins)` float32.

    Raises:
        ValueError: If a band is so narrow that no frequency of the spectrum falls into it.
    """
    mels = np.linspace(_mel(LOWEST_HZ), _mel(frames.sample_rate / 2), frames.mel_bins + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)  # Hz
    hertz = np.arange(_transform_length(frames) // 2 + 1) * frames.sample_rate / _transform_length(frames)
    rising = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.clip(np.minimum(rising, falling), 0, None)
    if not weights.any(axis=0).all():
        advice = "Its bands are too narrow for windows of this length."
        checks.fail("mel_bins", f"smaller for a window of {frames.length} samples", frames.mel_bins, advice)
    return weights.astype("float32")


def _mel(hertz: float) -> float:
    return 2595 * np.log10(1 + hertz / 700)


def _transform_length(frames: Frames) -> int:
    """The power of two that holds a window, and more of it: zeros fill the rest."""
    return OVERSAMPLING * 2 ** int(np.ceil(np.log2(frames.length)))


@keras.saving.register_keras_serializable("seqapps")
class LogMel(keras.layers.Layer):
    """Waveforms → normalised log-mel spectra: what a network reads of sound.

    Every window is weighed (Hann) and transformed (FFT); the power in every mel band becomes its logarithm, from which
    the mean of the training recordings is taken, in units of their standard deviation. Nothing after a row's own length
    reaches its real steps. A row that fills no step has one, whose end is zeros.

    Args:
        frames: How waveforms are cut; as a dictionary where a layer is loaded.
        **kwargs: As for every Keras layer.

    Call arguments:
        waveforms: `(batch, samples)` float32 in [-1, 1]; NaN and infinite samples count as 0, others are clipped.
        lengths: `(batch,)` samples of every row, between 0 and `samples`.

    Returns:
        `(batch, steps, stacked * mel_bins)` spectra and `(batch,)` int32 real steps, at least 1.

    Example:

    >>> layer = LogMel(Frames(sample_rate=8000, length=200, step=80, mel_bins=20, stacked=2))
    >>> spectra, steps = layer(np.zeros((2, 700), "float32"), np.array([700, 300]))
    >>> spectra.shape, steps.numpy().tolist()
    (TensorShape([2, 3, 40]), [3, 1])
    """

    def __init__(self, frames: Frames | dict[str, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames if isinstance(frames, Frames) else Frames(**frames)
        bins = (self.frames.mel_bins,)
        self.mean = self.add_weight(shape=bins, initializer="zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(shape=bins, initializer="ones", trainable=False, name="deviation")

    def normalize(self, mean: Sequence[float], deviation: Sequence[float]) -> Self:
        """Take what was measured on the training recordings: `(mel_bins,)` each."""
        self.mean.assign(np.asarray(mean, "float32"))
        self.deviation.assign(np.asarray(deviation, "float32"))
        return self

    def call(self, waveforms, lengths):
        frames, shape = self.frames, tf.shape(waveforms)
        lengths = tf.cast(lengths, tf.int32)
        heard = tf.where(tf.math.is_finite(waveforms), tf.clip_by_value(waveforms, -1.0, 1.0), 0.0)
        heard = tf.where(tf.range(shape[1]) < lengths[:, None], heard, 0.0)  # what a short row's only step ends with
        steps = tf.maximum(_count(frames, lengths), 1)
        most = tf.maximum(tf.reduce_max(steps), 1)  # of a batch without rows the maximum is the lowest integer
        filled = (most - 1) * frames.hop + frames.span
        heard = tf.pad(heard, [[0, 0], [0, tf.maximum(filled - shape[1], 0)]])[:, :filled]
        cut = tf.signal.frame(heard, frames.length, frames.step)  # (batch, steps * stacked, length)
        window = tf.signal.hann_window(frames.length)
        zeros = [[0, 0], [0, 0], [0, _transform_length(frames) - frames.length]]
        spectra = tf.signal.rfft(tf.pad(cut * window, zeros))  # which itself would not pad a batch without rows
        power = tf.square(tf.abs(spectra)) / tf.reduce_sum(tf.square(window))
        mel = tf.math.log(tf.matmul(power, mel_weights(frames)) + QUIETEST)
        scaled = (mel - self.mean) / self.deviation
        return tf.reshape(scaled, [shape[0], most, frames.stacked * frames.mel_bins]), steps

    def compute_output_shape(self, waveforms_shape, lengths_shape):
        return (waveforms_shape[0], None, self.frames.stacked * self.frames.mel_bins), (waveforms_shape[0],)

    def compute_output_spec(self, waveforms, lengths):
        spectra, steps = self.compute_output_shape(waveforms.shape, lengths.shape)
        return keras.KerasTensor(spectra, "float32"), keras.KerasTensor(steps, "int32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"frames": asdict(self.frames)}


def _count(frames: Frames, lengths: tf.Tensor) -> tf.Tensor:
    """`Frames.count` of a tensor of int32."""
    return tf.where(lengths >= frames.span, (lengths - frames.span + frames.hop) // frames.hop, 0)
