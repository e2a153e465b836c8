"""A network small enough to think through, what the graph writes with it, and what plain Python writes."""

from functools import cache
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from seqapps.decoding import choosing, generation
from seqapps.decoding.choosing import NEVER, Knobs
from seqapps.decoding.generation import LONGEST_STOP, MOST_TOKENS, Reserved, Writing
from seqapps.text.kinds import END, PAD, START, UNKNOWN

FIRST, VOCABULARY, PHASES, MOST, LONGEST = 4, 17, 3, 23, 13  # the network thinks otherwise at every third token
LAST = np.nextafter(np.float32(1), np.float32(0))  # of the numbers below 1
RESERVED = Reserved(PAD, END, never=(PAD, UNKNOWN, START))
OFF = {
    "max_new_tokens": (MOST, tf.int32),
    "temperature": (0.0, tf.float32),
    "top_k": (0, tf.int32),
    "top_p": (1.0, tf.float32),
    "repetition_penalty": (1.0, tf.float32),
    "no_repeat_ngram": (0, tf.int32),
    "stop": ("", tf.string),
    "seed": (0, tf.int64),
}
PROMPTS = [[5], [], [4, 4, 9], [16, UNKNOWN, 5, 7, 7], [8] * 13]


class Answer(NamedTuple):
    """What rows got: new tokens, padded, and the writing after them as arrays."""

    padded: np.ndarray
    after: Writing

    @property
    def tokens(self):
        return [[token for token in row if token != PAD] for row in self.padded.tolist()]

    @property
    def told(self):
        """All that a caller learns of each row."""
        after = self.after
        return list(zip(self.tokens, after.log_probability, after.stopped, after.written, after.going, strict=True))


def raw_knobs(**values):
    """Knobs as a caller gives them; what is not named is off."""
    return Knobs(*(tf.constant(values.get(name, usual), dtype) for name, (usual, dtype) in OFF.items()))


def knobs(batch, **values):
    """The same for every row, in range: at most `MOST` tokens and `LONGEST` bytes of a text that stops."""
    return choosing.for_rows(raw_knobs(**values), tf.constant(batch), MOST, LONGEST)


def network(table):
    """A step that depends on the last token and on how many it has read."""

    def step(token, states):
        (read,) = states
        return tf.gather_nd(table, tf.stack([read[:, 0] % PHASES, token], axis=1)), [read + 1]

    return step


@cache
def graphs():
    """`begin` and `go_on` for any number of rows, as a SavedModel holds them."""
    table = tf.TensorSpec([PHASES, VOCABULARY, VOCABULARY])
    rows = Knobs(*(tf.TensorSpec([None], dtype) for _, dtype in OFF.values()))

    @tf.function(input_signature=[table, tf.RaggedTensorSpec([None, None], tf.int32, row_splits_dtype=tf.int64), rows])
    def started(table, prompt, rows):
        last = prompt[:, -1:].to_tensor(START, shape=[None, 1])[:, 0]
        return generation.begin(prompt, tf.gather(table[0], last), [tf.ones_like(last)[:, None]], rows, PAD)

    writing = tf.nest.map_structure(
        lambda each: tf.TensorSpec(each.shape, each.dtype), started.get_concrete_function().structured_outputs
    )

    @tf.function(
        input_signature=[table, tf.TensorSpec([VOCABULARY], tf.string), writing, rows, tf.TensorSpec([], tf.int32)]
    )
    def gone_on(table, pieces, writing, rows, steps):
        def spell(_, token):
            return tf.gather(pieces, token)

        return generation.go_on(writing, rows, steps, network(table), spell, RESERVED)

    return started, gone_on


def begin(table, prompts, **values):
    rows = choosing.for_rows(raw_knobs(**values), tf.constant(len(prompts)), MOST_TOKENS, LONGEST_STOP)
    ids = tf.constant([token for prompt in prompts for token in prompt], tf.int32)
    prompt = tf.RaggedTensor.from_row_splits(ids, np.cumsum([0, *map(len, prompts)]))
    return graphs()[0](table, prompt, rows), rows


def write(table, prompts, pieces=(b"",) * VOCABULARY, calls=(MOST,), **values):
    """Answers of the graph, in one call of `go_on` or several."""
    table, pieces = tf.constant(table, tf.float32), tf.constant(pieces, tf.string)
    writing, rows = begin(table, prompts, **values)
    parts = []
    for steps in calls:
        writing, tokens = graphs()[1](table, pieces, writing, rows, tf.constant(steps))
        parts.append(tokens.numpy())
    return Answer(np.concatenate(parts, axis=1), tf.nest.map_structure(lambda each: each.numpy(), writing))


def random_table(seed=0, end=0.0):
    """A network of no use, which prefers the ids that are never written."""
    table = np.random.default_rng(seed).normal(scale=2, size=(PHASES, VOCABULARY, VOCABULARY)).astype("float32")
    table[..., list(RESERVED.never)] += 5
    table[..., END] += end
    return table


def chain():
    """A network that writes 5, 6, 7, … after 4, and ends after the last id."""
    following = np.eye(VOCABULARY)[[*range(1, VOCABULARY), END]] * 10
    return np.repeat(following[None], PHASES, axis=0)


def log_softmax(logits):
    logits = np.asarray(logits, "float64")
    return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())


def repeats(text, ngram):
    """Whether the last `ngram` tokens stand in the text twice."""
    runs = [tuple(text[place : place + ngram]) for place in range(len(text) - ngram + 1)]
    return ngram > 0 and len(runs) > 1 and runs[-1] in runs[:-1]


def plainly(table, prompt, most=MOST, penalty=1.0, ngram=0):
    """The likeliest text as plain Python finds it: tokens, their log-probability, whether it ended by itself."""
    text, new, told = list(prompt), [], 0.0
    while len(new) < most:
        own = table[len(new) % PHASES, text[-1] if text else START]
        logits = own.copy()
        logits[list(RESERVED.never)] = NEVER
        for token in set(text):
            logits[token] *= penalty if logits[token] <= 0 else 1 / np.float32(penalty)
        logits[[token for token in range(VOCABULARY) if repeats([*text, token], ngram)]] = NEVER
        token = int(logits.argmax())
        told += log_softmax(own)[token]
        if token == END:
            return new, told, True
        text.append(token)
        new.append(token)
    return new, told, False


def assert_plain(answer, table, prompts, **values):
    """Every row is what plain Python writes with the row's values."""
    for row, prompt in enumerate(prompts):
        own = {name: value[row] if isinstance(value, list) else value for name, value in values.items()}
        tokens, told, stopped = plainly(table, prompt, **own)
        assert answer.tokens[row] == tokens
        assert answer.after.tokens[row] == len(tokens)
        np.testing.assert_allclose(answer.after.log_probability[row], told, rtol=1e-5, atol=1e-4)
        assert answer.after.stopped[row] == stopped
        assert not answer.after.going[row]
