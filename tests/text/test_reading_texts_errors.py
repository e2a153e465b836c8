"""Whatever is wrong with a file of texts or its columns is said in one sentence."""

import gzip
import re

import pandas as pd
import pytest
from refusals import refusal

from seqapps.text import reading
from seqapps.text.reading.lines import decoded_lines

SAVE = "Save the file as UTF-8."
HEADER = "The first line must name the columns."


def read(path, content, **options):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return list(reading.open_source(path, **options))


# --- files ---


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("a.xlsx", "'.xlsx'."),
        ("a.cvs.gz", "'.cvs'. Did you mean '.csv'?"),
        ("a.txt", "'.txt'."),
        ("a", "''."),
        ("a.gz", "''."),
    ],
)
def test_an_unknown_ending_is_refused_with_all_endings(tmp_path, name, received):
    known = "'.csv', '.tsv', '.jsonl', '.ndjson', '.json', '.parquet', '.pq'"
    with refusal(f"{name}: the name must end in one of {known}, also with '.gz'. Received: {received}"):
        read(tmp_path / name, "text,label\na,b\n")


@pytest.mark.parametrize("content", ["", "\ufeff", "\n \r\n\t\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    for name in ("a.csv", "a.tsv", "a.csv.gz"):
        with refusal(f"{name} is empty: it needs a header line and rows."):
            read(tmp_path / name, content)
    with refusal("a.jsonl is empty: it needs one JSON object per line."):
        read(tmp_path / "a.jsonl", content)


def test_a_table_without_rows_is_refused(tmp_path):
    frame = pd.DataFrame({"text": ["a"], "label": ["b"]})[:0]
    with refusal("the DataFrame is empty: it has columns but no rows."):
        list(reading.open_source(frame))
    contents = {"a.csv": "text,label", "a.tsv": "text\tlabel\n\n", "a.parquet": frame.to_parquet()}
    for name, content in contents.items():
        with refusal(f"{name} is empty: it has columns but no rows."):
            read(tmp_path / name, content)


@pytest.mark.parametrize(("rows", "received"), [(1, "1 row"), (12, "12 rows")])
def test_a_table_whose_texts_are_all_blank_is_refused_at_its_end(tmp_path, rows, received):
    frame = pd.DataFrame({"id": "7", "review": ["", " ", "\n"][rows % 3], "stars": "5"}, index=range(rows))
    contents = {
        "a.csv": frame.to_csv(index=False),
        "a.tsv": frame.to_csv(index=False, sep="\t"),
        "a.jsonl": frame.to_json(orient="records", lines=True),
        "a.parquet": frame.to_parquet(),
    }
    for name, content in contents.items():
        with refusal(f"{name}: column 'review' must hold texts. Received: {received}, all empty."):
            read(tmp_path / name, content)
    source = iter(reading.open_source(frame))
    for _ in range(rows):
        next(source)
    with refusal(f"the DataFrame: column 'review' must hold texts. Received: {received}, all empty."):
        next(source)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("content", "line", "byte", "column"),
    [
        (b"text,label\ngood,1\n\nGr\xc3\xb6\xc3\x9fe na\xefve,0\n", 4, "EF", 9),
        (b'text,label\r\n"a\r\nb\xe9",1\r\n', 3, "E9", 2),
        (b"\xfftext,label\na,1\n", 1, "FF", 1),
        (b"text,label\na,1\n\xf0\x9f\x98\x80 \xf0\x9f\x98", 3, "F0", 3),
    ],
)
def test_a_byte_that_is_not_utf8_is_refused_with_its_line_and_column(tmp_path, mark, content, line, byte, column):
    received = f"Received: byte 0x{byte} at column {column} of the line. {SAVE}"
    for name in ("a.csv", "a.csv.gz"):
        with refusal(f"{name}, line {line}: the text must be UTF-8. {received}"):
            read(tmp_path / name, mark + content)
    with refusal(f"a.tsv, line {line}: the text must be UTF-8. {received}"):
        read(tmp_path / "a.tsv", mark + content.replace(b",", b"\t"))


def test_a_byte_that_is_not_utf8_is_refused_in_json_lines_and_texts(tmp_path):
    with refusal(f"a.jsonl, line 2: the text must be UTF-8. Received: byte 0xE9 at column 13 of the line. {SAVE}"):
        read(tmp_path / "a.jsonl", b'{"text": "a", "label": 1}\n{"text": "ab\xe9", "label": 1}\n')
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\nb\xe9\n")
    with refusal(f"a.txt, line 2: the text must be UTF-8. Received: byte 0xE9 at column 2 of the line. {SAVE}"):
        list(reading.text_rows(decoded_lines(path, path.name)))


def test_utf_16_with_its_mark_is_refused(tmp_path):
    with refusal(f"a.csv, line 1: the text must be UTF-8. Received: byte 0xFF at column 1 of the line. {SAVE}"):
        read(tmp_path / "a.csv", "text,label\na,1\n".encode("utf-16"))


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        ("text,label\na,1\n".encode("utf-16-le"), 1, 2),
        ("text,label\na,1\n".encode("utf-16-be"), 1, 1),
        (b"text,label\na,1\n\xc3\xa9\0c\0,1\n", 3, 2),
    ],
)
def test_a_nul_is_refused_as_what_it_is(tmp_path, content, line, column):
    with refusal(
        f"a.csv, line {line}: the text must be without the character U+0000, because UTF-16 that is read as UTF-8 is "
        f"full of it. Received: one at column {column} of the line. Save the file as UTF-8, or delete the character."
    ):
        read(tmp_path / "a.csv", content)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz", "a.jsonl.gz", "a.parquet.gz"])
def test_a_damaged_archive_is_refused_with_the_reason(tmp_path, name):
    whole = gzip.compress(b'{"text": "a", "label": 1}\n' * 97, mtime=0)
    damaged = {
        "Not a gzipped file (b'te')": b"text,label\na,1\n",
        "Compressed file ended before the end-of-stream marker was reached": whole[:-11],
        "Error -3 while decompressing data: invalid block type": whole[:10] + b"\xff" * 31,
    }
    for reason, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with refusal(f"{name} cannot be decompressed: {reason}."):
            list(reading.open_source(tmp_path / name, text_column="text", label_column="label"))


def test_a_damaged_parquet_file_is_refused_with_the_reason(tmp_path):
    for name in ("a.parquet", "a.pq.gz"):
        start = re.escape(f"{name} cannot be read as Parquet: Parquet magic bytes not found")
        with pytest.raises(ValueError, match=rf"\A{start}[^\n]+[^.]\.\Z"):
            read(tmp_path / name, "text,label\na,1\n")


# --- columns ---


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"text_column": "txt"}, "'txt' (`text_column`). Did you mean 'text'?"),
        ({"label_column": "qqq"}, "'qqq' (`label_column`)."),
        ({"text_column": "TEXT", "labelled": False}, "'TEXT' (`text_column`). Did you mean 'text'?"),
    ],
)
def test_a_missing_column_is_refused_with_a_suggestion_and_all_columns(tmp_path, options, missing):
    frame = pd.DataFrame({"id": [7], "text": ["a"], "label": [1]})
    contents = {
        "a.csv": frame.to_csv(index=False),
        "a.jsonl": frame.to_json(orient="records", lines=True),
        "a.parquet": frame.to_parquet(),
    }
    for name, content in contents.items():
        with refusal(f"{name} has no column {missing} It has 'id', 'text', 'label'."):
            read(tmp_path / name, content, **options)
    with refusal(f"the DataFrame has no column {missing} It has 'id', 'text', 'label'."):
        reading.open_source(frame, **options)


BOTH, TEXTS, LABELS = (
    "texts (`text_column`) and that of labels (`label_column`)",
    "texts (`text_column`)",
    "labels (`label_column`)",
)


@pytest.mark.parametrize(
    ("header", "labelled", "missing", "received"),
    [
        ("a,b", True, BOTH, "'a', 'b'"),
        ("a,b", False, TEXTS, "'a', 'b'"),
        ("a,b,label", True, TEXTS, "'a', 'b', 'label'"),
        ("a,b,text", True, LABELS, "'a', 'b', 'text'"),
        (",text", True, LABELS, "'text'"),
        ("label", False, TEXTS, "'label'"),
        ("so good " * 10 + ",1", True, BOTH, f"'{'so good ' * 7}so g…', '1'"),
        (",", True, BOTH, "no column"),
    ],
)
def test_columns_that_cannot_be_told_are_refused(tmp_path, header, labelled, missing, received):
    usual = "must be named, or be called as usual, such as 'text' and 'label'"
    if header == ",":
        with refusal("a.csv is empty: it needs a header line and rows."):
            read(tmp_path / "a.csv", f"{header}\n")
    else:
        with refusal(f"a.csv: the column of {missing} {usual}. Received: {received}. {HEADER}"):
            read(tmp_path / "a.csv", f"{header}\n", labelled=labelled)
    with refusal(f"the DataFrame: the column of {BOTH} {usual}. Received: no column."):
        reading.open_source(pd.DataFrame({"": ["a"]}))


def test_a_doubled_column_is_refused(tmp_path):
    with refusal("a.csv: column 'text' occurs twice. Give every column its own name."):
        read(tmp_path / "a.csv", "text,label, text \na,b,c\n")
    with refusal("the DataFrame: column '7' occurs twice. Give every column its own name."):
        reading.open_source(pd.DataFrame([["a", "b", "c"]], columns=["text", 7, "7"]))
    with refusal("a.jsonl, line 2: key 'text' occurs twice. Give every key its own name."):
        read(tmp_path / "a.jsonl", '{"text": "a", "label": 1}\n{"text": "a", "text": "b", "label": 1}\n')


def test_options_without_a_meaning_are_refused():
    frame = pd.DataFrame({"text": ["a"], "label": ["b"]})
    with refusal("`label_column` must be another column than `text_column`. Received: label_column='text'."):
        reading.open_source(frame, "text", "text")
    with refusal("`label_separator` must be a text such as '|'. Received: label_separator=''."):
        reading.open_source(frame, label_separator="")
    with refusal("`labelled` must be True or False. Received: labelled='no'."):
        reading.open_source(frame, labelled="no")
