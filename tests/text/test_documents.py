"""Documents come whole from whatever holds them, in chunks that no token spans; folders hold parts by their names."""

import gzip
import itertools
import json

import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqapps.text import tokenizers
from seqapps.text.kinds import TOKENIZERS
from seqapps.text.reading import documents
from seqapps.text.reading.documents import cut_at_lines, document_parts, open_documents

ROWS = ["One day\n\n  the “sea” 日本\nended.\n", "Once, upon a time", " \tΑΣ\n"]
BOOK = "\n".join(ROWS)
SMALL = 7  # characters of a chunk, about
LONG = 1_200  # lines, which are more than one chunk
# Everything that a tokenizer could join with what stands before it, and every line end there is.
PIECES = ["\n", " ", "\r", "\t", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u3000", "\u0301", "\u200d", "\ufeff"]
PIECES += ["a", "Σ", "ΑΣ", "'", "’", "<", "<unk>", "1", "2345", ".", "日", "é", "😀", "x" * 40, "\n\n", "\r\n"]
NASTY = st.lists(st.sampled_from(PIECES), max_size=31).map("".join)
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=53)
TEXTS = NASTY | ANY
LINES = st.lists(TEXTS, max_size=7).map("\n".join)
several = settings(deadline=None, max_examples=80)


def read(data, **options):
    """Places and whole texts."""
    return [(each.place, "".join(each.chunks)) for each in open_documents(data, **options)]


def write(text, path):
    """A text file, packed if its name says so."""
    content = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_rows(path, column="text"):
    """A table of `ROWS` in the format that its name says."""
    table = pd.DataFrame({"id": range(len(ROWS)), column: ROWS})
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind in ("parquet", "pq"):
        content = table.to_parquet()
    elif kind in ("csv", "tsv"):
        content = table.to_csv(index=False, sep="," if kind == "csv" else "\t").encode()
    else:
        content = "".join(json.dumps(row) + "\n" for row in table.to_dict("records")).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("documents")


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(documents, "CHUNK", SMALL)


@pytest.fixture(scope="module")
def encoders():
    """Encoding in the graph, for every kind of tokenizer with and without capitals."""
    made = {}
    for kind in TOKENIZERS:
        for lowercase in (False, True):
            tokenizer = tokenizers.fit(kind, [BOOK, "".join(PIECES)], 300, lowercase)
            signature = [tf.TensorSpec([None], tf.string)]
            made[kind, lowercase] = tf.function(tokenizer.encode, input_signature=signature)
    return made


# --- what holds documents ---


@pytest.mark.parametrize(
    "name", ["book.txt", "Book.TXT", "book.txt.gz", "book", "book.md", "book.gz", "train.tokens", "v1.2", "book.rst.gz"]
)
def test_a_text_file_is_one_document_whatever_its_ending(tmp_path, name):
    path = write(BOOK, tmp_path / name)
    for source in (path, str(path)):
        found = open_documents(source)
        assert (found.name, found.text_column) == (name, None)
        assert read(source) == [(name, BOOK)]
        assert [each.place for each in found] == [each.place for each in found]  # read again


@pytest.mark.parametrize(
    "name", [f"a{ending}{gz}" for ending in sorted(documents.TABLES) for gz in ("", ".gz")] + ["a.CSV", "a.JsonL.GZ"]
)
def test_every_row_of_a_table_is_a_document(tmp_path, name):
    path = write_rows(tmp_path / name.lower()).rename(tmp_path / name)
    assert (open_documents(path).name, open_documents(path).text_column) == (name, "text")
    found = read(path)
    assert [text for _, text in found] == ROWS
    first = {"csv": 2, "tsv": 2, "parquet": 0, "pq": 0}.get(name.lower().removesuffix(".gz").rpartition(".")[2], 1)
    unit = "row" if first == 0 else "line"
    assert found[0][0] == f"{name}, {unit} {first}"
    assert found == read(str(path))


def test_every_row_of_a_data_frame_is_a_document():
    table = pd.DataFrame({"title": ["a", "b", "c"], "Content": ROWS}, index=[5, 5, 7])
    assert read(table) == [(f"row {number}", text) for number, text in enumerate(ROWS)]
    assert (open_documents(table).name, open_documents(table).text_column) == ("the DataFrame", "Content")
    assert [text for _, text in read(table, text_column="title")] == ["a", "b", "c"]
    gaps = pd.DataFrame({"text": ["", None, "a"]})
    assert read(gaps) == [("row 0", ""), ("row 1", ""), ("row 2", "a")]


def test_files_of_a_folder_come_in_the_order_of_their_names(tmp_path):
    texts = {"b.txt": "second", "B.txt": "first", "c.TXT": "last", "b10.txt.gz": "third", "b2.txt": "fourth"}
    for name, text in texts.items():
        write(text, tmp_path / "books" / name)
    for ignored in ("notes.md", ".hidden.txt", "._b.txt", "table.csv", "inner/x.txt", "txt", ".txt"):
        write("ignored", tmp_path / "books" / ignored)
    expected = [(f"books/{name}", texts[name]) for name in ("B.txt", "b.txt", "b10.txt.gz", "b2.txt", "c.TXT")]
    assert read(tmp_path / "books") == read(str(tmp_path / "books")) == expected
    assert open_documents(tmp_path / "books").name == "books"


def test_a_folder_may_have_a_dot_in_its_name_and_be_a_link(tmp_path):
    write("text", tmp_path / "a.csv" / "x.txt")
    (tmp_path / "link").symlink_to(tmp_path / "a.csv")
    assert read(tmp_path / "a.csv") == [("a.csv/x.txt", "text")]
    assert read(tmp_path / "link") == [("link/x.txt", "text")]


def test_line_ends_and_blanks_survive_and_a_byte_order_mark_does_not(tmp_path):
    text = "a\r\nb\rc\x0bd\x85e\u2028f\n\n  \n"
    assert read(write("\ufeff" + text, tmp_path / "a.txt")) == [("a.txt", text)]
    assert read(write(text + "\ufeff", tmp_path / "b.txt")) == [("b.txt", text + "\ufeff")]
    for nothing in ("", "\ufeff"):
        assert read(write(nothing, tmp_path / "c.txt")) == [("c.txt", "")]


def test_documents_are_read_anew_by_each_iteration(tmp_path):
    path = write("old", tmp_path / "a.txt")
    found = open_documents(path)
    (document,) = found
    write("new", path)
    assert "".join(document.chunks) == "new"  # nothing was read before
    write("newer", path)
    assert ["".join(each.chunks) for each in found] == ["newer"]


# --- chunks ---


@several
@given(text=TEXTS)
def test_chunks_of_a_file_joined_are_the_text(folder, text):
    ((place, found),) = read(write("\ufeff" + text, folder / "a.txt"))
    assert (place, found) == ("a.txt", text)


def check_chunks(chunks, text):
    """The text in chunks that are long enough and end where a line does that no blank follows."""
    assert "".join(chunks) == text
    for before, after in itertools.pairwise(chunks):
        assert len(before) >= SMALL
        if before.endswith("\n"):
            assert not after[0].isspace()
        else:
            assert after[0] == " "
            assert not before[-1].isspace()


@pytest.mark.usefixtures("small_chunks")
def test_small_chunks_joined_are_the_text(folder):
    @several
    @given(text=LINES)
    def check(text):
        (document,) = open_documents(write("\ufeff" + text, folder / "small.txt.gz"))
        check_chunks(list(document.chunks), text)
        check_chunks(list(cut_at_lines(text)), text)
        (row,) = open_documents(pd.DataFrame({"text": [text + "."]}))
        assert list(row.chunks) == list(cut_at_lines(text + "."))

    check()


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.usefixtures("small_chunks")
def test_no_token_spans_two_chunks(encoders, kind, lowercase):
    encode = encoders[kind, lowercase]

    @several
    @given(text=LINES)
    @example(text="x" * SMALL + "\nΣ\nΑΣ" + SMALL * "\n" + "\u0301a")
    def check(text):
        chunks = list(cut_at_lines(text))
        assert encode(tf.constant(chunks)).values.numpy().tolist() == encode(tf.constant([text])).to_list()[0]

    check()


def test_a_long_text_has_chunks_of_the_usual_size(tmp_path):
    lines = [f"  line {number} goes on and on and on\nand so\n" for number in range(LONG)]
    text = "".join(lines)
    (document,) = open_documents(write(text, tmp_path / "a.txt"))
    chunks = list(document.chunks)
    assert "".join(chunks) == text
    assert 1 < len(chunks) == len(list(cut_at_lines(text)))
    assert all(documents.CHUNK <= len(chunk) < documents.CHUNK + len(lines[-1]) for chunk in chunks[:-1])
    assert list(cut_at_lines(text[: documents.CHUNK])) == [text[: documents.CHUNK]]


@pytest.mark.usefixtures("small_chunks")
def test_a_line_is_never_cut():
    for text in (SMALL * "ab", SMALL * "a\u2028", SMALL * "a\r", SMALL * "a\n ", SMALL * "\n", ""):
        assert list(cut_at_lines(text)) == [text]
    assert list(cut_at_lines("abcdef\nabc\n\nb")) == ["abcdef\n", "abc\n\nb"]


# --- parts ---


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev", "Dev"])
@pytest.mark.parametrize("ending", [".txt", ".txt.gz", ".jsonl", ".csv.gz", ".PARQUET", ""])
def test_a_folder_holds_parts_by_their_names(tmp_path, name, ending):
    paths = {part: tmp_path / f"{stem}{ending}" for part, stem in (("train", "train"), ("validation", name))}
    for path in paths.values():
        write("text", path if ending else path / "a.txt")
    write("text", tmp_path / "tests.txt")
    write("text", tmp_path / "README.md")
    write("text", tmp_path / ".test.txt")
    assert document_parts(tmp_path) == document_parts(str(tmp_path)) == paths
    write("text", tmp_path / "test.txt")
    assert list(document_parts(tmp_path)) == ["train", "validation", "test"]
    assert document_parts(tmp_path)["test"] == tmp_path / "test.txt"


def test_anything_else_is_the_training_part(tmp_path):
    table = pd.DataFrame({"text": ROWS})
    assert document_parts(table)["train"] is table
    for path in (write("text", tmp_path / "books" / "a.txt"), tmp_path / "books", write("a", tmp_path / "train.txt")):
        assert document_parts(path) == {"train": path}
    (tmp_path / "empty").mkdir()
    assert document_parts(tmp_path / "empty") == {"train": tmp_path / "empty"}
    write("text", tmp_path / "corpus" / "wiki.train.tokens")
    assert document_parts(tmp_path / "corpus") == {"train": tmp_path / "corpus"}


def test_a_folder_without_parts_is_one_as_a_whole(tmp_path):
    for name in ("tests.txt", "a.txt"):
        write(name, tmp_path / "books" / name)
    (tmp_path / "books" / "folder.txt").mkdir()
    assert document_parts(tmp_path / "books") == {"train": tmp_path / "books"}
    assert [text for _, text in read(tmp_path / "books")] == ["a.txt", "tests.txt"]


def test_a_long_line_is_cut_before_blanks():
    for text in ("word " * 40_000, "x" * 99_999 + " y" * 50_000, "a  b " * 30_000):
        chunks = list(cut_at_lines(text))
        assert "".join(chunks) == text
        assert max(map(len, chunks)) < 110_000
        assert len(chunks) > 1
        for before, after in itertools.pairwise(chunks):
            assert after[0] == " "
            assert not (after[1] + before[-1]).isspace()
    assert list(cut_at_lines("x" * 200_000)) == ["x" * 200_000]
