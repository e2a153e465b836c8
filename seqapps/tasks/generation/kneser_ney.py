"""Interpolated Kneser-Ney smoothing with modified discounts: the n-gram model to beat.

Source: Chen & Goodman 1999, section 4.1.6 for the discounts; the counts of lower orders are those of different tokens
on the left (Kneser & Ney 1995), and plain counts where nothing can stand on the left, as in KenLM (Heafield 2011).
"""

from dataclasses import dataclass

import numpy as np

from seqapps.text.kinds import START

NO_GRAM = -1  # the last place of the arrays of a `Level`


@dataclass(frozen=True)
class Grams:
    """The different n-grams of one order in a text.

    Attributes:
        length: Tokens of each.
        keys: `(grams,)` sorted; the number of the gram without its last token, times the vocabulary, plus that token.
        context: `(grams,)` number of the gram without its last token.
        suffix: `(grams,)` number of the gram without its first token.
        count: `(grams,)` how often it occurs.
    """

    length: int
    keys: np.ndarray
    context: np.ndarray
    suffix: np.ndarray
    count: np.ndarray

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The numbers of grams, `NO_GRAM` for those that the text has not."""
        if not len(self.keys):
            return np.full(len(keys), NO_GRAM)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, place, NO_GRAM)


@dataclass(frozen=True)
class Level:
    """How an order mixes what it counted with the order below.

    Attributes:
        share: `(grams + 1,)` discounted count of a gram over that of its context; last, for no gram, 0.
        rest: `(contexts + 1,)` weight of the order below; last, for no context, 1.
    """

    share: np.ndarray
    rest: np.ndarray


class KneserNey:
    """An n-gram model of tokens.

    Args:
        token_ids: `(tokens,)` of documents, each with `START` in front; n-grams do not reach over it.
        vocabulary_size: Ids that there are.
        order: Tokens of the longest n-gram.

    Example:

    >>> model = KneserNey(np.array([START, 4, 5, 4, 5, 4, 5, 3]), vocabulary_size=6, order=2)
    >>> np.exp(model.log_probabilities(np.array([START, 4, 5]))[2]).round(3).tolist()
    [0.688, 0.625]
    """

    def __init__(self, token_ids: np.ndarray, vocabulary_size: int, order: int) -> None:
        self.order = order
        self.vocabulary_size = vocabulary_size
        tokens = np.asarray(token_ids, "int64")
        self.grams = _all_grams(tokens, vocabulary_size, order)
        self._as_highest = [_level(self.grams, number, each.count) for number, each in enumerate(self.grams)]
        self._below = [
            _level(self.grams, number, _continuations(self.grams, number)) for number in range(len(self.grams) - 1)
        ]

    def log_probabilities(self, token_ids: np.ndarray) -> dict[int, np.ndarray]:
        """Of every token but the first and every `START`, in nats, by models of every order up to `order`.

        Args:
            token_ids: `(tokens,)` of documents as for training.

        Returns:
            For every order `(tokens,)` without those.
        """
        tokens = np.asarray(token_ids, "int64")
        predicted = np.flatnonzero(tokens != START)
        below = np.full(len(tokens), 1.0 / (self.vocabulary_size - 2))  # PAD and START never come next
        numbers = np.zeros(len(tokens), "int64")  # of the gram that ends at a token, at first the empty one
        told = {}
        for order in range(1, self.order + 1):
            context, numbers = numbers, _next_numbers(self.grams[order - 1], numbers, tokens, self.vocabulary_size)
            context = np.zeros_like(context) if order == 1 else _shifted(context)
            told[order] = np.log(_mixed(self._as_highest[order - 1], context, numbers, below)[predicted])
            if order < self.order:
                below = _mixed(self._below[order - 1], context, numbers, below)
        return told


def _mixed(level: Level, context: np.ndarray, numbers: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Probabilities at an order from those of the order below."""
    return level.share[numbers] + level.rest[context] * below


def _shifted(numbers: np.ndarray) -> np.ndarray:
    return np.concatenate([[NO_GRAM], numbers[:-1]])


def _keys(numbers: np.ndarray, tokens: np.ndarray, vocabulary: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys of the grams that end at every token, and whether there is one: none goes on over `START`."""
    if length == 1:
        return tokens, np.ones(len(tokens), bool)
    context = _shifted(numbers)
    return context * vocabulary + tokens, (context != NO_GRAM) & (tokens != START)


def _next_numbers(grams: Grams, numbers: np.ndarray, tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    """Numbers of the grams one token longer than those of `numbers`, at every token."""
    keys, inside = _keys(numbers, tokens, vocabulary, grams.length)
    return np.where(inside, grams.find(keys), NO_GRAM)


def _all_grams(tokens: np.ndarray, vocabulary: int, order: int) -> list[Grams]:
    numbers = np.zeros(len(tokens), "int64")
    all_grams = []
    for length in range(1, order + 1):
        keys, inside = _keys(numbers, tokens, vocabulary, length)
        keys, place, count = np.unique(keys[inside], return_inverse=True, return_counts=True)
        if length == 1:
            count = np.where(keys == START, 0, count)  # a context, and never predicted
        suffix = np.zeros(len(keys), "int64")
        suffix[place] = numbers[inside]
        numbers = np.full(len(tokens), NO_GRAM)
        numbers[inside] = place
        all_grams.append(Grams(length, keys, keys // vocabulary, suffix, count))
    return all_grams


def _continuations(grams: list[Grams], number: int) -> np.ndarray:
    """For every gram of an order the different tokens on its left; how often it occurs where there can be none."""
    left = np.bincount(grams[number + 1].suffix, minlength=len(grams[number].keys))
    return np.where(left == 0, grams[number].count, left)


def _level(grams: list[Grams], number: int, count: np.ndarray) -> Level:
    context = grams[number].context
    contexts = len(grams[number - 1].keys) if number else 1
    discount = _discounts(count)[np.minimum(count, 3)]
    total = np.bincount(context, count, minlength=contexts)
    some = np.maximum(total, 1)
    rest = np.bincount(context, discount, minlength=contexts) / some
    share = (count - discount) / some[context]
    return Level(np.append(share, 0.0), np.append(np.where(total > 0, rest, 1.0), 1.0))


def _discounts(count: np.ndarray) -> np.ndarray:
    """What is taken off counts of 0, 1, 2, and 3 or more; where they are too few to tell, half a count each."""
    once, twice, thrice, four = (int((count == number).sum()) for number in (1, 2, 3, 4))
    usual = np.array([0.0, 0.5, 1.0, 1.5])
    if not (once and twice and thrice and four):
        return usual
    share = once / (once + 2 * twice)
    found = np.array([0.0, 1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice])
    sensible = (found[1:] > 0).all() and (found[1:] <= [1, 2, 3]).all()
    return found if sensible else usual
