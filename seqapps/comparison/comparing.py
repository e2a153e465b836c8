"""Train and compare, or compare what is trained."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from seqapps import checks, run_folder
from seqapps.comparison import judging, latency, matching, plan, runs, telling, trainings
from seqapps.comparison.plan import Plan
from seqapps.comparison.runs import Entry, Run
from seqapps.config import TaskConfig
from seqapps.tasks import TASKS

RESULT_FILE, REPORT_FILE = "comparison.json", "report.html"


def compare(task: str, data: Any, out: str | Path, config: TaskConfig | None = None, **options: Any) -> dict[str, Any]:
    """Train cells, directions and depths with several seeds on the same data, and say which one to take.

    Called again, it goes on: finished runs are not trained again, an interrupted one is resumed, and with more seeds,
    cells or parts of the rows only what is new is trained.

    Args:
        task: Name of the task.
        data: As for its `train`.
        out: Folder of the comparison: every run in `runs/`, and `comparison.json` and `report.html`.
        config: What the trainings have in common; what the comparison varies does not matter in it. Its `max_minutes`
            is the budget of every run.
        **options: Fields of `seqapps.comparison.plan.Plan`: `cells`, `directions`, `depths`, `seeds`, `match`,
            `max_epochs`, `data_fractions`, `controls`.

    Returns:
        What `comparison.json` holds.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the plan, data, options or the folder cannot be used, before anything is trained; or if every
            training failed.
    """
    checks.check_choice("task", task, TASKS)
    config_class = import_module(f"seqapps.tasks.{task}.config").Config
    if config is not None and not isinstance(config, config_class):
        checks.fail("config", f"a Config of the task {task!r}", config)
    config = config or config_class(bidirectional=False)
    wanted = Plan(**options)
    made = plan.variants(wanted, config)
    common = trainings.stated(task, wanted, config, made[0].name, out)
    folder = trainings.check_folder(out, common, config_class().to_dict())
    if wanted.match == "parameters":
        made = matching.matched(made, task, data, common[trainings.MATCHED_SEED])
    trainer = trainings.Trainer(task, data, folder)
    jobs = trainer.jobs(made, wanted.seeds)
    print(f"{len(made)} variants, {len(wanted.seeds)} seed(s): {len(jobs)} trainings of {task}.")
    trainer.check(jobs)
    trainings.begin(folder, common)
    failed = trainer.train(jobs)
    entries = _entries(jobs)
    able = {entry.fraction for entry in entries if not entry.is_control}
    if not able:
        raise ValueError(f"Every training failed, the first one with: {next(iter(failed.values()))}")
    entries = [entry for entry in entries if entry.fraction in able]  # controls alone are the controls of nothing
    notes = [f"The training of {name} failed and is left out: {problem}" for name, problem in failed.items()]
    notes += _unlisted(folder, jobs)
    if wanted.match == "parameters":
        notes += _parameter_notes(entries)
    cost = "parameters" if wanted.match == "units" else "seconds_per_epoch"
    return _finished(entries, notes, cost, folder)


def compare_runs(folders: Sequence[str | Path], out: str | Path | None = None) -> dict[str, Any]:
    """Compare finished runs of one task; those that differ in their seed alone count as one variant.

    Args:
        folders: At least two runs.
        out: Folder for `comparison.json` and `report.html`; none are written without.

    Returns:
        What `comparison.json` holds.

    Raises:
        FileNotFoundError: If a run is not there or not finished.
        ValueError: If runs are of different tasks, or their scores or test data are not the same things.
    """
    if len(folders) < 2:
        checks.fail("runs", "at least two runs", [str(folder) for folder in folders])
    if out is not None:
        _check_output(Path(out))
    read = [runs.read(folder) for folder in folders]
    runs.check_comparable(read)
    runs.check_items(read)
    entries = runs.grouped(read)
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
    return _finished(entries, [], "parameters", None if out is None else Path(out))


def _check_output(folder: Path) -> None:
    """Refuse a folder in which the report would take the place of another one's."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} - {RESULT_FILE, REPORT_FILE}:
        raise ValueError(f"{str(folder)!r} is not empty and holds no comparison of runs. Choose another folder.")


def _entries(jobs: Sequence[trainings.Job]) -> list[Entry]:
    """The finished runs by variant and part of the rows, in the order of the plan."""
    entries: dict[tuple[float, str], Entry] = {}
    for job in jobs:
        if job.finished:
            key = job.fraction, job.variant.name
            is_control = job.variant.config.control != "none"
            entry = entries.setdefault(key, Entry(job.variant.name, {}, key[0], job.variant.twins, is_control))
            entry.runs[job.seed] = runs.read(job.folder)
    order = {(job.fraction, job.variant.name): None for job in jobs}
    return [entries[key] for key in order if key in entries]


def _unlisted(folder: Path, jobs: Sequence[trainings.Job]) -> list[str]:
    """A sentence where the folder has finished runs that this plan does not name."""
    listed = {job.folder for job in jobs}
    others = sorted(path.parent.name for path in folder.glob(f"{trainings.RUNS}/*/manifest.json"))
    others = [name for name in others if folder / trainings.RUNS / name not in listed]
    if not others:
        return []
    return [f"Not in these tables, because this command does not list them: {', '.join(others)}."]


def _parameter_notes(entries: Sequence[Entry]) -> list[str]:
    """What is not within the tolerance after all, because the rows of other seeds have other tokens."""
    notes = []
    for fraction in dict.fromkeys(entry.fraction for entry in entries):
        own = [entry for entry in entries if entry.fraction == fraction and entry.name != "memoryless"]
        for entry in own[1:]:
            for seed, run in entry.runs.items():
                target = own[0].runs[seed].parameters if seed in own[0].runs else run.parameters
                if abs(run.parameters - target) > matching.TOLERANCE * target:
                    notes.append(
                        f"{entry.name}, seed {seed}, has {run.parameters} parameters where {own[0].name} has {target}: "
                        "the rows of this seed have another vocabulary."
                    )
    return notes


def _finished(entries: Sequence[Entry], notes: list[str], cost: str, out: Path | None) -> dict[str, Any]:
    """Measure, test, tell and write."""
    every: list[Run] = [run for entry in entries for run in entry.runs.values()]
    runs.check_comparable(every)
    measured, score = every[0].measured, runs.score_of(every)
    by_part = measured.by_part or score
    comparison: dict[str, Any] = {
        "task": every[0].task,
        "score": score,
        "score_name": measured.names[score],
        "by_part_name": measured.names[by_part],
        "lower_is_better": measured.lower_is_better,
        "test": measured.test,
        "notes": list(notes),
        "parts": [],
    }
    for fraction in sorted({entry.fraction for entry in entries}):
        own = [entry for entry in entries if entry.fraction == fraction]
        runs.check_items([run for entry in own for run in entry.runs.values()])
        comparison["parts"].append(_part(own, score, cost, comparison))
        comparison["notes"] += judging.without_common_seeds(comparison["parts"][-1]["tests"])
    print(telling.summary(comparison))
    if out is not None:
        run_folder.write_json(out / RESULT_FILE, comparison)
        telling.write_report(out / REPORT_FILE, comparison)
        print(f"Report: {out / REPORT_FILE}")
    return comparison


def _part(entries: Sequence[Entry], score: str, cost: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of one part of the training rows."""
    measured = next(iter(entries[0].runs.values())).measured
    versions = {entry.name: next(iter(entry.runs.values())).version for entry in entries}
    told: dict[str, Any] = {
        "fraction": entries[0].fraction,
        "rows": judging.rows(entries, score, latency.measure(versions)),
        "tests": judging.tests(entries),
        "baseline": judging.best_baseline(entries, score, measured),
    }
    told["choice"] = judging.choice(told["rows"], told["tests"], measured, cost)
    return told | {"verdict": telling.sentence(told, facts)}
