"""From logits to the next token of every row, each with knobs of its own."""

from typing import NamedTuple

import tensorflow as tf

from seqapps.recurrent.masking import NEVER

TINY = 1e-6
HIGHEST_PENALTY = 1e6


class Knobs(NamedTuple):
    """What a caller decides, one value per row: `(batch,)` each.

    Attributes:
        max_new_tokens: int32, tokens to make at most.
        temperature: float32, divides the logits; 0 takes the likeliest token.
        top_k: int32, likeliest tokens among which one is drawn, with all that are as likely as the last of them; 0 for
            all (Fan et al. 2018).
        top_p: float32, share of the probability among whose likeliest tokens one is drawn; 1 for all (Holtzman et al.
            2020).
        repetition_penalty: float32, by which tokens that the text holds become less likely; 1 for none (Keskar et al.
            2019).
        no_repeat_ngram: int32, length of the runs of tokens that may not occur twice; 0 for none (Paulus et al. 2018).
        stop: string, at which the text ends without it; "" for none.
        seed: int64, of the draws.
    """

    max_new_tokens: tf.Tensor
    temperature: tf.Tensor
    top_k: tf.Tensor
    top_p: tf.Tensor
    repetition_penalty: tf.Tensor
    no_repeat_ngram: tf.Tensor
    stop: tf.Tensor
    seed: tf.Tensor


def for_rows(knobs: Knobs, batch: tf.Tensor, most_tokens: int, longest_stop: int) -> Knobs:
    """One value per row, each within its range; what is no number means what the knob means when it is off.

    Args:
        knobs: With one value for all rows or one for each.
        batch: Number of rows.
        most_tokens: Bound on `max_new_tokens`.
        longest_stop: Bytes of `stop` that count.
    """
    rows = Knobs(*(tf.broadcast_to(knob, [batch]) for knob in knobs))
    stop_length = tf.minimum(tf.strings.length(rows.stop), longest_stop)
    return Knobs(
        max_new_tokens=tf.clip_by_value(rows.max_new_tokens, 0, most_tokens),
        temperature=tf.where(rows.temperature > TINY, rows.temperature, 0.0),
        top_k=tf.maximum(rows.top_k, 0),
        top_p=tf.where((rows.top_p >= 0) & (rows.top_p < 1), rows.top_p, 1.0),
        repetition_penalty=tf.where(
            rows.repetition_penalty > 0, tf.minimum(rows.repetition_penalty, HIGHEST_PENALTY), 1.0
        ),
        no_repeat_ngram=tf.maximum(rows.no_repeat_ngram, 0),
        stop=tf.strings.substr(rows.stop, tf.zeros_like(stop_length), stop_length),
        seed=rows.seed,
    )


def draws(seeds: tf.Tensor, count: int) -> tf.Tensor:
    """`(batch,)` seeds → `(batch, count)` numbers of [0, 1) that depend on the row's own seed alone."""

    def of_row(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([count], tf.stack([seed, 0]))

    return tf.map_fn(of_row, seeds, fn_output_signature=tf.TensorSpec([count], tf.float32))


def choose(logits: tf.Tensor, knobs: Knobs, uniform: tf.Tensor) -> tf.Tensor:
    """`(batch, vocabulary)` logits and `(batch,)` numbers of [0, 1) → `(batch,)` int32 tokens.

    Drawn by the inverse of the distribution function, in the order of ids, from what temperature, `top_k` and then
    `top_p` leave. Whether a row's neighbours use a knob does not change the row's answer.
    """
    likeliest = tf.argmax(logits, axis=1, output_type=tf.int32)

    def drawn() -> tf.Tensor:
        # What must not come next stays impossible however high the temperature is.
        scaled = tf.where(logits > NEVER / 2, logits / tf.maximum(knobs.temperature, TINY)[:, None], NEVER)
        scaled -= tf.reduce_max(scaled, axis=1, keepdims=True)
        cut = tf.reduce_any((knobs.top_k > 0) | (knobs.top_p < 1))
        scaled = tf.cond(cut, lambda: tf.where(scaled >= _least(scaled, knobs), scaled, NEVER), lambda: scaled)
        cumulative = tf.cumsum(tf.exp(scaled), axis=1)
        wanted = (uniform * cumulative[:, -1])[:, None]
        token = tf.reduce_sum(tf.cast(cumulative <= wanted, tf.int32), axis=1)
        # A product that rounds up to the whole sum has no token of its own.
        return tf.where((knobs.temperature > 0) & (token < tf.shape(logits)[1]), token, likeliest)

    return tf.cond(tf.reduce_any(knobs.temperature > 0), drawn, lambda: likeliest)


def _least(scaled: tf.Tensor, knobs: Knobs) -> tf.Tensor:
    """The lowest logit that may be drawn, of rows whose highest is 0: `(batch, 1)`."""
    count = tf.shape(scaled)[1]
    falling = tf.sort(scaled, axis=1, direction="DESCENDING")
    kept = tf.where(knobs.top_k > 0, tf.minimum(knobs.top_k, count), count)
    inside = tf.range(count) < kept[:, None]
    weights = tf.where(inside, tf.exp(falling), 0.0)
    # Compared without a division, whose last digit would hang on the row's place in the batch.
    before = tf.cumsum(weights, axis=1, exclusive=True)
    enough = knobs.top_p[:, None] * (before[:, -1:] + weights[:, -1:])
    nucleus = tf.maximum(tf.reduce_sum(tf.cast(inside & (before < enough), tf.int32), axis=1), 1)
    kept = tf.where(knobs.top_p < 1, nucleus, kept)
    return tf.gather(falling, kept[:, None] - 1, batch_dims=1)


def penalised(logits: tf.Tensor, seen: tf.Tensor, penalty: tf.Tensor) -> tf.Tensor:
    """Logits with those of tokens that the text holds divided by the penalty, or multiplied if they are negative.

    Args:
        logits: `(batch, vocabulary)`.
        seen: `(batch, vocabulary)` booleans.
        penalty: `(batch,)`.
    """
    penalty = penalty[:, None]
    return tf.where(seen, tf.where(logits > 0, logits / penalty, logits * penalty), logits)


def repeating(history: tf.Tensor, matched: tf.Tensor, ngram: tf.Tensor, vocabulary: int) -> tf.Tensor:
    """Tokens that would end a run of `ngram` tokens which the text holds already: `(batch, vocabulary)` booleans.

    Args:
        history: `(batch, time)` tokens, negative where there is none.
        matched: `(batch, time)`: how many tokens up to there equal those at the end of the text.
        ngram: `(batch,)`, 0 for none.
        vocabulary: Number of ids.
    """
    following = history[:, 1:]
    ends = (matched[:, :-1] >= ngram[:, None] - 1) & (ngram[:, None] > 0) & (following >= 0)
    place = tf.where(ends)
    banned = tf.stack([tf.cast(place[:, 0], tf.int32), tf.gather_nd(following, place)], axis=1)
    shape = [tf.shape(history)[0], vocabulary]
    return tf.scatter_nd(banned, tf.ones(tf.shape(banned)[:1], tf.int32), shape) > 0
