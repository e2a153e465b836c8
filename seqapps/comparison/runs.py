"""Finished runs, read as a comparison needs them, and refused where they cannot be compared."""

import csv
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps import checks, export, run_folder, training
from seqapps.comparison.plan import name_of
from seqapps.config import TaskConfig
from seqapps.significance import Measured
from seqapps.tasks import TASKS

EXTRAS = "assets.extra"  # for clients; a server loads none of it
MEGABYTE = 1e6
NAMED = ("cell", "bidirectional", "control", "recurrence")  # what the name of a recurrence says


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Where it lies.
        task: Name of its task.
        options: Its config.
        metrics: What its `metrics.json` holds.
        manifest: What its `manifest.json` holds.
    """

    folder: Path
    task: str
    options: dict[str, Any]
    metrics: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def seed(self) -> int:
        """Its seed."""
        return self.options["seed"]

    @property
    def measured(self) -> Measured:
        """By what runs of its kind are compared."""
        return import_module(f"seqapps.tasks.{self.task}.comparing").measured(self.options)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What is compared of its answers to the test items."""
        columns = self.measured.columns
        texts = {name: str for name, kind in columns.items() if kind is str}  # "NA" is a text like any other
        path = self.folder / "predictions.csv.gz"
        table = pd.read_csv(path, usecols=lambda name: name in columns, converters=texts)
        for name in columns:
            if name not in table:
                raise ValueError(f"{path} has no column {name!r}: another version trained the run. Train it again.")
        return table

    @cached_property
    def parameters(self) -> int:
        """Numbers that its model holds, trained or not."""
        import_module(f"seqapps.tasks.{self.task}.model")  # the layers of its own
        return training.stored_model(self.folder).count_params()

    @cached_property
    def version(self) -> Path:
        """Its SavedModel."""
        return export.newest_version(self.folder / "export")

    @property
    def megabytes(self) -> float:
        """Size of its SavedModel on disk, which a server has to hold."""
        files = (path for path in self.version.rglob("*") if EXTRAS not in path.parts and path.is_file())
        return sum(path.stat().st_size for path in files) / MEGABYTE

    @property
    def seconds_per_epoch(self) -> float:
        """The median over whole epochs, with validation. The first one, which builds the graph, and the last one, which
        `max_minutes` may have cut short, count where there is no other."""
        with (self.folder / "history.csv").open(encoding="utf-8", newline="") as file:
            ends = [0.0, *(float(row["seconds"]) for row in csv.DictReader(file))]
        took = [end - start for start, end in pairwise(ends)]
        limit = self.options["max_minutes"]
        is_cut = limit is not None and ends[-1] > 60 * limit
        whole = took[:-1] if is_cut and len(took) > 1 else took
        return statistics.median(whole[1:] or whole)


@dataclass(frozen=True)
class Entry:
    """Runs that differ in their seed alone.

    Attributes:
        name: What a reader sees.
        runs: By seed.
        fraction: The part of the training rows that they were trained on.
        twins: Names of the entries that this one is the control of; none of others.
        is_control: Whether it is a control, even if none of the others is what it is the control of.
    """

    name: str
    runs: dict[int, Run] = field(default_factory=dict)
    fraction: float = 1.0
    twins: tuple[str, ...] = ()
    is_control: bool = False


def read(folder: str | Path) -> Run:
    """Read a finished run.

    Raises:
        FileNotFoundError: If it is not there, or not finished.
        ValueError: If it is of no task that there is.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no run {str(folder)!r}.")
    options = run_folder.read_json(folder / "config.json")
    task = options.pop("task", None)
    checks.check_choice("task", task, TASKS)
    options = import_module(f"seqapps.tasks.{task}.config").Config.from_dict(options, str(folder)).to_dict()
    metrics, manifest = (run_folder.read_json(folder / name) for name in ("metrics.json", "manifest.json"))
    return Run(folder, task, options, metrics, manifest)


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs whose scores or test data are not the same things.

    Raises:
        ValueError: With the first run that differs, and how.
    """
    first = runs[0]
    for run in runs[1:]:
        both = f"{str(first.folder)!r} and {str(run.folder)!r}"
        if run.task != first.task:
            raise ValueError(f"The runs must be of one task. Received: {first.task} and {run.task}, of {both}.")
        if run.manifest["fingerprints"]["test"] != first.manifest["fingerprints"]["test"]:
            raise ValueError(f"The runs must have the same test data. Received: {both}, whose test data differ.")
        for name in first.measured.same:
            if run.options[name] != first.options[name]:
                received = f"{first.options[name]!r} and {run.options[name]!r}, of {both}"
                raise ValueError(f"The runs must have the same `{name}`, on which scores depend. Received: {received}.")


def check_items(runs: Sequence[Run]) -> None:
    """Refuse runs that cut the test data into other items, which no paired test can compare.

    Raises:
        ValueError: With the first run that differs.
    """
    first = runs[0]
    items = list(first.measured.items)
    for run in runs[1:]:
        if not run.predictions[items].equals(first.predictions[items]):
            raise ValueError(
                f"The runs must have answered the same test items. Received: {str(first.folder)!r} and "
                f"{str(run.folder)!r}, which cut the test data otherwise."
            )


def score_of(runs: Sequence[Run]) -> str:
    """The score that decides: the first one of the task that all runs have."""
    names = runs[0].measured.scores
    for name in names:
        if all(run.metrics["methods"]["model"][name] is not None for run in runs):
            return name
    raise ValueError(f"The runs must all have one of the scores {checks.listing(names)}. Received: runs with none.")


def grouped(runs: Sequence[Run]) -> list[Entry]:
    """Runs that differ in their seed alone, together; an entry is named by its recurrence and what else differs.

    A control is that of the entries that differ from it in nothing else, or without memory of all that have some.

    Raises:
        ValueError: If a run comes twice, or all are controls.
    """
    groups: dict[str, dict[int, Run]] = {}
    kinds: dict[str, dict[str, Any]] = {}
    for run in runs:
        kind = _kind(run)
        key = repr(kind)
        kinds[key] = kind
        if run.seed in groups.setdefault(key, {}):
            other = groups[key][run.seed].folder
            raise ValueError(
                f"Every run must differ from the others in its options or seed. Received: {str(other)!r} and "
                f"{str(run.folder)!r}, which have the same."
            )
        groups[key][run.seed] = run
    if all(kind["control"] != "none" for kind in kinds.values()):
        raise ValueError("At least one run must be no control. Received: runs that are controls of something else.")
    differing = [name for name in kinds[key] if len({repr(kind[name]) for kind in kinds.values()}) > 1]
    names = {key: _name(kind, differing) for key, kind in kinds.items()}
    return [
        Entry(names[key], group, 1.0, _twins(kinds[key], kinds, names), kinds[key]["control"] != "none")
        for key, group in groups.items()
    ]


def _twins(
    kind: Mapping[str, Any], kinds: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]
) -> tuple[str, ...]:
    """Names of the entries that a kind is the control of."""
    others = {key: other for key, other in kinds.items() if other["control"] == "none"}
    if kind["control"] == "shuffled":
        own = {name: value for name, value in kind.items() if name not in ("control", "recurrence")}
        others = {key: other for key, other in others.items() if all(other[name] == own[name] for name in own)}
    return () if kind["control"] == "none" else tuple(names[key] for key in others)


def _kind(run: Run) -> dict[str, Any]:
    """Options beside the seed; depth and width as one list, however they were given."""
    config = _config(run.task, run.options)
    told = {name: value for name, value in run.options.items() if name not in ("seed", "num_layers")}
    return told | {"units": list(config.widths), "recurrence": name_of(config)}


def _config(task: str, options: Mapping[str, Any]) -> TaskConfig:
    return import_module(f"seqapps.tasks.{task}.config").Config.from_dict(options)


def _name(kind: Mapping[str, Any], differing: Sequence[str]) -> str:
    """The recurrence, and what else differs from other entries."""
    told = [f"{name}={kind[name]}" for name in differing if name not in NAMED]
    return ", ".join([kind["recurrence"], *told])
