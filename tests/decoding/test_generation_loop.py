"""The loop in the graph writes what a plain reading of its rules writes, token by token, row by row."""

import numpy as np
import pytest
import tensorflow as tf
from toy_network import FIRST, MOST, PHASES, PROMPTS, VOCABULARY, assert_plain, chain, log_softmax, random_table, write

from seqapps.decoding import choosing
from seqapps.decoding.choosing import NEVER
from seqapps.decoding.generation import MOST_TOKENS
from seqapps.text.kinds import END, PAD, START, UNKNOWN

TABLE = random_table()

# --- what is written ---


def test_a_text_goes_on_from_its_last_token_until_it_ends_or_is_long_enough():
    answer = write(chain(), [[4], [13, 9], [15], [16], [5, 4]], max_new_tokens=3)
    assert answer.padded.tolist() == [[5, 6, 7], [10, 11, 12], [16, 0, 0], [0, 0, 0], [5, 6, 7]]
    assert answer.after.stopped.tolist() == [False, False, True, True, False]
    assert answer.after.tokens.tolist() == [3, 3, 1, 0, 3]
    assert answer.padded.dtype == "int32"


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_unequal_and_empty_prompts_get_the_likeliest_text(seed):
    table = random_table(seed)
    answer = write(table, PROMPTS)
    assert_plain(answer, table, PROMPTS)
    assert not set(answer.padded.ravel().tolist()) & {UNKNOWN, START, END}
    for row in answer.padded.tolist():
        assert PAD not in row[: len([token for token in row if token != PAD])]  # it stands only after the end


def test_ends_come_up_in_these_texts():
    stopped = np.concatenate([write(random_table(seed), PROMPTS).after.stopped for seed in range(5)])
    assert 0.1 < stopped.mean() < 0.9


@pytest.mark.parametrize("temperature", [0.0, 1.0, 7.0])
def test_ids_that_are_never_written_are_not_written(temperature):
    answer = write(TABLE, PROMPTS * 7, temperature=temperature, seed=list(range(35)), top_p=0.9999)
    assert {token for row in answer.tokens for token in row} <= set(range(FIRST, VOCABULARY))
    assert sum(map(len, answer.tokens)) > 35


def test_every_row_has_a_length_of_its_own():
    most = [7, 0, 1, MOST, 2]
    table = random_table(end=-30)
    answer = write(table, PROMPTS, max_new_tokens=most)
    assert_plain(answer, table, PROMPTS, most=most)
    assert [len(row) for row in answer.tokens] == most
    assert answer.after.log_probability[1] == 0


def test_nothing_is_written_where_nothing_is_wanted_or_nobody_asks():
    for values in ({}, {"no_repeat_ngram": 2, "repetition_penalty": 2.0, "stop": "a", "temperature": 1.0}):
        answer = write(TABLE, PROMPTS, max_new_tokens=0, **values)
        assert answer.told == [([], 0, False, 0, False)] * len(PROMPTS)
        assert write(TABLE, [], **values).padded.shape[0] == 0


# --- in parts ---

EVERYTHING = {
    "temperature": [0.0, 1.0, 1.0, 0.5, 2.0],
    "top_k": [0, 5, 0, 0, 3],
    "top_p": [1.0, 1.0, 0.9, 0.7, 0.9],
    "repetition_penalty": [1.3, 1.0, 1.0, 2.0, 0.7],
    "no_repeat_ngram": [2, 0, 1, 0, 3],
    "stop": ["", "ca", "bab", "", "aa"],
    "max_new_tokens": [MOST, 19, MOST, 5, 0],
    "seed": [3, 5, 7, 11, 13],
}
LETTERS = [b"", b"?", b"", b"", *(bytes(b"abc"[number % 3 : number % 3 + 1]) for number in range(VOCABULARY - FIRST))]


@pytest.mark.parametrize("calls", [[1] * MOST, [2, 20, 1], [5] * 5, [1, 100], [MOST, 1, 7]])
def test_one_call_equals_many(calls):
    for table, values in ((random_table(end=-30), EVERYTHING), (TABLE, EVERYTHING), (TABLE, {})):
        once, several = (write(table, PROMPTS, LETTERS, each, **values) for each in ([MOST], calls))
        assert several.told == once.told
        for name in ("token", "tail"):
            assert getattr(several.after, name).tolist() == getattr(once.after, name).tolist()
    once, several = (write(table, PROMPTS[:1], calls=each, no_repeat_ngram=2) for each in ([5], [1, 3, 1]))
    for ours, theirs in zip(tf.nest.flatten(several.after), tf.nest.flatten(once.after), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_call_makes_no_more_tokens_than_it_is_asked_for():
    answer = write(random_table(end=-30), PROMPTS, calls=[5])
    assert answer.padded.shape == (len(PROMPTS), 5)
    assert answer.after.going.all()
    assert not answer.after.stopped.any()
    assert answer.after.states[0].ravel().tolist() == [1 + 5] * len(PROMPTS)


def test_a_row_in_a_batch_gets_what_it_gets_alone():
    together = write(TABLE, PROMPTS, LETTERS, **EVERYTHING)
    assert {stopped for _, _, stopped, *_ in together.told} == {True, False}
    for row, prompt in enumerate(PROMPTS):
        alone = write(TABLE, [prompt], LETTERS, **{name: [each[row]] for name, each in EVERYTHING.items()})
        (tokens, told, *rest), (own_tokens, own_told, *own_rest) = together.told[row], alone.told[0]
        assert tokens == own_tokens
        np.testing.assert_allclose(told, own_told, rtol=1e-6)
        if EVERYTHING["stop"][row]:
            assert rest == own_rest
        assert (rest[0], rest[2]) == (own_rest[0], own_rest[2])


# --- probabilities and seeds ---


def test_the_log_probability_is_that_of_the_network_before_any_knob():
    values = EVERYTHING | {"max_new_tokens": MOST, "stop": ""}
    answer = write(TABLE, PROMPTS, **values)
    for row, prompt in enumerate(PROMPTS):
        read = [prompt[-1] if prompt else START, *answer.tokens[row]]
        wanted = [*answer.tokens[row], *([END] if answer.after.stopped[row] else [])]
        own = [log_softmax(TABLE[place % PHASES, before]) for place, before in enumerate(read)]
        told = sum(logs[token] for logs, token in zip(own, wanted, strict=False))
        np.testing.assert_allclose(answer.after.log_probability[row], told, rtol=1e-5)
    assert answer.after.stopped.any()


def test_every_token_is_drawn_with_a_number_of_its_own():
    alike = np.zeros((PHASES, VOCABULARY, VOCABULARY))
    alike[..., END] = NEVER
    seeds = [5, 2**40]
    drawn = choosing.draws(tf.constant(seeds, tf.int64), MOST_TOKENS).numpy()[:, :MOST]
    expected = FIRST + np.floor(drawn * (VOCABULARY - FIRST)).astype(int)
    for calls in ([MOST], [1, 7, 100]):
        answer = write(alike, [[4], []], calls=calls, temperature=3.0, seed=seeds)
        assert answer.tokens == expected.tolist()


def test_equal_seeds_write_equal_texts_and_others_write_others():
    table, seeds = random_table(end=-30), [5, 7, 5, 2**40, 7]
    texts = write(table, [[4]] * 5, temperature=1.0, seed=seeds).tokens
    assert texts[0] == texts[2]
    assert texts[1] == texts[4]
    assert len({tuple(text) for text in texts}) == 3
    assert write(table, [[4]] * 5, temperature=1.0, seed=seeds).tokens == texts
    assert write(table, [[4]], temperature=1.0, seed=[2**40]).tokens == texts[3:4]
    assert len({tuple(text) for text in write(table, [[4]] * 5, seed=seeds).tokens}) == 1
