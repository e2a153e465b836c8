"""What a comparison of translators must know of them."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from seqapps.significance import Measured, Outcome, corpus_bootstrap
from seqapps.tasks.translation import data as data_module
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.evaluation import METRICS
from seqapps.tasks.translation.model import build_model
from seqapps.tasks.translation.pipeline import fitting
from seqapps.tasks.translation.scores import Rules


def measured(options: Mapping[str, Any]) -> Measured:
    """By what runs with these options are compared: BLEU, and a paired bootstrap of it."""
    return Measured(
        scores=("bleu",),
        names=METRICS,
        lower_is_better=False,
        test="paired bootstrap of BLEU (sacrebleu)",
        columns={"source": str, "reference": str, "answer": str},
        items=("source", "reference"),
        same=("lowercase", "bleu_tokenizer"),
        tested=_tested,
    )


def parameters(config: Config, data: data_module.Data) -> Callable[[Config], int]:
    """What counts the numbers that a model of these data holds, for any config that differs in the recurrence alone."""
    prepared = fitting.fitted(data_module.load(data, config), config)
    sizes = prepared.source.vocabulary_size, prepared.target.vocabulary_size
    return lambda config: build_model(config, *sizes).count_params()


def _tested(ours: pd.DataFrame, theirs: pd.DataFrame, options: Mapping[str, Any], resamples: int) -> Outcome | None:
    rules = Rules(options["lowercase"], options["bleu_tokenizer"])
    answers = ours["answer"].tolist(), theirs["answer"].tolist()
    return corpus_bootstrap(*answers, ours["reference"].tolist(), rules.bleu, resamples)
