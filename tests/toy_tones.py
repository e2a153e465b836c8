"""Recordings of tones that stand for words: deterministic files that lie where every worker and session finds them."""

import os
import tempfile
import wave
from pathlib import Path

import numpy as np
import pandas as pd

RATE = 8000
TONES = {"low": (400, 400), "high": (1300, 1300), "rise": (400, 1300)}  # Hz, first and last


def tone_words() -> pd.DataFrame:
    """Three words of one tone each, low, high and rising, by speakers with voices of their own."""
    generator, rows = np.random.default_rng(0), []
    for number in range(126):
        speaker, word = number % 6, list(TONES)[number // 6 % 3]
        tone = tone_of(word, generator.integers(1600, 2800), speaker, generator)
        rows.append({"file": stored(f"word-{number}.wav", tone), "label": word, "speaker": f"voice {speaker}"})
    return pd.DataFrame(rows)


def tone_strings() -> pd.DataFrame:
    """One to four of the words one after the other, with pauses, and what is said."""
    generator, rows = np.random.default_rng(1), []
    for number in range(180):
        speaker, said = number % 6, generator.choice(list(TONES), generator.integers(1, 5)).tolist()
        pieces = [quiet(generator.integers(400, 900), generator)]
        for word in said:
            pieces += [tone_of(word, generator.integers(1000, 1500), speaker, generator)]
            pieces += [quiet(generator.integers(800, 1500), generator)]
        name = stored(f"string-{number}.wav", np.concatenate(pieces))
        rows.append({"file": name, "transcript": " ".join(said), "speaker": f"voice {speaker}"})
    return pd.DataFrame(rows)


def tone_of(word: str, samples: int, speaker: int, generator: np.random.Generator) -> np.ndarray:
    """`(samples,)`: a tone at a loudness of its own, in the voice of a speaker, over some noise."""
    hertz = np.geomspace(*TONES[word], samples) * (0.9 + 0.04 * speaker)
    tone = generator.uniform(0.1, 0.6) * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
    return tone + quiet(samples, generator)


def quiet(samples: int, generator: np.random.Generator) -> np.ndarray:
    return 0.01 * generator.normal(size=samples)


def stored(name: str, waveform: np.ndarray) -> str:
    """The path of a file in a folder that all sessions share; what it holds is the same in each."""
    folder = Path(tempfile.gettempdir()) / f"seqapps-tests-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    write_wav(folder / name, waveform)
    return str(folder / name)


def write_wav(path: Path, waveform: np.ndarray, sample_rate: int = RATE) -> None:
    """Write `(samples,)` in [-1, 1] as 16-bit WAV, in one step, as another worker may be reading the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    with wave.open(str(temporary), "wb") as file:
        file.setparams((1, 2, sample_rate, 0, "NONE", ""))
        file.writeframes(np.round(waveform * 32767).astype("<i2").tobytes())
    temporary.replace(path)
