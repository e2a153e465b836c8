"""Figures and sections of the classification report."""

import html
from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure

from seqapps import report
from seqapps.tasks.sentiment import temperature
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.data import Splits
from seqapps.tasks.sentiment.evaluation import LOWER_IS_BETTER, METRICS, MODEL, Evaluation
from seqapps.tasks.sentiment.evaluation.scores import indicators, losses
from seqapps.tasks.sentiment.explain import Explanation, explain
from seqapps.tasks.sentiment.preprocessing import Preprocessing

SHOWN = 8  # texts of a kind
LONGEST_SHOWN = 120  # tokens of a text
MOST_CLASSES = 20  # in the figure of the confusion matrix


def write_report(
    path: Path,
    config: Config,
    splits: Splits,
    evaluation: Evaluation,
    model: keras.Model,
    preprocessing: Preprocessing,
    history: Sequence[Mapping[str, float]],
    best_epoch: int,
) -> None:
    """Write `report.html`: verdict and table first, then classes, calibration, texts with their reasons, training."""
    sections = [_score_section(evaluation), _class_section(evaluation, splits), _calibration_section(evaluation)]
    sections += _text_sections(evaluation, splits, model, preprocessing)
    training = report.Section("Training").figure(report.curves(history, best_epoch), "Training and validation loss")
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
        "macro F1 and ROC-AUC are means over classes. The strength of every logistic regression was chosen on "
        "validation, and its probabilities were scaled there as the model's were.",
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
    confusion = evaluation.metrics["confusion"]
    if confusion is not None and len(splits.classes) <= MOST_CLASSES:
        section.figure(_confusion_figure(np.array(confusion), splits.classes), "Texts by true class and answer")
    return section


def _confusion_figure(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    size = 2.2 + 0.55 * len(classes)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        color = "white" if shares[row, column] > 0.55 else "#1d2733"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(classes)), classes, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    return figure


def _calibration_section(evaluation: Evaluation) -> report.Section:
    metrics = evaluation.metrics
    multi_label = evaluation.targets.ndim == 2
    sure = temperature.certainties(evaluation.probabilities[MODEL], evaluation.targets, multi_label)
    share, certainty, true = zip(*temperature.bins(*sure), strict=True)
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linestyle=":", label="as sure as right")
    axes.scatter(certainty, true, s=[12 + 400 * each for each in share], color=report.COLORS[0], label="answers")
    axes.set_xlabel("certainty of the answer")
    axes.set_ylabel("share that is right")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    section = report.Section("Calibration").figure(figure, "Certainty of answers against the share that is right")
    before, after = metrics["calibration_error_before"], metrics["methods"][MODEL]["calibration_error"]
    return section.paragraph(
        f"Calibration error {before:.4f} before the temperature that was fitted on validation, {after:.4f} with it. "
        "The area of a point is its share of the answers.",
        "note",
    )


def _text_sections(
    evaluation: Evaluation, splits: Splits, model: keras.Model, preprocessing: Preprocessing
) -> list[report.Section]:
    """The most wrong and the least certain texts, each token coloured by what it says."""
    split, own = evaluation.metrics["split"], evaluation.probabilities[MODEL]
    loss = losses(own, evaluation.targets, splits.multi_label)
    doubt = np.abs(own - 0.5).min(axis=1) if splits.multi_label else own.max(axis=1)
    sections = []
    for heading, order in (("Most wrong", np.argsort(-loss)), ("Least certain", np.argsort(doubt))):
        chosen = np.sort(order[:SHOWN])
        marks = np.zeros(len(loss), bool)
        marks[chosen] = True
        texts = dict(zip(chosen, compress(splits.rows(split), marks), strict=True))
        section = report.Section(f"{heading} texts")
        for position in order[:SHOWN]:
            label = int(own[position].argmax())
            truth = indicators(evaluation.targets[position : position + 1], len(splits.classes))[0]
            true = ", ".join(name for name, is_true in zip(splits.classes, truth, strict=True) if is_true) or "none"
            said = f"{splits.classes[label]} ({own[position, label]:.0%}), in truth {true}, {texts[position].place}"
            section.paragraph(said, "note")
            section.blocks.append(_coloured(explain(model, preprocessing, texts[position].text, label)))
        section.paragraph(
            "Blue tokens speak for the answer, orange ones against it: integrated gradients of its logit. "
            "Tokens in brackets were not in the training texts.",
            "note",
        )
        sections.append(section)
    return sections


def _coloured(explanation: Explanation) -> str:
    """A text as HTML, every token on the colour of its attribution."""
    largest = max(np.abs(explanation.attributions).max(initial=0), 1e-9)
    spans = []
    pairs = zip(explanation.tokens[:LONGEST_SHOWN], explanation.attributions, strict=False)
    for token, value in pairs:
        color = "31,111,180" if value > 0 else "194,87,26"
        style = f"background:rgba({color},{0.75 * abs(value) / largest:.2f})"
        spans.append(f'<span style="{style}">{html.escape(token)}</span>')
    more = " …" if len(explanation.tokens) > LONGEST_SHOWN else ""
    return f"<p>{' '.join(spans) or '(no token)'}{more}</p>"
