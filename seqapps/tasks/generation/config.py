"""Options of language models. Imports no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from seqapps import checks
from seqapps.config import Options, TaskConfig, option
from seqapps.decoding.bounds import LONGEST_STOP, MOST_TOKENS
from seqapps.text.kinds import SPECIAL_TOKENS, TOKENIZERS

SOFTMAXES = ("auto", "full", "sampled")
LARGE_VOCABULARY = 10_000  # above which "auto" trains with a sampled softmax
BYTES = 256  # each of which is a token of `byte_pair`
PROMPTED = True  # `predict` also goes on from one prompt, or from one after the other

HIGHEST = {"max_new_tokens": MOST_TOKENS, "top_k": 2**31 - 1, "no_repeat_ngram": 2**31 - 1, "seed": 2**63 - 1}

DATA_HELP = "a text file, a folder of them, CSV, TSV, JSON lines or Parquet (also .gz), or train, validation and test"


@dataclass(frozen=True)
class Config(TaskConfig):
    """Options of a language model; `None` means that the data decide."""

    refused_controls: ClassVar[Mapping[str, str]] = {
        "memoryless": "What a model knows of frequencies and near tokens alone, its baselines show.",
        "shuffled": "The order of tokens is all that there is to learn.",
    }

    validation_fraction: float = option(0.1, "part of DATA that validates: what stands before the test", fraction=True)
    test_fraction: float = option(0.1, "part of DATA that tests: its end", fraction=True)
    units: int | tuple[int, ...] = option(256, "width of every layer, or one width per layer: 512,256", minimum=1)
    batch_size: int = option(64, "lanes of text that are read side by side", minimum=1)
    learning_rate: float = option(2e-3, "highest learning rate of Adam", above=0)
    text_column: str | None = option(None, "column of texts in a table; by default text, content, document, …")
    tokenizer: str = option("character", "what a token is", choices=TOKENIZERS)
    vocabulary_size: int = option(10_000, "tokens that the model knows, at most", minimum=5)
    lowercase: bool = option(False, "read capital letters as small ones")
    embedding_size: int | None = option(
        None, "width of a token's vector; by default the last layer's units, 64 at most for characters", minimum=1
    )
    embedding_dropout: float = option(
        0.0, "part of the features of token vectors dropped, the same at all steps", fraction=True
    )
    tie_embeddings: bool = option(True, "use the token vectors as the weights of the softmax too")
    softmax: str = option(
        "auto",
        f"softmax of the training: over all tokens, or over a sample of them; auto samples above "
        f"{LARGE_VOCABULARY:,} tokens. Scores are always over all",
        choices=SOFTMAXES,
    )
    sampled_tokens: int = option(4096, "tokens in the sample of a sampled softmax", minimum=1)
    truncation_steps: int = option(100, "tokens through which the gradient goes back", minimum=1)
    sample_every: int = option(1, "epochs between samples of text; 0 for none", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bidirectional:
            advice = "the backward direction would read the text being generated"
            raise ValueError(f"`bidirectional` must be False for generation: {advice}. Received: bidirectional=True.")
        if self.softmax == "sampled" and self.tokenizer == "byte_pair":
            advice = "A sample needs ids that fall with frequency, which those of byte pairs do not."
            checks.fail("softmax", "'auto' or 'full' with tokenizer='byte_pair'", self.softmax, advice)
        if self.softmax == "full" and self.sampled_tokens != type(self).sampled_tokens:
            checks.fail("sampled_tokens", "left out with softmax='full'", self.sampled_tokens)
        if self.tokenizer == "byte_pair":
            advice = f"The {len(SPECIAL_TOKENS)} reserved ids and the {BYTES} bytes need a place."
            checks.check_integer("vocabulary_size", self.vocabulary_size, len(SPECIAL_TOKENS) + BYTES, advice)

    @property
    def token_width(self) -> int:
        """Width of a token's vector."""
        own = self.widths[-1]
        return self.embedding_size or (min(own, 64) if self.tokenizer == "character" else own)


@dataclass(frozen=True)
class PredictOptions(Options):
    """How a text is written on; the same for every prompt of one call."""

    max_new_tokens: int = option(128, "tokens to write, at most", minimum=0)
    temperature: float = option(0.8, "divides the logits; 0 takes the likeliest token", minimum=0)
    top_k: int = option(0, "likeliest tokens among which one is drawn; 0 for all", minimum=0)
    top_p: float = option(1.0, "probability of the likeliest tokens among which one is drawn; 1 for all", above=0)
    repetition_penalty: float = option(1.0, "makes tokens that the text holds less likely; 1 for none", above=0)
    no_repeat_ngram: int = option(0, "tokens of the runs that may not occur twice; 0 for none", minimum=0)
    stop: str = option("", "text at which to end, without it")
    seed: int = option(0, "of the draws; equal seeds write equal texts", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.top_p > 1:
            checks.fail("top_p", "a number above 0, up to 1", self.top_p)
        for name, most in HIGHEST.items():
            if getattr(self, name) > most:
                checks.fail(name, f"an integer of at most {most}", getattr(self, name))
        if len(self.stop.encode()) > LONGEST_STOP:
            checks.fail("stop", f"a text of at most {LONGEST_STOP} bytes", self.stop)
