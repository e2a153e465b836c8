"""The command `seqapps problems`: at which lag each cell gives up."""

import argparse
from importlib import import_module
from typing import Any

from seqapps import config as config_module
from seqapps.cli.starting import given, quiet_import, refused
from seqapps.long_lags.config import PROBLEM_NAMES, Config

NAME = "problems"
ABOUT = "train small networks on long-lag problems, and show at which lag each cell gives up"


def add(commands: Any) -> list[str]:
    """Add the command to those of `seqapps`; its flags."""
    parser = commands.add_parser(NAME, help=ABOUT, description=ABOUT[0].upper() + ABOUT[1:] + ".")
    parser.set_defaults(carry_out=carry_out)
    parser.add_argument("problem", metavar="PROBLEM", choices=PROBLEM_NAMES, help=", ".join(PROBLEM_NAMES))
    parser.add_argument("out", metavar="OUT", help="folder of problems.json and problems.html")
    parser.add_argument("--resume", action="store_true", help="go on with the comparison in OUT")
    parser.add_argument("--overwrite", action="store_true", help="replace the comparison in OUT")
    config_module.add_flags(parser.add_argument_group("options"), Config)
    return ["--resume", "--overwrite", *config_module.flag_names(Config)]


def carry_out(words: argparse.Namespace) -> None:
    """Train what is not trained yet, and write the report."""
    words.verb = words.problem  # as messages name the command
    options = given(words, Config)
    with refused(words):
        for lag in Config(**options).lags:
            import_module("seqapps.problems").check_lag(words.problem, lag, "lags")
    runner = quiet_import("seqapps.long_lags.runner")
    import_module("seqapps.training").keep_memory()
    runner.compare(words.problem, Config(**options), words.out, resume=words.resume, overwrite=words.overwrite)
