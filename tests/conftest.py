"""Shared by the tests: a quiet TensorFlow on one thread, and one tiny trained run per task and cell."""

import os

os.environ |= {  # before anything imports TensorFlow
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
}

import fcntl
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from toy_tones import tone_strings, tone_words

PERIOD, WRONG_SEASON, STEPS = 11, 7, 401
KERAS_VARIABLES = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", KERAS_VARIABLES)  # Keras itself calls np.array(variable) when it saves


@dataclass(frozen=True)
class Toy:
    """A problem that a task learns in seconds, and the options that train it."""

    data: Any
    options: dict[str, Any]


def sine_with_gaps() -> pd.DataFrame:
    """Two waves without noise; some values are empty and one row is absent. The row number is the hour."""
    hours = np.arange(STEPS)
    angle = 2 * np.pi * hours / PERIOD
    frame = pd.DataFrame({"tide": 31 + 7 * np.sin(angle), "swell": 5 + 2 * np.cos(angle)})
    frame.loc[[17, 18, 101, 331, 387], "tide"] = np.nan
    frame.loc[[59, 353], "swell"] = np.nan
    frame.insert(0, "time", pd.date_range("2024-01-01", periods=STEPS, freq="h"))
    return frame.drop(index=71)


def keyword_reviews() -> pd.DataFrame:
    """Nonsense words around one that decides; the texts have different lengths."""
    generator = np.random.default_rng(0)
    filler = [first + vowel + last for first in "bdfgk" for vowel in "aeiou" for last in "lmnrst"]
    rows = []
    for number in range(240):
        words = generator.choice(filler, generator.integers(3, 12)).tolist()
        label = ("dull", "fine")[number % 2]
        words.insert(generator.integers(len(words) + 1), {"dull": "boring", "fine": "splendid"}[label])
        rows.append({"text": " ".join(words).capitalize() + ".", "label": label})
    return pd.DataFrame(rows)


def alphabet_songs() -> pd.DataFrame:
    """Three letters over and over, from any of them on; only the first one of a text is left to chance."""
    generator = np.random.default_rng(0)
    lengths, starts = generator.integers(20, 41, 60), generator.integers(3, size=60)
    return pd.DataFrame(
        {"text": [("abc" * 20)[start:][:length] for start, length in zip(starts, lengths, strict=True)]}
    )


def reversed_letters() -> pd.DataFrame:
    """Up to four letters, and the same from the last one on in capitals."""
    generator = np.random.default_rng(0)
    sources = ["".join(generator.choice(list("abcd"), length)) for length in generator.integers(1, 5, 300)]
    return pd.DataFrame({"source": sources, "target": [each[::-1].upper() for each in sources]}).drop_duplicates()


TOYS = {
    "forecasting": Toy(
        sine_with_gaps(),
        {
            "window": 13,
            "horizon": 5,
            "season_length": WRONG_SEASON,
            "units": 7,
            "normalization": "standard",
            "batch_size": 16,
            "epochs": 7,
            "learning_rate": 0.05,
        },
    ),
    "sentiment": Toy(
        keyword_reviews(),
        {
            "units": 7,
            "embedding_size": 5,
            "max_tokens": 11,
            "batch_size": 16,
            "epochs": 5,
            "learning_rate": 0.05,
        },
    ),
    "generation": Toy(
        alphabet_songs(),
        {
            "units": 7,
            "embedding_size": 5,
            "batch_size": 8,
            "truncation_steps": 13,
            "epochs": 5,
            "learning_rate": 0.05,
        },
    ),
    "translation": Toy(
        reversed_letters(),
        {
            "tokenizer": "character",
            "units": 17,
            "embedding_size": 7,
            "tokens_per_batch": 41,
            "epochs": 25,
            "patience": None,
            "learning_rate": 0.03,
            "label_smoothing": 0.0,
            "bleu_tokenizer": "char",
            "validation_fraction": 0.15,
            "test_fraction": 0.15,
        },
    ),
    "speech": Toy(
        tone_words(),
        {
            "units": 7,
            "mel_bins": 11,
            "augment": False,
            "batch_size": 8,
            "epochs": 7,
            "learning_rate": 0.03,
        },
    ),
    "speech transcripts": Toy(  # of which the contract is held in tests/tasks/speech
        tone_strings(),
        {
            "mode": "transcribe",
            "tokenizer": "word",
            "units": 17,
            "mel_bins": 11,
            "stack_frames": 2,
            "augment": False,
            "batch_size": 8,
            "epochs": 40,
            "learning_rate": 0.02,
        },
    ),
}


@pytest.fixture(scope="session")
def toys() -> dict[str, Toy]:
    """The toy problem of every task."""
    return TOYS


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, worker_id) -> Callable[..., Path]:
    """`trained_run(task, cell)`: the run of a toy problem, trained once and shared by all workers. Do not change it."""
    root = tmp_path_factory.getbasetemp()
    root = root if worker_id == "master" else root.parent

    def run(task: str = "forecasting", cell: str = "gru") -> Path:
        folder = root / f"{task}-{cell}"
        with (root / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "manifest.json").is_file():
                module = import_module(f"seqapps.tasks.{task.split()[0]}")
                module.train(module.Config(cell=cell, **TOYS[task].options), TOYS[task].data, folder)
        return folder

    return run
