"""What a comparison of language models must know of them."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from seqapps.significance import Measured, Outcome, paired_bootstrap
from seqapps.tasks.generation import data as data_module
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.evaluation import METRICS
from seqapps.tasks.generation.model import build_model
from seqapps.tasks.generation.pipeline import fitting


def measured(options: Mapping[str, Any]) -> Measured:
    """By what runs with these options are compared: perplexity, and a paired bootstrap of the nats of windows.

    Parts of the rows are compared by bits per byte, because a tokenizer that is fitted on a part has tokens of its own.
    """
    return Measured(
        scores=("perplexity",),
        names=METRICS,
        lower_is_better=True,
        test="paired bootstrap of the nats of windows of text",
        columns={"reference": str, "tokens": float, "loss": float},
        items=("reference", "tokens"),
        same=("tokenizer", "vocabulary_size", "lowercase"),
        tested=_tested,
        by_part="bits_per_byte",
    )


def parameters(config: Config, data: data_module.Data) -> Callable[[Config], int]:
    """What counts the numbers that a model of these data holds, for any config that differs in the recurrence alone."""
    prepared = fitting.fitted(data_module.load(data, config), config)
    return lambda config: build_model(config, prepared.tokenizer.vocabulary_size).count_params()


def _tested(ours: pd.DataFrame, theirs: pd.DataFrame, options: Mapping[str, Any], resamples: int) -> Outcome | None:
    """Of the sums over windows, as the perplexity is one of all tokens and not of windows, which may be short."""
    losses, others = ((each["loss"] * each["tokens"]).to_numpy() for each in (ours, theirs))
    return paired_bootstrap(losses, others, resamples)
