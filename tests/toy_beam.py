"""A network so small that all it writes can be listed, what a beam in the graph finds with it, and plain Python."""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from toy_network import RESERVED

from seqapps.decoding import beam
from seqapps.decoding.beam import NEVER, BeamKnobs, Found
from seqapps.text.kinds import END, PAD, START

VOCABULARY, PHASES, PLACES, MOST = 7, 11, 5, 13
LETTERS = (4, 5, 6)
OFF = {
    "beam_width": (1, tf.int32),
    "length_penalty": (0.0, tf.float32),
    "coverage_penalty": (0.0, tf.float32),
    "max_length": (MOST, tf.int32),
}


class Network(NamedTuple):
    """What comes next depends on the last token and on a phase, which depends on all tokens before it.

    Attributes:
        told: `(phases, vocabulary, vocabulary)`: log-probabilities.
        looks: `(phases, vocabulary, places)`: attention.
    """

    told: np.ndarray
    looks: np.ndarray

    def read(self, token, phase):
        """Log-probabilities of the next token, the phase, and attention, in plain Python."""
        phase = (2 * phase + token + 1) % len(self.told)
        return self.told[phase, token], phase, self.looks[phase, token]


class Hypothesis(NamedTuple):
    """A text with its end, if it has one, and all that its score depends on."""

    tokens: tuple[int, ...]
    log_probability: float
    phase: int
    coverage: np.ndarray

    @property
    def complete(self):
        return self.tokens[-1:] == (END,)

    @property
    def text(self):
        return self.tokens[:-1] if self.complete else self.tokens


def random_network(seed=0, end=0.0):
    """A network of no use, which prefers the ids that are never written, and has no answer after padding.

    Sums of its numbers are exact in every precision, so that many hypotheses are equally likely.
    """
    generator = np.random.default_rng(seed)
    told = generator.integers(-48, 0, size=(PHASES, VOCABULARY, VOCABULARY)) / 8
    told[..., list(RESERVED.never)] += 6
    told[..., END] += end
    looks = generator.integers(0, 8, size=(PHASES, VOCABULARY, PLACES)) / 8
    told[:, PAD], looks[:, PAD] = np.nan, np.nan
    return Network(told, looks)


def raw_knobs(**values):
    """Knobs as a caller gives them; what is not named is off."""
    return BeamKnobs(*(tf.constant(values.get(name, usual), dtype) for name, (usual, dtype) in OFF.items()))


@cache
def graph():
    """The search for any number of rows, places and hypotheses, as a SavedModel holds it."""
    told, looks = tf.TensorSpec([None, VOCABULARY, VOCABULARY]), tf.TensorSpec([None, VOCABULARY, None])
    places, phase = tf.TensorSpec([None, None], tf.bool), tf.TensorSpec([None], tf.int32)
    rows = BeamKnobs(*(tf.TensorSpec([None], dtype) for _, dtype in OFF.values()))

    @tf.function(input_signature=[told, looks, phase, places, rows])
    def search(told, looks, phase, places, rows):
        def step(tokens, states, rows):
            phase = (2 * states[0] + tokens + 1) % tf.shape(told)[0]
            log_probabilities, attention = (
                tf.gather(tf.gather(each, phase), tokens, batch_dims=2) for each in (told, looks)
            )
            return [log_probabilities, phase], [phase], attention

        def judge(outputs):
            log_probabilities, phase = outputs
            phase = tf.cast(phase, tf.float32)  # which is added, and has to be subtracted again
            return log_probabilities + phase[:, None], phase

        beams = tf.maximum(tf.reduce_max(rows.beam_width), 1)
        return beam.search(step, judge, [tf.repeat(phase[:, None], beams, axis=1)], places, rows, START, RESERVED)

    return search


def search(network, phases, places=None, **values):
    """What the graph finds for rows that start in these phases."""
    rows = beam.for_rows(raw_knobs(**values), tf.constant(len(phases)))
    places = np.ones((len(phases), network.looks.shape[2]), bool) if places is None else places
    told, looks = (tf.constant(each, tf.float32) for each in network)
    found = graph()(told, looks, tf.constant(phases, tf.int32), tf.constant(places), rows)
    return Found(*(each.numpy() for each in found))


def hypotheses(found):
    """`(text, complete, score)` of all that is there, row by row, in the order in which it was found."""
    return [
        [
            (tuple(token for token in tokens.tolist() if token != PAD), bool(complete), float(score))
            for tokens, score, complete in zip(*row, strict=True)
            if score > NEVER / 2
        ]
        for row in zip(*found, strict=True)
    ]


def score(hypothesis, places, length_penalty, coverage_penalty):
    """Equation 14 of Wu et al. 2016."""
    covered = np.log(np.clip(hypothesis.coverage[places], 1e-6, 1)).sum()
    length = ((5 + len(hypothesis.tokens)) / 6) ** length_penalty
    return hypothesis.log_probability / length + coverage_penalty * covered


def scored(ended, places, length_penalty, coverage_penalty):
    """The same as of `hypotheses` for one row, from the best one on."""
    rated = [(each.text, each.complete, score(each, places, length_penalty, coverage_penalty)) for each in ended]
    return sorted(rated, key=lambda each: -each[2])


def continued(network, hypothesis):
    """A hypothesis with every token that may come next, in the order of ids."""
    last = hypothesis.tokens[-1] if hypothesis.tokens else START
    told, phase, attention = network.read(last, hypothesis.phase)
    return [
        Hypothesis(
            (*hypothesis.tokens, token),
            hypothesis.log_probability + told[token],
            phase,
            hypothesis.coverage + attention,
        )
        for token in (END, *LETTERS)
    ]


def beginning(network, phase):
    return Hypothesis((), 0.0, phase, np.zeros(network.looks.shape[2]))


def plainly(network, phase, places, *, beam_width=1, length_penalty=0.0, coverage_penalty=0.0, max_length=MOST):
    """What a beam finds for one row, in plain Python."""
    going, ended = [beginning(network, phase)], []
    for _ in range(max_length):
        all_next = [each for hypothesis in going for each in continued(network, hypothesis)]
        likeliest = sorted(all_next, key=lambda each: -each.log_probability)[: beam_width - len(ended)]
        going = [each for each in likeliest if not each.complete]
        ended += [each for each in likeliest if each.complete]
    return scored(ended + going, places, length_penalty, coverage_penalty)


def everything(network, phase, most):
    """All that can be written in so many tokens, the end included."""
    found = []
    for length in range(1, most + 1):
        for letters in product(LETTERS, repeat=length - 1):
            found.append((*letters, END))
            found += [(*letters, last) for last in LETTERS if length == most]
    return [followed(network, phase, tokens) for tokens in found]


def followed(network, phase, tokens):
    """The hypothesis of these tokens."""
    hypothesis = beginning(network, phase)
    for token in tokens:
        (hypothesis,) = (each for each in continued(network, hypothesis) if each.tokens[-1] == token)
    return hypothesis


def assert_alike(row, expected):
    """Equal hypotheses with equal scores from the highest one on, whatever the order of those that are as good."""
    received, wanted = ({(text, complete): score for text, complete, score in each} for each in (row, expected))
    assert received.keys() == wanted.keys()
    assert len(received) == len(row) == len(expected)
    np.testing.assert_allclose([received[each] for each in wanted], [*wanted.values()], rtol=1e-5, atol=1e-5)
    scores = [score for *_, score in row]
    assert scores == sorted(scores, reverse=True)


def assert_plain(found, network, phases, places=None, **values):
    """Every row is what plain Python finds with the row's values."""
    rows = hypotheses(found)
    assert len(rows) == len(phases)
    for number, (row, phase) in enumerate(zip(rows, phases, strict=True)):
        own = {name: value[number] if np.ndim(value) else value for name, value in values.items()}
        real = np.ones(network.looks.shape[2], bool) if places is None else places[number]
        assert_alike(row, plainly(network, phase, real, **own))
