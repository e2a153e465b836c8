"""What the numbers of gradients tell a person to do, rule by rule and at its threshold."""

import pytest

from seqapps.gradients.advice import NOTHING, Facts, advise
from seqapps.recurrent.gradient_flow import Curve

STEPS = 20


def curve(norms, layer=0, state="h", direction="forward"):
    return Curve(layer, direction, state, tuple(norms), (3,) * len(norms))


def epochs(*rows):
    names = ("gradient_norm", "largest_gradient_norm", "clipped_share")
    return [dict(zip(names, row, strict=True)) for row in rows]


def told(curves=None, history=(), cell="gru", residual=False, clip_norm=1.0, limit=None):
    curves = [curve([1.0] * STEPS)] if curves is None else curves
    return advise(Facts(cell, residual, clip_norm, limit, curves, history))


def test_without_anything_that_stands_out_there_is_nothing_to_do():
    assert told() == told(history=epochs((1, 99, 0.5), (1, 5, 0.5))) == [NOTHING]


@pytest.mark.parametrize(
    ("cell", "clip_norm", "end"),
    [
        ("simple_rnn", None, ". Set clip_norm, to 1 for a start. A gated cell (gru, lstm) keeps it from growing."),
        ("lstm", None, ". Set clip_norm, to 1 for a start."),
        ("gru", 0.5, ", and only clip_norm 0.5 holds it."),
        ("simple_rnn", 2.0, ", and only clip_norm 2 holds it. A gated cell (gru, lstm) keeps it from growing."),
    ],
)
def test_a_gradient_that_grows_tenfold_explodes(cell, clip_norm, end):
    growing = [curve([1.0] * STEPS), curve([2.0, 20.0, 80.0, 2.0] * 5, state="c", direction="backward")]
    (sentence,) = told(growing, cell=cell, clip_norm=clip_norm)
    expected = "In layer 1, backward, the gradient of c is 40 times as large at lag 2 as at lag 0: it explodes"
    assert sentence == expected + end
    assert told([curve([1.0, 9.9] * 10)]) == [NOTHING]
    assert told([curve([1.0, 10.0] * 10)]) != [NOTHING]


def test_a_step_a_hundred_times_as_large_as_usual_asks_for_a_limit():
    history = epochs((0.2, 1, 0), (0.3, 60, 0), (0.4, 2, 0))
    assert told(history=history, clip_norm=None) == [
        "The largest gradient of the training had a norm of 60, 200 times what is usual: set clip_norm, to about 0.3."
    ]
    assert told(history=history, clip_norm=5.0) == [NOTHING]
    assert told(history=epochs((0.3, 29.9, 0)), clip_norm=None) == [NOTHING]
    assert told(history=epochs((0.0, 0.0, 0)), clip_norm=None) == [NOTHING]


def test_clipping_more_than_half_of_the_steps_asks_for_a_higher_limit():
    assert told(history=epochs((2, 7, 0.9), (3, 7, 0.2)), clip_norm=0.5) == [
        "55% of the steps were clipped, so clip_norm 0.5 and not learning_rate says how far weights move: raise "
        "clip_norm towards the usual norm of 2.5, or lower learning_rate."
    ]


FORGOTTEN = "No gradient reaches further back than 9 of 20 steps: what was read before is not learned from."


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({"cell": "simple_rnn"}, " A gated cell (gru, lstm) reaches further."),
        ({"limit": STEPS}, " If scores are good, a shorter truncation loses nothing: truncation_steps 18."),
        ({}, " If scores are good, shorter inputs lose little; if not, what matters must stand nearer to the end."),
    ],
)
def test_a_gradient_that_is_gone_before_half_of_the_steps_is_told(options, end):
    short = [curve([1.0] * 4 + [0.001] * 16), curve([1.0] * 9 + [0.001] * 11, state="c")]
    assert told(short, **options) == [FORGOTTEN + end]
    assert told([*short, curve([1.0] * 10 + [0.001] * 10, direction="backward")], **options) == [NOTHING]
    above = curve([1.0] * STEPS, layer=1), curve([1.0] * STEPS, state="input")
    assert told([*short, *above], **options)[0].startswith(FORGOTTEN)


def test_a_layer_that_gets_a_hundredth_asks_for_fewer_layers():
    layers = [curve([0.009] * STEPS), curve([0.5] * STEPS, layer=1), curve([1.0] * STEPS, layer=2)]
    told_of = "The first layer gets 0.90% of the gradient of layer 3: take fewer layers"
    assert told(layers) == [f"{told_of}, or residual."]
    assert told(layers, residual=True) == [f"{told_of}."]
    assert told([curve([0.01] * STEPS), curve([1.0] * STEPS, layer=1)]) == [NOTHING]


def test_several_rules_speak_one_after_the_other():
    curves = [curve([1.0, 50.0] + [0.001] * 18)]
    sentences = told(curves, epochs((2, 7, 0.9)), cell="simple_rnn")
    assert [sentence.split()[0] for sentence in sentences] == ["In", "90%", "No"]
