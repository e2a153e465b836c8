"""Figures and sections of the classification report."""

import html
from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import report
from seqapps.classification import temperature
from seqapps.classification.scores import answered, losses
from seqapps.classification.temperature import indicators
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.data import Splits
from seqapps.tasks.sentiment.evaluation import LOWER_IS_BETTER, METRICS, MODEL, SKIP, Evaluation
from seqapps.tasks.sentiment.explain import Explanation, explain
from seqapps.tasks.sentiment.linear import LinearSkip
from seqapps.tasks.sentiment.preprocessing import Preprocessing

SKIP_TOLD = ", and what the linear skip says of the n-grams that it is in"
SHOWN = 8  # texts of a kind
LONGEST_SHOWN = 120  # tokens of a text
CONTEXT = 5  # tokens beside a strong one of a longer text
LEFT_OUT, CUT = "…", "‖"
MOST_CLASSES = 20  # in the figure of the confusion matrix
MOST_CONFUSIONS = 20  # in the table of more classes
REGRESSIONS = (
    " The strength of every logistic regression was chosen on validation, and its probabilities were scaled there as "
    "the model's were."
)
SKIP_ALONE = (
    f" Those of the {SKIP} were scaled on the training part, by regressions that had not seen the texts; the "
    "difference from the model is what the network adds."
)


def write_report(
    path: Path,
    config: Config,
    splits: Splits,
    evaluation: Evaluation,
    model: keras.Model,
    preprocessing: Preprocessing,
    skip: LinearSkip | None,
    history: Sequence[Mapping[str, float]],
    best_epoch: int,
) -> None:
    """Write `report.html`: verdict and table first, then classes, calibration, texts with their reasons, training."""
    sections = [_score_section(evaluation), _class_section(evaluation, splits), _calibration_section(evaluation)]
    sections += _text_sections(evaluation, splits, model, preprocessing, skip)
    curves = report.curves(history, best_epoch, averaged=config.average_weights > 0)
    training = report.Section("Training").figure(curves, "Training and validation loss")
    options = {name: value for name, value in config.to_dict().items() if value is not None}
    training.paragraph("Options: " + ", ".join(f"{name} {value}" for name, value in options.items()), "note")
    title = "Classification of texts: " + ", ".join(splits.classes[:6]) + (" …" if len(splits.classes) > 6 else "")
    report.write(path, title, [*sections, training])


def _score_section(evaluation: Evaluation) -> report.Section:
    metrics = evaluation.metrics
    scores = metrics["methods"]
    section = report.Section(f"Scores on the {metrics['split']} part")
    wins = metrics["verdict"].startswith("The model beats")
    section.paragraph(metrics["verdict"], "verdict" if wins else "verdict loses")
    goals = {name: 1.0 for name in METRICS if name not in LOWER_IS_BETTER}
    section.table(*report.score_table(scores, METRICS), best=report.best_rows(scores, METRICS, goals), own=0)
    low, high = metrics["interval"][MODEL]
    section.paragraph(
        f"{metrics['texts']} texts. The model's accuracy lies between {low:.4g} and {high:.4g} with 95 % confidence "
        "(bootstrap over texts). Log loss (nats) and calibration error are better when lower, the others when higher; "
        "macro F1 and ROC-AUC are means over classes."
        + (REGRESSIONS if metrics.get("strengths") else "")
        + (SKIP_ALONE if SKIP in scores else ""),
        "note",
    )
    for note in metrics["notes"]:
        section.paragraph(f"Note: {note}")
    return section


def _class_section(evaluation: Evaluation, splits: Splits) -> report.Section:
    section = report.Section("Classes")
    header = ["", "precision", "recall", "F1", "texts"]
    rows = [
        [name, *(report.number(each[key]) for key in ("precision", "recall", "f1")), str(each["texts"])]
        for name, each in evaluation.metrics["by_class"].items()
    ]
    section.table(header, rows)
    if splits.multi_label:
        return _label_table(section, evaluation, splits.classes)
    counts = np.array(evaluation.metrics["confusion"])
    if len(splits.classes) > MOST_CLASSES:
        return _confusion_table(section, counts, splits.classes)
    section.paragraph("Texts by their true class and the model's answer; the colour is the share of the class.", "note")
    return section.figure(report.confusion(counts, splits.classes), "Texts by true class and answer")


def _label_table(section: report.Section, evaluation: Evaluation, classes: Sequence[str]) -> report.Section:
    """For every label the texts that have it or not, and are said to have it or not."""
    said, true = answered(evaluation.probabilities[MODEL], True), evaluation.targets > 0
    counts = [(said & true), (said & ~true), (~said & true), (~said & ~true)]
    rows = [[name, *(str(each[:, number].sum()) for each in counts)] for number, name in enumerate(classes)]
    section.paragraph("Every label is a question of its own: texts by truth and answer.", "note")
    return section.table(["", "true positives", "false positives", "false negatives", "true negatives"], rows)


def _confusion_table(section: report.Section, counts: np.ndarray, classes: Sequence[str]) -> report.Section:
    """The pairs of classes that are taken for each other most often."""
    wrong = counts * ~np.eye(len(classes), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [pair for pair in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[pair]]
    rows = [[classes[truth], classes[answer], str(wrong[truth, answer])] for truth, answer in pairs]
    shown = sum(wrong[pair] for pair in pairs)
    section.paragraph(
        f"{len(classes)} classes are too many for a matrix. These are the most frequent confusions: {len(pairs)} of "
        f"{np.count_nonzero(wrong)}, with {shown} of {wrong.sum()} wrong answers.",
        "note",
    )
    return section.table(["truth", "answer", "texts"], rows)


def _calibration_section(evaluation: Evaluation) -> report.Section:
    metrics = evaluation.metrics
    multi_label = evaluation.targets.ndim == 2
    sure = temperature.certainties(evaluation.probabilities[MODEL], evaluation.targets, multi_label)
    figure = report.calibration(temperature.bins(*sure))
    section = report.Section("Calibration").figure(figure, "Certainty of answers against the share that is right")
    before, after = metrics["calibration_error_before"], metrics["methods"][MODEL]["calibration_error"]
    return section.paragraph(
        f"Calibration error {before:.4f} before the temperature that was fitted on validation, {after:.4f} with it. "
        "The area of a point is its share of the answers.",
        "note",
    )


def _text_sections(
    evaluation: Evaluation,
    splits: Splits,
    model: keras.Model,
    preprocessing: Preprocessing,
    skip: LinearSkip | None,
) -> list[report.Section]:
    """The most wrong and the least certain texts, each token coloured by what it says."""
    split, own = evaluation.metrics["split"], evaluation.probabilities[MODEL]
    loss, worst, nearest = losses(own, evaluation.targets, splits.multi_label), own.argmax(axis=1), own.argmax(axis=1)
    doubt = own.max(axis=1)
    if splits.multi_label:  # of every text, the class that is most wrong and the one that is least certain
        worst = np.where(evaluation.targets > 0, own, 1 - own).argmin(axis=1)
        nearest, doubt = np.abs(own - 0.5).argmin(axis=1), np.abs(own - 0.5).min(axis=1)
    sections = []
    for heading, order, explained in (
        ("Most wrong", np.argsort(-loss), worst),
        ("Least certain", np.argsort(doubt), nearest),
    ):
        marks = np.zeros(len(loss), bool)
        marks[order[:SHOWN]] = True
        texts = dict(zip(np.flatnonzero(marks), compress(splits.rows(split), marks), strict=True))
        section = report.Section(f"{heading} texts")
        for position in order[:SHOWN]:
            label, text = int(explained[position]), texts[position].text
            section.paragraph(_said(evaluation, splits, position, label, texts[position].place), "note")
            explanation = explain(model, preprocessing, text, label, skip)
            section.blocks.append(_coloured(explanation, _cut_at(preprocessing, text)))
        section.paragraph(
            f"Blue tokens speak for the {'explained label' if splits.multi_label else 'answer'}, orange ones against "
            f"it: integrated gradients of its logit{SKIP_TOLD if skip else ''}. Tokens in brackets are not in the "
            "vocabulary. Of a long text the strongest tokens are shown with their neighbours; "
            f"{LEFT_OUT} stands for what is left out here, {CUT} for what the model did not read.",
            "note",
        )
        sections.append(section)
    return sections


def _said(evaluation: Evaluation, splits: Splits, position: int, label: int, place: str) -> str:
    """Answer and truth of a text, and how likely the class is that is explained."""
    own, classes = evaluation.probabilities[MODEL], splits.classes
    truth = indicators(evaluation.targets[position : position + 1], len(classes))[0]
    true = ", ".join(compress(classes, truth)) or "none"
    if not splits.multi_label:
        return f"{classes[label]} ({own[position, label]:.0%}), in truth {true}, {place}"
    answer = ", ".join(compress(classes, answered(own[position : position + 1], True)[0])) or "none"
    return f"{answer}, in truth {true}, {place}; explained: {classes[label]} ({own[position, label]:.0%})"


def _cut_at(preprocessing: Preprocessing, text: str) -> int | None:
    """The token before which the middle of a long text was not read."""
    tokens = int(preprocessing.tokenizer.encode(tf.constant([text])).row_lengths()[0])
    return preprocessing.at_start if tokens > preprocessing.max_tokens else None


def _coloured(explanation: Explanation, cut: int | None = None) -> str:
    """A text as HTML, every token on the colour of its attribution.

    Args:
        explanation: Of the tokens that were read.
        cut: Position of the token before which the text goes on unread.
    """
    sizes = np.abs(explanation.attributions)
    shown, largest = _strongest(sizes), max(sizes.max(initial=0), 1e-9)  # the largest one is shown
    parts: list[str] = []
    for position, token in enumerate(explanation.tokens):
        if position == cut:
            parts.append(CUT)
        if shown[position]:
            color = "31,111,180" if explanation.attributions[position] > 0 else "194,87,26"
            style = f"background:rgba({color},{0.75 * sizes[position] / largest:.2f})"
            parts.append(f'<span style="{style}">{html.escape(token)}</span>')
        elif parts[-1:] != [LEFT_OUT]:
            parts.append(LEFT_OUT)
    if cut == len(explanation.tokens):  # of one token that is read, the rest is not
        parts.append(CUT)
    return f"<p>{' '.join(parts) or '(no token)'}</p>"


def _strongest(sizes: np.ndarray) -> np.ndarray:
    """`(tokens,)`, which ones are shown: the strongest ones with what stands beside them, as many as there is room."""
    shown = np.full(len(sizes), len(sizes) <= LONGEST_SHOWN)
    for position in np.argsort(-sizes, kind="stable"):
        beside = slice(max(position - CONTEXT, 0), position + CONTEXT + 1)
        if shown.sum() + (~shown[beside]).sum() > LONGEST_SHOWN:
            break
        shown[beside] = True
    return shown
