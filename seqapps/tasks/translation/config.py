"""Options of models that translate. Imports no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from seqapps import checks
from seqapps.config import Options, TaskConfig, option
from seqapps.decoding.bounds import LONGEST_SOURCE, LONGEST_TARGET, WIDEST_BEAM
from seqapps.text.kinds import SPECIAL_TOKENS, TOKENIZERS

ATTENTIONS = ("none", "additive", "multiplicative")
BLEU_TOKENIZERS = ("13a", "intl", "zh", "char", "none")  # of sacrebleu, those that need no other package
BYTES = 256  # each of which is a token of `byte_pair`
DATA_HELP = (
    "parallel files (with the languages), CSV, TSV, JSON lines or Parquet, .txt with tabs (also .gz), or a folder of "
    "train, validation and test"
)


@dataclass(frozen=True)
class Config(TaskConfig):
    """Options of a model that translates; `None` means that the data decide."""

    refused_controls: ClassVar[Mapping[str, str]] = {
        "memoryless": "A target is written word by word, from the states of a recurrence.",
        "shuffled": "A target is written in its order, and a source without one is another task.",
    }

    test_fraction: float = option(0.1, "part of DATA that tests", fraction=True)
    units: int | tuple[int, ...] = option(256, "width of every layer, or one width per layer: 512,256", minimum=1)
    bidirectional: bool = option(True, "let the encoder also read the source from its end")
    batch_size: int = option(256, "pairs per step, at most", minimum=1)
    clip_norm: float | None = option(1.0, "limit on the gradient's norm over all weights; none for no limit", above=0)
    source_language: str | None = option(None, "ending of the file of sources, such as de in train.de")
    target_language: str | None = option(None, "ending of the file of targets, such as en in train.en")
    source_column: str | None = option(None, "column of sources; by default source, src, … or the first of two")
    target_column: str | None = option(None, "column of targets; by default target, tgt, … or the second of two")
    tokenizer: str = option("byte_pair", "what a token is", choices=TOKENIZERS)
    vocabulary_size: int = option(8000, "tokens that the model knows of each language, at most", minimum=5)
    shared_vocabulary: bool = option(False, "one vocabulary, and one table of token vectors, for both languages")
    byte_pair_dropout: float = option(
        0.0, "part of the merges left out while training, so that words are cut in different ways", fraction=True
    )
    lowercase: bool = option(False, "read and write small letters only")
    max_tokens: int = option(100, "tokens of a source or target above which a pair is not trained on", minimum=1)
    max_length_ratio: float = option(
        4.0, "pairs one of whose sides is so many times as long as the other are not trained on", above=1
    )
    embedding_size: int | None = option(None, "width of a token's vector; by default the last layer's units", minimum=1)
    embedding_dropout: float = option(
        0.0, "part of the features of token vectors dropped, the same at all steps", fraction=True
    )
    tie_embeddings: bool = option(True, "use the token vectors of the target as the weights of the softmax too")
    attention: str = option("additive", "how the decoder looks back at the source", choices=ATTENTIONS)
    input_feeding: bool = option(False, "tell the decoder at every step what its attention found at the last one")
    label_smoothing: float = option(0.1, "probability that is spread over all tokens in the loss", fraction=True)
    tokens_per_batch: int = option(
        2048, "tokens per step, padding included: of the longer side of a pair; at least one pair", minimum=1
    )

    bleu_tokenizer: str = option(
        "13a",
        "what BLEU counts: words (13a, intl), those of Chinese (zh), characters, or what stands between blanks (none)",
        choices=BLEU_TOKENIZERS,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_languages(self.source_language, self.target_language)
        for name in ("source_column", "target_column"):
            if self.source_language is not None and getattr(self, name) is not None:
                checks.fail(name, "left out with `source_language`", getattr(self, name), "Parallel files have none.")
        if self.tokenizer == "byte_pair":
            advice = f"The {len(SPECIAL_TOKENS)} reserved ids and the {BYTES} bytes need a place."
            checks.check_integer("vocabulary_size", self.vocabulary_size, len(SPECIAL_TOKENS) + BYTES, advice)
        elif self.byte_pair_dropout:
            advice = f"The tokenizer {self.tokenizer!r} merges nothing."
            checks.fail("byte_pair_dropout", "0 without tokenizer='byte_pair'", self.byte_pair_dropout, advice)
        if self.max_tokens > LONGEST_SOURCE:
            advice = "What is served reads no more of a source."
            checks.fail("max_tokens", f"an integer of at most {LONGEST_SOURCE}", self.max_tokens, advice)
        if self.input_feeding and self.attention == "none":
            checks.fail("input_feeding", "False with attention='none'", True, "There is nothing to feed.")
        if self.input_feeding and self.recurrent_dropout:
            advice = "It belongs to a whole sequence, and with input feeding the decoder goes step by step."
            checks.fail("recurrent_dropout", "0 with input_feeding", self.recurrent_dropout, advice)

    @property
    def token_width(self) -> int:
        """Width of a token's vector."""
        return self.embedding_size or self.widths[-1]

    @property
    def decoder_options(self) -> dict:
        """What the decoder's `RecurrentStack` takes of the options: it reads in one direction."""
        return {
            "units": self.widths,
            "cell": self.cell,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "residual": self.residual,
        }


def check_languages(source: str | None, target: str | None) -> None:
    """Refuse one language without the other, and one for both sides."""
    given = {"source_language": source, "target_language": target}
    for name, other in zip(given, reversed(given), strict=True):
        if given[name] is not None and given[other] is None:
            checks.fail(other, f"given together with `{name}`", None, "Each names the ending of a file.")
    if source is not None and source == target:
        checks.fail("target_language", "another one than `source_language`", target)


@dataclass(frozen=True)
class SearchOptions(Options):
    """How translations are searched for; the same for every source of one call."""

    beam_width: int = option(5, "translations that are followed side by side; 1 takes the likeliest token", minimum=1)
    length_penalty: float | None = option(
        None, "exponent that favours long translations; by default what was best on the validation part", minimum=0
    )
    coverage_penalty: float = option(0.0, "weight that favours translations of every part of a source", minimum=0)
    max_length: int = option(0, "tokens of a translation, at most; 0 for twice the source's and 10 more", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in (("beam_width", WIDEST_BEAM), ("max_length", LONGEST_TARGET)):
            if getattr(self, name) > most:
                checks.fail(name, f"an integer of at most {most}", getattr(self, name))


@dataclass(frozen=True)
class PredictOptions(SearchOptions):
    """How sources are answered."""

    n_best: int = option(1, "translations that are told of each source", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_best > self.beam_width:
            advice = f"Raise beam_width, which is {self.beam_width}."
            checks.fail("n_best", "at most beam_width", self.n_best, advice)


@dataclass(frozen=True)
class EvaluateOptions(SearchOptions):
    """How a run is measured, beside what every task asks."""

    against: str | None = option(None, "second run, whose translations of the same sources are tested against")
    together: tuple[str, ...] = option((), "runs that decide together with RUN, as `export` puts them: RUN2,RUN3")
    source_language: str | None = option(None, "ending of DATA's file of sources, where it is not that of the training")
    target_language: str | None = option(None, "ending of DATA's file of targets, where it is not that of the training")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_languages(self.source_language, self.target_language)
