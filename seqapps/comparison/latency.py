"""How long served models take to answer one request and a batch: in turn, so that all see the same machine."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqapps import export

BATCH = 32  # rows of the larger request
TURNS, WARM_UP = 30, 2
MOST_SECONDS = 60.0  # for all models together, after which no new turn begins
SIGNATURE = "serving_default"


def measure(versions: Mapping[str, Path], turns: int = TURNS) -> dict[str, tuple[float, float]]:
    """For every model the median milliseconds of one request, and of a batch of 32.

    Every model answers its own example request: the first row of it, and its rows over and over.

    Args:
        versions: SavedModels by name.
        turns: How often each is asked, at most; in every turn all of them are, one after the other.
    """
    asked = {name: _requests(path) for name, path in versions.items()}
    took: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in versions}
    began = time.monotonic()
    for turn in range(WARM_UP + turns):
        if turn > WARM_UP and time.monotonic() - began > MOST_SECONDS:
            break
        for name, requests in asked.items():
            for request, times in zip(requests, took[name], strict=True):
                started = time.perf_counter()
                request()
                if turn >= WARM_UP:
                    times.append(1000 * (time.perf_counter() - started))
    return {name: (statistics.median(one), statistics.median(batch)) for name, (one, batch) in took.items()}


def _requests(version: Path) -> Sequence[Callable[[], object]]:
    """What asks a SavedModel for one row, and for a batch."""
    function = tf.saved_model.load(str(version)).signatures[SIGNATURE]
    golden = json.loads((version / "assets.extra" / export.GOLDEN_FILE).read_text(encoding="utf-8"))
    example = next(each for each in golden if each["signature"] == SIGNATURE)
    rows = export.decoded(example["inputs"])
    return [_asking(function, rows, count) for count in (1, BATCH)]


def _asking(function, rows: Mapping[str, np.ndarray], count: int) -> Callable[[], object]:
    inputs = {name: tf.constant(np.resize(values, (count, *values.shape[1:]))) for name, values in rows.items()}
    return lambda: [answer.numpy() for answer in function(**inputs).values()]
