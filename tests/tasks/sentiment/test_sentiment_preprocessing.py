"""The tokenizer is fitted on the training part alone, and a long text is read from its start and its end."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.sentiment import data, preprocessing
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text.kinds import TOKENIZERS

MOST = 5


def load(**options):
    """Every text has a word of its own, which is the part's secret."""
    texts = [f"A room number {chr(0x4E00 + row)}" for row in range(53)]
    return data.load(pd.DataFrame({"text": texts, "label": [row % 3 for row in range(53)]}), Config(**options))


@pytest.fixture(scope="module")
def cut():
    """Cuts rows of ids."""

    def read(rows, most):
        scaling = Preprocessing(None, ("a", "b"), None, most)
        return scaling.cut(tf.ragged.constant(rows, tf.int32, ragged_rank=1)).to_list()

    return read


# --- what is fitted ---


def test_tokens_come_from_the_training_part_alone():
    splits = load()
    scaling = preprocessing.fit(splits, Config())
    known = set(scaling.tokenizer.to_dict()["vocabulary"])
    for split in data.SPLITS:
        own = {text[-1] for text in splits.texts(split)}
        assert own & known == (own if split == "train" else set())
    assert {"a", "room", "number"} < known
    assert (scaling.classes, scaling.multi_label, scaling.max_tokens) == (("0", "1", "2"), False, 400)


def test_options_reach_the_tokenizer():
    scaling = preprocessing.fit(
        load(), Config(vocabulary_size=7, lowercase=False, max_tokens=MOST, tokenizer="whitespace")
    )
    assert scaling.tokenizer.to_dict() == {
        "kind": "whitespace", "lowercase": False, "vocabulary": ["A", "number", "room"],
    }  # fmt: skip
    assert scaling.encode(tf.constant(["room A room", "a"])).to_list() == [[6, 4, 6], [1]]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_what_was_fitted_comes_back_from_json(kind):
    scaling = preprocessing.fit(load(), Config(tokenizer=kind, vocabulary_size=300, max_tokens=MOST))
    again = Preprocessing.from_dict(json.loads(json.dumps(scaling.to_dict())))
    assert again.to_dict() == scaling.to_dict()
    assert (again.classes, again.multi_label, again.max_tokens) == (scaling.classes, False, MOST)
    texts = tf.constant(["A room", "", "日本 🙂 room number room number 一"])
    assert again.encode(texts).to_list() == scaling.encode(texts).to_list()


def test_several_labels_are_told():
    table = pd.DataFrame({"text": [f"text {row}" for row in range(31)], "label": ["a|b", "b", ""] * 10 + ["a"]})
    config = Config(label_separator="|")
    scaling = preprocessing.fit(data.load(table, config), config)
    assert (scaling.classes, scaling.multi_label, scaling.label_separator) == (("a", "b"), True, "|")


def test_of_a_large_part_evenly_spread_texts_are_read(monkeypatch):
    splits = load()
    monkeypatch.setattr(preprocessing, "MOST_TEXTS", 10)
    read = [text[-1] for text in splits.texts("train")][:: -(-splits.count("train") // 10)]
    assert 5 <= len(read) <= 10
    known = set(preprocessing.fit(splits, Config()).tokenizer.to_dict()["vocabulary"])
    assert known == {"a", "room", "number", *read}
    count = splits.count("train")
    told = f"The tokenizer was fitted on {len(read)} of {count} training texts, spread evenly over them."
    assert preprocessing.sample_note(splits) == told


def test_without_a_sample_there_is_nothing_to_tell():
    assert preprocessing.sample_note(load()) == ""


# --- what is read of a long text ---


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, [[1], [], [7]]),
        (2, [[1, 6], [], [7]]),
        (3, [[1, 2, 6], [], [7]]),  # the odd one is of the start
        (5, [[1, 2, 3, 5, 6], [], [7]]),
        (6, [[1, 2, 3, 4, 5, 6], [], [7]]),
        (400, [[1, 2, 3, 4, 5, 6], [], [7]]),
    ],
)
def test_a_long_text_is_read_from_both_ends(cut, most, expected):
    assert cut([[1, 2, 3, 4, 5, 6], [], [7]], most) == expected


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(0, 13), min_size=1, max_size=5), most=st.integers(1, 9))
def test_texts_keep_their_order_and_short_ones_all_their_tokens(cut, lengths, most):
    rows = [list(range(1, length + 1)) for length in lengths]
    for row, found in zip(rows, cut(rows, most), strict=True):
        start = most - most // 2
        assert found == (row if len(row) <= most else row[:start] + row[len(row) - most // 2 :])


def test_encoding_cuts():
    scaling = preprocessing.fit(load(), Config(max_tokens=3))
    ids = scaling.tokenizer.encode(tf.constant(["a room number a a"])).to_list()[0]
    assert scaling.encode(tf.constant(["a room number a a", "room"])).to_list() == [[*ids[:2], ids[-1]], [ids[1]]]
    np.testing.assert_array_equal(scaling.encode(tf.constant([], tf.string)).row_lengths(), [])
