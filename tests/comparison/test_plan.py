"""What a plan compares, and what it refuses before anything is read."""

from importlib import import_module

import pytest
from refusals import refusal

from seqapps.comparison.plan import Plan, seeded, variants
from seqapps.config import CELL_NAMES
from seqapps.tasks import TASKS
from seqapps.tasks.forecasting.config import Config as Forecasting
from seqapps.tasks.generation.config import Config as Generation
from seqapps.tasks.sentiment.config import Config as Sentiment
from seqapps.tasks.speech.config import Config as Speech
from seqapps.tasks.translation.config import Config as Translation


def test_every_cell_is_taken_in_every_direction_and_depth():
    plan = Plan(directions=("one", "two"), depths=(1, 3), seeds=(5, 7), max_epochs=11)
    made = variants(plan, Sentiment(units=13, merge_mode="sum", bidirectional=True))
    assert [(each.config.num_layers, each.config.bidirectional, each.config.cell) for each in made] == [
        (depth, two, cell) for depth in (1, 3) for two in (False, True) for cell in CELL_NAMES
    ]
    assert {(each.config.widths[0], each.config.seed, each.config.epochs) for each in made} == {(13, 5, 11)}
    assert [made[number].name for number in (0, 4, 8, 11)] == [
        "simple_rnn",
        "lstm, two directions",
        "gru, 3 layers",
        "gru, two directions, 3 layers",
    ]
    assert {each.config.merge_mode for each in made if each.config.bidirectional} == {"sum"}
    assert len({each.folder for each in made}) == 12


def test_what_a_plan_leaves_open_is_as_in_training():
    made = variants(Plan(cells=("gru",)), Sentiment(units=13, epochs=3, learning_rate=0.1))
    assert [each.config for each in made] == [Sentiment(units=13, epochs=3, learning_rate=0.1, num_layers=1)]
    assert seeded(made[0].config, 3) == Sentiment(units=13, epochs=3, learning_rate=0.1, num_layers=1, seed=3)


def test_every_part_of_the_rows_has_every_variant():
    made = variants(Plan(cells=("gru", "lstm"), data_fractions=(0.1, 1), controls=("memoryless",)), Sentiment())
    assert [each.config.data_fraction for each in made] == [0.1] * 3 + [1.0] * 3
    assert [each.folder for each in made[:3]] == ["gru-one-1-data-0.1", "lstm-one-1-data-0.1", "memoryless-data-0.1"]


def test_controls_take_memory_or_order_from_the_variants():
    plan = Plan(cells=("lstm", "gru"), directions=("two", "one"), controls=("memoryless", "shuffled"))
    *_, memoryless, lstm, gru = variants(plan, Sentiment(pooling="last", units=13, bidirectional=True))
    names = ("lstm, two directions", "gru, two directions", "lstm", "gru")
    assert (memoryless.name, memoryless.twins) == ("memoryless", names)
    assert memoryless.config == Sentiment(pooling="mean", control="memoryless", seed=0)
    assert (lstm.name, lstm.twins) == ("lstm, two directions, shuffled", ("lstm, two directions",))
    assert (gru.config.cell, gru.config.bidirectional, gru.config.control) == ("gru", True, "shuffled")
    assert (lstm.config.pooling, lstm.config.units) == ("last", 13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"cells": ("ltsm",)},
            "`cells` must be one of 'simple_rnn', 'lstm', 'gru'. Received: cells='ltsm'. Did you mean 'lstm'?",
        ),
        ({"cells": ()}, "`cells` must be at least one value. Received: cells=()."),
        ({"seeds": (1, 1)}, "`seeds` must be different values. Received: seeds=(1, 1)."),
        ({"depths": (0,)}, "`depths` must be an integer of at least 1. Received: depths=0."),
        (
            {"directions": ("both",)},
            "`directions` must be one of 'one', 'two'. Received: directions='both'.",
        ),
        (
            {"data_fractions": (0.5, 1.5)},
            "`data_fractions` must be numbers above 0, up to 1. Received: data_fractions=(0.5, 1.5).",
        ),
        ({"data_fractions": (0,)}, "`data_fractions` must be a number above 0. Received: data_fractions=0.0."),
        ({"max_epochs": 0}, "`max_epochs` must be an integer of at least 1. Received: max_epochs=0."),
        (
            {"controls": ("none",)},
            "`controls` must be one of 'memoryless', 'shuffled'. Received: controls='none'.",
        ),
        ({"match": "width"}, "`match` must be one of 'units', 'parameters'. Received: match='width'."),
    ],
)
def test_a_plan_that_cannot_be_is_refused(options, message):
    with refusal(message):
        Plan(**options)


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (
            Sentiment(units=(7, 5)),
            {},
            "`units` must be one integer. Received: units=[7, 5]. A comparison sets the depth itself: give one width "
            "for all layers.",
        ),
        (
            Sentiment(merge_mode="sum", bidirectional=True),
            {"directions": ("one",)},
            "`merge_mode` must be 'concat' with directions=('one',). Received: merge_mode='sum'. One direction has "
            "nothing to merge: compare two directions too, or leave it out.",
        ),
        (
            Generation(),
            {"directions": ("two",)},
            "`bidirectional` must be False for generation: the backward direction would read the text being generated. "
            "Received: bidirectional=True.",
        ),
        (
            Generation(),
            {"controls": ("shuffled",)},
            "`control` must be 'none'. Received: control='shuffled'. The order of tokens is all that there is "
            "to learn.",
        ),
        (
            Generation(),
            {"controls": ("memoryless",)},
            "`control` must be 'none'. Received: control='memoryless'. What a model knows of frequencies and "
            "near tokens "
            "alone, its baselines show.",
        ),
        (
            Translation(),
            {"controls": ("memoryless",)},
            "`control` must be 'none'. Received: control='memoryless'. A target is written word by word, from "
            "the states "
            "of a recurrence.",
        ),
        (
            Speech(),
            {"controls": ("memoryless",)},
            "`control` must be 'none'. Received: control='memoryless'. A transcript is written in the order of what is "
            "heard; what the spectra of a word tell without a memory, the linear baseline shows.",
        ),
        (
            Speech(),
            {"controls": ("shuffled",)},
            "`control` must be 'none'. Received: control='shuffled'. A transcript is written in the order of what is "
            "heard; a word is told while it is heard, from spectra that are measured by what was loudest before.",
        ),
        (
            Sentiment(linear_skip="naive_bayes"),
            {"controls": ("shuffled",)},
            "`linear_skip` must be 'none' with a control. Received: linear_skip='naive_bayes'. It reads the order "
            "of tokens.",
        ),
        (
            Sentiment(pretrained="runs/lm"),
            {"controls": ("memoryless",)},
            "`control` must be 'none' or 'shuffled' with `pretrained`. Received: control='memoryless'. What a language "
            "model gives to start from is a recurrence.",
        ),
        (
            Forecasting(head="recursive"),
            {"controls": ("shuffled",)},
            "`head` must be 'direct', 'segment' with control='shuffled'. Received: head='recursive'. It decodes with "
            "the recurrence, from the last step on.",
        ),
        (
            Forecasting(linear_skip="trained"),
            {"controls": ("memoryless",)},
            "`linear_skip` must be 'none' with this control. Received: linear_skip='trained'. It has a weight "
            "for every "
            "step of the window.",
        ),
        (
            Forecasting(lags=(24,)),
            {"controls": ("shuffled",)},
            "`lags` must be left out with a control. Received: lags=(24,). They tell what came before what.",
        ),
    ],
)
def test_what_a_task_cannot_have_is_refused_with_the_reason(config, options, message):
    with refusal(message):
        variants(Plan(**options), config)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_states_which_controls_it_refuses(task):
    config_class = import_module(f"seqapps.tasks.{task}.config").Config
    refused = vars(config_class)["refused_controls"]
    for control in ("memoryless", "shuffled"):
        if control in refused:
            with refusal(f"`control` must be 'none'. Received: control={control!r}. {refused[control]}"):
                config_class(control=control)
        else:
            assert config_class(control=control).control == control


def test_a_model_without_memory_refuses_options_of_memory():
    with refusal(
        "`cell` must be left at 'gru' with control='memoryless'. Received: cell='lstm'. Without a recurrence it has no "
        "effect."
    ):
        Sentiment(control="memoryless", cell="lstm")
    with refusal(
        "`pooling` must be one that reads all tokens with control='memoryless'. Received: pooling='last'. Without a "
        "recurrence the last token knows of no other."
    ):
        Sentiment(control="memoryless", pooling="last")
    with refusal("`data_fraction` must be a number above 0, up to 1. Received: data_fraction=1.5."):
        Sentiment(data_fraction=1.5)
