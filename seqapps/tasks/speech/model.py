"""The listener: waveforms → log-mel spectra → `RecurrentStack` → a word, or tokens and blanks at every step."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from seqapps.audio.augmentation import SpectrumChanges
from seqapps.recurrent.pooling import Pooling
from seqapps.recurrent.stack import RecurrentStack
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.preprocessing import Preprocessing
from seqapps.text.kinds import PAD, SPECIAL_TOKENS

BLANK = PAD  # what a step says that adds no token
NEVER = -1e9  # a logit that no softmax sees


def build_model(config: Config, prepared: Preprocessing) -> keras.Model:
    """Waveforms and their lengths → logits.

    Args:
        config: The options.
        prepared: Fitted on the training part.

    Returns:
        A model from `[(batch, samples) float32, (batch,) int32]` to `(batch, classes)` or, of a transcript,
        `(batch, steps, vocabulary)`, where steps of padding say `BLANK` for certain. Padding never changes an answer.
    """
    waveforms = keras.Input((None,), name="waveforms")
    lengths = keras.Input((), dtype="int32", name="lengths")
    spectra, steps = prepared.spectra()(waveforms, lengths)
    if config.augment:
        spectra = SpectrumChanges(config.mel_bins, config.seed, name="changes")(spectra, steps)
    real = RealSteps(name="real")(spectra, steps)  # (batch, steps)
    outputs, _ = make_stack(config)(spectra, mask=real)
    if not prepared.transcribes and config.pooling != "last":
        outputs = Pooling(config.pooling, name="pooling")(outputs, mask=real)
    outputs = keras.layers.Dropout(config.dropout, name="dropout")(outputs)
    logits = keras.layers.Dense(prepared.outputs, name="head")(outputs)
    if prepared.transcribes:
        logits = BlankPadding(name="blanks")(logits, real)
    return keras.Model([waveforms, lengths], logits, name="listener")


def make_stack(config: Config) -> RecurrentStack:
    """The recurrent stack that a config describes; it also tells its states, from which a stream goes on."""
    sequences = config.mode == "transcribe" or config.pooling != "last"
    return RecurrentStack(**config.recurrent_options, return_sequences=sequences, return_state=True, name="stack")


@keras.saving.register_keras_serializable("seqapps")
class RealSteps(keras.layers.Layer):
    """`(batch, steps, features)` and `(batch,)` counts of real steps → the mask `(batch, steps)`."""

    def call(self, spectra, steps):
        return ops.arange(ops.shape(spectra)[1]) < ops.expand_dims(steps, -1)

    def compute_output_shape(self, spectra_shape, steps_shape):
        return spectra_shape[:2]

    def compute_output_spec(self, spectra, steps):
        return keras.KerasTensor(spectra.shape[:2], "bool")


@keras.saving.register_keras_serializable("seqapps")
class BlankPadding(keras.layers.Layer):
    """Lets steps of padding say `BLANK` for certain, and no step an id that is reserved for something else.

    A path through a padded row is then as likely as that through the row alone, so losses and searches over all steps
    are those over the real ones.

    Call arguments:
        logits: `(batch, steps, vocabulary)`.
        real: `(batch, steps)` booleans.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, logits, previous_mask=None):
        return None  # the loss is of rows, not of steps

    def call(self, logits, real):
        ids = ops.arange(ops.shape(logits)[-1])
        reserved = (ids != BLANK) & (ids < len(SPECIAL_TOKENS))
        silent = ops.logical_not(ops.expand_dims(real, -1)) & (ids != BLANK)
        return ops.where(reserved | silent, NEVER, logits)

    def compute_output_shape(self, logits_shape, real_shape):
        return logits_shape

    def compute_output_spec(self, logits, real):
        return keras.KerasTensor(logits.shape, "float32")


@keras.saving.register_keras_serializable("seqapps")
class PathLoss(keras.losses.Loss):
    """Connectionist temporal classification: how unlikely all paths are that spell the transcript, in nats.

    Source: Graves et al. 2006. Keras' own loss takes padding for sound; here steps of padding are certain blanks.

    Call arguments:
        y_true: `(batch, tokens)` int32, padded right with `BLANK`.
        y_pred: `(batch, steps, vocabulary)` logits from `BlankPadding`.
    """

    def call(self, y_true, y_pred):
        return path_losses(tf.cast(y_true, tf.int32), y_pred)


def path_losses(token_ids: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """`(batch, tokens)` ids and `(batch, steps, vocabulary)` logits → `(batch,)` nats, never less than 0."""
    shape = tf.shape(logits)
    losses = tf.nn.ctc_loss(
        tf.sparse.from_dense(token_ids), logits, None, tf.fill(shape[:1], shape[1]), logits_time_major=False,
        blank_index=BLANK,
    )  # fmt: skip
    return tf.maximum(losses, 0.0)


def loss_of(prepared: Preprocessing) -> keras.losses.Loss:
    """The loss of words or of transcripts."""
    if prepared.transcribes:
        return PathLoss()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
