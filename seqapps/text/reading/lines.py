"""Lines of files that may be compressed, strictly decoded: a wrong byte is an error with its line and column.

Standard input is not a file that can be mended: what is wrong in one of its lines must not cost the answers of others.
"""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from seqapps.text.reading.rows import Row

MARK = "\ufeff"  # byte order mark
DELIMITED = (".csv", ".tsv")
JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")


def ending_of(path: Path) -> str:
    """The ending that tells the kind of a file, without `.gz`, in small letters.

    Example:

    >>> ending_of(Path("reviews.CSV.gz")), ending_of(Path("v1.2/reviews"))
    ('.csv', '')
    """
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


@contextmanager
def opened(path: Path, name: str) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed if it ends in `.gz`; a damaged archive is an error with `name`."""
    with path.open("rb") as packed:
        if path.suffix.lower() != ".gz":
            yield packed
            return
        try:
            with gzip.GzipFile(fileobj=packed) as stream:
                yield io.BufferedReader(stream)  # whose lines come faster
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{name} cannot be decompressed: {str(error).rstrip('.')}.") from error


def decoded_lines(path: Path, name: str) -> Iterator[str]:
    """The lines of a file with their ends, without a byte order mark.

    Only a line feed ends a line, so that every other character of a text survives.

    Raises:
        ValueError: If a line is not UTF-8, with line and column, or the file cannot be decompressed.
    """
    with opened(path, name) as stream:
        for number, line in enumerate(stream, start=1):
            yield _decoded(line.removeprefix(MARK.encode()) if number == 1 else line, f"{name}, line {number}")


def _decoded(line: bytes, place: str) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode("utf-8")) + 1
        raise ValueError(
            f"{place}: the text must be UTF-8. Received: byte 0x{line[error.start]:02X} at column {column} of the "
            "line. Save the file as UTF-8."
        ) from error
    if "\0" in text:
        raise ValueError(
            f"{place}: the text must be without the character U+0000, because UTF-16 that is read as UTF-8 is full of "
            f"it. Received: one at column {text.index(chr(0)) + 1} of the line. Save the file as UTF-8, or delete the "
            "character."
        )
    return text


def check_unicode(text: str, place: str) -> str:
    """Refuse text that no encoding can write: half of a surrogate pair, as `"\\ud83d"` in JSON."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{place}: the text must be valid Unicode. Received: the lone surrogate {text[error.start]!r} at character "
            f"{error.start + 1}. Write the whole character."
        ) from error
    return text


def text_rows(stream: TextIO | Iterable[str]) -> Iterator[Row]:
    """One text per line, read as it comes, as `predict -` does with standard input; an empty line is an empty text.

    Args:
        stream: A text stream, which is read as UTF-8 whatever the machine's encoding; or lines of text. Invalid bytes
            of a stream stand as lone surrogates (PEP 383): encoded with `surrogateescape` they are themselves again.

    Raises:
        ValueError: If a line of text holds half of a surrogate pair.

    Example:

    >>> [(row.text, row.place) for row in text_rows(["Great!\\n", "Dull.\\n"])]
    [('Great!', 'the stream, line 1'), ('Dull.', 'the stream, line 2')]
    """
    name = getattr(stream, "name", None)
    name = Path(name.strip("<>")).name if isinstance(name, str) else "the stream"
    raw: Iterable[bytes] | None = getattr(stream, "buffer", None)
    lines = stream if raw is None else (line.decode("utf-8", errors="surrogateescape") for line in raw)
    for number, line in enumerate(lines, start=1):
        text = line.removesuffix("\n").removesuffix("\r")
        place = f"{name}, line {number}"
        text = text.removeprefix(MARK) if number == 1 else text
        yield Row(text if raw is not None else check_unicode(text, place), None, place)
