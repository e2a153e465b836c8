"""The report on the gradients of a run."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqapps import gradient_figures, report
from seqapps.recurrent.gradient_curves import Curve, Gate, GradientFlow
from seqapps.recurrent.gradient_flow import Probe

SHOWN = 3  # rows whose gates are shown


def write(path: Path, name: str, told: dict[str, Any], flows: tuple[GradientFlow, GradientFlow], probe: Probe) -> None:
    """Write the page: advice, lags, curves, the course of the training, gates.

    Args:
        path: Of the file.
        name: Of the run.
        told: As `gradients.json`.
        flows: At the start and at the end of the training.
        probe: What was measured.
    """
    sections = [_lag_section(told), *_curve_sections(flows), _training_section(told), *_gate_sections(flows[1], probe)]
    report.write(path, f"Gradients of {name}", sections)


def lag_table(told: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells: where every gradient vanishes, before and after training."""
    rows = []
    for start, end in zip(told["curves"]["start"], told["curves"]["end"], strict=True):
        lags = [_lag(each) for each in (start, end)]
        rows.append([f"layer {start['layer'] + 1}, {start['direction']}, {start['state']}", *lags, _growth(end)])
    return ["", "at the start", "at the end", "largest / lag 0, at the end"], rows


def _lag(curve: dict[str, Any]) -> str:
    if None in curve["norms"]:
        return "not finite"
    known = max((lag for lag, start in enumerate(curve["starts"]) if start), default=0)
    return f"not within {known}" if curve["vanishes_at"] is None else str(curve["vanishes_at"])


def _growth(curve: dict[str, Any]) -> str:
    return "not finite" if curve["growth"] is None else report.number(curve["growth"])


def _lag_section(told: dict[str, Any]) -> report.Section:
    section = report.Section("How far back gradients reach")
    for sentence in told["advice"]:
        section.paragraph(sentence, "verdict")
    section.table(*lag_table(told))
    limit = told["truncation_steps"]
    cut = "" if limit is None else f" Training sends no gradient further back than truncation_steps, {limit}."
    return section.paragraph(
        "The first lag at which the norm of the loss gradient is below 1 % of what the same rows have at lag 0, in "
        "steps before the place where a direction ends. h and c are the states after a step, input is what the layer "
        "read. Mean over "
        f"{told['rows']} rows of the {told['split']} part; a loss that reads the outputs of all steps is only followed "
        f"into the last one of each direction.{cut}",
        "note",
    )


def _curve_sections(flows: Sequence[GradientFlow]) -> list[report.Section]:
    """The norms by lag, before and after training."""
    sections = []
    for moment, flow in zip(("start", "end"), flows, strict=True):
        section = report.Section(f"Gradients by lag at the {moment} of training")
        for kind, is_input in (("states", False), ("inputs", True)):
            own = [each for each in flow.curves if (each.state == "input") == is_input]
            figure = gradient_figures.flow_figure({_name(each): _drawn(each) for each in own})
            section.paragraph(f"With respect to the {kind} of every layer:")
            section.figure(figure, f"Gradients of the {kind} by lag at the {moment}")
        sections.append(section)
    return sections


def _name(curve: Curve) -> str:
    return f"layer {curve.layer + 1}, {curve.direction}, {curve.state}"


def _drawn(curve: Curve) -> Sequence[float]:
    """Shares; of a curve without a gradient the norms, which are zero."""
    return curve.shares if curve.norms[0] else curve.norms


def _training_section(told: dict[str, Any]) -> report.Section:
    section = report.Section("Gradients while training")
    history, limit = told["history"], told["clip_norm"]
    if not history:
        return section.paragraph("The history of this run holds no norms of gradients: train it anew to see them.")
    section.figure(gradient_figures.norm_figure(history, limit), "Norm of the gradient by epoch")
    share = sum(row["clipped_share"] for row in history) / len(history)
    clipped = "No limit was set (clip_norm none)." if limit is None else f"{share:.1%} of the steps were clipped."
    return section.paragraph(f"Norm over all weights before clipping. {clipped}", "note")


def _gate_sections(flow: GradientFlow, probe: Probe) -> list[report.Section]:
    """Heat maps of the gates over the first rows that were measured, after training."""
    if not flow.gates:
        return [report.Section("Gates").paragraph("A simple_rnn has no gates.")]
    sections = []
    for row in range(min(SHOWN, len(probe.names))):
        section = report.Section(f"Gates, row {row + 1} of those measured")
        for layer, direction in dict.fromkeys((gate.layer, gate.direction) for gate in flow.gates):
            own = [gate for gate in flow.gates if (gate.layer, gate.direction) == (layer, direction)]
            names, values = _of_row(own, row, probe.names[row])
            if names:
                section.paragraph(f"Layer {layer + 1}, {direction}:")
                figure = gradient_figures.gate_figure(values, names)
                section.figure(figure, f"Gates of layer {layer + 1}, {direction}, at every step")
        sections.append(section)
    sections[-1].paragraph(
        "Dark: open, light: shut. An open update gate of a GRU keeps the old state, an open forget gate of an LSTM the "
        "old c.",
        "note",
    )
    return sections


def _of_row(gates: Sequence[Gate], row: int, names: Sequence[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    """The real steps of a row: what was read, and what every gate let through."""
    values = {gate.name: np.asarray(gate.values[row]) for gate in gates}  # (steps, units)
    real = [step for step in range(len(names)) if not math.isnan(next(iter(values.values()))[step, 0])]
    return [names[step] for step in real], {name: each[real] for name, each in values.items()}
