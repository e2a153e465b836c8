"""A folder holds classes, or the parts train, validation and test."""

import gzip

import pandas as pd
import pytest
from refusals import refusal

from seqapps.text import reading
from seqapps.text.reading import Row

CLASSES = "one sub-folder of .txt files per class"


def tree(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        else:
            path.mkdir(exist_ok=True)
    return root


# --- classes ---


def test_sub_folders_are_labels_and_files_are_texts_in_the_order_of_their_names(tmp_path):
    folder = tree(
        tmp_path / "train",
        {
            "pos/1_9.txt": "\ufeffGreat!\r\nReally.\r\n",
            "pos/0_9.txt.gz": gzip.compress("Schön.\n\n".encode()),
            "pos/.hidden.txt": "no",
            "pos/notes.md": "no",
            "neg/0_2.TXT": "Dull.",
            "unsup/0_0.txt": "",
            ".git/a.txt": "no",
            "empty/": "",
            "labeledBow.feat": "no",
        },
    )
    source = reading.open_source(folder)
    assert (source.name, source.text_column, source.label_column) == ("train", "text", "label")
    assert list(source) == [
        Row("Dull.", "neg", "train/neg/0_2.TXT"),
        Row("Schön.\n", "pos", "train/pos/0_9.txt.gz"),
        Row("Great!\r\nReally.", "pos", "train/pos/1_9.txt"),
        Row("", "unsup", "train/unsup/0_0.txt"),
    ]
    assert list(source) == list(source)


def test_a_folder_of_classes_needs_no_columns_and_may_be_read_without_labels(tmp_path, monkeypatch):
    tree(tmp_path / "train", {"pos/a.txt": "Great!", "neg/b.txt": "Dull."})
    monkeypatch.chdir(tmp_path / "train")
    source = reading.open_source(".", text_column="review", label_column="stars", labelled=False)
    assert (source.name, source.label_column) == ("train", None)
    assert list(source) == [Row("Dull.", None, "train/neg/b.txt"), Row("Great!", None, "train/pos/a.txt")]


@pytest.mark.parametrize(
    ("files", "received"),
    [
        ({}, "nothing"),
        ({"train.csv": "text,label\n"}, "'train.csv'"),
        ({"neg/": "", ".pos/a.txt": "a"}, "'neg'"),
        ({f"{name}.txt": "a" for name in "abcdefg"}, "'a.txt', 'b.txt', 'c.txt', 'd.txt', 'e.txt', …"),
    ],
)
def test_a_folder_without_classes_is_refused(tmp_path, files, received):
    folder = tree(tmp_path / "texts", files)
    folder.mkdir(exist_ok=True)
    with refusal(f"The folder 'texts' must hold {CLASSES}. Received: {received}."):
        reading.open_source(folder)


def test_a_class_without_texts_is_refused(tmp_path):
    folder = tree(tmp_path / "texts", {"neg/a.txt": "a", "pos/b.html": "b", "pos/c": "c"})
    with refusal("texts/pos: the files must end in .txt or .txt.gz. Received: 'b.html', 'c'."):
        reading.open_source(folder)


def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path):
    bad = b"Gr\xc3\xb6\xc3\x9fe\nna\xefve"
    byte = "the text must be UTF-8. Received: byte 0xEF at column 3 of the line. Save the file as UTF-8."
    for name, content in (("a.txt", bad), ("a.txt.gz", gzip.compress(bad))):
        folder = tree(tmp_path / name / "texts", {f"neg/{name}": content})
        with refusal(f"texts/neg/{name}, line 2: {byte}"):
            list(reading.open_source(folder))
    folder = tree(tmp_path / "texts", {"neg/a.txt.gz": "a"})
    with refusal("texts/neg/a.txt.gz cannot be decompressed: Not a gzipped file (b'a')."):
        list(reading.open_source(folder))


def test_a_folder_whose_texts_are_all_blank_is_refused(tmp_path):
    folder = tree(tmp_path / "texts", {"neg/a.txt": "\n", "pos/a.txt": " "})
    with refusal("texts: the files must hold texts. Received: 2 rows, all empty."):
        list(reading.open_source(folder))


# --- parts ---


def test_a_file_a_data_frame_and_a_folder_of_classes_are_one_part(tmp_path):
    frame = pd.DataFrame({"text": ["a"], "label": ["b"]})
    assert reading.parts(frame) == {"train": frame}
    path = tree(tmp_path, {"reviews.csv": "text,label\na,b\n"}) / "reviews.csv"
    assert reading.parts(str(path)) == {"train": path}
    folder = tree(tmp_path / "jobs", {"dev/a.txt": "a", "ops/a.txt": "b", "test/a.txt": "c", "train/a.txt": "d"})
    assert reading.parts(folder) == {"train": folder}
    assert [row.label for row in reading.open_source(folder)] == ["dev", "ops", "test", "train"]


@pytest.mark.parametrize("name", ["validation.csv", "valid.tsv.gz", "Val.PARQUET", "dev.jsonl"])
def test_tables_of_a_folder_are_its_parts(tmp_path, name):
    tree(tmp_path, {"test.json": "", name: "", "train.csv.gz": "", "README.md": "", "train.txt": "", "notes/a.txt": ""})
    found = reading.parts(str(tmp_path))
    assert found == {"train": tmp_path / "train.csv.gz", "validation": tmp_path / name, "test": tmp_path / "test.json"}
    assert list(found) == ["train", "validation", "test"]


def test_folders_of_classes_in_a_folder_are_its_parts(tmp_path):
    texts = {f"{part}/{label}/0_1.txt": part for part in ("train", "test") for label in ("neg", "pos")}
    tree(tmp_path, {**texts, "imdb.vocab": "the", "train/unsup/0_0.txt": "", "dev.csv": ""})
    found = reading.parts(tmp_path)
    assert found == {"train": tmp_path / "train", "validation": tmp_path / "dev.csv", "test": tmp_path / "test"}
    assert [row.label for row in reading.open_source(found["train"])] == ["neg", "pos", "unsup"]
    tree(tmp_path, {"extra/a.txt": ""})
    assert reading.parts(tmp_path) == found


@pytest.mark.parametrize(
    ("part", "files", "both"),
    [
        ("train", {"train.csv": "", "train.csv.gz": ""}, "'train.csv', 'train.csv.gz'"),
        ("train", {"train.csv": "", "train/pos/a.txt": ""}, "'train', 'train.csv'"),
        ("validation", {"train.csv": "", "val.csv": "", "dev.tsv": ""}, "'dev.tsv', 'val.csv'"),
        ("test", {"train.csv": "", "test.csv": "", "TEST.pq": ""}, "'TEST.pq', 'test.csv'"),
    ],
)
def test_two_candidates_for_a_part_are_refused(tmp_path, part, files, both):
    tree(tmp_path, files)
    with refusal(f"The folder {str(tmp_path)!r} has more than one {part} part: {both}. Keep one."):
        reading.parts(tmp_path)


@pytest.mark.parametrize(
    ("files", "held"),
    [
        ({}, "nothing"),
        ({"reviews.csv": "", "test.csv": ""}, "'reviews.csv', 'test.csv'"),
        ({"dev/a.txt": "", "test/pos/a.txt": ""}, "'dev', 'test'"),
    ],
)
def test_a_folder_without_a_train_part_is_refused(tmp_path, files, held):
    tree(tmp_path, files)
    message = f"has no train part, such as train.csv or train/, and not {CLASSES}. It holds {held}."
    with refusal(f"The folder {str(tmp_path)!r} {message}", FileNotFoundError):
        reading.parts(tmp_path)


def test_a_missing_path_is_named(tmp_path):
    path = tmp_path / "reviews.csv"
    for function in (reading.parts, reading.open_source):
        with refusal(f"There is no file or folder {str(path)!r}.", FileNotFoundError):
            function(path)


def test_other_data_are_refused():
    for function in (reading.parts, reading.open_source):
        with refusal("`data` must be a path or a DataFrame. Received: data=['Great!']."):
            function(["Great!"])
