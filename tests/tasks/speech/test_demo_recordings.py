"""The demo data are what the README says: tables and files agree, no voice is in two parts, and all can be heard."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

FOLDER = Path(__file__).parents[3] / "data" / "speech"
TEXT_COLUMNS = {"digits": "label", "strings": "transcript"}
WORDS = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
SPLITS = ("train", "validation", "test")
MOST_BYTES = 6_000_000
ESPEAK = "1.51"  # the version that made the data
ONE_STEP = 64  # of the stored samples: rounding may differ by it from one machine to the next
every_table = pytest.mark.parametrize("kind", TEXT_COLUMNS)


@pytest.fixture(scope="module")
def tables():
    return {kind: pd.read_csv(FOLDER / f"{kind}.csv") for kind in TEXT_COLUMNS}


@pytest.fixture(scope="module")
def sounds(tables):
    """Samples of every file of the tables, as 16-bit integers of shape `(samples,)`."""
    return {name: read(FOLDER / name) for table in tables.values() for name in table["file"]}


def read(path):
    samples, rate = soundfile.read(path, dtype="int16")
    assert (rate, samples.ndim, soundfile.info(path).subtype) == (8000, 1, "PCM_16"), path
    return samples


def test_there_are_as_many_recordings_and_speakers_as_the_readme_says(tables):
    for kind, counts in {"digits": (480, 80, 100), "strings": (240, 40, 50)}.items():
        assert list(tables[kind].columns) == ["file", TEXT_COLUMNS[kind], "speaker", "split"]
        assert tables[kind]["split"].value_counts().to_dict() == dict(zip(SPLITS, counts, strict=True))
        speakers = tables[kind].groupby("split")["speaker"].nunique()
        assert speakers.to_dict() == {"train": 16, "validation": 4, "test": 5}


@every_table
def test_every_file_is_listed_once_and_every_listed_file_exists(tables, kind):
    listed = Counter(tables[kind]["file"])
    assert set(listed.values()) == {1}
    assert set(listed) == {f"{kind}/{path.name}" for path in (FOLDER / kind).iterdir()}


def test_every_speaker_says_all_ten_words_equally_often(tables):
    counts = tables["digits"].groupby(["split", "speaker", "label"]).size().unstack("label")
    assert set(counts.columns) == WORDS
    for split, times in zip(SPLITS, (3, 2, 2), strict=True):
        assert (counts.loc[split] == times).all(axis=None)


def test_a_string_is_two_to_five_of_the_words_and_no_string_is_said_twice(tables):
    transcripts = tables["strings"]["transcript"]
    words = transcripts.str.split(" ")
    assert set(words.str.len()) == {2, 3, 4, 5}
    assert set(words.explode()) == WORDS
    assert transcripts.is_unique


def test_no_speaker_is_in_two_splits_and_no_accent_has_a_variant_in_two(tables):
    everyone = pd.concat(tables.values())
    assert (everyone.groupby("speaker")["split"].nunique() == 1).all()
    voices = everyone["speaker"].str.rsplit("-", n=1).str[0]  # without the pitch
    assert (everyone.groupby(voices)["split"].nunique() == 1).all()
    assert voices.nunique() == everyone["speaker"].nunique() == 25


def test_recordings_are_neither_silent_nor_clipped_and_differ(sounds):
    for name, samples in sounds.items():
        loudest = np.abs(samples.astype(int)).max() / 32768
        assert 0.09 < loudest < 0.35, name
        assert np.sqrt(np.mean((samples / 32768) ** 2)) > 0.005, name
        assert abs(np.mean(samples / 32768)) < 0.01, name
    assert len({samples.tobytes() for samples in sounds.values()}) == len(sounds) == 990


def test_a_recording_lasts_as_long_as_its_words_need(tables, sounds):
    for kind, table in tables.items():
        for name, text in zip(table["file"], table[TEXT_COLUMNS[kind]], strict=True):
            words = len(text.split())
            assert 0.13 * words < len(sounds[name]) / 8000 < 1.2 * words + 0.1, name


def test_the_whole_folder_is_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < MOST_BYTES


@pytest.mark.slow
def test_the_program_makes_them_again(tables, sounds, tmp_path):
    found = shutil.which("espeak-ng")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout if found else ""
    if f" {ESPEAK} " not in version:
        pytest.skip(f"espeak-ng {ESPEAK} is not here")
    subprocess.run([sys.executable, str(FOLDER / "make.py"), str(tmp_path)], check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == {"digits", "digits.csv", "strings", "strings.csv"}
    for kind in tables:
        assert (tmp_path / f"{kind}.csv").read_bytes() == (FOLDER / f"{kind}.csv").read_bytes()
        assert len(list((tmp_path / kind).iterdir())) == len(tables[kind])
    for name, samples in sounds.items():
        again = read(tmp_path / name)
        assert again.shape == samples.shape, name
        assert np.abs(again.astype(int) - samples).max() <= ONE_STEP, name
