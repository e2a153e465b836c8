"""Options from a JSON or TOML file, with the line of what is wrong in it. Imports no TensorFlow."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from seqapps.config import Options, check_names


def read_options(path: str | Path, config_class: type[Options]) -> dict[str, Any]:
    """The options that a JSON or TOML file sets, and the `task` that a run's own `config.json` also names.

    Args:
        path: File ending in `.json` or `.toml`.
        config_class: The task's config; an unknown key is an error with its line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be read as its ending says, or a key is no option.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no config file {str(path)!r}.")
    try:
        text = path.read_text(encoding="utf-8")
        options = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as {path.suffix.lstrip('.').upper() or 'JSON'}: {error}.") from error
    if not isinstance(options, dict):
        raise ValueError(f"{path} must hold one table of options. Received: {type(options).__name__}.")
    for name in options.keys() - {"task"}:
        check_names(config_class, [name], f"{path}, line {_line_of(name, text)}")
    return options


def read_task_options(path: Path, task: str, config_class: type[Options]) -> dict[str, Any]:
    """As `read_options`; a run's own file also says its task, which must be this one."""
    options = read_options(path, config_class)
    stored = options.pop("task", task)
    if stored != task:
        raise ValueError(f"{path} belongs to the task {stored!r}, not to {task!r}.")
    return options


def _line_of(key: str, text: str) -> int:
    """The line that sets a key, or opens the TOML table of that name."""
    name = re.escape(key)
    sets = re.compile(rf"^\s*\[{name}\]|(?<![\w-]){name}[\"']?\s*[=:]")
    return next((number for number, row in enumerate(text.splitlines(), 1) if sets.search(row)), 1)
