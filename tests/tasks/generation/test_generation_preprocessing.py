"""Documents become ids with their starts and ends, the same however they are read, by a tokenizer of the training."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.generation import data, preprocessing
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.preprocessing import Preprocessing
from seqapps.text import tokenizers
from seqapps.text.kinds import END, SPECIAL_TOKENS, START, TOKENIZERS, UNKNOWN
from seqapps.text.reading import documents

LINES = 13
TEXT = "".join(f"Line {number}, it’s “so”  long – 日本\n\n  and on…\n" for number in range(LINES))
WHOLE = ["One day", "", TEXT, " \n", "<end> of <start>", "", TEXT.upper(), "x"]
MANY = 151  # documents, which are more than are encoded at once
SMALL = 7  # characters of a chunk, about
every_kind = pytest.mark.parametrize("kind", TOKENIZERS)


def part_of(texts):
    """Documents as one part."""
    return data.load_whole(pd.DataFrame({"text": texts}), Config()).parts["all"]


def fitted(kind, texts=WHOLE, lowercase=False):
    return Preprocessing(tokenizers.fit(kind, texts, 270, lowercase))


@pytest.fixture(scope="module")
def made():
    """One of every kind; do not change it."""
    return {kind: fitted(kind) for kind in TOKENIZERS}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("ids") / "a.ids"


def rows(encoded):
    """Ids document by document."""
    return [encoded.token_ids[start:stop].tolist() for start, stop in itertools.pairwise(encoded.starts)]


def ids_of(scaling, text):
    """What the tokenizer makes of a whole text."""
    return scaling.tokenizer.encode(tf.constant([text])).to_list()[0]


# --- starts and ends ---


@every_kind
def test_a_document_stands_between_start_and_end(made, path, kind):
    encoded = made[kind].encode(part_of(WHOLE), path)
    kept = [text for text in WHOLE if text]
    assert rows(encoded) == [[START, *ids_of(made[kind], text), END] for text in kept]
    assert len(encoded) == len(kept) == 6
    assert encoded.token_ids.dtype == np.int32
    assert encoded.starts[-1] == len(encoded.token_ids)
    np.testing.assert_array_equal(np.fromfile(path, "int32"), encoded.token_ids)


@pytest.mark.parametrize("kind", ["character", "byte_pair"])
def test_decoding_gives_the_documents_again(made, path, kind):
    ids = rows(made[kind].encode(part_of(WHOLE), path))
    found = made[kind].tokenizer.decode(tf.ragged.constant(ids)).numpy()
    assert [text.decode() for text in found] == [text for text in WHOLE if text]


def test_an_end_stands_only_where_a_document_is_read_to_its_end(path):
    table = pd.DataFrame({"text": ["abcdef" * 100, "ghi" * 137, "jk"]})
    splits = data.load(table, Config(validation_fraction=0.3, test_fraction=0.1))
    scaling = fitted("character", table["text"])
    whole = "".join(table["text"])
    assert len(whole) == 1013
    bounds = {"train": [0, 600], "validation": [600, 911], "test": [911, 1011, 1013]}
    assert splits.parts["train"].stop == 600  # 607.8, but a document starts near
    for split, (first, *stops) in bounds.items():
        found, expected = rows(scaling.encode(splits.parts[split], path)), []
        for stop in stops:
            end = [END] if stop in (600, 1011, 1013) else []
            expected.append([START, *ids_of(scaling, whole[first:stop]), *end])
            first = stop
        assert found == expected


def test_reserved_names_in_a_text_are_no_starts_and_ends(made, path):
    for kind in TOKENIZERS:
        ids = rows(made[kind].encode(part_of([" ".join(SPECIAL_TOKENS)]), path))[0]
        assert (ids[0], ids[-1]) == (START, END)
        assert not {START, END} & set(ids[1:-1])


def test_white_space_alone_has_no_words(made, path):
    assert rows(made["word"].encode(part_of(["a", " \n\t", "\x1f."]), path))[1] == [START, END]
    assert UNKNOWN in rows(made["word"].encode(part_of(["unheard-of"]), path))[0]


# --- chunks ---


@every_kind
def test_neither_chunks_nor_their_number_change_ids(made, monkeypatch, tmp_path, kind):
    scaling, part = made[kind], part_of(WHOLE)
    expected = scaling.encode(part, tmp_path / "expected")
    for at_once, size in ((1, 5 * SMALL), (64, SMALL)):
        monkeypatch.setattr(preprocessing, "CHUNKS_AT_ONCE", at_once)
        monkeypatch.setattr(documents, "CHUNK", size)
        assert sum(1 for document, _ in part for _ in document.chunks) > len(WHOLE)
        found = scaling.encode(part, tmp_path / "found")
        np.testing.assert_array_equal(found.token_ids, expected.token_ids)
        np.testing.assert_array_equal(found.starts, expected.starts)


def test_many_documents_keep_their_order(made, path):
    texts = ["" if number % 5 == 0 else f"{number}\n" * (number % 7) for number in range(MANY)]
    kept = [text for text in texts if text]
    assert preprocessing.CHUNKS_AT_ONCE < len(kept) < MANY
    expected = [[START, *ids_of(made["character"], text), END] for text in kept]
    assert rows(made["character"].encode(part_of(texts), path)) == expected


def test_one_long_document_is_one_row(made, path):
    long = TEXT * (3 * documents.CHUNK // len(TEXT))
    part = part_of(["x", long, "x"])
    assert [sum(1 for _ in document.chunks) for document, _ in part] == [1, 3, 1]
    x = ids_of(made["byte_pair"], "x")
    found = rows(made["byte_pair"].encode(part, path))
    assert found == [[START, *x, END], [START, *ids_of(made["byte_pair"], long), END], [START, *x, END]]


TEXTS = st.lists(st.text("aB. \n日", max_size=23), min_size=1, max_size=9)


@settings(max_examples=20, deadline=None)
@given(texts=TEXTS.filter(lambda texts: "".join(texts).strip()))
def test_any_documents_stand_between_start_and_end(made, path, texts):
    found = rows(made["character"].encode(part_of(texts), path))
    assert found == [[START, *ids_of(made["character"], text), END] for text in texts if text]


def test_an_old_file_is_replaced(made, path):
    for texts in ([TEXT], ["short"], ["longer than that"]):
        expected = [[START, *ids_of(made["character"], text), END] for text in texts]
        assert rows(made["character"].encode(part_of(texts), path)) == expected


# --- what is fitted ---


def secrets(count=1009):
    """A text without a character that occurs twice."""
    return "".join(chr(0x4E00 + number) for number in range(count))


def test_tokens_come_from_the_training_part_alone():
    splits = data.load(pd.DataFrame({"text": [secrets()]}), Config())
    scaling = preprocessing.fit(splits, Config())
    assert scaling.tokenizer.to_dict() == {
        "kind": "character", "lowercase": False, "vocabulary": sorted(secrets(807)),
    }  # fmt: skip
    assert preprocessing.sample_note(splits) == ""


def test_options_reach_the_tokenizer():
    table = pd.DataFrame({"text": ["A rose is a rose is a rose.\n" * 31]})
    config = Config(tokenizer="word", vocabulary_size=7, lowercase=True)
    scaling = preprocessing.fit(data.load(table, config), config)
    assert scaling.tokenizer.to_dict() == {"kind": "word", "lowercase": True, "vocabulary": ["a", "rose", "is"]}


@pytest.mark.parametrize(("most", "stride"), [(1009, 1), (808, 1), (807, 1), (806, 2), (300, 3), (100, 9)])
def test_of_a_large_part_evenly_spread_chunks_are_read(monkeypatch, most, stride):
    monkeypatch.setattr(preprocessing, "MOST_CHARACTERS", most)
    chunks = [secrets()[start : start + 3] for start in range(0, 1008, 3)] + [secrets()[-1]]
    splits = data.load(pd.DataFrame({"text": chunks}), Config())
    assert splits.parts["train"].characters == 807
    known = set(preprocessing.fit(splits, Config()).tokenizer.to_dict()["vocabulary"])
    assert known == set("".join(chunks[: 807 // 3][::stride]))
    told = f"The tokenizer was fitted on one of {stride} chunks of the training text, evenly spread."
    assert preprocessing.sample_note(splits) == (told if stride > 1 else "")


@every_kind
@pytest.mark.parametrize("lowercase", [False, True])
def test_what_was_fitted_comes_back_from_json(path, kind, lowercase):
    scaling = fitted(kind, lowercase=lowercase)
    again = Preprocessing.from_dict(json.loads(json.dumps(scaling.to_dict())))
    assert list(scaling.to_dict()) == ["tokenizer"]
    assert again.to_dict() == scaling.to_dict()
    part = part_of([*WHOLE, "unheard-of 🙂"])
    assert rows(again.encode(part, path)) == rows(scaling.encode(part, path))
