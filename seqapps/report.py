"""One self-contained HTML page per run: text, tables and figures, nothing loaded from elsewhere."""

import base64
import html
import io
import logging
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from seqapps import run_folder
from seqapps.config import TaskConfig

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2733; background: #fff; max-width: 64rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.verdict { border-left: .35rem solid #2a7; background: #eefaf3; padding: .7rem 1rem; font-weight: 600; }
.verdict.loses { border-color: #c62; background: #fff3ec; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: .3rem .8rem; }
th { text-align: right; border-bottom: 2px solid #9ab; font-weight: 600; } td { text-align: right;
     border-bottom: 1px solid #dde4ea; } th:first-child, td:first-child { text-align: left; white-space: nowrap; }
table.texts th, table.texts td { text-align: left; white-space: normal; vertical-align: top; }
td.best { font-weight: 700; } tr.own { background: #f1f6fb; }
img { max-width: 100%; height: auto; } p.note { color: #55606c; font-size: .92rem; }
p.quote { white-space: pre-wrap; border-left: 2px solid #9ab; padding-left: .8rem; }
"""
# Fonts with the same box for every character, and with pictures in place of outlines, which matplotlib cannot draw.
UNSUITED = ("last resort", "lastresort", "color emoji")
WITHOUT_LOOK = {"Cc", "Cn", "Co", "Cs"}  # control characters and those that a font may give any meaning
COLORS = ("#1f6fb4", "#c2571a", "#6b7a88", "#8a5aa8", "#2f8f5b", "#b03a5b", "#8a7a1f")


@dataclass
class Section:
    """A heading with paragraphs, HTML blocks of tables and figures, in the order in which they were added."""

    heading: str
    blocks: list[str] = field(default_factory=list)

    def paragraph(self, text: str, css_class: str = "") -> "Section":
        """Add a paragraph of plain text."""
        attribute = f' class="{css_class}"' if css_class else ""
        self.blocks.append(f"<p{attribute}>{html.escape(text)}</p>")
        return self

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        best: Sequence[int | None] = (),
        own: int | None = None,
        texts: bool = False,
    ) -> "Section":
        """Add a table of formatted cells.

        Args:
            header: Names of the columns.
            rows: Cells.
            best: For every column the row to print bold, or `None`.
            own: The row of the run itself, which stands out.
            texts: Whether cells are sentences, which are read from the left.
        """
        head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
        body = []
        for number, row in enumerate(rows):
            marks = [' class="best"' if best and best[column] == number else "" for column in range(len(row))]
            cells = "".join(f"<td{mark}>{html.escape(cell)}</td>" for mark, cell in zip(marks, row, strict=True))
            attribute = ' class="own"' if number == own else ""
            body.append(f"<tr{attribute}>{cells}</tr>")
        kind = ' class="texts"' if texts else ""
        self.blocks.append(f'<div class="scroll"><table{kind}><tr>{head}</tr>{"".join(body)}</table></div>')
        return self

    def figure(self, figure: Figure, description: str) -> "Section":
        """Add a figure with a description for those who cannot see it, and below it which characters have no font."""
        image = io.BytesIO()
        with _quiet_fonts():
            missing = _find_fonts(figure)
            figure.savefig(image, format="png", dpi=120, bbox_inches="tight")
        encoded = base64.b64encode(image.getvalue()).decode()
        alt = html.escape(description, quote=True)
        self.blocks.append(f'<img alt="{alt}" src="data:image/png;base64,{encoded}">')
        if missing:
            shown = ", ".join(each if each.isprintable() else f"U+{ord(each):04X}" for each in sorted(missing))
            self.paragraph(f"Shown as boxes, because no installed font has them: {shown}.", "note")
        return self


@contextmanager
def _quiet_fonts() -> Iterator[None]:
    """Without what matplotlib says of characters and weights that a font lacks."""
    logger = logging.getLogger(font_manager.__name__)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
            yield
    finally:
        logger.setLevel(level)


def _find_fonts(figure: Figure) -> set[str]:
    """Give the texts of a figure fonts for what their own has not: matplotlib's has no Chinese, Thai or Devanagari.

    Returns:
        The characters that no font has.
    """
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        axis.get_ticklabels()  # which have no text before
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    wanted = {text: set(text.get_text()) - {"\n"} for text in texts}
    lacking = {text: characters - _drawn(text.get_fontfamily(), characters) for text, characters in wanted.items()}
    families, missing = _families_for(set().union(*lacking.values()))
    for text, characters in lacking.items():
        if characters:
            text.set_fontfamily([*text.get_fontfamily(), *families])
    return missing


def _families_for(characters: set[str]) -> tuple[list[str], set[str]]:
    """As few of the installed fonts as together have the characters, and those that none has."""
    left = {each for each in characters if unicodedata.category(each) not in WITHOUT_LOOK}
    names = {entry.name for entry in font_manager.fontManager.ttflist} if left else set()
    suited = sorted(name for name in names if not any(word in name.lower() for word in UNSUITED))
    drawn, families = {name: _drawn([name], left) for name in suited}, []
    missing = characters - set().union(*drawn.values())
    while left - missing:
        families.append(max(drawn, key=lambda name: len(drawn[name] & left)))
        left = left - drawn[families[-1]]
    return families, missing


def _drawn(families: Sequence[str], characters: set[str]) -> set[str]:
    """The characters that fonts have; a font that cannot be read has none."""
    found = set()
    for family in families:
        try:
            properties = font_manager.FontProperties(family=[family])
            font = font_manager.get_font(font_manager.findfont(properties, fallback_to_default=False))
        except (OSError, RuntimeError, ValueError):
            continue
        found |= {each for each in characters if font.get_char_index(ord(each))}
    return found


def write(path: str | Path, title: str, sections: Sequence[Section]) -> None:
    """Write the page."""
    body = "\n".join(
        f"<section><h2>{html.escape(section.heading)}</h2>\n" + "\n".join(section.blocks) + "</section>"
        for section in sections
    )
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )
    run_folder.write_text(path, page)


def number(value: float | None) -> str:
    """A number with four significant digits, or a dash where it is not defined.

    Example:

    >>> [number(value) for value in (0.123456, 1234.567, 0.00001234, None)]
    ['0.1235', '1235', '1.234e-05', '–']
    """
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def score_table(
    methods: Mapping[str, Mapping[str, float | None]], names: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a table of methods against metrics.

    Args:
        methods: Metrics of every method.
        names: The shown name of every metric.
    """
    rows = [[method, *(number(metrics[name]) for name in names)] for method, metrics in methods.items()]
    return ["", *names.values()], rows


def best_rows(
    methods: Mapping[str, Mapping[str, float | None]], names: Iterable[str], goals: Mapping[str, float]
) -> list[int | None]:
    """For every column of a score table the row that wins it; `None` for the first one and where nothing compares.

    Args:
        methods: Metrics of every method.
        names: The metrics.
        goals: The value that a metric should come nearest to; the smallest value wins the others.

    Example:

    >>> best_rows({"a": {"mae": 2, "coverage": 0.95}, "b": {"mae": 1, "coverage": 0.82}}, ["mae", "coverage"],
    ...           goals={"coverage": 0.9})
    [None, 1, 0]
    """
    best: list[int | None] = [None]
    for name in names:
        values = {row: value for row, each in enumerate(methods.values()) if (value := each[name]) is not None}
        ranks = {row: abs(value - goals[name]) if name in goals else value for row, value in values.items()}
        best.append(min(ranks, key=ranks.__getitem__) if len(ranks) > 1 else None)
    return best


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal.

    Example:

    >>> print(text_table(["", "MAE"], [["model", "1.5"], ["naive", "12"]]))
            MAE
    model   1.5
    naive    12
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def curves(history: Sequence[Mapping[str, float]], best_epoch: int, averaged: bool = False) -> Figure:
    """Training and validation loss by epoch, with the epoch that was kept; `averaged` weights are named as such."""
    figure = Figure(figsize=(7.5, 3.2))
    axes = figure.subplots()
    epochs = [row["epoch"] for row in history]
    validated = "validation, averaged weights" if averaged else "validation"
    for position, (name, label) in enumerate((("loss", "training"), ("val_loss", validated))):
        axes.plot(epochs, [row[name] for row in history], marker=".", color=COLORS[position], label=label)
    axes.axvline(best_epoch, color="#999999", linestyle=":", label=f"kept: epoch {best_epoch}")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return figure


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Counts of items by true class (rows) and answer (columns), on the colour of their share of the row."""
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


def calibration(bins: Iterable[tuple[float, float, float]]) -> Figure:
    """Certainty of answers against the share of them that is right, with what a calibrated model would show.

    Args:
        bins: For each its share of the answers, their mean certainty, and the share of them that is right.
    """
    share, certainty, true = zip(*bins, strict=True)
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linestyle=":", label="as sure as right")
    axes.scatter(certainty, true, s=[12 + 400 * each for each in share], color=COLORS[0], label="answers")
    axes.set_xlabel("certainty of the answer")
    axes.set_ylabel("share that is right")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.05)
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    return figure


def in_brief(config: TaskConfig) -> str:
    """The recurrence of a run, as its training begins.

    Example:

    >>> in_brief(TaskConfig(cell="lstm", units=(7, 5)))
    'lstm, 2 layer(s), units [7, 5]'
    """
    if config.control == "memoryless":
        return "a model without a recurrence"
    shuffled = ", on shuffled steps" if config.control == "shuffled" else ""
    return f"{config.cell}, {len(config.widths)} layer(s), units {list(config.widths)}{shuffled}"


def in_words(config: TaskConfig) -> str:
    """The recurrence of a run, as the beginning of a sentence.

    Example:

    >>> in_words(TaskConfig(cell="lstm", units=(7, 5)))
    'A lstm with 2 layer(s) of 7, 5 units in one direction'
    """
    if config.control == "memoryless":
        return "A model without a recurrence"
    direction = "two directions" if config.bidirectional else "one direction"
    shuffled = ", on steps in an order that tells nothing" if config.control == "shuffled" else ""
    widths = ", ".join(str(width) for width in config.widths)
    return f"A {config.cell} with {len(config.widths)} layer(s) of {widths} units in {direction}{shuffled}"
