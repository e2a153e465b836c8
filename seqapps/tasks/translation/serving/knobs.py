"""The knobs of a request: their types, defaults, and options as knobs."""

from typing import Any, NamedTuple

import tensorflow as tf

from seqapps.tasks.translation.config import PredictOptions


class Knobs(NamedTuple):
    """What a caller decides, one value per row or one for all: `(batch,)` or `(1,)` each."""

    beam_width: tf.Tensor
    length_penalty: tf.Tensor
    coverage_penalty: tf.Tensor
    max_length: tf.Tensor
    n_best: tf.Tensor


KNOBS = {
    "beam_width": tf.int32,
    "length_penalty": tf.float32,
    "coverage_penalty": tf.float32,
    "max_length": tf.int32,
    "n_best": tf.int32,
}
KNOB_SPECS = [tf.TensorSpec([None], dtype, name=name) for name, dtype in KNOBS.items()]


def knobs_of(options: PredictOptions, length_penalty: float) -> Knobs:
    """Options as knobs that are the same for all rows.

    Args:
        options: What is asked for.
        length_penalty: That of the run, where none is.
    """
    values: dict[str, Any] = vars(options).copy()
    if options.length_penalty is None:
        values["length_penalty"] = length_penalty
    return Knobs(*(tf.constant([values[name]], dtype) for name, dtype in KNOBS.items()))
