"""The simple methods are those of scikit-learn and of a plain loop, and their strength is chosen on validation."""

import math
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from seqapps.classification import temperature
from seqapps.tasks.sentiment import baselines, data
from seqapps.tasks.sentiment.baselines import CHARACTERS, FULL, MAJORITY, NAIVE_BAYES, STRENGTHS, TFIDF, Baselines
from seqapps.tasks.sentiment.config import Config

WORDS = {"bad": ["awful", "cold", "never"], "fine": ["nice", "warm", "again"], "mixed": ["but", "yet", "though"]}
FILLER = ["the", "room", "was", "food", "and", "it's", "!", "…", "Ünder"]
SEVERAL = {"label_separator": "+"}


def table(classes, rows=101, seed=0, noise=0.35):
    """Reviews whose words tell their class most of the time."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(rows):
        label = classes[number % len(classes)]
        told = label if generator.random() > noise else generator.choice(classes)
        names = [name for name in told.split("+") if name]
        words = [generator.choice(WORDS[name]) for name in names for _ in range(2)]
        words += generator.choice(FILLER, 5).tolist()
        generator.shuffle(words)
        found.append((f"{' '.join(words)} {number}".capitalize(), label))
    return pd.DataFrame(found, columns=["text", "label"])


PROBLEMS = {
    "two classes": data.load(table(["bad", "fine"]), Config()),
    "three classes": data.load(table(["bad", "fine", "mixed"]), Config()),
    "several labels": data.load(table(["bad", "fine+mixed", "bad+mixed", ""]), Config(**SEVERAL)),
}
every_problem = pytest.mark.parametrize("splits", PROBLEMS.values(), ids=PROBLEMS.keys())


@pytest.fixture(scope="module")
def fitted():
    """`baselines="full"` for every problem."""
    return {name: baselines.fit(splits, "full") for name, splits in PROBLEMS.items()}


def fitted_to(fitted, splits):
    return next(fitted[name] for name, each in PROBLEMS.items() if each is splits)


def texts_of(splits, split):
    return list(splits.texts(split))


def truth(splits, split):
    """`(texts, outputs)` of 0 and 1; one output for two classes."""
    targets = splits.targets(split)
    table = targets if splits.multi_label else np.eye(len(splits.classes))[targets]
    return table[:, 1:] if not splits.multi_label and table.shape[1] == 2 else table


def probabilities(scores, multi_label):
    """`(texts, outputs)` → `(texts, classes)`."""
    if multi_label:
        return expit(scores)
    return softmax(np.concatenate([0 * scores, scores], axis=1) if scores.shape[1] == 1 else scores, axis=1)


def scaled(splits, scores_of):
    """Probabilities of test texts as a temperature of validation makes them."""
    answers = {split: scores_of(texts_of(splits, split)) for split in ("validation", "test")}
    widened = {
        split: np.concatenate([0 * each, each], axis=1) if each.shape[1] == 1 else each
        for split, each in answers.items()
    }
    divisor = temperature.fit(widened["validation"], splits.targets("validation"), splits.multi_label)
    return probabilities(answers["test"] / divisor, splits.multi_label)


# --- the methods ---


@every_problem
def test_the_commonest_class_answers_with_the_shares_of_training(fitted, splits):
    found = fitted_to(fitted, splits).probabilities(["any text", ""])[MAJORITY]
    targets = splits.targets("train")
    if splits.multi_label:
        expected = targets.mean(axis=0)
    else:
        expected = [np.mean(targets == number) for number in range(len(splits.classes))]
    np.testing.assert_allclose(found, [expected, expected])


@every_problem
@pytest.mark.parametrize(
    ("name", "vectorizer"),
    [
        (TFIDF, {"ngram_range": (1, 2)}),
        (CHARACTERS, {"ngram_range": (2, 5), "analyzer": "char_wb"}),
    ],
)
def test_tf_idf_is_scikit_learns_own_pipeline(fitted, splits, name, vectorizer):
    method = fitted_to(fitted, splits).linear[name]
    pipelines = []
    for output in truth(splits, "train").T:
        regression = LogisticRegression(C=method.strength, solver="liblinear", random_state=0)
        pipelines.append(
            make_pipeline(TfidfVectorizer(**vectorizer), regression).fit(texts_of(splits, "train"), output)
        )
    expected = scaled(splits, lambda texts: np.stack([each.decision_function(texts) for each in pipelines], axis=1))
    found = fitted_to(fitted, splits).probabilities(texts_of(splits, "test"))[name]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def terms_of(text):
    """The words and pairs of words of a text, each once."""
    words = re.findall(r"\b\w\w+\b", text.lower())
    return {*words, *map(" ".join, pairwise(words))}


@every_problem
def test_naive_bayes_weights_are_those_of_a_plain_loop(fitted, splits):
    method = fitted_to(fitted, splits).linear[NAIVE_BAYES]
    train = [terms_of(text) for text in texts_of(splits, "train")]
    terms = sorted(set().union(*train))
    assert list(method.terms) == terms
    outputs = []
    for output in truth(splits, "train").T:
        inside, outside = Counter(), Counter()
        for found, is_true in zip(train, output, strict=True):
            (inside if is_true else outside).update(found)
        all_inside, all_outside = (sum(each.values()) + len(terms) for each in (inside, outside))
        odds = np.array(
            [math.log((inside[t] + 1) / all_inside) - math.log((outside[t] + 1) / all_outside) for t in terms]
        )
        features = np.array(
            [[odds[column] if term in found else 0 for column, term in enumerate(terms)] for found in train]
        )
        regression = LogisticRegression(C=method.strength, solver="liblinear", random_state=0).fit(features, output)
        weights = 0.25 * regression.coef_[0] + 0.75 * np.abs(regression.coef_[0]).mean()
        outputs.append((weights * odds, 0.25 * regression.intercept_[0]))

    def scores(texts):
        contained = np.array([[term in found for term in terms] for found in map(terms_of, texts)], float)
        return np.stack([contained @ weights + intercept for weights, intercept in outputs], axis=1)

    found = fitted_to(fitted, splits).probabilities(texts_of(splits, "test"))[NAIVE_BAYES]
    np.testing.assert_allclose(found, scaled(splits, scores), rtol=1e-4, atol=1e-7)


@every_problem
def test_the_strength_is_the_best_on_validation_and_of_equal_ones_the_strongest_penalty(fitted, splits):
    vectorizer = TfidfVectorizer(ngram_range=(1, 2)).fit(texts_of(splits, "train"))
    train, validation = (vectorizer.transform(texts_of(splits, split)) for split in ("train", "validation"))
    shares = []
    for strength in STRENGTHS:
        scores = [
            LogisticRegression(C=strength, solver="liblinear", random_state=0)
            .fit(train, output)
            .decision_function(validation)
            for output in truth(splits, "train").T
        ]
        answers = probabilities(np.stack(scores, axis=1), splits.multi_label)
        if splits.multi_label:
            shares.append(((answers > 0.5) == splits.targets("validation")).all(axis=1).mean())
        else:
            shares.append((answers.argmax(axis=1) == splits.targets("validation")).mean())
    assert fitted_to(fitted, splits).strengths()[TFIDF] == STRENGTHS[int(np.argmax(shares))]


def test_the_strength_depends_on_validation():
    chosen = set()
    for fraction in (0.1, 0.2, 0.3):
        splits = data.load(table(["bad", "fine", "mixed"], 53, noise=0.6), Config(validation_fraction=fraction))
        chosen.add(baselines.fit(splits, "fast").strengths()[TFIDF])
    assert len(chosen) > 1


# --- what is asked for ---


def test_fast_leaves_out_characters_and_full_has_all(fitted):
    assert list(baselines.fit(PROBLEMS["two classes"], "fast").probabilities(["text"])) == [
        MAJORITY,
        TFIDF,
        NAIVE_BAYES,
    ]
    for found in fitted.values():
        assert tuple(found.probabilities(["text"])) == FULL
        assert list(found.strengths()) == list(FULL[1:])
        assert set(found.strengths().values()) <= set(STRENGTHS)


@every_problem
def test_any_text_is_answered_with_probabilities(fitted, splits):
    texts = ["", "日本 🙂", "never seen", "awful " * 1009, "\x00\x07", "É"]
    for found in fitted_to(fitted, splits).probabilities(texts).values():
        assert found.shape == (6, len(splits.classes))
        assert np.isfinite(found).all()
        assert (found >= 0).all()
        if not splits.multi_label:
            np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_text_is_answered_alone_as_among_others(fitted):
    texts = texts_of(PROBLEMS["three classes"], "test")
    together = fitted["three classes"].probabilities(texts)
    alone = fitted["three classes"].probabilities(texts[3:4])
    for name, found in together.items():
        np.testing.assert_allclose(alone[name], found[3:4], rtol=1e-9)


def test_texts_without_words_are_told_apart_by_their_characters():
    texts = [mood * (1 + row % 3) + "!" * (row % 7) for row in range(31) for mood in ("🙂", "🙁")]
    splits = data.load(pd.DataFrame({"text": texts, "label": 31 * ["good", "bad"]}), Config())
    found = baselines.fit(splits, "full").probabilities(["🙂", "🙁🙁!", ""])
    for name in FULL[1:]:
        assert found[name][:2].argmax(axis=1).tolist() == [1, 0]
        assert np.isfinite(found[name]).all()


# --- rare classes ---


def without(splits, split, label):
    """The same splits, in which no text of a part has a class."""
    part = splits.parts[split]
    names = [number for number, each in enumerate(splits.label_sets) if label in each]
    keep = part.keep.copy()
    keep[np.flatnonzero(part.keep)[np.isin(part.labels, names)]] = False
    kept = data.Part(part.source, keep, part.labels[~np.isin(part.labels, names)], part.hashes)
    return data.Splits(splits.classes, splits.label_sets, splits.multi_label, splits.parts | {split: kept})


@pytest.mark.parametrize("name", ["three classes", "several labels"])
@pytest.mark.parametrize("missing", [0, 2])
def test_a_class_that_no_training_text_has_is_never_the_answer(name, missing):
    splits = without(PROBLEMS[name], "train", missing)
    found = baselines.fit(splits, "full").probabilities(texts_of(splits, "test"))
    assert found[MAJORITY][0, missing] == 0
    for probability in found.values():
        assert np.isfinite(probability).all()
        if splits.multi_label:
            assert (probability[:, missing] < 0.5).all()
        else:
            assert (probability.argmax(axis=1) != missing).all()


def test_a_label_that_every_training_text_has_is_always_an_answer():
    splits = data.load(table(["bad+mixed", "fine+mixed", "mixed"]), Config(**SEVERAL))
    assert splits.targets("train")[:, 2].all()
    for probability in baselines.fit(splits, "fast").probabilities(texts_of(splits, "test")).values():
        assert (probability[:, 2] > 0.5).all()


# --- on disk ---


@every_problem
def test_baselines_come_back_from_their_file(fitted, splits, tmp_path):
    found, path = fitted_to(fitted, splits), tmp_path / "baselines.npz"
    found.save(path)
    again = Baselines.load(path)
    assert again.strengths() == found.strengths()
    texts = [*texts_of(splits, "test"), "", "🙂"]
    for name, expected in found.probabilities(texts).items():
        np.testing.assert_array_equal(again.probabilities(texts)[name], expected)
    with np.load(path, allow_pickle=False) as arrays:
        assert all(array.dtype.kind != "O" for array in arrays.values())


def test_the_commonest_class_alone_comes_back_too(tmp_path):
    Baselines(np.array([0.25, 0.75])).save(tmp_path / "baselines.npz")
    again = Baselines.load(tmp_path / "baselines.npz")
    assert again.strengths() == {}
    assert again.probabilities(["a", "b"])[MAJORITY].tolist() == [[0.25, 0.75]] * 2


# --- large data ---


def test_a_large_part_is_sampled_evenly(monkeypatch):
    splits = PROBLEMS["three classes"]
    monkeypatch.setattr(baselines, "MOST_TEXTS", 30)
    found = baselines.fit(splits, "fast")
    stride = math.ceil(splits.count("train") / 30)
    texts = texts_of(splits, "train")[::stride]
    expected = CountVectorizer(ngram_range=(1, 2)).fit(texts).get_feature_names_out()
    assert found.linear[TFIDF].terms == tuple(expected)
    np.testing.assert_allclose(found.shares, np.bincount(splits.targets("train")[::stride]) / len(texts))


def test_a_sample_is_told_with_its_numbers(monkeypatch):
    splits = PROBLEMS["three classes"]
    assert baselines.sample_notes(splits) == []
    train, validation = splits.count("train"), splits.count("validation")
    assert train > 30 > validation > 4
    monkeypatch.setattr(baselines, "MOST_TEXTS", 30)
    seen = len(texts_of(splits, "train")[:: math.ceil(train / 30)])
    fitted = f"The baselines were fitted on {seen} of {train} training texts, spread evenly over them."
    assert baselines.sample_notes(splits) == [fitted]
    monkeypatch.setattr(baselines, "MOST_TEXTS", 4)
    seen = len(texts_of(splits, "validation")[:: math.ceil(validation / 4)])
    chosen = f"The baselines were chosen on {seen} of {validation} validation texts, spread evenly over them."
    assert baselines.sample_notes(splits)[1:] == [chosen]
