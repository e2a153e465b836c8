"""Beam search inside the graph: several hypotheses per row, a step of the network per token for all of them at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from seqapps.decoding.bounds import LONGEST_TARGET, WIDEST_BEAM
from seqapps.decoding.generation import Reserved
from seqapps.decoding.likeliest import likeliest
from seqapps.recurrent.masking import NEVER

SMALLEST_COVERAGE = 1e-6
Tensors = list[tf.Tensor]
Step = Callable[[tf.Tensor, Tensors, tf.Tensor], tuple[Tensors, Tensors, tf.Tensor]]
Judge = Callable[[Tensors], tuple[tf.Tensor, tf.Tensor]]


class BeamKnobs(NamedTuple):
    """What a caller decides, one value per row: `(batch,)` each.

    Attributes:
        beam_width: Hypotheses; with 1 the likeliest token is taken at every step.
        length_penalty: Exponent α of `((5 + tokens) / 6) ** α`, by which log-probabilities are divided.
        coverage_penalty: Weight β of `Σ log(min(attention, 1))` over the places of the source, which is added.
        max_length: Tokens of a hypothesis with its end, at most.
    """

    beam_width: tf.Tensor
    length_penalty: tf.Tensor
    coverage_penalty: tf.Tensor
    max_length: tf.Tensor


class Hypotheses(NamedTuple):
    """`beam_width` places per row, each empty, going on or ended. `(batch, beams, …)` each.

    Attributes:
        tokens: `(…, time)`, `reserved.pad` after the end.
        log_probability: In nats; `NEVER` where a place is empty.
        length: Tokens, with the end.
        ended: Whether nothing more is added.
        complete: Whether it ended by itself, not by its length.
        coverage: `(…, places)`: how much attention every place of the source has had.
        states: Of the network.
    """

    tokens: tf.Tensor
    log_probability: tf.Tensor
    length: tf.Tensor
    ended: tf.Tensor
    complete: tf.Tensor
    coverage: tf.Tensor
    states: list[tf.Tensor]


class Found(NamedTuple):
    """Hypotheses from the best one on. `(batch, beams, …)` each.

    Attributes:
        tokens: `(…, time)`, without the end; `reserved.pad` after it.
        score: What they are ranked by; `NEVER` where there is none.
        complete: Whether it ended by itself.
    """

    tokens: tf.Tensor
    score: tf.Tensor
    complete: tf.Tensor


def for_rows(knobs: BeamKnobs, batch: tf.Tensor) -> BeamKnobs:
    """Knobs of `(1,)` or `(batch,)` → `(batch,)`, within their bounds."""
    beam_width, length_penalty, coverage_penalty, max_length = (
        tf.broadcast_to(each, tf.reshape(batch, [1])) for each in knobs
    )
    return BeamKnobs(
        tf.clip_by_value(beam_width, 1, WIDEST_BEAM),
        _finite(length_penalty),
        _finite(coverage_penalty),
        tf.clip_by_value(max_length, 1, LONGEST_TARGET),
    )


def _finite(exponents: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.where(tf.math.is_nan(exponents), 0.0, exponents), 0.0, 1e3)


def search(
    step: Step, judge: Judge, states: Tensors, places: tf.Tensor, knobs: BeamKnobs, start: int, reserved: Reserved
) -> Found:
    """Follow the likeliest hypotheses of every row until as many have ended as the beam is wide.

    At each step all hypotheses that go on are continued by all tokens, and of the results the likeliest take the places
    that no ended hypothesis holds. What a row finds depends neither on its neighbours nor on their knobs. Rows of which
    no hypothesis goes on take no part in further steps.

    Sources: Graves 2012 and Bahdanau et al. 2015 (a beam that narrows as hypotheses end); Wu et al. 2016, equation 14
    (the two penalties, by which what was found is ranked).

    Args:
        step: Tokens `(rows, beams)` and states of some rows, and which of the batch these are `(rows,)` →
            outputs of the network `(rows, beams, …)` each, states, and the attention on every place of the source
            `(rows, beams, places)`.
        judge: Outputs for the hypotheses that go on, `(hypotheses, …)` each → scores of the next tokens
            `(hypotheses, tokens)`, and what to subtract from them to have log-probabilities, `(hypotheses,)`.
        states: Before the first token: `(batch, beams, …)` each; `beams` is the greatest `beam_width`.
        places: `(batch, places)` booleans: the real places of the source; of width 0 without attention.
        knobs: From `for_rows`.
        start: The token before the first one.
        reserved: Ids with a meaning of their own.
    """
    batch, beams = tf.shape(states[0])[0], tf.shape(states[0])[1]
    exists = tf.broadcast_to(tf.range(beams) == 0, [batch, beams])  # all begin alike: one is enough
    begun = Hypotheses(
        tokens=tf.zeros([batch, beams, 0], tf.int32),
        log_probability=tf.where(exists, 0.0, NEVER),
        length=tf.zeros([batch, beams], tf.int32),
        ended=tf.zeros([batch, beams], tf.bool),
        complete=tf.zeros([batch, beams], tf.bool),
        coverage=tf.zeros([batch, beams, tf.shape(places)[1]]),
        states=states,
    )

    def goes_on(time: tf.Tensor, now: Hypotheses) -> tf.Tensor:
        return tf.reduce_any(_going(now))

    def advance(time: tf.Tensor, now: Hypotheses) -> tuple[tf.Tensor, Hypotheses]:
        rows = tf.where(tf.reduce_any(_going(now), axis=1))[:, 0]
        some, own = tf.nest.map_structure(lambda each: tf.gather(each, rows), (now, knobs))
        last = tf.cond(time > 0, lambda: some.tokens[:, :, -1], lambda: tf.fill([tf.shape(rows)[0], beams], start))
        outputs, states, attention = step(last, some.states, rows)
        next_ones = _next_ones(outputs, judge, _going(some), reserved)
        seen = some.coverage + tf.where(_going(some)[:, :, None], attention, 0.0)
        after = _continued(some._replace(states=states, coverage=seen), *next_ones, own, reserved)
        cut = time + 1 >= own.max_length[:, None]
        after = after._replace(ended=after.ended | (cut & _exists(after)))
        now = now._replace(tokens=tf.pad(now.tokens, [[0, 0], [0, 0], [0, 1]], constant_values=reserved.pad))
        # Of the rows as they were and those that went on: where each of the batch stands now.
        place = tf.tensor_scatter_nd_update(tf.range(batch), rows[:, None], batch + tf.range(tf.shape(rows)[0]))
        return time + 1, tf.nest.map_structure(lambda *both: tf.gather(tf.concat(both, axis=0), place), now, after)

    shapes = tf.nest.map_structure(lambda each: tf.TensorShape([None, None, *each.shape[2:]]), begun)
    shapes = shapes._replace(tokens=tf.TensorShape([None] * 3), coverage=tf.TensorShape([None] * 3))
    _, found = tf.while_loop(goes_on, advance, (tf.constant(0), begun), (tf.TensorShape([]), shapes))
    return _ranked(found, places, knobs, reserved)


def normalised(log_probability: Any, length: Any, penalty: Any) -> Any:
    """Log-probabilities that may be compared whatever their lengths: Wu et al. 2016, equation 14; of any arrays."""
    return log_probability / ((5 + length) / 6) ** penalty


def _exists(now: Hypotheses) -> tf.Tensor:
    return now.log_probability > NEVER / 2


def _going(now: Hypotheses) -> tf.Tensor:
    return _exists(now) & ~now.ended


def _next_ones(outputs: Tensors, judge: Judge, going: tf.Tensor, reserved: Reserved) -> tuple[tf.Tensor, tf.Tensor]:
    """Of all hypotheses enough of the likeliest next tokens to fill all places of a row: `(batch, beams, tokens)` each.

    Returns:
        Log-probabilities, `NEVER` where no token can come or the hypothesis does not go on, and the tokens.
    """
    place, forbidden = tf.where(going), tf.constant(reserved.never, tf.int32)
    scores, total = judge([tf.gather_nd(each, place) for each in outputs])
    width = tf.minimum(tf.shape(going)[1] + len(reserved.never), tf.shape(scores)[1])
    values, tokens = likeliest(scores, width)  # with room for those that are never written
    may_come = tf.reduce_all(tokens[:, :, None] != forbidden, axis=2)
    values = tf.where(may_come, tf.maximum(values - total[:, None], NEVER), NEVER)
    shape = tf.concat([tf.shape(going), [width]], axis=0)
    values = tf.tensor_scatter_nd_update(tf.fill(shape, NEVER), place, values)
    return values, tf.scatter_nd(place, tokens, tf.cast(shape, place.dtype))


def _continued(
    now: Hypotheses, values: tf.Tensor, tokens: tf.Tensor, knobs: BeamKnobs, reserved: Reserved
) -> Hypotheses:
    """The hypotheses with a token more: those that have ended, and the likeliest continuations of the others."""
    batch, beams, width = tf.unstack(tf.shape(values))
    # The likeliest of all are among the likeliest of each.
    total = tf.where(_going(now)[:, :, None], now.log_probability[:, :, None] + values, NEVER)
    values, place = tf.math.top_k(tf.reshape(total, [batch, -1]), beams)  # (batch, beams)
    parent, token = place // width, tf.gather(tf.reshape(tokens, [batch, -1]), place, batch_dims=1)
    room = knobs.beam_width - tf.reduce_sum(tf.cast(now.ended, tf.int32), axis=1)
    taken = (tf.range(beams) < room[:, None]) & (values > NEVER / 2)
    # Of the old places and the continuations, those that stay, in this order.
    kept = tf.concat([now.ended, taken], axis=1)
    chosen = tf.argsort(tf.where(kept, 0, 1), axis=1, stable=True)[:, :beams]

    def of_both(old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.concat([old, new], axis=1), chosen, batch_dims=1)

    own = tf.broadcast_to(tf.range(beams), tf.shape(parent))
    came_from, is_new = of_both(own, parent), of_both(tf.zeros_like(taken), taken)
    added, ends = of_both(tf.fill(tf.shape(token), reserved.pad), token), of_both(now.ended, token == reserved.end)
    inherited = tf.nest.map_structure(lambda each: tf.gather(each, came_from, batch_dims=1), now)
    exists = tf.gather(kept, chosen, batch_dims=1)
    return inherited._replace(
        tokens=tf.concat([inherited.tokens, tf.where(ends, reserved.pad, added)[:, :, None]], axis=2),
        log_probability=tf.where(exists, of_both(now.log_probability, values), NEVER),
        length=inherited.length + tf.cast(is_new, tf.int32),
        ended=exists & ends,
        complete=exists & tf.where(is_new, ends, inherited.complete),
    )


def _ranked(found: Hypotheses, places: tf.Tensor, knobs: BeamKnobs, reserved: Reserved) -> Found:
    """What was found, from the highest score on."""
    score = normalised(found.log_probability, tf.cast(found.length, tf.float32), knobs.length_penalty[:, None])
    covered = tf.math.log(tf.clip_by_value(found.coverage, SMALLEST_COVERAGE, 1.0))
    score += knobs.coverage_penalty[:, None] * tf.reduce_sum(tf.where(places[:, None], covered, 0.0), axis=2)
    score = tf.where(_exists(found), score, NEVER)
    score, order = tf.math.top_k(score, tf.shape(score)[1])
    tokens, complete = (tf.gather(each, order, batch_dims=1) for each in (found.tokens, found.complete))
    return Found(tf.where((score > NEVER / 2)[:, :, None], tokens, reserved.pad), score, complete)
