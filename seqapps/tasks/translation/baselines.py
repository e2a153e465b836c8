"""What a translation costs nothing: the translation of the most similar training source, and the source itself."""

from collections.abc import Sequence
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
from seqapps.text import batches

NEAREST, COPY = "translation of the nearest source", "source unchanged"
# What two sources are compared by: words and pairs of them, or runs of two to four characters within words.
ANALYZERS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\w+|[^\w\s]"},
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 4)},
}
MOST_PAIRS = 200_000  # of the training part, evenly spread, unless all are asked for
MOST_VALIDATION = 1000  # pairs on which the analyzer is chosen
AT_ONCE = 256


@dataclass(frozen=True)
class Baselines:
    """Simple methods that know the training pairs.

    Attributes:
        sources: Of the training.
        targets: Theirs.
        analyzer: One of `ANALYZERS`, chosen on validation.
        count: Pairs of the training, of which these are some or all.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    analyzer: str
    count: int = 0

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
        known = len(self.sources)
        told = f"The baseline searches {known} of the {self.count} training pairs, evenly spread."
        return told if known < self.count else ""

    def save(self, path: Path) -> None:
        """Write the state, without pickles."""
        state: dict[str, Any] = {"analyzer": np.array(self.analyzer), "count": np.array(self.count)}
        for name in ("sources", "targets"):
            texts = [text.encode() for text in getattr(self, name)]
            state[name] = np.frombuffer(b"".join(texts), "uint8")
            state[f"{name}_sizes"] = np.array([len(text) for text in texts])
        run_folder.write_with(path, lambda temporary: np.savez_compressed(temporary, **state))

    @classmethod
    def load(cls, path: Path) -> "Baselines":
        """The inverse of `save`."""
        with np.load(path, allow_pickle=False) as state:
            sources, targets = (_cut(state[name].tobytes(), state[f"{name}_sizes"]) for name in ("sources", "targets"))
            return cls(sources, targets, str(state["analyzer"]), int(state["count"]))


def _cut(content: bytes, sizes: np.ndarray) -> tuple[str, ...]:
    """Texts of so many bytes, one after the other."""
    ends = np.cumsum(sizes).tolist()
    return tuple(content[start:end].decode() for start, end in zip([0, *ends], ends, strict=False))


def fit(train: Part, validation: Part, config: Config) -> Baselines:
    """Remember training pairs, with `baselines="full"` all of them, and choose on validation how they are compared.

    Args:
        train: The training part.
        validation: On some of whose pairs BLEU is measured.
        config: The options.
    """
    sources, targets = _spread(train, len(train) if config.baselines == "full" else MOST_PAIRS)
    candidates = [Baselines(sources, targets, name, len(train)) for name in ANALYZERS]
    asked, references = _spread(validation, MOST_VALIDATION)
    return max(candidates, key=lambda each: corpus_bleu(each.nearest(asked), references, rules_of(config)))


def _spread(part: Part, most: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sources and targets of pairs that are evenly spread over a part."""
    kept = set(batches.spread(len(part), most).tolist())
    pairs = [(row.text, row.label or "") for number, row in enumerate(part.rows()) if number in kept]
    sources, targets = zip(*pairs, strict=True)
    return sources, targets
