"""Make the recordings of this folder again: digits that synthetic voices say, with noise and silence around them.

    python make.py FOLDER

writes `digits/` (one word per recording) with its table `digits.csv`, and `strings/` (two to five words per recording)
with `strings.csv`. It needs espeak-ng on the path, and soundfile, soxr and numpy. A second run writes the same bytes;
another version of espeak-ng may write others (the project's data are from 1.51). What FOLDER holds under these names
is replaced once all is made.

A speaker is an accent of espeak-ng, one of its variants, which differ in formants, breath and melody, and a pitch.
Every speaker stands in one split, and no other has both its accent and its variant. Who trains says every word slowly,
at an even pace and fast; who is listened to later says it twice. A recording is

    silence, word, gap, word, ..., silence      pace, pitch and loudness of every word vary a little
    + noise with a spectrum of 1/f^colour       colour and level vary from recording to recording
    through a microphone                        which favours low or high sounds, by speaker

and its samples are multiples of `STEP`: the files are small, and the rounding adds less noise than nearly all have.
Connected words are the single ones of the same speaker, and no two strings have the same words.
The output is dedicated to the public domain (CC0 1.0).
"""

import argparse
import csv
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPEAKERS = {
    "train": (
        "en-us m1 low", "en-us f2 mid", "en-us-nyc m3 mid", "en-us-nyc linda high", "en-gb m4 mid", "en-gb f1 high",
        "en-gb-x-rp m2 low", "en-gb-x-rp f3 mid", "en-gb-scotland m6 mid", "en-gb-scotland f5 low",
        "en-029 m7 mid", "en-029 aunty mid", "en-gb-x-gbclan max high", "en-gb-x-gbclan steph mid",
        "en-us croak low", "en-gb klatt2 mid",
    ),
    "validation": ("en-us m5 high", "en-gb belinda mid", "en-gb-scotland klatt4 low", "en-029 f2 high"),
    "test": (
        "en-us f4 mid", "en-gb robert low", "en-gb-x-rp m8 high", "en-gb-x-gbcwmd grandma mid", "en-us-nyc quincy mid",
    ),
}  # fmt: skip
PITCHES = {"low": 25, "mid": 50, "high": 75}  # of espeak-ng, 0 to 99
PACES = {"train": (0.75, 1.0, 1.3), "validation": (0.8, 1.2), "test": (0.8, 1.2)}  # relative to the speaker's own
STRINGS = {"train": 15, "validation": 10, "test": 10}  # recordings of several words, per speaker
FEWEST, MOST = 2, 5  # words in one of them
SAMPLE_RATE = 8000
EDGE, GAP = 0.2, 0.25  # seconds of silence, at most: before and after the words, and between two
NOISE = (10.0, 30.0)  # decibels by which the noise is below the words
TILT = 0.5  # of a microphone, at most: a power of the frequency
PEAK = (0.1, 0.33)  # of a recording, relative to full scale
STEP = 64  # of the stored samples, in units of 1/32768
SEED = 0


class Speaker(NamedTuple):
    """One voice: its name in the tables, its split, its name and pitch in espeak-ng."""

    name: str
    split: str
    voice: str
    pitch: int


def speakers() -> list[Speaker]:
    """Return everyone who speaks, split by split."""
    found = []
    for split, descriptions in SPEAKERS.items():
        for description in descriptions:
            accent, variant, tone = description.split()
            found.append(Speaker(f"{accent}-{variant}-{tone}", split, f"{accent}+{variant}", PITCHES[tone]))
    return found


def randomness(*names: str) -> np.random.Generator:
    """Return random numbers of a recording's own, so that it stays as it is when others come or go."""
    return np.random.default_rng([SEED, *"/".join(names).encode()])


def say(voice: str, word: str, pace: int, pitch: int) -> np.ndarray:
    """Return a word of unit root mean square, without the silence around it, shape `(samples,)`."""
    # Half amplitude: some variants are clipped at the default of 100.
    options = ["-v", voice, "-s", str(pace), "-p", str(pitch), "-a", "50", "-z", "--stdout"]
    wave = subprocess.run(["espeak-ng", *options, word], check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(wave), dtype="float64")
    samples = soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")
    heard = np.flatnonzero(np.abs(samples) > np.abs(samples).max() / 300)
    samples = samples[heard[0] : heard[-1] + 1]
    return samples / np.sqrt(np.mean(samples**2))


def words_of(speaker: Speaker) -> dict[str, list[np.ndarray]]:
    """Return every word at every pace, each a little different."""
    own = randomness(speaker.name).uniform(160, 220)  # in words per minute
    words: dict[str, list[np.ndarray]] = {word: [] for word in WORDS}
    for word in WORDS:
        for take, pace in enumerate(PACES[speaker.split], 1):
            rng = randomness(speaker.name, word, str(take))
            minute = round(own * pace * rng.uniform(0.93, 1.07))
            words[word].append(say(speaker.voice, word, minute, speaker.pitch + int(rng.integers(-15, 16))))
    return words


def tilted(samples: np.ndarray, exponent: float) -> np.ndarray:
    """Return samples whose spectrum is multiplied by frequency to the power of `exponent`, as at 50 Hz below that."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)  # Hz
    return np.fft.irfft(np.fft.rfft(samples) * (np.maximum(frequencies, 50) / 1000) ** exponent, len(samples))


def recording(speaker: Speaker, words: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return words one after the other, with what surrounds them, as 16-bit samples of shape `(samples,)`."""
    seconds = [rng.uniform(0, EDGE), *rng.uniform(0, GAP, len(words) - 1), rng.uniform(0, EDGE)]
    silences = [np.zeros(round(duration * SAMPLE_RATE)) for duration in seconds]
    parts = [silences[0]]
    for word, silence in zip(words, silences[1:], strict=True):
        parts += [word * 10 ** (rng.uniform(-3, 3) / 20), silence]
    sound = np.concatenate(parts)
    noise = tilted(rng.standard_normal(len(sound)), -rng.uniform(0, 2) / 2)
    noise *= 10 ** (-rng.uniform(*NOISE) / 20) / np.sqrt(np.mean(noise**2))
    sound = tilted(sound + noise, randomness(speaker.name, "microphone").uniform(-TILT, TILT))
    sound *= rng.uniform(*PEAK) / np.abs(sound).max()
    return (np.round(sound * (32768 / STEP)) * STEP).astype(np.int16)


def flac(samples: np.ndarray) -> bytes:
    """Return a FLAC file without its optional blocks: they name the encoder and are larger than some words."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, "PCM_16", format="FLAC", compression_level=1.0)
    data = buffer.getvalue()
    start, last = 4, False
    blocks = [data[:4]]
    while not last:
        last, kind = data[start] >= 128, data[start] % 128
        end = start + 4 + int.from_bytes(data[start + 1 : start + 4], "big")
        if kind == 0:  # the properties of the stream, which now are the last block
            blocks += [bytes([128]), data[start + 1 : end]]
        start = end
    return b"".join([*blocks, data[start:]])


def transcripts(rng: np.random.Generator, count: int, said: set[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield `count` sequences of words that are not in `said`, and add them to it."""
    for _ in range(count):
        length = rng.integers(FEWEST, MOST + 1)
        words = tuple(rng.choice(WORDS, length).tolist())
        while words in said:
            words = tuple(rng.choice(WORDS, length).tolist())
        said.add(words)
        yield words


def write_all(folder: Path) -> dict[str, list[tuple[str, ...]]]:
    """Write the recordings of everybody and return the rows of both tables, by the name of the table."""
    rows: dict[str, list[tuple[str, ...]]] = {"digits": [], "strings": []}
    said: set[tuple[str, ...]] = set()

    def keep(kind: str, speaker: Speaker, name: str, text: str, samples: np.ndarray) -> None:
        path = f"{kind}/{speaker.name}-{name}.flac"
        (folder / path).write_bytes(flac(samples))
        rows[kind].append((path, text, speaker.name, speaker.split))

    for kind in rows:
        (folder / kind).mkdir()
    for speaker in speakers():
        takes = words_of(speaker)
        for word in WORDS:
            for number, take in enumerate(takes[word], 1):
                name = f"{word}-{number}"
                keep("digits", speaker, name, word, recording(speaker, [take], randomness(speaker.name, name)))
        rng = randomness(speaker.name, "strings")
        for number, words in enumerate(transcripts(rng, STRINGS[speaker.split], said), 1):
            chosen = [takes[word][rng.integers(len(takes[word]))] for word in words]
            keep("strings", speaker, f"{number:02}", " ".join(words), recording(speaker, chosen, rng))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Write recordings of English digits said by synthetic voices.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args().folder
    if shutil.which("espeak-ng") is None:
        raise SystemExit("error: espeak-ng is not on the path; install it first")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        made = Path(temporary)
        rows = write_all(made)
        for kind, text in (("digits", "label"), ("strings", "transcript")):
            with (made / f"{kind}.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([("file", text, "speaker", "split"), *rows[kind]])
        for kind in rows:
            if (folder / kind).exists():
                shutil.rmtree(folder / kind)
            for name in (kind, f"{kind}.csv"):
                os.replace(made / name, folder / name)
    print(", ".join(f"{len(entries)} {kind}" for kind, entries in rows.items()), f"by {len(speakers())} speakers")


if __name__ == "__main__":
    main()
