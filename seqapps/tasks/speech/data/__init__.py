"""Files → splits of recordings. Every data error is raised here, in `listing`, or in `seqapps.audio.reading`."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqapps import checks, fractions
from seqapps.audio import reading
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.data.listing import USUAL, Listing, Recording, column_names, holds_words, listed
from seqapps.tasks.speech.data.splits import (
    FEWEST_SPEAKERS,
    SPLITS,
    Part,
    Splits,
    cut_at_random,
    cut_by_speaker,
    part_of,
    sorted_words,
)
from seqapps.text.reading.folders import PART_NAMES
from seqapps.text.reading.lines import ending_of

__all__ = ["SPLITS", "Data", "Part", "Recording", "Splits", "as_measured", "listed", "load", "load_whole", "resolved"]

Data = str | Path | pd.DataFrame
HIGHEST_RATE = 16_000  # where the config names none: nothing of speech that a model needs lies above


def load(data: Data, config: Config, classes: tuple[str, ...] = ()) -> Splits:
    """List the recordings of DATA and cut them into train, validation and test.

    Args:
        data: As for training.
        config: The options.
        classes: Those of a run that is measured; other words are then an error.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a table cannot be read, a word is not known, or a part would have no recording.
    """
    files = config.with_own_files(_parts(data))
    given = {split: listed(each, config, cut=split == "train") for split, each in files.items()}
    whole = part_of(given["train"].recordings)
    own = {split: part_of(given[split].recordings) for split in SPLITS[1:] if split in given}
    cut = _cut(whole, config, given["train"], own)
    parts = {split: cut[split] if split in cut else own[split] for split in SPLITS}
    notes = []
    kept = _without_copies(parts)
    if len(kept) < len(parts["train"]):
        count = len(parts["train"]) - len(kept)
        told = "1 recording that is" if count == 1 else f"{count} recordings that are"
        notes.append(f"Not trained on: {told} also in the validation or test part.")
        parts["train"] = kept
    count = len(parts["train"])
    parts["train"] = _fraction(parts["train"], config)
    notes += fractions.note(config.data_fraction, len(parts["train"]), count, "recordings")
    for split, part in parts.items():
        if not len(part):
            told = "1 recording is" if len(whole) == 1 else f"{len(whole)} recordings are"
            raise ValueError(f"{told} too few for a {split} part. Supply more data.")
    notes += _speaker_notes(parts)
    known = classes or (sorted_words(set(parts["train"].answers)) if config.mode == "classify" else ())
    _check_words(parts, known, config)
    return Splits(parts, known, _rate(parts["train"], config), given["train"].columns, tuple(notes))


def load_whole(data: Data, config: Config, classes: tuple[str, ...]) -> Splits:
    """Every recording of `data` as the split `all`, with the words of a run."""
    given = _parts(data)
    if set(given) != {"train"}:
        raise ValueError(f"{data}: `split` 'all' takes one table or folder. Received: one with {', '.join(given)}.")
    listing = listed(given["train"], config, cut=False)
    parts = {"all": part_of(listing.recordings)}
    _check_words(parts, classes, config)
    return Splits(parts, classes, _rate(parts["all"], config), listing.columns)


def resolved(config: Config, splits: Splits) -> Config:
    """The config with the columns and the rate that were found, so that `config.json` repeats the run."""
    found: dict[str, Any] = _named(config, splits.columns)
    return dataclasses.replace(config, sample_rate=splits.sample_rate, **found)


def as_measured(data: Data, config: Config) -> Config:
    """The config for data that a run is measured on, whose columns may be called otherwise than those of the training.

    Where a folder has parts of its own, the rules that cut the training data do not apply.
    """
    given = _parts(data)
    defaults = type(config).__dataclass_fields__
    rules = [f"{split}_{rule}" for split in given if split != "train" for rule in ("data", "fraction")]
    changed: dict[str, Any] = {name: defaults[name].default for name in rules}
    columns = column_names(given["train"])
    changed |= {name: None for name in USUAL if getattr(config, name) not in columns}
    return dataclasses.replace(config, **changed)


def _named(config: Config, columns: Mapping[str, str | None]) -> dict[str, str | None]:
    """The columns that a config may name beside its other options; that of parts stands for itself."""
    kept = {name: column for name, column in columns.items() if name != "split_column"}
    if columns.get("split_column") is not None and config.holdout_speaker is None:
        kept["split_column"] = columns["split_column"]
    return kept


def _parts(data: Data) -> dict[str, Path | pd.DataFrame]:
    """The parts of the data: `train` and, if a folder holds them, `validation` and `test`: tables or folders."""
    if isinstance(data, pd.DataFrame):
        return {"train": data}
    if not isinstance(data, (str, Path)):
        checks.fail("data", "a path or a DataFrame", data)
    folder = Path(data)
    if not folder.is_dir():
        return {"train": folder}
    found: dict[str, list[Path]] = {}
    for split, names in PART_NAMES.items():
        for path in sorted(folder.iterdir()):
            stem = path.name if path.is_dir() else path.name.removesuffix(".gz").removesuffix(ending_of(path))
            if stem.lower() in names and (holds_words(path) if path.is_dir() else path.suffix):
                found.setdefault(split, []).append(path)
    for split, paths in found.items():
        if len(paths) > 1:
            both = checks.listing(path.name for path in paths)
            raise ValueError(f"The folder {str(folder)!r} has more than one {split} part: {both}. Keep one.")
    return {split: paths[0] for split, paths in found.items()} if "train" in found else {"train": folder}


def _cut(whole: Part, config: Config, listing: Listing, own: dict[str, Part]) -> dict[str, Part]:
    """The training part, and those that have no file of their own."""
    missing = [split for split in SPLITS[1:] if split not in own]
    cut: dict[str, Part] = {}
    if listing.columns.get("split_column") is not None:
        named = {split: whole.kept([each.split == split for each in whole.recordings]) for split in SPLITS}
        for split in (split for split in own if len(named[split])):
            raise ValueError(
                f"The {split} part must be given once. Received: one of its own, and one in the column "
                f"{listing.columns['split_column']!r} of the training table."
            )
        cut = {split: named[split] for split in missing if len(named[split])}
        whole = named["train"]
    elif config.holdout_speaker is not None:
        held = [recording.speaker == config.holdout_speaker for recording in whole.recordings]
        _check_holdout(whole, config, any(held), own)
        cut["test"], whole = whole.kept(held), whole.kept([not each for each in held])
    shares = {split: getattr(config, f"{split}_fraction") for split in missing if split not in cut}
    _check_fractions(shares)
    if not shares:
        return cut | {"train": whole}
    if _by_speaker(whole, config, len(shares) + 1, cut.get("test") or own.get("test")):
        return cut | cut_by_speaker(whole, shares)
    return cut | cut_at_random(whole, shares, config.mode == "classify")


def _by_speaker(whole: Part, config: Config, parts: int, test: Part | None) -> bool:
    """Whether speakers stay whole: unless another rule is given, where at least three are known.

    A test part of its own that shares speakers with the training part is met best by a validation part that does too.
    """
    speakers = {recording.speaker for recording in whole.recordings}
    known = None not in speakers
    if config.split_by is None and test is not None and speakers & {each.speaker for each in test.recordings}:
        return False
    if config.split_by != "speaker":
        return config.split_by is None and known and len(speakers) >= max(FEWEST_SPEAKERS, parts)
    if not known:
        unknown = next(each.place for each in whole.recordings if each.speaker is None)
        advice = f"{unknown} has none. Name the column in speaker_column, or split at random."
        checks.fail("split_by", "'random' where not all speakers are known", "speaker", advice)
    if len(speakers) < parts:
        checks.fail("split_by", f"'random' for less than {parts} speakers", "speaker", f"There are {len(speakers)}.")
    return True


def _check_holdout(whole: Part, config: Config, found: bool, own: dict[str, Part]) -> None:
    if "test" in own:
        checks.fail("holdout_speaker", "left out where DATA has a test part", config.holdout_speaker)
    speakers = sorted({recording.speaker for recording in whole.recordings if recording.speaker is not None})
    if not speakers:
        advice = "Name the column in speaker_column."
        wanted = "a speaker of the data, of whom none is known"
        checks.fail("holdout_speaker", wanted, config.holdout_speaker, advice)
    if not found:
        checks.check_choice("holdout_speaker", config.holdout_speaker, speakers)


def _check_fractions(shares: dict[str, float]) -> None:
    for split, fraction in shares.items():
        if fraction == 0:
            advice = f"Or name a table or folder in `{split}_data`."
            checks.fail(f"{split}_fraction", f"above 0 where nothing else is the {split} part", fraction, advice)
    if sum(shares.values()) >= 1:
        received = ", ".join(f"{split}_fraction={fraction}" for split, fraction in shares.items())
        raise ValueError(
            f"`validation_fraction` and `test_fraction` must leave recordings to train on. Received: {received}."
        )


def _without_copies(parts: dict[str, Part]) -> Part:
    """The training part without recordings that validate or test too."""
    others = {content for split in SPLITS[1:] for content in parts[split].contents}
    return parts["train"].kept([content not in others for content in parts["train"].contents])


def _fraction(part: Part, config: Config) -> Part:
    """The part of the training recordings that is wanted, of every word about the same."""
    if config.data_fraction == 1 or not len(part):
        return part
    words = part.answers if config.mode == "classify" else [""] * len(part)
    groups = np.unique(words, return_inverse=True)[1]
    return part.kept(fractions.kept(groups, config.data_fraction, config.seed).tolist())


def _speaker_notes(parts: dict[str, Part]) -> list[str]:
    """A sentence on speakers of the test part that are trained on: a new voice is harder."""
    trained, tested = ({each.speaker for each in parts[split].recordings} - {None} for split in ("train", "test"))
    heard = tested & trained
    if not heard:
        return []
    count = f"{len(heard)} of {len(tested)}"
    return [f"{count} speakers of the test part are in the training part too: new voices are harder."]


def _check_words(parts: dict[str, Part], classes: tuple[str, ...], config: Config) -> None:
    """Refuse words that no training recording has, or of which there is only one."""
    if config.mode != "classify":
        return
    if len(classes) < 2:
        raise ValueError(f"The training part must have at least two words. Received: {checks.listing(classes)}.")
    for part in parts.values():
        for recording in part.recordings:
            if recording.answer not in classes:
                close = checks.suggestion(recording.answer, classes)
                raise ValueError(
                    f"{recording.place}: the label must be one of the training part: {checks.listing(classes)}. "
                    f"Received: {recording.answer!r}.{close}"
                )


def _rate(part: Part, config: Config) -> int:
    """The rate that recordings are read at: the most frequent one, up to `HIGHEST_RATE`, unless the config says one."""
    if config.sample_rate is not None:
        return config.sample_rate
    rates = Counter(reading.rate_of(recording.path) for recording in part.recordings)
    return min(max(rates, key=lambda rate: (rates[rate], rate)), HIGHEST_RATE)
