"""Fingerprints of splits, and whole files as one split."""

import pandas as pd
import pytest
from test_sentiment_data import SEPARATOR, frame, reviews, write

from seqapps.tasks.sentiment import data
from seqapps.tasks.sentiment.config import Config

# --- fingerprints ---


def fingerprints(table, config=None):
    splits = data.load(table, config or Config())
    return {split: splits.fingerprint(split) for split in data.SPLITS}


def test_a_fingerprint_tells_texts_and_labels_and_their_order():
    first = fingerprints(reviews())
    assert first == fingerprints(reviews())
    assert len(set(first.values())) == 3
    assert all(len(value) == 64 for value in first.values())
    splits = data.load(reviews(), Config())
    row = next(splits.rows("test")).place.split()[-1]
    for column, value in (("review", "another text"), ("stars", "mixed")):
        changed = reviews()
        changed.loc[int(row), column] = value
        assert fingerprints(changed)["test"] != first["test"]
    assert fingerprints(reviews()[::-1])["test"] != first["test"]


def test_a_renamed_class_has_another_fingerprint():
    renamed = fingerprints(reviews().replace({"mixed": "mixture"}))
    assert all(value != fingerprints(reviews())[split] for split, value in renamed.items())


@pytest.mark.parametrize(
    ("separator", "train", "test"),
    [
        pytest.param(None, ["fine", "bad"], ["bad"], id="one label"),
        pytest.param(SEPARATOR, ["fine", "bad|fine"], ["bad"], id="several labels"),
    ],
)
def test_the_fingerprint_of_a_part_depends_on_its_own_rows_alone(tmp_path, separator, train, test):
    config = Config(label_separator=separator, test_data=str(tmp_path / "test.csv"))
    write(frame(["u", "v", "w"], ["bad", "fine", "bad"]), tmp_path / "test.csv")
    table = frame([f"text {row}" for row in range(20)], 10 * ["bad", "fine"])
    first = fingerprints(table, config)
    other = frame([f"more {row}" for row in range(20)], 10 * train)
    assert fingerprints(pd.concat([other, table]), config)["test"] == first["test"]
    write(frame(["u", "v", "w"], ["bad" if separator is None else "bad|fine", *test, "bad"]), tmp_path / "test.csv")
    assert fingerprints(table, config)["train"] == first["train"]


# --- a whole file ---


def test_all_rows_of_a_file_are_one_part_with_the_classes_of_a_run(tmp_path):
    path = write(reviews({"fine": 3, "bad": 2}), tmp_path / "new.csv")
    for source in (path, reviews({"fine": 3, "bad": 2})):
        splits = data.load_whole(source, Config(), ("bad", "fine", "mixed"))
        assert (splits.classes, list(splits.parts), splits.count("all")) == (("bad", "fine", "mixed"), ["all"], 5)
        assert splits.targets("all").tolist() == [1, 1, 1, 0, 0]
        assert list(splits.texts("all")) == reviews({"fine": 3, "bad": 2})["review"].tolist()


def test_all_rows_may_have_several_labels():
    splits = data.load_whole(frame(["u", "v", "w"], ["a|c", "", "b"]), Config(label_separator="|"), ("a", "b", "c"))
    assert splits.targets("all").tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
