"""The demo data are what the README says: balanced, without copies, and neither trivial nor hopeless."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from seqapps.tasks.sentiment import baselines, data
from seqapps.tasks.sentiment.config import Config

REVIEWS = Path(__file__).parents[3] / "data" / "sentiment" / "reviews.csv"
IN_A_ROW = 6  # words


@pytest.fixture(scope="module")
def splits():
    return data.load(REVIEWS, Config())


def test_there_are_enough_reviews_and_as_many_of_each_kind(splits):
    counts = sum((np.bincount(splits.targets(split), minlength=2) for split in data.SPLITS), np.zeros(2, int))
    assert splits.classes == ("negative", "positive")
    assert counts.sum() >= 800
    assert counts[0] == counts[1]
    assert splits.notes == ()  # none is empty, or stands in two parts


def test_no_two_reviews_share_six_words_in_a_row(splits):
    seen = Counter()
    for split in data.SPLITS:
        for text in splits.texts(split):
            words = re.findall(r"[\w'’]+", text.lower())
            seen.update({tuple(words[start : start + IN_A_ROW]) for start in range(len(words) - IN_A_ROW + 1)})
    assert len(seen) > 5_000
    assert [" ".join(words) for words, count in seen.items() if count > 1] == []


def test_tf_idf_finds_them_neither_easy_nor_hopeless(splits):
    probability = baselines.fit(splits, "fast").probabilities(list(splits.texts("test")))[baselines.TFIDF]
    accuracy = (probability.argmax(axis=1) == splits.targets("test")).mean()
    assert 0.65 < accuracy < 0.9
