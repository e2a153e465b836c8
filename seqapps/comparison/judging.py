"""What the runs of a comparison say: scores over seeds, costs, paired tests, and which variant to take."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import mean
from typing import Any

from seqapps import significance
from seqapps.comparison.runs import Entry, Run
from seqapps.significance import Measured

SIGNIFICANT = 0.05
OWN = "model"  # with which the names of a run's own methods begin
FEWEST_RESAMPLES, RESAMPLES_PER_PAIR = 1000, 100  # so that a corrected p-value can be small


def rows(entries: Sequence[Entry], score: str, latencies: Mapping[str, tuple[float, float]]) -> list[dict[str, Any]]:
    """One row per entry: its scores, and what it costs.

    Args:
        entries: With a run each.
        score: Its name in `metrics.json`.
        latencies: By the name of an entry, milliseconds of one request and of a batch.
    """
    told = []
    for entry in entries:
        runs = list(entry.runs.values())
        scores = {seed: run.metrics["methods"][OWN][score] for seed, run in entry.runs.items()}
        one, batch = latencies[entry.name]
        told.append(
            {
                "variant": entry.name,
                "control_of": list(entry.twins),
                "runs": {seed: str(run.folder) for seed, run in entry.runs.items()},
                "scores": scores,
                "score": mean(scores.values()),
                "interval": significance.interval(list(scores.values())),
                "units": runs[0].options["units"],
                "parameters": round(mean(run.parameters for run in runs)),
                "seconds_per_epoch": mean(run.seconds_per_epoch for run in runs),
                "epochs_to_best": mean(run.manifest["best_epoch"] for run in runs),
                "milliseconds_one": one,
                "milliseconds_batch": batch,
                "megabytes": mean(run.megabytes for run in runs),
            }
        )
    return told


def best_baseline(entries: Sequence[Entry], score: str, measured: Measured) -> dict[str, Any] | None:
    """The simple method that all runs measured and that has the best score, on average over them."""
    runs = [run for entry in entries for run in entry.runs.values()]
    common = set.intersection(*(set(run.metrics["methods"]) for run in runs))
    scores = {
        method: mean(run.metrics["methods"][method][score] for run in runs)
        for method in sorted(common)
        if not method.startswith(OWN) and all(run.metrics["methods"][method][score] is not None for run in runs)
    }
    if not scores:
        return None
    method = (min if measured.lower_is_better else max)(scores, key=scores.__getitem__)
    return {"method": method, "score": scores[method]}


def tests(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Paired tests of every two entries, seed by seed on the same items; and of every control against its twins.

    The p-values of all pairs are corrected together, and so are those of the controls.
    """
    variants = [entry for entry in entries if not entry.twins]
    by_name = {entry.name: entry for entry in variants}
    controls = [(by_name[twin], entry) for entry in entries for twin in entry.twins if twin in by_name]
    told = []
    for kind, pairs in (("variants", list(combinations(variants, 2))), ("controls", controls)):
        resamples = max(FEWEST_RESAMPLES, RESAMPLES_PER_PAIR * len(pairs))
        found = [_test(*pair, resamples) | {"kind": kind} for pair in pairs]
        merged = significance.corrected([each["p_value"] for each in found])
        told += [each | {"corrected": value} for each, value in zip(found, merged, strict=True)]
    return told


def _test(first: Entry, second: Entry, resamples: int) -> dict[str, Any]:
    """One pair: the p-value of every seed, and of all together."""
    seeds = [seed for seed in first.runs if seed in second.runs]
    pairs = [(first.runs[seed], second.runs[seed]) for seed in seeds]
    if not seeds:  # runs of other seeds answered the same items too
        pairs = list(zip(first.runs.values(), second.runs.values(), strict=False))
    p_values = [_p_value(ours, theirs, resamples) for ours, theirs in pairs]
    told = {"first": first.name, "second": second.name, "p_values": p_values}
    return told | {"p_value": significance.merged(p_values), "resamples": resamples}


def _p_value(ours: Run, theirs: Run, resamples: int) -> float | None:
    return ours.measured.p_value(ours.predictions, theirs.predictions, ours.options, resamples)


def choice(
    told: Sequence[Mapping[str, Any]], tested: Sequence[Mapping[str, Any]], measured: Measured, cost: str
) -> dict[str, Any]:
    """The variant to take: of those that no test tells from the one with the best score, the cheapest.

    Args:
        told: Rows.
        tested: Tests.
        measured: By what runs are compared.
        cost: The column that says what is cheap.

    Returns:
        `take`, `best` (the variant with the best score), `alike` (those that no test tells from it) and `worse`.
    """
    variants = [row for row in told if not row["control_of"]]
    best = (min if measured.lower_is_better else max)(variants, key=lambda row: row["score"])
    alike: list[Mapping[str, Any]] = [best]
    worse: list[Mapping[str, Any]] = []
    for row in variants:
        if row is not best:
            value = _corrected(tested, best["variant"], row["variant"])
            (worse if value is not None and value < SIGNIFICANT else alike).append(row)
    take = min(alike, key=lambda row: (row[cost], row["seconds_per_epoch"]))
    names = {"alike": [row["variant"] for row in alike], "worse": [row["variant"] for row in worse]}
    return {"take": take["variant"], "best": best["variant"], "cost": cost} | names


def _corrected(tested: Sequence[Mapping[str, Any]], first: str, second: str) -> float | None:
    """The corrected p-value of two entries."""
    return next(each["corrected"] for each in tested if {each["first"], each["second"]} == {first, second})
