"""What the verbs named `compare` do: train and compare, or compare runs that there are."""

import argparse
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from seqapps import config as config_module
from seqapps import config_files
from seqapps.cli.starting import quiet_import, refused
from seqapps.comparison import plan
from seqapps.comparison.plan import DIRECTIONS, VARIED, Plan

MODULE = "seqapps.comparison.comparing"


class _Varied(argparse.Action):
    """A flag of a training that a comparison sets itself."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        flag = VARIED[self.dest.removeprefix("varied_")].replace("_", "-")
        parser.error(f"{self.option_strings[0]} is set by the comparison. Use --{flag}.")


def add_flags(parser: argparse.ArgumentParser, task_config: ModuleType) -> set[str]:
    """The flags of the comparison of a task, and all of its training but those that the comparison varies.

    Returns:
        Their names.
    """
    parser.add_argument("data", metavar="DATA", help=task_config.DATA_HELP)
    parser.add_argument("out", metavar="OUT", help="folder of the comparison; the same command goes on with it")
    parser.add_argument("--config", metavar="FILE", help="JSON or TOML file with options; flags win over it")
    config_module.add_flags(parser.add_argument_group("what is compared"), Plan)
    config_module.add_flags(parser.add_argument_group("options of every training"), task_config.Config, VARIED)
    for name in VARIED:
        flags = ["--" + name.replace("_", "-"), *(["--no-bidirectional"] if name == "bidirectional" else [])]
        parser.add_argument(*flags, dest=f"varied_{name}", nargs="?", action=_Varied, help=argparse.SUPPRESS)
    return {*config_module.flag_names(Plan)}


def compare(words: argparse.Namespace) -> None:
    """Train the variants that are not trained yet, and compare all of them."""
    config_class = import_module(f"seqapps.tasks.{words.task}.config").Config
    options: dict[str, Any] = {}
    if words.config:
        options |= config_files.read_task_options(Path(words.config), words.task, config_class)
        options = {name: value for name, value in options.items() if name not in VARIED or name == "epochs"}
    options |= {name: getattr(words, name) for name in config_class.__dataclass_fields__ if hasattr(words, name)}
    given = {name: getattr(words, name) for name in Plan.__dataclass_fields__ if hasattr(words, name)}
    with refused(words):
        wanted = Plan(**given)
        # Of several directions the options must suit two, where one of them is.
        config = config_class(**options, bidirectional=any(DIRECTIONS[name] for name in wanted.directions))
        plan.variants(wanted, config)
    module = quiet_import(MODULE)
    import_module("seqapps.training").keep_memory()
    module.compare(words.task, words.data, words.out, config, **given)


def compare_runs(words: argparse.Namespace) -> None:
    """Compare finished runs."""
    quiet_import(MODULE).compare_runs(words.runs, words.output)
