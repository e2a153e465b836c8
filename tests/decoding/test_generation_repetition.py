"""What the text holds is not repeated, or less likely, whether the prompt holds it or the new text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_network import FIRST, PHASES, PROMPTS, VOCABULARY, assert_plain, chain, random_table, repeats, write

from seqapps.text.kinds import END

fuzzed = settings(deadline=None, max_examples=60)


@pytest.mark.parametrize("ngram", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_run_of_tokens_occurs_twice(ngram, seed):
    table = random_table(seed, end=-9)
    answer = write(table, PROMPTS, no_repeat_ngram=ngram)
    assert_plain(answer, table, PROMPTS, ngram=ngram)
    for tokens, prompt in zip(answer.tokens, PROMPTS, strict=True):
        text = prompt + tokens
        assert not any(repeats(text[:stop], ngram) for stop in range(len(prompt) + 1, len(text) + 1))
    assert answer.tokens != write(table, PROMPTS).tokens
    mixed = [ngram, 0, 1, 3, 2]
    assert_plain(write(table, PROMPTS, no_repeat_ngram=mixed), table, PROMPTS, ngram=mixed)


def test_runs_that_began_in_the_prompt_are_not_repeated():
    table = chain()
    table[:, 4, 9] = 9  # the second choice
    assert write(table, [[4]], max_new_tokens=1).tokens == [[5]]
    for ngram, prompt in ((1, [5, 4]), (2, [4, 5, 4]), (3, [7, 4, 5, 7, 4]), (3, [4, 4, 5, 4, 4])):
        assert write(table, [prompt], max_new_tokens=1, no_repeat_ngram=ngram).tokens == [[9]]
        assert write(table, [prompt], max_new_tokens=1, no_repeat_ngram=ngram + 1).tokens == [[5]]
    # Of the run 6 4 5 the first two are the prompt's, once at its start and once at its end.
    assert write(table, [[6, 4, 5, 8, 6, 4]], max_new_tokens=1, no_repeat_ngram=3).tokens == [[9]]


@fuzzed
@given(
    prompts=st.lists(st.lists(st.integers(FIRST, FIRST + 3), max_size=11), min_size=3, max_size=3),
    ngram=st.lists(st.integers(0, 4), min_size=3, max_size=3),
    penalty=st.lists(st.sampled_from([0.5, 1.0, 1.5, 4.0]), min_size=3, max_size=3),
    seed=st.integers(0, 9),
)
def test_texts_with_every_rule_against_repetition_are_those_of_plain_python(prompts, ngram, penalty, seed):
    table = random_table(seed, end=-5)
    table[..., FIRST + 4 :] -= 9  # few tokens, so that much is repeated
    answer = write(table, prompts, no_repeat_ngram=ngram, repetition_penalty=penalty)
    assert_plain(answer, table, prompts, ngram=ngram, penalty=penalty)


def test_tokens_of_the_prompt_are_penalised_and_new_ones_too():
    table = np.zeros((PHASES, VOCABULARY, VOCABULARY), "float32")
    table[..., END] = -20
    table[..., 5:9] = [4, 3, 2.5, -1]
    for penalty, prompt, expected in (
        (1.0, [5, 6], [5, 5, 5]),
        (1.5, [4], [5, 6, 5]),  # 4 → 2.67 after it is written, and 3 → 2 after that
        (1.5, [5, 4], [6, 5, 5]),  # 2.67, 3 → 2, and again 2.67
        (1.5, [4, 5, 6], [5, 5, 5]),
        (2.0, [5, 6, 4], [7, 5, 5]),  # 2 and 1.5 against 2.5, which becomes 1.25
    ):
        assert write(table, [prompt], repetition_penalty=penalty, max_new_tokens=3).tokens == [expected]
