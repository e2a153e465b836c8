"""The trainings of a comparison: checked before the first one, done once each, and gone on with after a kill."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from seqapps import checks, run_folder, training
from seqapps.comparison.plan import VARIED, Plan, Variant, seeded
from seqapps.config import TaskConfig

PLAN_FILE, RUNS, LOGS = "plan.json", "runs", "logs"
TIMED_STEPS = 8  # of an epoch, to tell whether a budget allows one


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        variant: What is trained.
        seed: With which seed.
        folder: Its run.
    """

    variant: Variant
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """What a reader sees."""
        fraction = self.variant.config.data_fraction
        share = "" if fraction == 1 else f", {fraction:.0%} of the rows"
        return f"{self.variant.name}{share}, seed {self.seed}"

    @property
    def finished(self) -> bool:
        """Whether the run is whole: its manifest is written last."""
        return (self.folder / "manifest.json").is_file()


class Trainer:
    """Trains the variants of a comparison on one task and data set.

    Args:
        task: Name of the task.
        data: As for training.
        out: Folder of the comparison.
        say: Tells a line of progress.
    """

    def __init__(self, task: str, data: Any, out: Path, say: Any = print) -> None:
        self.task, self.data, self.out, self.say = task, data, out, say
        self._train = import_module(f"seqapps.tasks.{task}.pipeline").train

    def jobs(self, variants: Sequence[Variant], seeds: Sequence[int]) -> list[Job]:
        """Every training, seed by seed, so that all variants soon have one."""
        fractions = dict.fromkeys(variant.config.data_fraction for variant in variants)
        return [
            Job(variant, seed, self.out / RUNS / f"{variant.folder}-seed-{seed}")
            for fraction in fractions
            for seed in seeds
            for variant in variants
            if variant.config.data_fraction == fraction
        ]

    def check(self, jobs: Sequence[Job]) -> None:
        """Look at every variant that has something to train, before anything is trained.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If data or options cannot be used, the data are not those of the finished runs, or a budget
                allows not even one epoch.
        """
        first: dict[tuple[str, float], Job] = {}
        for job in [*(job for job in jobs if not job.finished), jobs[0]]:  # the data are looked at in any case
            first.setdefault((job.variant.name, job.variant.config.data_fraction), job)
        for number, job in enumerate(first.values(), 1):
            self.say(f"Checking {number} of {len(first)}: {job.name}.")
            looked, fingerprints = self._look(job)
            for other in jobs:
                if other.finished and other.seed == job.seed:
                    _check_fingerprints(other, job, fingerprints, self.out)
            _check_budget(job, looked)

    def _look(self, job: Job) -> tuple[training.Look, dict[str, str]]:
        """What the training would be, and the fingerprints of its data."""
        config = seeded(job.variant.config, job.seed)
        with tempfile.TemporaryDirectory() as folder, _quiet(Path(folder) / "log.txt"):
            run = Path(folder) / "run"
            steps = TIMED_STEPS if config.max_minutes is not None and not job.finished else 0
            looked = training.look(lambda: self._train(config, self.data, run), steps)
            return looked, run_folder.read_json(run / "preprocessing.json")["fingerprints"]

    def train(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Train what is not finished; a run that was interrupted goes on where it stood.

        Returns:
            Why a training failed, by the name of its job, such as a loss that is no number any more.
        """
        left = [job for job in jobs if not job.finished]
        if len(left) < len(jobs):
            self.say(f"{len(jobs) - len(left)} of {len(jobs)} trainings were finished before.")
        failed, began = {}, time.monotonic()
        for number, job in enumerate(left, 1):
            self.say(f"Training {len(jobs) - len(left) + number} of {len(jobs)}: {job.name} …")
            started = time.monotonic()
            try:
                self._train_one(job)
            except ValueError as problem:
                failed[job.name] = str(problem)
                self.say(f"  failed: {problem}")
                continue
            now = time.monotonic()
            remaining = (now - began) / number * (len(left) - number)
            self.say(f"  {_minutes(now - started)}; about {_minutes(remaining)} left.")
        return failed

    def _train_one(self, job: Job) -> None:
        config, log = seeded(job.variant.config, job.seed), self.out / LOGS / f"{job.folder.name}.txt"
        log.parent.mkdir(exist_ok=True)
        keras.utils.clear_session()  # layers count on from those of the run before
        with _quiet(log):
            self._train(config, self.data, job.folder, resume=(job.folder / "config.json").is_file())


def stated(task: str, plan: Plan, config: TaskConfig, reference: str) -> dict[str, Any]:
    """What a comparison cannot change when it goes on: what all its trainings have in common."""
    epochs = plan.max_epochs or config.epochs
    options = {name: value for name, value in config.to_dict().items() if name not in VARIED} | {"max_epochs": epochs}
    common = {"task": task, "match": plan.match} | options
    return common | {"reference": reference} if plan.match == "parameters" else common


def check_folder(out: str | Path, common: Mapping[str, Any]) -> Path:
    """Refuse a folder that holds something else, or a comparison with other options."""
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; a comparison needs a folder.")
    path = folder / PLAN_FILE
    if path.is_file():
        _check_same(folder, run_folder.read_json(path), common)
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{str(folder)!r} is not empty and holds no comparison. Choose another folder.")
    return folder


def begin(folder: Path, common: Mapping[str, Any]) -> None:
    """Make the folder of a comparison, now that nothing in data or options can fail."""
    folder.mkdir(parents=True, exist_ok=True)
    run_folder.write_json(folder / PLAN_FILE, common)


def _check_same(folder: Path, stored: Mapping[str, Any], common: Mapping[str, Any]) -> None:
    for name in {**stored, **common}:
        if stored.get(name) != common.get(name):
            raise ValueError(
                f"`{name}` must be {stored.get(name)!r} to go on with the comparison in {str(folder)!r}. "
                f"Received: {name}={common.get(name)!r}. Repeat the options, or compare into another folder."
            )


def _check_fingerprints(finished: Job, job: Job, fingerprints: Mapping[str, str], out: Path) -> None:
    """Refuse other data than those of a finished run with the same seed."""
    theirs = run_folder.read_json(finished.folder / "preprocessing.json")["fingerprints"]
    same_rows = finished.variant.config.data_fraction == job.variant.config.data_fraction
    for split in theirs if same_rows else ("validation", "test"):
        if theirs[split] != fingerprints[split]:
            raise ValueError(
                f"The data are not those with which the comparison in {str(out)!r} began: the {split} part differs. "
                "Compare on the same data, or into another folder."
            )


def _check_budget(job: Job, looked: training.Look) -> None:
    """Refuse a budget of time that the first epoch would not fit into."""
    limit, seconds = job.variant.config.max_minutes, looked.seconds_per_epoch
    if limit is not None and seconds is not None and seconds > 60 * limit:
        advice = (
            f"An epoch of {job.name} takes about {seconds / 60:.2g} minutes: {looked.steps_per_epoch} steps. "
            "Give more time, or compare on a part of the rows with data_fractions."
        )
        checks.fail("max_minutes", f"at least {seconds / 60:.2g}", limit, advice)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds"


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Let a training write into a file what it would tell; TensorFlow's advice for a single one says nothing here."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        with log.open("a", encoding="utf-8") as file, redirect_stdout(file):
            yield
    finally:
        logger.setLevel(level)
