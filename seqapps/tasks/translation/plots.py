"""Figures and sections of the translator's report."""

from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqapps import report
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.evaluation import METRICS, MODEL, Evaluation
from seqapps.tasks.translation.serving import Served
from seqapps.training import Progress

SHOWN = 5  # translations of a kind
MAPS, CANDIDATES = 4, 100  # heat maps, and translations that they are chosen from
MOST_TOKENS = 30  # of a sentence in a heat map
BEST = 1e9  # which the highest value of a metric comes nearest to


def write_report(
    path: Path, config: Config, evaluation: Evaluation, table: pd.DataFrame, progress: Progress, served: Served
) -> None:
    """Write `report.html`: verdict and table first, then translations, attention, lengths, training."""
    sections = [_score_section(evaluation), _sample_section(table)]
    if config.attention != "none":
        sections.append(_attention_section(evaluation, served))
    sections += [_length_section(evaluation), _training_section(config, progress)]
    report.write(path, f"Translator, {evaluation.metrics['split']} part", sections)


def _score_section(evaluation: Evaluation) -> report.Section:
    metrics = evaluation.metrics
    section = report.Section(f"Scores on the {metrics['split']} part")
    wins = metrics["verdict"].startswith("The model beats")
    section.paragraph(metrics["verdict"], "verdict" if wins else "verdict loses")
    best = report.best_rows(metrics["methods"], METRICS, dict.fromkeys(METRICS, BEST))
    section.table(*report.score_table(metrics["methods"], METRICS), best=best, own=0)
    section.paragraph(
        f"{metrics['pairs']} pairs. All scores are better when higher; BLEU and chrF go from 0 to 100. sacrebleu: "
        f"{metrics['signatures']['bleu']}; {metrics['signatures']['chrf']}. Length penalty "
        f"{metrics['decoding']['length_penalty']:g}, chosen on the validation part. The references cost the model "
        f"{metrics['nats_per_character']:.3f} nats per character.",
        "note",
    )
    for note in metrics["notes"]:
        section.paragraph(f"Note: {note}")
    return section


def _sample_section(table: pd.DataFrame) -> report.Section:
    """The first translations, the worst and the best, with what was expected."""
    section = report.Section("Translations")
    order = np.argsort(table["chrf"].to_numpy(), kind="stable")
    kinds = {"The first ones": np.arange(min(SHOWN, len(table))), "The worst, by chrF": order[:SHOWN]}
    for heading, rows in (kinds | {"The best, by chrF": order[::-1][:SHOWN]}).items():
        section.paragraph(f"{heading}:", "note")
        chosen = table.iloc[rows]
        cells = [
            [*map(str, row), f"{chrf:.0f}"]
            for row, chrf in zip(
                chosen[["source", "answer", "reference"]].to_numpy().tolist(), chosen["chrf"], strict=True
            )
        ]
        section.table(["source", "translation", "reference", "chrF"], cells, texts=True)
    return section


def _attention_section(evaluation: Evaluation, served: Served) -> report.Section:
    """Where the decoder looked, for some translations of a readable length."""
    section = report.Section("Where attention looked")
    shown = 0
    for source, answer in islice(zip(evaluation.sources, evaluation.answers[MODEL], strict=True), CANDIDATES):
        if shown == MAPS:
            break
        read, written, weights = served.align(source, answer)
        if not 3 <= len(written) <= MOST_TOKENS or len(read) > MOST_TOKENS or not all(written):
            continue
        shown += 1
        section.figure(_heat_map(read, written, weights), f"Attention while translating “{source}” as “{answer}”")
    if not shown:
        return section.paragraph(f"None of the first translations has 3 to {MOST_TOKENS} tokens.", "note")
    return section.paragraph(
        "Each row is a token of the translation, and its colours say how much each token of the source weighed when it "
        "was chosen: the darker, the more. A row adds up to 1. <end> is where the source ends.",
        "note",
    )


def _heat_map(read: list[str], written: list[str], weights: np.ndarray) -> Figure:
    figure = Figure(figsize=(1.5 + 0.36 * len(read), 1.2 + 0.3 * len(written)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(read)), [_shown(token) for token in read], rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(written)), [_shown(token) for token in written], fontsize=8)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _shown(token: str) -> str:
    """A token as a label: a leading blank shows as ·, so that it can be told where words begin."""
    return token.replace(" ", "·").replace("\n", "⏎").replace("$", r"\$")


def _length_section(evaluation: Evaluation) -> report.Section:
    section = report.Section("By the length of the source")
    groups = evaluation.metrics["by_length"]
    methods = list(evaluation.answers)
    rows = [
        [f"{group['from']} to {group['to']}", str(group["pairs"])] + [report.number(group["bleu"][m]) for m in methods]
        for group in groups
    ]
    section.table(["characters", "pairs", *(f"BLEU, {method}" for method in methods)], rows)
    return section


def _training_section(config: Config, progress: Progress) -> report.Section:
    section = report.Section("Training")
    curves = report.curves(progress.history, progress.best_epoch, averaged=config.average_weights > 0)
    section.figure(curves, "Training and validation loss")
    figure = Figure(figsize=(7.5, 2.6))
    axes = figure.subplots()
    epochs = [row["epoch"] for row in progress.history]
    axes.plot(epochs, [row["val_bleu"] for row in progress.history], marker=".", color=report.COLORS[1])
    axes.axvline(progress.best_epoch, color="#999999", linestyle=":")
    axes.set_xlabel("epoch")
    axes.set_ylabel("BLEU, greedy")
    section.figure(figure, "BLEU of the validation part after every epoch")
    section.paragraph(
        "Losses are nats per token, mean over batches, with the smoothing of labels. The epoch with the highest BLEU "
        "on the validation part, of the likeliest token at every step, was kept.",
        "note",
    )
    options = {name: value for name, value in config.to_dict().items() if value is not None}
    return section.paragraph("Options: " + ", ".join(f"{name} {value}" for name, value in options.items()), "note")
