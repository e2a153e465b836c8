"""Figures of gradients through time, of gates step by step, and of gradient norms while a network is trained."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from seqapps.recurrent.gradient_curves import VANISHED
from seqapps.report import COLORS

LOWEST = 1e-9  # of the norm at lag 0: what is drawn as the bottom of a figure
MOST_UNITS = 64  # of a layer that a heat map shows
NAMED_STEPS = 100  # of a heat map, beyond which only numbers stand below it


def flow_figure(curves: Mapping[str, Sequence[float]], unit: str = "steps") -> Figure:
    """The norm of the gradient by lag as a share of that of lag 0, one line per name, on a logarithmic scale.

    Args:
        curves: Norms by lag of the same rows, or `Curve.shares`. One that is zero or not finite at lag 0 has no shares
            and only stands in the legend, which says so.
        unit: What a lag counts.
    """
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots()
    lowest = VANISHED
    for number, (name, norms) in enumerate(curves.items()):
        shares, told = _shares(norms), ""
        if not norms or not norms[0] or not math.isfinite(norms[0]):
            told = " (no gradient)" if norms and not norms[0] else " (not finite)"
        line_style = ("-", "--", ":")[number // len(COLORS) % 3]
        color = COLORS[number % len(COLORS)]
        marker = "o" if len(shares) == 1 else None  # a line through one point cannot be seen
        axes.plot(range(len(shares)), shares, color=color, linestyle=line_style, marker=marker, label=f"{name}{told}")
        lowest = min([lowest, *(share for share in shares if share > 0)])
    axes.axhline(VANISHED, color="#999999", linewidth=0.8, linestyle=":", label=f"{VANISHED:.0%}")
    axes.set_yscale("log")
    axes.set_ylim(bottom=lowest / 2)
    axes.set_xlabel(f"lag ({unit} before the loss)")
    axes.set_ylabel("gradient, share of lag 0")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)
    return figure


def _shares(norms: Sequence[float]) -> list[float]:
    """Norms as shares of the first; what is too small to draw stands at the bottom, what is not finite leaves a gap."""
    if not norms or not norms[0] or not math.isfinite(norms[0]):
        return []
    return [max(norm / norms[0], LOWEST) if math.isfinite(norm) else math.nan for norm in norms]


def gate_figure(gates: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    """One heat map per gate over the steps of one row: dark where the gate is open, light where it is shut.

    Args:
        gates: For every gate `(steps, units)` between 0 and 1. Of more than 64 units those that change most from step
            to step are shown.
        names: `(steps,)` words that were read; of more than 100 only the numbers are shown.
    """
    figure = Figure(figsize=(min(18.0, 2.5 + 0.2 * len(names)), 2.3 * len(gates) + 0.5), layout="constrained")
    for axes, (name, values) in zip(np.ravel(figure.subplots(len(gates), 1)), gates.items(), strict=True):
        order = np.argsort(-values.std(axis=0), kind="stable")[:MOST_UNITS]
        units = np.sort(order)
        image = axes.imshow(values[:, units].T, aspect="auto", cmap="Blues", vmin=0, vmax=1)
        axes.set_ylabel(f"{name}\nunit")
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(partial(_unit_at, units)))
        if len(names) <= NAMED_STEPS:
            axes.set_xticks(range(len(names)), [_plain(word) for word in names], rotation=90, fontsize=7)
        figure.colorbar(image, ax=axes, fraction=0.02)
    return figure


def _unit_at(units: np.ndarray, row: float, _: int) -> str:
    """The number of the unit that a row of a heat map shows."""
    return str(units[round(row)]) if 0 <= round(row) < len(units) else ""


def _plain(word: str) -> str:
    """A word as a label: a space can be seen, and no dollar sign begins a formula."""
    return word.replace("\n", "⏎").replace(" ", "␣").replace("$", r"\$")


def norm_figure(history: Sequence[Mapping[str, float]], clip_norm: float | None) -> Figure:
    """The gradient's norm over all weights by epoch, mean and largest of its steps, with the limit if there is one."""
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epoch"] for row in history]
    for number, (column, label) in enumerate((("gradient_norm", "mean"), ("largest_gradient_norm", "largest"))):
        axes.plot(epochs, [row[column] for row in history], marker=".", color=COLORS[number], label=label)
    if clip_norm is not None:
        axes.axhline(clip_norm, color="#999999", linestyle=":", label=f"clip_norm {clip_norm:g}")
    if any(row["gradient_norm"] > 0 for row in history):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("norm before clipping")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)
    return figure
