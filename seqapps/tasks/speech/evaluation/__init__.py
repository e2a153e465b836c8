"""Metrics through the bundle, the baselines on the same recordings, and tests of what chance explains."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pandas as pd

from seqapps.audio.sounds import Sounds
from seqapps.classification import temperature
from seqapps.tasks.speech.baselines import Baselines
from seqapps.tasks.speech.batches import Examples
from seqapps.tasks.speech.data import Part, Splits
from seqapps.tasks.speech.errors import plain
from seqapps.tasks.speech.evaluation import transcripts, words
from seqapps.tasks.speech.evaluation.scores import MODEL, by_speaker, metrics_of, wins
from seqapps.tasks.speech.preprocessing import Preprocessing

__all__ = ["MODEL", "Evaluation", "calibrate", "evaluate", "metrics_of", "prediction_table", "wins"]
ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Evaluation:
    """Answers to every recording of a split, with their scores.

    Attributes:
        part: The recordings.
        references: What is said in each, written as the answers are.
        answers: For every method what it says of each recording.
        losses: `(recordings,)` of the model: log loss in nats of a word, word errors of a transcript.
        metrics: What `metrics.json` holds.
        probabilities: For every method `(recordings, words)`; empty for transcripts.
    """

    part: Part
    references: list[str]
    answers: dict[str, list[str]]
    losses: np.ndarray
    metrics: dict[str, Any]
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)


def calibrate(model: keras.Model, validation: Examples, prepared: Preprocessing) -> dict[str, Any]:
    """The temperature that makes the probabilities of words on validation mean what they say; 1 for transcripts.

    Returns:
        What `calibration.json` holds: `temperature`, and for words log loss and calibration error before and after.
    """
    if prepared.transcribes:
        return {"temperature": 1.0}
    order, logits = np.argsort(validation.sounds.lengths[validation.rows], kind="stable"), []
    for start in range(0, len(order), ROWS_AT_ONCE):
        inputs, _ = validation.batch(order[start : start + ROWS_AT_ONCE])
        logits.append(keras.ops.convert_to_numpy(model(list(inputs), training=False)))
    answers, truth = np.concatenate(logits).astype("float64"), validation.answers[validation.rows[order]]
    divisor = temperature.fit(answers, truth, multi_label=False)
    told: dict[str, Any] = {"temperature": divisor}
    for name, scaled in (("before", answers), ("after", answers / divisor)):
        told[name] = {
            "log_loss": temperature.log_loss(scaled, truth, multi_label=False),
            "calibration_error": temperature.calibration_error(
                temperature.probabilities(scaled, multi_label=False), truth, multi_label=False
            ),
        }
    return told


def evaluate(served, splits: Splits, split: str, sounds: Sounds, baselines: Baselines | None) -> Evaluation:
    """Let the served model and its baselines answer for every recording of a split.

    Args:
        served: The run's SavedModel.
        splits: The data, cut by the run's rule.
        split: `"test"`, `"validation"` or `"all"`.
        sounds: The waveforms of the split.
        baselines: Fitted with the run; `None` leaves the model alone in the table.
    """
    part = splits.parts[split]
    told = {"split": split, "recordings": len(part)}
    own = served.answers(sounds)
    if served.preprocessing.transcribes:
        written = {MODEL: own["text"]} | (baselines.transcripts(sounds) if baselines else {})
        references, *said = (plain(each, served.config.lowercase) for each in (part.answers, *written.values()))
        answers = dict(zip(written, said, strict=True))
        metrics, losses = transcripts.scored(answers, references)
        result = Evaluation(part, references, answers, losses, told | metrics)
    else:
        probabilities = {MODEL: own["probabilities"]} | (baselines.probabilities(sounds) if baselines else {})
        classes = served.preprocessing.classes
        metrics, losses = words.scored(probabilities, part.answers, classes, served.temperature)
        answers = {method: [classes[row] for row in each.argmax(axis=1)] for method, each in probabilities.items()}
        result = Evaluation(part, part.answers, answers, losses, told | metrics, probabilities)
    speakers = [recording.speaker for recording in part.recordings]
    result.metrics["by_speaker"] = by_speaker(result.metrics["mode"], answers, result.references, speakers)
    result.metrics["notes"] = [*splits.notes, *(baselines.notes if baselines else ())]
    return result


def prediction_table(result: Evaluation) -> pd.DataFrame:
    """One row per recording: its file, reference, answer, loss and speaker, and the baselines' answers beside it."""
    columns: dict[str, Any] = {"id": [recording.name for recording in result.part.recordings]}
    columns |= {"reference": result.references, "answer": result.answers[MODEL], "loss": result.losses}
    if result.probabilities:
        columns["probability"] = result.probabilities[MODEL].max(axis=1)
    columns["speaker"] = [recording.speaker or "" for recording in result.part.recordings]
    columns |= {method: each for method, each in result.answers.items() if method != MODEL}
    return pd.DataFrame(columns)
