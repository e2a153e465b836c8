"""Logits → finished answers inside the graph."""

import tensorflow as tf

from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.model import BLANK
from seqapps.tasks.speech.preprocessing import Preprocessing


def answer(logits: tf.Tensor, prepared: Preprocessing, config: Config, temperature: float) -> dict[str, tf.Tensor]:
    """What a signature tells.

    Args:
        logits: `(batch, words)` or, of a transcript, `(batch, steps, vocabulary)`, where padding is certain blanks.
        prepared: Fitted with the model.
        config: The options.
        temperature: Divides the logits of words.
    """
    if not prepared.transcribes:
        return word(logits, prepared, temperature)
    if config.beam_width == 1:
        path, log_probability = likeliest_path(logits)
        token_ids = collapsed(path, tf.zeros_like(path[:, 0]))
    else:
        token_ids, log_probability = searched(logits, config.beam_width)
    assert prepared.tokenizer is not None
    return {"text": prepared.tokenizer.decode(token_ids), "log_probability": log_probability}


def word(logits: tf.Tensor, prepared: Preprocessing, temperature: float) -> dict[str, tf.Tensor]:
    """`label`, `probability` and `probabilities` of `(batch, words)` logits."""
    probabilities = tf.nn.softmax(logits / temperature)
    label = tf.gather(tf.constant(prepared.classes), tf.argmax(probabilities, axis=1))
    return {"label": label, "probability": tf.reduce_max(probabilities, axis=1), "probabilities": probabilities}


def likeliest_path(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The likeliest id of every step `(batch, steps)` int32, and the logarithm of the path's probability `(batch,)`."""
    path = tf.argmax(logits, axis=2, output_type=tf.int32)
    return path, tf.reduce_sum(tf.reduce_max(tf.nn.log_softmax(logits), axis=2), axis=1)


def collapsed(path: tf.Tensor, before: tf.Tensor) -> tf.Tensor:
    """The tokens that a path spells: equal ids side by side are one, blanks are none, both become `BLANK` here.

    Args:
        path: `(batch, steps)`.
        before: `(batch,)` the id of the step before the first one; `BLANK` at the start.
    """
    last = tf.concat([before[:, None], path[:, :-1]], axis=1)
    return tf.where(path == last, BLANK, path)


def searched(logits: tf.Tensor, beam_width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Beam search over transcripts, whose paths are summed: `(batch, tokens)` ids and `(batch,)` log-probabilities.

    Source: the prefix search of Graves 2012, section 7.5.3, as `tf.nn.ctc_beam_search_decoder` does it. Its blank is
    the last id.
    """
    batch, steps = tf.shape(logits)[0], tf.shape(logits)[1]
    logits = tf.pad(logits, [[0, tf.cast(batch == 0, tf.int32)], [0, 0], [0, 0]])  # no rows at all are refused
    rolled = tf.roll(tf.transpose(logits, [1, 0, 2]), -1, axis=2)  # (steps, batch, vocabulary)
    (found,), log_probability = tf.nn.ctc_beam_search_decoder(
        rolled, tf.fill([tf.shape(rolled)[1]], steps), beam_width=beam_width, top_paths=1
    )
    ids = tf.sparse.to_dense(found, default_value=-1)[:batch]
    return tf.cast(ids, tf.int32) + 1, log_probability[:batch, 0]  # -1 becomes BLANK
