"""A text ends before the string at which it shall stop, wherever the borders of tokens fall."""

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy_network import RESERVED, VOCABULARY, begin, chain, network, write

from seqapps.decoding import generation
from seqapps.text.kinds import PAD

fuzzed = settings(deadline=None, max_examples=60)


def chained(parts, stop):
    """The chain spells the parts, one a token: the text before `stop`, its bytes, the tokens, whether it stopped."""
    pieces = [b"!"] * (VOCABULARY - len(parts)) + list(parts)
    prompt = [VOCABULARY - len(parts) - 1]
    answer = write(chain(), [prompt], pieces, stop=stop, max_new_tokens=len(parts))
    spelled = b"".join(pieces[token] for token in answer.tokens[0])
    (written,) = answer.after.written.tolist()
    return spelled[:written], len(answer.tokens[0]), bool(answer.after.stopped[0])


@pytest.mark.parametrize(
    ("parts", "stop", "expected"),
    [
        ([b"ab", b"c.d", b"e"], ".", (b"abc", 2, True)),  # within a token
        ([b"ab", b"cd", b"ef", b"gh"], "bcde", (b"a", 3, True)),  # across tokens
        ([b"a", b"b", b"c", b"d"], "bcd", (b"a", 4, True)),  # with the last token
        ([b"ab", b"cd"], "ab", (b"", 1, True)),  # at the start
        ([b"ab", b"cd"], "abcd", (b"", 2, True)),  # the whole text
        ([b"ab", b"cd"], "abcde", (b"abcd", 2, False)),  # longer than the text
        ([b"ab", b"cd"], "x", (b"abcd", 2, False)),
        ([b"ab", b"cd"], "!", (b"abcd", 2, False)),  # what stands in the prompt does not count
        ([b"aab", b"aab"], "ab", (b"a", 1, True)),  # the first of two
        ([b"a", b"a", b"ab", b"c"], "aab", (b"a", 3, True)),  # which begins anew
        ([b"a\0", b"\0b", b"c"], "\0\0b", (b"a", 2, True)),
        ([b"", b"", b"ab", b"", b"c"], "bc", (b"a", 5, True)),
        ([b"a", b"\xe6", b"\x9d", b"\xb1", b"b"], "東", (b"a", 4, True)),  # in bytes of one character
        ([b"\xe4\xba", b"\xac\xe6\x9d", b"\xb1."], "東", ("京".encode(), 3, True)),
        ([b"x" * 7] * 10 + [b".", b"y"], "x" * 63 + ".", (b"x" * 7, 11, True)),  # as long as it may be
        ([b"y" * 99 + b"x", b"x" * 63], "x" * 64, (b"y" * 99, 2, True)),
    ],
)
def test_a_text_ends_before_its_stop(parts, stop, expected):
    assert chained(parts, stop) == expected


@fuzzed
@given(
    parts=st.lists(st.text("ab", max_size=3).map(str.encode), min_size=1, max_size=11),
    stop=st.text("ab", min_size=1, max_size=5),
)
def test_a_stop_is_found_wherever_it_is(parts, stop):
    made = [b"".join(parts[: count + 1]) for count in range(len(parts))]
    holding = [count for count, text in enumerate(made, 1) if stop.encode() in text]
    count = min(holding, default=len(parts))
    place = made[count - 1].find(stop.encode())
    expected = made[count - 1][:place] if holding else made[-1]
    assert chained(parts, stop) == (expected, count, bool(holding))


def test_every_row_has_a_stop_of_its_own():
    pieces = [bytes([97 + number]) for number in range(VOCABULARY)]
    answer = write(chain(), [[4]] * 5, pieces, stop=["h", "", "gh", "zz", "q"], max_new_tokens=11)
    assert answer.after.stopped.tolist() == [True, False, True, False, False]
    assert [len(row) for row in answer.tokens] == [3, 11, 3, 11, 11]
    assert answer.after.written[[0, 2, 3, 4]].tolist() == [2, 1, 11, 11]


def test_a_token_is_spelled_after_the_one_before_it():
    def spell(before, token):
        return tf.strings.join([tf.strings.as_string(before), "-", tf.strings.as_string(token), ";"])

    table = tf.constant(chain(), tf.float32)
    for prompt, stop, count in (([9, 4], "4-5;", 1), ([4], "6-7;", 3), ([4], "4-6;", 5)):
        writing, rows = begin(table, [prompt], stop=stop, max_new_tokens=5)
        writing, tokens = generation.go_on(writing, rows, tf.constant(5), network(table), spell, RESERVED)
        assert tokens.shape[1] == count
        assert writing.stopped.numpy().tolist() == [count < 5]
    table = tf.constant(chain()[:, [0, 1, 4, *range(3, VOCABULARY)]], tf.float32)  # START is followed by 5
    writing, rows = begin(table, [[]], stop=f"{PAD}-5;", max_new_tokens=5)
    assert generation.go_on(writing, rows, tf.constant(5), network(table), spell, RESERVED)[1].numpy() == [[5]]


@fuzzed
@given(st.lists(st.tuples(st.binary(max_size=13), st.binary(max_size=3)), min_size=1, max_size=5))
@example([(b"aab", b"ab"), (b"", b""), (b"", b"a"), (b"\0\0a", b"\0a"), (b"a", b"a\0")])
@example([(b"", b""), (b"ab", b"a\0"), (b"ab\0", b"b\0")])
@example([(b"", b""), (b"", b"abc")])
def test_what_is_wanted_is_found_as_python_finds_it(rows):
    texts, wanted = (tf.constant(column) for column in zip(*rows, strict=True))
    expected = [text.find(each) if each else -1 for text, each in rows]
    assert generation._find(texts, wanted).numpy().tolist() == expected
