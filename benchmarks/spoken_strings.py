"""Connected digits from the Free Spoken Digit Dataset: strings of 3 to 7 recordings of one speaker, with noisy gaps."""

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COUNTS = {"train": 2000, "validation": 300, "test": 500}
TAKES = {"train": range(10, 50), "validation": range(5, 10), "test": range(5)}
FEWEST, MOST = 3, 7  # digits of a string
LONGEST_GAP = 0.3  # seconds
QUIET = 0.1  # of a recording: its quietest frames, in which there is only background
FRAME = 80  # samples
SEED = 20170


def write(data: Path, folder: Path, chosen: bool) -> Path:
    """Write the strings and their table; with `chosen` the validation strings test too.

    Args:
        data: Folder of the data set.
        folder: Where the recordings go.
        chosen: As above.
    """
    metadata = pd.read_csv(data / "metadata.csv", dtype=str)
    metadata["take"] = metadata["index"].astype(int)
    rows = []
    for split, takes in TAKES.items():
        if chosen and split == "test":
            continue
        part = metadata[metadata["take"].isin(takes)]
        generator = np.random.default_rng([SEED, sorted(TAKES).index(split)])
        for number in range(COUNTS[split]):
            rows.append(_string(data, folder, part, split, number, generator))
    if chosen:
        again = [dict(row, split="test") for row in rows if row["split"] == "validation"]
        rows += again
    pd.DataFrame(rows).to_csv(folder / "strings.csv", index=False)
    return folder / "strings.csv"


def _string(
    data: Path, folder: Path, part: pd.DataFrame, split: str, number: int, generator: np.random.Generator
) -> dict[str, str]:
    """One string of a speaker who is drawn: its recording, written, and its row of the table."""
    speaker = str(generator.choice(sorted(part["speaker"].unique())))
    own = part[part["speaker"] == speaker]
    chosen = own.iloc[generator.integers(len(own), size=generator.integers(FEWEST, MOST + 1))]
    pieces = []
    for name in chosen["file"]:
        samples, rate = soundfile.read(data / name, dtype="float64")
        if pieces:
            gap = round(generator.uniform(0, LONGEST_GAP) * rate)
            pieces.append(generator.normal(0, _background(samples), gap))
        pieces.append(samples)
    file = f"{split}_{number:04d}.wav"
    soundfile.write(folder / file, np.clip(np.concatenate(pieces), -1, 1), rate, subtype="PCM_16")
    transcript = " ".join(WORDS[int(label)] for label in chosen["label"])
    return {"file": file, "transcript": transcript, "speaker": speaker, "split": split}


def _background(samples: np.ndarray) -> float:
    """The level of the quietest moments of a recording: root mean square."""
    count = max(len(samples) // FRAME, 1)
    frames = np.resize(samples, (count, min(FRAME, len(samples))))
    return float(np.quantile(np.sqrt(np.square(frames).mean(axis=1)), QUIET))
