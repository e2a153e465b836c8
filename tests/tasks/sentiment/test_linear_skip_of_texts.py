"""The linear classifier beside the network: equal in the graph and outside, and fair to the texts it is fitted on."""

import shutil
from itertools import pairwise

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from refusals import refusal
from scipy import sparse

import seqapps
from seqapps import export, run_folder
from seqapps.config import CELL_NAMES
from seqapps.tasks import sentiment
from seqapps.tasks.sentiment import data as sentiment_data
from seqapps.tasks.sentiment import linear
from seqapps.tasks.sentiment.baselines import naive_bayes_outputs
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.evaluation import SKIP as WITHOUT_NETWORK
from seqapps.tasks.sentiment.explain import explain
from seqapps.tasks.sentiment.linear import LinearSkip
from seqapps.tasks.sentiment.model import build_model
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import tokenizers
from seqapps.text.batches import Encoded

SIZE = 11  # token ids
SKIP = LinearSkip(
    terms=np.array([4, 5, 4 * SIZE + 5, 5 * SIZE + 4, (5 * SIZE + 9) * SIZE + 4], "int64"),
    weights=np.array([[1, 0, 0], [0, 2, 0], [0, 0, 4], [8, 0, 0], [0, 3, 0]], "float32"),
    intercept=np.array([0.5, 0, -0.5], "float32"),
    vocabulary_size=SIZE,
)
SMALL = {
    "units": 7,
    "embedding_size": 5,
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 0.01,
    "linear_skip": "naive_bayes",
}


def encoded(rows):
    return Encoded(np.array([token for row in rows for token in row], "int32"), np.cumsum([0, *map(len, rows)]))


def negations():
    """Reviews that only a pair of words tells apart."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(160):
        words = generator.choice(["the", "room", "food", "staff", "view", "was", "and"], 6).tolist()
        good = bool(number % 2)
        words[2:2] = ["not", "bad", "so", "good"] if good else ["not", "good", "so", "bad"]
        rows.append(
            {"text": " ".join(words) + f" {generator.choice(list('abcdefgh'))}", "label": ("dull", "fine")[good]}
        )
    return pd.DataFrame(rows)


def test_a_term_counts_once_and_an_ngram_only_in_its_order():
    rows = tf.ragged.constant([[4, 5, 4, 5], [5, 9, 4], [], [9], [4, 5]], dtype=tf.int32)
    expected = [[9.5, 2, 3.5], [1.5, 5, -0.5], [0.5, 0, -0.5], [0.5, 0, -0.5], [1.5, 2, 3.5]]
    np.testing.assert_array_equal(SKIP.logits(rows).numpy(), expected)
    assert linear.logits_of(SKIP, encoded(rows.to_list()), at_once=2).tolist() == expected


def test_logits_do_not_depend_on_the_other_rows():
    rows = np.random.default_rng(0).integers(1, SIZE, (7, 5)).tolist()
    together = SKIP.logits(tf.ragged.constant(rows, dtype=tf.int32)).numpy()
    for row, expected in zip(rows, together, strict=True):
        np.testing.assert_array_equal(SKIP.logits(tf.ragged.constant([row], dtype=tf.int32))[0], expected)


@pytest.mark.parametrize("row", [[4, 5, 4, 5], [5, 9, 4], [9], [4], [4, 4]])
def test_shares_of_tokens_sum_to_what_the_text_adds(row):
    for label in range(3):
        total = SKIP.logits(tf.ragged.constant([row], dtype=tf.int32)).numpy()[0, label] - SKIP.intercept[label]
        assert SKIP.shares(np.array(row, "int32"), label).sum() == pytest.approx(total)


def test_the_share_of_an_ngram_is_that_of_its_tokens():
    np.testing.assert_allclose(SKIP.shares(np.array([4, 5, 9], "int32"), 2), [2, 2, 0])
    np.testing.assert_allclose(SKIP.shares(np.array([4, 5, 4, 5], "int32"), 2), [1, 1, 1, 1])
    np.testing.assert_allclose(SKIP.shares(np.array([9, 5, 9, 4], "int32"), 1), [0, 3, 1, 1])


def test_terms_of_two_tokens_mean_the_same_beside_those_of_three():
    """A file of an earlier version has no triples."""
    pairs = LinearSkip(SKIP.terms[:4], SKIP.weights[:4], SKIP.intercept, SIZE)
    rows = tf.ragged.constant([[4, 5, 4, 5], [5, 9, 4], [], [9], [4, 5]], dtype=tf.int32)
    expected = [[9.5, 2, 3.5], [1.5, 2, -0.5], [0.5, 0, -0.5], [0.5, 0, -0.5], [1.5, 2, 3.5]]
    np.testing.assert_array_equal(pairs.logits(rows).numpy(), expected)


def test_a_vocabulary_whose_triples_have_no_number_is_refused():
    linear.check_vocabulary(2097151)
    highest = 2097150
    term = np.array([2097151**3 - 1], "int64")
    skip = LinearSkip(term, np.ones((1, 2), "float32"), np.zeros(2, "float32"), 2097151)
    assert skip.logits(tf.ragged.constant([[highest] * 3], dtype=tf.int32)).numpy().tolist() == [[1, 1]]
    with refusal(
        "`vocabulary_size` must be at most 2097151 with a linear_skip. Received: vocabulary_size=2097152. "
        "Choose a smaller vocabulary, or leave the linear_skip out.",
    ):
        linear.check_vocabulary(2097152)


def test_a_training_with_such_a_vocabulary_is_refused_before_the_folder_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(linear, "LARGEST_VOCABULARY", 11)
    size = tokenizers.fit("word", negations()["text"], 20_000, lowercase=True).vocabulary_size
    with pytest.raises(ValueError, match="`vocabulary_size` must be at most 11 with a linear_skip") as told:
        sentiment.train(sentiment.Config(**SMALL), negations(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    received = int(str(told.value).split("vocabulary_size=")[1].split(".")[0])
    assert 11 < received <= size


def test_it_is_what_a_file_gives_back(tmp_path):
    training = np.arange(6, dtype="float32").reshape(2, 3)
    SKIP.save(tmp_path / "skip.npz", training)
    again, logits = LinearSkip.load(tmp_path / "skip.npz")
    for name in ("terms", "weights", "intercept"):
        np.testing.assert_array_equal(getattr(again, name), getattr(SKIP, name))
    assert again.vocabulary_size == SIZE
    np.testing.assert_array_equal(logits, training)


def test_it_is_the_regression_of_the_counted_terms():
    generator = np.random.default_rng(1)
    rows = [generator.integers(4, SIZE, generator.integers(1, 9)).tolist() for _ in range(60)]
    targets = np.array([int(4 in row) ^ int(generator.random() < 0.1) for row in rows], "int32")
    skip, _ = linear.fit(encoded(rows), targets, encoded(rows[:20]), targets[:20], 2, SIZE)
    counts = np.array([[term in ngrams_of(row) for term in skip.terms] for row in rows], float)
    assert skip.terms.max() >= SIZE**2  # triples are among them
    candidates = [
        naive_bayes_outputs(sparse.csr_matrix(counts), targets[:, None].astype(float), strength)
        for strength in linear.STRENGTHS
    ]
    logits = linear.logits_of(skip, encoded(rows))
    own = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-5)
    scores = [counts @ coefficients[0] + intercept[0] for coefficients, intercept in candidates]
    ratios = [own / score for score in scores]
    assert min(np.ptp(ratio) / abs(ratio.mean()) for ratio in ratios) < 1e-3  # one of them, over a temperature


def ngrams_of(row):
    pairs = [first * SIZE + second for first, second in pairwise(row)]
    return {*row, *pairs, *(pair * SIZE + third for pair, third in zip(pairs, row[2:], strict=False))}


def test_a_training_text_is_judged_by_what_was_fitted_on_others():
    """Labels are drawn at random, and every text stands there twice: to have seen it is to know its label."""
    generator = np.random.default_rng(2)
    rows = [row for row in generator.integers(4, 60, (150, 12)).tolist() for _ in range(2)]
    labels = np.repeat(generator.integers(0, 2, 150), 2).astype("int32")
    skip, training = linear.fit(encoded(rows), labels, encoded(rows), labels, 2, 60)
    assert (linear.logits_of(skip, encoded(rows)).argmax(axis=1) == labels).mean() > 0.9
    assert 0.35 < (training.argmax(axis=1) == labels).mean() < 0.65


@pytest.mark.parametrize("several", [False, True])
def test_three_classes_and_several_labels_have_a_logit_each(several):
    generator = np.random.default_rng(3)
    classes = generator.integers(0, 3, 90).astype("int32")
    rows = [[4 + label, *generator.integers(7, SIZE, 3).tolist()] for label in classes]
    targets = np.eye(3, dtype="float32")[classes] if several else classes
    skip, training = linear.fit(encoded(rows), targets, encoded(rows), targets, 3, SIZE)
    assert training.shape == (90, 3)
    assert (training.argmax(axis=1) == classes).mean() > 0.9
    assert skip.weights.dtype == "float32"


def test_texts_without_a_common_term_leave_only_the_intercept():
    rows = [[4], [5], [6], [7]]
    targets = np.array([0, 1, 0, 1], "int32")
    skip, training = linear.fit(encoded(rows), targets, encoded(rows), targets, 2, SIZE)
    assert np.ptp(linear.logits_of(skip, encoded(rows)), axis=0).max() == 0
    assert np.isfinite(training).all()


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_model_adds_the_logits(cell):
    config = Config(cell=cell, units=5, embedding_size=3, linear_skip="naive_bayes")
    model = build_model(config, SIZE, 3)
    ids, added = np.array([[4, 5], [6, 0]], "int32"), np.array([[1, 2, 3], [-4, 0, 0.5]], "float32")
    alone = keras.ops.convert_to_numpy(model([ids, np.zeros_like(added)], training=False))
    np.testing.assert_allclose(model([ids, added], training=False), alone + added, rtol=1e-6)


def test_explanations_add_up_with_the_skip():
    texts = ["the food was not bad", "the room was cold"]
    scaling = Preprocessing(tokenizers.fit("word", texts, 300, lowercase=True), ("a", "b", "c"), None, 11)
    size = scaling.tokenizer.vocabulary_size
    ids = scaling.encode(tf.constant(texts)).to_list()
    terms = np.unique([ids[0][3], ids[0][3] * size + ids[0][4], ids[1][0]])
    skip = LinearSkip(terms, np.ones((len(terms), 3), "float32"), np.zeros(3, "float32"), size)
    model = build_model(Config(units=5, embedding_size=3, linear_skip="naive_bayes"), size, 3)
    bare = explain(model, scaling, texts[0], 1)
    found = explain(model, scaling, texts[0], 1, skip)
    added = skip.logits(scaling.encode(tf.constant(texts[:1]))).numpy()[0, 1]
    assert found.difference == pytest.approx(bare.difference + added)
    assert found.attributions.sum() == pytest.approx(found.difference, abs=3e-4)
    assert (found.attributions - bare.attributions)[3] == pytest.approx(1.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    sentiment.train(sentiment.Config(**SMALL), negations(), folder)
    return folder


def test_a_run_learns_ngrams_and_serves_what_it_was_judged_by(run):
    metrics = seqapps.load(run).evaluate(negations())
    assert metrics["methods"]["model"]["accuracy"] == 1
    answers = seqapps.load(run).predict(["it was not bad so good a", "it was not good so bad a"])
    assert answers["label"].tolist() == ["fine", "dull"]
    assert seqapps.load(run).config.embedding_start == "random"


def test_the_skip_stands_in_the_table_without_the_network(run):
    metrics, evaluated = run_folder.read_json(run / "metrics.json"), seqapps.load(run).evaluate(negations())
    assert metrics["methods"][WITHOUT_NETWORK]["accuracy"] == evaluated["methods"][WITHOUT_NETWORK]["accuracy"] > 0.9
    assert WITHOUT_NETWORK not in seqapps.load(run).evaluate(negations(), baselines="none")["methods"]
    served, texts = seqapps.load(run)._served, ["not bad so good", "unheard-of", ""]
    expected = linear.stored(run).logits(served.preprocessing.encode(tf.constant(texts)))
    np.testing.assert_array_equal(served.skip_logits(texts), expected)


def test_a_skip_that_is_gone_is_named(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / linear.FILE).unlink()
    path = str(tmp_path / "run" / linear.FILE)
    with refusal(f"There is no file {path!r} with the run's linear skip.", FileNotFoundError):
        seqapps.load(tmp_path / "run").evaluate(negations())
    assert len(seqapps.load(tmp_path / "run").predict(["not bad"])) == 1


def test_served_rows_do_not_disturb_each_other(run):
    served = tf.saved_model.load(str(export.newest_version(run / "export")))
    texts = ["not bad", "", "unheard-of", "not good " * 300, "🙂", b"\xff"]
    together = served.serving_default(tf.constant(texts))["probabilities"].numpy()
    for text, expected in zip(texts, together, strict=True):
        alone = served.serving_default(tf.constant([text]))["probabilities"].numpy()[0]
        np.testing.assert_allclose(alone, expected, atol=1e-6)


def test_a_resumed_run_takes_the_skip_that_it_stored_and_ends_alike(run, tmp_path, monkeypatch):
    """As if it had been killed before its first epoch was over."""
    again = tmp_path / "again"
    shutil.copytree(run, again)
    for name in ("metrics.json", "model.keras", "checkpoints", "export"):
        path = again / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    monkeypatch.setattr(linear, "fit", lambda *_: pytest.fail("fitted again"))
    sentiment.train(sentiment.Config(**SMALL), negations(), again, resume=True)
    assert run_folder.read_json(again / "metrics.json") == run_folder.read_json(run / "metrics.json")


def test_of_many_texts_a_sample_is_fitted_and_told(monkeypatch):
    monkeypatch.setattr(linear, "MOST_TEXTS", 50)
    generator = np.random.default_rng(4)
    classes = generator.integers(0, 2, 120).astype("int32")
    rows = [[4 + label, *generator.integers(6, SIZE, 5).tolist()] for label in classes]
    skip, training = linear.fit(encoded(rows), classes, encoded(rows), classes, 2, SIZE)
    assert (training.argmax(axis=1) == classes).all()
    np.testing.assert_array_equal(training[1:3], linear.logits_of(skip, encoded(rows[1:3])))  # unseen, as new ones
    splits = sentiment_data.load(negations(), Config(test_fraction=0.2))
    assert linear.sample_note(splits) == (
        "The linear skip was fitted on 38 of 112 training texts, spread evenly over them."
    )
    monkeypatch.setattr(linear, "MOST_TEXTS", 112)
    assert linear.sample_note(splits) == ""


def test_it_is_told_in_the_model_card_and_the_report(run):
    assert "beside logistic regression weighted by naive Bayes" in (run / "README.md").read_text()
    page = (run / "report.html").read_text()
    assert "what the linear skip says of the n-grams that it is in" in page
    assert "Those of the linear skip without the network were scaled on the training part" in page


def test_class_weights_beside_a_skip_are_refused():
    message = (
        "`class_weights` must be 'none' with a linear_skip. Received: class_weights='balanced'. "
        "The skip weighs no text."
    )
    with refusal(message):
        Config(linear_skip="naive_bayes", class_weights="balanced")


def test_a_run_goes_on_with_a_skip_only_if_it_had_one(run, tmp_path):
    message = (
        f"`linear_skip` must be 'naive_bayes' with this `initialize_from`. Received: linear_skip='none'. "
        f"The run {str(run)!r} goes on with its own choice of a linear skip."
    )
    options = SMALL | {"linear_skip": "none", "initialize_from": str(run)}
    with refusal(message):
        sentiment.train(sentiment.Config(**options), negations(), tmp_path / "other")
