"""Word vectors from the text files of GloVe, fastText and word2vec."""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqapps import checks

PAD = 0
HEADER = re.compile(r"\d+\s+\d+")  # how many words, how many numbers


@dataclass(frozen=True)
class Embeddings:
    """Start values of an embedding.

    Attributes:
        table: `(tokens, size)` float32.
        found: How many of the tokens the file has.
    """

    table: np.ndarray
    found: int


def read(path: str | Path, tokens: Sequence[str], lowercase: bool, seed: int, size: int | None = None) -> Embeddings:
    """The vectors of some tokens; those that the file lacks are drawn with the spread of those that it has.

    Args:
        path: Lines of a word and its numbers, separated by blanks; a first line with two numbers (word2vec, fastText)
            is skipped. Also `.gz`.
        tokens: In the order of the ids; the first is padding, whose vector is 0.
        lowercase: Whether tokens are lower-cased; then a word of the file stands for its lower-cased form too, where
            the file has no such word of its own.
        seed: Of the drawn vectors.
        size: Numbers of a vector, where they are fixed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line cannot be read, the size is another one, or the file has none of the tokens.
    """
    path = Path(path)
    positions = {token: position for position, token in enumerate(tokens) if position != PAD}
    exact: dict[int, np.ndarray] = {}
    lowered: dict[int, np.ndarray] = {}
    width = size
    for number, line in _lines(path):
        width = width or len(line.split(" ")) - 1
        # GloVe's largest file has words with blanks in them: the numbers are the last ones of a line.
        word, *cells = line.rsplit(" ", width)
        position = positions.get(word)
        kept = exact
        if position is None and lowercase:
            position, kept = positions.get(word.lower()), lowered
        if position is not None and position not in kept:
            kept[position] = _vector(cells, width, f"{path.name}, line {number}")
    vectors = lowered | exact
    if not vectors:
        checks.fail("embeddings", "a file with vectors of words that the training texts use", str(path))
    return Embeddings(_table(vectors, len(tokens), seed), len(vectors))


def width_of(path: str | Path) -> int:
    """Numbers of a vector, from the first lines of a file."""
    for _, line in _lines(Path(path)):
        if width := len(line.split(" ")) - 1:
            return width
        break
    raise ValueError(f"{path} must hold word vectors. Received: no line with a word and its numbers.")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no embeddings file {str(path)!r}.")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
            for number, line in enumerate(file, 1):
                if line.strip() and not (number == 1 and HEADER.fullmatch(line.strip())):
                    yield number, line.rstrip("\r\n ")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path.name} cannot be decompressed: {str(error).rstrip('.')}.") from error


def _vector(cells: list[str], width: int, place: str) -> np.ndarray:
    try:
        vector = np.array(cells, dtype="float32")
    except ValueError:
        vector = np.zeros(0, "float32")
    if len(vector) != width or not np.isfinite(vector).all():
        shown = " ".join(cells)[:40]
        raise ValueError(f"{place}: there must be a word and {width} finite numbers. Received: {shown!r}.")
    return vector


def _table(vectors: dict[int, np.ndarray], count: int, seed: int) -> np.ndarray:
    known = np.stack(list(vectors.values())).astype("float64")  # squares of large numbers do not fit into float32
    table = np.random.default_rng(seed).normal(known.mean(axis=0), known.std(axis=0) + 1e-6, (count, known.shape[1]))
    table[list(vectors)] = known
    table[PAD] = 0
    limits = np.finfo("float32")  # vectors near them have draws beyond them
    return np.clip(table, limits.min, limits.max).astype("float32")
