"""Labels and texts that have a type become text in one way."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqapps.text import reading


def pairs(source):
    return [(row.text, row.label) for row in source]


def read(path, content, **options):
    path.write_text(content, encoding="utf-8")
    return list(reading.open_source(path, **options))


def test_labels_of_json_are_text_as_it_is_written(tmp_path):
    labels = ['"a"', "1", "1.0", "-0.50", "1e3", "true", "false", "null", '"1"', "NaN", "Infinity", '"\\u00e9"']
    content = "".join(f'{{"text": "t", "label": {label}, "score": NaN}}\n' for label in labels)
    expected = ["a", "1", "1.0", "-0.50", "1e3", "true", "false", "", "1", "", "Infinity", "é"]
    assert [row.label for row in read(tmp_path / "a.jsonl", content)] == expected


LABELS = [
    ([7, 5], ["7", "5"]),
    ([7.0, np.nan, 0.5, -0.0], ["7", "", "0.5", "0"]),
    (np.array([0.5, 3], "float32"), ["0.5", "3"]),
    ([True, False], ["true", "false"]),
    (["a", None], ["a", ""]),
    (pd.array([7, None], "Int64"), ["7", ""]),
    (pd.array(["a", None], "string"), ["a", ""]),
    (pd.array([True, None], "boolean"), ["true", ""]),
    (pd.Categorical(["b", None, "a"]), ["b", "", "a"]),
    ([Decimal("7.00"), Decimal("0.50")], ["7", "0.50"]),
]


@pytest.mark.parametrize(("labels", "expected"), LABELS)
def test_labels_of_tables_are_the_text_that_a_reader_would_write(tmp_path, labels, expected):
    frame = pd.DataFrame({"text": "t", "label": labels})
    frame.to_parquet(tmp_path / "a.parquet")
    for data in (frame, tmp_path / "a.parquet"):
        assert [row.label for row in reading.open_source(data)] == expected


def test_a_missing_text_is_an_empty_one(tmp_path):
    frame = pd.DataFrame({"text": ["a", None, np.nan], "label": [1, 0, 1]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_csv(tmp_path / "a.csv", index=False)
    for data in (frame, *(tmp_path / name for name in ("a.parquet", "a.jsonl", "a.csv"))):
        assert pairs(reading.open_source(data)) == [("a", "1"), ("", "0"), ("", "1")]


def test_lists_of_labels_are_joined(tmp_path):
    frame = pd.DataFrame({"text": ["t", "u", "v"], "label": [["a", "b"], [], ["c"]]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for data in (frame, pd.read_parquet(tmp_path / "a.parquet"), tmp_path / "a.parquet", tmp_path / "a.jsonl"):
        source = reading.open_source(data, label_separator="; ")
        assert [row.label for row in source] == ["a; b", "", "c"]
    mixed = '{"text": "t", "label": ["a", 1.0, true]}\n{"text": "t", "label": "b|c"}\n'
    assert [row.label for row in read(tmp_path / "b.jsonl", mixed, label_separator="|")] == ["a|1.0|true", "b|c"]


def test_parquet_may_store_text_in_other_ways(tmp_path):
    path = tmp_path / "a.parquet"
    texts = ["a", "b", "a", None]
    for column in (pa.array(texts).dictionary_encode(), pa.array(texts, pa.large_string())):
        struct = pa.array([{"text": "x"}] * 4)
        pq.write_table(pa.table({"a": struct, "a.text": column, "label": [7, 5, 7, 7]}), path)
        source = reading.open_source(path, text_column="a.text")
        assert pairs(source) == [("a", "7"), ("b", "5"), ("a", "7"), ("", "7")]
