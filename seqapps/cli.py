"""The command line: `seqapps TASK VERB …`, and the same for every script in `apps/`."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NoReturn, TextIO

import seqapps
from seqapps import checks
from seqapps import config as config_module
from seqapps.tasks import TASKS

DONE, PROBLEM, USAGE, INTERRUPTED = 0, 1, 2, 130


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
        print(f"\n{parser.prog}: interrupted. A training goes on with --resume.", file=sys.stderr)
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
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK", help=", ".join(TASKS))
    for name in TASKS:
        _add_verbs(tasks.add_parser(name, help=f"train, evaluate, predict, export: {name}"), name)
    return parser


def _add_verbs(parser: argparse.ArgumentParser, task: str) -> None:
    task_config = import_module(f"seqapps.tasks.{task}.config")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, carry_out: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(carry_out=carry_out)
        return added

    train = verb("train", _train, "train a run: fit, export, verify, evaluate and report")
    train.add_argument("data", metavar="DATA", help=task_config.DATA_HELP)
    train.add_argument("out", metavar="OUT", help="folder of the run")
    train.add_argument("--config", metavar="FILE", help="JSON or TOML file with options; flags win over it")
    train.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    train.add_argument("--overwrite", action="store_true", help="replace the run in OUT")
    config_module.add_flags(train.add_argument_group("options"), task_config.Config)  # type: ignore[arg-type]
    _Parser.known |= {"--config", "--resume", "--overwrite", *config_module.flag_names(task_config.Config)}

    evaluate = verb("evaluate", _evaluate, "measure a run on data, beside its baselines")
    evaluate.add_argument("run", metavar="RUN")
    evaluate.add_argument("data", metavar="DATA", help=task_config.DATA_HELP)
    evaluate.add_argument("--split", choices=("test", "validation", "all"), default="test", help="part of DATA")
    evaluate.add_argument("--baselines", choices=("none", "fast", "full"), help="by default those of the run")
    evaluate.add_argument("--output", metavar="FILE", help="also write the metrics there, as JSON")

    _add_predict(verb("predict", _predict, "answer for new data"), task_config)

    export = verb("export", _export, "put a run's SavedModel into a model folder, as its next version")
    export.add_argument("run", metavar="RUN")
    export.add_argument("directory", metavar="DIR")
    export.add_argument("--version", type=int, metavar="N", help="version number; by default the next one")


def _add_predict(parser: argparse.ArgumentParser, task_config: ModuleType) -> None:
    """The flags of `predict`; a task that writes texts also takes a prompt, and options of writing."""
    options = getattr(task_config, "PredictOptions", None)
    files = "files like the training data, or - for standard input"
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("input", metavar="INPUT", nargs="*" if options else "+", help=files)
    parser.add_argument("--output", metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument("--format", choices=("csv", "jsonl"), help="of the answers (default: csv)")
    if options:
        parser.add_argument("--prompt", metavar="TEXT", help="go on from this text, and show it as it is made")
        parser.add_argument("--interactive", action="store_true", help="ask for prompts, one after the other")
        config_module.add_flags(parser.add_argument_group("options"), options)  # type: ignore[arg-type]
        _Parser.known |= {"--prompt", "--interactive", *config_module.flag_names(options)}


def _train(words: argparse.Namespace) -> None:
    task_config = import_module(f"seqapps.tasks.{words.task}.config").Config
    names = [field for field in vars(words) if field in task_config.__dataclass_fields__]
    options: dict[str, Any] = {}
    stored = Path(words.out) / "config.json"
    for path in [Path(words.config)] if words.config else [stored] if words.resume and stored.is_file() else []:
        options |= _without_task(path, words.task, task_config)
    options |= {name: getattr(words, name) for name in names}
    try:
        config = task_config(**options)
    except ValueError as problem:
        print(f"seqapps {words.task} train: {problem}", file=sys.stderr)
        raise SystemExit(USAGE) from problem
    pipeline = _quiet_import(f"seqapps.tasks.{words.task}.pipeline")
    import_module("seqapps.training").keep_memory()
    pipeline.train(config, words.data, words.out, resume=words.resume, overwrite=words.overwrite)


def _without_task(path: Path, task: str, task_config: Any) -> dict[str, Any]:
    """The options of a config file; a run's own file also says its task, which must be this one."""
    options = config_module.read_options(path, task_config)
    stored = options.pop("task", task)
    if stored != task:
        raise ValueError(f"{path} belongs to the task {stored!r}, not to {task!r}.")
    return options


def _evaluate(words: argparse.Namespace) -> None:
    run = _load(words)
    metrics = run.evaluate(words.data, split=words.split, baselines=words.baselines)
    print(import_module(f"seqapps.tasks.{words.task}.pipeline").summary(metrics))
    if words.output:
        import_module("seqapps.run_folder").write_json(words.output, metrics)


def _predict(words: argparse.Namespace) -> None:
    """Answer for one input after the other, and write what is answered at once."""
    options = _predict_options(words)
    run, first = _load(words), True
    warnings: list[str] = []
    with _opened(words.output) as file:
        if getattr(words, "interactive", False):
            _converse(run, options)
        elif getattr(words, "prompt", None) is not None:
            warnings += filter(None, [_show(words.prompt, run.stream(words.prompt, **options), file)])
        for name in words.input:
            for answers in run.predict_parts(sys.stdin if name == "-" else name, **options):
                file.write(_written(answers, words.format or "csv", header=first))
                file.flush()
                first = False
            if answers.attrs.get("warning"):
                warnings.append((f"{name}: " if len(words.input) > 1 else "") + answers.attrs["warning"])
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)


def _predict_options(words: argparse.Namespace) -> dict[str, Any]:
    """The options of writing that were given; flags that contradict each other end the command."""
    kind = getattr(import_module(f"seqapps.tasks.{words.task}.config"), "PredictOptions", None)
    try:
        if "-" in words.input and len(words.input) > 1:
            raise ValueError(f"`INPUT` must be - alone, or files. Received: {' '.join(words.input)}.")
        if kind is None:
            return {}
        given = [bool(words.input), words.prompt is not None, words.interactive]
        if sum(given) != 1:
            received = ", ".join(
                name for name, is_given in zip(("INPUT", "--prompt", "--interactive"), given, strict=True) if is_given
            )
            raise ValueError(
                f"predict takes one of INPUT, --prompt and --interactive. Received: {received or 'none of them'}."
            )
        if words.format and not words.input:
            raise ValueError(f"`format` must be left out without INPUT. Received: format={words.format!r}.")
        if words.interactive and words.output:
            raise ValueError(f"`output` must be left out with --interactive. Received: output={words.output!r}.")
        options = {name: getattr(words, name) for name in kind.__dataclass_fields__ if hasattr(words, name)}
        kind(**options)
    except ValueError as problem:
        print(f"seqapps {words.task} predict: {problem}", file=sys.stderr)
        raise SystemExit(USAGE) from problem
    return options


def _show(prompt: str, pieces: Generator[str, None, str], file: TextIO) -> str:
    """Write a prompt and the text after it, every piece as soon as it is made; what there is to warn of."""
    piece: str | None = None
    while True:
        try:
            made = next(pieces)
        except StopIteration as end:
            file.write((prompt if piece is None else "") + "\n")
            return end.value
        file.write(prompt + made if piece is None else made)
        file.flush()
        piece = made


def _converse(run: Any, options: dict[str, Any]) -> None:
    """Go on from every prompt that is typed, until there is none; the seed moves on, so that no answer comes again."""
    seed = options.get("seed", 0)
    while True:
        try:
            prompt = input("prompt> ")
        except EOFError:
            print()
            return
        try:
            warning = _show(prompt, run.stream(prompt, **options | {"seed": seed}), sys.stdout)
        except ValueError as problem:
            warning = str(problem)
        if warning:
            print(f"Warning: {warning}", file=sys.stderr)
        seed += 1


@contextmanager
def _opened(output: str | None) -> Iterator[TextIO]:
    """Where answers go: standard output, or a file that is there when it is whole."""
    if output is None:
        yield sys.stdout
        return
    with import_module("seqapps.run_folder").atomic_path(output) as path, path.open("w", encoding="utf-8") as file:
        yield file


def _written(answers: Any, kind: str, header: bool) -> str:
    """Answers as lines of CSV or JSON."""
    floats = answers.select_dtypes("floating").columns
    answers[floats] = answers[floats].map(lambda value: float(f"{value:.7g}"))  # what float32 can tell apart
    if kind == "csv":
        return answers.to_csv(index=False, header=header)
    return answers.to_json(orient="records", lines=True, date_format="iso", force_ascii=False)


def _export(words: argparse.Namespace) -> None:
    export = _quiet_import("seqapps.export")
    source = export.newest_version(Path(words.run) / "export")
    print(f"Verified and written: {export.copy_version(source, words.directory, words.version)}")


def _load(words: argparse.Namespace) -> Any:
    run = _quiet_import("seqapps.served_run").load(words.run)
    if run.task != words.task:
        raise ValueError(f"{words.run!r} is a run of the task {run.task!r}, not of {words.task!r}.")
    return run


def _quiet_import(name: str) -> ModuleType:
    """Import a module that needs TensorFlow, whose start-up messages no setting silences."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Concurrent operations, and oneDNN's, add in another order from run to run: a resumed run would differ in the
    # last bit. TensorFlow reads both when it is imported.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    with _standard_error_held_back():
        module = import_module(name)
        import_module("tensorflow").constant(0)  # the first operation looks for devices, and says so
    return module


@contextmanager
def _standard_error_held_back() -> Iterator[None]:
    """Keep what goes to file descriptor 2; show it only if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
