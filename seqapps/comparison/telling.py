"""A comparison in words, as tables for the terminal and as one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from seqapps import report
from seqapps.comparison.judging import is_real, of_pair
from seqapps.comparison.latency import BATCH
from seqapps.significance import SIGNIFICANT

COSTS = {
    "parameters": "parameters",
    "seconds_per_epoch": "s / epoch",
    "epochs_to_best": "epochs to best",
    "milliseconds_one": "ms, one request",
    "milliseconds_batch": f"ms, batch of {BATCH}",
    "megabytes": "SavedModel MB",
}
COST_WORDS = {"parameters": "{:,.0f} parameters", "seconds_per_epoch": "{:.3g} seconds per epoch"}


def sentence(part: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Which variant to take, and which differences are real, in plain words.

    Args:
        part: Of a comparison, for one part of the training rows: `rows`, `tests`, `choice`, `baseline`.
        facts: Of the whole comparison: `score_name`, `test`.
    """
    by_name = {row["variant"]: row for row in part["rows"]}
    chosen = part["choice"]
    take, best = by_name[chosen["take"]], by_name[chosen["best"]]
    told = [f"Take {take['variant']}: {facts['score_name']} {_score(take)}."]
    if len(chosen["alike"]) + len(chosen["worse"]) == 1:
        told = [f"{take['variant']}, the only variant, has {facts['score_name']} {_score(take)}."]
    cost = COST_WORDS[chosen["cost"]].format(take[chosen["cost"]])
    others = [name for name in chosen["alike"] if name != take["variant"]]
    if take is not best:
        told.append(
            f"The best score is that of {best['variant']}, {_score(best)}, but no test tells that the difference is "
            f"real: {_chance(part, best['variant'], take['variant'], facts)}. Of the {len(chosen['alike'])} that are "
            f"as good as far as tests can tell, {take['variant']} is the cheapest ({cost})."
        )
    elif others and all(of_pair(part["tests"], best["variant"], name)["corrected"] is None for name in others):
        told.append(
            f"It has the best score and is the cheapest ({cost}), but nothing could be tested against "
            f"{_listed(others)}: too few test items."
        )
    elif others:
        are = "is" if len(others) == 1 else "are"
        told.append(
            f"It has the best score. {_listed(others)} {are} not worse beyond chance, and it is the cheapest of them "
            f"({cost})."
        )
    if chosen["worse"]:
        every = "every other variant" if len(chosen["alike"]) == 1 else _listed(chosen["worse"])
        highest = max(chosen["worse"], key=lambda name: of_pair(part["tests"], best["variant"], name)["corrected"])
        told.append(
            f"{best['variant']} is better than {every}, and that is real: at most "
            f"{_chance(part, best['variant'], highest, facts)}."
        )
    return " ".join([*told, *_controls(part, facts), *_baseline(part, take, facts)])


def _controls(part: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """What the controls tell: whether memory and order matter."""
    told = []
    for row in part["rows"]:
        if not row["control_of"]:
            continue
        memory = row["units"] is None
        twin = part["choice"]["take"] if memory else row["control_of"][0]
        if twin not in {each["variant"] for each in part["rows"]}:
            continue
        ours = next(each for each in part["rows"] if each["variant"] == twin)
        found = of_pair(part["tests"], twin, row["variant"])
        better = _is_better(ours["score"], row["score"], facts)
        what = "memory" if memory else "order"
        if not is_real(found, twin if better else row["variant"]):  # or one that the score contradicts
            verdict = f"No test tells that {what} matters"
        else:
            verdict = f"{what.capitalize()} matters" if better else f"A model does better without {what}"
        numbers = f"{report.number(ours['score'])} for {twin}, {report.number(row['score'])} for {row['variant']}"
        told.append(f"{verdict}: {numbers} ({_chance(part, twin, row['variant'], facts, test=False)}).")
    return told


def _baseline(part: Mapping[str, Any], take: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """What the best simple method has, beside which every score stands."""
    baseline = part["baseline"]
    if baseline is None:
        return ["No baseline was run, so nothing tells whether any of them is good."]
    better = _is_better(take["score"], baseline["score"], facts)
    method = f"the best baseline, {baseline['method']} ({report.number(baseline['score'])})"
    name = take["variant"]
    return [f"The mean score of {name} is {'better' if better else 'NOT better'} than that of {method}."]


def _is_better(score: float, other: float, facts: Mapping[str, Any]) -> bool:
    return score < other if facts["lower_is_better"] else score > other


def _score(row: Mapping[str, Any]) -> str:
    told = report.number(row["score"])
    if row["interval"] is None:
        return f"{told} (one seed)"
    low, high = (report.number(end) for end in row["interval"])
    return f"{told} ({low} to {high} with 95 % confidence, {len(row['scores'])} seeds)"


def _chance(part: Mapping[str, Any], first: str, second: str, facts: Mapping[str, Any], test: bool = True) -> str:
    """The corrected p-value of two entries; one that contradicts their scores says for whom it speaks."""
    found = of_pair(part["tests"], first, second)
    if found["corrected"] is None:
        return "too few test items to tell"
    scores = {row["variant"]: row["score"] for row in part["rows"]}
    pairs = ((first, second), (second, first))
    against = [
        f" for {lead}"
        for lead, other in pairs
        if is_real(found, lead) and _is_better(scores[other], scores[lead], facts)
    ]
    count = sum(each["kind"] == found["kind"] for each in part["tests"])
    corrected = f", corrected for {count} comparisons" if count > 1 else ""
    return f"p = {found['corrected']:.2g}{''.join(against)}" + (f" ({facts['test']}{corrected})" if test else "")


def _listed(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def table(part: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells: every variant's score and costs, its units where not all have the same, and the best baseline's
    score."""
    widths = [row["units"] for row in part["rows"] if row["units"] is not None]
    wide = any(each != widths[0] for each in widths)
    header = ["", facts["score_name"], "95 %", "seeds", *(["units"] if wide else []), *COSTS.values()]
    cells = []
    for row in part["rows"]:
        ends = "–" if row["interval"] is None else " to ".join(report.number(end) for end in row["interval"])
        costs = [f"{row['parameters']:,}", *(report.number(row[name]) for name in list(COSTS)[1:])]
        costs = [_units(row["units"]), *costs] if wide else costs
        cells.append([row["variant"], report.number(row["score"]), ends, str(len(row["scores"])), *costs])
    if part["baseline"]:
        name = f"baseline: {part['baseline']['method']}"
        cells.append([name, report.number(part["baseline"]["score"]), *["–"] * (len(header) - 2)])
    return header, cells


def _units(units: int | list[int] | None) -> str:
    if units is None:  # without a recurrence
        return "–"
    return ", ".join(map(str, units)) if isinstance(units, list) else str(units)


def test_table(part: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and cells: every paired test."""
    header = ["", "against", "p of every seed", "p of all", "corrected", "real"]
    cells = []
    for each in part["tests"]:
        told = [_p(each["p_value"]), _p(each["corrected"])]
        real = next((f"{name} is better" for name in (each["first"], each["second"]) if is_real(each, name)), "no")
        for_second = [lead == each["second"] for lead in each["leads"]]
        pairs = zip(each["p_values"], for_second, strict=True)
        seeds = ", ".join(("−" if second else "") + _p(value) for value, second in pairs)
        cells.append([each["first"], each["second"], seeds, *told, real])
    return header, cells


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def summary(comparison: Mapping[str, Any]) -> str:
    """The tables and sentences for the terminal."""
    lines = []
    for part in comparison["parts"]:
        if len(comparison["parts"]) > 1:
            lines.append(f"{100 * part['fraction']:g} % of the training rows:")
        lines += [report.text_table(*table(part, comparison)), part["verdict"], ""]
    return "\n".join([*lines, *(f"Note: {note}" for note in comparison["notes"])]).rstrip("\n")


def write_report(path: Path, comparison: Mapping[str, Any]) -> None:
    """Write the page."""
    verdict = report.Section("Which one to take").paragraph(comparison["parts"][-1]["verdict"], "verdict")
    for note in comparison["notes"]:
        verdict.paragraph(note, "note")
    sections = [verdict]
    for part in comparison["parts"]:
        share = f", {100 * part['fraction']:g} % of the training rows" if len(comparison["parts"]) > 1 else ""
        section = report.Section(f"Scores and costs{share}")
        own = [row["variant"] for row in part["rows"]].index(part["choice"]["take"])
        section.table(*table(part, comparison), own=own).figure(dots(part, comparison), "Scores with their intervals")
        section.paragraph(_explained(comparison), "note")
        sections.append(section)
        if part["tests"]:
            tests = report.Section(f"Which differences are real{share}").table(*test_table(part))
            sections.append(tests.paragraph(_explained_tests(comparison), "note"))
    if len(comparison["parts"]) > 1:
        growth = report.Section("More training rows").figure(curves(comparison), "Score by part of the training rows")
        sections.append(growth)
    report.write(path, f"Comparison of models: {comparison['task']}", sections)


def _explained(comparison: Mapping[str, Any]) -> str:
    better = "lower" if comparison["lower_is_better"] else "higher"
    return (
        f"{comparison['score_name']}: on the test part, {better} is better; mean over seeds with Student's 95 % "
        "interval. Time per epoch: median, with validation. Latency: the median over requests to the SavedModels in "
        f"turn, each its own example; a batch has {BATCH} rows{_written(comparison)}. Memory: size of the SavedModel "
        "on disk, which a server has to hold."
    )


def _written(comparison: Mapping[str, Any]) -> str:
    """What a reader of latencies should know of models that write."""
    writes = comparison["task"] in ("generation", "translation")
    return "; a model writes until it ends its text, so that one with shorter texts answers sooner" if writes else ""


def _explained_tests(comparison: Mapping[str, Any]) -> str:
    return (
        f"{comparison['test']} on the same test items, seed by seed; a minus sign before a p-value: the second variant "
        "is better. Of several seeds twice the median p-value counts (Rüger 1978), where those that disagree "
        "count against each other. Corrected by Holm's method over all pairs of variants, and over all controls; below "
        f"{SIGNIFICANT} a difference is real. Intervals say how much a score changes from seed to seed, tests how much "
        "it would from test set to test set."
    )


def dots(part: Mapping[str, Any], comparison: Mapping[str, Any]) -> Figure:
    """Every variant's scores, their mean and its interval."""
    rows = part["rows"]
    figure = Figure(figsize=(7.5, 1.1 + 0.36 * len(rows)))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        color = report.COLORS[2] if row["is_control"] else report.COLORS[0]
        axes.plot(list(row["scores"].values()), [place] * len(row["scores"]), ".", color=color, alpha=0.5)
        axes.plot(row["score"], place, "D", color=color)
        if row["interval"]:
            axes.hlines(place, *row["interval"], color=color)
    if part["baseline"]:
        label = f"best baseline: {part['baseline']['method']}"
        axes.axvline(part["baseline"]["score"], color=report.COLORS[1], linestyle=":", label=label)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.25))
    axes.set_yticks(range(len(rows)), [row["variant"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(comparison["score_name"])
    return figure


def curves(comparison: Mapping[str, Any]) -> Figure:
    """The score of every variant by the part of the training rows, in what means the same for all parts."""
    figure = Figure(figsize=(7.5, 3.6))
    axes = figure.subplots()
    names = dict.fromkeys(row["variant"] for part in comparison["parts"] for row in part["rows"])
    for position, name in enumerate(names):
        points = [
            (100 * part["fraction"], row["by_part"])
            for part in comparison["parts"]
            for row in part["rows"]
            if row["variant"] == name
        ]
        axes.plot(
            *zip(*points, strict=True), marker=".", color=report.COLORS[position % len(report.COLORS)], label=name
        )
    axes.set_xlabel("training rows, %")
    axes.set_ylabel(comparison["by_part_name"])
    axes.legend(frameon=False, fontsize="small")
    return figure
