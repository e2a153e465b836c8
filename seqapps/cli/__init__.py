"""The command line: `seqapps TASK VERB …`, and the same for every script in `apps/`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NoReturn

import seqapps
from seqapps import checks
from seqapps import config as config_module
from seqapps.cli import comparing, gradients, problems, verbs
from seqapps.cli.predicting import predict
from seqapps.cli.starting import USAGE
from seqapps.tasks import TASKS

__all__ = ["DONE", "INTERRUPTED", "PROBLEM", "USAGE", "console", "main", "run"]
DONE, PROBLEM, INTERRUPTED = 0, 1, 130  # exit codes, beside USAGE


def console() -> None:
    """The installed command `seqapps`."""
    sys.exit(run(sys.argv[1:]))


def main(task: str) -> None:
    """A script in `apps/`: the command of one task."""
    sys.exit(run([task, *sys.argv[1:]], program=Path(sys.argv[0]).name))


def run(arguments: Sequence[str], program: str | None = None) -> int:
    """Parse and carry out a command.

    Args:
        arguments: The words after the program's name; the first is the task.
        program: Name of a script that stands for `seqapps TASK`.

    Returns:
        The exit code: 0 done, 1 a problem with data or a run, 2 usage.
    """
    parser = _parser(arguments[0] if program else None, program)
    try:
        words = parser.parse_args(list(arguments[1:] if program else arguments))
    except SystemExit as stop:
        return int(stop.code or DONE)
    if program:
        words.task = arguments[0]
    try:
        words.carry_out(words)
    except SystemExit as stop:
        return int(stop.code or DONE)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody to tell. Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as problem:
        if os.environ.get("SEQAPPS_TRACEBACK"):
            raise
        print(f"{parser.prog}: {' '.join(str(problem).splitlines())}", file=sys.stderr)
        return PROBLEM
    except KeyboardInterrupt:
        print(
            f"\n{parser.prog}: interrupted. A training goes on with --resume, a comparison with the same command.",
            file=sys.stderr,
        )
        return INTERRUPTED
    return DONE


class _Parser(argparse.ArgumentParser):
    """Takes flags only as they are written, and names the closest one where a flag is not known."""

    known: ClassVar[set[str]] = set()

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        unknown = next((word for word in message.split() if word.startswith("--")), None)
        if message.startswith("unrecognized") and unknown:
            message += "." + checks.suggestion(unknown.split("=")[0], sorted(self.known))
        super().error(message)


def _parser(task: str | None, program: str | None) -> argparse.ArgumentParser:
    about = "Recurrent networks for sequences: trained, judged beside honest baselines, and served."
    parser = _Parser(prog=program or "seqapps", description=about)
    parser.add_argument("--version", action="version", version=f"seqapps {seqapps.__version__}")
    if task:
        _add_verbs(parser, task)
        return parser
    names = ", ".join((*TASKS, problems.NAME, "compare"))
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK", help=names)
    for name in TASKS:
        _add_verbs(tasks.add_parser(name, help=f"train, evaluate, predict, gradients, export, compare: {name}"), name)
    _Parser.known |= {*problems.add(tasks)}
    text = "compare finished runs of one task: scores, costs, and which differences are real"
    runs = tasks.add_parser("compare", help=text, description=text[0].upper() + text[1:] + ".")
    runs.set_defaults(carry_out=comparing.compare_runs, verb="RUN")
    runs.add_argument("runs", metavar="RUN", nargs="+", help="those that differ in their seed alone count as one")
    runs.add_argument("--output", metavar="DIR", help="write comparison.json and report.html there")
    _Parser.known |= {"--output"}
    return parser


def _add_verbs(parser: argparse.ArgumentParser, task: str) -> None:
    task_config = import_module(f"seqapps.tasks.{task}.config")
    added_verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, carry_out: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        added = added_verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(carry_out=carry_out)
        return added

    train = verb("train", verbs.train, "train a run: fit, export, verify, evaluate and report")
    train.add_argument("data", metavar="DATA", help=task_config.DATA_HELP)
    train.add_argument("out", metavar="OUT", help="folder of the run")
    train.add_argument("--config", metavar="FILE", help="JSON or TOML file with options; flags win over it")
    train.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    train.add_argument("--overwrite", action="store_true", help="replace the run in OUT")
    config_module.add_flags(train.add_argument_group("options"), task_config.Config)
    _Parser.known |= {"--config", "--resume", "--overwrite", *config_module.flag_names(task_config.Config)}

    evaluate = verb("evaluate", verbs.evaluate, "measure a run on data, beside its baselines")
    evaluate.add_argument("run", metavar="RUN")
    evaluate.add_argument("data", metavar="DATA", help=task_config.DATA_HELP)
    evaluate.add_argument("--split", choices=("test", "validation", "all"), default="test", help="part of DATA")
    evaluate.add_argument("--baselines", choices=("none", "fast", "full"), help="by default those of the run")
    evaluate.add_argument("--output", metavar="FILE", help="also write the metrics there, as JSON")
    if options := getattr(task_config, "EvaluateOptions", None):
        config_module.add_flags(evaluate.add_argument_group("options"), options)
        _Parser.known |= {*config_module.flag_names(options)}

    _add_predict(verb("predict", predict, "answer for new data"), task_config)

    shown = verb("gradients", gradients.carry_out, gradients.ABOUT)
    _Parser.known |= {*gradients.add_flags(shown, task_config.DATA_HELP)}

    export = verb("export", verbs.export, "put a run's SavedModel into a model folder, as its next version")
    export.add_argument("runs", metavar="RUN", nargs="+", help="several runs, where a task can, decide together")
    export.add_argument("directory", metavar="DIR")
    export.add_argument("--version", type=int, metavar="N", help="version number; by default the next one")

    text = "train cells, directions and depths with several seeds, and say which one to take"
    _Parser.known |= comparing.add_flags(verb("compare", comparing.compare, text), task_config)


def _add_predict(parser: argparse.ArgumentParser, task_config: ModuleType) -> None:
    """The flags of `predict`: options of a task that has some; one that goes on from prompts also takes a prompt."""
    options = getattr(task_config, "PredictOptions", None)
    prompted = getattr(task_config, "PROMPTED", False)
    files = "files like the training data, or - for standard input"
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("input", metavar="INPUT", nargs="*" if prompted else "+", help=files)
    parser.add_argument("--output", metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument("--format", choices=("csv", "jsonl"), help="of the answers (default: csv)")
    if prompted:
        parser.add_argument("--prompt", metavar="TEXT", help="go on from this text, and show it as it is made")
        parser.add_argument("--interactive", action="store_true", help="ask for prompts, one after the other")
        _Parser.known |= {"--prompt", "--interactive"}
    if options:
        config_module.add_flags(parser.add_argument_group("options"), options)
        _Parser.known |= {*config_module.flag_names(options)}
