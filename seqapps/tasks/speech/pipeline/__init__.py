"""The whole story of a run that listens: recordings, model, training, export, evaluation, report."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps import checks, run_folder, training
from seqapps.tasks.speech import baselines as simple_methods
from seqapps.tasks.speech import data as data_module
from seqapps.tasks.speech import evaluation, plots, serving
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.data import Splits
from seqapps.tasks.speech.pipeline import fitting, telling
from seqapps.tasks.speech.pipeline.telling import summary

__all__ = ["evaluate", "measured_splits", "summary", "train"]


def train(
    config: Config,
    data: str | Path | pd.DataFrame,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Train, export, verify, evaluate and report; the run is the folder `out`.

    While it works, waveforms lie in a temporary folder, 4 bytes a sample (`TMPDIR` says where).

    Args:
        config: The options.
        data: A folder with a sub-folder of recordings per word; a table of files with labels or transcripts (CSV, TSV,
            JSON lines or Parquet) or a DataFrame of them; or a folder with train, validation and test.
        out: Folder of the run.
        resume: Go on with the run in `out`; the result equals that of a run that was never interrupted.
        overwrite: Replace the run in `out`.

    Returns:
        What `metrics.json` holds.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If data, options or the folder cannot be used.
    """
    splits = data_module.load(data, config)
    config = data_module.resolved(config, splits)
    with tempfile.TemporaryDirectory(prefix="seqapps-") as cache:
        sounds = fitting.read(splits, config, Path(cache))
        prepared = fitting.fitted(sounds, splits, config)
        learned = {}
        for split, use in (("train", "Not trained on"), ("validation", "Not in the validation loss")):
            learned[split], notes = fitting.examples(sounds[split], splits.parts[split], prepared, use)
            if not len(learned[split]):
                raise ValueError(f"No recording of the {split} part can be learned from. {' '.join(notes)}")
            splits = dataclasses.replace(splits, notes=(*splits.notes, *notes))
        if resume:  # before the model, whose stored start may not fit it
            run_folder.check_fitted(out, prepared.to_dict(), splits.fingerprints)
        training.set_seed(config.seed)
        stored_start = Path(out) / fitting.INITIAL_WEIGHTS if resume else None
        model = fitting.compiled_model(config, learned["train"], prepared, stored_start)
        # Only now, when nothing in data or options can fail, may the folder change.
        options, defaults = {"task": fitting.TASK, **config.to_dict()}, Config().to_dict()
        folder = run_folder.prepare(out, options, resume=resume, overwrite=overwrite, defaults=defaults)
        run_folder.write_fitted(folder, prepared.to_dict(), splits.fingerprints, resume)
        telling.say(splits, config, prepared)

        progress, fitted = fitting.fit_and_export(folder, model, config, splits, sounds, learned, prepared)
        result = evaluation.evaluate(serving.Served(folder), splits, "test", sounds["test"], fitted)
        course = (progress.history, progress.best_epoch)
        plots.write_report(folder / "report.html", config, result, model, prepared, sounds["test"], *course)
    run_folder.write_json(folder / "metrics.json", result.metrics)
    run_folder.write_with(
        folder / "predictions.csv.gz",
        lambda path: evaluation.prediction_table(result).to_csv(path, index=False, float_format="%.7g"),
    )
    run_folder.write_text(folder / "README.md", telling.model_card(config, splits, prepared, result.metrics))
    run_folder.write_manifest(
        folder, splits.fingerprints, progress.seconds, seed=config.seed, best_epoch=progress.best_epoch
    )
    print(summary(result.metrics), f"\nReport: {folder / 'report.html'}\nSavedModel: {folder / 'export'}", sep="")
    return result.metrics


def evaluate(
    served: serving.Served, folder: str | Path, data: str | Path | pd.DataFrame, split: str, baselines: str | None
) -> dict[str, Any]:
    """Metrics of a run on data that its own split rule cuts.

    Args:
        served: The run's SavedModel.
        folder: The run.
        data: As for training.
        split: `"test"`, `"validation"` or `"all"`, which is every recording of `data`.
        baselines: `"none"`, `"fast"` or `"full"`, which are the same here; `None` means those of the run.

    Returns:
        As `metrics.json`.
    """
    path = Path(folder) / "baselines.npz"
    if baselines is not None:
        checks.check_choice("baselines", baselines, ("none", "fast", "full"))
        if baselines != "none" and not path.is_file():
            checks.fail("baselines", "'none' for a run that was trained without baselines", baselines)
    fitted = simple_methods.Baselines.load(path) if baselines != "none" and path.is_file() else None
    splits = measured_splits(data, served.config, served.preprocessing.classes, split)
    with tempfile.TemporaryDirectory(prefix="seqapps-") as cache:
        wanted = dataclasses.replace(splits, parts={split: splits.parts[split]})
        sounds = fitting.read(wanted, served.config, Path(cache))[split]
        return evaluation.evaluate(served, splits, split, sounds, fitted).metrics


def measured_splits(data: str | Path | pd.DataFrame, config: Config, classes: tuple[str, ...], split: str) -> Splits:
    """The data cut by the run's rule, or whole; the files that a rule names belong to the data of the training."""
    checks.check_choice("split", split, ("test", "validation", "all"))
    measured = data_module.as_measured(data, config)
    if split == "all":
        return data_module.load_whole(data, measured, classes)
    try:
        splits = data_module.load(data, measured, classes)
    except FileNotFoundError as error:
        raise config.explained(error) from None
    if config.split_column is None or measured.split_column is not None:
        return splits
    note = f"There is no column {config.split_column!r}, which cut the training data: parts are cut by other rules."
    return dataclasses.replace(splits, notes=(*splits.notes, note))
