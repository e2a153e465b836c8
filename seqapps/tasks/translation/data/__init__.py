"""Files → splits of pairs. Every data error is raised here or in `seqapps.text.reading`."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqapps import checks, fractions
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.data.cleaning import Scan, kept_of_training, scan
from seqapps.tasks.translation.data.splits import SPLITS, Part, Splits
from seqapps.text.reading import Source
from seqapps.text.reading.pairs import Languages, Pairs, holds_parallel, open_pairs, pair_parts, parallel

__all__ = ["SPLITS", "Data", "Part", "Splits", "as_measured", "load", "load_as_trained", "load_whole", "resolved"]

Data = str | Path | pd.DataFrame
BUCKETS = 2**32  # of hashes, by which a file is cut into parts


def load(data: Data, config: Config) -> Splits:
    """Read DATA and cut it into train, validation and test.

    Where a part has no file of its own, it is cut from the training file by the hash of the sources, so that equal
    sources stay together. Of the training part pairs are left out that `cleaning` names.

    Args:
        data: As for training.
        config: The options.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file cannot be read, with file and line, or a part would have no pair.
    """
    languages = _languages(config)
    _refuse_for_frame(languages, data)
    given = config.with_own_files(pair_parts(data, languages))
    if languages is not None:
        given = {split: parallel(each, languages) if isinstance(each, Path) else each for split, each in given.items()}
    source = _opened(given["train"], config)
    scanned = scan(source)
    shares = {split: getattr(config, f"{split}_fraction") for split in SPLITS[1:] if split not in given}
    _check_fractions(shares)
    cut, parts, own = _cut(scanned, shares), {}, {}
    for split in SPLITS[1:]:
        if split in given:
            other = _opened(given[split], config)
            own[split] = scan(other)
            parts[split] = _part(other, own[split])
        else:
            parts[split] = _part(source, scanned, (cut == SPLITS.index(split)) & ~scanned.empty)
    others = np.concatenate([part.hashes for part in parts.values()])
    keep, notes = kept_of_training(scanned, cut == 0, others, config.max_length_ratio)
    clean = np.flatnonzero(keep)
    keep[clean] = fractions.kept(np.zeros(len(clean), int), config.data_fraction, config.seed)
    notes = [*notes, *fractions.note(config.data_fraction, int(keep.sum()), len(clean), "pairs")]
    parts = {"train": _part(source, scanned, keep)} | parts
    for split, part in parts.items():
        if not len(part):
            raise ValueError(
                f"{part.source.name}: {len(cut)} pairs are too few for a {split} part. Supply more data. "
                f"{' '.join(notes)}".strip()
            )
    return Splits(parts, tuple(notes), _overlaps(scanned.sources[keep], own))


def load_whole(data: Data, config: Config) -> Splits:
    """Every pair of `data` as the split `all`."""
    given = pair_parts(data, _languages(config))
    if set(given) != {"train"}:
        raise ValueError(f"{data}: `split` 'all' takes one file. Received: a folder with {', '.join(given)}.")
    source = _opened(given["train"], config)
    return Splits({"all": _part(source, scan(source))})


def resolved(config: Config, splits: Splits) -> Config:
    """The config with the columns that were found and the width of token vectors, so that `config.json` tells them."""
    source = splits.parts["train"].source
    columns: dict[str, Any] = {
        "source_column": source.text_column or None,
        "target_column": source.label_column or None,
    }
    return dataclasses.replace(config, embedding_size=config.token_width, **columns)


def as_measured(data: Data, config: Config, languages: Languages | None = None) -> Config:
    """The config for data that a run is measured on, which may hold pairs otherwise than those of the training.

    Columns that are not there are found anew; where a folder has parts of its own, the rules that cut the training data
    do not apply; a single file needs no languages.

    Args:
        data: As for training.
        config: Of the run.
        languages: Of parallel files with other endings than those of the training, which may have had none.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a DataFrame is given with languages.
    """
    _refuse_for_frame(languages, data)
    languages = languages or (_languages(config) if _holds_languages(data, config) else None)
    source, target = languages or (None, None)
    changed: dict[str, Any] = {"source_language": source, "target_language": target}
    given = pair_parts(data, languages)
    defaults = type(config).__dataclass_fields__
    names = [f"{split}_{rule}" for split in given if split != "train" for rule in ("data", "fraction")]
    changed |= {name: defaults[name].default for name in names}
    try:
        open_pairs(given["train"], config.source_column, config.target_column)
    except ValueError:
        changed |= {"source_column": None, "target_column": None}
    return dataclasses.replace(config, **changed)


def load_as_trained(data: Data, config: Config) -> Splits:
    """As `load`; the files that the run's rule names belong to the data of the training."""
    try:
        return load(data, config)
    except FileNotFoundError as error:
        raise config.explained(error) from None


def _languages(config: Config) -> Languages | None:
    if config.source_language is None or config.target_language is None:
        return None
    return Languages(config.source_language, config.target_language)


def _refuse_for_frame(languages: Languages | None, data: Data) -> None:
    if languages is not None and isinstance(data, pd.DataFrame):
        checks.fail("source_language", "left out for a DataFrame", languages.source, "It has columns instead.")


def _holds_languages(data: Data, config: Config) -> bool:
    """Whether data to be measured are parallel files, as those of the training were."""
    languages = _languages(config)
    if languages is None or isinstance(data, pd.DataFrame) or Path(data).is_file():
        return False
    folder = Path(data)
    return not folder.is_dir() or holds_parallel(folder, languages)


def _opened(data: Pairs, config: Config) -> Source:
    return open_pairs(data, config.source_column, config.target_column)


def _part(source: Source, scanned: Scan, keep: np.ndarray | None = None) -> Part:
    keep = np.ones(len(scanned.pairs), bool) if keep is None else keep
    return Part(source, keep, scanned.pairs[keep])


def _cut(scanned: Scan, shares: dict[str, float]) -> np.ndarray:
    """`(rows,)`: the position in `SPLITS` of the part that every row belongs to."""
    place = (scanned.sources % BUCKETS).astype("float64") / BUCKETS
    cut, below = np.zeros(len(place), int), 0.0
    for split, fraction in shares.items():
        cut[(place >= below) & (place < below + fraction)] = SPLITS.index(split)
        below += fraction
    return cut


def _overlaps(known: np.ndarray, own: dict[str, Scan]) -> dict[str, str]:
    """Sentences on sources of parts with files of their own that are trained on, with another target."""
    overlaps = {}
    for split, scanned in own.items():
        if count := int(np.isin(scanned.sources, known).sum()):
            told = "1 source is" if count == 1 else f"{count} sources are"
            overlaps[split] = f"{told} in the {split} part and, with another target, in the training part."
    return overlaps


def _check_fractions(shares: dict[str, float]) -> None:
    for split, fraction in shares.items():
        if fraction == 0:
            advice = f"Or name a file in `{split}_data`."
            checks.fail(f"{split}_fraction", f"above 0 where no file holds the {split} part", fraction, advice)
    if sum(shares.values()) >= 1:
        received = ", ".join(f"{split}_fraction={fraction}" for split, fraction in shares.items())
        raise ValueError(
            f"`validation_fraction` and `test_fraction` must leave pairs to train on. Received: {received}."
        )
