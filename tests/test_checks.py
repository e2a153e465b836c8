"""Every check lets the valid through and says of the invalid what is wrong and what to do."""

from math import inf, nan

import numpy as np
import pytest
from refusals import refusal

from seqapps import checks

CELLS = ("simple_rnn", "lstm", "gru")


def test_a_listing_quotes_names_and_keeps_their_order():
    assert checks.listing(["lstm", "gru"]) == "'lstm', 'gru'"
    assert checks.listing([7]) == "7"
    assert checks.listing([]) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ltsm", " Did you mean 'lstm'?"),
        ("LSTM", " Did you mean 'lstm'?"),
        ("simplernn", " Did you mean 'simple_rnn'?"),
        ("transformer", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_suggestion_names_the_closest_choice_or_nothing(value, expected):
    assert checks.suggestion(value, CELLS) == expected


def test_a_suggestion_keeps_the_case_of_the_choice():
    assert checks.suggestion("h", ["H"]) == " Did you mean 'H'?"


def test_a_failure_reads_as_the_grammar_with_and_without_advice():
    with refusal("`horizon` must be below 7. Received: horizon=11."):
        checks.fail("horizon", "below 7", 11)
    with refusal("`horizon` must be below 7. Received: horizon='11'. Shorten it."):
        checks.fail("horizon", "below 7", "11", "Shorten it.")


@pytest.mark.parametrize("cell", CELLS)
def test_a_choice_that_exists_passes(cell):
    assert checks.check_choice("cell", cell, CELLS) is None


@pytest.mark.parametrize(
    ("value", "choices", "message"),
    [
        (
            "ltsm",
            CELLS,
            "`cell` must be one of 'simple_rnn', 'lstm', 'gru'. Received: cell='ltsm'. Did you mean 'lstm'?",
        ),
        ("transformer", CELLS, "`cell` must be one of 'simple_rnn', 'lstm', 'gru'. Received: cell='transformer'."),
        (None, CELLS, "`cell` must be one of 'simple_rnn', 'lstm', 'gru'. Received: cell=None."),
        ("lstm", ("gru",), "`cell` must be 'gru'. Received: cell='lstm'."),
        (5, (2, 3), "`cell` must be one of 2, 3. Received: cell=5."),
    ],
)
def test_an_unknown_choice_is_refused_with_all_choices(value, choices, message):
    with refusal(message):
        checks.check_choice("cell", value, choices)


@pytest.mark.parametrize(("value", "minimum"), [(1, 1), (7, 1), (0, 0), (-2, -3)])
def test_an_integer_of_at_least_the_minimum_passes(value, minimum):
    assert checks.check_integer("units", value, minimum) is None


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int32, np.int64])
def test_a_number_of_numpy_passes_as_one_of_python_does(kind):
    assert checks.check_integer("units", kind(7), 1) is None
    assert checks.check_number("rate", kind(7), 7) is None
    assert checks.check_fraction("dropout", kind(0)) is None
    with refusal(f"`units` must be an integer of at least 8. Received: units={kind(7)!r}."):
        checks.check_integer("units", kind(7), 8)
    with refusal(f"`dropout` must be a number of at least 0 and below 1. Received: dropout={kind(1)!r}."):
        checks.check_fraction("dropout", kind(1))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_float_of_numpy_is_a_number_and_no_integer(kind):
    assert checks.check_number("rate", kind(0.5), 0.5) is None
    assert checks.check_fraction("dropout", kind(0.5)) is None
    with refusal(f"`rate` must be a number above 0. Received: rate={kind(nan)!r}."):
        checks.check_number("rate", kind(nan), 0, exclusive=True)
    with refusal(f"`units` must be an integer of at least 1. Received: units={kind(7)!r}."):
        checks.check_integer("units", kind(7), 1)


@pytest.mark.parametrize("value", [0, -7, 7.0, "7", True, None, [7], nan, np.True_])
def test_all_but_integers_of_at_least_the_minimum_are_refused(value):
    with refusal(f"`units` must be an integer of at least 1. Received: units={value!r}."):
        checks.check_integer("units", value, minimum=1)


def test_an_integer_is_refused_with_advice():
    with refusal("`window` must be an integer of at least 5. Received: window=3. Lengthen it."):
        checks.check_integer("window", 3, minimum=5, advice="Lengthen it.")


@pytest.mark.parametrize(
    ("value", "minimum", "exclusive"),
    [(0, 0, False), (0.5, 0.5, False), (1e-9, 0, True), (1e9, 0, True), (-1, -2, True)],
)
def test_a_number_within_the_bound_passes(value, minimum, exclusive):
    assert checks.check_number("rate", value, minimum, exclusive=exclusive) is None


@pytest.mark.parametrize("value", [0.25, -inf, inf, nan, "1", True, None])
def test_all_but_finite_numbers_of_at_least_the_minimum_are_refused(value):
    with refusal(f"`rate` must be a number of at least 0.5. Received: rate={value!r}."):
        checks.check_number("rate", value, minimum=0.5)


@pytest.mark.parametrize("value", [0, 0.0, -1, inf, nan, False])
def test_an_exclusive_bound_is_refused_itself(value):
    with refusal(f"`rate` must be a number above 0. Received: rate={value!r}. Try 0.001."):
        checks.check_number("rate", value, minimum=0, advice="Try 0.001.", exclusive=True)


@pytest.mark.parametrize(("value", "exclusive"), [(0, False), (0.0, False), (0.999, False), (0.001, True)])
def test_a_fraction_passes(value, exclusive):
    assert checks.check_fraction("dropout", value, exclusive=exclusive) is None


@pytest.mark.parametrize("value", [1, 1.0, -0.1, inf, nan, "0.5", True, False, None])
def test_all_but_fractions_below_one_are_refused(value):
    with refusal(f"`dropout` must be a number of at least 0 and below 1. Received: dropout={value!r}."):
        checks.check_fraction("dropout", value)


@pytest.mark.parametrize("value", [0, 0.0, 1, -0.1, nan])
def test_an_exclusive_fraction_refuses_zero_too(value):
    with refusal(f"`share` must be a number above 0 and below 1. Received: share={value!r}. Try 0.5."):
        checks.check_fraction("share", value, "Try 0.5.", exclusive=True)


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_passes(value):
    assert checks.check_boolean("residual", value) is None


@pytest.mark.parametrize("value", [0, 1, None, "True", []])
def test_all_but_booleans_are_refused(value):
    with refusal(f"`residual` must be True or False. Received: residual={value!r}."):
        checks.check_boolean("residual", value)


@pytest.mark.parametrize(
    ("units", "num_layers", "expected"),
    [
        (7, None, (7,)),
        (7, 1, (7,)),
        (7, 3, (7, 7, 7)),
        ([7, 11], None, (7, 11)),
        ((7, 11), 2, (7, 11)),
        (np.int64(7), np.int32(2), (7, 7)),
        ([np.int64(7), np.uint8(11)], None, (7, 11)),
    ],
)
def test_layer_widths_are_one_for_all_or_one_for_each(units, num_layers, expected):
    widths = checks.layer_widths(units, num_layers)
    assert widths == expected
    assert {type(width) for width in widths} == {int}


@pytest.mark.parametrize(
    ("units", "num_layers", "message"),
    [
        (0, None, "`units` must be an integer of at least 1. Received: units=0."),
        (None, 2, "`units` must be an integer of at least 1. Received: units=None."),
        ([7, 0.5], None, "`units` must be an integer of at least 1. Received: units=0.5."),
        ((), None, "`units` must be an integer or one integer per layer. Received: units=()."),
        (7, 0, "`num_layers` must be an integer of at least 1. Received: num_layers=0."),
        (7, True, "`num_layers` must be an integer of at least 1. Received: num_layers=True."),
        (
            (7, 11, 13),
            2,
            "`num_layers` must be 3, one layer per entry of `units`. Received: num_layers=2. "
            "There are 3 widths in units=[7, 11, 13]: leave num_layers out, or match it.",
        ),
    ],
)
def test_layer_widths_that_contradict_the_depth_are_refused(units, num_layers, message):
    with refusal(message):
        checks.layer_widths(units, num_layers)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("units", "bidirectional", "merge_mode", "residual"),
    [((7,), False, "concat", True), ((7, 11), True, "sum", False), ((7, 7), True, "concat", True)],
)
def test_recurrent_options_that_go_together_pass(cell, units, bidirectional, merge_mode, residual):
    reset_after = cell != "gru"
    assert checks.check_recurrent_options(cell, units, bidirectional, merge_mode, residual, reset_after) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("lstm", (7,), False, "concat", False, False),
            "`reset_after` must be True for cell='lstm'. Received: reset_after=False. "
            "Only the GRU has a reset gate: leave it at its default or choose cell='gru'.",
        ),
        (
            ("gru", (7,), False, "ave", False),
            "`merge_mode` must be 'concat' with bidirectional=False. Received: merge_mode='ave'. "
            "One direction has nothing to merge: set bidirectional=True or leave merge_mode at its default.",
        ),
        (
            ("gru", (7, 11), True, "sum", True),
            "`units` must be equal in all layers with residual=True. Received: units=[7, 11]. "
            "A layer adds its input to its output, so both need the same width.",
        ),
    ],
)
def test_recurrent_options_that_contradict_each_other_are_refused(options, message):
    with refusal(message):
        checks.check_recurrent_options(*options)
