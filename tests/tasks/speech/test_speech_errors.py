"""Errors of transcripts, counted by hand."""

import numpy as np
import pytest

from seqapps.tasks.speech.errors import character_errors, rate, word_errors, words_of


@pytest.mark.parametrize(
    ("reference", "answer", "words", "characters"),
    [
        ("one two three", "one two three", 0, 0),
        ("one two three", "one too three", 1, 1),  # exchanged
        ("one two three", "one three", 1, 4),  # left out, with its blank
        ("one two three", "one two two three", 1, 4),  # put in
        ("one two three", "", 3, 13),
        ("one two", "onetwo", 2, 1),
        ("ab", "ba", 1, 2),
        ("", "", 0, 0),
        ("", "one two", 2, 7),
        ("  ", "one", 1, 3),
        ("zero", "zero zero zero zero", 3, 15),  # more errors than words
        ("é 日本", "e 日", 2, 2),
    ],
)
def test_errors_are_what_makes_an_answer_its_reference(reference, answer, words, characters):
    assert word_errors([reference], [answer]).tolist() == [words]
    assert character_errors([reference], [answer]).tolist() == [characters]


def test_errors_are_counted_recording_by_recording():
    references, answers = ["a b", "", "c"], ["a", "d", "c"]
    assert word_errors(references, answers).tolist() == [1, 1, 0]
    assert words_of(references).tolist() == [2, 0, 1]
    assert rate(word_errors(references, answers), words_of(references)) == pytest.approx(2 / 3)


def test_a_rate_without_a_word_is_per_recording():
    assert rate(np.array([3, 1]), np.array([0, 0])) == 2.0


def test_every_recording_has_an_answer():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        word_errors(["a", "b"], ["a"])
