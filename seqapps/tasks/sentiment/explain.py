"""Which tokens speak for an answer: integrated gradients on the token vectors, for the report."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from seqapps.tasks.sentiment.model import logits_of
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import pieces
from seqapps.text.kinds import UNKNOWN

POINTS = 512  # along the path: a maximum over steps has kinks, which fewer see badly
AT_ONCE = 64  # of them in memory


@dataclass(frozen=True)
class Explanation:
    """Why a text was given a class.

    Attributes:
        tokens: The text as it is cut; a token that the vocabulary lacks in brackets, `[so]`.
        attributions: `(tokens,)` what each token adds to the logit; they sum to `difference`.
        difference: Logit of the text less that of the same number of empty token vectors.
    """

    tokens: list[str]
    attributions: np.ndarray
    difference: float


def explain(model: keras.Model, preprocessing: Preprocessing, text: str, label: int) -> Explanation:
    """Integrated gradients of a class's logit along the straight path from zero vectors to the token vectors.

    The integral is taken by Gauss-Legendre quadrature. Source: Sundararajan et al. 2017, whose completeness says that
    the attributions sum to the difference of the two ends.

    Args:
        model: From `build_model`.
        preprocessing: Fitted with it.
        text: To explain.
        label: Position of the class.
    """
    token_ids = preprocessing.encode(tf.constant([text])).to_tensor()
    if not token_ids.shape[1]:
        return Explanation([], np.zeros(0), 0.0)
    vectors = model.get_layer("embedding")(token_ids)  # (1, time, size)
    mean = _mean_gradient(model, vectors, label)
    attributions = tf.reduce_sum(mean * vectors[0], axis=-1).numpy()
    ends = tf.concat([tf.zeros_like(vectors), vectors], axis=0)
    low, high = logits_of(model, ends, tf.ones([2, vectors.shape[1]], tf.bool))[:, label].numpy()
    return Explanation(_names(preprocessing, text, token_ids), attributions, float(high - low))


def _mean_gradient(model: keras.Model, vectors: tf.Tensor, label: int) -> tf.Tensor:
    """Of a class's logit, along the path from zero vectors to `vectors` `(1, time, size)`: `(time, size)`."""
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    mask = tf.ones([AT_ONCE, vectors.shape[1]], tf.bool)
    mean = tf.zeros_like(vectors[0])
    for start in range(0, POINTS, AT_ONCE):
        some = slice(start, start + AT_ONCE)
        path = tf.constant((nodes[some] + 1) / 2, tf.float32)[:, None, None] * vectors  # (points, time, size)
        with tf.GradientTape() as tape:
            tape.watch(path)
            logit = tf.reduce_sum(logits_of(model, path, mask)[:, label])
        share = tf.constant(weights[some] / 2, tf.float32)[:, None, None]
        mean += tf.reduce_sum(tape.gradient(logit, path) * share, axis=0)
    return mean


def _names(preprocessing: Preprocessing, text: str, token_ids: tf.Tensor) -> list[str]:
    tokenizer = preprocessing.tokenizer
    names = [name.decode() for name in tokenizer.tokens(token_ids)[0].numpy()]
    if tokenizer.kind == "byte_pair":  # nothing is unknown
        return names
    cut = preprocessing.cut(pieces.split(tokenizer.kind, tf.constant([text]), tokenizer.lowercase))[0].numpy()
    unknown = token_ids[0].numpy() == UNKNOWN
    return [
        f"[{piece.decode()}]" if missing else name for name, piece, missing in zip(names, cut, unknown, strict=True)
    ]
