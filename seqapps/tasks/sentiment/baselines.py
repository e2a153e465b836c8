"""The honest simple methods: the commonest class, TF-IDF and naive-Bayes-weighted logistic regression."""

import json
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from seqapps import run_folder
from seqapps.classification import temperature
from seqapps.tasks.sentiment.data import Splits

MAJORITY, TFIDF, NAIVE_BAYES = "commonest class", "TF-IDF, logistic regression", "NB-weighted logistic regression"
CHARACTERS = "character TF-IDF, logistic regression"
FAST, FULL = (MAJORITY, TFIDF, NAIVE_BAYES), (MAJORITY, TFIDF, NAIVE_BAYES, CHARACTERS)
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # C of logistic regression: higher is weaker
WORDS = r"\b\w\w+\b"  # as in scikit-learn
MOST_TEXTS = 200_000  # that a baseline is fitted on
MOST_TERMS = 2_000_000
KEPT = 0.25  # of what logistic regression adds to naive Bayes


@dataclass(frozen=True)
class Linear:
    """A linear classifier of counted terms.

    Attributes:
        terms: What is counted.
        analyzer: `"word"`, `"char_wb"` or `"char"`, as in scikit-learn.
        longest: Words or characters of a term, at most.
        binary: Whether a term counts once per text.
        idf: `(terms,)` weights before rows are scaled to length 1, or `None` for neither.
        coefficients: `(outputs, terms)`; one output for two classes.
        intercept: `(outputs,)`.
        multi_label: Whether every output is a probability of its own.
        strength: C of logistic regression, chosen on validation.
    """

    terms: tuple[str, ...]
    analyzer: str
    longest: int
    binary: bool
    idf: np.ndarray | None
    coefficients: np.ndarray
    intercept: np.ndarray
    multi_label: bool
    strength: float

    def probabilities(self, counts: sparse.csr_matrix) -> np.ndarray:
        """`(texts, terms)` → `(texts, classes)`."""
        return temperature.probabilities(self.logits(counts), self.multi_label)

    def logits(self, counts: sparse.csr_matrix) -> np.ndarray:
        """`(texts, terms)` → `(texts, classes)`."""
        scores = weighted(counts, self.idf) @ self.coefficients.T + self.intercept
        one_for_two = not self.multi_label and scores.shape[1] == 1
        return np.concatenate([np.zeros_like(scores), scores], axis=1) if one_for_two else scores

    @cached_property
    def counter(self) -> CountVectorizer:
        """What turns texts into counts of the terms."""
        return _counter(self.analyzer, self.longest, self.binary, vocabulary=self.terms)


@dataclass(frozen=True)
class Baselines:
    """Fitted baselines.

    Attributes:
        shares: `(classes,)` share of every class in the training part.
        linear: The linear classifiers by name.
    """

    shares: np.ndarray
    linear: dict[str, Linear] = field(default_factory=dict)

    def probabilities(self, texts: list[str]) -> dict[str, np.ndarray]:
        """For every method `(texts, classes)`."""
        told = {MAJORITY: np.tile(self.shares, (len(texts), 1))}
        for name, method in self.linear.items():
            told[name] = method.probabilities(method.counter.transform(texts))
        return told

    def fast(self) -> "Baselines":
        """Without those of `"full"`."""
        return replace(self, linear={name: method for name, method in self.linear.items() if name in FAST})

    def strengths(self) -> dict[str, float]:
        """C of every logistic regression."""
        return {name: method.strength for name, method in self.linear.items()}

    def save(self, path: Path) -> None:
        """Write to `.npz`, without pickles."""
        arrays: dict[str, Any] = {"shares": self.shares}
        for name, method in self.linear.items():
            key = FULL.index(name)
            settings = [method.analyzer, method.longest, method.binary, method.multi_label, method.strength]
            arrays[f"terms_{key}"] = np.frombuffer(json.dumps(method.terms).encode(), "uint8")
            arrays[f"settings_{key}"] = np.array([str(each) for each in settings])
            arrays[f"coefficients_{key}"], arrays[f"intercept_{key}"] = method.coefficients, method.intercept
            if method.idf is not None:
                arrays[f"idf_{key}"] = method.idf
        run_folder.write_with(path, lambda temporary: np.savez_compressed(temporary, **arrays))

    @classmethod
    def load(cls, path: Path) -> "Baselines":
        """The inverse of `save`."""
        linear = {}
        with np.load(path, allow_pickle=False) as arrays:
            for key, name in enumerate(FULL):
                if f"terms_{key}" not in arrays:
                    continue
                analyzer, longest, binary, multi_label, strength = (str(each) for each in arrays[f"settings_{key}"])
                linear[name] = Linear(
                    tuple(json.loads(arrays[f"terms_{key}"].tobytes())),
                    analyzer,
                    int(longest),
                    binary == "True",
                    arrays.get(f"idf_{key}"),
                    arrays[f"coefficients_{key}"],
                    arrays[f"intercept_{key}"],
                    multi_label == "True",
                    float(strength),
                )
            return cls(arrays["shares"], linear)


def fit(splits: Splits, option: str) -> Baselines:
    """Fit on the training part, or on texts spread evenly over a large one; choose every strength on validation.

    Args:
        splits: Train and validation are used.
        option: `"fast"`, or `"full"` for n-grams of characters too.
    """
    train, validation = _sample(splits, "train"), _sample(splits, "validation")
    linear = {
        TFIDF: _fit_linear("word", 2, False, train, validation, splits),
        NAIVE_BAYES: _fit_linear("word", 2, True, train, validation, splits),
    }
    if option == "full":
        linear[CHARACTERS] = _fit_linear("char_wb", 5, False, train, validation, splits)
    return Baselines(temperature.indicators(train[1], len(splits.classes)).mean(axis=0), linear)


def weighted(counts: sparse.csr_matrix, idf: np.ndarray | None) -> sparse.csr_matrix:
    """TF-IDF rows of length 1, or the counts as they are."""
    return counts if idf is None else normalize(counts.multiply(idf).tocsr())


def sample_notes(splits: Splits) -> list[str]:
    """Sentences on the parts of which the baselines see only a sample."""
    told = []
    for split, what in (("train", "fitted on {} training"), ("validation", "chosen on {} validation")):
        count, stride = splits.count(split), _stride(splits, split)
        if stride > 1:
            share = what.format(f"{-(-count // stride)} of {count}")
            told.append(f"The baselines were {share} texts, spread evenly over them.")
    return told


def _sample(splits: Splits, split: str) -> tuple[list[str], np.ndarray]:
    stride = _stride(splits, split)
    return list(islice(splits.texts(split), 0, None, stride)), splits.targets(split)[::stride]


def _stride(splits: Splits, split: str) -> int:
    return -(-splits.count(split) // MOST_TEXTS)


def _counter(analyzer: str, longest: int, binary: bool, **options: Any) -> CountVectorizer:
    shortest = 2 if analyzer == "char_wb" else 1
    pattern = {"token_pattern": WORDS} if analyzer == "word" else {}
    return CountVectorizer(analyzer=analyzer, ngram_range=(shortest, longest), binary=binary, **pattern, **options)


def _fit_linear(
    analyzer: str,
    longest: int,
    naive_bayes: bool,
    train: tuple[list[str], np.ndarray],
    validation: tuple[list[str], np.ndarray],
    splits: Splits,
) -> Linear:
    """The strength that is most often right on validation, its logits scaled there by a temperature.

    Sources: naive-Bayes weights and their interpolation Wang & Manning 2012, there with a support vector machine.
    """
    if not any(re.search(WORDS, text) for text in train[0]):
        analyzer = "char"  # texts without a word, such as emoji alone
    counter = _counter(analyzer, longest, naive_bayes, max_features=MOST_TERMS)
    counts = counter.fit_transform(train[0]).astype("float64")
    terms, tried = tuple(counter.get_feature_names_out()), counter.transform(validation[0])
    idf = None if naive_bayes else TfidfTransformer().fit(counts).idf_
    outputs = temperature.outputs_of(train[1], len(splits.classes))
    features = weighted(counts, idf)
    solve = naive_bayes_outputs if naive_bayes else _outputs
    candidates = (  # no list: with many terms and classes two of them fill the memory already
        Linear(terms, analyzer, longest, naive_bayes, idf, *fitted, splits.multi_label, strength)
        for strength in STRENGTHS
        for fitted in [solve(features, outputs, strength)]
    )

    def share_right(method: Linear) -> float:
        return temperature.share_right(method.logits(tried), validation[1], splits.multi_label)

    best = max(candidates, key=share_right)  # of equal ones the most penalised
    divisor = temperature.fit(best.logits(tried), validation[1], splits.multi_label)
    return replace(best, coefficients=best.coefficients / divisor, intercept=best.intercept / divisor)


def _outputs(features: sparse.csr_matrix, outputs: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """One logistic regression per output: coefficients `(outputs, terms)` and intercepts `(outputs,)`."""
    coefficients, intercepts = [], []
    for output in outputs.T:
        if output.min() == output.max():  # a class that all texts have, or none
            coefficients.append(np.zeros(features.shape[1]))
            intercepts.append(np.log((output.sum() + 1) / (len(output) - output.sum() + 1)))
            continue
        fitted = LogisticRegression(C=strength, solver="liblinear", random_state=0).fit(features, output)
        coefficients.append(fitted.coef_[0])
        intercepts.append(fitted.intercept_[0])
    return np.array(coefficients), np.array(intercepts)


def naive_bayes_outputs(
    features: sparse.csr_matrix, outputs: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `_outputs`, on terms weighted by the logarithm of their odds, and drawn towards naive Bayes."""
    coefficients, intercepts = [], []
    for output in outputs.T:
        inside, outside = 1 + features.T @ output, 1 + features.T @ (1 - output)
        odds = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
        own, intercept = _outputs(features.multiply(odds).tocsr(), output[:, None], strength)
        coefficients.append(((1 - KEPT) * np.abs(own[0]).mean() + KEPT * own[0]) * odds)
        intercepts.append(KEPT * intercept[0])
    return np.array(coefficients), np.array(intercepts)
