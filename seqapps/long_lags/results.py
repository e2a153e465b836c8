"""What trainings on a long-lag problem add up to: means over seeds, and the longest lag that was solved."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from seqapps.long_lags.config import Config
from seqapps.long_lags.training import SOLVED, Trial
from seqapps.problems import PROBLEMS

Results = Mapping[str, Mapping[str, Any]]  # of every trial, by its key


def trial_of(name: str, cell: str, lag: int, seed: int, truncation: int | None) -> Trial:
    """A trial; a truncation of all steps is none."""
    whole = truncation is None or truncation >= PROBLEMS[name].steps(lag)
    return Trial(cell, lag, seed, None if whole else truncation)


def mean_loss(name: str, trials: Results, cell: str, lag: int, seeds: Iterable[int], truncation: int | None) -> float:
    """Over seeds: NaN where one was not trained, infinity where the loss of one is not finite."""
    told = [trials.get(trial_of(name, cell, lag, seed, truncation).key) for seed in seeds]
    if any(each is None for each in told):
        return math.nan
    losses = [each["loss"] for each in told if each is not None]
    return math.inf if None in losses else sum(losses) / len(losses)


def is_solved(name: str, lag: int, loss: float) -> bool:
    """Whether a loss is at most a tenth of that of the best fixed answer."""
    return loss <= SOLVED * PROBLEMS[name].baseline(lag)


def longest_solved(name: str, config: Config, trials: Results, cell: str, truncation: int | None) -> int | None:
    """The longest lag up to which the mean loss over seeds solves the problem at every lag; `None` if there is none."""
    longest = None
    for lag in sorted(config.lags):
        if not is_solved(name, lag, mean_loss(name, trials, cell, lag, config.seeds, truncation)):
            break
        longest = lag
    return longest


def summary(name: str, config: Config, trials: Results) -> dict[str, Any]:
    """For every truncation (`"none"` first) and cell the longest solved lag, mean losses and counts of trainings.

    Only lags that were trained with every seed have a mean loss; it is `None` where it is not finite.
    """
    summed: dict[str, Any] = {}
    for truncation in (None, *sorted(config.truncations)):
        rows = summed[str(truncation or "none")] = {}
        for cell in config.cells:
            losses = {lag: mean_loss(name, trials, cell, lag, config.seeds, truncation) for lag in sorted(config.lags)}
            mine = [
                trials[key]
                for lag in config.lags
                for seed in config.seeds
                if (key := trial_of(name, cell, lag, seed, truncation).key) in trials
            ]
            rows[cell] = {
                "longest_solved_lag": longest_solved(name, config, trials, cell, truncation),
                "mean_loss": {
                    str(lag): loss if math.isfinite(loss) else None
                    for lag, loss in losses.items()
                    if not math.isnan(loss)
                },
                "trained": len(mine),
                "solved": sum(each["solved"] for each in mine),
                "diverged": sum(each["diverged"] for each in mine),
            }
    return summed


def verdict(name: str, config: Config, rows: Mapping[str, Any]) -> str:
    """In a sentence at which lag each cell gives up."""
    parts = []
    for cell, row in rows["none"].items():
        longest = row["longest_solved_lag"]
        if longest is None:
            parts.append(f"{cell} solves none of the lags")
        else:
            parts.append(
                f"{cell} solves lags up to {longest}" + (", the longest tried" * (longest == max(config.lags)))
            )
    return f"On the {PROBLEMS[name].title} " + "; ".join(parts) + "."


def told(name: str, lag: int, result: Mapping[str, Any]) -> str:
    """A finished training in a line."""
    loss, baseline = shown(result["loss"]), PROBLEMS[name].baseline(lag)
    seconds = f"{result['steps']} steps, {result['seconds']:.0f} s"
    return f"loss {loss} (best fixed answer {baseline:.4f}): {end(result)} after {seconds}"


def end(result: Mapping[str, Any]) -> str:
    """How a training ended."""
    if result["diverged"]:
        return "diverged, then solved" if result["solved"] else "diverged"
    return "solved" if result["solved"] else "not solved"


def shown(loss: float | None) -> str:
    """A loss, or that it is not finite."""
    return "not finite" if loss is None else f"{loss:.4f}"


def loss_rows(name: str, config: Config, summed: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table of mean losses by lag, without truncation."""
    lags = sorted(config.lags)
    header = ["", *(f"lag {lag}" for lag in lags), "longest solved"]
    rows = [["best fixed answer", *(f"{PROBLEMS[name].baseline(lag):.4f}" for lag in lags), "–"]]
    for cell, row in summed["none"].items():
        losses = row["mean_loss"]
        cells = [shown(losses[str(lag)]) if str(lag) in losses else "–" for lag in lags]
        rows.append([cell, *cells, str(row["longest_solved_lag"] or "–")])
    return header, rows


def truncation_rows(config: Config, summed: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table of longest solved lags by truncation."""
    header = ["gradients go back", *config.cells]
    return header, [
        [
            "through all steps" if truncation == "none" else f"{truncation} steps",
            *(str(summed[truncation][cell]["longest_solved_lag"] or "–") for cell in config.cells),
        ]
        for truncation in summed
    ]
