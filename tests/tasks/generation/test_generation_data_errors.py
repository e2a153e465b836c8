"""What is wrong with the data of a language model is said in full, and an option without effect is an error."""

import gzip

import pandas as pd
import pytest
from refusals import refusal

from seqapps.tasks.generation import data
from seqapps.tasks.generation.config import Config

TEXT = "abcdefghij\n" * 101
BLANKS = " \n\t\u3000\r\n"
PARTS = ("validation", "test")


@pytest.fixture
def write(tmp_path):
    """Writes a text file into one folder."""

    def write(name, text=TEXT):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
        return path

    return write


# --- too little text ---


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a"])
@pytest.mark.parametrize("text", ["", "\ufeff"])
def test_an_empty_file_is_an_error(write, name, text):
    path = write(name, text)
    for function in (data.load, data.load_whole):
        with refusal(f"{name} is empty: it holds no text."):
            function(path, Config())


def test_a_folder_of_empty_files_is_an_error(write):
    folder = write("books/a.txt", "").parent
    write("books/b.txt", "")
    with refusal("books is empty: it holds no text."):
        data.load(folder, Config())
    write("books/c.txt")
    assert data.load(folder, Config()).parts["train"].sizes == (0, 0, len(TEXT))


@pytest.mark.parametrize("part", PARTS)
def test_an_empty_file_of_a_part_is_an_error(write, part):
    path, own = write("a.txt"), write(f"{part}.md", "")
    with refusal(f"{part}.md is empty: it holds no text."):
        data.load(path, Config(**{f"{part}_data": str(own)}))


@pytest.mark.parametrize(
    ("count", "options", "part"),
    [
        (5, {}, "validation"),  # from 4.0 and from 4.5 on
        (3, {"validation_fraction": 0.5, "test_fraction": 0.4}, "train"),  # 0.3 and 1.8
        (100, {"test_fraction": 1e-9}, "test"),
    ],
)
def test_too_few_characters_are_an_error(write, count, options, part):
    path = write("a.txt", TEXT[:count])
    with refusal(f"a.txt: {count} characters are too few for a {part} part. Supply more text."):
        data.load(path, Config(**options))


def test_few_characters_are_enough(write):
    splits = data.load(write("a.txt", "abcdefghijk"), Config())
    assert ["".join(part.texts()) for part in splits.parts.values()] == ["abcdefgh", "i", "jk"]
    own = {f"{part}_data": str(write(f"{part}.txt", "z")) for part in PARTS}
    assert data.load(write("b.txt", "a"), Config(**own)).parts["train"].characters == 1


@pytest.mark.parametrize(
    ("parts", "blank"),
    [
        ((BLANKS * 160, TEXT[:120], TEXT[:120]), "train"),
        (("a" * 960, BLANKS * 20, "a" * 120), "validation"),
        (("a" * 960, "a" * 120, BLANKS * 20), "test"),
    ],
)
def test_a_part_of_white_space_alone_is_an_error(write, parts, blank):
    assert [len(part) for part in parts] == [960, 120, 120]
    with refusal(f"a.txt: the {blank} part must hold text. Received: white space alone."):
        data.load(write("a.txt", "".join(parts)), Config())
    almost = "".join(part if part.strip() else part[:-3] + "b\r\n" for part in parts)
    assert "".join(data.load(write("b.txt", almost), Config()).parts[blank].texts()).strip() == "b"


@pytest.mark.parametrize("part", PARTS)
def test_a_file_of_white_space_alone_is_an_error(write, part):
    own = str(write("own.txt", BLANKS))
    with refusal(f"own.txt: the {part} part must hold text. Received: white space alone."):
        data.load(write("a.txt"), Config(**{f"{part}_data": own}))
    with refusal("own.txt: the all part must hold text. Received: white space alone."):
        data.load_whole(own, Config())


def test_white_space_may_stand_before_or_after_a_text(write):
    for texts in (["a", BLANKS], [BLANKS, "a"], [BLANKS, "a", BLANKS]):
        assert data.load_whole(pd.DataFrame({"text": texts}), Config()).parts["all"].characters == len("".join(texts))
    long = BLANKS * 10_000  # which is more than one chunk
    assert data.load_whole(write("a.txt", f"{long}a\n{long}"), Config()).parts["all"].characters == 2 * len(long) + 2


def test_a_table_of_empty_texts_is_an_error():
    with refusal("the DataFrame: column 'text' must hold texts. Received: 3 rows, all empty."):
        data.load(pd.DataFrame({"text": ["", None, " \n"]}), Config())
    with refusal("the DataFrame is empty: it has columns but no rows."):
        data.load(pd.DataFrame({"text": []}), Config())


# --- fractions and files ---


@pytest.mark.parametrize("part", PARTS)
def test_a_fraction_of_nothing_is_an_error_where_no_file_holds_the_part(write, part):
    with refusal(
        f"`{part}_fraction` must be above 0 where no file holds the {part} part. Received: {part}_fraction=0.0. "
        f"Or name a file in `{part}_data`."
    ):
        data.load(write("a.txt"), Config(**{f"{part}_fraction": 0}))


@pytest.mark.parametrize(("validation", "test"), [(0.6, 0.5), (0.5, 0.5), (0.1, 0.95)])
def test_fractions_that_leave_nothing_to_train_on_are_an_error(write, validation, test):
    with refusal(
        f"`validation_fraction` and `test_fraction` must leave text to train on. Received: "
        f"validation_fraction={validation}, test_fraction={test}."
    ):
        data.load(write("a.txt"), Config(validation_fraction=validation, test_fraction=test))


@pytest.mark.parametrize("part", PARTS)
def test_a_fraction_of_a_part_that_has_a_file_is_an_error(write, part):
    name, path = f"{part}_fraction", write("train.txt")
    own = write(f"{part}.txt", "some text")
    for source, options, rule in (
        (path.parent, {}, "the files of the folder DATA"),
        (path, {f"{part}_data": str(own)}, f"{part}_data"),
    ):
        assert data.load(source, Config(**options)).parts[part].characters == len("some text")
        with refusal(
            f"`{name}` must be left at 0.1, because the data are split by {rule}. Received: {name}=0.3. "
            "Leave it out, or leave out the other rule."
        ):
            data.load(source, Config(**{name: 0.3}, **options))


@pytest.mark.parametrize("part", PARTS)
def test_two_files_of_one_part_are_an_error(write, part):
    folder, other = write("train.txt").parent, str(write("other.md"))
    write(f"{part}.txt", "some text")
    with refusal(
        f"`{part}_data` must be None, because DATA is a folder with its own files. Received: {part}_data={other!r}."
    ):
        data.load(folder, Config(**{f"{part}_data": other}))
    write(f"{part}.csv", "text\na\n")
    with refusal(f"The folder {str(folder)!r} has more than one {part} part: '{part}.csv', '{part}.txt'. Keep one."):
        data.load(folder, Config())


@pytest.mark.parametrize("function", [data.load, data.load_whole, data.as_measured])
def test_missing_data_are_an_error(tmp_path, function):
    missing = tmp_path / "missing.txt"
    for source in (missing, str(missing)):
        with refusal(f"There is no file or folder {str(missing)!r}.", FileNotFoundError):
            function(source, Config())
    with refusal("`data` must be a path or a DataFrame. Received: data=None."):
        function(None, Config())


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_of_a_part_is_an_error(write, tmp_path, part):
    missing = str(tmp_path / "missing.txt")
    with refusal(f"There is no file or folder {missing!r}.", FileNotFoundError):
        data.load(write("a.txt"), Config(**{f"{part}_data": missing}))


def test_all_documents_are_those_of_one_file(write):
    folder = write("train.txt").parent
    write("dev.txt")
    with refusal(f"{folder}: `split` 'all' takes one file. Received: a folder with train, validation."):
        data.load_whole(folder, Config())
    write("test.txt")
    with refusal(f"{folder}: `split` 'all' takes one file. Received: a folder with train, validation, test."):
        data.load_whole(str(folder), Config())


# --- what cannot be read ---


def test_bytes_that_are_no_utf_8_are_an_error_with_file_and_line(write):
    path = write("a.txt")
    path.write_bytes(TEXT.encode() + "schön\n".encode("latin-1"))
    message = (
        "a.txt, line 102: the text must be UTF-8. Received: byte 0xF6 at column 4 of the line. Save the file as UTF-8."
    )
    with refusal(message):
        data.load(path, Config())
    with refusal(message):
        data.load(write("b.txt"), Config(test_data=str(path)))
    with refusal(message):
        data.load_whole(path, Config())


def test_a_column_that_is_not_there_is_an_error(write):
    path = write("a.csv", "text,id\nsome text,1\n")
    with refusal("a.csv has no column 'texts' (`text_column`). Did you mean 'text'? It has 'text', 'id'."):
        data.load(path, Config(text_column="texts"))
    with refusal("`text_column` must be left out for a.txt, which is no table. Received: text_column='text'."):
        data.load(write("a.txt"), Config(text_column="text"))


def test_a_folder_without_texts_is_an_error(write):
    folder = write("books/a.md").parent
    with refusal("The folder 'books' must hold files that end in .txt or .txt.gz. Received: none."):
        data.load(folder, Config())
