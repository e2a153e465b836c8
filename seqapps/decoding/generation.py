"""One loop inside the graph that writes on from a prompt, a step of the network per token and row."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from seqapps.decoding import choosing
from seqapps.decoding.bounds import LONGEST_STOP, MOST_TOKENS
from seqapps.decoding.choosing import Knobs
from seqapps.recurrent.masking import NEVER

Step = Callable[[tf.Tensor, list[tf.Tensor]], tuple[tf.Tensor, list[tf.Tensor]]]
Spell = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Reserved(NamedTuple):
    """Ids with a meaning of their own.

    Attributes:
        pad: Stands where a row has ended.
        end: Ends a text.
        never: Are not written.
    """

    pad: int
    end: int
    never: tuple[int, ...]


class Writing(NamedTuple):
    """Texts that are being written: all that the next token depends on. `(batch, …)` each but `count`.

    Attributes:
        count: Steps done.
        states: Of the network.
        logits: Of the next token.
        token: The last one, of the prompt at first.
        going: Whether the row goes on.
        tokens: New tokens, without the end.
        log_probability: Of the new tokens and the end, in nats, as the network has it before any knob.
        stopped: Whether the row ended by itself, not by its length.
        written: Bytes of the new text up to a `stop`; counted where some row has one.
        tail: Its last bytes, among which `stop` may occur.
        seen: Tokens that the text holds, with a `repetition_penalty`; else empty.
        history: Tokens of the prompt and the new ones, with `no_repeat_ngram`; else empty.
        matched: For every place of `history` how many tokens up to there equal those at the end of the text.
        uniform: Random numbers, one per token.
    """

    count: tf.Tensor
    states: list[tf.Tensor]
    logits: tf.Tensor
    token: tf.Tensor
    going: tf.Tensor
    tokens: tf.Tensor
    log_probability: tf.Tensor
    stopped: tf.Tensor
    written: tf.Tensor
    tail: tf.Tensor
    seen: tf.Tensor
    history: tf.Tensor
    matched: tf.Tensor
    uniform: tf.Tensor


def begin(prompt: tf.RaggedTensor, logits: tf.Tensor, states: list[tf.Tensor], knobs: Knobs, pad: int) -> Writing:
    """What follows a prompt that the network has read.

    Args:
        prompt: `(batch, (tokens))` ids.
        logits: `(batch, vocabulary)` of the token after it.
        states: After it.
        knobs: From `for_rows`.
        pad: The token before the first one where a prompt is empty.
    """
    batch, vocabulary = tf.shape(logits)[0], logits.shape[1]
    row = tf.cast(prompt.value_rowids(), tf.int32)
    places = tf.stack([row, prompt.values], axis=1)
    seen = tf.scatter_nd(places, tf.ones_like(row), [batch, vocabulary]) > 0
    uses_penalty = tf.reduce_any(knobs.repetition_penalty != 1)
    seen = tf.cond(uses_penalty, lambda: seen, lambda: seen[:, :0])
    uses_ngrams = tf.reduce_any(knobs.no_repeat_ngram > 0)
    history = tf.cond(uses_ngrams, lambda: _history(prompt, knobs), lambda: tf.zeros([batch, 0], tf.int32))
    return Writing(
        count=tf.constant(0),
        states=states,
        logits=logits,
        token=tf.reshape(prompt[:, -1:].to_tensor(pad, shape=[None, 1]), [-1]),
        going=knobs.max_new_tokens > 0,
        tokens=tf.zeros([batch], tf.int32),
        log_probability=tf.zeros([batch]),
        stopped=tf.zeros([batch], tf.bool),
        written=tf.zeros([batch], tf.int32),
        tail=tf.fill([batch], ""),
        seen=seen,
        history=history,
        matched=_matched(history, tf.reduce_max(knobs.no_repeat_ngram)),
        uniform=choosing.draws(knobs.seed, MOST_TOKENS),
    )


def go_on(
    writing: Writing, knobs: Knobs, steps: tf.Tensor, step: Step, spell: Spell, reserved: Reserved
) -> tuple[Writing, tf.Tensor]:
    """Write at most `steps` tokens more, one at least; whether in one call or in many makes no difference.

    Args:
        writing: From `begin` or from here.
        knobs: From `for_rows`, the same in all calls.
        steps: Tokens, at most.
        step: `(batch,)` tokens and states → logits of the next token and states.
        spell: Tokens before and tokens → what the second ones add to a text, `(batch,)` each.
        reserved: Ids with a meaning of their own.

    Returns:
        The writing after that, and the new tokens `(batch, time)`, `reserved.pad` where a row has ended.
    """
    begun = writing.count
    last = tf.minimum(begun + tf.minimum(steps, MOST_TOKENS), tf.reduce_max(knobs.max_new_tokens))
    uses_stop = tf.reduce_any(knobs.stop != "")

    def goes_on(now: Writing, _: tf.TensorArray) -> tf.Tensor:
        # The first step is always taken, so that there is a token to stack; rows that have ended ignore it.
        return (now.count == begun) | ((now.count < last) & tf.reduce_any(now.going))

    def write(now: Writing, tokens: tf.TensorArray) -> tuple[Writing, tf.TensorArray]:
        uniform = now.uniform[:, tf.minimum(now.count, MOST_TOKENS - 1)]
        token = choosing.choose(_allowed(now, knobs, reserved.never), knobs, uniform)
        kept = now.going & (token != reserved.end)
        after = _after(now, token, kept, knobs)
        after = tf.cond(uses_stop, lambda: _at_stop(after, kept, spell(now.token, token), knobs), lambda: after)
        logits, states = step(token, now.states)
        after = after._replace(logits=logits, states=states)
        for tensor, shape in zip(tf.nest.flatten(after), tf.nest.flatten(shapes), strict=True):
            tensor.set_shape(shape)  # some operations forget how many axes there are
        return after, tokens.write(now.count - begun, tf.where(kept, token, reserved.pad))

    shapes = _shapes(writing)
    tokens = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=[None])
    writing, tokens = tf.while_loop(goes_on, write, (writing, tokens), shape_invariants=(shapes, None))
    return writing, tf.transpose(tokens.stack())


def _allowed(now: Writing, knobs: Knobs, never: tuple[int, ...]) -> tf.Tensor:
    """Logits of the next token after all that forbids or discourages one: `(batch, vocabulary)`."""
    logits = tf.cond(
        tf.shape(now.seen)[1] > 0,
        lambda: choosing.penalised(now.logits, now.seen, knobs.repetition_penalty),
        lambda: now.logits,
    )
    ids = tf.range(tf.shape(logits)[1])
    logits = tf.where(tf.reduce_any(ids[:, None] == tf.constant(never, tf.int32), axis=1), NEVER, logits)

    def without_repeats() -> tf.Tensor:
        repeats = choosing.repeating(now.history, now.matched, knobs.no_repeat_ngram, tf.shape(logits)[1])
        return tf.where(repeats, NEVER, logits)

    return tf.cond(tf.shape(now.history)[1] > 0, without_repeats, lambda: logits)


def _after(now: Writing, token: tf.Tensor, kept: tf.Tensor, knobs: Knobs) -> Writing:
    """The writing with a token more; the network has not read it yet."""
    told = tf.gather(tf.nn.log_softmax(now.logits), token, batch_dims=1)
    history = tf.cond(
        tf.shape(now.history)[1] > 0,
        lambda: tf.concat([now.history[:, 1:], token[:, None]], axis=1),
        lambda: now.history,
    )
    # The place before one is, in the older history, at the same position.
    matched = tf.where(history == token[:, None], now.matched + 1, 0)
    seen = tf.cond(
        tf.shape(now.seen)[1] > 0,
        lambda: now.seen | tf.one_hot(token, tf.shape(now.logits)[1], True, False),
        lambda: now.seen,
    )
    return now._replace(
        count=now.count + 1,
        token=tf.where(kept, token, now.token),
        going=kept & (now.count + 1 < knobs.max_new_tokens),
        tokens=now.tokens + tf.cast(kept, tf.int32),
        log_probability=now.log_probability + tf.where(now.going, told, 0.0),
        stopped=now.stopped | (now.going & ~kept),
        seen=seen,
        history=history,
        matched=matched,
    )


def _at_stop(after: Writing, kept: tf.Tensor, piece: tf.Tensor, knobs: Knobs) -> Writing:
    """The writing with the bytes of the new token, ended in rows where they complete a `stop`."""
    text = tf.strings.join([after.tail, tf.where(kept, piece, "")])
    length = tf.strings.length(text)
    place = _find(text, knobs.stop)  # (batch,), negative without one
    found = kept & (place >= 0)
    written = after.written - tf.strings.length(after.tail) + tf.where(found, place, length)
    start = tf.maximum(length - LONGEST_STOP, 0)
    return after._replace(
        going=after.going & ~found,
        stopped=after.stopped | found,
        written=tf.where(kept, written, after.written),
        tail=tf.strings.substr(text, start, length - start),
    )


def _find(texts: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The first byte at which a row's text holds what the row wants: `(batch,)`, -1 where it does not."""
    lengths, sizes = tf.strings.length(texts), tf.strings.length(wanted)
    width, size = tf.reduce_max(lengths), tf.maximum(tf.reduce_max(sizes), 1)
    held = tf.io.decode_raw(texts, tf.uint8, fixed_length=width + size)  # (batch, width + size)
    sought = tf.io.decode_raw(wanted, tf.uint8, fixed_length=size)  # (batch, size)
    windows = tf.gather(held, tf.range(width)[:, None] + tf.range(size), axis=1)  # (batch, width, size)
    unequal = (windows != sought[:, None]) & (tf.range(size) < sizes[:, None])[:, None]
    inside = tf.range(width) + sizes[:, None] <= lengths[:, None]
    fits = inside & ~tf.reduce_any(unequal, axis=2) & (sizes > 0)[:, None]
    first = tf.reduce_min(tf.where(fits, tf.range(width), width), axis=1)
    return tf.where(first < width, first, -1)


def _history(prompt: tf.RaggedTensor, knobs: Knobs) -> tf.Tensor:
    """The tokens of prompts, at the right end, with room for the new ones: `(batch, time)`, -1 where there is none."""
    dense = prompt.to_tensor(-1)
    width = tf.shape(dense)[1] + tf.reduce_max(knobs.max_new_tokens)
    source = tf.range(width) - width + tf.cast(prompt.row_lengths(), tf.int32)[:, None]  # (batch, width)
    padded = tf.pad(dense, [[0, 0], [0, 1]], constant_values=-1)
    return tf.where(source >= 0, tf.gather(padded, tf.maximum(source, 0), batch_dims=1), -1)


def _matched(history: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
    """How many tokens up to every place equal those at the end, up to `most`: `(batch, time)`."""
    width = tf.shape(history)[1]

    def longer(back: tf.Tensor, equal: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        shifted = tf.pad(history, [[0, 0], [back, 0]], constant_values=-1)[:, :width]
        wanted = history[:, width - 1 - back][:, None]
        equal &= (shifted == wanted) & (wanted >= 0)
        return back + 1, equal, count + tf.cast(equal, tf.int32)

    start = (tf.constant(0), tf.ones_like(history, tf.bool), tf.zeros_like(history))
    most = tf.minimum(most, width)
    return tf.while_loop(lambda back, *_: back < most, longer, start)[2]


def _shapes(writing: Writing) -> Writing:
    """What may change from step to step: nothing but how many rows there are, which is not known."""

    kept = tf.nest.map_structure(lambda each: each.shape[1:] if each.shape.rank else None, writing)
    shapes = tf.nest.map_structure(lambda rest: tf.TensorShape([] if rest is None else [None, *rest]), kept)
    wide = tf.TensorShape([None, None])  # with or without anything in them
    return shapes._replace(seen=wide, history=wide, matched=wide)
