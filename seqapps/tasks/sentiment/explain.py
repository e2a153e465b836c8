"""Which tokens speak for an answer: integrated gradients on the token vectors, for the report."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from seqapps.tasks.sentiment.linear import LinearSkip
from seqapps.tasks.sentiment.model import as_read, logits_of
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import pieces
from seqapps.text.kinds import UNKNOWN

INTERVALS, NODES = 16, 4  # of the path at first, and points in each of them
TOLERANCE = 2e-5  # by which an interval may miss what the logit gains along it; of the logit, where it is above 1
HALVINGS = 12  # of an interval, at most: a maximum over steps has kinks, which no number of points sees well
AT_ONCE = 64  # points of the path that go through the model together


@dataclass(frozen=True)
class Explanation:
    """Why a text was given a class.

    Attributes:
        tokens: The text as it is cut; a token that the vocabulary lacks in brackets, `[so]`.
        attributions: `(tokens,)` what each token adds to the logit; they sum to `difference`.
        difference: Logit of the text less that of the same number of empty token vectors, with what a skip adds to it.
    """

    tokens: list[str]
    attributions: np.ndarray
    difference: float


def explain(
    model: keras.Model, preprocessing: Preprocessing, text: str, label: int, skip: LinearSkip | None = None
) -> Explanation:
    """Integrated gradients of a class's logit along the straight path from zero vectors to the token vectors.

    Source: Sundararajan et al. 2017, whose completeness says that the attributions sum to the difference of the two
    ends; it also tells where the integral is not good enough yet.

    Args:
        model: From `build_model`.
        preprocessing: Fitted with it.
        text: To explain.
        label: Position of the class.
        skip: Whose logits the model adds to those of the network; what it says of n-grams is added here too.
    """
    token_ids = preprocessing.encode(tf.constant([text])).to_tensor()
    if not token_ids.shape[1]:
        return Explanation([], np.zeros(0), 0.0)
    read = as_read(model, token_ids)
    vectors = model.get_layer("embedding")(read)  # (1, time, size)
    mean = _mean_gradient(model, vectors, label)
    attributions = np.empty(token_ids.shape[1], "float32")
    own, theirs = (np.argsort(np.ravel(ids), kind="stable") for ids in (token_ids, read))
    attributions[own] = tf.reduce_sum(mean * vectors[0], axis=-1).numpy()[theirs]  # as the text has its tokens
    low, high = _compiled(model)[0](_scaled(vectors, np.array([0.0, 1.0])), label).numpy()
    difference = float(high - low)
    if skip is not None:
        shares = skip.shares(token_ids[0].numpy(), label)
        attributions, difference = attributions + shares, difference + float(shares.sum())
    return Explanation(token_names(preprocessing, text, token_ids), attributions, difference)


def _mean_gradient(model: keras.Model, vectors: tf.Tensor, label: int) -> tf.Tensor:
    """Of a class's logit, along the path from zero vectors to `vectors` `(1, time, size)`: `(time, size)`.

    Gauss-Legendre quadrature on intervals of the path. One that misses what the logit gains from its start to its end
    is halved.
    """
    logits, gradients = _compiled(model)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    starts, width = np.arange(INTERVALS) / INTERVALS, 1 / INTERVALS
    mean = tf.zeros_like(vectors[0])
    for halving in range(HALVINGS + 1):
        points = (starts[:, None] + width * (nodes + 1) / 2).ravel()
        slopes = _in_parts(lambda some: gradients(_scaled(vectors, some), label), points)
        slopes = tf.reshape(slopes, [len(starts), NODES, *mean.shape])
        parts = tf.einsum("n,intd->itd", tf.constant(width * weights / 2, tf.float32), slopes)
        points = np.concatenate([starts, starts + width])
        ends = _in_parts(lambda some: logits(_scaled(vectors, some), label), points).numpy()
        gained = ends[len(starts) :] - ends[: len(starts)]
        missed = np.abs(tf.reduce_sum(parts * vectors, axis=[1, 2]).numpy() - gained)
        settled = (missed <= TOLERANCE * max(1, np.abs(ends).max())) | (halving == HALVINGS)
        mean += tf.reduce_sum(tf.boolean_mask(parts, settled), axis=0)
        if settled.all():
            break
        width /= 2
        starts = np.concatenate([starts[~settled], starts[~settled] + width])
    return mean


@functools.lru_cache(maxsize=1)  # tracing takes longer than a text
def _compiled(model: keras.Model) -> tuple[Callable, Callable]:
    """A class's logit of token vectors `(points, time, size)`: `(points,)`; and its gradient, in their shape."""
    size = model.get_layer("embedding").output_dim
    signature = [tf.TensorSpec([None, None, size], tf.float32), tf.TensorSpec([], tf.int32)]

    @tf.function(input_signature=signature)
    def logits(path: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        return logits_of(model, path, tf.ones(tf.shape(path)[:2], tf.bool))[:, label]

    @tf.function(input_signature=signature)
    def gradients(path: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(path)
            logit = tf.reduce_sum(logits(path, label))
        return tape.gradient(logit, path)

    return logits, gradients


def _in_parts(function: Callable[[np.ndarray], tf.Tensor], points: np.ndarray) -> tf.Tensor:
    return tf.concat([function(points[start : start + AT_ONCE]) for start in range(0, len(points), AT_ONCE)], axis=0)


def _scaled(vectors: tf.Tensor, points: np.ndarray) -> tf.Tensor:
    """Points of the path, 0 its start and 1 its end: `(points, time, size)`."""
    return tf.constant(points, tf.float32)[:, None, None] * vectors


def token_names(preprocessing: Preprocessing, text: str, token_ids: tf.Tensor) -> list[str]:
    """The tokens of a text as they are shown: one that the vocabulary lacks in brackets.

    Args:
        preprocessing: Fitted with the model.
        text: That was cut.
        token_ids: `(1, time)` what it was cut into.
    """
    tokenizer = preprocessing.tokenizer
    names = [name.decode() for name in tokenizer.tokens(token_ids)[0].numpy()]
    if tokenizer.kind == "byte_pair":  # nothing is unknown
        return names
    cut = preprocessing.cut(pieces.split(tokenizer.kind, tf.constant([text]), tokenizer.lowercase))[0].numpy()
    unknown = token_ids[0].numpy() == UNKNOWN
    return [
        f"[{piece.decode()}]" if missing else name for name, piece, missing in zip(names, cut, unknown, strict=True)
    ]
