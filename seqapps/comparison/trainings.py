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
from seqapps.comparison.plan import VARIED, Plan, Variant, name_of, seeded
from seqapps.config import TaskConfig

PLAN_FILE, RUNS, LOGS = "plan.json", "runs", "logs"
FITTED_FILE = "preprocessing.json"  # whose fingerprints are those that a look writes
REFERENCE, MATCHED_SEED = "reference", "matched_seed"  # in the plan, with match="parameters"
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
        share = "" if self.fraction == 1 else f", {100 * self.fraction:g} % of the rows"
        return f"{self.variant.name}{share}, seed {self.seed}"

    @property
    def fraction(self) -> float:
        """The part of the training rows."""
        return self.variant.config.data_fraction

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
        """Look at every variant that has something to train, before anything is trained, and at what is finished.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If data or options cannot be used, the data are not those of the finished runs, or a budget
                allows not even one epoch.
        """
        first: dict[tuple[Any, ...], Job] = {}
        for job in jobs:
            # Rows depend on the seed where only a part of them is trained on: one finished run of every part tells
            # whether its own training data are still the same.
            first.setdefault((job.fraction,) if job.finished else (job.fraction, job.variant.name), job)
        for number, job in enumerate(first.values(), 1):
            self.say(f"Checking {number} of {len(first)}: {job.name}.")
            looked, fingerprints = self._look(job)
            finished = sorted(self.out.glob(f"{RUNS}/*/manifest.json"))  # also what this plan does not list
            for manifest in finished:
                _check_fingerprints(manifest.parent, job, fingerprints, self.out)
            _check_budget(job, looked)

    def _look(self, job: Job) -> tuple[training.Look, dict[str, str]]:
        """What the training would be, and the fingerprints of its data."""
        config = seeded(job.variant.config, job.seed)
        with tempfile.TemporaryDirectory() as folder, _quiet(Path(folder) / "log.txt"):
            run = Path(folder) / "run"
            steps = TIMED_STEPS if config.max_minutes is not None and not job.finished else 0
            looked = training.look(lambda: self._train(config, self.data, run), steps)
            _check_recurrence(job, type(config).from_dict(run_folder.read_options(run)))
            return looked, run_folder.read_json(run / FITTED_FILE)["fingerprints"]

    def train(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Train what is not finished; a run that was interrupted goes on where it stood.

        Returns:
            Why a training failed, by the name of its job, such as a loss that is no number any more, or no memory left.
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
            except (ValueError, MemoryError, tf.errors.OpError) as problem:
                failed[job.name] = (str(problem).splitlines() or [type(problem).__name__])[0]
                self.say(f"  failed: {failed[job.name]}")
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


def stated(task: str, plan: Plan, config: TaskConfig, reference: str, out: str | Path) -> dict[str, Any]:
    """What a comparison cannot change when it goes on: what all its trainings have in common.

    With `match="parameters"` also the name of the first variant and the seed whose rows are counted, so that a variant
    has the same width whichever seeds a repeat names.
    """
    epochs = plan.max_epochs or config.epochs
    options = {name: value for name, value in config.to_dict().items() if name not in VARIED} | {"max_epochs": epochs}
    common = {"task": task, "match": plan.match} | options
    if plan.match == "units":
        return common
    path = Path(out) / PLAN_FILE
    seed = run_folder.read_json(path).get(MATCHED_SEED) if path.is_file() else None
    return common | {REFERENCE: reference, MATCHED_SEED: plan.seeds[0] if seed is None else seed}


def check_folder(out: str | Path, common: Mapping[str, Any], defaults: Mapping[str, Any]) -> Path:
    """Refuse a folder that holds something else, or a comparison with other options.

    A comparison that began before an option existed goes on with its default.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; a comparison needs a folder.")
    path = folder / PLAN_FILE
    if path.is_file():
        older = {name: value for name, value in defaults.items() if name in common}
        _check_same(folder, older | run_folder.read_json(path), common)
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{str(folder)!r} is not empty and holds no comparison. Choose another folder.")
    return folder


def begin(folder: Path, common: Mapping[str, Any]) -> None:
    """Make the folder of a comparison, now that nothing in data or options can fail."""
    folder.mkdir(parents=True, exist_ok=True)
    run_folder.write_json(folder / PLAN_FILE, common)


def _check_same(folder: Path, stored: Mapping[str, Any], common: Mapping[str, Any]) -> None:
    for name in {**stored, **common}:
        if stored.get(name) == common.get(name):
            continue
        if name == REFERENCE and None not in (stored.get(name), common.get(name)):
            raise ValueError(
                f"The first cell, direction and depth must be those of {stored[name]!r}, whose parameters the others "
                f"match, to go on with the comparison in {str(folder)!r}. Received: those of {common[name]!r}. Name "
                "them first, or compare into another folder."
            )
        if name not in (REFERENCE, MATCHED_SEED):  # which `match` decides, and its error tells
            raise ValueError(
                f"`{name}` must be {stored.get(name)!r} to go on with the comparison in {str(folder)!r}. "
                f"Received: {name}={common.get(name)!r}. Repeat the options, or compare into another folder."
            )


def _check_fingerprints(finished: Path, job: Job, fingerprints: Mapping[str, str], out: Path) -> None:
    """Refuse other data than those of a finished run."""
    theirs = run_folder.read_json(finished / FITTED_FILE)["fingerprints"]
    options = run_folder.read_options(finished)
    same_rows = options["data_fraction"] == job.fraction and (job.fraction == 1 or options["seed"] == job.seed)
    for split in theirs if same_rows else ("validation", "test"):
        if theirs[split] != fingerprints[split]:
            raise ValueError(
                f"The data are not those with which the comparison in {str(out)!r} began: the {split} part differs. "
                "Compare on the same data, or into another folder."
            )


def _check_recurrence(job: Job, trained: TaskConfig) -> None:
    """Refuse what a task would train as another variant, as with a `pretrained` model of another cell."""
    if name_of(trained) != name_of(job.variant.config):
        raise ValueError(
            f"{job.variant.name!r} cannot be compared with these options, which make it {name_of(trained)!r}. "
            "Leave it out of cells, directions or depths."
        )


def _check_budget(job: Job, looked: training.Look) -> None:
    """Refuse a budget of time that the first epoch would not fit into."""
    limit, seconds = job.variant.config.max_minutes, looked.seconds_of_first_epoch
    if limit is not None and seconds is not None and seconds > 60 * limit:
        advice = (
            f"The first epoch of {job.name} takes about {seconds / 60:.2g} minutes: {looked.steps_per_epoch} steps. "
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
