"""Recordings and what is said in them: from a table, a DataFrame, or a folder with one sub-folder per word."""

import os
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from seqapps import checks
from seqapps.audio.reading import ENDINGS
from seqapps.tasks.speech.config import Config
from seqapps.text.reading.lines import ending_of

USUAL = {
    "file_column": ("file", "path", "filename", "file_name", "audio", "wav", "recording", "audio_filepath"),
    "label_column": ("label", "word", "class", "command", "category", "target"),
    "transcript_column": ("transcript", "transcription", "text", "sentence", "words", "target"),
    "speaker_column": ("speaker", "speaker_id", "voice", "client_id", "spk"),
    "split_column": ("split", "subset", "part", "set"),
}
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}
READERS = {".csv": ",", ".tsv": "\t"}  # what separates cells
TABLES = (*READERS, ".jsonl", ".ndjson", ".parquet", ".pq")
FEW = 5  # names that a message lists


@dataclass(frozen=True)
class Recording:
    """A file of sound.

    Attributes:
        path: Where it is.
        name: As the data call it.
        answer: What is said in it: a word or a transcript; `None` where none is wanted.
        speaker: Who says it, where that is known.
        split: The part that the data put it into, where they do.
        place: Where it is listed, as messages say it.
    """

    path: Path
    name: str
    answer: str | None
    speaker: str | None
    split: str | None
    place: str


@dataclass(frozen=True)
class Listing:
    """Recordings in their order, and the columns in which a table has them.

    Attributes:
        recordings: At least one.
        columns: For every option of a column the name that was found, `None` where there is none.
    """

    recordings: tuple[Recording, ...]
    columns: dict[str, str | None]


class Table(NamedTuple):
    """Cells, the name of the table, the folder of its files, and how messages call its rows, from which number on."""

    cells: pd.DataFrame
    name: str
    folder: Path
    place: str
    first: int


def listed(data: str | Path | pd.DataFrame, config: Config, answered: bool = True, cut: bool = True) -> Listing:
    """What a table, a DataFrame or a folder of words lists.

    Files of a table are found from the folder of the table, those of a DataFrame from the working directory.

    Args:
        data: As above.
        config: The options; they may name columns.
        answered: Whether labels or transcripts are wanted.
        cut: Whether a column of parts is wanted.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it cannot be read, has not the columns, or a row of it is wrong.
    """
    table = _table_of(data)
    if table is not None:
        return _of_table(table, config, answered, cut)
    assert isinstance(data, (str, Path))
    return Listing(tuple(_of_folder(Path(data), config, answered)), dict.fromkeys(USUAL))


def column_names(data: str | Path | pd.DataFrame) -> list[str]:
    """The columns of a table; none of a folder."""
    table = _table_of(data)
    return [] if table is None else [str(column) for column in table.cells.columns]


def _table_of(data: str | Path | pd.DataFrame) -> Table | None:
    """The table that a file or a DataFrame holds; `None` of a folder."""
    if isinstance(data, pd.DataFrame):
        return Table(data.reset_index(drop=True), "the DataFrame", Path(), "row {}", 0)
    path = Path(data)
    if path.is_dir():
        return None
    if not path.is_file():
        raise FileNotFoundError(f"There is no file or folder {str(path)!r}.")
    ending = ending_of(path)
    if ending not in TABLES:
        close = checks.suggestion(ending, TABLES)
        raise ValueError(
            f"{path.name}: a list of recordings must end in one of {checks.listing(TABLES)}, also with '.gz'. "
            f"Received: {ending!r}.{close}"
        )
    place, first = (f"{path.name}, row {{}}", 0) if ending in TABLES[-2:] else (f"{path.name}, line {{}}", 1)
    if ending in READERS:
        first = 2  # below the line of names
    return Table(_cells(path, ending), path.name, path.parent, place, first)


def _cells(path: Path, ending: str) -> pd.DataFrame:
    """Every cell of a file as text, empty where it is missing."""
    try:
        if ending in READERS:
            cells = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", sep=READERS[ending])
            if not isinstance(cells.index, pd.RangeIndex):  # pandas took the first ones for names of rows
                raise ValueError("its rows have more cells than its first line names columns")
            return cells
        if ending in TABLES[-2:]:
            return pd.read_parquet(path)
        return pd.read_json(path, lines=True, dtype=False, convert_dates=False)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"{path.name} cannot be read as {ending.lstrip('.').upper()}: {reason}.") from error


def _of_table(table: Table, config: Config, answered: bool, cut: bool) -> Listing:
    names = [str(column) for column in table.cells.columns]
    columns = _found(names, table.name, config, answered, cut)
    if table.cells.empty:
        raise ValueError(f"{table.name} is empty: it has columns but no rows.")
    answer = columns["label_column"] or columns["transcript_column"]

    def cells(column: str | None) -> list[str | None]:
        if column is None:
            return [None] * len(table.cells)
        return [_text(cell) for cell in table.cells.iloc[:, names.index(column)]]

    rows = zip(*map(cells, (columns["file_column"], answer, columns["speaker_column"])), strict=True)
    splits = cells(columns["split_column"])
    recordings = []
    for number, ((file, said, speaker), split) in enumerate(zip(rows, splits, strict=True)):
        where = table.place.format(number + table.first)
        if not file:
            raise ValueError(
                f"{where}, column {columns['file_column']!r}: a file must be named. Received: an empty cell."
            )
        if answered and config.mode == "classify" and not said:
            raise ValueError(f"{where}, column {answer!r}: a label must not be empty.")
        if columns["split_column"] is not None:
            split = _split(split or "", f"{where}, column {columns['split_column']!r}")
        recordings.append(Recording(table.folder / file, file, said, speaker or None, split, where))
    return Listing(tuple(recordings), columns)


def _text(cell: object) -> str:
    """A cell as text: whole numbers without decimals, nothing where a value is missing."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _split(text: str, where: str) -> str:
    if text.lower() not in SPLIT_NAMES:
        raise ValueError(f"{where}: a part must be one of {checks.listing(SPLIT_NAMES)}. Received: {text!r}.")
    return SPLIT_NAMES[text.lower()]


def _found(names: Sequence[str], table: str, config: Config, answered: bool, cut: bool) -> dict[str, str | None]:
    """For every option of a column the one that the config names, or that is called as usual."""
    answer = "label_column" if config.mode == "classify" else "transcript_column"
    other = "transcript_column" if config.mode == "classify" else "label_column"
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{table} has more than one column {twice[0]!r}. Keep one.")
    by_name = {name.lower(): name for name in reversed(names)}
    columns: dict[str, str | None] = {}
    for option, usual in USUAL.items():
        chosen = getattr(config, option) if cut or option != "split_column" else None
        if chosen is not None and chosen not in names:
            close = checks.suggestion(chosen, names)
            raise ValueError(f"{table} has no column {chosen!r} (`{option}`).{close} It has {checks.listing(names)}.")
        columns[option] = chosen or next((by_name[name] for name in usual if name in by_name), None)
    columns[other] = None
    if not answered:
        columns[answer] = None
    if not cut or (_has_own_rule(config) and config.split_column is None):
        columns["split_column"] = None
    for option in ("file_column", answer) if answered else ("file_column",):
        if columns[option] is None:
            raise ValueError(
                f"{table} must have a column of {'files' if option == 'file_column' else option.split('_')[0] + 's'}, "
                f"called as usual, such as {USUAL[option][0]!r}, or named with `{option}`. "
                f"Received: {checks.listing(names)}."
            )
    return columns


def _has_own_rule(config: Config) -> bool:
    """Whether options say how the data are cut, so that a column of parts that is just there does not."""
    defaults = type(config).__dataclass_fields__
    rules = ("split_by", "holdout_speaker", "validation_data", "test_data", "validation_fraction", "test_fraction")
    return any(getattr(config, name) != defaults[name].default for name in rules)


def is_recording(path: Path) -> bool:
    """Whether a file's name says that it holds sound."""
    return path.is_file() and path.suffix.lower() in ENDINGS and not path.name.startswith(".")


def holds_words(folder: Path) -> bool:
    """Whether a folder has a sub-folder of recordings."""
    return any(inner.is_dir() and any(map(is_recording, inner.iterdir())) for inner in _visible(folder))


def _of_folder(folder: Path, config: Config, answered: bool) -> Iterable[Recording]:
    """The recordings of a folder with one sub-folder per word, or, where no answer is wanted, of any folder."""
    name = Path(os.path.abspath(folder)).name
    if not answered:
        files = [path for path in sorted(folder.rglob("*")) if is_recording(path)]
        if not files:
            raise ValueError(f"The folder {name!r} must hold recordings ({', '.join(ENDINGS)}). {_received(folder)}")
        return [_recording(path, folder, None) for path in files]
    if config.mode != "classify":
        raise ValueError(
            f"`mode` 'transcribe' takes a table with a column of transcripts. Received: the folder {name!r}, whose "
            "names can only be words."
        )
    words = [inner for inner in _visible(folder) if inner.is_dir()]
    found = [(path, word.name) for word in words for path in _visible(word) if is_recording(path)]
    if not found:
        endings = ", ".join(ENDINGS)
        raise ValueError(
            f"The folder {name!r} must hold a sub-folder of recordings ({endings}) per word. {_received(folder)}"
        )
    empty = [word.name for word in words if not any(map(is_recording, word.iterdir()))]
    if empty:
        raise ValueError(f"{name}/{empty[0]} holds no recording ({', '.join(ENDINGS)}). {_received(folder / empty[0])}")
    return [_recording(path, folder, word) for path, word in found]


def _recording(path: Path, folder: Path, answer: str | None) -> Recording:
    name = path.relative_to(folder).as_posix()
    return Recording(path, name, answer, None, None, f"{Path(os.path.abspath(folder)).name}/{name}")


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _received(folder: Path) -> str:
    paths = _visible(folder)
    names = checks.listing(path.name for path in paths[:FEW])
    return f"Received: {names}{', …' * (len(paths) > FEW) or ''}." if paths else "Received: nothing."
