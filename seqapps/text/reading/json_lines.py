"""JSON lines: one object per line."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from seqapps.text.reading.columns import Wanted, find_columns
from seqapps.text.reading.lines import decoded_lines
from seqapps.text.reading.rows import Row, Source, shown
from seqapps.text.reading.values import Number, text_of


def open_json_lines(path: Path, wanted: Wanted) -> Source:
    """The rows of a file with one JSON object per line; the keys of the first one are the columns.

    Raises:
        ValueError: If the file is empty, or its first line is no object or has not the columns.
    """
    first = next(_objects(path), None)
    if first is None:
        raise ValueError(f"{path.name} is empty: it needs one JSON object per line.")
    text, label = find_columns([*first[1]], path.name, wanted)
    return Source(path.name, text, label, partial(_rows, path, text, label, wanted), f"column {text!r}")


def _rows(path: Path, text: str, label: str | None, wanted: Wanted) -> Iterator[Row]:
    for place, cells in _objects(path):
        for column in (text, label):
            if column is not None and column not in cells:
                keys = ", ".join(map(shown, cells)) or "an object without keys"
                raise ValueError(f"{place}: the object must have the key {column!r}. Received: {keys}.")
        answer = None if label is None else wanted.answer(cells[label], label, place)
        yield Row(text_of(cells[text], text, place), answer, place)


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object with its place; empty lines are left out."""
    for number, line in enumerate(decoded_lines(path, path.name), start=1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            value = json.loads(
                line, parse_int=Number, parse_float=Number, parse_constant=_constant, object_pairs_hook=_object
            )
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{place}: the line must be one JSON object. Received: {error.msg} at column {error.colno}. "
                "Write each object on a line of its own."
            ) from error
        except RecursionError as error:
            raise ValueError(f"{place}: the line must be one JSON object. Received: too many levels.") from error
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
        if not isinstance(value, dict):
            raise ValueError(
                f"{place}: the line must be one JSON object. Received: {shown(value)}. "
                "Write each object on a line of its own."
            )
        yield place, value


def _constant(name: str) -> Number | None:
    """What Python and pandas write though JSON has no such numbers."""
    return None if name == "NaN" else Number(name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {shown(doubled)} occurs twice. Give every key its own name.")
    return cells
