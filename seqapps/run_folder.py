"""A run: the folder that holds everything one training wrote. Files are written to a temporary name and renamed."""

import csv
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

RUN_FILES = (
    *("manifest.json", "preprocessing.json", "calibration.json", "baselines.npz", "history.csv", "metrics.json"),
    *("predictions.csv.gz", "report.html", "README.md", "model.keras", "initial.weights.h5", "encoder.weights.h5"),
    *("linear_skip.npz", "samples.jsonl", "gradients.json", "gradients.html"),
    *("checkpoints", "cache", "export", "refits"),
)  # beside config.json
PACKAGES = ("seqapps", "tensorflow", "keras", "numpy", "pandas", "scikit-learn")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    The temporary name keeps the suffix of `path`, because Keras and pandas choose a format by it.
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():  # a device or a pipe, such as /dev/stdout, cannot be replaced
        yield path
        return
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file of a run.

    Raises:
        FileNotFoundError: If it is not there.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{str(path.parent)!r} is not a finished run: it has no {path.name}.")
    return json.loads(path.read_text(encoding="utf-8"))


def read_options(run: Path) -> dict[str, Any]:
    """The options that a run was made with, without its task.

    Raises:
        FileNotFoundError: If there is no run.
    """
    stored = read_json(run / "config.json")
    return {name: value for name, value in stored.items() if name != "task"}


def write_history(path: str | Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write `history.csv`: one row per epoch; what an epoch does not tell stays empty."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["epoch"]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names)
        writer.writeheader()
        writer.writerows(rows)


def prepare(
    folder: str | Path,
    options: Mapping[str, Any],
    *,
    resume: bool,
    overwrite: bool,
    defaults: Mapping[str, Any] | None = None,
) -> Path:
    """Make the folder of a new run, or check that the run in it can go on.

    Args:
        folder: Where the run goes.
        options: The run's config with its task, as `config.json` keeps it.
        resume: Go on with the run in the folder; its options must be the same.
        overwrite: Delete the run in the folder first; files that are not the run's stay.
        defaults: Of the options. A run that began before an option existed is resumed with its default.

    Raises:
        ValueError: If the folder holds a run and neither `resume` nor `overwrite` is given, holds something else, or
            was made with other options.
        FileNotFoundError: If there is nothing to resume.
    """
    folder = Path(folder)
    if resume and overwrite:
        raise ValueError("`resume` and `overwrite` cannot both be given. Received: resume=True, overwrite=True.")
    config_file = folder / "config.json"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; a run needs a folder.")
    holds_run = _holds_run(config_file)
    if resume:
        if not holds_run:
            raise FileNotFoundError(f"There is no run to resume in {str(folder)!r}. Leave out --resume.")
        _check_same_options(folder, {**(defaults or {}), **read_json(config_file)}, options)
        for own in (folder, *folder.glob("refits/*")):
            _delete(_unfinished(own))
        # A kill while the model is exported leaves a version that was never verified.
        _delete([*folder.glob("**/export/.unfinished-*")])
        return folder
    if holds_run and not overwrite:
        raise ValueError(f"{str(folder)!r} holds a run. Pass --resume to go on with it or --overwrite to replace it.")
    if folder.is_dir() and {*folder.iterdir()} - {*_unfinished(folder)} and not holds_run:
        raise ValueError(f"{str(folder)!r} is not empty and holds no run. Choose another folder.")
    _delete_run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(config_file, options)
    return folder


def _unfinished(folder: Path) -> list[Path]:
    """What `atomic_path` leaves behind when its process is killed."""
    return [path for path in folder.glob(".*") if re.fullmatch(r"\.\d+-.+", path.name) and path.is_file()]


def _delete_run(folder: Path) -> None:
    """Delete what a run wrote and nothing else; `config.json` stays until the new one takes its place."""
    _delete([folder / name for name in RUN_FILES] + _unfinished(folder))


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _holds_run(config_file: Path) -> bool:
    """Whether the file is the config of a run: other programs too write a `config.json`, and theirs is not ours."""
    try:
        options = read_json(config_file)
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(options, dict) and {"task", "cell", "seed"} <= options.keys()


def _check_same_options(folder: Path, stored: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    for name in options:
        if options[name] != stored.get(name):
            raise ValueError(
                f"`{name}` must be {stored.get(name)!r} to resume the run in {str(folder)!r}. "
                f"Received: {name}={options[name]!r}. Leave the option out, or train into another folder."
            )


def write_fitted(folder: Path, fitted: Any, fingerprints: Mapping[str, str], resume: bool) -> None:
    """Write `preprocessing.json`: what was fitted before training. Refuse to resume on other data."""
    if resume:
        check_fitted(folder, fitted, fingerprints)
    write_json(folder / "preprocessing.json", {"fitted": fitted, "fingerprints": dict(fingerprints)})


def check_fitted(folder: str | Path, fitted: Any, fingerprints: Mapping[str, str]) -> None:
    """Refuse to resume a run with other data than it began with, where it has said with which."""
    path = Path(folder) / "preprocessing.json"
    if path.is_file() and read_json(path) != {"fitted": fitted, "fingerprints": dict(fingerprints)}:
        raise ValueError(
            f"The data are not those with which the run in {str(folder)!r} began. "
            "Resume with the same data, or train into another folder."
        )


def write_manifest(folder: str | Path, fingerprints: Mapping[str, str], seconds: float, **facts: Any) -> None:
    """Write `manifest.json`: what is needed to tell whether two runs are the same."""
    write_json(
        Path(folder) / "manifest.json",
        {
            "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
            "fingerprints": dict(fingerprints),
            "training_seconds": round(seconds, 1),
            "machine": f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors",
            **facts,
        },
    )


def write_with(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file, then put it in place."""
    with atomic_path(path) as temporary:
        write(temporary)
