"""Logistic regression on 1- to 3-grams of tokens, weighted by naive Bayes, inside the graph beside the network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from zlib import crc32

import numpy as np
import tensorflow as tf
from scipy import sparse

from seqapps import checks, run_folder
from seqapps.classification import temperature
from seqapps.tasks.sentiment.baselines import naive_bayes_outputs
from seqapps.tasks.sentiment.data import Splits
from seqapps.text.batches import Encoded

FILE = "linear_skip.npz"
STRENGTHS = (0.3, 1.0, 3.0, 10.0)  # C of logistic regression: higher is weaker
FOLDS = 5
MOST_TEXTS = 50_000  # that it is fitted on: all terms of all of them are held in memory
MOST_TERMS = 1_000_000
FEWEST_TEXTS = 2  # that a term must occur in
LONGEST = 3  # tokens of a term
LARGEST_VOCABULARY = 2**21 - 1  # its cube fits into 63 bits


@dataclass(frozen=True)
class LinearSkip:
    """Logits of a text that are sums over its terms: every token, pair and triple of neighbours counts once.

    Attributes:
        terms: `(terms,)` int64, rising: the ids of a term's tokens as the digits of a number to the base
            `vocabulary_size`.
        weights: `(terms, classes)` float32.
        intercept: `(classes,)` float32.
        vocabulary_size: Token ids that there are.
        variables: What the graph reads: the arrays above.
    """

    terms: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray
    vocabulary_size: int
    variables: tuple[tf.Variable, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        arrays = (self.terms, self.weights, self.intercept)
        object.__setattr__(self, "variables", tuple(tf.Variable(each, trainable=False) for each in arrays))

    def logits(self, token_ids: tf.RaggedTensor) -> tf.Tensor:
        """`(batch, (tokens))` ids as the network reads them → `(batch, classes)`."""
        weights, intercept = self.variables[1:]
        row, position = self.found(token_ids)
        distinct = tf.unique(row * len(self.terms) + position).y  # a term counts once per text
        summed = tf.math.unsorted_segment_sum(
            tf.gather(weights, distinct % len(self.terms)), distinct // len(self.terms), token_ids.nrows()
        )
        return summed + intercept

    def found(self, token_ids: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Row and position in `terms` of every occurrence of a known term, int64."""
        terms = self.variables[0]
        ids = tf.cast(token_ids, tf.int64)
        ngrams = [ids]
        for length in range(1, LONGEST):
            ngrams.append(ngrams[-1][:, :-1] * self.vocabulary_size + ids[:, length:])
        wanted = tf.concat(ngrams, axis=1)
        position = tf.minimum(tf.searchsorted(terms, wanted.values, out_type=tf.int64), len(self.terms) - 1)
        known = tf.gather(terms, position) == wanted.values
        rows = tf.cast(wanted.value_rowids(), tf.int64)
        return tf.boolean_mask(rows, known), tf.boolean_mask(position, known)

    def shares(self, token_ids: np.ndarray, label: int) -> np.ndarray:
        """What every token of a text adds to a class's logit: `(tokens,)`.

        A term's weight is shared by its occurrences, and by the tokens of each.
        """
        told = np.zeros(len(token_ids))
        for tokens, terms in enumerate(_ngrams(token_ids, self.vocabulary_size), start=1):
            position = np.minimum(np.searchsorted(self.terms, terms), len(self.terms) - 1)
            _, inverse, count = np.unique(terms, return_inverse=True, return_counts=True)
            weight = np.where(self.terms[position] == terms, self.weights[position, label], 0) / count[inverse] / tokens
            for offset in range(tokens):
                told[offset : offset + len(terms)] += weight
        return told

    def save(self, path: Path, training: np.ndarray) -> None:
        """Write to `.npz`, with the logits of the training texts."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in ("terms", "weights", "intercept")}
        arrays |= {"vocabulary_size": np.array(self.vocabulary_size), "training": training}
        run_folder.write_with(path, lambda temporary: np.savez(temporary, **arrays))

    @classmethod
    def load(cls, path: Path) -> tuple[Self, np.ndarray]:
        """The inverse of `save`."""
        with np.load(path, allow_pickle=False) as arrays:
            own = cls(arrays["terms"], arrays["weights"], arrays["intercept"], int(arrays["vocabulary_size"]))
            return own, arrays["training"]


def check_vocabulary(size: int) -> None:
    """Refuse a vocabulary of which three ids are too many for the one number that names a term."""
    if size > LARGEST_VOCABULARY:
        advice = "Choose a smaller vocabulary, or leave the linear_skip out."
        checks.fail("vocabulary_size", f"at most {LARGEST_VOCABULARY} with a linear_skip", size, advice)


def stored(run: Path) -> LinearSkip | None:
    """The linear skip of a run, if it has one."""
    path = run / FILE
    return LinearSkip.load(path)[0] if path.is_file() else None


def logits_of(skip: LinearSkip, encoded: Encoded, at_once: int = 512) -> np.ndarray:
    """The logits of many texts: `(texts, classes)` float32."""
    parts = []
    for start in range(0, len(encoded), at_once):
        splits = encoded.starts[start : start + at_once + 1]
        values = tf.constant(encoded.token_ids[splits[0] : splits[-1]], tf.int32)
        parts.append(skip.logits(tf.RaggedTensor.from_row_splits(values, splits - splits[0])).numpy())
    return np.concatenate(parts)


def fit(
    train: Encoded,
    targets: np.ndarray,
    validation: Encoded,
    validation_targets: np.ndarray,
    classes: int,
    vocabulary_size: int,
) -> tuple[LinearSkip, np.ndarray]:
    """Fit on the training texts; the strength is the one that is most often right on validation.

    The logits of the training texts come from regressions that have not seen them (fitted on the other folds), and so
    does the temperature that they are divided by: a network that is trained beside them would otherwise trust them as
    it must not trust them for a new text. Sources: naive-Bayes weights Wang & Manning 2012, cross-fitting stacked
    generalisation (Wolpert 1992).

    Args:
        train: As the network reads it.
        targets: `(texts,)` classes or `(texts, classes)` of 0 and 1.
        validation: As `train`.
        validation_targets: As `targets`.
        classes: How many there are.
        vocabulary_size: Token ids that there are.

    Returns:
        The fitted skip, and the logits of the training texts, `(texts, classes)`.
    """
    multi_label = targets.ndim == 2
    sample = _sample(len(train))
    terms = _terms(train, sample, vocabulary_size)
    counts, outputs = _counts(train, sample, terms, vocabulary_size), temperature.outputs_of(targets[sample], classes)
    judged = _sample(len(validation))
    tried = _counts(validation, judged, terms, vocabulary_size)

    def share_right(strength: float) -> float:
        logits = _linear(tried, *naive_bayes_outputs(counts, outputs, strength), multi_label)
        return temperature.share_right(logits, validation_targets[judged], multi_label)

    strength = max(STRENGTHS, key=share_right)  # of equal ones the most penalised
    fold = np.array([crc32(_ids(train, int(row)).tobytes()) % FOLDS for row in sample])  # equal texts stay together
    unseen = np.zeros((len(sample), classes))
    for own in (fold == number for number in range(FOLDS)):
        if own.any() and not own.all():
            unseen[own] = _linear(counts[own], *naive_bayes_outputs(counts[~own], outputs[~own], strength), multi_label)
    divisor = temperature.fit(unseen, targets[sample], multi_label)
    coefficients, intercept = naive_bayes_outputs(counts, outputs, strength)
    weights = (_by_class(coefficients.T, multi_label) / divisor).astype("float32")
    first = (_by_class(intercept[None], multi_label)[0] / divisor).astype("float32")
    skip = LinearSkip(terms, weights, first, vocabulary_size)
    training = logits_of(skip, train)  # those outside the sample have not been seen either
    training[sample] = unseen / divisor
    return skip, training


def sample_note(splits: Splits) -> str:
    """A sentence on a training part of which the skip sees only a sample, empty where it sees all."""
    count = splits.count("train")
    seen = len(_sample(count))
    return f"The linear skip was fitted on {seen} of {count} training texts, spread evenly over them." * (seen < count)


def _sample(count: int) -> np.ndarray:
    """Positions of texts that are spread evenly over all."""
    return np.arange(0, count, -(-count // MOST_TEXTS))


def _linear(
    counts: sparse.csr_matrix, coefficients: np.ndarray, intercept: np.ndarray, multi_label: bool
) -> np.ndarray:
    """`(texts, classes)` logits."""
    return _by_class(counts @ coefficients.T + intercept, multi_label)


def _by_class(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """`(rows, outputs)` → `(rows, classes)`: of two exclusive classes each gets half of the one output."""
    if multi_label or scores.shape[1] > 1:
        return scores
    return np.concatenate([-scores / 2, scores / 2], axis=1)


def _ids(encoded: Encoded, row: int) -> np.ndarray:
    return encoded.token_ids[encoded.starts[row] : encoded.starts[row + 1]].astype("int64")


def _ngrams(token_ids: np.ndarray, vocabulary_size: int) -> list[np.ndarray]:
    """The terms of a text by their length: of n tokens `(tokens - n + 1,)` numbers, as `LinearSkip.terms` has them."""
    ids = token_ids.astype("int64")
    ngrams = [ids]
    for length in range(1, LONGEST):
        ngrams.append(ngrams[-1][:-1] * vocabulary_size + ids[length:])
    return ngrams


def _terms_of(encoded: Encoded, row: int, vocabulary_size: int) -> np.ndarray:
    return np.unique(np.concatenate(_ngrams(_ids(encoded, row), vocabulary_size)))


def _terms(encoded: Encoded, rows: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """The terms that are common enough, rising; at least one, so that there is something to look up."""
    every = np.concatenate([_terms_of(encoded, row, vocabulary_size) for row in rows])
    terms, count = np.unique(every, return_counts=True)
    terms, count = terms[count >= FEWEST_TEXTS], count[count >= FEWEST_TEXTS]
    kept = np.argsort(-count, kind="stable")[:MOST_TERMS]
    return np.sort(terms[kept]) if len(kept) else np.zeros(1, "int64")  # the id of padding, which no text has


def _counts(encoded: Encoded, rows: np.ndarray, terms: np.ndarray, vocabulary_size: int) -> sparse.csr_matrix:
    """`(texts, terms)` of 0 and 1."""
    columns = []
    for row in rows:
        own = _terms_of(encoded, row, vocabulary_size)
        position = np.minimum(np.searchsorted(terms, own), len(terms) - 1)
        columns.append(position[terms[position] == own].astype("int32"))
    starts = np.cumsum([0, *map(len, columns)])
    joined = np.concatenate(columns)
    return sparse.csr_matrix((np.ones(len(joined)), joined, starts), shape=(len(rows), len(terms)))
