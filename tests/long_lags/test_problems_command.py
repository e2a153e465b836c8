"""Options of a comparison on long-lag problems, and the command `problems`."""

import json

import pytest
from refusals import refusal

from seqapps import cli
from seqapps.long_lags.config import LISTS, PROBLEM_NAMES, Config
from seqapps.problems import PROBLEMS


def test_the_names_in_the_options_are_those_of_the_problems():
    assert tuple(PROBLEMS) == PROBLEM_NAMES
    assert set(LISTS) < {*Config.__dataclass_fields__}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lags": ()}, "`lags` must be a list of one at least. Received: lags=[]."),
        ({"seeds": (1, 2, 1)}, "`seeds` must be a list without the same twice. Received: seeds=[1, 2, 1]."),
        (
            {"cells": ("gru", "lstm"), "reset_after": False},
            "`reset_after` must be True with cells=['gru', 'lstm']. Received: reset_after=False. Only the GRU has a "
            "reset gate: compare it alone.",
        ),
        ({"recurrent_gain": 0}, "`recurrent_gain` must be a number above 0. Received: recurrent_gain=0.0."),
        (
            {"cells": ("gru", "ltsm")},
            "`cells` must be one of 'simple_rnn', 'lstm', 'gru'. Received: cells='ltsm'. Did you mean 'lstm'?",
        ),
    ],
)
def test_options_without_a_meaning_are_refused(options, message):
    with refusal(message):
        Config(**options)


def test_the_command_trains_and_reports(tmp_path, capsys):
    words = f"problems parity {tmp_path / 'out'} --cells gru --lags 2 --seeds 4 --units 3 --max-steps 1"
    assert cli.run(words.split()) == cli.DONE
    assert f"Report: {tmp_path / 'out' / 'problems.html'}" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "problems.json").read_text())["options"]["seeds"] == [4]


def test_wrong_words_end_the_command(tmp_path, capsys):
    assert cli.run(["problems", "parity", str(tmp_path), "--cells", "ltsm"]) == cli.USAGE
    assert "Did you mean 'lstm'?" in capsys.readouterr().err
    assert cli.run(["problems", "parity", str(tmp_path), "--seeds", "1,1"]) == cli.USAGE
    expected = "seqapps problems parity: `seeds` must be a list without the same twice. Received: seeds=[1, 1].\n"
    assert capsys.readouterr().err == expected
    assert cli.run(["problems", "temporal_order", str(tmp_path), "--lags", "20,5"]) == cli.USAGE
    expected = "`lags` must be an integer of at least 8. Received: lags=5. The temporal order needs that many steps.\n"
    assert capsys.readouterr().err == f"seqapps problems temporal_order: {expected}"
    assert cli.run(["problems", "addition", str(tmp_path)]) == cli.USAGE
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.run(["problems", "parity", str(tmp_path)]) == cli.PROBLEM
