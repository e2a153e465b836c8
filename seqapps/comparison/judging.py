"""What the runs of a comparison say: scores over seeds, costs, paired tests, and which variant to take."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import mean
from typing import Any

from seqapps import significance
from seqapps.comparison.runs import Entry, Run
from seqapps.significance import SIGNIFICANT, Measured, Outcome

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
        scores = {str(seed): run.metrics["methods"][OWN][score] for seed, run in entry.runs.items()}
        by_part = runs[0].measured.by_part or score
        ends = significance.interval(list(scores.values()))
        options = runs[0].options
        one, batch = latencies[entry.name]
        told.append(
            {
                "variant": entry.name,
                "is_control": entry.is_control,
                "control_of": list(entry.twins),
                "runs": {str(seed): str(run.folder) for seed, run in entry.runs.items()},
                "scores": scores,
                "score": mean(scores.values()),
                "interval": None if ends is None else list(ends),
                "by_part": mean(run.metrics["methods"][OWN][by_part] for run in runs),
                "units": None if options["control"] == "memoryless" else options["units"],
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
    variants = [entry for entry in entries if not entry.is_control]
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
    """One pair: p-value and leader of every pair of seeds, and of all together."""
    seeds = [(seed, seed) for seed in sorted(first.runs) if seed in second.runs]
    if not seeds:  # runs of other seeds answered the same items too
        seeds = list(zip(sorted(first.runs), sorted(second.runs), strict=False))
    tested = [_tested(first.runs[one], second.runs[other], resamples) for one, other in seeds]
    p_values, leads = zip(*(_told(each, first, second) for each in tested), strict=True)
    p_value, lead = _told(significance.merged(tested), first, second)
    told = {"first": first.name, "second": second.name, "seeds": [list(pair) for pair in seeds]}
    told |= {"p_values": list(p_values), "leads": list(leads)}
    return told | {"p_value": p_value, "lead": lead, "resamples": resamples}


def _tested(ours: Run, theirs: Run, resamples: int) -> Outcome | None:
    return ours.measured.tested(ours.predictions, theirs.predictions, ours.options, resamples)


def _told(tested: Outcome | None, first: Entry, second: Entry) -> tuple[float | None, str | None]:
    """The p-value, and the name of the better one."""
    if tested is None:
        return None, None
    return tested.p_value, {1: first.name, -1: second.name, 0: None}[tested.sign]


def is_real(test: Mapping[str, Any], better: str) -> bool:
    """Whether a test tells beyond chance that one of its two is better than the other."""
    return test["corrected"] is not None and test["corrected"] < SIGNIFICANT and test["lead"] == better


def without_common_seeds(tested: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence on every pair whose runs have no seed in common."""
    return [
        f"{each['first']} and {each['second']} have no seed in common: tests pair their runs in the order of their "
        f"seeds, {', '.join(f'{one} with {other}' for one, other in each['seeds'])}."
        for each in tested
        if any(one != other for one, other in each["seeds"])
    ]


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
        `take`, `best` (the variant with the best score), `worse` (those that tests say it is better than) and `alike`
        (the others).
    """
    variants = [row for row in told if not row["is_control"]]
    best = (min if measured.lower_is_better else max)(variants, key=lambda row: row["score"])
    alike: list[Mapping[str, Any]] = [best]
    worse: list[Mapping[str, Any]] = []
    for row in variants:
        if row is not best:
            test = of_pair(tested, best["variant"], row["variant"])
            (worse if is_real(test, best["variant"]) else alike).append(row)
    take = min(alike, key=lambda row: (row[cost], row["seconds_per_epoch"]))
    names = {"alike": [row["variant"] for row in alike], "worse": [row["variant"] for row in worse]}
    return {"take": take["variant"], "best": best["variant"], "cost": cost} | names


def of_pair(tested: Sequence[Mapping[str, Any]], first: str, second: str) -> Mapping[str, Any]:
    """The test of two entries, in whichever order."""
    return next(each for each in tested if {each["first"], each["second"]} == {first, second})
