"""What a comparison of classifiers must know of them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from seqapps.significance import Measured, mcnemar_of_answers
from seqapps.tasks.sentiment import data as data_module
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.evaluation import METRICS
from seqapps.tasks.sentiment.model import EMBEDDING_SIZE, build_model
from seqapps.tasks.sentiment.pipeline import fitting


def measured(options: Mapping[str, Any]) -> Measured:
    """By what runs with these options are compared: accuracy, and McNemar's test on the texts that one alone has
    right."""
    return Measured(
        scores=("accuracy",),
        names=METRICS,
        lower_is_better=False,
        test="McNemar's exact test",
        columns={"reference": str, "answer": str},
        items=("reference",),
        same=("label_separator",),
        tested=mcnemar_of_answers,
    )


def parameters(config: Config, data: data_module.Data) -> Callable[[Config], int]:
    """What counts the numbers that a model of these data holds, for any config that differs in the recurrence alone."""
    splits = data_module.load(data, config)
    prepared = fitting.fitted(splits, config)
    size = fitting.start_vectors(config, splits, prepared)[0].embedding_size or EMBEDDING_SIZE

    def count(config: Config) -> int:
        config = dataclasses.replace(config, embedding_size=size)
        return build_model(config, prepared.tokenizer.vocabulary_size, len(prepared.classes)).count_params()

    return count
