"""A tokenizer that cannot be made is refused in one sentence that says what to do."""

import pytest
import tensorflow as tf
from refusals import refusal

from seqapps.text.kinds import TOKENIZERS
from seqapps.text.tokenizers import fit, from_dict

TEXTS = ["The cat sat on the mat.\n", "東京 12"]
every_kind = pytest.mark.parametrize("kind", TOKENIZERS)


def test_an_unknown_kind_is_refused_with_a_suggestion():
    kinds = "'word', 'whitespace', 'character', 'byte_pair'"
    with refusal(f"`kind` must be one of {kinds}. Received: kind='words'. Did you mean 'word'?"):
        fit("words", TEXTS, 300)
    with refusal(f"`kind` must be one of {kinds}. Received: kind='bytepair'. Did you mean 'byte_pair'?"):
        from_dict({"kind": "bytepair", "lowercase": False, "merges": []})


@pytest.mark.parametrize("kind", ["word", "whitespace", "character"])
def test_a_vocabulary_holds_one_token_at_least(kind):
    with refusal(
        "`vocabulary_size` must be an integer of at least 5. Received: vocabulary_size=4. "
        "Besides the 4 reserved ids one token needs a place."
    ):
        fit(kind, TEXTS, 4)
    assert fit(kind, TEXTS, 5).vocabulary_size == 5


def test_a_vocabulary_of_byte_pairs_holds_all_bytes():
    with refusal(
        "`vocabulary_size` must be an integer of at least 260. Received: vocabulary_size=259. "
        "The 4 reserved ids and the 256 bytes need a place."
    ):
        fit("byte_pair", TEXTS, 259)
    smallest = fit("byte_pair", TEXTS, 260)
    assert (smallest.vocabulary_size, smallest.to_dict()["merges"]) == (260, [])
    assert smallest.encode(tf.constant(["a\n"])).to_list() == [[4 + ord("a"), 4 + ord("\n")]]
    assert smallest.decode(smallest.encode(tf.constant(TEXTS))).numpy().tolist() == [text.encode() for text in TEXTS]


@every_kind
def test_texts_without_a_token_are_refused(kind):
    for texts, received in (([], "0 texts"), ([""], "1 text"), (iter(["", ""]), "2 texts")):
        said = f"Received: {received} without one. Supply more text."
        with refusal(f"`texts` must hold at least one token of kind {kind!r}. {said}"):
            fit(kind, texts, 300)


def test_texts_of_what_is_no_token_are_refused():
    for kind, text in (("word", " \n\x00\u3000"), ("whitespace", " <unk> ")):
        with refusal(
            f"`texts` must hold at least one token of kind {kind!r}. Received: 1 text without one. Supply more text."
        ):
            fit(kind, [text], 300)


def test_one_text_in_place_of_texts_is_refused():
    with refusal("`texts` must be a list of texts, not one text. Received: texts='The cat sat on the m'."):
        fit("word", TEXTS[0], 300)


def test_lowercase_is_true_or_false():
    with refusal("`lowercase` must be True or False. Received: lowercase='yes'."):
        fit("word", TEXTS, 300, lowercase="yes")
