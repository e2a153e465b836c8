"""The honest simple methods: how frequent every token is, and a Kneser-Ney n-gram model of the order that fits best."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from seqapps import run_folder
from seqapps.tasks.generation.kneser_ney import KneserNey
from seqapps.text.batches import Encoded
from seqapps.text.kinds import START

UNIGRAM = "unigram"
MOST_TOKENS = {"fast": 3_000_000, "full": 30_000_000}  # the last ones of the training part
HIGHEST_ORDER = {"character": 9, "byte_pair": 7, "word": 5, "whitespace": 5}
VALIDATED = 500_000  # tokens that choose the order


@dataclass(frozen=True)
class Baselines:
    """Fitted baselines: the training tokens themselves, which are smaller than what is counted of them.

    Attributes:
        token_ids: `(tokens,)` of training documents, each with `START` in front.
        vocabulary_size: Ids that there are.
        order: Of the n-gram model, chosen on validation.
        whole: Whether these are all tokens of the training part.
    """

    token_ids: np.ndarray
    vocabulary_size: int
    order: int
    whole: bool

    @property
    def kneser_ney(self) -> str:
        """How tables call the n-gram model."""
        return f"Kneser-Ney, order {self.order}"

    @cached_property
    def model(self) -> KneserNey:
        """The n-gram model, counted anew."""
        return KneserNey(self.token_ids, self.vocabulary_size, self.order)

    def log_probabilities(self, token_ids: np.ndarray) -> dict[str, np.ndarray]:
        """For every method `(tokens,)` nats of all tokens but `START`, with the whole text before each known."""
        told = self.model.log_probabilities(token_ids)
        return {UNIGRAM: told[1], self.kneser_ney: told[self.order]}

    def save(self, path: Path) -> None:
        """Write `baselines.npz`."""
        with run_folder.atomic_path(path) as temporary:
            sizes = {"vocabulary_size": self.vocabulary_size, "order": self.order, "whole": self.whole}
            np.savez_compressed(temporary, token_ids=self.token_ids, **sizes)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "Baselines":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as state:
            sizes = int(state["vocabulary_size"]), int(state["order"]), bool(state["whole"])
            return cls(state["token_ids"], *sizes)

    def note(self) -> str:
        """A sentence on the tokens that are counted, empty where they are all of the training part."""
        if self.whole:
            return ""
        return f"The n-gram model was counted on the last {len(self.token_ids)} tokens of the training part."


def fit(train: Encoded, validation: Encoded, vocabulary_size: int, tokenizer: str, kind: str) -> Baselines:
    """Count the training part, and choose the order that fits the validation part best.

    Args:
        train: Documents, each with `START` in front.
        validation: As `train`.
        vocabulary_size: Ids that there are.
        tokenizer: Its kind, which says how long an n-gram may be.
        kind: `"fast"` or `"full"`: how many tokens are counted at most.
    """
    token_ids = np.array(train.token_ids[-MOST_TOKENS[kind] :])
    whole = len(token_ids) == len(train.token_ids)
    if not whole:
        token_ids[0] = START
    model = KneserNey(token_ids, vocabulary_size, HIGHEST_ORDER[tokenizer])
    losses = {order: -each.mean() for order, each in model.log_probabilities(validation.token_ids[:VALIDATED]).items()}
    return Baselines(token_ids, vocabulary_size, min(losses, key=losses.__getitem__), whole)
