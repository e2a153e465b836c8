"""Waveforms on disk: many recordings in one file, read once and padded where they are used."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqapps import run_folder
from seqapps.audio import reading


@dataclass(frozen=True)
class Sounds:
    """Waveforms of many recordings, one after the other.

    Attributes:
        samples: `(samples,)` float32 in [-1, 1], memory-mapped.
        starts: `(recordings + 1,)`; recording `i` is `samples[starts[i] : starts[i + 1]]`.
    """

    samples: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Samples of every recording."""
        return np.diff(self.starts)

    def padded(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some recordings, padded right with 0 to the longest of them, which counts as one sample at least.

        Returns:
            `(rows, longest)` float32, and the samples of each `(rows,)` int32.

        Example:

        >>> sounds = Sounds(np.array([0.5, -0.5, 0.25], "float32"), np.array([0, 2, 3]))
        >>> batch, lengths = sounds.padded(np.array([1, 0]))
        >>> batch.tolist(), lengths.tolist()
        ([[0.25, 0.0], [0.5, -0.5]], [1, 2])
        """
        lengths = self.starts[rows + 1] - self.starts[rows]
        batch = np.zeros((len(rows), int(lengths.max(initial=1))), "float32")
        for position, (start, length) in enumerate(zip(self.starts[rows], lengths, strict=True)):
            batch[position, :length] = self.samples[start : start + length]
        return batch, lengths.astype("int32")


def write(paths: Iterable[str | Path], sample_rate: int, max_seconds: float, file: str | Path) -> Sounds:
    """Read recordings, one at a time, into a file that is then read from disk.

    Args:
        paths: The recordings, in their order.
        sample_rate: That all of them get, in Hz.
        max_seconds: The most that is read of each.
        file: Where the samples go; an old file is replaced once all recordings are read.

    Raises:
        FileNotFoundError: If a recording is not there.
        ValueError: If one cannot be read, or nothing can be heard in it.
    """
    starts = [0]
    with run_folder.atomic_path(file) as temporary, temporary.open("wb") as target:
        for path in paths:
            samples = reading.read(path, sample_rate, max_seconds)
            target.write(samples.tobytes())
            starts.append(starts[-1] + len(samples))
    # An empty file cannot be mapped.
    samples = np.memmap(file, "float32", "r") if starts[-1] else np.zeros(0, "float32")
    return Sounds(samples, np.array(starts))
