"""What the numbers of gradients tell a person to do, rule by rule and at its threshold."""

import pytest

from seqapps.gradients.advice import NOTHING, Facts, advise
from seqapps.recurrent.gradient_curves import Curve

STEPS = 20


def curve(norms, layer=0, state="h", direction="forward", starts=None):
    norms = tuple(norms)
    return Curve(layer, direction, state, norms, (3,) * len(norms), starts or norms[:1] * len(norms))


def epochs(*rows):
    names = ("gradient_norm", "largest_gradient_norm", "clipped_share")
    return [dict(zip(names, row, strict=True)) for row in rows]


def told(curves=None, history=(), **facts):
    curves = [curve([1.0] * STEPS)] if curves is None else curves
    usual = {"cell": "gru", "residual": False, "bidirectional": False, "reads_all": False}
    return advise(Facts(**usual | {"clip_norm": 1.0, "limit": None} | facts, curves=curves, history=history))


def test_without_anything_that_stands_out_there_is_nothing_to_do():
    assert told() == told(history=epochs((1, 99, 0.5), (1, 5, 0.5))) == [NOTHING]


@pytest.mark.parametrize(
    ("cell", "clip_norm", "end"),
    [
        ("simple_rnn", None, ". Set clip_norm, to 1 for a start. A gated cell (gru, lstm) keeps it from growing."),
        ("lstm", None, ". Set clip_norm, to 1 for a start."),
        ("gru", 0.5, ", and only clip_norm 0.5 can hold it."),
        ("simple_rnn", 2.0, ", and only clip_norm 2 can hold it. A gated cell (gru, lstm) keeps it from growing."),
    ],
)
def test_a_gradient_that_grows_tenfold_explodes(cell, clip_norm, end):
    growing = [curve([1.0] * STEPS), curve([2.0, 20.0, 80.0, 2.0] * 5, direction="backward")]
    (sentence,) = told(growing, cell=cell, clip_norm=clip_norm)
    expected = "In layer 1, backward, the gradient of h is 40 times as large at lag 2 as at lag 0: it explodes"
    assert sentence == expected + end
    assert told([curve([1.0, 9.9] * 10)]) == [NOTHING]
    assert told([curve([1.0, 10.0] * 10)]) != [NOTHING]


EXPLODES = "In layer 1, forward, the gradient of h is 50 times as large at lag 3 as at lag 0: it explodes"
GROWING = (1.0, 5.0, 10.0, 50.0) * 5


def test_the_history_tells_whether_the_limit_held_what_explodes():
    clipped, not_clipped = epochs((0.2, 1, 0), (0.2, 2, 0.1)), epochs((0.2, 0.3, 0), (0.2, 0.3, 0))
    assert told([curve(GROWING)], clipped) == [f"{EXPLODES}, and only clip_norm 1 holds it."]
    assert told([curve(GROWING)], not_clipped) == [f"{EXPLODES}, although no step of the training reached clip_norm 1."]


def test_a_truncation_is_offered_that_ends_before_the_gradient_has_grown():
    cut = " With truncation_steps 2 it would end before it has grown tenfold."
    assert told([curve(GROWING)], limit=STEPS, clip_norm=None) == [f"{EXPLODES}. Set clip_norm, to 1 for a start.{cut}"]


def test_a_state_that_is_small_behind_a_shut_gate_has_not_exploded():
    """At lag 0 the c of an LSTM only goes through its output gate; h does not."""
    behind = curve([0.01] + [0.5] * 19, state="c")
    assert told([curve([1.0] * STEPS), behind], cell="lstm") == [NOTHING]
    (sentence,) = told([curve([0.05] * STEPS), behind], cell="lstm")
    assert sentence.startswith("In layer 1, forward, the gradient of c is 50 times as large at lag 1 as at lag 0")


def test_rows_with_large_losses_do_not_look_like_growth_nor_small_ones_like_loss():
    """Only a misclassified, or a confident, row is long: beside its own start its gradient is as large as ever."""
    for size in (30.0, 0.001):
        starts = (1.0,) * 10 + (size,) * 10
        assert told([curve(starts, starts=starts)]) == [NOTHING]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_told_and_not_compared(bad):
    curves = [curve([1.0, 0.001, bad, 7.0] + [0.001] * 16), curve([1.0] * STEPS, layer=1)]
    expected = "In layer 1, forward, the gradient of h is not a finite number at lag 2: it explodes"
    assert told(curves, limit=STEPS) == [f"{expected}, and only clip_norm 1 can hold it."]


def test_a_step_a_hundred_times_as_large_as_usual_asks_for_a_limit():
    history = epochs((0.2, 1, 0), (0.3, 60, 0), (0.4, 2, 0))
    assert told(history=history, clip_norm=None) == [
        "The largest gradient of the training had a norm of 60, 200 times what is usual: "
        "set clip_norm, to about 1.5, which leaves usual steps alone."
    ]
    assert told(history=history, clip_norm=5.0) == [NOTHING]
    assert told(history=epochs((123.4, 56789.0, 0)), clip_norm=None) == [
        "The largest gradient of the training had a norm of 56789, 460.2 times what is usual: "
        "set clip_norm, to about 617, which leaves usual steps alone."
    ]
    assert told(history=epochs((0.3, 29.9, 0)), clip_norm=None) == [NOTHING]
    assert told(history=epochs((0.0, 0.0, 0)), clip_norm=None) == [NOTHING]


def test_clipping_more_than_half_of_the_steps_asks_for_a_higher_limit():
    assert told(history=epochs((2, 7, 0.9), (3, 7, 0.2)), clip_norm=0.5) == [
        "55% of the steps were clipped: clip_norm 0.5 acts on usual steps and not only on outliers, so all batches "
        "count alike. Raise it, to about 12.5: the usual norm is 2.5."
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


def test_the_steps_that_the_loss_or_the_other_direction_meets_are_not_said_to_be_lost():
    short = [curve([1.0] * 9 + [0.001] * 11)]
    both = [*short, curve([1.0] * 7 + [0.001] * 13, direction="backward")]
    enough = " If scores are good, that is enough; if not, what belongs together must stand nearer."
    pooled = (
        "Through the recurrence no gradient reaches further than 9 of 20 steps: the loss reads every step, but learns "
        "of nothing that stands further from it."
    )
    assert told(short, reads_all=True) == [pooled + enough]
    assert told(both, reads_all=True, bidirectional=True) == [pooled + enough]
    assert told(short, reads_all=True, cell="simple_rnn") == [f"{pooled} A gated cell (gru, lstm) reaches further."]
    ends = "No gradient reaches further than 9 of 20 steps from where a direction ends: what stands between is not "
    assert told(both, bidirectional=True) == [f"{ends}learned from.{enough}"]


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
