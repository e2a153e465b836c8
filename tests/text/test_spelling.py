"""What tokens spell one after the other is the text that decoding gives, wherever a prompt ends and the rest begins."""

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqapps.text import pieces
from seqapps.text.kinds import END, PAD, START, TOKENIZERS, UNKNOWN
from seqapps.text.tokenizers import fit

TEXTS = [
    "The cat sat on the mat, didn't it?\n",
    "THE CAT: 12 cats! (Sat.) [on] «the» “mat”\n\n",
    "東京は、日本の首都。 ภาษาไทย\n",
    "<unk> <pad> <start> <end> <eos> = A title = \n the <unk> , it\n",
    "  two  blanks\tand\x1fa unit\x00 👩‍👩‍👧 ❤️ שלום\r\n",
]
ALPHABET = "aehtTc 12\n.,!?()[]«»“”'\t\0é東京はไน、。🙂\u0301<>"
MARKS = ["the", "cat", ",", "(", ")", "“", "。", "東", "京", "<unk>", "<eos>", "\n", " ", "🙂", "é", "\0", "unseen"]
texts = st.text(ALPHABET) | st.text() | st.lists(st.sampled_from(MARKS), max_size=13).map("".join)
spaced = texts | st.lists(st.sampled_from(MARKS), max_size=13).map(" ".join)
every_kind = pytest.mark.parametrize("kind", TOKENIZERS)
fuzzed = settings(deadline=None, max_examples=100)


@pytest.fixture(scope="module")
def made():
    """One tokenizer per kind; do not change it."""
    return {kind: fit(kind, TEXTS, vocabulary_size=300) for kind in TOKENIZERS}


@pytest.fixture(scope="module")
def spell(made):
    """`spell(kind, before, ids)`: bytes of every token, from a graph."""
    ids = tf.TensorSpec([None], tf.int32)
    graphs = {kind: tf.function(each.spell, input_signature=[ids, ids]) for kind, each in made.items()}

    def spelled(kind, before, ids):
        before = [before, *ids][: len(ids)]
        return graphs[kind](tf.constant(before, tf.int32), tf.constant(ids, tf.int32)).numpy().tolist()

    return spelled


@pytest.fixture(scope="module")
def decode(made):
    """`decode(kind, ids)`: bytes of one text, from a graph."""
    batch = [tf.TensorSpec([None, None], tf.int32)]
    graphs = {kind: tf.function(each.decode, input_signature=batch) for kind, each in made.items()}
    return lambda kind, ids: graphs[kind](tf.constant([ids], tf.int32)).numpy()[0]


@pytest.fixture(scope="module")
def encode(made):
    """`encode(kind, text)`: ids, from a graph."""
    batch = [tf.TensorSpec([None], tf.string)]
    graphs = {kind: tf.function(each.encode, input_signature=batch) for kind, each in made.items()}
    return lambda kind, text: graphs[kind](tf.constant([text])).to_list()[0]


def valid(joined):
    return pieces.valid_utf8(tf.constant([joined])).numpy()[0]


# --- one after the other ---


@every_kind
@fuzzed
@given(text=spaced)
@example("The dog, (12) «cats»! 東京 、 。 ภ x")
@example("<unk>\n\n<eos> <unk> ,\n")
def test_tokens_spell_what_decoding_gives(kind, encode, spell, decode, text):
    ids = encode(kind, text)
    joined = b"".join(spell(kind, PAD, ids))
    assert valid(joined) == decode(kind, ids)
    assert b"".join(spell(kind, START, ids)) == joined
    if kind == "byte_pair":
        assert joined == text.encode()


@every_kind
@fuzzed
@given(text=spaced, cut=st.integers(0, 30))
@example("The (cat, 東京。\n12", 1)
@example("🙂", 2)  # inside a character of byte pairs
def test_a_prompt_and_the_rest_spell_the_whole(kind, encode, spell, decode, text, cut):
    ids = encode(kind, text)
    prompt, rest = ids[:cut], ids[cut:]
    last = prompt[-1] if prompt else PAD
    whole = spell(kind, PAD, ids)
    assert spell(kind, PAD, prompt) == whole[:cut]
    assert spell(kind, last, rest) == whole[cut:]
    assert valid(b"".join(spell(kind, PAD, prompt) + spell(kind, last, rest))) == decode(kind, ids)


@every_kind
@fuzzed
@given(data=st.data())
def test_any_ids_spell_what_decoding_gives(kind, made, spell, decode, data):
    usual = st.integers(END + 1, made[kind].vocabulary_size - 1) | st.just(UNKNOWN)
    ids = data.draw(st.lists(usual, max_size=19))
    cut = data.draw(st.integers(0, len(ids)))
    last = ids[cut - 1] if cut else PAD
    joined = b"".join(spell(kind, PAD, ids[:cut]) + spell(kind, last, ids[cut:]))
    assert valid(joined) == decode(kind, ids)
    assert decode(kind, [START, *ids, END, *ids]) == decode(kind, ids)


@every_kind
def test_every_token_is_spelled_after_every_other_as_decoding_does(kind, made, spell, decode):
    count = made[kind].vocabulary_size
    some = [UNKNOWN, *range(END + 1, count, 5)]
    pairs = tf.constant([(before, token) for before in some for token in some])
    first, second = (
        made[kind].spell(tf.fill([len(pairs)], PAD), pairs[:, 0]),
        made[kind].spell(*tf.unstack(pairs, axis=1)),
    )
    joined = pieces.valid_utf8(tf.strings.join([first, second]))
    assert joined.numpy().tolist() == made[kind].decode(pairs).numpy().tolist()


# --- by hand ---


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("word", "The cat, (Sat.) 東京。", ["The", " cat", ",", " (", "Sat", ".", ")", " 東", "京", "。"]),
        ("word", "dog (dog) dog", ["<unk>", " (", "<unk>", ")", " <unk>"]),
        ("whitespace", "The dog\n\nthe ,", ["The", " <unk>", "\n", "\n", "the", " ,"]),
        ("whitespace", "\n<unk> cat\ndog", ["\n", "<unk>", " cat", "\n", "<unk>"]),
        ("character", "Th ß\n", ["T", "h", " ", "\ufffd", "\n"]),
    ],
)
def test_blanks_stand_where_they_read_well(encode, spell, kind, text, expected):
    spelled = spell(kind, PAD, encode(kind, text))
    assert [piece.decode() for piece in spelled] == expected


def test_byte_pairs_spell_parts_of_characters(encode, spell):
    ids = encode("byte_pair", "The é𝄞")
    spelled = spell("byte_pair", PAD, ids)
    assert spelled[-6:] == [b"\xc3", b"\xa9", b"\xf0", b"\x9d", b"\x84", b"\x9e"]
    assert valid(b"".join(spelled[:-2])).decode() == "The é\ufffd"
    assert spell("byte_pair", ids[-3], ids[-2:]) == spelled[-2:]


@every_kind
def test_no_token_spells_nothing(kind, made, spell):
    assert spell(kind, PAD, []) == []
    assert made[kind].spell(tf.zeros([0], tf.int32), tf.zeros([0], tf.int32)).dtype == tf.string
