"""Known facts of two public data sets of reviews; the environment variable SEQAPPS_DATA names the folder above them."""

import os
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from seqapps.text import reading

NEIGHBOUR = Path(__file__).parents[3] / "shared" / "data"
DATA = Path(os.environ.get("SEQAPPS_DATA", NEIGHBOUR))


def folder_of(name):
    folder = DATA / "sentiment" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not here; set SEQAPPS_DATA to the folder that holds sentiment/{name}")
    return folder


def test_sst2_has_its_published_sizes_and_texts_as_they_stand():
    found = reading.parts(folder_of("sst2"))
    assert list(found) == ["train", "validation", "test"]
    for part, counts in {
        "train": {"0": 3310, "1": 3610},
        "validation": {"0": 428, "1": 444},
        "test": {"0": 912, "1": 909},
    }.items():
        rows = list(reading.open_source(found[part]))
        assert Counter(row.label for row in rows) == counts
        lines = found[part].read_text(encoding="utf-8").removesuffix("\n").split("\n")
        assert [f"{row.text}\t{row.label}" for row in rows] == lines[1:]
        assert rows[-1].place == f"{found[part].name}, line {len(lines)}"


def test_imdb_has_its_published_sizes_and_texts_as_pandas_reads_them():
    path = folder_of("imdb") / "train.csv.gz"
    assert reading.parts(path.parent)["train"] == path
    source = reading.open_source(path)
    assert (source.text_column, source.label_column) == ("text", "label")
    rows = list(source)
    assert Counter(row.label for row in rows) == {"0": 12_500, "1": 12_500}
    assert [row.text for row in rows] == pd.read_csv(path)["text"].tolist()
