"""What is wrong with documents is said in full: with file, line and column, and what to do about it."""

import gzip

import pandas as pd
import pytest
from refusals import refusal
from test_documents import ROWS, read, write, write_rows

from seqapps.text.reading.documents import document_parts, open_documents


def drained(data, **options):
    """Reads everything and keeps nothing."""
    for document in open_documents(data, **options):
        for _ in document.chunks:
            pass


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("train", ("train.csv", "train.txt")),
        ("validation", ("dev.txt", "val.jsonl", "validation.txt.gz")),
        ("test", ("test.txt", "test.txt.gz")),
    ],
)
def test_two_files_of_one_part_are_an_error(tmp_path, part, names):
    for name in ("train.txt", *names):
        write("text", tmp_path / name)
    both = ", ".join(repr(name) for name in names)
    with refusal(f"The folder {str(tmp_path)!r} has more than one {part} part: {both}. Keep one."):
        document_parts(tmp_path)


def test_what_is_not_there_or_no_data_is_an_error(tmp_path):
    missing = tmp_path / "missing.txt"
    for function in (open_documents, document_parts):
        for source in (missing, str(missing)):
            with refusal(f"There is no file or folder {str(missing)!r}.", FileNotFoundError):
                function(source)
        with refusal("`data` must be a path or a DataFrame. Received: data=['a text']."):
            function(["a text"])


def test_a_folder_without_texts_is_an_error(tmp_path):
    for name in (".hidden.txt", "a.md", "inner/a.txt"):
        write("text", tmp_path / "books" / name)
        with refusal("The folder 'books' must hold files that end in .txt or .txt.gz. Received: none."):
            open_documents(tmp_path / "books")


def test_a_column_of_what_is_no_table_is_an_error(tmp_path):
    path = write("text", tmp_path / "books" / "a.txt")
    for source, name in ((path, "a.txt"), (path.parent, "books")):
        with refusal(f"`text_column` must be left out for {name}, which is no table. Received: text_column='content'."):
            open_documents(source, "content")


def test_an_unknown_column_is_an_error(tmp_path):
    path = write_rows(tmp_path / "a.csv", column="lyrics")
    with refusal("a.csv has no column 'lyric' (`text_column`). Did you mean 'lyrics'? It has 'id', 'lyrics'."):
        open_documents(path, "lyric")
    with refusal(
        "the DataFrame: the column of texts (`text_column`) must be named, or be called as usual, such as 'text' and "
        "'label'. Received: 'id', 'lyrics'."
    ):
        open_documents(pd.read_csv(path))
    assert [text for _, text in read(path, text_column="lyrics")] == ROWS


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a"])
def test_bytes_that_are_no_utf_8_are_an_error_with_line_and_column(tmp_path, name):
    content = "a\nschön\n".encode() + "日本 größer\n".encode()[:-5] + "ö\n".encode("latin-1")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with refusal(
        f"{name}, line 3: the text must be UTF-8. Received: byte 0xF6 at column 7 of the line. Save the file as UTF-8."
    ):
        drained(tmp_path / name)


def test_a_wrong_byte_of_a_folder_or_a_table_is_found_at_its_place(tmp_path):
    write("text", tmp_path / "books" / "a.txt")
    (tmp_path / "books" / "b.txt").write_bytes(b"\xff\xfea")
    message = "{}: the text must be UTF-8. Received: byte 0xFF at column 1 of the line. Save the file as UTF-8."
    with refusal(message.format("books/b.txt, line 1")):
        drained(tmp_path / "books")
    (tmp_path / "a.csv").write_bytes(b"text\na\n\xff\n")
    with refusal(message.format("a.csv, line 3")):
        drained(tmp_path / "a.csv")


def test_utf_16_that_is_read_as_utf_8_is_an_error(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n" + "two\n".encode("utf-16-le"))
    with refusal(
        "a.txt, line 2: the text must be without the character U+0000, because UTF-16 that is read as UTF-8 is full of "
        "it. Received: one at column 2 of the line. Save the file as UTF-8, or delete the character."
    ):
        drained(path)


def test_a_damaged_archive_is_an_error(tmp_path):
    path = tmp_path / "books" / "a.txt.gz"
    path.parent.mkdir()
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"^books/a\.txt\.gz cannot be decompressed: Not a gzipped file "):
        drained(path.parent)
    path.write_bytes(gzip.compress(b"a text\n")[:-3])
    with pytest.raises(ValueError, match=r"^a\.txt\.gz cannot be decompressed: Compressed file ended before [^.]*\.$"):
        drained(path)


def test_a_cell_that_is_no_text_is_an_error_with_its_place(tmp_path):
    with refusal("row 1, column 'text': the text must be a string. Received: 7."):
        drained(pd.DataFrame({"text": ["a", 7]}))
    with refusal(
        "row 0, column 'text': the text must be valid Unicode. Received: the lone surrogate '\\ud83d' at character 2. "
        "Write the whole character."
    ):
        drained(pd.DataFrame({"text": ["a\ud83d"]}))
    path = write('{"text": "a"}\n{"texts": "b"}\n', tmp_path / "a.jsonl")
    with refusal("a.jsonl, line 2: the object must have the key 'text'. Received: 'texts'."):
        drained(path)


def test_a_table_without_texts_is_an_error(tmp_path):
    with refusal("a.csv is empty: it needs a header line and rows."):
        open_documents(write("", tmp_path / "a.csv"))
    with refusal("a.jsonl is empty: it needs one JSON object per line."):
        open_documents(write("\n", tmp_path / "a.jsonl"))
    with refusal("b.csv is empty: it has columns but no rows."):
        drained(write("text\n", tmp_path / "b.csv"))
    with refusal("c.csv: column 'text' must hold texts. Received: 2 rows, all empty."):
        drained(write('text,id\n" ",1\n,2\n', tmp_path / "c.csv"))
