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
LEVELS = ("whole", "past", "none")
RANGE = 10.0  # nats below the level (43 decibels) at which everything is as quiet
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
        >>> frames.count(tf.constant([0, 280])).numpy().tolist()
        [0, 1]
        """
        steps = (samples - self.span + self.hop) // self.hop
        return (steps + abs(steps)) // 2  # a maximum with 0 of whatever kind


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

    Every window is weighed (Hann) and transformed (FFT); the power in every mel band becomes its logarithm. From it the
    level of the recording is taken, so that neither loudness nor the noise far below the voice tells anything; then the
    mean of the training recordings, in units of their standard deviation. Nothing after a row's own length reaches its
    real steps. A row that fills no step has one, whose end is zeros.

    Args:
        frames: How waveforms are cut; as a dictionary where a layer is loaded.
        level: What the level is: that of the loudest window of the `"whole"` recording, of the loudest one so far
            (`"past"`), which a stream knows too, or `"none"`.
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

    def __init__(self, frames: Frames | dict[str, int], level: str = "whole", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        checks.check_choice("level", level, LEVELS)
        self.frames = frames if isinstance(frames, Frames) else Frames(**frames)
        self.level = level
        bins = (self.frames.mel_bins,)
        self.mean = self.add_weight(shape=bins, initializer="zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(shape=bins, initializer="ones", trainable=False, name="deviation")
        lowest = keras.initializers.Constant(float(np.log(QUIETEST)))
        self.lowest = self.add_weight(shape=(), initializer=lowest, trainable=False, name="lowest")

    def normalize(self, mean: Sequence[float], deviation: Sequence[float], lowest: float) -> Self:
        """Take what was measured on the training recordings.

        Args:
            mean: `(mel_bins,)`.
            deviation: `(mel_bins,)`.
            lowest: Level below which a recording counts as silence, whose noise is not made loud.
        """
        self.mean.assign(np.asarray(mean, "float32"))
        self.deviation.assign(np.asarray(deviation, "float32"))
        self.lowest.assign(lowest)
        return self

    def call(self, waveforms, lengths):
        mel, steps = self.powers(waveforms, lengths)
        real = tf.range(tf.shape(mel)[1])[None] < (steps * self.frames.stacked)[:, None]
        spectra, _ = self.scaled(mel, real, tf.zeros_like(steps, tf.float32))
        return spectra, steps

    def powers(self, waveforms, lengths):
        """Logarithms of the power in every band `(batch, windows, mel_bins)`, and real steps `(batch,)`, at least 1."""
        frames, shape = self.frames, tf.shape(waveforms)
        lengths = tf.cast(lengths, tf.int32)
        heard = tf.where(tf.math.is_finite(waveforms), tf.clip_by_value(waveforms, -1.0, 1.0), 0.0)
        heard = tf.where(tf.range(shape[1]) < lengths[:, None], heard, 0.0)  # what a short row's only step ends with
        steps = tf.maximum(frames.count(lengths), 1)
        most = tf.maximum(tf.reduce_max(steps), 1)  # of a batch without rows the maximum is the lowest integer
        filled = (most - 1) * frames.hop + frames.span
        heard = tf.pad(heard, [[0, 0], [0, tf.maximum(filled - shape[1], 0)]])[:, :filled]
        cut = tf.signal.frame(heard, frames.length, frames.step)  # (batch, windows, length)
        window = tf.signal.hann_window(frames.length)
        zeros = [[0, 0], [0, 0], [0, _transform_length(frames) - frames.length]]
        spectra = tf.signal.rfft(tf.pad(cut * window, zeros))  # which itself would not pad a batch without rows
        power = tf.square(tf.abs(spectra)) / tf.reduce_sum(tf.square(window))
        return tf.math.log(tf.matmul(power, mel_weights(frames)) + QUIETEST), steps

    def levels(self, mel):
        """How loud every window is: the logarithm of its power in all bands, `(batch, windows)`."""
        return tf.reduce_logsumexp(mel, axis=2)

    def scaled(self, mel, real, above):
        """What a network reads, and how loud it has become.

        Args:
            mel: `(batch, windows, mel_bins)` from `powers`.
            real: `(batch, windows)`, whether a window counts.
            above: `(batch,)`: how far the loudest window before these was above `lowest`; 0 at the start.

        Returns:
            `(batch, steps, stacked * mel_bins)` and `(batch,)` as `above`, these windows included.
        """
        higher = tf.where(real, tf.maximum(self.levels(mel) - self.lowest, 0.0), 0.0)
        loudest = tf.maximum(above, tf.reduce_max(higher, axis=1))
        if self.level != "none":
            level = loudest[:, None] if self.level == "whole" else tf.maximum(above[:, None], running_maximum(higher))
            mel = tf.maximum(mel - self.lowest - level[:, :, None], -RANGE)
        scaled = (mel - self.mean) / self.deviation
        width = self.frames.stacked * self.frames.mel_bins
        return tf.reshape(scaled, [tf.shape(mel)[0], -1, width]), loudest

    def compute_output_shape(self, waveforms_shape, lengths_shape):
        return (waveforms_shape[0], None, self.frames.stacked * self.frames.mel_bins), (waveforms_shape[0],)

    def compute_output_spec(self, waveforms, lengths):
        spectra, steps = self.compute_output_shape(waveforms.shape, lengths.shape)
        return keras.KerasTensor(spectra, "float32"), keras.KerasTensor(steps, "int32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"frames": asdict(self.frames), "level": self.level}


def running_maximum(values: tf.Tensor) -> tf.Tensor:
    """The highest of all values so far: `(batch, time)` → the same, with as many passes as the time has binary digits.

    Example:

    >>> running_maximum(tf.constant([[0.0, 2.0, 1.0, 5.0, 3.0]])).numpy().tolist()
    [[0.0, 2.0, 2.0, 5.0, 5.0]]
    """
    time = tf.shape(values)[1]

    def widened(highest: tf.Tensor, reach: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        earlier = tf.concat([tf.repeat(highest[:, :1], reach, axis=1), highest[:, :-reach]], axis=1)
        return tf.maximum(highest, earlier), 2 * reach

    shapes = (tf.TensorShape([values.shape[0], None]), tf.TensorShape([]))
    return tf.while_loop(lambda _, reach: reach < time, widened, (values, tf.constant(1)), shapes)[0]
