"""Every tokenizer gives ids and gets the text back, eagerly, in a pipeline and in a SavedModel, for any bytes."""

import json

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqapps.text.kinds import TOKENIZERS
from seqapps.text.tokenizers import END, PAD, SPECIAL_TOKENS, START, UNKNOWN, fit, from_dict

TEXTS = [
    "The cat sat on the mat, didn't it?\n",
    "THE CAT: 12 cats! (Sat.)\n\n",
    "東京は、日本の首都。 ภาษาไทย\n",
    "<unk> <pad> <start> <end> <eos>",
    "  two  blanks\tand\x1fa unit\x00 👩‍👩‍👧 ❤️ שלום\r\n",
]
INVALID = [b"the cat\xff sat", b"\xc3", b"\xed\xa0\x80 on"]
TEXT_BATCH = [tf.TensorSpec([None], tf.string)]
ID_BATCH = [tf.TensorSpec([None, None], tf.int32)]
fuzzed = settings(deadline=None, max_examples=100)


def fitted(kind, lowercase=False):
    return fit(kind, TEXTS, vocabulary_size=300, lowercase=lowercase)


@pytest.fixture(scope="module")
def made():
    """One tokenizer per kind; do not change it."""
    return {kind: fitted(kind) for kind in TOKENIZERS}


@pytest.fixture(scope="module")
def encoders(made):
    """Encoding as a graph, per kind."""
    return {kind: tf.function(tokenizer.encode, input_signature=TEXT_BATCH) for kind, tokenizer in made.items()}


def read(tokenizer, *texts):
    """The tokens of texts, as shown."""
    return tokenizer.tokens(tokenizer.encode(tf.constant(texts, tf.string))).to_list()


def there_and_back(tokenizer, *texts):
    return tokenizer.decode(tokenizer.encode(tf.constant(texts, tf.string))).numpy().tolist()


every_kind = pytest.mark.parametrize("kind", TOKENIZERS)


# --- the vocabulary ---


def test_the_vocabulary_holds_the_most_frequent_pieces_and_code_points_decide_ties():
    tokenizer = fit("word", ["c b", "é b a", "z b 東"], vocabulary_size=8)
    assert tokenizer.to_dict()["vocabulary"] == ["b", "a", "c", "z"]
    assert tokenizer.vocabulary_size == 8
    assert fit("word", ["z é", "東 z"], vocabulary_size=100).to_dict()["vocabulary"] == ["z", "é", "東"]


@every_kind
def test_the_order_of_the_texts_does_not_matter(kind):
    texts = TEXTS * 500  # more than are counted in one call of the graph
    assert fit(kind, texts, 280).to_dict() == fit(kind, reversed(texts), 280).to_dict()


def test_the_reserved_ids_are_those_that_every_task_knows(made):
    assert (PAD, UNKNOWN, START, END) == (0, 1, 2, 3)
    for tokenizer in made.values():
        names = tokenizer.tokens(tf.constant([[PAD, UNKNOWN], [START, END]])).numpy()
        assert names.tolist() == [[b"<pad>", b"<unk>"], [b"<start>", b"<end>"]]
    assert SPECIAL_TOKENS == ("<pad>", "<unk>", "<start>", "<end>")


@every_kind
def test_a_text_never_asks_for_a_reserved_id(kind, made):
    ids = made[kind].encode(tf.constant([" ".join(SPECIAL_TOKENS)])).to_list()[0]
    assert min(ids) >= (UNKNOWN if kind == "whitespace" else len(SPECIAL_TOKENS))
    if kind == "whitespace":  # a corpus writes <unk> where a word was left out; the other names are words like others
        assert [id < len(SPECIAL_TOKENS) for id in ids] == [False, True, False, False]
        assert ids[1] == UNKNOWN


# --- encoding ---


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("word", [b"The", b"<unk>", b"sat", b"."]),
        ("whitespace", [b"The", b"<unk>", b"<unk>"]),
        ("character", [b"T", b"h", b"e", b" ", b"d", b"o", b"<unk>", b" ", b"s", b"a", b"t", b"."]),
        ("byte_pair", [b"T", b"he", b" ", b"d", b"o", b"g", b" ", b"s", b"at", b"."]),
    ],
)
def test_a_text_becomes_the_tokens_of_its_kind(made, kind, expected):
    assert read(made[kind], "The dog sat.") == [expected]


@every_kind
def test_ids_are_ragged_int32_and_no_start_or_end_is_added(made, kind):
    ids = made[kind].encode(tf.constant(["cat", "", "sat on"]))
    assert isinstance(ids, tf.RaggedTensor)
    assert (ids.dtype, ids.shape.as_list(), ids.row_lengths().numpy()[1]) == (tf.int32, [3, None], 0)
    assert not {PAD, START, END} & set(ids.values.numpy().tolist())


def test_capitals_become_small_letters_without_case_folding():
    texts = ["ÀÉ Straße ΟΔΟΣ"]
    for kind, expected in (("word", [b"\xc3\xa0\xc3\xa9", "straße".encode(), "οδος".encode()]), ("byte_pair", None)):
        tokenizer = fit(kind, texts, 300, lowercase=True)
        assert there_and_back(tokenizer, *texts) == ["àé straße οδος".encode()]
        assert expected is None or read(tokenizer, *texts) == [expected]
        assert from_dict(tokenizer.to_dict()).lowercase is True


def test_small_letters_of_byte_pairs_are_decoded_with_every_nul():
    texts = ["Good\0 SOUP Awful", "a\0", "\0a", "a\0\0B"]
    tokenizer = fit("byte_pair", texts, 300, lowercase=True)
    assert there_and_back(tokenizer, *texts) == [text.lower().encode() for text in texts]


@every_kind
def test_invalid_utf8_gives_valid_answers_and_spoils_no_neighbour(made, kind):
    tokenizer = made[kind]
    alone = tokenizer.encode(tf.constant(TEXTS)).to_list()
    mixed = tokenizer.encode(tf.constant([*INVALID, *TEXTS])).to_list()
    assert mixed[len(INVALID) :] == alone
    for answer in there_and_back(tokenizer, *INVALID):
        answer.decode()
    if kind in ("character", "byte_pair"):
        assert there_and_back(tokenizer, *INVALID)[0].decode() == "the cat\ufffd sat"


@every_kind
def test_a_very_long_text_never_changes_its_neighbours(made, encoders, kind):
    alone = made[kind].encode(tf.constant(TEXTS)).to_list()
    for long in ("e" * 1_000_000, " " * 10_000, "The cat, 東京。 12\n" * 40_000, "🙂" * 10_000):
        ids = encoders[kind](tf.constant([long, *TEXTS]))
        assert ids[1:].to_list() == alone
        if kind in ("character", "byte_pair") and "🙂" not in long:
            assert made[kind].decode(ids[:1]).numpy()[0].decode() == long


@every_kind
def test_no_text_and_empty_texts_are_answered(made, encoders, kind):
    assert encoders[kind](tf.constant([], tf.string)).shape == (0, None)
    assert encoders[kind](tf.constant(["", ""])).to_list() == [[], []]
    assert there_and_back(made[kind]) == []
    assert there_and_back(made[kind], "", "") == [b"", b""]
    assert made[kind].decode(tf.zeros([3, 0], tf.int32)).numpy().tolist() == [b""] * 3
    assert made[kind].tokens(tf.zeros([3, 0], tf.int32)).shape == (3, 0)


# --- decoding ---


@fuzzed
@given(st.text())
@example("a\n\n b   c\t\t\x1f\x00\r\n ")
@example("👩‍👩‍👧‍👦 ❤️ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 שָׁלוֹם עולם مرحبا 🇩🇪 e\u0301\ufeff\uffff")
def test_byte_pairs_lose_nothing(made, encoders, text):
    ids = encoders["byte_pair"](tf.constant([text]))
    assert made["byte_pair"].decode(ids).numpy()[0].decode() == text


def test_characters_lose_nothing_but_unknown_ones(made):
    assert there_and_back(made["character"], *TEXTS) == [text.encode() for text in TEXTS]
    assert there_and_back(made["character"], "caß\n")[0].decode() == "ca\ufffd\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Well ,  he said : “ no ! ” ( Twice ? ) ; 5 % [ a ] { b } « c »",
            "Well, he said: “no!” (Twice?); 5% [a] {b} «c»",
        ),
        ("It's 12.5 -- \"so\" it's", "It's 12. 5 - - \" so \" it's"),
        ("東京は 日本、の首都。Tokyo 12 ภาษาไทย นี้", "東京は日本、の首都。 Tokyo 12 ภาษาไทยนี้"),
        ("a\n\n\tb", "a b"),
    ],
)
def test_words_are_joined_so_that_they_read_well(text, expected):
    assert there_and_back(fit("word", [text], 100), text)[0].decode() == expected


def test_unknown_words_are_shown(made):
    assert there_and_back(made["word"], "The dog, 12 dogs!") == [b"The <unk>, 12 <unk>!"]
    assert there_and_back(made["whitespace"], "The dog\n") == [b"The <unk>\n"]


def test_a_tokenised_corpus_keeps_its_lines():
    text = " = A title = \n\n the <unk> , \t it is\nlast"
    tokenizer = fit("whitespace", [text], 100)
    assert there_and_back(tokenizer, text) == [b"= A title =\n\nthe <unk> , it is\nlast"]
    lines = text.splitlines(keepends=True)
    assert (
        tokenizer.encode(tf.constant(lines)).values.numpy().tolist()
        == tokenizer.encode(tf.constant([text])).to_list()[0]
    )


@every_kind
def test_padding_start_and_what_follows_the_end_is_left_out(made, kind):
    tokenizer = made[kind]
    ids = tokenizer.encode(tf.constant(["The cat"])).to_list()[0]
    padded = [START, ids[0], PAD, *ids[1:], END, *ids, END, PAD]
    batch = tf.ragged.constant([padded, [END, *ids], [], ids]).to_tensor(PAD)
    assert tokenizer.decode(batch).numpy().tolist() == [b"The cat", b"", b"", b"The cat"]
    assert tokenizer.decode(tf.cast(batch, tf.int64)).numpy().tolist() == [b"The cat", b"", b"", b"The cat"]
    assert tokenizer.decode(tf.RaggedTensor.from_tensor(batch)).numpy().tolist() == [b"The cat", b"", b"", b"The cat"]


@every_kind
def test_any_ids_decode_to_valid_utf8(made, kind):
    tokenizer = made[kind]
    ids = tf.random.stateless_uniform(
        [97, 13], seed=[0, 0], minval=-5, maxval=tokenizer.vocabulary_size + 5, dtype=tf.int32
    )
    for text in [*tokenizer.decode(ids).numpy(), *tf.reshape(tokenizer.tokens(ids), [-1]).numpy()]:
        text.decode()
    unknown = b"<unk>" if kind in ("word", "whitespace") else "\ufffd".encode()
    for id in (-1, tokenizer.vocabulary_size, UNKNOWN):
        assert tokenizer.decode(tf.constant([[id]])).numpy().tolist() == [unknown]
        assert tokenizer.tokens(tf.constant(id)).numpy() == b"<unk>"


# --- state, pipelines, SavedModels ---


@every_kind
@pytest.mark.parametrize("lowercase", [False, True])
def test_the_state_survives_json(kind, lowercase):
    tokenizer = fitted(kind, lowercase)
    state = tokenizer.to_dict()
    again = from_dict(json.loads(json.dumps(state)))
    assert json.loads(json.dumps(state)) == state == again.to_dict()
    assert again.vocabulary_size == tokenizer.vocabulary_size
    assert again.encode(tf.constant(TEXTS)).to_list() == tokenizer.encode(tf.constant(TEXTS)).to_list()
    assert there_and_back(again, *TEXTS) == there_and_back(tokenizer, *TEXTS)


@every_kind
def test_a_saved_model_answers_as_the_tokenizer_does(made, kind, tmp_path):
    tokenizer = made[kind]
    module = tf.Module()
    module.tables = tokenizer.tables
    module.encode = tf.function(lambda texts: tokenizer.encode(texts).to_tensor(), input_signature=TEXT_BATCH)
    module.decode = tf.function(tokenizer.decode, input_signature=ID_BATCH)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    batch = tf.constant([*TEXTS, *INVALID, "", "x" * 1000])
    ids = tokenizer.encode(batch).to_tensor()
    assert loaded.encode(batch).numpy().tolist() == ids.numpy().tolist()
    assert loaded.decode(ids).numpy().tolist() == tokenizer.decode(ids).numpy().tolist()
    assert loaded.encode(batch[:0]).shape[0] == 0


@every_kind
def test_a_pipeline_answers_as_the_tokenizer_does(made, kind):
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(made[kind].encode).unbatch()
    assert [ids.numpy().tolist() for ids in dataset] == made[kind].encode(tf.constant(TEXTS)).to_list()
