"""Metrics through the bundle, the baselines on the same pairs, and tests of what chance explains."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seqapps.tasks.translation.baselines import Baselines
from seqapps.tasks.translation.config import PredictOptions
from seqapps.tasks.translation.data import Splits
from seqapps.tasks.translation.evaluation.validation import Validation
from seqapps.tasks.translation.scores import (
    METRICS,
    MODEL,
    Rules,
    by_length,
    chance,
    rules_of,
    scores,
    sentence_chrf,
    signatures,
    verdict,
)
from seqapps.text import batches

__all__ = [
    "METRICS",
    "MODEL",
    "OTHER",
    "Evaluation",
    "Validation",
    "evaluate",
    "prediction_table",
    "rules_of",
]
MOST_EVALUATED = 20_000  # pairs of a split
CUT_NOTE = f"Of the pairs {MOST_EVALUATED} were evaluated, evenly spread."
OTHER = f"{MODEL} of the other run"


@dataclass(frozen=True)
class Evaluation:
    """Translations of every source of a split, with their scores.

    Attributes:
        places: Where every pair stands.
        sources: What was translated.
        references: What it should have become.
        answers: For every method its translations.
        losses: `(pairs,)`: nats per character of every reference, its end included.
        metrics: What `metrics.json` holds.
    """

    places: list[str]
    sources: list[str]
    references: list[str]
    answers: dict[str, list[str]]
    losses: np.ndarray
    metrics: dict[str, Any]


def evaluate(served, splits: Splits, split: str, baselines: Baselines | None, other=None, **options) -> Evaluation:
    """Translate every source of a split with the served model and its baselines.

    Args:
        served: The run's SavedModel.
        splits: The data, cut by the run's rule.
        split: `"test"`, `"validation"` or `"all"`.
        baselines: Fitted with the run; `None` leaves the model alone in the table.
        other: The SavedModel of a second run, to be tested against.
        **options: Fields of `PredictOptions`.
    """
    part, notes = splits.parts[split], list(splits.notes)
    kept = set(batches.spread(len(part), MOST_EVALUATED).tolist())
    rows = [row for number, row in enumerate(part.rows()) if number in kept]
    notes += [CUT_NOTE] * (len(rows) < len(part))
    sources, references = [row.text for row in rows], [row.label or "" for row in rows]
    rules = rules_of(served.config)
    answers = {MODEL: served.translate(sources, **options)}
    answers |= baselines.translations(sources) if baselines else {}
    answers |= {OTHER: other.translate(sources, **options)} if other else {}
    methods = {method: scores(each, references, rules) for method, each in answers.items()}
    chances = chance(answers, references, rules)
    characters = np.array([len(reference) + 1 for reference in references])
    losses = -served.log_probabilities(sources, references) / characters
    metrics = {
        "split": split,
        "pairs": len(rows),
        "methods": methods,
        "verdict": verdict(methods, chances),
        "paired_bootstrap": chances,
        "signatures": signatures(answers[MODEL], references, rules),
        "nats_per_character": float((losses * characters).sum() / characters.sum()),
        "by_length": by_length(answers, sources, references, rules),
        "decoding": served.search_options(PredictOptions(**options)),
        "notes": notes,
    }
    return Evaluation([row.place for row in rows], sources, references, answers, losses, metrics)


def prediction_table(evaluation: Evaluation, rules: Rules) -> pd.DataFrame:
    """One row per pair: where it stands, source, reference, answer, loss, chrF, and the baselines' answers."""
    columns: dict[str, Any] = {"id": evaluation.places, "source": evaluation.sources}
    columns |= {"reference": evaluation.references, "answer": evaluation.answers[MODEL], "loss": evaluation.losses}
    columns["chrf"] = sentence_chrf(evaluation.answers[MODEL], evaluation.references, rules)
    return pd.DataFrame(columns | {name: each for name, each in evaluation.answers.items() if name != MODEL})
