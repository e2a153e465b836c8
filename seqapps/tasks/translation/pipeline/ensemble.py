"""Several runs as one SavedModel that averages their probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from seqapps import export, run_folder
from seqapps.tasks.translation import serving
from seqapps.tasks.translation.config import Config
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
    first = folders[0]
    fitted, penalties, models = None, [], []
    for run in folders:
        task = run_folder.read_json(run / "config.json").get("task")
        if task != TASK:
            raise ValueError(f"`runs` must be runs of the task {TASK!r}. Received: {str(run)!r} of the task {task!r}.")
        state = run_folder.read_json(run / "preprocessing.json")["fitted"]
        if fitted not in (None, state):
            raise ValueError(
                f"`runs` must have the same tokenizers. Received: those of {str(run)!r} differ from those of "
                f"{str(first)!r}. Train them on the same data with the same options of the tokenizer."
            )
        fitted = state
        penalties.append(run_folder.read_json(run / "calibration.json")["length_penalty"])
        models.append(keras.models.load_model(run / "model.keras", compile=False))
    stored = run_folder.read_json(first / "config.json")
    config = Config.from_dict({name: value for name, value in stored.items() if name != "task"}, str(first))
    prepared = Preprocessing.from_dict(fitted or {})
    bundle = serving.bundle(models, prepared, sum(penalties) / len(penalties))
    requests: dict[str, Any] = {}
    for run in folders:
        golden = run_folder.read_json(export.newest_version(run / "export") / "assets.extra" / export.GOLDEN_FILE)
        requests |= {each["signature"]: export.decoded(each["inputs"]) for each in golden}
    members = {run.name: run_folder.read_json(run / "config.json")["attention"] for run in folders}
    facts = serving.facts(prepared, config) | {"members": list(members), "attention": list(members.values())}
    facts["length_penalty"] = "mean of those of the members; not measured together"
    return export.save(bundle, folder, requests, facts, version)
