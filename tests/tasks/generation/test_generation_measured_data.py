"""Data on which a run is measured again, which may hold their texts otherwise than those of its training."""

import pandas as pd
import pytest

from seqapps.tasks.generation import data
from seqapps.tasks.generation.config import Config

TEXT = "".join(chr(97 + place * 7 % 26) for place in range(200))


def write(text, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_folder_with_parts_of_its_own_is_measured_whatever_rule_cut_the_training(tmp_path):
    for part in ("train", "validation", "test"):
        write(TEXT, tmp_path / "parts" / f"{part}.txt")
    config = Config(test_data="gone.txt", validation_fraction=0.3)
    assert data.as_measured(tmp_path / "parts", config) == Config()


def test_parts_may_call_their_column_differently_also_when_the_run_is_repeated(tmp_path):
    table = pd.DataFrame({"text": [TEXT] * 3})
    other = tmp_path / "other.csv"
    table.rename(columns={"text": "content"}).to_csv(other, index=False)
    book = tmp_path / "book.txt"
    write(TEXT, book)
    config = Config(validation_data=str(other), test_data=str(book))
    splits = data.load(table, config)
    assert data.load(table, data.resolved(config, splits)).hashes == splits.hashes


def test_a_file_that_the_training_named_and_that_is_gone_is_told_with_what_to_do(tmp_path):
    book = tmp_path / "book.txt"
    write(TEXT, book)
    missing = str(tmp_path / "gone.txt")
    with pytest.raises(FileNotFoundError) as caught:
        data.load_as_trained(book, Config(test_data=missing))
    advice = f"The run was split by `test_data` {missing!r}; for other data use --split all."
    assert str(caught.value) == f"There is no file or folder {missing!r}. {advice}"
