"""Texts are read from whatever holds them, with their classes, and each file is the part that it is meant to be."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from seqapps.tasks.sentiment import data
from seqapps.tasks.sentiment.config import Config

COUNTS = {"bad": 17, "fine": 23, "mixed": 13}
# A tenth validates and a fifth tests, rounded class by class: 1.7, 2.3, 1.3 and 3.4, 4.6, 2.6.
SIZES = {"train": (12, 16, 9), "validation": (2, 2, 1), "test": (3, 5, 3)}
SEPARATOR = "|"


def reviews(counts=COUNTS):
    """Texts that occur once, of one class after the other."""
    rows = [(f"{label} text, “number” {number}\nends", label) for label in counts for number in range(counts[label])]
    return pd.DataFrame(rows, columns=["review", "stars"])


def frame(texts, labels):
    return pd.DataFrame({"text": texts, "label": labels})


def pairs(splits, split):
    """Texts of a split with the names of their classes."""
    targets = splits.targets(split)
    if splits.multi_label:
        names = ["+".join(np.array(splits.classes)[row > 0]) for row in targets]
    else:
        names = [splits.classes[target] for target in targets]
    return list(zip(splits.texts(split), names, strict=True))


def write(table, path):
    """A table in the format that its name says."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        table.to_parquet(path)
    elif kind in ("csv", "tsv"):
        table.to_csv(path, index=False, sep="," if kind == "csv" else "\t")
    else:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_dict("records")).encode()
        path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def write_classes(table, folder):
    """A folder per class and a file per text."""
    for number, (text, label) in enumerate(table.itertuples(index=False)):
        path = folder / label / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return folder


# --- sources ---


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.jsonl", "a.ndjson.gz", "a.parquet", "classes"])
def test_every_kind_of_data_is_cut_alike(tmp_path, name):
    path = write_classes(reviews(), tmp_path / name) if name == "classes" else write(reviews(), tmp_path / name)
    expected = data.load(reviews(), Config())
    for given_path in (path, str(path)):
        splits = data.load(given_path, Config())
        assert splits.classes == ("bad", "fine", "mixed")
        assert not splits.multi_label
        assert splits.notes == ()
        for split in data.SPLITS:
            assert sorted(pairs(splits, split)) == sorted(pairs(expected, split))
            assert pairs(splits, split) == pairs(splits, split)  # read again
            assert splits.count(split) == len(pairs(splits, split)) == sum(SIZES[split])


def test_every_row_knows_its_place(tmp_path):
    splits = data.load(write(reviews(), tmp_path / "a.parquet"), Config())
    places = [row.place for split in data.SPLITS for row in splits.rows(split)]
    assert sorted(places, key=lambda place: int(place.split()[-1])) == [f"a.parquet, row {row}" for row in range(53)]
    for row in splits.rows("test"):
        assert reviews()["review"][int(row.place.split()[-1])] == row.text


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
@pytest.mark.parametrize("ending", [".csv", ".jsonl.gz", ""])
def test_a_folder_brings_its_own_parts_in_their_order(tmp_path, name, ending):
    table = reviews().sample(frac=1, random_state=0)
    parts = {"train": table[:31], name: table[31:38], "test": table[38:]}
    for part, rows in parts.items():
        write(rows, tmp_path / f"{part}{ending}") if ending else write_classes(rows, tmp_path / part)
    splits = data.load(tmp_path, Config())
    for split, rows in zip(data.SPLITS, parts.values(), strict=True):
        received, expected = pairs(splits, split), list(rows.itertuples(index=False, name=None))
        assert (received if ending else sorted(received)) == (expected if ending else sorted(expected))


def test_a_part_without_a_file_is_cut_from_the_training_file(tmp_path):
    write(reviews(), tmp_path / "train.csv")
    write(reviews({"bad": 2, "fine": 3}).assign(review=lambda table: "new " + table["review"]), tmp_path / "test.csv")
    splits = data.load(tmp_path, Config(validation_fraction=0.3))
    assert [splits.count(split) for split in data.SPLITS] == [53 - 5 - 7 - 4, 5 + 7 + 4, 5]
    assert pairs(splits, "test")[0] == ("new bad text, “number” 0\nends", "bad")


def test_files_of_their_own_come_as_options(tmp_path):
    train, validation, test = (
        write(reviews(counts), tmp_path / name)
        for counts, name in (
            (COUNTS, "a.csv"),
            ({"bad": 2, "fine": 1}, "b.jsonl"),
            ({"mixed": 2, "fine": 1}, "c.parquet"),
        )
    )
    splits = data.load(train, Config(validation_data=str(validation), test_data=str(test)))
    assert [splits.count(split) for split in data.SPLITS] == [53, 3, 3]
    assert [label for _, label in pairs(splits, "test")] == ["mixed", "mixed", "fine"]
    splits = data.load(train, Config(test_data=str(test)))
    assert [splits.count(split) for split in data.SPLITS] == [53 - 5, 5, 3]


def test_columns_are_found_or_named_and_kept_for_the_next_time():
    table = reviews().assign(topic=["food", *52 * ["rooms"]], body="a body")
    splits = data.load(table, Config())
    kept = data.resolved(Config(units=7), splits)
    assert kept == Config(units=7, text_column="review", label_column="stars")
    assert data.load(table, kept).fingerprint("train") == splits.fingerprint("train")
    named = data.load(table, Config(label_column="topic"))
    assert named.classes == ("food", "rooms")
    assert data.resolved(Config(), named).text_column == "review"
    assert set(data.load_whole(table, Config(text_column="body"), splits.classes).texts("all")) == {"a body"}


# --- labels ---


def classes_of(*labels):
    return data.load(frame([f"text {row}" for row in range(7 * len(labels))], 7 * list(labels)), Config()).classes


def test_classes_are_sorted_and_whole_numbers_by_their_value():
    assert classes_of("good", "Bad", "éa", "bad") == ("Bad", "bad", "good", "éa")
    assert classes_of("10", "9", "-1", "2") == ("-1", "2", "9", "10")
    assert classes_of("10", "9", "x") == ("10", "9", "x")
    assert classes_of("1.5", "10", "2") == ("1.5", "10", "2")
    assert classes_of("1", "01", "0") == ("0", "01", "1")
    assert classes_of(10, 9, -1) == ("-1", "9", "10")
    assert classes_of(True, False) == ("false", "true")
    assert classes_of(" good", "good ", "bad") == ("bad", "good")


def test_what_only_looks_like_a_whole_number_is_sorted_as_text():
    assert classes_of("--1", "1") == ("--1", "1")


def test_a_text_may_have_any_number_of_labels(tmp_path):
    labels = ["b|a", "a", "", "c | b", "b|c|b", "|a|"]
    texts = [f"text {row}" for row in range(7 * len(labels))]
    splits = data.load(frame(texts, 7 * labels), Config(label_separator=SEPARATOR))
    assert (splits.classes, splits.multi_label) == (("a", "b", "c"), True)
    expected = dict(zip(texts, 7 * ["a+b", "a", "", "b+c", "b+c", "a"], strict=True))
    found = dict(pair for split in data.SPLITS for pair in pairs(splits, split))
    assert found == expected
    assert splits.targets("train").dtype == "float32"
    assert splits.targets("train").shape == (splits.count("train"), 3)
    path = tmp_path / "lists.jsonl"
    rows = [{"text": text, "label": [name for name in label.split("+") if name]} for text, label in expected.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lists = data.load(path, Config(label_separator=SEPARATOR))
    assert dict(pair for split in data.SPLITS for pair in pairs(lists, split)) == expected


def test_sets_of_labels_that_training_never_shows_are_known_by_their_members(tmp_path):
    write(frame([f"text {row}" for row in range(12)], 6 * ["a", "b"]), tmp_path / "train.csv")
    write(frame(["u", "v", "w"], ["a;b", "b", ""]), tmp_path / "test.csv")
    splits = data.load(tmp_path, Config(label_separator=";"))
    assert splits.targets("test").tolist() == [[1, 1], [0, 1], [0, 0]]


def test_one_label_is_a_class_of_its_own_without_a_separator():
    splits = data.load(frame([f"text {row}" for row in range(12)], 6 * ["a|b", "a"]), Config())
    assert splits.classes == ("a", "a|b")
    assert splits.targets("train").dtype == "int32"
