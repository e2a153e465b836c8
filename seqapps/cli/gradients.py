"""The verb `gradients`: how far back the gradients of a run reach."""

import argparse
from importlib import import_module

from seqapps.cli.starting import quiet_import, refused

ABOUT = "show how far back in time a run's gradients reach, what its gates do, and what follows from it"


def add_flags(parser: argparse.ArgumentParser, data_help: str) -> list[str]:
    """Add the words of the verb; its flags."""
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("data", metavar="DATA", help=f"as for train: {data_help}")
    parser.add_argument("--split", choices=("validation", "test", "all"), default="validation", help="part of DATA")
    parser.add_argument("--rows", type=int, default=32, metavar="N", help="rows that are measured (default: 32)")
    parser.add_argument("--output", metavar="DIR", help="folder of gradients.html and gradients.json (default: RUN)")
    return ["--split", "--rows", "--output"]


def carry_out(words: argparse.Namespace) -> None:
    """Measure, print the table and the advice, and write the report."""
    with refused(words):
        import_module("seqapps.checks").check_integer("rows", words.rows, 1)
    stored = import_module("seqapps.run_folder").read_json(f"{words.run}/config.json").get("task")
    if stored != words.task:
        raise ValueError(f"{words.run!r} is a run of the task {stored!r}, not of {words.task!r}.")
    quiet_import("seqapps.gradients").measure(words.run, words.data, words.split, words.rows, words.output)
