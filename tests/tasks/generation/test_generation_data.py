"""Documents are cut into train, validation and test, one after the other, where the rule says and nowhere else."""

import gzip
import hashlib
import itertools
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.generation import data
from seqapps.tasks.generation.config import Config
from seqapps.text.kinds import TOKENIZERS
from seqapps.text.reading import documents

CHARACTERS = 1009
# The last tenth tests, the tenth before it validates: of 1009 characters from 908.1 and from 807.2 on.
TEST, VALIDATION = 908, 807
NEAR = 10  # characters that a cut may move: a tenth of a tenth
OTHERS = [kind for kind in TOKENIZERS if kind != "character"]
SMALL = 7  # characters of a chunk, about


def letters(count, start=0):
    """A text without blanks whose characters tell where they stand."""
    return "".join(chr(0x4E00 + number % 1013) for number in range(start, start + count))


def frame(texts):
    return pd.DataFrame({"text": texts})


def write(text, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def cuts(splits):
    """Where every part starts and stops, counted through all documents."""
    return {split: (part.start, part.stop) for split, part in splits.parts.items()}


def texts(splits):
    """What every part holds, as one text."""
    return {split: "".join(part.texts()) for split, part in splits.parts.items()}


def read(part):
    """Every document of a part: its place, its text, and whether it is read to its end."""
    return [(document.place, "".join(document.chunks), whole) for document, whole in part]


def digest(*whole):
    """What stands in a manifest for texts."""
    return hashlib.sha256(b"".join(text.encode() + b"\xff" for text in whole)).hexdigest()


# --- cuts ---


@pytest.mark.parametrize(
    ("count", "validation", "test", "first", "second"),
    [
        (CHARACTERS, 0.1, 0.1, VALIDATION, TEST),
        (CHARACTERS, 0.3, 0.2, 504, 807),  # 504.5 and 807.2
        (CHARACTERS, 0.01, 0.5, 494, 504),  # 494.41 and 504.5
        (100, 0.1, 0.2, 70, 80),  # 1 - 0.2 - 0.1 is not 0.7 but a little more
        (100, 0.2, 0.1, 70, 90),  # and so is 1 - 0.1 - 0.2
        (1000, 0.3, 0.6, 100, 400),  # and here a little less
        (11, 0.1, 0.1, 8, 9),  # 8.8 and 9.9
    ],
)
def test_characters_are_cut_exactly(tmp_path, count, validation, test, first, second):
    text = letters(count)
    config = Config(validation_fraction=validation, test_fraction=test)
    splits = data.load(write(text, tmp_path / "a.txt"), config)
    assert cuts(splits) == {"train": (0, first), "validation": (first, second), "test": (second, count)}
    assert texts(splits) == {"train": text[:first], "validation": text[first:second], "test": text[second:]}
    assert [part.characters for part in splits.parts.values()] == [first, second - first, count - second]
    assert splits.notes == ()


@pytest.mark.parametrize(
    ("lengths", "first", "second"),
    [
        ((810, 95, 104), 810, 905),
        ((VALIDATION - NEAR, 121, 91), VALIDATION - NEAR, TEST + NEAR),
        ((VALIDATION - NEAR - 1, 123, 90), VALIDATION, TEST),  # just too far, and just too far
        ((797, 8, 5, 95, 8, 96), 805, TEST - 3),  # the nearest of several
        ((400, 609), VALIDATION, TEST),
        ((0, 807, 0, 101, 0, 101, 0), 807, 908),
        ((907, 102), VALIDATION, 907),
    ],
)
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_cut_falls_on_the_start_of_a_document_if_one_is_near(lengths, first, second, kind):
    ends = [sum(lengths[:number]) for number in range(len(lengths) + 1)]
    table = frame([letters(stop - start, start) for start, stop in itertools.pairwise(ends)])
    splits = data.load(table, Config(tokenizer=kind, vocabulary_size=300))
    assert cuts(splits) == {"train": (0, first), "validation": (first, second), "test": (second, CHARACTERS)}
    assert "".join(texts(splits).values()) == letters(CHARACTERS)


def with_marks(marks):
    """`CHARACTERS` letters with other characters at some places."""
    return "".join(marks.get(place, letter) for place, letter in enumerate(letters(CHARACTERS)))


@pytest.mark.parametrize(
    ("marks", "first", "second"),
    [
        ({810: "\n", 911: "\n"}, 811, 912),
        ({807: "\n", 805: "\n", 908: "\n", 906: "\n"}, 808, 909),
        ({808: " ", 810: "\n", 909: " ", 912: "\n", 915: "\n"}, 811, 913),  # a line comes before a blank
        ({809: " ", 811: " ", 830: "\n", 910: " ", 930: "\n"}, 810, 911),  # no line is near
        ({800: "\n", 820: "\n", 840: " ", 900: "\n"}, VALIDATION, TEST),  # nothing is near
    ],
)
@pytest.mark.parametrize("kind", OTHERS)
def test_other_tokens_are_cut_before_a_line_or_else_after_a_blank(marks, first, second, kind):
    text = with_marks(marks)
    splits = data.load(frame([text]), Config(tokenizer=kind, vocabulary_size=300))
    assert cuts(splits) == {"train": (0, first), "validation": (first, second), "test": (second, CHARACTERS)}
    assert texts(splits) == {"train": text[:first], "validation": text[first:second], "test": text[second:]}
    exact = data.load(frame([text]), Config())
    assert cuts(exact)["test"] == (TEST, CHARACTERS)


def test_a_line_of_a_later_document_is_found_too():
    text = with_marks({812: "\n", 914: "\n"})
    table = frame([text[:131], text[131:500], text[500:]])
    assert list(cuts(data.load(table, Config(tokenizer="word"))).values()) == [(0, 813), (813, 915), (915, CHARACTERS)]


FRACTIONS = st.sampled_from([0.03, 0.1, 0.2, 0.3, 0.45])


@settings(max_examples=150, deadline=None)
@given(
    whole=st.lists(st.text("ab. \n日", max_size=29), max_size=9),
    place=st.integers(0, 9),
    fractions=st.tuples(FRACTIONS, FRACTIONS),
    kind=st.sampled_from(TOKENIZERS),
)
def test_parts_are_contiguous_and_complete_or_refused(whole, place, fractions, kind):
    whole.insert(place, letters(101))
    config = Config(validation_fraction=fractions[0], test_fraction=fractions[1], tokenizer=kind, vocabulary_size=300)
    problem = None
    try:
        splits = data.load(frame(whole), config)
    except ValueError as error:
        problem = str(error)
    if problem:
        assert re.search(r"too few for a \w+ part|the \w+ part must hold text", problem)
        return
    first, second, third = cuts(splits).values()
    assert (first[0], first[1], second[1], third[1]) == (0, second[0], third[0], len("".join(whole)))
    assert "".join(texts(splits).values()) == "".join(whole)
    assert all(text.strip() for text in texts(splits).values())
    for split, part in splits.parts.items():
        assert part.characters == len(texts(splits)[split])
        assert splits.hashes[split] == digest(*(text for _, text, _ in read(part)))


def test_chunks_of_any_size_give_the_same_parts(tmp_path, monkeypatch):
    lines = "".join(f"{letters(number % 13)}\n" for number in range(97))
    path = write(lines, tmp_path / "a.txt")
    expected = data.load(path, Config())
    monkeypatch.setattr(documents, "CHUNK", SMALL)
    splits = data.load(path, Config())
    assert len(list(splits.parts["validation"].texts())) > 1
    assert (cuts(splits), texts(splits), splits.hashes) == (cuts(expected), texts(expected), expected.hashes)


# --- the documents of a part ---


def test_a_part_knows_which_documents_it_reads_to_their_ends():
    whole = [letters(601), "", letters(307, 601), letters(101, 908), ""]
    parts = data.load(frame(whole), Config()).parts
    assert read(parts["train"]) == [("row 0", whole[0], True), ("row 2", whole[2][: VALIDATION - 601], False)]
    assert read(parts["validation"]) == [("row 2", whole[2][VALIDATION - 601 :], True)]
    assert read(parts["test"]) == [("row 3", whole[3], True)]
    assert read(parts["test"]) == read(parts["test"])  # again


def test_one_document_is_read_to_its_end_by_the_last_part_alone():
    parts = data.load(frame([letters(CHARACTERS)]), Config()).parts
    assert [whole for part in parts.values() for _, _, whole in read(part)] == [False, False, True]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "books", "a.csv", "frame"])
def test_every_kind_of_data_is_cut_alike(tmp_path, name):
    text = letters(CHARACTERS)
    if name == "books":
        write(text[:500], tmp_path / name / "a.txt")
        write(text[500:], tmp_path / name / "b.txt")
    source = frame([text]) if name == "frame" else tmp_path / name
    if name.startswith("a."):
        write(f"text\n{text}\n" if name == "a.csv" else text, source)
    splits = data.load(source, Config())
    expected = {"train": text[:VALIDATION], "validation": text[VALIDATION:TEST], "test": text[TEST:]}
    assert texts(splits) == expected
    both = [text[:500], text[500:VALIDATION]] if name == "books" else [text[:VALIDATION]]
    assert splits.hashes == {split: digest(each) for split, each in expected.items()} | {"train": digest(*both)}


# --- parts of their own ---


@pytest.mark.parametrize("name", ["validation.txt", "valid.jsonl", "dev/a.txt"])
def test_a_folder_brings_its_own_parts(tmp_path, name):
    write("to train on", tmp_path / "train.txt.gz")
    write("to test\nwith", tmp_path / "test.txt")
    write('{"text": "to choose by"}' if name.endswith("jsonl") else "to choose by", tmp_path / name)
    for source in (tmp_path, str(tmp_path)):
        splits = data.load(source, Config())
        assert texts(splits) == {"train": "to train on", "validation": "to choose by", "test": "to test\nwith"}
        assert list(splits.parts) == list(splits.hashes) == list(data.SPLITS)
        assert all(whole for part in splits.parts.values() for _, _, whole in read(part))


def test_files_of_their_own_come_as_options(tmp_path):
    text = letters(CHARACTERS)
    path = write(text, tmp_path / "a.txt")
    validation, test = write("to choose by", tmp_path / "b.md"), write("text\nto test\n", tmp_path / "c.csv")
    both = data.load(path, Config(validation_data=str(validation), test_data=str(test)))
    assert texts(both) == {"train": text, "validation": "to choose by", "test": "to test"}
    alone = texts(data.load(path, Config(test_data=str(test), validation_fraction=0.2)))
    assert alone == {"train": text[:VALIDATION], "validation": text[VALIDATION:], "test": "to test"}
    alone = texts(data.load(path, Config(validation_data=str(validation), test_fraction=0.2)))
    assert alone == {"train": text[:VALIDATION], "validation": "to choose by", "test": text[VALIDATION:]}


def test_what_a_folder_lacks_is_cut_from_its_training_part(tmp_path):
    text = letters(CHARACTERS)
    write(text, tmp_path / "train.txt")
    write("to test with", tmp_path / "test.txt")
    splits = data.load(tmp_path, Config())
    assert cuts(splits) == {"train": (0, TEST), "validation": (TEST, CHARACTERS), "test": (0, 12)}
    assert texts(splits)["validation"] == text[TEST:]
    other = write("to choose by", tmp_path / "other.txt")
    assert texts(data.load(tmp_path, Config(validation_data=str(other))))["train"] == text


# --- hashes ---


def test_a_hash_is_that_of_the_texts_of_its_part():
    text = letters(CHARACTERS)
    first = data.load(frame([text]), Config()).hashes
    assert first == {
        "train": digest(text[:VALIDATION]), "validation": digest(text[VALIDATION:TEST]), "test": digest(text[TEST:]),
    }  # fmt: skip
    other = data.load(frame([text[:VALIDATION] + "x" + text[VALIDATION + 1 :]]), Config()).hashes
    assert (other["train"], other["test"]) == (first["train"], first["test"])
    assert other["validation"] != first["validation"]
    assert data.load(frame([text]), Config(seed=3, units=7, epochs=1)).hashes == first


def test_a_character_that_moves_to_another_document_is_another_text(tmp_path):
    own = {split: str(write(split, tmp_path / f"{split}.txt")) for split in ("validation", "test")}
    config = Config(validation_data=own["validation"], test_data=own["test"])
    rows = (["ab", "c"], ["a", "bc"], ["abc"], ["a", "b", "c"], ["c", "ab"])
    found = [data.load(frame(each), config).hashes for each in rows]
    assert len({each["train"] for each in found}) == len(rows)
    assert len({each["test"] for each in found}) == 1
    assert found[0]["train"] == digest("ab", "c") == data.load(frame(["", "ab", "", "c"]), config).hashes["train"]


# --- a whole file, and its column ---


def test_all_documents_are_one_part(tmp_path):
    whole = ["one", "", "two\nlines", "three"]
    for source in (frame(whole), frame(whole).rename(columns={"text": "content"})):
        splits = data.load_whole(source, Config())
        assert cuts(splits) == {"all": (0, 17)}
        assert read(splits.parts["all"]) == [
            ("row 0", "one", True),
            ("row 2", whole[2], True),
            ("row 3", "three", True),
        ]
        assert splits.hashes == {"all": digest("one", "two\nlines", "three")}
    path = write("a", tmp_path / "a.txt")  # so little that it could not be cut
    assert texts(data.load_whole(path, Config())) == texts(data.load_whole(str(path), Config())) == {"all": "a"}


def test_what_was_found_is_kept_for_the_next_time(tmp_path):
    table = pd.DataFrame({"content": [letters(CHARACTERS)], "lyrics": [letters(CHARACTERS)[::-1]]})
    splits = data.load(table, Config())
    kept = data.resolved(Config(units=7), splits)
    assert kept == Config(units=7, embedding_size=7, text_column="content")
    assert data.resolved(kept, splits) == kept
    assert data.load(table, kept).hashes == splits.hashes
    named = data.load(table, Config(text_column="lyrics"))
    assert "".join(texts(named).values()) == letters(CHARACTERS)[::-1]
    path = write(letters(CHARACTERS), tmp_path / "a.txt")
    assert data.resolved(Config(), data.load(path, Config())) == Config(embedding_size=64)
    assert data.resolved(Config(tokenizer="word"), data.load(path, Config())).embedding_size == 256


def test_a_table_may_call_its_texts_otherwise_than_that_of_the_training(tmp_path):
    config = Config(units=7, text_column="content")
    path = write(letters(CHARACTERS), tmp_path / "a.txt")
    assert data.as_measured(path, config) == Config(units=7)
    table = pd.DataFrame({"Review": [letters(CHARACTERS)], "id": [1]})
    assert data.as_measured(table, config) == Config(units=7, text_column="Review")
    both = table.assign(content="x")
    assert data.as_measured(both, config) == config
