"""Several runs as one SavedModel that averages their probabilities."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from seqapps import export, run_folder, training
from seqapps.tasks.translation import serving
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.pipeline import telling
from seqapps.tasks.translation.pipeline.fitting import TASK
from seqapps.tasks.translation.preprocessing import Preprocessing


def export_together(runs: Sequence[str | Path], folder: str | Path, version: int | None = None) -> Path:
    """Put runs into a model folder as one SavedModel, whose probabilities are the means of theirs.

    Args:
        runs: Finished runs with the same tokenizers.
        folder: The model folder.
        version: The version number; by default the next one.

    Returns:
        The version's folder.

    Its default length penalty is the mean of theirs, each chosen on validation for its run alone.

    Raises:
        FileNotFoundError: If one is no finished run.
        ValueError: If one is of another task, or its tokenizers differ from those of the first.
    """
    folders = [Path(run) for run in runs]
    if not folders:
        raise ValueError("`runs` must hold one run at least. Received: none.")
    _check_alike(folders, "runs")
    first = folders[0]
    models = [training.stored_model(run) for run in folders]
    config = Config.from_dict(run_folder.read_options(first), str(first))
    prepared = Preprocessing.from_dict(run_folder.read_json(first / "preprocessing.json")["fitted"])
    bundle = serving.bundle(models, prepared, _penalty(folders))
    requests: dict[str, Any] = {}
    for run in folders:
        golden = run_folder.read_json(export.newest_version(run / "export") / "assets.extra" / export.GOLDEN_FILE)
        requests |= {each["signature"]: export.decoded(each["inputs"]) for each in golden}
    members = {run.name: run_folder.read_json(run / "config.json")["attention"] for run in folders}
    facts = serving.facts(prepared, config) | {"members": list(members), "attention": list(members.values())}
    facts["length_penalty"] = "mean of those of the members"
    return export.save(bundle, folder, requests, facts, version)


@contextmanager
def served_together(first: str | Path, others: Sequence[str | Path], split: str) -> Iterator[serving.Served]:
    """What `export_together` makes of runs, in a temporary folder that lasts as long as the block.

    Args:
        first: Whose options say what counts.
        others: The runs that decide with it.
        split: What is measured, on which none of them may have been trained.

    Raises:
        FileNotFoundError: If one is no finished run.
        ValueError: If they cannot decide together, or one was trained on other parts.
    """
    folders = [Path(first), *map(Path, others)]
    _check_alike(folders, "together")
    for run in folders[1:]:
        telling.check_same_part("together", run, folders[0], split)
    stored = run_folder.read_json(folders[0] / "config.json")
    attentions = [run_folder.read_json(run / "config.json")["attention"] for run in folders]
    attention = next((each for each in attentions if each != "none"), "none")  # one that looks is enough
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name)
        export_together(folders, whole / "export")
        run_folder.write_json(whole / "config.json", stored | {"attention": attention})
        run_folder.write_json(whole / "calibration.json", {"length_penalty": _penalty(folders)})
        yield serving.Served(whole)


def _check_alike(folders: Sequence[Path], option: str) -> None:
    """Refuse runs that cannot decide together."""
    fitted = None
    for run in folders:
        task = run_folder.read_json(run / "config.json").get("task")
        if task != TASK:
            raise ValueError(
                f"`{option}` must be runs of the task {TASK!r}. Received: {str(run)!r} of the task {task!r}."
            )
        state = run_folder.read_json(run / "preprocessing.json")["fitted"]
        if fitted not in (None, state):
            raise ValueError(
                f"`{option}` must have the same tokenizers. Received: those of {str(run)!r} differ from those of "
                f"{str(folders[0])!r}. Train them on the same data with the same options of the tokenizer."
            )
        fitted = state


def _penalty(folders: Sequence[Path]) -> float:
    """The mean of the length penalties of runs."""
    return float(np.mean([run_folder.read_json(run / "calibration.json")["length_penalty"] for run in folders]))
