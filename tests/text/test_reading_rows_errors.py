"""Whatever is wrong in a row of texts and labels is said in one sentence with file, line and column."""

import gzip

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps.text import reading

CLOSE = "Close the quote, and double the quotes inside a quoted cell."
OWN_LINE = "Write each object on a line of its own."


def read(path, content, **options):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return list(reading.open_source(path, **options))


# --- rows of CSV and TSV ---


@pytest.mark.parametrize(
    ("content", "line", "cells"),
    [
        ("text,label\na,1\nb,c,2\n", 3, 3),
        ("text,label\r\n\r\na,1\r\nb\r\n", 4, 1),
        ('text,label\n"a\n\nb",1\n"c\nd",e,2\nf,1\n', 5, 3),
        ("\ntext,label\na,1,\n", 3, 3),
    ],
)
def test_a_row_of_another_width_is_refused_with_its_first_line(tmp_path, content, line, cells):
    with refusal(
        f"a.csv, line {line}: expected 2 cells, as in the header. Received: {cells}. Quote a cell that holds a ','."
    ):
        read(tmp_path / "a.csv", content)


def test_a_row_of_another_width_is_refused_in_tsv(tmp_path):
    with refusal(r"a.tsv, line 3: expected 2 cells, as in the header. Received: 3. Quote a cell that holds a '\t'."):
        read(tmp_path / "a.tsv", 'text\tlabel\n"a"\t1\nb\tc\t1\n')


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('text,label\na,1\n"b,1\nc,1\n', f"a quoted cell must be closed. Received: the end of the file. {CLOSE}"),
        (
            'text,label\na,1\n"b,1\n"c",1\n',
            "a ',' or the end of the line must follow the quote that closes a cell. Received: another character. "
            "Double the quotes inside a quoted cell.",
        ),
        (
            "text,label\na,1\nb\rc,1\n",
            "a carriage return must stand in quotes or before a line feed. Received: one inside a line. "
            "Save the file with line ends LF or CRLF.",
        ),
    ],
)
def test_what_csv_does_not_know_is_refused_with_the_row_where_it_begins(tmp_path, content, problem):
    with refusal(f"a.csv, line 3: {problem}"):
        read(tmp_path / "a.csv", content)


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write('text,label\n"a,1\n')
        file.writelines(["so good,1\n" * 8_192] * 256)
    with refusal(f"a.csv, line 2: a cell must have at most {2**24} characters. Received: more. {CLOSE}"):
        list(reading.open_source(path))


# --- rows of JSON lines, Parquet and DataFrames ---


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{'text': 1}", "Expecting property name enclosed in double quotes at column 2"),
        ('{"text": "a" "label": 1}', "Expecting ',' delimiter at column 14"),
        ('{"text": "a", "label": 1} {}', "Extra data at column 27"),
        ('{"text": "a\tb"}', "Invalid control character at at column 12"),
        ("good", "Expecting value at column 1"),
        ('["a", 1]', "['a', 1]"),
        ('[{"text": "' + "so good " * 10 + '", "label": 1}]', "[{'text': '" + "so good " * 6 + "s…"),
        ("7", "7"),
        ("null", "None"),
    ],
)
def test_a_line_that_is_no_json_object_is_refused(tmp_path, line, problem):
    for name in ("a.jsonl", "a.json.gz"):
        with refusal(f"{name}, line 3: the line must be one JSON object. Received: {problem}. {OWN_LINE}"):
            read(tmp_path / name, f'{{"text": "a", "label": 1}}\n\n{line}\n')


def test_json_of_too_many_levels_is_refused(tmp_path):
    deep = "[" * 200_003
    with refusal("a.jsonl, line 1: the line must be one JSON object. Received: too many levels."):
        read(tmp_path / "a.jsonl", f'{{"text": {deep}')


@pytest.mark.parametrize(
    ("line", "key", "received"),
    [
        ('{"txt": "a", "label": 1}', "text", "'txt', 'label'"),
        ('{"text": "a"}', "label", "'text'"),
        ("{}", "text", "an object without keys"),
    ],
)
def test_a_missing_key_is_refused(tmp_path, line, key, received):
    with refusal(f"a.jsonl, line 2: the object must have the key {key!r}. Received: {received}."):
        read(tmp_path / "a.jsonl", f'{{"text": "a", "label": 1}}\n{line}\n')


@pytest.mark.parametrize(
    ("value", "received"),
    [("7", "7"), ("1.50", "1.50"), ("true", "True"), ('["a"]', "['a']"), ('{"a": 1}', "{'a': 1}")],
)
def test_a_text_that_is_no_string_is_refused_in_json(tmp_path, value, received):
    with refusal(f"a.jsonl, line 2, column 'text': the text must be a string. Received: {received}."):
        read(tmp_path / "a.jsonl", f'{{"text": "a", "label": 1}}\n{{"text": {value}, "label": 1}}\n')


@pytest.mark.parametrize(("texts", "received"), [([7, 5], "7"), ([b"a", b"b"], "b'a'"), ([True, False], "True")])
def test_a_text_that_is_no_string_is_refused_in_tables(tmp_path, texts, received):
    frame = pd.DataFrame({"text": texts, "label": 1})
    with refusal(f"row 0, column 'text': the text must be a string. Received: {received}."):
        list(reading.open_source(frame))
    with refusal(f"a.parquet, row 0, column 'text': the text must be a string. Received: {received}."):
        read(tmp_path / "a.parquet", frame.to_parquet())


def test_a_label_that_is_no_label_is_refused(tmp_path):
    kinds = "the label must be a string, a number or a boolean"
    with refusal(f"a.jsonl, line 1, column 'label': {kinds}. Received: {{'a': 1}}."):
        read(tmp_path / "a.jsonl", '{"text": "a", "label": {"a": 1}}')
    with refusal(f"a.jsonl, line 1, column 'label': {kinds}. Received: ['a']."):
        read(tmp_path / "a.jsonl", '{"text": "a", "label": [["a"]]}', label_separator="|")
    frame = pd.DataFrame({"text": "a", "label": ["b", pd.Timestamp("2024-01-31")]})
    with refusal(f"row 1, column 'label': {kinds}. Received: Timestamp('2024-01-31 00:00:00')."):
        list(reading.open_source(frame))


def test_a_list_of_labels_without_a_separator_is_refused(tmp_path):
    advice = "Set `label_separator`, such as '|', for several labels per text."
    with refusal(f"a.jsonl, line 1, column 'label': the label must be one label. Received: ['a', 1]. {advice}"):
        read(tmp_path / "a.jsonl", '{"text": "a", "label": ["a", 1]}')
    frame = pd.DataFrame({"text": ["a"], "label": [np.array(["b", "c"])]})
    with refusal(f"row 0, column 'label': the label must be one label. Received: ['b', 'c']. {advice}"):
        list(reading.open_source(frame))


@pytest.mark.parametrize(("label", "received"), [("a|b", "'a|b'"), ("", "''"), (" ", "' '"), (None, "''")])
def test_a_label_of_a_list_that_would_be_lost_in_joining_is_refused(label, received):
    frame = pd.DataFrame({"text": ["a"], "label": [["c", label]]})
    constraint = "a label of a list must be a text without '|'"
    with refusal(
        f"row 0, column 'label': {constraint}. Received: {received}. Rename it, or choose another `label_separator`."
    ):
        list(reading.open_source(frame, label_separator="|"))


def test_half_a_character_is_refused(tmp_path):
    received = "the text must be valid Unicode. Received: the lone surrogate '\\ud83d' at character 2. "
    advice = "Write the whole character."
    with refusal(f"a.jsonl, line 1, column 'text': {received}{advice}"):
        read(tmp_path / "a.jsonl", '{"text": "a\\ud83d", "label": 1}')
    with refusal(f"row 0, column 'label': {received}{advice}"):
        list(reading.open_source(pd.DataFrame({"text": ["a"], "label": ["b\ud83d"]})))
    with refusal(f"the stream, line 2: {received}{advice}"):
        list(reading.text_rows(["a\n", "b\ud83d\n"]))
