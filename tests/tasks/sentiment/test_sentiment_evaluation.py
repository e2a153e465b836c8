"""Scores are those of scikit-learn, chance that of the binomial distribution, and the verdict says it plainly."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import softmax
from sklearn import metrics as sklearn_metrics

from seqapps.classification import temperature
from seqapps.classification.scores import TINY, by_class, chance, confusion, interval, losses, scores
from seqapps.tasks.sentiment import data, evaluation
from seqapps.tasks.sentiment.baselines import MAJORITY, Baselines
from seqapps.tasks.sentiment.config import Config

TEXTS, CLASSES = 53, 3
NAMES = ("bad", "fine", "good")


def drawn(classes=CLASSES, texts=TEXTS, seed=0, multi_label=False):
    """Probabilities that know something of the targets."""
    generator = np.random.default_rng(seed)
    if multi_label:
        targets = (generator.random((texts, classes)) < 0.4).astype("float32")
        return temperature.probabilities(generator.normal(2 * targets - 1, 1.5), True), targets
    targets = generator.integers(0, classes, texts).astype("int32")
    return softmax(generator.normal(2 * np.eye(classes)[targets], 1.5), axis=1), targets


# --- scores ---


@pytest.mark.parametrize("classes", [2, CLASSES])
def test_scores_of_one_class_per_text_are_those_of_scikit_learn(classes):
    probability, targets = drawn(classes)
    answer = probability.argmax(axis=1)
    truth = np.eye(classes)[targets]
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(targets, answer),
        "macro_f1": sklearn_metrics.f1_score(targets, answer, average="macro"),
        "roc_auc": sklearn_metrics.roc_auc_score(truth, probability, average="macro"),
        "log_loss": sklearn_metrics.log_loss(targets, probability),
        "calibration_error": temperature.calibration_error(probability, targets, False),
    }
    assert list(expected) == list(evaluation.METRICS)
    assert scores(probability, targets, False) == pytest.approx(expected)
    if classes == 2:
        area = sklearn_metrics.roc_auc_score(targets, probability[:, 1])
        assert expected["roc_auc"] == pytest.approx(area)


def test_scores_of_several_labels_per_text_are_those_of_scikit_learn():
    probability, targets = drawn(multi_label=True)
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(targets, probability > 0.5),  # all labels of a text
        "macro_f1": sklearn_metrics.f1_score(targets, probability > 0.5, average="macro"),
        "roc_auc": sklearn_metrics.roc_auc_score(targets, probability, average="macro"),
        "log_loss": np.mean(
            [sklearn_metrics.log_loss(targets[:, each], probability[:, each]) for each in range(CLASSES)]
        ),
        "calibration_error": temperature.calibration_error(probability, targets, True),
    }
    assert scores(probability, targets, True) == pytest.approx(expected)


def test_the_area_is_the_mean_of_classes_that_have_one():
    probability, targets = drawn()
    two = targets != 1
    found = scores(probability[two], targets[two], False)["roc_auc"]
    areas = [sklearn_metrics.roc_auc_score(targets[two] == number, probability[two, number]) for number in (0, 2)]
    assert found == pytest.approx(np.mean(areas))
    assert scores(probability[targets == 1], targets[targets == 1], False)["roc_auc"] is None


def test_macro_f1_leaves_out_a_class_that_no_text_has_and_no_answer_names():
    probability, targets = np.array([[0.8, 0.2, 0.0], [0.3, 0.7, 0.0]]), np.array([0, 1])
    expected = sklearn_metrics.f1_score(targets, probability.argmax(axis=1), average="macro")
    assert scores(probability, targets, False)["macro_f1"] == pytest.approx(expected) == 1


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.integers(0, 1)), min_size=1, max_size=13),
    multi_label=st.booleans(),
)
def test_any_probabilities_have_finite_scores(rows, multi_label):
    sure, targets = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    probability = np.stack([1 - sure, sure], axis=1)
    found = scores(probability, np.eye(2)[targets] if multi_label else targets, multi_label)
    assert all(value is None or np.isfinite(value) for value in found.values())
    assert 0 <= found["accuracy"] <= 1
    assert 0 <= found["calibration_error"] <= 1


def test_a_loss_is_that_of_one_text():
    probability, targets = drawn()
    found = losses(probability, targets, False)
    np.testing.assert_allclose(found, -np.log(probability[np.arange(TEXTS), targets]))
    probability, targets = drawn(multi_label=True)
    expected = -np.log(np.where(targets > 0, probability, 1 - probability)).mean(axis=1)
    np.testing.assert_allclose(losses(probability, targets, True), expected)
    sure = losses(np.array([[0.0, 1.0]]), np.array([0]), False)
    assert sure == pytest.approx(-np.log(TINY))


# --- tables of classes ---


def test_the_table_of_classes_is_that_of_scikit_learn():
    probability, targets = drawn()
    report = sklearn_metrics.classification_report(targets, probability.argmax(axis=1), output_dict=True)
    found = by_class(probability, targets, NAMES)
    assert list(found) == list(NAMES)
    for number, name in enumerate(NAMES):
        expected = report[str(number)]
        received = [found[name][key] for key in ("precision", "recall", "f1", "texts")]
        assert received == pytest.approx([expected[key] for key in ("precision", "recall", "f1-score", "support")])


def test_the_table_of_several_labels_judges_every_class_on_its_own():
    probability, targets = np.array([[0.9, 0.6, 0.1], [0.8, 0.3, 0.1]]), np.array([[1, 0, 0], [1, 1, 0]], "float32")
    found = by_class(probability, targets, NAMES)
    assert [list(each.values()) for each in found.values()] == [[1, 1, 1, 2], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_the_confusion_has_true_classes_as_rows():
    probability = np.eye(CLASSES)[[0, 0, 2, 2, 2]]
    assert confusion(probability, np.array([0, 1, 1, 2, 2])) == [[1, 0, 0], [1, 0, 1], [0, 0, 2]]
    assert confusion(probability, np.eye(CLASSES)[[0, 1, 1, 2, 2]]) is None


# --- chance ---


def hits(pattern):
    return np.array([letter == "1" for letter in pattern])


def test_mcnemar_is_the_binomial_test_of_the_texts_that_one_alone_has_right():
    correct = {"model": hits("1111111110"), "better": hits("1111111111"), "worse": hits("1000000011")}
    found = chance(correct)
    assert found["better"] == {"p_value": 1.0, "only_model": 0, "only_baseline": 1}
    # 7 against 1: 2 × (1 + 8) / 2^8.
    assert found["worse"] == {"p_value": pytest.approx(2 * 9 / 256), "only_model": 7, "only_baseline": 1}
    assert chance({"model": hits("110"), "same": hits("110")})["same"] == {
        "p_value": 1.0, "only_model": 0, "only_baseline": 0,
    }  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_scipys_binomial_test(rows):
    model, other = map(np.array, zip(*rows, strict=True))
    found = chance({"other": other, "model": model})["other"]
    won, lost = sum(a and not b for a, b in rows), sum(b and not a for a, b in rows)
    expected = stats.binomtest(won, won + lost).pvalue if won + lost else 1
    assert found == {"p_value": pytest.approx(expected), "only_model": won, "only_baseline": lost}


def test_the_interval_holds_the_accuracy_and_is_that_of_the_bootstrap():
    generator = np.random.default_rng(0)
    correct = {"model": generator.random(1009) < 0.8, "other": generator.random(11) < 0.5}
    found = interval(correct)
    for method, (low, high) in found.items():
        assert low < correct[method].mean() < high
    error = np.sqrt(0.8 * 0.2 / 1009)
    low, high = found["model"]
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert found == interval(correct)  # drawn alike every time
    assert interval({"model": hits("111"), "other": hits("000")}) == {"model": [1, 1], "other": [0, 0]}


# --- the verdict ---


def said(model, others, p_values):
    methods = {"model": {"accuracy": model}} | {name: {"accuracy": value} for name, value in others.items()}
    chances = {name: {"p_value": value, "only_model": 1, "only_baseline": 1} for name, value in p_values.items()}
    return evaluation.verdict(methods, chances)


@pytest.mark.parametrize(
    ("model", "others", "p_values", "expected"),
    [
        (
            0.87654321, {"a": 0.5, "b": 0.81}, {"a": 1e-9, "b": 0.0049},
            "The model beats the best baseline, b: accuracy 0.8765 against 0.81 (McNemar test, p = 0.0049).",
        ),
        (
            0.8, {"a": 0.81, "b": 0.5}, {"a": 0.9, "b": 0.001},
            "The model does NOT beat the best baseline, a: accuracy 0.8 against 0.81 (McNemar test, p = 0.9).",
        ),
        (
            0.8, {"a": 0.8}, {"a": 1.0},
            "The model does NOT beat the best baseline, a: accuracy 0.8 against 0.8 (McNemar test, p = 1).",
        ),
        (
            0.82, {"a": 0.81, "b": 0.8}, {"a": 0.05, "b": 0.001},
            "The model does NOT beat the best baseline, a, beyond chance: accuracy 0.82 against 0.81 "
            "(McNemar test, p = 0.05).",
        ),
        (
            0.82, {"a": 0.81}, {"a": 0.0499},
            "The model beats the best baseline, a: accuracy 0.82 against 0.81 (McNemar test, p = 0.05).",
        ),
        (0.9, {}, {}, "No baseline was run, so this table does not tell whether the model is any good."),
        (
            0.0, {"a": 0.0}, {"a": 1.0},
            "The model does NOT beat the best baseline, a: accuracy 0 against 0 (McNemar test, p = 1).",
        ),
    ],
)  # fmt: skip
def test_the_verdict_is_one_plain_sentence(model, others, p_values, expected):
    assert said(model, others, p_values) == expected


# --- a whole evaluation, with a model that is a table ---


class Table:
    """Answers with the logits that stand in the text."""

    temperature = 2.0

    def logits(self, texts):
        """As a served model: already divided by the temperature."""
        return np.array([[float(number) for number in text.split()] for text in texts]) / self.temperature

    def skip_logits(self, texts):
        """There is no linear skip."""


def written(rows, separator=None):
    """Rows of logits and labels as the part `all`."""
    table = pd.DataFrame(
        {"text": [" ".join(map(str, logits)) for logits, _ in rows], "label": [row[1] for row in rows]}
    )
    return data.load_whole(table, Config(label_separator=separator), NAMES)


ROWS = [((4, 0, -2), "bad"), ((1, 3, 0), "fine"), ((0, 2, 1), "good"), ((-1, -3, 6), "good"), ((2, 1, 0), "bad")]
SHARES = np.array([0.5, 0.3, 0.2])


def test_an_evaluation_holds_what_its_parts_say():
    splits = written(ROWS)
    found = evaluation.evaluate(Table(), splits, "all", Baselines(SHARES))
    logits, targets = np.array([row[0] for row in ROWS]), np.array([0, 1, 2, 2, 0])
    np.testing.assert_allclose(found.probabilities["model"], softmax(logits / 2, axis=1))
    np.testing.assert_allclose(found.probabilities[MAJORITY], np.tile(SHARES, (5, 1)))
    np.testing.assert_array_equal(found.targets, targets)
    metrics = found.metrics
    assert list(metrics) == [
        "split", "texts", "methods", "verdict", "mcnemar", "interval", "calibration_error_before", "by_class",
        "confusion", "notes", "strengths",
    ]  # fmt: skip
    assert (metrics["split"], metrics["texts"], metrics["notes"], metrics["strengths"]) == ("all", 5, [], {})
    assert metrics["methods"]["model"]["accuracy"] == 0.8
    assert metrics["methods"][MAJORITY]["accuracy"] == 0.4
    before = temperature.calibration_error(softmax(logits, axis=1), targets, False)
    assert metrics["calibration_error_before"] == pytest.approx(before)
    assert metrics["confusion"] == [[2, 0, 0], [0, 1, 0], [0, 1, 1]]
    # The model alone has two texts right, the baseline none: 2 × 1 / 2^2.
    assert metrics["mcnemar"] == {MAJORITY: {"p_value": 0.5, "only_model": 2, "only_baseline": 0}}
    assert metrics["verdict"] == (
        f"The model does NOT beat the best baseline, {MAJORITY}, beyond chance: accuracy 0.8 against 0.4 "
        "(McNemar test, p = 0.5)."
    )


def test_a_model_alone_is_told_so():
    metrics = evaluation.evaluate(Table(), written(ROWS), "all", None).metrics
    assert list(metrics["methods"]) == ["model"]
    assert metrics["verdict"] == "No baseline was run, so this table does not tell whether the model is any good."
    assert "strengths" not in metrics


def test_predictions_stand_beside_their_references():
    splits = written(ROWS)
    found = evaluation.evaluate(Table(), splits, "all", Baselines(SHARES))
    table = evaluation.prediction_table(found, splits, "all")
    assert table.columns.tolist() == ["id", "reference", "answer", "loss", "probability", MAJORITY]
    assert table["id"].tolist() == [f"row {row}" for row in range(5)]
    assert table["reference"].tolist() == ["bad", "fine", "good", "good", "bad"]
    assert table["answer"].tolist() == ["bad", "fine", "fine", "good", "bad"]
    assert table[MAJORITY].tolist() == ["bad"] * 5
    probability = softmax(np.array([row[0] for row in ROWS]) / 2, axis=1)
    np.testing.assert_allclose(table["loss"], -np.log(probability[np.arange(5), [0, 1, 2, 2, 0]]))
    np.testing.assert_allclose(table["probability"], probability.max(axis=1))
    assert table["loss"].mean() == pytest.approx(found.metrics["methods"]["model"]["log_loss"])


SEVERAL = [((4, 2, -2), "bad;fine"), ((-1, -3, -1), ""), ((0, 2, 1), "good;fine;bad"), ((-1, -3, 6), "good")]


def test_predictions_of_several_labels_name_all_that_are_likelier_than_not():
    splits = written(SEVERAL, ";")
    found = evaluation.evaluate(Table(), splits, "all", Baselines(np.array([0.7, 0.2, 0.6])))
    table = evaluation.prediction_table(found, splits, "all")
    assert [sorted(filter(None, cell.replace("|", ";").split(";"))) for cell in table["answer"]] == [
        ["bad", "fine"], [], ["fine", "good"], ["good"],
    ]  # fmt: skip
    assert found.metrics["methods"]["model"]["accuracy"] == 0.75
    assert found.metrics["confusion"] is None
    assert found.metrics["mcnemar"][MAJORITY] == {"p_value": 0.25, "only_model": 3, "only_baseline": 0}


def test_labels_of_predictions_are_joined_as_in_the_data():
    splits = written(SEVERAL, ";")
    table = evaluation.prediction_table(evaluation.evaluate(Table(), splits, "all", None), splits, "all")
    assert table["reference"].tolist() == ["bad;fine", "", "bad;fine;good", "good"]
