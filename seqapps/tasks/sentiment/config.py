"""Options of text classification. Imports no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from seqapps import checks
from seqapps.config import TaskConfig, option
from seqapps.text.kinds import SPECIAL_TOKENS, TOKENIZERS

POOLINGS = ("last", "mean", "max", "mean_max", "attention")
EMBEDDING_STARTS = ("log_odds", "random")
CLASS_WEIGHTS = ("none", "balanced")
LINEAR_SKIPS = ("none", "naive_bayes")
BYTES = 256  # each of which is a token of `byte_pair`

DATA_HELP = "CSV, TSV, JSON lines (also .gz), Parquet, a folder per class, or one with train, validation and test"


@dataclass(frozen=True)
class Config(TaskConfig):
    """Options of a classification run; `None` means that the data decide."""

    refused_controls: ClassVar[Mapping[str, str]] = {}

    text_column: str | None = option(None, "column of texts; by default text, review, sentence, content, …")
    label_column: str | None = option(None, "column of labels; by default label, sentiment, class, category, …")
    label_separator: str | None = option(None, "what separates several labels of one text; none for one label")
    tokenizer: str = option("word", "what a token is", choices=TOKENIZERS)
    vocabulary_size: int = option(20_000, "tokens that the model knows, at most", minimum=5)
    lowercase: bool = option(True, "read capital letters as small ones")
    max_tokens: int = option(
        400, "tokens that are read of a text; of a longer one the first and the last ones", minimum=1
    )
    embedding_size: int | None = option(
        None, "width of a token's vector; by default 64, or that of `embeddings`", minimum=1
    )
    embeddings: str | None = option(None, "text file of word vectors (GloVe, fastText, word2vec) to start from")
    embedding_start: str | None = option(
        None,
        "what token vectors start from without a file: random numbers, or the token's log-odds of every class in some "
        "of them; by default log_odds, or random with a linear_skip, which knows the log-odds",
        choices=EMBEDDING_STARTS,
    )
    train_embeddings: bool = option(True, "let training change the token vectors")
    word_dropout: float = option(0.0, "part of the tokens whose vectors are dropped while training", fraction=True)
    pooling: str = option("mean_max", "how the outputs of all tokens become one vector", choices=POOLINGS)
    linear_skip: str = option(
        "none",
        "naive_bayes: add the logits of logistic regression on 1- to 3-grams of tokens, weighted by naive Bayes, to "
        "those of the network",
        choices=LINEAR_SKIPS,
    )
    pretrained: str | None = option(
        None, "run of the task generation whose tokenizer, token vectors and recurrent weights are the start"
    )
    gradual_unfreezing: bool = option(
        True, "with `pretrained`: train the head first, then one layer more per epoch, lower ones at lower rates"
    )
    class_weights: str = option("none", "weigh texts so that all classes count alike", choices=CLASS_WEIGHTS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_separator == "":
            checks.fail("label_separator", "a text that is not empty", "", "Leave it out for one label per text.")
        if self.label_separator is not None and self.class_weights != "none":
            advice = "A text with several labels has no one class to be weighed by."
            checks.fail("class_weights", "'none' with a label_separator", self.class_weights, advice)
        if self.linear_skip != "none" and self.class_weights != "none":
            checks.fail("class_weights", "'none' with a linear_skip", self.class_weights, "The skip weighs no text.")
        if self.tokenizer == "byte_pair":
            advice = f"The {len(SPECIAL_TOKENS)} reserved ids and the {BYTES} bytes need a place."
            checks.check_integer("vocabulary_size", self.vocabulary_size, len(SPECIAL_TOKENS) + BYTES, advice)
        if self.embeddings is not None and self.embedding_start is not None:
            checks.fail("embedding_start", "left out with `embeddings`", self.embedding_start)
        if self.control != "none" and self.linear_skip != "none":
            checks.fail("linear_skip", "'none' with a control", self.linear_skip, "It reads the order of tokens.")
        if self.control == "memoryless" and self.pooling == "last":
            advice = "Without a recurrence the last token knows of no other."
            checks.fail("pooling", "one that reads all tokens with control='memoryless'", self.pooling, advice)
        if self.pretrained is None and not self.gradual_unfreezing:
            checks.fail("gradual_unfreezing", "left out without `pretrained`", False)
        if self.pretrained is not None:
            self._check_pretrained()
        if not self.train_embeddings and (self.embeddings, self.initialize_from, self.pretrained) == (None,) * 3:
            advice = (
                "Random vectors that never change carry no meaning: name a file in `embeddings`, or start from a run."
            )
            checks.fail("train_embeddings", "True without `embeddings` or `initialize_from`", False, advice)

    def as_memoryless(self) -> Self:
        """As of every task; where the last output alone counts, the mean of the token vectors does instead."""
        pooling = "mean" if self.pooling == "last" else self.pooling
        return super(Config, dataclasses.replace(self, pooling=pooling)).as_memoryless()

    def _check_pretrained(self) -> None:
        """Refuse what a language model that is the start leaves without meaning."""
        for name in ("initialize_from", "embeddings", "embedding_start"):
            if getattr(self, name) is not None:
                advice = "The token vectors and weights are those of the language model."
                checks.fail(name, "left out with `pretrained`", getattr(self, name), advice)
        if self.control == "memoryless":
            advice = "What a language model gives to start from is a recurrence."
            checks.fail("control", "'none' or 'shuffled' with `pretrained`", self.control, advice)
        if self.bidirectional:
            advice = "A language model reads in one direction."
            checks.fail("bidirectional", "False with `pretrained`", True, advice)
        if self.weight_decay and self.gradual_unfreezing:
            advice = "It would move layers that are still frozen."
            checks.fail("weight_decay", "0 with `gradual_unfreezing`", self.weight_decay, advice)
