"""A config goes through JSON, TOML and flags and comes back the same."""

import argparse
import dataclasses
import json
import re
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal

from seqapps import run_folder
from seqapps.config import CELL_NAMES, TaskConfig, add_flags, option
from seqapps.config_files import read_options
from seqapps.tasks.forecasting.config import Config

PARSER = argparse.ArgumentParser(prog="train")
add_flags(PARSER, Config)


def parsed(*words):
    """The options that flags set."""
    return vars(PARSER.parse_args(words))


def whole(value):
    """Any text without what JSON, TOML or a comma-separated flag would read in another way."""
    return value.strip() == value and value.lower() != "none" and not value.startswith("-")


texts = st.text("abcxyzÄß漢 0123_.", min_size=1).filter(whole)
fractions = st.floats(0, 1, exclude_max=True)
inner = st.floats(0, 1, exclude_min=True, exclude_max=True)
positive = st.floats(0, 1e9, exclude_min=True)
counts = st.integers(1, 10**9)
widths = st.lists(counts, min_size=1, max_size=3).map(tuple)
SPLIT_RULES = st.one_of(
    st.fixed_dictionaries({}, optional={"validation_fraction": fractions, "test_fraction": fractions}),
    st.lists(counts, min_size=3, max_size=3, unique=True).map(lambda rows: {"split_rows": tuple(sorted(rows))}),
    st.tuples(texts, texts).map(lambda dates: {"split_dates": dates}),
    st.fixed_dictionaries({"windows": counts}, optional={"step_size": counts}),
    st.fixed_dictionaries({"test_data": texts}, optional={"validation_fraction": fractions}),
    st.fixed_dictionaries({"validation_data": texts, "test_data": texts}),
)
FREE = st.fixed_dictionaries(
    {},
    optional={
        "units": counts | widths, "cell": st.sampled_from(CELL_NAMES), "bidirectional": st.just(True),
        "residual": st.just(False), "dropout": fractions, "average_weights": fractions,
        "max_minutes": st.none() | positive, "clip_norm": st.none() | positive, "learning_rate": positive,
        "patience": st.none() | counts, "seed": st.integers(0, 2**40), "time_column": st.none() | texts,
        "target_columns": st.none() | st.lists(texts, min_size=1, max_size=3, unique=True).map(tuple),
        "window": st.none() | counts, "calendar": st.booleans(), "lags": st.lists(counts, max_size=3).map(tuple),
        "id_column": st.none() | texts, "layout": st.sampled_from(("auto", "long")),
        "quantiles": st.lists(inner, min_size=1, max_size=3).map(tuple), "interval_level": inner,
        "normalization": st.sampled_from(("last", "standard", "none")), "transform": st.sampled_from(("none", "log")),
    },
)  # fmt: skip
OPTIONS = st.builds(lambda free, rule: free | rule, FREE, SPLIT_RULES)
fuzzed = settings(deadline=None)


# --- round trips ---


@fuzzed
@given(OPTIONS)
def test_a_config_goes_through_json_and_back(options):
    config = Config(**options)
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert {name: getattr(config, name) for name in options} == options


def test_config_json_of_a_run_makes_the_same_config(tmp_path):
    config = Config(units=(7, 5), quantiles=(0.25,), clip_norm=None, split_dates=("2024-01-01", "2024-02-01"))
    path = tmp_path / "config.json"
    run_folder.write_json(path, {"task": "forecasting", **config.to_dict()})
    options = read_options(path, Config)
    assert options.pop("task") == "forecasting"
    assert Config(**options) == config


@fuzzed
@given(OPTIONS)
def test_a_config_goes_through_toml_and_back(tmp_path_factory, options):
    # TOML has no word for None.
    options = {name: value for name, value in options.items() if value is not None}
    path = tmp_path_factory.getbasetemp() / "options.toml"
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in options.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert Config(**read_options(path, Config)) == Config(**options)


@fuzzed
@given(OPTIONS)
def test_a_config_goes_through_flags_and_back(options):
    words = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, tuple):
            words += [f"--{flag}", "".join(f"{item}," for item in value)]
        else:
            words += [f"--{flag}", "none" if value is None else str(value)]
    assert Config(**parsed(*words)) == Config(**options)


# --- files ---


def test_an_unknown_key_of_a_mapping_is_refused_with_a_suggestion():
    with refusal("the run: 'unit' is not an option. Did you mean 'units'?"):
        Config.from_dict({"units": 7, "unit": 5}, "the run")
    with refusal("the config: 'qqq' is not an option."):
        Config.from_dict({"qqq": 5})


@pytest.mark.parametrize(
    ("name", "text", "line", "key", "advice"),
    [
        ("c.toml", "# the unit\nunits = 7\nepochs = 3\nunit = 5\n", 4, "unit", " Did you mean 'units'?"),
        ("c.toml", "cell = 'lstm'\n\n[training]\nepochs = 3\n", 3, "training", ""),
        ("c.json", '{\n  "units": 7,\n  "horizons": 5\n}', 3, "horizons", " Did you mean 'horizon'?"),
        ("c.json", '{"units": 7, "qqq": 5}', 1, "qqq", ""),
        ("config", '{"head": "direct",\n"tail": "head"}', 2, "tail", ""),
    ],
)
def test_an_unknown_key_of_a_file_is_refused_with_its_line(tmp_path, name, text, line, key, advice):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with refusal(f"{path}, line {line}: {key!r} is not an option.{advice}"):
        read_options(path, Config)


def test_a_missing_config_file_is_named(tmp_path):
    with refusal(f"There is no config file {str(tmp_path / 'c.toml')!r}.", FileNotFoundError):
        read_options(tmp_path / "c.toml", Config)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("c.json", b'{"units": 7', "JSON: Expecting ',' delimiter: line 1 column 12 (char 11)"),
        ("c.toml", b"units: 7", "TOML: Expected '=' after a key in a key/value pair (at line 1, column 6)"),
        ("c.toml", b"# \xff", "TOML: 'utf-8' codec can't decode byte 0xff in position 2: invalid start byte"),
        ("c", b"units", "JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_file_of_another_format_is_refused_with_the_reason(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_bytes(content)
    with refusal(f"{path} cannot be read as {problem}."):
        read_options(path, Config)


def test_a_file_holds_one_table(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("[7]", encoding="utf-8")
    with refusal(f"{path} must hold one table of options. Received: list."):
        read_options(path, Config)


# --- flags ---


def test_a_flag_that_is_not_given_leaves_no_value():
    assert parsed() == {}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--units", "7"], {"units": 7}),
        (["--units", "7,5"], {"units": (7, 5)}),
        (["--units", "7,"], {"units": (7,)}),
        (["--patience", "none"], {"patience": None}),
        (["--clip-norm", "None"], {"clip_norm": None}),
        (["--transform", "none"], {"transform": "none"}),
        (["--bidirectional", "--no-residual"], {"bidirectional": True, "residual": False}),
        (["--calendar", "--lags", "24,168"], {"calendar": True, "lags": (24, 168)}),
        (["--past-columns", ""], {"past_columns": ()}),
        (["--quantiles", "0.25, 0.75"], {"quantiles": (0.25, 0.75)}),
        (["--split-rows", "3,5,7"], {"split_rows": (3, 5, 7)}),
        (["--target-columns", "load, wind speed"], {"target_columns": ("load", "wind speed")}),
        (["--learning-rate", "1e-4"], {"learning_rate": 1e-4}),
    ],
)
def test_a_flag_reads_as_the_type_of_its_field(words, expected):
    assert parsed(*words) == expected


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--units", "wide"), ("--units", "7,wide"), ("--patience", "never"), ("--batch-size", "none"),
        ("--dropout", "half"), ("--split-rows", "3,5.5,7"), ("--quantiles", "low"),
        ("--lags", "24,day"), ("--windows", "3.5"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_read_is_a_usage_error(capsys, flag, text):
    with pytest.raises(SystemExit) as stop:
        parsed(flag, text)
    name = flag.strip("-").replace("-", "_")
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith(f"train: error: argument {flag}: `{name}` cannot be read from {text!r}\n")


def test_the_help_shows_every_flag_with_what_it_does_and_its_default():
    @dataclass(frozen=True)
    class Small(TaskConfig):
        share: float = option(0.25, "at most 50% of it")
        labels: tuple[str, ...] = option(("yes", "no"), "names")

    parser = argparse.ArgumentParser()
    add_flags(parser, Small)
    text = re.sub(r"\s+", " ", parser.format_help())
    assert "--share X at most 50% of it (default: 0.25)" in text
    assert "--labels NAME,NAME names (default: yes,no)" in text
    assert "--patience N epochs without improvement before training stops; none to go on (default: 8)" in text
    assert "--max-minutes X minutes of training, at most (default: none)" in text
    assert "--cell {simple_rnn|lstm|gru} recurrent cell (default: gru)" in text
    assert "--residual, --no-residual add every layer's input" in text
    for field in dataclasses.fields(Small):
        assert f"--{field.name.replace('_', '-')}" in text
