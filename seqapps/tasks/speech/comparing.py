"""What a comparison of listeners must know of them."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps.significance import Measured, Outcome, mcnemar_of_answers, permutation_test
from seqapps.tasks.speech import data as data_module
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.errors import word_errors
from seqapps.tasks.speech.evaluation import metrics_of
from seqapps.tasks.speech.model import build_model
from seqapps.tasks.speech.pipeline import fitting


def measured(options: Mapping[str, Any]) -> Measured:
    """By what runs with these options are compared: accuracy and McNemar's test, or word errors and a permutation."""
    words = options["mode"] == "classify"
    return Measured(
        scores=("accuracy",) if words else ("word_error_rate",),
        names=metrics_of(options["mode"]),
        lower_is_better=not words,
        test="McNemar's exact test" if words else "permutation test of word errors over recordings (Pitman)",
        columns={"reference": str, "answer": str},
        items=("reference",),
        same=("mode", "lowercase"),
        tested=mcnemar_of_answers if words else _transcripts,
    )


def parameters(config: Config, data: data_module.Data) -> Callable[[Config], int]:
    """What counts the numbers that a model of these data holds, for any config that differs in the recurrence alone."""
    splits = data_module.load(data, config)
    config = data_module.resolved(config, splits)
    with tempfile.TemporaryDirectory(prefix="seqapps-") as cache:
        prepared = fitting.fitted(fitting.read(splits, config, Path(cache)), splits, config)

    def count(config: Config) -> int:
        return build_model(config, prepared).count_params()

    return count


def _transcripts(ours: pd.DataFrame, theirs: pd.DataFrame, options: Mapping[str, Any], resamples: int) -> Outcome:
    """Of the word errors of every recording; predictions are kept as `errors.plain` writes them."""
    own, others = (word_errors(each["reference"].tolist(), each["answer"].tolist()) for each in (ours, theirs))
    return permutation_test(own, others, resamples)
