"""Figures and sections of the language model's report."""

import html
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqapps import report
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.data import Splits
from seqapps.tasks.generation.evaluation import METRICS, MODEL, OWN, Evaluation
from seqapps.text.kinds import END, START
from seqapps.training import Progress

SHOWN = 4  # windows and samples of a kind
LONGEST_SHOWN = 1200  # characters of a text


def write_report(
    path: Path, config: Config, splits: Splits, evaluation: Evaluation, table: pd.DataFrame, progress: Progress
) -> None:
    """Write `report.html`: verdict and table first, then samples, where the model is good and bad, training."""
    sections = [_score_section(evaluation), *_sample_sections(evaluation), _place_section(evaluation)]
    sections.append(_window_section(table, evaluation))
    curves = report.curves(progress.history, progress.best_epoch, averaged=config.average_weights > 0)
    training = report.Section("Training").figure(curves, "Training and validation loss")
    training.paragraph("Nats per token; of a sampled softmax the training loss is that of the sample.", "note")
    options = {name: value for name, value in config.to_dict().items() if value is not None}
    training.paragraph("Options: " + ", ".join(f"{name} {value}" for name, value in options.items()), "note")
    report.write(path, f"Language model of {splits.parts['train'].documents.name}", [*sections, training])


def _score_section(evaluation: Evaluation) -> report.Section:
    metrics = evaluation.metrics
    section = report.Section(f"Scores on the {metrics['split']} part")
    wins = metrics["verdict"].startswith("The model beats")
    section.paragraph(metrics["verdict"], "verdict" if wins else "verdict loses")
    best = report.best_rows(metrics["methods"], METRICS, {})
    section.table(*report.score_table(metrics["methods"], METRICS), best=best, own=0)
    section.paragraph(
        f"{metrics['tokens']} tokens, {metrics['characters']} characters, {metrics['bytes']} bytes, "
        f"{metrics['documents']} document(s). All scores are better when lower. The model and the baselines read on "
        f"through the part; fresh windows of {metrics['window']} tokens are read without what came before but for one "
        "token.",
        "note",
    )
    if metrics["unknown_tokens"]:
        section.paragraph(
            f"{metrics['unknown_tokens']} tokens are not in the vocabulary. Each counts as one and the same token, "
            "which is easier to predict than the word, so scores per character and byte look better than they are.",
            "note",
        )
    for note in metrics["notes"]:
        section.paragraph(f"Note: {note}")
    return section


def _sample_sections(evaluation: Evaluation) -> list[report.Section]:
    section = report.Section("Written texts")
    rows = []
    for temperature, told in evaluation.metrics["samples"].items():
        shares = [f"{told[f'distinct_{length}']:.0%}" for length in range(1, 5)]
        rows.append([temperature, *shares, str(told.get("longest_copied_tokens", "–"))])
    searched = next(iter(evaluation.metrics["samples"].values())).get("searched_tokens", 0)
    header = ["temperature", *(f"distinct {length}-grams" for length in range(1, 5)), "longest copied, tokens"]
    section.table(header, rows)
    section.paragraph(
        "Shares of different n-grams among all of them, and the longest run of tokens that also stands in the training "
        f"text (of which {searched} tokens were searched), in texts that were written from nothing.",
        "note",
    )
    for temperature, texts in evaluation.samples.items():
        section.paragraph(f"Temperature {temperature}:", "note")
        section.blocks += [_quoted(text) for text in texts[: SHOWN // 2]]
    return [section]


def _place_section(evaluation: Evaluation) -> report.Section:
    """Loss by the distance from where reading began."""
    nats, window = evaluation.nats, evaluation.metrics["window"]
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    starts = evaluation.encoded.starts
    place = np.concatenate([np.arange(size) for size in np.diff(starts)])
    ids = evaluation.encoded.token_ids
    counted = (ids != START) & (ids != END)
    for number, (method, each) in enumerate(nats.items()):
        position = (place[counted] - 1) % window
        total = np.bincount(position, -each[counted], minlength=window)
        count = np.bincount(position, minlength=window)
        groups = 2 ** np.arange(int(np.log2(window)) + 1)
        means = [
            total[low:high].sum() / count[low:high].sum() if count[low:high].any() else np.nan
            for low, high in zip([0, *groups[:-1]], groups, strict=True)
        ]
        style = "-" if method in OWN else "--"
        axes.plot(groups, means, style, color=report.COLORS[number % len(report.COLORS)], label=method, marker=".")
    axes.set_xscale("log", base=2)
    axes.set_xlabel(f"tokens since the start of a window of {window}")
    axes.set_ylabel("nats per token")
    axes.legend(frameon=False, fontsize=8)
    section = report.Section("What the text before is worth").figure(figure, "Loss by the place in a window")
    return section.paragraph(
        "Fresh windows know nothing of what came before them, so their loss falls as they go on; where it meets that "
        "of the model that reads on, the text from further back no longer helps it.",
        "note",
    )


def _window_section(table: pd.DataFrame, evaluation: Evaluation) -> report.Section:
    section = report.Section("Through the text")
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    names = {"loss": MODEL} | {method: method for method in evaluation.nats if method not in OWN}
    for number, (column, label) in enumerate(names.items()):
        axes.plot(table[column].to_numpy(), color=report.COLORS[number], label=label, linewidth=1)
    axes.set_xlabel(f"window of {evaluation.metrics['window']} tokens")
    axes.set_ylabel("nats per token")
    axes.legend(frameon=False, fontsize=8)
    section.figure(figure, "Loss of every window, in the order of the text")
    order = np.argsort(-table["loss"].to_numpy(), kind="stable")
    for heading, rows in (("Hardest", order[: SHOWN // 2]), ("Easiest", order[::-1][: SHOWN // 2])):
        for place, loss, text in table.iloc[rows][["id", "loss", "reference"]].to_numpy().tolist():
            section.paragraph(f"{heading}: {place}, {loss:.3f} nats per token", "note")
            section.blocks.append(_quoted(text))
    return section


def _quoted(text: str) -> str:
    """A text as HTML, its lines kept."""
    shown = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
    return f'<p class="quote">{html.escape(shown)}</p>'
