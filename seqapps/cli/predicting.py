"""What the verb `predict` does: answers for files, for standard input, and texts that go on from a prompt."""

import argparse
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TextIO

from seqapps.cli.starting import given, load, refused


def predict(words: argparse.Namespace) -> None:
    """Answer for one input after the other, and write what is answered at once."""
    options = _predict_options(words)
    run, first = load(words), True
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
    with refused(words):
        if "-" in words.input and len(words.input) > 1:
            raise ValueError(f"`INPUT` must be - alone, or files. Received: {' '.join(words.input)}.")
        if hasattr(words, "prompt"):
            _check_prompt(words)
    return given(words, kind)


def _check_prompt(words: argparse.Namespace) -> None:
    """Refuse flags of prompts that contradict each other."""
    names = {"INPUT": bool(words.input), "--prompt": words.prompt is not None, "--interactive": words.interactive}
    if sum(names.values()) != 1:
        received = ", ".join(name for name, is_given in names.items() if is_given)
        raise ValueError(
            f"predict takes one of INPUT, --prompt and --interactive. Received: {received or 'none of them'}."
        )
    if words.format and not words.input:
        raise ValueError(f"`format` must be left out without INPUT. Received: format={words.format!r}.")
    if words.interactive and words.output:
        raise ValueError(f"`output` must be left out with --interactive. Received: output={words.output!r}.")


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
