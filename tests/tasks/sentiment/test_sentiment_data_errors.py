"""What is wrong with labels and parts is said with file, line and column; leaks and contradictions are counted."""

import gzip

import pandas as pd
import pytest
from refusals import refusal

from seqapps.tasks.sentiment import data
from seqapps.tasks.sentiment.config import Config

CLASSES = ("bad", "good")


@pytest.fixture
def folder(tmp_path):
    """Writes parts of a table into one folder."""

    def write(**parts):
        for name, rows in parts.items():
            lines = ["text,label", *(f"{text},{label}" for text, label in rows)]
            (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path

    return write


def rows(count=11, start=0):
    return [(f"text {row}", CLASSES[row % 2]) for row in range(start, start + count)]


def frame(texts, labels):
    return pd.DataFrame({"text": texts, "label": labels})


# --- labels ---


@pytest.mark.parametrize(
    ("label", "close"), [("goood", " Did you mean 'good'?"), ("Good", " Did you mean 'good'?"), ("unheard-of", "")]
)
@pytest.mark.parametrize("part", ["validation", "test"])
def test_an_unknown_label_is_an_error_with_its_place(folder, part, label, close):
    path = folder(train=rows(), **{part: [*rows(3, start=50), ("text", label)]})
    with refusal(
        f"{part}.csv, line 5, column 'label': the label must be one of 'bad', 'good'. Received: {label!r}.{close}"
    ):
        data.load(path, Config())


def test_an_unknown_label_among_known_ones_is_an_error_too(folder):
    path = folder(train=rows(), test=[("text", "good; goood")])
    with refusal(
        "test.csv, line 2, column 'label': the label must be one of 'bad', 'good'. Received: 'goood'. "
        "Did you mean 'good'?"
    ):
        data.load(path, Config(label_separator=";"))


def test_of_many_classes_ten_are_listed(folder):
    many = [(f"text {row}", f"class {row % 13}") for row in range(39)]
    path = folder(train=many, test=[("text", "klass 7")])
    listed = ", ".join(f"'class {number}'" for number in (0, 1, 10, 11, 12, 2, 3, 4, 5, 6))
    with refusal(
        f"test.csv, line 2, column 'label': the label must be one of {listed}, …. Received: 'klass 7'. "
        "Did you mean 'class 7'?"
    ):
        data.load(path, Config())


def test_an_unknown_label_of_a_class_folder_is_that_of_its_first_text(tmp_path):
    for name in ("train/bad/a.txt", "train/good/b.txt", "test/god/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("text", encoding="utf-8")
    with refusal("test/god/c.txt: the label must be one of 'bad', 'good'. Received: 'god'. Did you mean 'good'?"):
        data.load(tmp_path, Config())


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("label", ["", "  "])
def test_an_empty_label_is_an_error_with_its_place(folder, part, label):
    parts = {"train": rows(), "validation": rows(3, start=50), "test": rows(3, start=60)}
    parts[part].insert(1, ("text", label))
    path = folder(**parts)
    with refusal(f"{part}.csv, line 3, column 'label': the label must not be empty. Label the row or delete it."):
        data.load(path, Config())


def test_a_missing_label_of_a_data_frame_is_empty():
    table = frame(["a", "b", "c"], ["good", None, "bad"]).rename(columns={"label": "stars"})
    with refusal("row 1, column 'stars': the label must not be empty. Label the row or delete it."):
        data.load(table, Config())


def test_one_class_is_an_error(folder):
    with refusal("train.csv, column 'label': there must be at least two classes. Received: 'good' in all 3 rows."):
        data.load(folder(train=[(text, "good") for text, _ in rows(3)]) / "train.csv", Config())
    with refusal("the DataFrame, column 'stars': there must be at least two classes. Received: '5' in all 3 rows."):
        data.load(pd.DataFrame({"review": ["a", "b", "c"], "stars": 5}), Config())
    with refusal("the DataFrame, column 'label': there must be at least two classes. Received: no label in 3 rows."):
        data.load(frame(["a", "b", "c"], ["", "|", None]), Config(label_separator="|"))


def test_one_class_folder_is_an_error_that_names_no_column(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / "reviews" / "good").mkdir(parents=True, exist_ok=True)
        (tmp_path / "reviews" / "good" / name).write_text("text", encoding="utf-8")
    with refusal("reviews: there must be at least two classes. Received: 'good' in all 2 rows."):
        data.load(tmp_path / "reviews", Config())


def test_labels_that_never_repeat_are_an_error(folder):
    expected = (
        "{source}, column 'label': the labels must repeat. Received: {count} different ones in {rows} rows. "
        "Name the column of labels in `label_column`."
    )
    path = folder(train=[(f"text {row}", f"no. {row}") for row in range(11)]) / "train.csv"
    with refusal(expected.format(source="train.csv", count=11, rows=11)):
        data.load(path, Config())
    half = [f"no. {row % 16}" for row in range(31)]
    with refusal(expected.format(source="the DataFrame", count=16, rows=31)):
        data.load(frame([f"text {row}" for row in range(31)], half), Config())
    assert len(data.load(frame([f"text {row}" for row in range(32)], [*half, "no. 0"]), Config()).classes) == 16


# --- parts ---


def test_too_few_rows_are_an_error(folder):
    for count, split in ((2, "validation"), (3, "test")):
        path = folder(train=rows(count)) / "train.csv"
        with refusal(f"train.csv: {count} rows are too few for a {split} part. Supply more data."):
            data.load(path, Config())
    data.load(folder(train=rows(4)) / "train.csv", Config())
    data.load(folder(train=rows(2), validation=rows(1), test=rows(1)), Config())


def test_many_rows_of_few_texts_are_too_few(folder):
    with refusal("the DataFrame: 20 rows are too few for a validation part. Supply more data."):
        data.load(frame(10 * ["yes", "no"], 10 * ["good", "bad"]), Config())


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_fraction_of_nothing_is_an_error_where_no_file_holds_the_part(folder, split):
    path = folder(train=rows())
    with refusal(
        f"`{split}_fraction` must be above 0 where no file holds the {split} part. Received: {split}_fraction=0.0. "
        f"Or name a file in `{split}_data`."
    ):
        data.load(path, Config(**{f"{split}_fraction": 0}))


def test_fractions_that_leave_nothing_to_train_on_are_an_error(folder):
    with refusal(
        "`validation_fraction` and `test_fraction` must leave rows to train on. Received: validation_fraction=0.6, "
        "test_fraction=0.5."
    ):
        data.load(folder(train=rows(53)), Config(validation_fraction=0.6, test_fraction=0.5))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_fraction_of_a_part_that_has_a_file_is_an_error(folder, split):
    name, default = f"{split}_fraction", getattr(Config(), f"{split}_fraction")
    path = folder(train=rows(53), **{split: rows(3, start=60)})
    options = {name: 0.3, f"{split}_data": str(path / f"{split}.csv")}
    for source, config, rule in (
        (path, Config(**{name: 0.3}), "the files of the folder DATA"),
        (path / "train.csv", Config(**options), f"{split}_data"),
    ):
        with refusal(
            f"`{name}` must be left at {default}, because the data are split by {rule}. Received: {name}=0.3. "
            "Leave it out, or leave out the other rule."
        ):
            data.load(source, config)


def test_two_files_of_one_part_are_an_error(folder):
    path = folder(train=rows(), test=rows(3, start=50), other=rows(3, start=60))
    other = str(path / "other.csv")
    with refusal(
        f"`test_data` must be None, because DATA is a folder with its own files. Received: test_data={other!r}."
    ):
        data.load(path, Config(test_data=other))


def test_a_missing_file_is_an_error(folder):
    for config, missing in (
        (Config(), folder(train=rows()) / "missing.csv"),
        (Config(test_data=str(folder() / "gone.csv")), folder() / "gone.csv"),
    ):
        source = missing if config == Config() else folder()
        with refusal(f"There is no file or folder {str(missing)!r}.", FileNotFoundError):
            data.load(source, config)


def test_a_folder_without_a_training_part_is_an_error(folder):
    path = folder(test=rows())
    with refusal(
        f"The folder {str(path)!r} has no train part, such as train.csv or train/, and not one sub-folder of .txt "
        "files per class. It holds 'test.csv'.",
        FileNotFoundError,
    ):
        data.load(path, Config())


def test_all_rows_are_those_of_one_file(folder):
    path = folder(train=rows(), dev=rows(3, start=50))
    with refusal(f"{path}: `split` 'all' takes one file. Received: a folder with train, validation."):
        data.load_whole(path, Config(), CLASSES)
    with refusal("dev.csv, line 3, column 'label': the label must be one of 'bad', 'mixed'. Received: 'good'."):
        data.load_whole(path / "dev.csv", Config(), ("bad", "mixed"))


def test_texts_that_are_all_empty_and_bytes_that_are_no_utf_8_are_errors(folder):
    path = folder(train=[("", label) for _, label in rows(5)]) / "train.csv"
    with refusal("train.csv: column 'text' must hold texts. Received: 5 rows, all empty."):
        data.load(path, Config())
    path.write_bytes("text,label\nschön,good\n".encode() + "schön,bad\n".encode("latin-1"))
    with refusal(
        "train.csv, line 3: the text must be UTF-8. Received: byte 0xF6 at column 4 of the line. "
        "Save the file as UTF-8."
    ):
        data.load(path, Config())
    packed = path.with_name("cut.csv.gz")
    packed.write_bytes(gzip.compress(b"text,label\na,b\n")[:-5])
    with pytest.raises(ValueError, match=r"^cut\.csv\.gz cannot be decompressed: "):
        data.load(packed, Config())


# --- notes ---


def test_leaks_contradictions_and_empty_texts_are_counted(folder):
    parts = {
        "train": [*rows(11), ("text 0", "good"), ("text 1", "bad"), ("text 1", "good"), ("", "bad"), ("", "bad")],
        "validation": [("text 3", "good"), ("text 50", "bad"), ("text 5", "bad"), *2 * [("", "good")], (" ", "good")],
        "test": [("text 7", "good"), ("text 7", "good"), ("text 50", "bad"), ("Text 1", "bad")],
    }
    splits = data.load(folder(**parts), Config())
    assert splits.notes == (
        "2 texts of the train part are empty.",
        "2 texts of the validation part are empty.",
        "4 texts of the validation part are in the train part too.",
        "2 texts of the test part are in the train part too.",
        "1 text of the test part is in the validation part too.",
        "2 texts of the train and validation parts occur with different labels.",
        "2 texts of the train part occur with different labels.",
    )


def test_one_text_is_counted_as_one(folder):
    parts = {
        "train": [*rows(11), ("text 1", "bad"), ("", "bad")],
        "validation": rows(3, start=50),
        "test": [("text 7", "good"), ("text 60", "bad")],
    }
    assert data.load(folder(**parts), Config()).notes == (
        "1 text of the train part is empty.",
        "1 text of the test part is in the train part too.",
        "1 text of the train part occurs with different labels.",
    )


def test_contradictions_are_counted_over_all_parts_together(folder):
    parts = {
        "train": [*rows(11), ("text 8", "good")],
        "validation": [("text 1", "bad"), ("text 8", "bad"), *2 * [("text 60", "good")], ("text 60", "bad")],
        "test": [("text 3", "bad"), ("text 5", "bad"), ("text 5", "good"), ("text 8", "bad"), ("text 60", "good")],
    }
    assert data.load(folder(**parts), Config()).notes == (
        "2 texts of the validation part are in the train part too.",
        "4 texts of the test part are in the train part too.",
        "2 texts of the test part are in the validation part too.",
        "1 text of the train, validation and test parts occurs with different labels.",
        "1 text of the train and validation parts occurs with different labels.",
        "2 texts of the train and test parts occur with different labels.",
        "1 text of the validation and test parts occurs with different labels.",
    )


def test_texts_with_the_same_labels_in_another_order_do_not_contradict(folder):
    path = folder(train=[*rows(11), ("u", "bad;good"), ("u", "good; bad;good")])
    assert data.load(path, Config(label_separator=";")).notes == ()


def test_a_separator_that_no_label_has_is_told(folder):
    path = folder(train=rows(11), test=[("u", "bad;good")])
    assert data.load(path, Config(label_separator=";")).notes == (
        "The label separator ';' occurs in no label of the training data: none of its texts has several classes.",
    )
    assert data.load(folder(train=[*rows(11), ("v", "bad;")]), Config(label_separator=";")).notes == ()


def test_a_whole_file_has_notes_of_its_own():
    splits = data.load_whole(frame(["", "a", "", "a"], ["bad", "good", "bad", "bad"]), Config(), CLASSES)
    assert splits.notes == (
        "2 texts of the all part are empty.",
        "1 text of the all part occurs with different labels.",
    )
    assert data.load_whole(frame(["a", "b"], CLASSES), Config(label_separator=";"), CLASSES).notes == ()
