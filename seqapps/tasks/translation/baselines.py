"""What a translation costs nothing: the translation of the most similar training source, and the source itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from seqapps import run_folder
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.data import Part
from seqapps.tasks.translation.scores import corpus_bleu, rules_of

NEAREST, COPY = "translation of the nearest source", "source unchanged"
# What two sources are compared by: words and pairs of them, or runs of two to four characters within words.
ANALYZERS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\w+|[^\w\s]"},
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 4)},
}
MOST_PAIRS = 200_000  # of the training part, evenly spread
MOST_VALIDATION = 1000  # pairs on which the analyzer is chosen
AT_ONCE = 256


@dataclass(frozen=True)
class Baselines:
    """Simple methods that know the training pairs.

    Attributes:
        sources: Of the training.
        targets: Theirs.
        analyzer: One of `ANALYZERS`, chosen on validation.
        searched: What part of the training pairs there are: one of so many.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    analyzer: str
    searched: int = 1

    def translations(self, sources: Sequence[str]) -> dict[str, list[str]]:
        """The answers of every method."""
        return {NEAREST: self.nearest(sources), COPY: list(sources)}

    def nearest(self, sources: Sequence[str]) -> list[str]:
        """For every source the target of the training source with the highest cosine of TF-IDF vectors."""
        vectorizer, known = self._fitted
        found: list[int] = []
        for start in range(0, len(sources), AT_ONCE):
            likeness = vectorizer.transform(sources[start : start + AT_ONCE]) @ known.T
            found += np.asarray(likeness.argmax(axis=1)).ravel().tolist()
        return [self.targets[row] for row in found]

    @cached_property
    def _fitted(self) -> tuple[Any, Any]:
        vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **ANALYZERS[self.analyzer])
        vectorizer.fit([*self.sources, "?"])  # which may be all that there is to count
        return vectorizer, vectorizer.transform(self.sources)

    def note(self) -> str:
        """A sentence on the pairs that are searched, empty where they are all."""
        return f"The baseline searches one of {self.searched} training pairs, evenly spread." * (self.searched > 1)

    def save(self, path: Path) -> None:
        """Write the state, without pickles."""
        texts = {name: np.array("\0".join(getattr(self, name))) for name in ("sources", "targets")}
        state: dict[str, Any] = texts | {"analyzer": np.array(self.analyzer), "searched": np.array(self.searched)}
        run_folder.write_with(path, lambda temporary: np.savez_compressed(temporary, **state))

    @classmethod
    def load(cls, path: Path) -> "Baselines":
        """The inverse of `save`."""
        with np.load(path, allow_pickle=False) as state:
            sources, targets = (tuple(str(state[name]).split("\0")) for name in ("sources", "targets"))
            return cls(sources, targets, str(state["analyzer"]), int(state["searched"]))


def fit(train: Part, validation: Part, config: Config) -> Baselines:
    """Remember the training pairs; with `baselines="full"` choose on validation how sources are compared.

    Args:
        train: The training part.
        validation: On whose first pairs BLEU is measured.
        config: The options.
    """
    searched = -(-len(train) // MOST_PAIRS)
    pairs = [(row.text, row.label or "") for number, row in enumerate(train.rows()) if number % searched == 0]
    sources, targets = (tuple(each) for each in zip(*pairs, strict=True))
    names = ANALYZERS if config.baselines == "full" else ["words"]
    candidates = [Baselines(sources, targets, name, searched) for name in names]
    if len(candidates) == 1:
        return candidates[0]
    rows = list(_first(validation))
    sources, references = (tuple(each) for each in zip(*rows, strict=True))
    return max(candidates, key=lambda each: corpus_bleu(each.nearest(sources), references, rules_of(config)))


def _first(part: Part) -> Iterator[tuple[str, str]]:
    for number, row in enumerate(part.rows()):
        if number == MOST_VALIDATION:
            return
        yield row.text, row.label or ""
