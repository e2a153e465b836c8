"""Texts and labels come from every kind of data, from the columns that are meant, and know where they stand."""

import csv
import gzip
import json
import threading

import numpy as np
import pandas as pd
import pytest

from seqapps.text import reading
from seqapps.text.reading import Row

ROWS = [("Great!", "good"), ("So, so.", "bad"), ("", "bad"), ('He said "no".', "")]
FRAME = pd.DataFrame(ROWS, columns=["text", "label"])


def pairs(source):
    return [(row.text, row.label) for row in source]


def written(path, content):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path, content, **options):
    return list(reading.open_source(written(path, content), **options))


# --- kinds of data ---


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".CSV"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path, ending, packed):
    separator = "\t" if ending == ".tsv" else ","
    content = (
        FRAME.to_json(orient="records", lines=True)
        if "n" in ending
        else FRAME.to_parquet()
        if "p" in ending
        else FRAME.to_csv(index=False, sep=separator)
    )
    path = written(tmp_path / f"reviews{ending}{packed}", content)
    place = "row 3" if "p" in ending else "line 4" if "n" in ending else "line 5"
    for data in (path, str(path)):
        source = reading.open_source(data)
        assert (source.name, source.text_column, source.label_column) == (path.name, "text", "label")
        assert pairs(source) == ROWS
        assert [*source][3].place == f"{path.name}, {place}"
        assert [*source] == [*source]


def test_a_data_frame_gives_the_same_rows():
    source = reading.open_source(FRAME.set_index(np.arange(7, 11)))
    assert (source.name, source.text_column, source.label_column) == ("the DataFrame", "text", "label")
    assert pairs(source) == ROWS
    assert [row.place for row in source] == ["row 0", "row 1", "row 2", "row 3"]


def test_labels_that_are_not_wanted_are_none_and_may_be_absent(tmp_path):
    for data in (FRAME, FRAME[["text"]]):
        files = {
            "a.csv": data.to_csv(index=False),
            "a.jsonl": data.to_json(orient="records", lines=True),
            "a.parquet": data.to_parquet(),
        }
        sources = [data, *(written(tmp_path / name, content) for name, content in files.items())]
        for source in sources:
            opened = reading.open_source(source, label_column="label", labelled=False)
            assert opened.label_column is None
            assert pairs(opened) == [(text, None) for text, _ in ROWS]


# --- columns ---


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "label", "rating", "text"], ("text", "label")),
        (["STARS", "id", " Review "], ("Review", "STARS")),
        (["body", "comment", "target", "class"], ("comment", "class")),
        (["opinion", "sentiment"], ("opinion", "sentiment")),
        (["verdict", "tweet"], ("tweet", "verdict")),
        (["", "text", "verdict"], ("text", "verdict")),
        (["Text", "text", "label"], ("Text", "label")),
        (["text", "review"], ("text", "review")),
    ],
)
def test_columns_are_found_by_their_usual_names(tmp_path, columns, expected):
    cells = [column.strip().lower() or "7" for column in columns]
    path = written(tmp_path / "a.csv", f"{','.join(columns)}\n{','.join(cells)}\n")
    source = reading.open_source(path)
    assert (source.text_column, source.label_column) == expected
    assert pairs(source) == [tuple(name.lower() for name in expected)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"text_column": "a"}, ("a", "label")),
        ({"label_column": "a"}, ("text", "a")),
        ({"text_column": "label", "label_column": "text"}, ("label", "text")),
        ({"text_column": "text", "label_column": "b"}, ("text", "b")),
        ({"label_column": "text"}, ("review", "text")),
    ],
)
def test_named_columns_are_taken_and_the_other_one_is_found(options, expected):
    frame = pd.DataFrame([["w", "x", "y", "z", "v"]], columns=["text", "label", "a", "b", "review"])
    source = reading.open_source(frame, **options)
    assert (source.text_column, source.label_column) == expected
    assert pairs(source) == [tuple(frame.loc[0, [*expected]])]


def test_a_column_whose_name_is_no_text_is_found_by_its_text():
    frame = pd.DataFrame([["w", "x"]], columns=[7, "label"])
    assert pairs(reading.open_source(frame, text_column="7")) == [("w", "x")]


# --- CSV and TSV ---


def test_places_count_the_lines_inside_of_quotes_and_blank_lines(tmp_path):
    content = '\n \ntext,label\r\n"a\r\nb\n\nc",x\n\n \t\n"""d"",",y\n"e\n",z'
    rows = read(tmp_path / "a.csv", "\ufeff" + content)
    assert rows == [
        Row("a\r\nb\n\nc", "x", "a.csv, line 4"),
        Row('"d",', "y", "a.csv, line 10"),
        Row("e\n", "z", "a.csv, line 11"),
    ]


def test_only_a_line_feed_ends_a_line(tmp_path):
    text = "a\x0bb\x0cc\x1cd\x1ee\x85f\u2028g\u2029h"
    assert read(tmp_path / "a.csv", f"text,label\n{text},x\nb,y\n")[0].text == text
    assert read(tmp_path / "a.tsv", f"text\tlabel\n{text}\tx\nb\ty\n")[1] == Row("b", "y", "a.tsv, line 3")
    assert read(tmp_path / "a.jsonl", json.dumps({"text": text, "label": "x"}, ensure_ascii=False))[0].text == text


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("text;label", "a, b;x"),
        ("text\tlabel", "a, b\tx"),
        ('"text, or review"\tlabel', "a, b\tx"),
        ("text;label;a\tb", "a, b;x;7"),
        ("text,label;", '"a, b",x'),
    ],
)
def test_a_header_without_commas_shows_another_delimiter(tmp_path, header, row):
    options = {"text_column": "text, or review"} if "or" in header else {}
    options |= {"label_column": "label;"} if header.endswith(";") else {}
    assert pairs(read(tmp_path / "a.csv", f"{header}\n{row}\n", **options)) == [("a, b", "x")]


def test_a_file_of_one_column_may_hold_empty_texts_and_line_breaks(tmp_path):
    for name in ("a.csv", "a.tsv"):
        rows = read(tmp_path / name, 'text\na\n""\n  \n"b\nc"\n', labelled=False)
        assert [row.text for row in rows] == ["a", "", "  ", "b\nc"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('text\tlabel\n"a\tb"\t1\n"c ""d""\n"\t0\n', [("a\tb", "1"), ('c "d"\n', "0")]),
        ('text\tlabel\n"a" b\t1\n"c"\t0\n', [('"a" b', "1"), ('"c"', "0")]),
        ('text\tlabel\n"a\t1\nb"\t0\n', [('"a', "1"), ('b"', "0")]),
        ('"text"\tlabel\n"a\t1\nb"\t0\n', [("a\t1\nb", "0")]),
        ('text\tlabel\n"a\nb"\t0\n', [("a\nb", "0")]),
        ('text\tlabel\n5" long\t1\n', [('5" long', "1")]),
        ('text\tlabel\n"a\t1\n', [('"a', "1")]),
        ('text\tlabel\r\na\t"1"\r\n', [("a", "1")]),
    ],
)
def test_a_quote_in_tsv_is_a_character_unless_the_whole_file_is_quoted(tmp_path, content, expected):
    assert pairs(read(tmp_path / "a.tsv", content)) == expected


def test_a_text_of_a_megabyte_is_read_and_the_limit_of_module_csv_stays(tmp_path):
    text, before = "so good. " * 131_072, csv.field_size_limit()
    rows = reading.open_source(written(tmp_path / "a.csv", f'text,label\n"{text}",1\n{text},0\n'))
    for row in rows:
        assert row.text == text
        assert csv.field_size_limit() == before


def test_threads_read_at_the_same_time(tmp_path):
    text = "so good. " * 32_768
    source = reading.open_source(written(tmp_path / "a.csv", "text,label\n" + f"{text},1\n" * 11))
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(len([*source]))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [11] * 5
