"""What a comparison of language models must know of them."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from seqapps.significance import Measured, paired_bootstrap
from seqapps.tasks.generation import data as data_module
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.evaluation import METRICS
from seqapps.tasks.generation.model import build_model
from seqapps.tasks.generation.pipeline import fitting


def measured(options: Mapping[str, Any]) -> Measured:
    """By what runs with these options are compared: perplexity, and a paired bootstrap of the mean loss of windows."""
    return Measured(
        scores=("perplexity",),
        names=METRICS,
        lower_is_better=True,
        test="paired bootstrap of the nats per token of windows of text",
        columns={"reference": str, "loss": float},
        items=("reference",),
        same=("tokenizer", "vocabulary_size", "lowercase"),
        p_value=_p_value,
    )


def parameters(config: Config, data: data_module.Data) -> Callable[[Config], int]:
    """What counts the numbers that a model of these data holds, for any config that differs in the recurrence alone."""
    prepared = fitting.fitted(data_module.load(data, config), config)
    return lambda config: build_model(config, prepared.tokenizer.vocabulary_size).count_params()


def _p_value(ours: pd.DataFrame, theirs: pd.DataFrame, options: Mapping[str, Any], resamples: int) -> float | None:
    return paired_bootstrap(ours["loss"].to_numpy(), theirs["loss"].to_numpy(), resamples)
