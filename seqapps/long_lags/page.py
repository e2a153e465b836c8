"""The report of a comparison on a long-lag problem."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seqapps import gradient_figures, report
from seqapps.long_lags import results
from seqapps.long_lags.config import Config
from seqapps.long_lags.training import SOLVED, STEPS_BETWEEN_MEASURES, TEST_ROWS, WORSE
from seqapps.problems import PROBLEMS


def write(path: Path, name: str, config: Config, stored: Mapping[str, Any]) -> None:
    """Write the page: verdict, losses by lag, truncations, gradients by lag, and every training."""
    sections = [_loss_section(name, config, stored["summary"])]
    if config.truncations:
        sections.append(_truncation_section(config, stored["summary"]))
    sections += _flow_sections(name, config, stored["trials"])
    sections.append(_training_section(name, config, stored["trials"]))
    report.write(path, f"{PROBLEMS[name].title.capitalize()}: at which lag each cell gives up", sections)


def _loss_section(name: str, config: Config, summed: Mapping[str, Any]) -> report.Section:
    section = report.Section("Longest solved lag").paragraph(results.verdict(name, config, summed), "verdict")
    section.table(*results.loss_rows(name, config, summed))
    problem = PROBLEMS[name]
    kind = "Nats per answer" if problem.classes else "Squared error"
    section.paragraph(
        f"{kind} on {TEST_ROWS} fresh sequences, mean over {len(config.seeds)} seed(s); lower is better. A lag counts "
        f"as solved if that is at most {SOLVED:.0%} of the loss of the best answer that does not depend on what is "
        "read, which is calculated. A cell that solves a lag with no seed is not trained on longer ones. "
        f"Source of the problem: {problem.source}.",
        "note",
    )
    return section.figure(_loss_figure(name, config, summed["none"]), "Loss by lag, beside the best fixed answer")


def _loss_figure(name: str, config: Config, rows: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    axes = figure.subplots()
    lags = sorted(config.lags)
    for number, (cell, row) in enumerate(rows.items()):
        losses = [math.nan if (loss := row["mean_loss"].get(str(lag))) is None else loss for lag in lags]
        axes.plot(lags, losses, marker="o", color=report.COLORS[number], label=cell)
    baseline = [PROBLEMS[name].baseline(lag) for lag in lags]
    axes.plot(lags, baseline, color="#999999", label="best fixed answer")
    axes.plot(lags, [SOLVED * each for each in baseline], color="#999999", linestyle=":", label="solved below")
    axes.set_yscale("log")
    axes.set_xlabel("lag (steps)")
    axes.set_ylabel("test loss")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _truncation_section(config: Config, summed: Mapping[str, Any]) -> report.Section:
    section = report.Section("Longest solved lag by truncation")
    section.table(*results.truncation_rows(config, summed))
    section.figure(_truncation_figure(config, summed), "Longest solved lag by truncation")
    return section.paragraph(
        "States always go on through the whole sequence. With a truncation, gradients only go back through so many "
        "steps, so nothing teaches a network to keep what was read before.",
        "note",
    )


def _truncation_figure(config: Config, summed: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(7.5, 3.0), layout="constrained")
    axes = figure.subplots()
    truncations = [*map(str, sorted(config.truncations)), "none"]
    for number, cell in enumerate(config.cells):
        longest = [summed[truncation][cell]["longest_solved_lag"] or 0 for truncation in truncations]
        line_style = ("-", "--", ":")[number % 3]  # cells often solve the same
        axes.plot(longest, marker="o", color=report.COLORS[number], linestyle=line_style, label=cell)
    axes.set_xticks(range(len(truncations)), [*truncations[:-1], "all steps"])
    axes.set_xlabel("steps through which gradients go back")
    axes.set_ylabel("longest solved lag (0: none)")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)
    return figure


def _flow_sections(name: str, config: Config, trials: results.Results) -> list[report.Section]:
    """Norms by lag at the start and the end, at the longest lag on which every cell was trained."""
    seed = config.seeds[0]
    lags = [lag for lag in config.lags if all(_key(name, cell, lag, seed) in trials for cell in config.cells)]
    if not lags:
        return []
    lag = max(lags)
    section = report.Section(f"Gradients through time, lag {lag}, seed {seed}")
    for moment in ("start", "end"):
        curves: dict[str, Sequence[float]] = {}
        for cell in config.cells:
            for state, norms in trials[_key(name, cell, lag, seed)]["flow"][moment].items():
                curves[f"{cell}, {state}"] = [math.nan if norm is None else norm for norm in norms]
        section.paragraph(f"At the {moment} of training:")
        section.figure(gradient_figures.flow_figure(curves), f"Gradient by lag at the {moment} of training")
    return [
        section.paragraph(
            "Norm of the loss gradient with respect to the states, mean over sequences. What must be remembered was "
            f"read at a lag of {lag} or more: where a curve of the first layer is near zero there, training cannot "
            "find out that it mattered.",
            "note",
        )
    ]


def _key(name: str, cell: str, lag: int, seed: int) -> str:
    return results.trial_of(name, cell, lag, seed, None).key


def _training_section(name: str, config: Config, trials: results.Results) -> report.Section:
    section = report.Section("Every training")
    header = ["", "loss", "end", "steps", "seconds", "gradient norm, mean", "largest", "clipped steps"]
    rows = []
    for key, each in trials.items():
        norms = [report.number(each["gradient_norm"]), report.number(each["largest_gradient_norm"])]
        clipped = f"{each['clipped_share']:.0%}"
        spent = [str(each["steps"]), f"{each['seconds']:.0f}"]
        rows.append([key, results.shown(each["loss"]), results.end(each), *spent, *norms, clipped])
    section.table(header, rows)
    section.paragraph(
        f"Diverged: a loss that is not finite, or above {WORSE:g} times that of the best fixed answer, at the end or "
        f"at one of the measures after every {STEPS_BETWEEN_MEASURES} steps.",
        "note",
    )
    options = ", ".join(f"{option} {value}" for option, value in config.to_dict().items() if value is not None)
    return section.paragraph(f"Options: {options}", "note")
