"""Metrics through the bundle beside the baselines, what chance explains, and how original written texts are."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps.tasks.generation.baselines import Baselines
from seqapps.tasks.generation.data import Part, Splits
from seqapps.tasks.generation.evaluation import cache, originality, reading
from seqapps.tasks.generation.evaluation.scores import (
    CACHE,
    FRESH,
    LOWER_IS_BETTER,
    METRICS,
    MODEL,
    OWN,
    chance,
    scores,
    verdict,
)
from seqapps.tasks.generation.serving import Served
from seqapps.text.batches import Encoded
from seqapps.text.kinds import END, PAD, START, UNKNOWN
from seqapps.text.tokenizers import Tokenizer

__all__ = ["LOWER_IS_BETTER", "METRICS", "MODEL", "OWN", "Evaluation", "calibrate", "evaluate", "prediction_table"]

VALIDATED = 100_000  # tokens that choose the cache
MOST_EVALUATED = 2_000_000  # tokens of a part that are scored
CUT_NOTE = f"The part is long: its first {MOST_EVALUATED} tokens were scored."
TEMPERATURES = (0.5, 0.8, 1.0)
SAMPLES, SAMPLE_TOKENS = 16, 256  # texts at each temperature, and their tokens


@dataclass(frozen=True)
class Evaluation:
    """What was thought of every token of a split, with its scores.

    Attributes:
        encoded: The documents.
        places: Where every document stands.
        nats: For every method `(tokens,)` of the stream, 0 where nothing is predicted.
        likeliest: `(tokens,)` what the model took for likeliest, the state carried.
        samples: For every temperature the written texts.
        metrics: What `metrics.json` holds.
    """

    encoded: Encoded
    places: list[str]
    nats: dict[str, np.ndarray]
    likeliest: np.ndarray
    samples: dict[float, list[str]]
    metrics: dict[str, Any]


def calibrate(served: Served, validation: Encoded) -> dict[str, Any]:
    """The neural cache that fits validation best: what `calibration.json` holds."""
    some = _first_tokens(validation, VALIDATED)
    nats, _, cached = cache.probabilities(reading.carried(served, some), some, cache.FLATNESS)
    counted = _counted(some.token_ids)
    return {"cache": cache.choose(nats[counted], cached[:, counted])}


def evaluate(served: Served, splits: Splits, split: str, baselines: Baselines | None) -> Evaluation:
    """Read a split with the served model and its baselines, and write samples.

    Args:
        served: The run's SavedModel.
        splits: The data, cut by the run's rule.
        split: `"test"`, `"validation"` or `"all"`.
        baselines: Fitted with the run; `None` leaves the model alone in the table.
    """
    part = splits.parts[split]
    encoded, cut = _encoded(served, part)
    nats, likeliest = _read(served, encoded, baselines)
    counted = _counted(encoded.token_ids)
    characters, size = _measured(served, encoded) if cut else _whole_size(part)
    methods = {method: scores(each[counted], characters, size) for method, each in nats.items()}
    chances = chance({method: each[counted] for method, each in nats.items()})
    samples, told = _samples(served, baselines)
    metrics = {
        "split": split,
        "tokens": int(counted.sum()),
        "characters": characters,
        "bytes": size,
        "documents": len(encoded),
        "unknown_tokens": int((encoded.token_ids == UNKNOWN).sum()),
        "window": reading.WINDOW,
        "methods": methods,
        "verdict": verdict(methods, chances),
        "t_test": chances,
        "samples": told,
        "notes": [*splits.notes, *([CUT_NOTE] if cut else [])],
    }
    places = [document.place for document, _ in part]
    return Evaluation(encoded, places, nats, likeliest, samples, metrics)


def prediction_table(evaluation: Evaluation, tokenizer: Tokenizer) -> pd.DataFrame:
    """One row per window of tokens: where it begins, its text, what was likeliest at each token, and every loss.

    Losses are nats per token; `tokens` says how many a window has.
    """
    rows = []
    encoded, window = evaluation.encoded, evaluation.metrics["window"]
    for number, (start, stop) in enumerate(zip(encoded.starts[:-1], encoded.starts[1:], strict=True)):
        for first in range(start + 1, stop, window):
            places = np.arange(first, min(first + window, stop))
            places = places[_counted(encoded.token_ids[places])]
            if not len(places):
                continue
            row: dict[str, Any] = {"id": f"{evaluation.places[number]}, token {first - start - 1}"}
            ids = np.stack([encoded.token_ids[places], evaluation.likeliest[places]])
            ids[ids == END] = PAD  # which is not written, where an end would hide what comes after it
            row["reference"], row["answer"] = (text.decode() for text in tokenizer.decode(ids).numpy())
            row["tokens"] = len(places)
            row["loss"] = -evaluation.nats[MODEL][places].mean()
            row |= {method: -each[places].mean() for method, each in evaluation.nats.items() if method != MODEL}
            rows.append(row)
    return pd.DataFrame(rows)


def _read(served: Served, encoded: Encoded, baselines: Baselines | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """For every method the nats of every token of the stream, and what the model took for likeliest."""
    chosen = served.calibration["cache"]
    exponents = (chosen["flatness"],)
    carried, likeliest, cached = cache.probabilities(reading.carried(served, encoded), encoded, exponents)
    fresh, _ = reading.spread(reading.fresh(served, encoded), len(encoded.token_ids))
    nats = {MODEL: carried, FRESH: fresh, CACHE: cache.mixed(carried, cached[0], chosen["share"])}
    for method, told in (baselines.log_probabilities(encoded.token_ids) if baselines else {}).items():
        nats[method] = np.zeros(len(encoded.token_ids))
        nats[method][encoded.token_ids != START] = told
    return nats, likeliest


def _samples(served: Served, baselines: Baselines | None) -> tuple[dict[float, list[str]], dict[str, Any]]:
    """Texts written at several temperatures, and for each how varied and how original they are."""
    samples, told = {}, {}
    training = None if baselines is None else baselines.token_ids
    for temperature in TEMPERATURES:
        texts = served.generate([""] * SAMPLES, temperature=temperature, max_new_tokens=SAMPLE_TOKENS)
        token_ids = [np.array(row, "int32") for row in served.preprocessing.tokenizer.encode(texts).to_list()]
        told[str(temperature)] = dict(originality.distinct(token_ids))
        if training is not None:
            copied = originality.longest_copied(token_ids, training)
            text = served.preprocessing.tokenizer.decode(copied[None]).numpy()[0].decode()
            told[str(temperature)] |= {"longest_copied_tokens": len(copied), "longest_copied": text}
            told[str(temperature)]["searched_tokens"] = len(training)
        samples[temperature] = texts
    return samples, told


def _counted(token_ids: np.ndarray) -> np.ndarray:
    """Which tokens are scored: those of the texts, not where they start and end."""
    return (token_ids != START) & (token_ids != END)


def _first_tokens(encoded: Encoded, most: int) -> Encoded:
    """The documents up to a number of tokens; the last one may be cut."""
    starts = encoded.starts[encoded.starts < most]
    stop = min(most, int(encoded.starts[-1]))
    return Encoded(encoded.token_ids[:stop], np.array([*starts, stop]) if starts[-1] != stop else starts)


def _encoded(served: Served, part: Part) -> tuple[Encoded, bool]:
    """The documents of a part, and whether only its first ones are scored."""
    with tempfile.TemporaryDirectory() as folder:
        mapped = served.preprocessing.encode(part, Path(folder) / "ids")
        some = _first_tokens(mapped, MOST_EVALUATED)
        encoded = Encoded(np.array(some.token_ids), some.starts)
        cut = len(encoded.token_ids) < len(mapped.token_ids)
        del mapped, some  # before their file
    return encoded, cut


def _whole_size(part: Part) -> tuple[int, int]:
    """Characters and bytes of a part."""
    return part.characters, sum(len(text.encode()) for text in part.texts())


def _measured(served: Served, encoded: Encoded) -> tuple[int, int]:
    """Characters and bytes of the texts that ids spell."""
    rows = tf.RaggedTensor.from_row_splits(encoded.token_ids, encoded.starts)
    texts = [text.decode() for text in served.preprocessing.tokenizer.decode(rows).numpy()]
    return sum(map(len, texts)), sum(len(text.encode()) for text in texts)
