"""Pairs of texts, row by row: two parallel files, a table with two columns, or lines with a tab between."""

import os
from collections.abc import Iterator
from functools import partial
from glob import escape
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from seqapps import checks
from seqapps.text.reading.columns import PAIRED, Wanted
from seqapps.text.reading.documents import TABLES
from seqapps.text.reading.folders import PART_NAMES, TABLE_ENDINGS
from seqapps.text.reading.lines import decoded_lines, ending_of
from seqapps.text.reading.rows import Row, Source
from seqapps.text.reading.tables import open_frame

LINES = ".txt"  # source, tab, target and perhaps more, without a header: as Anki's decks are distributed
ENDINGS = (*TABLE_ENDINGS, LINES)
NO_COLUMN = ""  # of data that have none
NAME_LANGUAGES = "For parallel files name `source_language` and `target_language`."


class Parallel(NamedTuple):
    """Two files whose lines with the same number are a pair."""

    source: Path
    target: Path


Pairs = Path | pd.DataFrame | Parallel


class Languages(NamedTuple):
    """The endings of parallel files, such as `de` and `en`."""

    source: str
    target: str


def open_pairs(
    data: Pairs, source_column: str | None = None, target_column: str | None = None, paired: bool = True
) -> Source:
    """Open sources and their targets; of each row the text is the source and the label the target.

    Args:
        data: A table as for `open_source`; a `.txt` file with a source, a tab and a target in every line, and no
            header; two parallel files; or a DataFrame.
        source_column: Column of sources of a table. By default the one with a usual name, or of two the first one.
        target_column: Column of targets of a table; likewise, or the other one of two.
        paired: Whether targets are wanted. Without, every label is `None` and the targets may be absent.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the columns cannot be told or the file cannot be read; while iterating, what is wrong in a row,
            with file and line.

    Example:

    >>> source = open_pairs(pd.DataFrame({"english": ["Hello."], "french": ["Bonjour."]}))
    >>> next(iter(source))
    Row(text='Hello.', label='Bonjour.', place='row 0')
    """
    checks.check_boolean("paired", paired)
    wanted = Wanted(source_column, target_column, paired, naming=PAIRED)
    if isinstance(data, pd.DataFrame):
        return open_frame(data, wanted)
    if isinstance(data, Parallel):
        _refuse_columns(wanted, "parallel files")
        return _open_parallel(data, paired)
    if not data.is_file():
        raise FileNotFoundError(f"There is no file {str(data)!r}.")
    if ending_of(data) == LINES:
        _refuse_columns(wanted, f"a {LINES} file, which has no header")
        read = partial(_tabbed_rows, data, paired)
        return Source(data.name, NO_COLUMN, NO_COLUMN if paired else None, read, "the lines")
    if ending_of(data) not in TABLES:
        close = checks.suggestion(ending_of(data), ENDINGS)
        raise ValueError(
            f"{data.name}: the name must end in one of {checks.listing(ENDINGS)}, also with '.gz'. Received: "
            f"{ending_of(data)!r}.{close} {NAME_LANGUAGES}"
        )
    return TABLES[ending_of(data)](data, wanted)


def pair_parts(data: str | Path | pd.DataFrame, languages: Languages | None = None) -> dict[str, Pairs]:
    """The parts of the data: `train` and, if a folder holds them, `validation` and `test`.

    Args:
        data: A folder with `train`, `validation` (also `valid`, `val`, `dev`) and `test`; a file; a DataFrame; or with
            `languages` also what the names of two parallel files have in common, such as `corpus/train`.
        languages: Of parallel files: `train.de` and `train.en`, also with `.gz`.

    Raises:
        FileNotFoundError: If there is no such file or folder, or no `train` in it.
        ValueError: If two files could be the same part.
    """
    if isinstance(data, pd.DataFrame):
        return {"train": data}
    if not isinstance(data, (str, Path)):
        checks.fail("data", "a path or a DataFrame", data)
    folder = Path(data)
    if not folder.is_dir():
        if languages:
            return {"train": parallel(folder, languages)}
        if not folder.exists():
            advice = f" {NAME_LANGUAGES}" if any(folder.parent.glob(f"{escape(folder.name)}.*")) else ""
            raise FileNotFoundError(f"There is no file or folder {str(folder)!r}.{advice}")
        return {"train": folder}
    found = {part: [*_candidates(folder, names, languages)] for part, names in PART_NAMES.items()}
    for part, several in found.items():
        if len(several) > 1:
            both = checks.listing(_name(each) for each in several)
            raise ValueError(f"The folder {str(data)!r} has more than one {part} part: {both}. Keep one.")
    if not found["train"]:
        wanted = f"train.{languages.source} and train.{languages.target}" if languages else "train.tsv"
        advice = "" if languages else f" {NAME_LANGUAGES}"
        raise FileNotFoundError(f"The folder {str(data)!r} has no train part, such as {wanted}.{advice}")
    return {part: several[0] for part, several in found.items() if several}


def parallel(common: Path, languages: Languages) -> Parallel:
    """Two parallel files by what their names have in common.

    Raises:
        FileNotFoundError: If one of them is not there.
    """
    paths = [_file(common, language) for language in languages]
    for path, language in zip(paths, languages, strict=True):
        if path is None:
            raise FileNotFoundError(f"There is no file {str(common)!r} with the ending .{language} or .{language}.gz.")
    return Parallel(*(path for path in paths if path is not None))


def holds_parallel(folder: Path, languages: Languages) -> bool:
    """Whether a folder has a part in one of the languages: `train.de` or `dev.en.gz`, and no `notes.deutsch`."""
    names = [name for several in PART_NAMES.values() for name in several]
    return any(_file(folder / name, language) for name in names for language in languages)


def _file(common: Path, language: str) -> Path | None:
    names = (f"{common.name}.{language}{packed}" for packed in ("", ".gz"))
    found = [path for name in names if (path := common.with_name(name)).is_file()]
    if len(found) > 1:
        raise ValueError(f"There are both {checks.listing(str(path) for path in found)}. Keep one.")
    return found[0] if found else None


def _candidates(folder: Path, names: tuple[str, ...], languages: Languages | None) -> Iterator[Pairs]:
    """What could be a part of a folder."""
    if languages:
        for name in names:
            if any(_file(folder / name, language) for language in languages):
                yield parallel(folder / name, languages)
        return
    for path in sorted(folder.iterdir()):
        ending = ending_of(path)
        if (
            path.is_file()
            and ending in ENDINGS
            and path.name.lower().removesuffix(".gz") in {n + ending for n in names}
        ):
            yield path


def _name(data: Pairs) -> str:
    return f"{data.source.name} and {data.target.name}" if isinstance(data, Parallel) else Path(str(data)).name


def _refuse_columns(wanted: Wanted, what: str) -> None:
    for option, column in zip(PAIRED.options, (wanted.text, wanted.label), strict=True):
        if column is not None:
            checks.fail(option, f"left out for {what}", column)


def _open_parallel(files: Parallel, paired: bool) -> Source:
    source = Path(os.path.abspath(files.source)).name
    read = partial(_parallel_rows, files, paired)
    return Source(source, NO_COLUMN, NO_COLUMN if paired else None, read, "the lines")


def _parallel_rows(files: Parallel, paired: bool) -> Iterator[Row]:
    names = files.source.name, files.target.name
    sources = decoded_lines(files.source, names[0])
    targets = decoded_lines(files.target, names[1]) if paired else iter(())
    counts = [0, 0]
    for source, target in zip_longest(sources, targets):
        counts = [count + (line is not None) for count, line in zip(counts, (source, target), strict=True)]
        if paired and (source is None or target is None):
            counts[source is None] += sum(1 for _ in (targets if source is None else sources))
            raise ValueError(
                f"{names[0]} and {names[1]} must have the same number of lines. Received: {counts[0]} and {counts[1]}. "
                "Line n of one must be the translation of line n of the other."
            )
        yield Row(_line(source), _line(target) if paired else None, f"{names[0]}, line {counts[0]}")


def _tabbed_rows(path: Path, paired: bool) -> Iterator[Row]:
    for number, line in enumerate(decoded_lines(path, path.name), start=1):
        text = _line(line)
        if not text.strip():
            continue
        cells = text.split("\t")
        if paired and len(cells) < 2:
            raise ValueError(
                f"{path.name}, line {number}: the line must be a source, a tab and a target. Received: a line without "
                "a tab."
            )
        yield Row(cells[0], cells[1] if paired else None, f"{path.name}, line {number}")


def _line(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")
