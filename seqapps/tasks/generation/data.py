"""Files → documents, cut into train, validation and test where no file is one of them. Data errors are raised here."""

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps import checks, fractions
from seqapps.tasks.generation.config import Config
from seqapps.text.reading.documents import Document, Documents, document_parts, is_table, open_documents

SPLITS = ("train", "validation", "test")
Data = str | Path | pd.DataFrame
MOVED = 0.1  # of a part, by which a cut may move to the start of a document


@dataclass(frozen=True)
class Part:
    """A contiguous part of documents; texts stay on disk.

    Attributes:
        documents: Where they are read from, again at each use.
        start: First character of the part, counted through all documents.
        stop: The one after its last.
        sizes: Characters of every document of `documents`.
    """

    documents: Documents
    start: int
    stop: int
    sizes: tuple[int, ...]

    @property
    def characters(self) -> int:
        """Characters of the part."""
        return self.stop - self.start

    def __iter__(self) -> Iterator[tuple[Document, bool]]:
        """The documents, the first and the last one cut where the part is, and whether each is read to its end."""
        begins = 0
        for document, size in zip(self.documents, self.sizes, strict=True):
            ends = begins + size
            if ends > self.start and begins < self.stop and size:
                first, last = max(self.start - begins, 0), min(self.stop - begins, size)
                yield Document(document.place, _between(document.chunks, first, last)), last == size
            begins = ends

    def texts(self) -> Iterator[str]:
        """Chunks of the documents."""
        return (chunk for document, _ in self for chunk in document.chunks)


@dataclass(frozen=True)
class Splits:
    """What a language model is trained, chosen and judged on.

    Attributes:
        parts: For every split its documents.
        hashes: For every split the SHA-256 of its texts.
        notes: What a person should know of the data.
    """

    parts: dict[str, Part]
    hashes: dict[str, str]
    notes: tuple[str, ...] = ()


def load(data: Data, config: Config) -> Splits:
    """Read DATA and cut it into train, validation and test, one after the other.

    Where a part has no file of its own, it is the end of the training data: first validation, last test. A cut falls on
    the start of a document if one is near, else inside one (of characters exactly, of other tokens before a line).

    Args:
        data: As for training.
        config: The options.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file cannot be read, with file and line, or a part would have no text.
    """
    given = config.with_own_files(document_parts(data))
    if config.text_column is not None and not any(map(is_table, given.values())):
        open_documents(given["train"], config.text_column)  # refuses it
    whole = _whole(given["train"], config)
    parts = {split: _whole(given[split], config, strict=False) for split in SPLITS[1:] if split in given}
    shares = {split: getattr(config, f"{split}_fraction") for split in SPLITS[1:] if split not in parts}
    _check_fractions(shares)
    parts |= _cut(whole, shares, exact=config.tokenizer == "character")
    training = parts["train"]
    if config.data_fraction < 1:
        parts["train"] = _end_of(training, config.data_fraction, exact=config.tokenizer == "character")
    parts = {split: parts[split] for split in SPLITS}
    told = fractions.note(config.data_fraction, parts["train"].characters, training.characters, "characters")
    return Splits(parts, {split: _hash(part, split) for split, part in parts.items()}, told)


def load_whole(data: Data, config: Config) -> Splits:
    """Every document of `data` as the split `all`."""
    given = document_parts(data)
    if set(given) != {"train"}:
        raise ValueError(f"{data}: `split` 'all' takes one file. Received: a folder with {', '.join(given)}.")
    part = _whole(given["train"], config)
    return Splits({"all": part}, {"all": _hash(part, "all")})


def resolved(config: Config, splits: Splits) -> Config:
    """The config with the column that was found and the width of token vectors, so that `config.json` tells them."""
    column = splits.parts["train"].documents.text_column
    return dataclasses.replace(config, text_column=column, embedding_size=config.token_width)


def as_measured(data: Data, config: Config) -> Config:
    """The config for data that a run is measured on, which may hold its texts otherwise than those of the training.

    A column that is not there is found anew; where a folder has parts of its own, the rules that cut the training data
    do not apply.
    """
    given = document_parts(data)
    defaults = type(config).__dataclass_fields__
    names = [f"{split}_{rule}" for split in given if split != "train" for rule in ("data", "fraction")]
    own: dict[str, Any] = {name: defaults[name].default for name in names}
    column = _opened(given["train"], config.text_column, strict=False).text_column
    return dataclasses.replace(config, text_column=column, **own)


def load_as_trained(data: Data, config: Config) -> Splits:
    """As `load`; the files that the run's rule names belong to the data of the training."""
    try:
        return load(data, config)
    except FileNotFoundError as error:
        raise config.explained(error) from None


def _opened(data: Path | pd.DataFrame, column: str | None, strict: bool) -> Documents:
    """Documents of a table by their column, or if not `strict` by one with a usual name where it has no such column."""
    if not is_table(data):
        return open_documents(data)
    try:
        return open_documents(data, column)
    except ValueError:
        if strict:
            raise
        return open_documents(data)


def _whole(data: Path | pd.DataFrame, config: Config, strict: bool = True) -> Part:
    documents = _opened(data, config.text_column, strict)
    sizes = tuple(sum(len(chunk) for chunk in document.chunks) for document in documents)
    if not sum(sizes):
        raise ValueError(f"{documents.name} is empty: it holds no text.")
    return Part(documents, 0, sum(sizes), sizes)


def _check_fractions(shares: dict[str, float]) -> None:
    for split, fraction in shares.items():
        if fraction == 0:
            advice = f"Or name a file in `{split}_data`."
            checks.fail(f"{split}_fraction", f"above 0 where no file holds the {split} part", fraction, advice)
    if sum(shares.values()) >= 1:
        received = ", ".join(f"{split}_fraction={fraction}" for split, fraction in shares.items())
        raise ValueError(
            f"`validation_fraction` and `test_fraction` must leave text to train on. Received: {received}."
        )


def _cut(whole: Part, shares: dict[str, float], exact: bool) -> dict[str, Part]:
    """The training part and, in their order, those that are cut from its end."""
    count, rest, cuts = whole.characters, 1.0, [whole.characters]
    near = MOVED * count * min(shares.values(), default=0)
    for split in reversed(shares):
        rest -= shares[split]
        cuts.insert(0, _cut_near(whole, int(count * rest + 1e-6), near, exact))
    bounds = dict(zip(("train", *shares), zip([0, *cuts[:-1]], cuts, strict=True), strict=True))
    for split, (start, stop) in bounds.items():
        if stop <= start:
            raise ValueError(
                f"{whole.documents.name}: {count} characters are too few for a {split} part. Supply more text."
            )
    return {split: dataclasses.replace(whole, start=start, stop=stop) for split, (start, stop) in bounds.items()}


def _end_of(part: Part, fraction: float, exact: bool) -> Part:
    """The last characters of a part, as many as a fraction of it; they begin where a document does if one is near."""
    wanted = part.stop - max(1, round(fraction * part.characters))
    start = _cut_near(part, wanted, MOVED * (part.stop - wanted), exact)
    return dataclasses.replace(part, start=max(part.start, start))


def _cut_near(whole: Part, wanted: int, near: float, exact: bool) -> int:
    """The start of a document that is at most `near` characters away, or else a place inside one."""
    begins, best = 0, None
    for size in whole.sizes[:-1]:
        begins += size
        if abs(begins - wanted) <= near and (best is None or abs(begins - wanted) < abs(best - wanted)):
            best = begins
    if best is not None:
        return best
    return wanted if exact else _line_start(whole, wanted, near)


def _line_start(whole: Part, wanted: int, near: float) -> int:
    """The first place from `wanted` on where a line begins, if it is near; else where a blank ends."""
    start = max(wanted - 1, 0)  # the end of the line before
    part = dataclasses.replace(whole, start=start, stop=min(whole.stop, wanted + int(near) + 1))
    text = "".join(part.texts())
    for mark in ("\n", " "):
        if (place := text.find(mark)) >= 0:
            return start + place + 1
    return wanted


def _between(chunks: Iterator[str], first: int, last: int) -> Iterator[str]:
    """The characters from `first` to `last` of chunks."""
    begins = 0
    for chunk in chunks:
        if begins >= last:
            return
        kept = chunk[max(first - begins, 0) : last - begins]
        begins += len(chunk)
        if kept:
            yield kept


def _hash(part: Part, split: str) -> str:
    """SHA-256 of the texts of a part; a part of white space alone is an error."""
    digest, blank = hashlib.sha256(), True
    for document, _ in part:
        for chunk in document.chunks:
            digest.update(chunk.encode())
            blank = blank and not chunk.strip()
        digest.update(b"\xff")  # which no text has
    if blank:
        raise ValueError(f"{part.documents.name}: the {split} part must hold text. Received: white space alone.")
    return digest.hexdigest()
