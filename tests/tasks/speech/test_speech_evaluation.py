"""Scores of answers, the tests of chance behind the verdict, and speakers one by one."""

from itertools import product

import numpy as np
import pytest

from seqapps.tasks.speech.errors import plain
from seqapps.tasks.speech.evaluation import MODEL, metrics_of, transcripts, wins, words
from seqapps.tasks.speech.evaluation.scores import by_speaker

METHODS = {MODEL: {"word_error_rate": 0.1}, "a": {"word_error_rate": 0.25}, "b": {"word_error_rate": 0.2}}


# --- transcripts ---


def test_scores_of_transcripts_by_hand():
    truth = ["one two three", "four", "five six"]
    answers = {MODEL: ["one two three", "for", "five six six"], "commonest answer": ["four"] * 3}
    metrics, losses = transcripts.scored(answers, truth)
    model, baseline = metrics["methods"].values()
    assert model["word_error_rate"] == pytest.approx(2 / 6)
    assert model["character_error_rate"] == pytest.approx((0 + 1 + 4) / (13 + 4 + 8))
    assert model["exact_match"] == pytest.approx(1 / 3)
    assert baseline["word_error_rate"] == pytest.approx((3 + 0 + 2) / 6)
    assert losses.tolist() == [0, 1, 1]
    assert (metrics["words"], metrics["mode"]) == (6, "transcribe")
    assert set(model) == set(metrics_of("transcribe"))


def test_blanks_and_capitals_count_as_asked_for():
    assert plain([" One\t TWO ", ""], lowercase=False) == ["One TWO", ""]
    assert plain([" One\t TWO ", "ÉTÉ"], lowercase=True) == ["one two", "été"]


def test_chance_is_the_share_of_exchanges_that_tell_the_two_apart_as_much():
    errors = {MODEL: np.array([0, 1, 0, 0, 2, 0, 1]), "a": np.array([1, 1, 2, 1, 1, 3, 1])}
    differences = errors[MODEL] - errors["a"]
    sums = np.array([np.dot(signs, differences) for signs in product((-1, 1), repeat=7)])
    expected = 2 * min(np.mean(sums <= differences.sum()), np.mean(sums >= differences.sum()))
    assert transcripts.chance(errors) == {"a": pytest.approx(expected)}


def test_chance_explains_all_where_there_is_no_difference():
    errors = np.array([0, 2, 1])
    assert transcripts.chance({MODEL: errors, "a": errors}) == {"a": 1.0}


def test_the_same_errors_have_the_same_chance_again():
    generator = np.random.default_rng(0)
    errors = {MODEL: generator.integers(0, 3, 50), "a": generator.integers(0, 4, 50)}
    assert transcripts.chance(errors) == transcripts.chance(errors)


@pytest.mark.parametrize(
    ("own", "chance", "start", "end"),
    [
        (0.1, 0.01, "beats the best baseline, b", "0.1 against 0.2 (permutation test, p = 0.01)"),
        (0.1, 0.5, "does NOT beat the best baseline, b, beyond chance", "0.1 against 0.2 (permutation test, p = 0.5)"),
        (0.2, 0.01, "does NOT beat the best baseline, b", "0.2 against 0.2 (permutation test, p = 0.01)"),
    ],
)
def test_the_verdict_says_whether_the_best_baseline_is_beaten(own, chance, start, end):
    told = transcripts.verdict(METHODS | {MODEL: {"word_error_rate": own}}, {"a": 0.5, "b": chance})
    assert told == f"The model {start}: word error rate {end}."
    assert wins({"verdict": told}) == start.startswith("beats")


def test_without_a_baseline_there_is_no_verdict():
    told = transcripts.verdict({MODEL: METHODS[MODEL]}, {})
    assert told == "No baseline was run, so this table does not tell whether the model is any good."
    assert not wins({"verdict": told})


def test_the_interval_holds_the_word_error_rate():
    generator = np.random.default_rng(0)
    errors, counts = generator.integers(0, 2, 200), np.full(200, 4)
    low, high = transcripts.interval(errors, counts)
    rate = errors.sum() / 800
    spread = 1.96 * np.sqrt(errors.var() / 200) / 4  # of a mean
    assert low == pytest.approx(rate - spread, abs=0.005)
    assert high == pytest.approx(rate + spread, abs=0.005)
    assert transcripts.interval(np.zeros(5, int), np.ones(5, int)) == [0, 0]
    assert transcripts.interval(np.array([1]), np.array([4])) == [0.25, 0.25]


def test_recordings_without_a_word_are_scored_too():
    metrics, _ = transcripts.scored({MODEL: ["", "one"], "a": ["", ""]}, ["", ""])
    assert metrics["methods"][MODEL] == {"word_error_rate": 0.5, "character_error_rate": 1.5, "exact_match": 0.5}
    assert metrics["methods"]["a"] == {"word_error_rate": 0.0, "character_error_rate": 0.0, "exact_match": 1.0}
    assert metrics["words"] == 0


# --- words ---


def test_scores_of_words_by_hand():
    own = np.array([[0.8, 0.2], [0.4, 0.6], [0.9, 0.1], [0.3, 0.7]])
    probabilities = {MODEL: own, "commonest answer": np.tile([0.5, 0.5], (4, 1))}
    metrics, losses = words.scored(probabilities, ["no", "yes", "yes", "yes"], ("no", "yes"), divisor=1.0)
    assert metrics["methods"][MODEL]["accuracy"] == 0.75
    assert metrics["methods"]["commonest answer"]["accuracy"] == 0.25
    assert metrics["confusion"] == [[1, 0], [1, 2]]
    np.testing.assert_allclose(losses, -np.log([0.8, 0.6, 0.1, 0.7]))
    assert metrics["calibration_error_before"] == pytest.approx(metrics["methods"][MODEL]["calibration_error"])
    assert set(metrics["methods"][MODEL]) == set(metrics_of("classify"))
    assert metrics["verdict"].startswith("The model does NOT beat the best baseline, commonest answer")
    other, _ = words.scored(probabilities, ["no", "yes", "yes", "yes"], ("no", "yes"), divisor=3.0)
    assert other["calibration_error_before"] != metrics["calibration_error_before"]  # without its temperature


# --- speakers ---


def test_speakers_are_told_from_the_hardest_on():
    references = ["yes", "no", "yes", "no", "yes"]
    answers = {MODEL: ["yes", "no", "no", "no", "no"], "a": ["yes"] * 5}
    told = by_speaker("classify", answers, references, ["y", "x", "x", "y", None])
    assert list(told.items()) == [
        ("x", {"recordings": 2.0, MODEL: 0.5, "a": 0.5}),
        ("y", {"recordings": 2.0, MODEL: 1.0, "a": 0.5}),
    ]


def test_of_transcripts_the_speaker_with_the_most_errors_is_the_hardest():
    references = ["one two", "one", "one two three"]
    answers = {MODEL: ["one two", "two two", "one two"]}
    told = by_speaker("transcribe", answers, references, ["x", "y", "x"])
    assert list(told.items()) == [
        ("y", {"recordings": 1.0, MODEL: 2.0}),
        ("x", {"recordings": 2.0, MODEL: pytest.approx(1 / 5)}),
    ]


def test_unknown_speakers_are_not_told():
    assert by_speaker("classify", {MODEL: ["yes"]}, ["yes"], [None]) == {}
