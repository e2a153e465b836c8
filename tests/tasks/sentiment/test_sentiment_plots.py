"""The report shows what was confused, what speaks for an answer, and says which of it is shown."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from seqapps import report
from seqapps.tasks.sentiment import data, evaluation, plots
from seqapps.tasks.sentiment.baselines import Baselines
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.explain import Explanation
from seqapps.tasks.sentiment.model import build_model
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import tokenizers

NAMES = ("bad", "fine", "good")
SEVERAL = [
    ("a", (4, 2, -2), "bad;fine"),
    ("b", (-1, -3, -1), "good"),
    ("c", (-9, 2, 1), "good;fine"),
    ("d", (9, 9, 9), ""),
]


class Table:
    """Answers with the logits that belong to a text."""

    temperature = 1.0

    def __init__(self, rows):
        self.rows = {text: logits for text, logits, _ in rows}

    def logits(self, texts):
        return np.array([self.rows[text] for text in texts], float)

    def skip_logits(self, texts):
        """There is no linear skip."""


def evaluated(rows, classes=NAMES, separator=None, baselines=None):
    """What a model says of the rows: text, logits and label."""
    frame = pd.DataFrame([(text, label) for text, _, label in rows], columns=["text", "label"])
    splits = data.load_whole(frame, Config(label_separator=separator), classes)
    return evaluation.evaluate(Table(rows), splits, "all", baselines), splits


def cells(page):
    """The rows of a table."""
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", page)]


# --- scores ---


def test_regressions_are_spoken_of_only_where_there_are_some():
    rows = [("a", (1, 0, 0), "bad"), ("b", (0, 1, 0), "good")]
    assert plots.REGRESSIONS == (
        " The strength of every logistic regression was chosen on validation, and its probabilities were scaled there "
        "as the model's were."
    )
    for baselines in (None, Baselines(np.full(3, 1 / 3))):
        page = "".join(plots._score_section(evaluated(rows, baselines=baselines)[0]).blocks)
        assert "ROC-AUC are means over classes.</p>" in page
        assert "regression" not in page
        assert "skip" not in page


# --- classes ---


def test_few_classes_are_shown_as_a_matrix():
    found, splits = evaluated([("a", (1, 0, 0), "bad"), ("b", (0, 1, 0), "good")])
    blocks = plots._class_section(found, splits).blocks
    said = "Texts by their true class and the model&#x27;s answer; the colour is the share of the class."
    assert blocks[1] == f'<p class="note">{said}</p>'
    assert blocks[2].startswith('<img alt="Texts by true class and answer"')


def test_of_many_classes_the_most_frequent_confusions_are_shown(monkeypatch):
    monkeypatch.setattr(plots, "MOST_CONFUSIONS", 2)
    classes = tuple(f"class {number}" for number in range(plots.MOST_CLASSES + 1))
    answers = [(0, 0), (0, 3), (5, 1), (0, 3), (7, 2), (5, 1), (0, 3)]  # truth and answer
    rows = [
        (f"text {row}", np.eye(len(classes))[answer], classes[truth]) for row, (truth, answer) in enumerate(answers)
    ]
    said, table = plots._class_section(*evaluated(rows, classes)).blocks[1:]
    assert said == (
        '<p class="note">21 classes are too many for a matrix. These are the most frequent confusions: 2 of 3, with '
        "5 of 6 wrong answers.</p>"
    )
    assert cells(table) == [["truth", "answer", "texts"], ["class 0", "class 3", "3"], ["class 5", "class 1", "2"]]


def test_of_several_labels_each_is_shown_as_a_question():
    said, table = plots._class_section(*evaluated(SEVERAL, separator=";")).blocks[1:]
    assert said == '<p class="note">Every label is a question of its own: texts by truth and answer.</p>'
    assert cells(table) == [
        ["", "true positives", "false positives", "false negatives", "true negatives"],
        ["bad", "1", "1", "0", "2"],
        ["fine", "2", "1", "0", "1"],
        ["good", "1", "1", "1", "1"],
    ]


# --- texts ---


@pytest.fixture
def made():
    """A model with drawn weights and its preprocessing, which reads four tokens of a text."""

    def draw(separator):
        keras.utils.set_random_seed(3)
        scaling = Preprocessing(tokenizers.fit("word", ["a b c d"], 300, lowercase=True), NAMES, separator, 4)
        return build_model(Config(units=7, embedding_size=5), scaling.tokenizer.vocabulary_size, 3), scaling

    return draw


def test_of_several_labels_the_one_that_is_most_wrong_is_explained(made):
    wrong, doubtful = plots._text_sections(*evaluated(SEVERAL, separator=";"), *made(";"), None)
    said = [block for block in wrong.blocks if block.startswith('<p class="note">')]
    # The loss of "d" is 9 nats for every label; that of "b" is largest for "good", which it was not said to have.
    assert said[:2] == [
        '<p class="note">bad, fine, good, in truth none, row 3; explained: bad (100%)</p>',
        '<p class="note">none, in truth good, row 1; explained: good (27%)</p>',
    ]
    assert said[-1].startswith('<p class="note">Blue tokens speak for the explained label, orange ones against it:')
    # Of "c", 73 % for "good" is nearest to one half; of "b" it is 27 %, for "bad" first.
    assert sorted(doubtful.blocks[:4:2]) == [
        '<p class="note">fine, good, in truth fine, good, row 2; explained: good (73%)</p>',
        '<p class="note">none, in truth good, row 1; explained: bad (27%)</p>',
    ]


def test_of_one_label_the_answer_is_explained(made):
    rows = [("a b c d e", (3, 0, 0), "good"), ("b", (2, 0, 0), "bad")]
    wrong, _ = plots._text_sections(*evaluated(rows), *made(None), None)
    assert wrong.blocks[0] == '<p class="note">bad (91%), in truth good, row 0</p>'
    assert re.sub(r"<.*?>", "", wrong.blocks[1]) == "a b ‖ d [e]"  # the middle was not read
    assert re.sub(r"<.*?>", "", wrong.blocks[3]) == "b"
    assert wrong.blocks[-1] == (
        '<p class="note">Blue tokens speak for the answer, orange ones against it: integrated gradients of its logit. '
        "Tokens in brackets are not in the vocabulary. Of a long text the strongest tokens are shown with their "
        "neighbours; … stands for what is left out here, ‖ for what the model did not read.</p>"
    )


@pytest.mark.parametrize(("most", "expected"), [(1, "a ‖"), (2, "a ‖ e"), (3, "a b ‖ e"), (5, "a b c d e")])
def test_a_text_that_was_cut_is_marked_where_it_was(made, most, expected):
    scaling = Preprocessing(made(None)[1].tokenizer, NAMES, None, most)
    tokens = scaling.cut(tf.ragged.constant([["a", "b", "c", "d", "e"]]))[0].numpy()
    explanation = Explanation([token.decode() for token in tokens], np.ones(len(tokens)), 1.0)
    page = plots._coloured(explanation, plots._cut_at(scaling, "a b c d e"))
    assert re.sub(r"<.*?>", "", page) == expected


def test_tokens_are_coloured_by_sign_and_size():
    page = plots._coloured(Explanation(["good", "<b>", "bad"], np.array([0.2, 0.0, -0.4]), -0.2))
    assert page == (
        '<p><span style="background:rgba(31,111,180,0.38)">good</span> '
        '<span style="background:rgba(194,87,26,0.00)">&lt;b&gt;</span> '
        '<span style="background:rgba(194,87,26,0.75)">bad</span></p>'
    )
    assert plots._coloured(Explanation([], np.zeros(0), 0.0)) == "<p>(no token)</p>"


def shown(attributions, cut=None):
    """The positions of a long text that the report shows, and what it writes where it leaves tokens out."""
    tokens = [str(position) for position in range(len(attributions))]
    page = plots._coloured(Explanation(tokens, attributions, 0.0), cut)
    return re.sub(r"<.*?>", "", page).split()


def test_of_a_long_text_the_strongest_tokens_are_shown_with_their_neighbours(monkeypatch):
    monkeypatch.setattr(plots, "LONGEST_SHOWN", 14)
    attributions = np.full(101, 0.1)
    attributions[[50, 97]] = [-0.9, 0.8]
    assert plots.CONTEXT == 5
    assert shown(attributions) == ["…", *map(str, range(45, 56)), "…"]  # no room for the second one
    monkeypatch.setattr(plots, "LONGEST_SHOWN", 20)
    both = ["…", *map(str, range(45, 56)), "…", *map(str, range(92, 101))]
    assert shown(attributions) == both
    assert shown(attributions, cut=51) == [*both[:7], "‖", *both[7:]]
    assert shown(attributions, cut=60) == [*both[:13], "‖", "…", *both[13:]]


def test_a_long_explanation_is_cut_in_the_report():
    count = plots.LONGEST_SHOWN
    assert shown(np.ones(count)) == [str(position) for position in range(count)]
    drawn = shown(np.random.default_rng(0).normal(size=3 * count))
    assert count - 2 * plots.CONTEXT <= len([word for word in drawn if word != plots.LEFT_OUT]) <= count
    assert plots.LEFT_OUT in drawn
    assert report.COLORS[0] == "#1f6fb4"  # which is 31, 111, 180
