"""Every option has a default, a type and a limit, and whatever breaks one is refused."""

import dataclasses
import json
from math import inf, nan

import numpy as np
import pytest
from refusals import refusal

from seqapps.config import CELL_NAMES, MERGE_MODES, SCHEDULES, TaskConfig
from seqapps.tasks.forecasting.config import Config

NAMES = [field.name for field in dataclasses.fields(Config)]
COUNTS = {
    "units": 1, "num_layers": 1, "epochs": 1, "batch_size": 1, "patience": 1, "warmup_steps": 0, "seed": 0,
    "window": 1, "horizon": 1, "season_length": 1, "segment_length": 1, "windows": 1, "step_size": 1,
    "members": 1, "skip_members": 1,
}  # fmt: skip
FRACTIONS = ("validation_fraction", "test_fraction", "dropout", "recurrent_dropout", "average_weights")
POSITIVE = ("max_minutes", "learning_rate", "clip_norm", "data_fraction")
BOOLEANS = ("bidirectional", "residual", "calendar", "refit")
TEXTS = ("validation_data", "test_data", "initialize_from", "time_column", "id_column", "frequency")
CHOICES = {
    "cell": CELL_NAMES, "merge_mode": MERGE_MODES, "schedule": SCHEDULES, "baselines": ("none", "fast", "full"),
    "layout": ("auto", "wide", "long", "rows"), "head": ("direct", "segment", "recursive"),
    "normalization": ("last", "standard", "none"), "transform": ("none", "log"), "channels": ("independent", "joint"),
    "linear_skip": ("none", "trained", "ridge"), "control": ("none", "memoryless", "shuffled"),
}  # fmt: skip
LISTS = {
    "target_columns": "texts", "past_columns": "texts", "future_columns": "texts", "static_columns": "texts",
    "lags": "integers", "quantiles": "numbers", "split_rows": "integers", "split_dates": "texts",
}  # fmt: skip
OPTIONAL = (
    "validation_data", "test_data", "num_layers", "max_minutes", "clip_norm", "patience", "initialize_from",
    "time_column", "id_column", "target_columns", "frequency", "window", "horizon", "season_length", "segment_length",
    "split_rows", "split_dates", "windows", "skip_members",
)  # fmt: skip


# What an option needs beside it to have an effect.
COMPANIONS = {
    "merge_mode": {"bidirectional": True}, "segment_length": {"head": "segment"},
    "skip_members": {"linear_skip": "trained", "members": 2},
}  # fmt: skip


def test_the_defaults_make_a_config():
    assert TaskConfig() == TaskConfig.from_dict({})
    assert Config() == Config.from_dict({})
    assert (Config().cell, Config().units, Config().widths, Config().window) == ("gru", 64, (64,), None)


def test_whole_numbers_become_floats_and_lists_become_tuples():
    config = Config(learning_rate=1, validation_fraction=0, units=[7, 5], quantiles=[0.25])
    assert isinstance(config.learning_rate, float)
    assert isinstance(config.validation_fraction, float)
    assert (config.units, config.quantiles) == ((7, 5), (0.25,))


def test_numbers_of_numpy_become_those_of_python():
    options = {
        "units": np.array([7, 5]), "num_layers": np.int32(2), "window": np.int64(13), "seed": np.uint8(3),
        "learning_rate": np.float32(0.25), "weight_decay": np.int64(1), "dropout": np.float64(0.5),
        "bidirectional": np.True_, "quantiles": np.array([0.25]), "split_rows": np.array([29, 41, 53]),
    }  # fmt: skip
    config = Config(**options)
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    expected = {name: tuple(value.tolist()) if value.ndim else value.item() for name, value in options.items()}
    assert {name: getattr(config, name) for name in options} == expected
    assert {type(width) for width in config.widths} == {int}
    with refusal("`window` must be an integer of at least 1. Received: window=0."):
        Config(window=np.int64(0))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"units": 7, "num_layers": 3}, (7, 7, 7)),
        ({"units": (7, 5)}, (7, 5)),
        ({"units": (7, 5), "num_layers": 2}, (7, 5)),
    ],
)
def test_there_is_one_width_per_layer(options, expected):
    assert Config(**options).widths == expected


# --- limits ---


def test_every_option_has_its_limit_tested_here():
    tested = [*COUNTS, *FRACTIONS, *POSITIVE, *BOOLEANS, *TEXTS, *CHOICES, *LISTS, "weight_decay", "interval_level"]
    assert sorted(tested) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_none_is_taken_where_the_data_or_nobody_decides_and_refused_elsewhere(name):
    if name in OPTIONAL:
        assert getattr(Config(**{name: None}), name) is None
    else:
        with pytest.raises(ValueError, match=rf"\A`{name}` must be .*\. Received: {name}=None\."):
            Config(**{name: None})


@pytest.mark.parametrize(("name", "minimum"), COUNTS.items())
def test_a_count_has_a_minimum(name, minimum):
    assert getattr(Config(**{name: minimum}, **COMPANIONS.get(name, {})), name) == minimum
    for value in (minimum - 1, -7, 7.0, "7", True):
        with refusal(f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}."):
            Config(**{name: value})


@pytest.mark.parametrize("name", FRACTIONS)
def test_a_fraction_lies_in_zero_to_below_one(name):
    assert getattr(Config(**{name: 0.0}), name) == 0.0
    for value in (1.0, -0.1, nan, "0.5", True):
        with refusal(f"`{name}` must be a number of at least 0 and below 1. Received: {name}={value!r}."):
            Config(**{name: value})


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, nan, "0.5"])
def test_a_level_lies_between_zero_and_one(value):
    with refusal(f"`interval_level` must be a number above 0 and below 1. Received: interval_level={value!r}."):
        Config(interval_level=value)
    with refusal(f"`quantiles` must be a number above 0 and below 1. Received: quantiles={value!r}."):
        Config(quantiles=(0.5, value))


@pytest.mark.parametrize("name", POSITIVE)
def test_a_rate_or_a_duration_is_above_zero(name):
    assert getattr(Config(**{name: 1e-9}), name) == 1e-9
    for value in (0.0, -1.0, inf, nan, "1", True):
        with refusal(f"`{name}` must be a number above 0. Received: {name}={value!r}."):
            Config(**{name: value})


@pytest.mark.parametrize("value", [-0.1, inf, nan, "1", True])
def test_weight_decay_is_at_least_zero(value):
    with refusal(f"`weight_decay` must be a number of at least 0. Received: weight_decay={value!r}."):
        Config(weight_decay=value)


@pytest.mark.parametrize("name", BOOLEANS)
def test_a_switch_is_true_or_false(name):
    for value in (0, 1, "true"):
        with refusal(f"`{name}` must be True or False. Received: {name}={value!r}."):
            Config(**{name: value})


@pytest.mark.parametrize("name", TEXTS)
def test_a_name_is_a_text(name):
    for value in (7, ["a"], True):
        received = tuple(value) if isinstance(value, list) else value
        with refusal(f"`{name}` must be a text. Received: {name}={received!r}."):
            Config(**{name: value})


@pytest.mark.parametrize(("name", "choices"), CHOICES.items())
def test_a_choice_is_one_of_its_names(name, choices):
    for choice in choices:
        assert getattr(Config(**{name: choice}, **COMPANIONS.get(name, {})), name) == choice
    listed = ", ".join(repr(choice) for choice in choices)
    expected = f"one of {listed}" if len(choices) > 1 else listed
    for value in ("qqq", 7):
        with refusal(f"`{name}` must be {expected}. Received: {name}={value!r}."):
            Config(**{name: value})


def test_a_misspelt_choice_comes_with_a_suggestion():
    with refusal("`cell` must be one of 'simple_rnn', 'lstm', 'gru'. Received: cell='ltsm'. Did you mean 'lstm'?"):
        Config(cell="ltsm")


@pytest.mark.parametrize(("name", "items"), LISTS.items())
def test_a_single_value_is_no_list(name, items):
    for value in ("load", 7, 0.5):
        with refusal(f"`{name}` must be a list of {items}. Received: {name}={value!r}."):
            Config(**{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": ()}, "`units` must be an integer or one integer per layer. Received: units=()."),
        ({"units": (7, 0)}, "`units` must be an integer of at least 1. Received: units=0."),
        (
            {"units": (7, 5), "num_layers": 3},
            "`num_layers` must be 2, one layer per entry of `units`. Received: num_layers=3. "
            "There are 2 widths in units=[7, 5]: leave num_layers out, or match it.",
        ),
        (
            {"merge_mode": "sum"},
            "`merge_mode` must be 'concat' with bidirectional=False. Received: merge_mode='sum'. "
            "One direction has nothing to merge: set bidirectional=True or leave merge_mode at its default.",
        ),
        (
            {"units": (7, 5), "residual": True},
            "`units` must be equal in all layers with residual=True. Received: units=[7, 5]. "
            "A layer adds its input to its output, so both need the same width.",
        ),
        (
            {"target_columns": ()},
            "`target_columns` must be at least one column. Received: target_columns=(). Leave it out for all columns.",
        ),
        (
            {"target_columns": ("load", "wind", "load")},
            "`target_columns` must be different columns. Received: target_columns=('load', 'wind', 'load').",
        ),
        ({"target_columns": ("load", 7)}, "`target_columns` must be a text. Received: target_columns=7."),
        ({"lags": (24, 0)}, "`lags` must be an integer of at least 1. Received: lags=0."),
        ({"split_rows": (3, 5, 0)}, "`split_rows` must be an integer of at least 1. Received: split_rows=0."),
        (
            {"split_rows": (3, 5)},
            "`split_rows` must be three rising row numbers. Received: split_rows=(3, 5). Example: 8640,11520,14400.",
        ),
        (
            {"split_rows": (3, 5, 5)},
            "`split_rows` must be three rising row numbers. Received: split_rows=(3, 5, 5). Example: 8640,11520,14400.",
        ),
        (
            {"split_dates": ("2024",)},
            "`split_dates` must be two time stamps. Received: split_dates=('2024',). Example: 2020-01-01,2021-01-01.",
        ),
        (
            {"split_rows": (3, 5, 7), "split_dates": ("a", "b"), "windows": 3, "test_data": "x.csv"},
            "Only one rule can split the data. Received: split_rows and split_dates and windows and test_data. "
            "Leave out all but one.",
        ),
    ],
)  # fmt: skip
def test_options_that_contradict_each_other_are_refused(options, message):
    with refusal(message):
        Config(**options)


@pytest.mark.parametrize(("name", "default"), [("validation_fraction", 0.1), ("test_fraction", 0.2)])
@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"split_rows": (3, 5, 7)}, "split_rows"),
        ({"split_dates": ("2024", "2025")}, "split_dates"),
        ({"windows": 3}, "windows"),
        ({"validation_data": "a.csv", "test_data": "b.csv"}, "test_data"),
    ],
)
def test_a_fraction_that_another_rule_leaves_without_effect_is_refused(options, rule, name, default):
    assert getattr(Config(**options, **{name: default}), name) == default
    with refusal(
        f"`{name}` must be left at {default}, because the data are split by {rule}. Received: {name}=0.25. "
        "Leave it out, or leave out the other rule."
    ):
        Config(**options, **{name: 0.25})


def test_with_a_test_file_alone_a_fraction_validates_and_none_tests():
    assert Config(test_data="b.csv", validation_fraction=0.25).validation_fraction == 0.25
    with refusal(
        "`test_fraction` must be left at 0.2, because the data are split by test_data. Received: test_fraction=0.25. "
        "Leave it out, or leave out the other rule."
    ):
        Config(test_data="b.csv", test_fraction=0.25)


def test_the_levels_are_the_quantiles_the_median_and_the_interval_rising():
    config = Config(quantiles=(0.75, 0.25), interval_level=0.9)
    assert config.interval == (0.05, 0.95)
    assert config.levels == (0.05, 0.25, 0.5, 0.75, 0.95)


def test_the_steps_are_known_once_the_data_are():
    assert Config(window=7, horizon=5).steps == (7, 5)
    advice = "Set it, or take the config of a run: there the data have set it."
    for options, name in (({"horizon": 5}, "window"), ({"window": 7}, "horizon"), ({}, "window")):
        with refusal(f"`{name}` must be an integer here. Received: {name}=None. {advice}"):
            _ = Config(**options).steps
