"""Shared by the tests of speech: tiny recordings, in folders and tables."""

import numpy as np
import pandas as pd
import pytest
from toy_tones import write_wav


@pytest.fixture
def record(tmp_path):
    """Writes a recording of its own for every seed, and tells its name."""

    def write(name, seed=None, sample_rate=8000):
        seed = sum(map(ord, name)) if seed is None else seed
        write_wav(tmp_path / name, np.random.default_rng(seed).uniform(-0.5, 0.5, 90), sample_rate)
        return name

    return write


@pytest.fixture
def table(record):
    """A table of recordings that it writes: words in turn, speakers in blocks of `each`."""

    def of(count, words=("no", "yes"), speakers=0, each=1, prefix="r"):
        rows = []
        for number in range(count):
            row = {"file": record(f"{prefix}{number}.wav", number), "label": words[number % len(words)]}
            if speakers:
                row["speaker"] = f"s{number // each % speakers}"
            rows.append(row)
        return pd.DataFrame(rows)

    return of
