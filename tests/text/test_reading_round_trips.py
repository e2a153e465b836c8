"""What pandas and module json write is read back equal, whatever characters the texts hold."""

import csv
import gzip
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.text import reading

NASTY = st.text("ab,;|\t\"'\n\r\\ \ufeff\x0b\x1c\x85\u2028é😀", max_size=11)
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=23)
TEXTS = NASTY | ANY
TABLES = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=7).filter(
    lambda rows: any(text.strip() for text, _ in rows)
)
few = settings(deadline=None, max_examples=50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def check(path, content, rows):
    """The rows come back from the content, packed and not, twice."""
    for packed, suffix in ((content, ""), (gzip.compress(content, 1), ".gz")):
        file = path.with_name(path.name + suffix)
        file.write_bytes(packed)
        source = reading.open_source(file)
        for _ in range(2):
            assert [(row.text, row.label) for row in source] == rows


@few
@given(
    rows=TABLES,
    kind=st.sampled_from(((".csv", ","), (".csv", ";"), (".csv", "\t"), (".tsv", "\t"))),
    newline=st.sampled_from(("\n", "\r\n")),
    mark=st.sampled_from(("", "\ufeff")),
    quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
)
def test_tables_of_pandas_come_back(folder, rows, kind, newline, mark, quoting):
    ending, separator = kind
    # Module csv of Python 3.11 leaves a carriage return bare. In TSV with a bare header, tabs inside of texts with line
    # breaks can make every line look like a row.
    if any("\r" in cell or (ending == ".tsv" and "\t" in cell and "\n" in cell) for row in rows for cell in row):
        quoting = csv.QUOTE_ALL
    frame = pd.DataFrame(rows, columns=["text", "label"])
    content = mark + frame.to_csv(index=False, sep=separator, lineterminator=newline, quoting=quoting)
    check(folder / f"a{ending}", content.encode(), rows)


@few
@given(rows=TABLES, newline=st.sampled_from(("\n", "\r\n")), mark=st.sampled_from(("", "\ufeff")))
def test_tsv_without_quotes_comes_back(folder, rows, newline, mark):
    rows = [("begins", 'in " the middle')] + [
        tuple(cell.translate(dict.fromkeys(map(ord, "\t\r\n"), " ")) for cell in row) for row in rows
    ]
    rows.append(('"', "is a character"))  # so the file cannot be one with quotes
    content = mark + newline.join(f"{text}\t{label}" for text, label in [("text", "label"), *rows]) + newline
    check(folder / "b.tsv", content.encode(), rows)


@few
@given(rows=TABLES, newline=st.sampled_from(("\n", "\r\n")), mark=st.sampled_from(("", "\ufeff")), ascii=st.booleans())
def test_json_lines_come_back(folder, rows, newline, mark, ascii):
    objects = [{"text": text, "label": label} for text, label in rows]
    lines = [json.dumps(cells, ensure_ascii=ascii) for cells in objects]
    check(folder / "a.jsonl", (mark + newline.join(lines)).encode(), rows)
    by_pandas = pd.DataFrame(rows, columns=["text", "label"]).to_json(orient="records", lines=True, force_ascii=ascii)
    check(folder / "a.json", by_pandas.encode(), rows)


@few
@given(rows=TABLES)
def test_data_frames_and_parquet_come_back(folder, rows):
    frame = pd.DataFrame(rows, columns=["text", "label"])
    assert [(row.text, row.label) for row in reading.open_source(frame)] == rows
    check(folder / "a.parquet", frame.to_parquet(), rows)


@few
@given(texts=st.lists(TEXTS, min_size=1, max_size=5).filter(lambda texts: any(text.strip() for text in texts)))
def test_files_of_a_class_and_lines_come_back(folder, texts):
    inner = folder / "classes" / "x"
    inner.mkdir(parents=True, exist_ok=True)
    for path in inner.iterdir():
        path.unlink()
    for number, text in enumerate(texts):
        (inner / f"{number}.txt").write_bytes(("\ufeff" + text + "\n").encode())
    assert [row.text for row in reading.open_source(inner.parent)] == [text.removesuffix("\r") for text in texts]
    lines = [text.replace("\n", " ") for text in texts]
    rows = reading.text_rows(["\ufeff" + lines[0] + "\n", *(f"{line}\n" for line in lines[1:])])
    assert [row.text for row in rows] == [line.removesuffix("\r") for line in lines]


@settings(deadline=None, max_examples=200)
@given(
    content=st.binary(max_size=97)
    | st.text('text,label\t;"\n\r{}[]: 1\0\ufeff').map(str.encode)
    | st.binary(max_size=31).map(lambda tail: gzip.compress(b"text,label\n", mtime=0) + tail)
    | st.binary(max_size=31).map(lambda tail: b"PAR1" + tail + b"PAR1"),
    ending=st.sampled_from((".csv", ".tsv", ".jsonl", ".parquet")),
    packed=st.sampled_from(("", ".gz")),
)
def test_any_bytes_are_a_table_or_refused_in_one_line_that_names_the_file(folder, content, ending, packed):
    path, problem = folder / f"any{ending}{packed}", None
    path.write_bytes(content)
    try:
        rows = list(reading.open_source(path, labelled=False))
        assert all(row.place.startswith(f"{path.name}, ") for row in rows)
    except ValueError as error:
        problem = str(error)
    assert problem is None or (problem.startswith(path.name) and "\n" not in problem)
