"""Whatever is wrong with pairs, their files or their columns is said in one sentence with file and line."""

import gzip
import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal
from test_reading_pairs import ENGLISH_FRENCH, ROWS, both, two_files, written

from seqapps.text.reading.pairs import Parallel, open_pairs, parallel

SAVE = "Save the file as UTF-8."
ENDINGS = "'.csv', '.tsv', '.jsonl', '.ndjson', '.json', '.parquet', '.pq', '.txt'"
NAME_LANGUAGES = "For parallel files name `source_language` and `target_language`."
USUAL = "must be named, or be called as usual, such as 'source' and 'target'"
SOURCES, TARGETS = "sources (`source_column`)", "targets (`target_column`)"


def read(path, content, **options):
    return list(open_pairs(written(path, content), **options))


def lines(count, end="\n"):
    return "\n".join(f"line {number}" for number in range(count)) + end


# --- parallel files ---


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(("source", "target"), [(3, 5), (5, 3), (4, 5), (5, 4), (0, 7), (7, 0), (1, 1_009), (1_009, 1)])
def test_parallel_files_of_different_lengths_are_refused_with_both(tmp_path, source, target, packed):
    files = Parallel(tmp_path / f"a.en{packed}", tmp_path / "a.fr")
    written(files.source, lines(source) if source else "")
    written(files.target, lines(target, end="") if target else "")
    found = iter(open_pairs(files))
    for _ in range(min(source, target)):
        next(found)
    with refusal(
        f"a.en{packed} and a.fr must have the same number of lines. Received: {source} and {target}. Line n of one "
        "must be the translation of line n of the other."
    ):
        next(found)


def test_an_empty_line_at_the_end_of_a_parallel_file_is_a_line(tmp_path):
    written(tmp_path / "a.en", "One.\nTwo.\n\n")
    written(tmp_path / "a.fr", "Un.\nDeux.\n")
    with refusal(
        "a.en and a.fr must have the same number of lines. Received: 3 and 2. Line n of one must be the translation of "
        "line n of the other."
    ):
        list(open_pairs(parallel(tmp_path / "a", ENGLISH_FRENCH)))


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("side", ["en", "fr"])
def test_a_byte_that_is_not_utf8_is_refused_with_its_file_line_and_column(tmp_path, side, packed):
    two_files(tmp_path, "a", rows=[("One.", "Un."), ("Two.", "Deux."), ("Three.", "Trois.")])
    (tmp_path / f"a.{side}").unlink()
    written(tmp_path / f"a.{side}{packed}", b"Gr\xc3\xb6\xc3\x9fe\n\xc3\xa9t\xe9\nTrois\n")
    received = f"Received: byte 0xE9 at column 3 of the line. {SAVE}"
    with refusal(f"a.{side}{packed}, line 2: the text must be UTF-8. {received}"):
        list(open_pairs(parallel(tmp_path / "a", ENGLISH_FRENCH)))


def test_a_damaged_archive_of_either_side_is_refused_with_the_reason(tmp_path):
    for side in ("en", "fr"):
        files = two_files(tmp_path / side, "a", packed=(".gz", ".gz"))
        path = tmp_path / side / f"a.{side}.gz"
        path.write_bytes(b"One.\nTwo.\n")
        with refusal(f"a.{side}.gz cannot be decompressed: Not a gzipped file (b'On')."):
            list(open_pairs(files))


def test_columns_of_data_that_have_none_are_refused(tmp_path):
    files, path = two_files(tmp_path, "train"), written(tmp_path / "fra.txt", "Go.\tVa !\n")
    for data, what in ((files, "parallel files"), (path, "a .txt file, which has no header")):
        for option in ("source_column", "target_column"):
            with refusal(f"`{option}` must be left out for {what}. Received: {option}='english'."):
                open_pairs(data, **{option: "english"})


# --- files ---


def test_a_missing_file_is_named(tmp_path):
    for name in ("a.tsv", "a.txt", "a.parquet", "a"):
        with refusal(f"There is no file {str(tmp_path / name)!r}.", FileNotFoundError):
            open_pairs(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("a.tvs", "'.tvs'. Did you mean '.tsv'?"),
        ("a.jsonlines.gz", "'.jsonlines'. Did you mean '.jsonl'?"),
        ("a.text", "'.text'. Did you mean '.txt'?"),
        ("train.de", "'.de'."),
        ("a.xlsx", "'.xlsx'."),
        ("a.gz", "''."),
        ("a", "''."),
    ],
)
def test_an_unknown_ending_is_refused_with_all_endings(tmp_path, name, received):
    with refusal(
        f"{name}: the name must end in one of {ENDINGS}, also with '.gz'. Received: {received} {NAME_LANGUAGES}"
    ):
        read(tmp_path / name, "source\ttarget\na\tb\n")


@pytest.mark.parametrize("content", ["", "\ufeff", "\n \r\n\t\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    for name in ("a.csv", "a.tsv", "a.tsv.gz"):
        with refusal(f"{name} is empty: it needs a header line and rows."):
            read(tmp_path / name, content)
    with refusal("a.jsonl is empty: it needs one JSON object per line."):
        read(tmp_path / "a.jsonl", content)
    for name in ("a.txt", "a.txt.gz"):
        with refusal(f"{name} is empty."):
            read(tmp_path / name, content)


def test_empty_parallel_files_and_a_table_without_rows_are_refused(tmp_path):
    files = Parallel(written(tmp_path / "a.en", ""), written(tmp_path / "a.fr", ""))
    for paired in (True, False):
        with refusal("a.en is empty."):
            list(open_pairs(files, paired=paired))
    with refusal("the DataFrame is empty: it has columns but no rows."):
        list(open_pairs(pd.DataFrame({"source": [], "target": []})))
    with refusal("a.tsv is empty: it has columns but no rows."):
        read(tmp_path / "a.tsv", "source\ttarget\n")


def test_sources_that_are_all_blank_are_refused(tmp_path):
    files = two_files(tmp_path, "a", rows=[("", "Un."), (" ", "Deux.")])
    with refusal("a.en: the lines must hold texts. Received: 2 rows, all empty."):
        list(open_pairs(files))
    with refusal("a.txt: the lines must hold texts. Received: 1 row, all empty."):
        read(tmp_path / "a.txt", "\tUn.\n\n")
    with refusal("a.tsv: column 'en' must hold texts. Received: 2 rows, all empty."):
        read(tmp_path / "a.tsv", "en\tfr\n\tUn.\n \tDeux.\n")


# --- rows ---


def test_a_line_without_a_tab_is_refused(tmp_path):
    tab = "the line must be a source, a tab and a target. Received: a line without a tab."
    for name in ("fra.txt", "fra.txt.gz"):
        with refusal(f"{name}, line 4: {tab}"):
            read(tmp_path / name, "Go.\tVa !\n\nHi.\tSalut !\tCC-BY\nRun!  Cours !\n")
        with refusal(f"{name}, line 1: {tab}"):
            read(tmp_path / name, "\ufeffGo.\n")


def test_what_is_not_utf8_is_refused_in_lines_with_tabs(tmp_path):
    with refusal(f"a.txt, line 2: the text must be UTF-8. Received: byte 0xE9 at column 6 of the line. {SAVE}"):
        read(tmp_path / "a.txt", b"Go.\tVa !\nHit.\t\xe9\n")
    with refusal(
        "a.txt, line 1: the text must be without the character U+0000, because UTF-16 that is read as UTF-8 is full of "
        "it. Received: one at column 2 of the line. Save the file as UTF-8, or delete the character."
    ):
        read(tmp_path / "a.txt", "Go.\tVa !\n".encode("utf-16-le"))


@pytest.mark.parametrize(
    ("value", "received"),
    [("7", "7"), ("1.50", "1.50"), ("true", "True"), ('["Salut."]', "['Salut.']"), ('{"fr": "a"}', "{'fr': 'a'}")],
)
@pytest.mark.parametrize("column", ["source", "target"])
def test_a_source_or_a_target_that_is_no_string_is_refused_in_json(tmp_path, column, value, received):
    cells = {"source": '"Hi."', "target": '"Salut."', column: value}
    row = ", ".join(f'"{name}": {cell}' for name, cell in cells.items())
    content = '{"source": "Go.", "target": "Va !"}\n' + f"{{{row}}}\n"
    with refusal(f"a.jsonl, line 2, column {column!r}: the text must be a string. Received: {received}."):
        read(tmp_path / "a.jsonl", content)


@pytest.mark.parametrize(("targets", "received"), [([7, 5], "7"), ([0.5, 3.0], "0.5"), ([True, False], "True")])
def test_a_target_that_is_no_string_is_refused_in_tables_but_where_none_is_wanted(tmp_path, targets, received):
    frame = pd.DataFrame({"question": ["a", "b"], "answer": targets})
    with refusal(f"row 0, column 'answer': the text must be a string. Received: {received}."):
        list(open_pairs(frame))
    with refusal(f"a.parquet, row 0, column 'answer': the text must be a string. Received: {received}."):
        read(tmp_path / "a.parquet", frame.to_parquet())
    assert both(open_pairs(frame, paired=False)) == [("a", None), ("b", None)]
    assert both(open_pairs(tmp_path / "a.parquet", paired=False)) == [("a", None), ("b", None)]


def test_numbers_in_delimited_files_are_the_texts_that_they_are_written_as(tmp_path):
    assert both(read(tmp_path / "a.tsv", "question\tanswer\n1+1\t2.0\n")) == [("1+1", "2.0")]
    assert both(read(tmp_path / "a.txt", "1+1\t2.0\n")) == [("1+1", "2.0")]


def test_half_a_character_of_a_target_is_refused(tmp_path):
    received = "Received: the lone surrogate '\\ud83d' at character 2. Write the whole character."
    with refusal(f"a.jsonl, line 1, column 'target': the text must be valid Unicode. {received}"):
        read(tmp_path / "a.jsonl", json.dumps({"source": "a", "target": "b\ud83d"}))


# --- columns ---


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"source_column": "engish"}, "'engish' (`source_column`). Did you mean 'english'?"),
        ({"target_column": "qqq"}, "'qqq' (`target_column`)."),
        ({"source_column": "English", "paired": False}, "'English' (`source_column`). Did you mean 'english'?"),
    ],
)
def test_a_missing_column_is_refused_with_a_suggestion_and_all_columns(tmp_path, options, missing):
    frame = pd.DataFrame({"english": ["Go."], "french": ["Va !"]})
    with refusal(f"the DataFrame has no column {missing} It has 'english', 'french'."):
        open_pairs(frame, **options)
    with refusal(f"a.tsv has no column {missing} It has 'english', 'french'."):
        read(tmp_path / "a.tsv", frame.to_csv(sep="\t", index=False), **options)


@pytest.mark.parametrize(
    ("columns", "options", "missing"),
    [
        (["id", "english", "french"], {}, f"{SOURCES} and that of {TARGETS}"),
        (["id", "english", "french"], {"source_column": "english"}, TARGETS),
        (["id", "english", "french"], {"target_column": "french"}, SOURCES),
        (["id", "english", "target"], {}, SOURCES),
        (["id", "source", "french"], {}, TARGETS),
        (["id", "english", "french"], {"paired": False}, SOURCES),
        (["source"], {}, TARGETS),
        (["target"], {"paired": False}, SOURCES),
        (["text", "label", "id"], {}, f"{SOURCES} and that of {TARGETS}"),
    ],
)
def test_columns_that_cannot_be_told_are_refused(tmp_path, columns, options, missing):
    received = f"Received: {', '.join(map(repr, columns))}."
    with refusal(f"the DataFrame: the column of {missing} {USUAL}. {received}"):
        open_pairs(pd.DataFrame([columns], columns=columns), **options)
    with refusal(f"a.csv: the column of {missing} {USUAL}. {received} The first line must name the columns."):
        read(tmp_path / "a.csv", f"{','.join(columns)}\n", **options)


def test_one_column_for_both_is_refused(tmp_path):
    path = written(tmp_path / "a.txt", "Go.\tVa !\n")
    for data in (pd.DataFrame([["Go.", "Va !"]], columns=["english", "french"]), path):
        for paired in (True, False):
            with refusal(
                "`target_column` must be another column than `source_column`. Received: target_column='english'."
            ):
                open_pairs(data, "english", "english", paired)


# --- any bytes ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    two_files(folder, "a")
    return folder


@settings(deadline=None, max_examples=150)
@given(
    content=st.binary(max_size=97)
    | st.text("ab\t\n\r\0\ufeff ").map(str.encode)
    | st.binary(max_size=31).map(lambda tail: gzip.compress(b"Go.\tVa !\n" * len(ROWS), mtime=0) + tail),
    ending=st.sampled_from((".txt", ".txt.gz", ".fr", ".fr.gz")),
    paired=st.booleans(),
)
def test_any_bytes_are_pairs_or_refused_in_one_line_that_names_the_file(folder, content, ending, paired):
    path, problem = folder / f"any{ending}", None
    path.write_bytes(content)
    data = Parallel(folder / "a.en", path) if ".fr" in ending else path
    try:
        assert all((row.label is not None) == paired for row in open_pairs(data, paired=paired))
    except ValueError as error:
        problem = str(error)
    assert problem is None or (path.name in problem.split(":")[0] and "\n" not in problem)
