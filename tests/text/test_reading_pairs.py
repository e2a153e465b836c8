"""Sources and their targets come from parallel files, from tables and from lines with a tab, and know their places."""

import gzip

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.text.reading import Row
from seqapps.text.reading.pairs import Languages, Parallel, open_pairs, parallel

ROWS = [("Hello.", "Bonjour."), ("Thank you, “all”!", "Merci à\xa0tous\u2028!"), ("", "Rien."), ("日本 🙂", "")]
FRAME = pd.DataFrame(ROWS, columns=["source", "target"])
ENGLISH_FRENCH = Languages("en", "fr")
PACKED = ["", ".gz"]
# What a line can hold: every line end but the line feed, and what looks like a quote, a delimiter or a byte order mark.
NASTY = st.text("ab,;|\"'\r\\ \ufeff\x0b\x1c\x85\u2028é😀", max_size=11)
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0\t\n"), max_size=23)
LINES = (NASTY | ANY).filter(lambda text: not text.endswith("\r"))  # which would be part of the line end
several = settings(deadline=None, max_examples=80)


def both(source):
    return [(row.text, row.label) for row in source]


def written(path, content):
    content = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def two_files(folder, name, rows=ROWS, packed=("", "")):
    """Parallel files of English and French."""
    sides = (f"{side}\n" for side in map("\n".join, zip(*rows, strict=True)))
    names = (f"{name}.{language}{gz}" for language, gz in zip(ENGLISH_FRENCH, packed, strict=True))
    return Parallel(*(written(folder / name, side) for name, side in zip(names, sides, strict=True)))


def content_of(ending):
    """`ROWS` in the format of an ending; lines have no header."""
    if ending in (".parquet", ".pq"):
        return FRAME.to_parquet()
    if ending in (".jsonl", ".ndjson", ".json"):
        return FRAME.to_json(orient="records", lines=True)
    return FRAME.to_csv(index=False, sep="," if ending == ".csv" else "\t", header=ending.lower() != ".txt")


# --- kinds of data ---


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".txt", ".TXT"])
def test_every_kind_of_file_gives_the_same_pairs(tmp_path, ending, packed):
    path = written(tmp_path / f"pairs{ending}{packed}", content_of(ending))
    source = open_pairs(path)
    columns = ("", "") if ending.lower() == ".txt" else ("source", "target")
    assert (source.name, source.text_column, source.label_column) == (path.name, *columns)
    assert both(source) == ROWS
    place = "row 3" if "p" in ending else "line 5" if "s" in ending and "n" not in ending else "line 4"
    assert [*source][3].place == f"{path.name}, {place}"
    assert [*source] == [*source]


def test_a_data_frame_gives_the_same_pairs():
    source = open_pairs(FRAME.set_index(pd.Index([7, 11, 13, 17])))
    assert (source.name, source.text_column, source.label_column) == ("the DataFrame", "source", "target")
    assert both(source) == ROWS
    assert [row.place for row in source] == ["row 0", "row 1", "row 2", "row 3"]


@pytest.mark.parametrize("target_packed", PACKED)
@pytest.mark.parametrize("source_packed", PACKED)
def test_lines_with_the_same_number_of_two_files_are_a_pair(tmp_path, source_packed, target_packed):
    files = two_files(tmp_path, "train", packed=(source_packed, target_packed))
    source = open_pairs(files)
    name = f"train.en{source_packed}"
    assert (source.name, source.text_column, source.label_column) == (name, "", "")
    assert list(source) == [Row(*row, f"{name}, line {number}") for number, row in enumerate(ROWS, start=1)]
    assert [*source] == [*source]


def test_marks_and_line_ends_of_parallel_files_are_no_text_and_empty_lines_are(tmp_path):
    written(tmp_path / "a.en", "\ufeffOne.\r\n\r\n Three.")
    written(tmp_path / "a.fr", "\ufeffUn.\nDeux.\n\n")
    files = parallel(tmp_path / "a", ENGLISH_FRENCH)
    assert both(open_pairs(files)) == [("One.", "Un."), ("", "Deux."), (" Three.", "")]


def test_of_a_line_with_tabs_the_first_two_fields_are_read_and_blank_lines_are_none(tmp_path):
    licence = "CC-BY 2.0 (France) Attribution: tatoeba.org #2877272 (CM) & #1158250 (Wittydev)"
    content = f'\ufeffGo.\tVa !\t{licence}\r\n\n \t \n\tRien.\n Hi \t Salut \n"No.\t\n5" long\t5"\t\t\t'
    assert list(open_pairs(written(tmp_path / "fra.txt", content))) == [
        Row("Go.", "Va !", "fra.txt, line 1"),
        Row("", "Rien.", "fra.txt, line 4"),
        Row(" Hi ", " Salut ", "fra.txt, line 5"),
        Row('"No.', "", "fra.txt, line 6"),
        Row('5" long', '5"', "fra.txt, line 7"),
    ]


def test_targets_that_are_not_wanted_are_none_and_may_be_absent(tmp_path):
    files = Parallel(two_files(tmp_path, "train").source, tmp_path / "train.missing")
    lines = written(tmp_path / "a.txt", "Hello.\nHi.\tSalut.\n")
    for data, expected in ((files, [source for source, _ in ROWS]), (lines, ["Hello.", "Hi."])):
        source = open_pairs(data, paired=False)
        assert source.label_column is None
        assert both(source) == [(text, None) for text in expected]
    for data in (FRAME, FRAME[["source"]]):
        contents = {
            "a.csv": data.to_csv(index=False),
            "a.jsonl": data.to_json(orient="records", lines=True),
            "a.parquet": data.to_parquet(),
        }
        for table in (data, *(written(tmp_path / name, content) for name, content in contents.items())):
            source = open_pairs(table, target_column="target", paired=False)
            assert (source.text_column, source.label_column) == ("source", None)
            assert both(source) == [(text, None) for text, _ in ROWS]


def test_missing_cells_are_empty_texts(tmp_path):
    frame = pd.DataFrame({"source": ["a", None, "b"], "target": ["A", "B", None]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for data in (frame, tmp_path / "a.parquet", tmp_path / "a.jsonl"):
        assert both(open_pairs(data)) == [("a", "A"), ("", "B"), ("b", "")]


# --- columns ---


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "target", "license", "source"], ("source", "target")),
        (["TGT", "id", " Src "], ("Src", "TGT")),
        (["answer", "question", "target", "input"], ("input", "target")),
        (["summary", "article", "id"], ("article", "summary")),
        (["target", "source"], ("source", "target")),
        (["english", "french"], ("english", "french")),
        (["", "french", "english"], ("french", "english")),
        (["translation", "english"], ("english", "translation")),
        (["french", "source"], ("source", "french")),
        (["text", "label"], ("text", "label")),
        (["label", "text"], ("label", "text")),
        (["question", "article"], ("question", "article")),
        (["Source", "source", "target"], ("Source", "target")),
    ],
)
def test_columns_are_found_by_their_usual_names_and_of_two_the_first_is_the_source(tmp_path, columns, expected):
    cells = [column.strip().lower() or "7" for column in columns]
    source = open_pairs(written(tmp_path / "a.csv", f"{','.join(columns)}\n{','.join(cells)}\n"))
    assert (source.text_column, source.label_column) == expected
    assert both(source) == [tuple(name.lower() for name in expected)]


@pytest.mark.parametrize(
    ("columns", "options", "expected"),
    [
        ("source target a b", {"source_column": "a"}, ("a", "target")),
        ("source target a b", {"target_column": "a"}, ("source", "a")),
        ("source target a b", {"source_column": "b", "target_column": "a"}, ("b", "a")),
        ("source target a b", {"source_column": "target", "target_column": "source"}, ("target", "source")),
        ("source target input", {"target_column": "source"}, ("input", "source")),
        ("source target", {"source_column": "target"}, ("target", "source")),
        ("english french", {"source_column": "french"}, ("french", "english")),
        ("english french", {"target_column": "english"}, ("french", "english")),
        ("english french", {"source_column": "french", "paired": False}, ("french", None)),
        ("english french", {"paired": False}, ("english", None)),
        ("a b source", {"paired": False}, ("source", None)),
    ],
)
def test_named_columns_are_taken_and_the_other_one_is_found(columns, options, expected):
    frame = pd.DataFrame([[f"the {name}" for name in columns.split()]], columns=columns.split())
    source = open_pairs(frame, **options)
    assert (source.text_column, source.label_column) == expected
    assert both(source) == [tuple(name and f"the {name}" for name in expected)]


# --- any text ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pairs")


@several
@given(
    rows=st.lists(st.tuples(LINES, LINES), min_size=1, max_size=7).filter(lambda rows: any(a.strip() for a, _ in rows)),
    packed=st.tuples(st.sampled_from(PACKED), st.sampled_from(PACKED)),
)
def test_any_lines_come_back_from_parallel_files_and_from_lines_with_tabs(folder, rows, packed):
    marked = [(f"\ufeff{rows[0][0]}", f"\ufeff{rows[0][1]}"), *rows[1:]]
    source = open_pairs(two_files(folder, "a", marked, packed))
    assert both(source) == rows
    content = "".join(f"{text}\t{target}\r\n" for text, target in rows)
    lines = open_pairs(written(folder / f"a.txt{packed[0]}", f"\ufeff{content}"))
    assert both(lines) == [row for row in rows if "".join(row).strip()]  # a line of blanks is none
