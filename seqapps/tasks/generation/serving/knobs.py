"""The knobs of a request: their types, defaults, and options as knobs."""

import tensorflow as tf

from seqapps.decoding.choosing import Knobs
from seqapps.tasks.generation.config import PredictOptions

KNOBS = {
    "max_new_tokens": tf.int32,
    "temperature": tf.float32,
    "top_k": tf.int32,
    "top_p": tf.float32,
    "repetition_penalty": tf.float32,
    "no_repeat_ngram": tf.int32,
    "stop": tf.string,
    "seed": tf.int64,
}
KNOB_SPECS = [tf.TensorSpec([None], dtype, name=name) for name, dtype in KNOBS.items()]


def knobs_of(options: PredictOptions) -> Knobs:
    """Options as knobs that are the same for all rows."""
    return Knobs(*(tf.constant([getattr(options, name)], dtype) for name, dtype in KNOBS.items()))


def default_knobs() -> Knobs:
    """The values that a request does not name."""
    return knobs_of(PredictOptions())
