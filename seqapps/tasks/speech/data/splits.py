"""The parts of the data: which recordings belong to each, by whole speakers or at random, and their fingerprints."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from seqapps.tasks.speech.data.listing import Recording

SPLITS = ("train", "validation", "test")
FEWEST_SPEAKERS = 3  # that can be cut into three parts


@dataclass(frozen=True)
class Part:
    """The recordings of one split.

    Attributes:
        recordings: In the order of the data.
        contents: SHA-256 of every file.
    """

    recordings: tuple[Recording, ...]
    contents: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.recordings)

    @property
    def answers(self) -> list[str]:
        """What is said in every recording."""
        return [recording.answer or "" for recording in self.recordings]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the files and what is said in them, in their order."""
        digest = hashlib.sha256()
        for content, answer in zip(self.contents, self.answers, strict=True):
            digest.update(repr((content, answer)).encode())
        return digest.hexdigest()

    def kept(self, which: Sequence[bool]) -> "Part":
        """The recordings that `which` marks."""
        pairs = zip(self.recordings, self.contents, which, strict=True)
        kept = [(recording, content) for recording, content, marked in pairs if marked]
        return Part(tuple(pair[0] for pair in kept), tuple(pair[1] for pair in kept))


@dataclass(frozen=True)
class Splits:
    """What a model that listens is trained, chosen and judged on.

    Attributes:
        parts: For every split its recordings.
        classes: The words, sorted, whole numbers by their value; empty where transcripts are written.
        sample_rate: That recordings are read at, in Hz.
        columns: For every option of a column the name that was found.
        notes: What a person should know of the data.
    """

    parts: dict[str, Part]
    classes: tuple[str, ...]
    sample_rate: int
    columns: Mapping[str, str | None]
    notes: tuple[str, ...] = ()

    @property
    def fingerprints(self) -> dict[str, str]:
        """For every split that of its recordings."""
        return {split: part.fingerprint for split, part in self.parts.items()}


def part_of(recordings: Sequence[Recording]) -> Part:
    """A part with the contents of its files."""
    return Part(tuple(recordings), tuple(map(_content, recordings)))


def _content(recording: Recording) -> str:
    if not recording.path.is_file():
        raise FileNotFoundError(f"{recording.place}: there is no file {str(recording.path)!r}.")
    with recording.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sorted_words(words: set[str]) -> tuple[str, ...]:
    """Words in the order of a model's outputs.

    Example:

    >>> sorted_words({"10", "9", "no", "yes"})
    ('9', '10', 'no', 'yes')
    """

    def place(word: str) -> tuple[bool, int, str]:
        number = word.isascii() and word.isdigit()
        return not number, int(word) if number else 0, word

    return tuple(sorted(words, key=place))


def cut_by_speaker(part: Part, fractions: Mapping[str, float]) -> dict[str, Part]:
    """Whole speakers for every split, in an order that their names alone decide, until it has its share.

    Args:
        part: With at least one speaker more than there are fractions.
        fractions: For every split but the training part its share of the recordings; each gets one speaker at least.
    """
    counts: dict[str, int] = defaultdict(int)
    for recording in part.recordings:
        counts[recording.speaker or ""] += 1
    waiting = sorted(counts, key=lambda name: hashlib.sha256(name.encode()).digest())
    owner = {}
    for number, (split, fraction) in enumerate(fractions.items()):
        taken, spared = 0, len(fractions) - number  # speakers that the other splits and the training part need
        while len(waiting) > spared and (taken == 0 or taken + counts[waiting[0]] / 2 <= fraction * len(part)):
            name = waiting.pop(0)
            owner[name], taken = split, taken + counts[name]
    places = [owner.get(recording.speaker or "", "train") for recording in part.recordings]
    return {split: part.kept([place == split for place in places]) for split in ("train", *fractions)}


def cut_at_random(part: Part, fractions: Mapping[str, float], by_answer: bool) -> dict[str, Part]:
    """By the contents of files, so that equal recordings stay together and every run cuts alike.

    Args:
        part: What is cut.
        fractions: For every split but the training part its share.
        by_answer: Whether every word is cut on its own, so that each part has its share of it.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for position, recording in enumerate(part.recordings):
        groups[(recording.answer or "") if by_answer else ""].append(position)
    place = ["train"] * len(part)
    for rows in groups.values():
        order, begin = sorted(rows, key=lambda row: part.contents[row]), 0
        for split, fraction in fractions.items():
            end = begin + round(fraction * len(order))
            while 0 < end < len(order) and part.contents[order[end]] == part.contents[order[end - 1]]:
                end += 1
            for row in order[begin:end]:
                place[row] = split
            begin = end
    return {split: part.kept([each == split for each in place]) for split in ("train", *fractions)}
