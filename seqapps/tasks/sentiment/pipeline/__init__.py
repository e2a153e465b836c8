"""The whole story of a classification run: texts, model, training, export, evaluation, report."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps import checks, run_folder, training
from seqapps.tasks.sentiment import baselines as simple_methods
from seqapps.tasks.sentiment import data as data_module
from seqapps.tasks.sentiment import evaluation, linear, plots, serving
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.data import Splits
from seqapps.tasks.sentiment.pipeline import fitting, pretraining, telling
from seqapps.tasks.sentiment.pipeline.telling import summary
from seqapps.text import reading

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

    Args:
        config: The options.
        data: A CSV, TSV, JSON lines (also `.gz`) or Parquet file, a DataFrame, a folder with a sub-folder per class,
            or a folder with train, validation and test.
        out: Folder of the run.
        resume: Go on with the run in `out`; the result equals that of a run that was never interrupted.
        overwrite: Replace the run in `out`.

    Returns:
        What `metrics.json` holds.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If data, options or the folder cannot be used.
    """
    if config.pretrained is not None:
        config = pretraining.resolved(config)
    splits = data_module.load(data, config)
    config = data_module.resolved(config, splits)
    scaling = fitting.fitted(splits, config)
    config, vectors, coverage = fitting.start_vectors(config, splits, scaling)
    splits = dataclasses.replace(splits, notes=telling.notes(splits, config, coverage))
    if resume:  # before the model, whose stored start may not fit it
        run_folder.check_fitted(out, scaling.to_dict(), fitting.fingerprints(splits))
    training.set_seed(config.seed)
    stored_start = Path(out) / fitting.INITIAL_WEIGHTS if resume else None
    model = fitting.compiled_model(config, splits, scaling, vectors, stored_start)
    # Only now, when nothing in data or options can fail, may the folder change.
    options, defaults = {"task": fitting.TASK, **config.to_dict()}, Config().to_dict()
    folder = run_folder.prepare(out, options, resume=resume, overwrite=overwrite, defaults=defaults)
    run_folder.write_fitted(folder, scaling.to_dict(), fitting.fingerprints(splits), resume)
    telling.say(splits, config, scaling)

    progress, fitted = fitting.fit_and_export(folder, model, config, splits, scaling)
    result = evaluation.evaluate(serving.Served(folder), splits, "test", fitted)
    run_folder.write_json(folder / "metrics.json", result.metrics)
    run_folder.write_with(
        folder / "predictions.csv.gz",
        lambda path: evaluation.prediction_table(result, splits, "test").to_csv(path, index=False, float_format="%.7g"),
    )
    explained = (model, scaling, linear.stored(folder))
    course = (progress.history, progress.best_epoch)
    plots.write_report(folder / "report.html", config, splits, result, *explained, *course)
    run_folder.write_text(folder / "README.md", telling.model_card(config, splits, result.metrics))
    run_folder.write_manifest(
        folder, fitting.fingerprints(splits), progress.seconds, seed=config.seed, best_epoch=progress.best_epoch
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
        split: `"test"`, `"validation"` or `"all"`, which is every text of `data`.
        baselines: `"none"`, `"fast"` or `"full"`; `None` means those with which the run was trained.

    Returns:
        As `metrics.json`.
    """
    checks.check_choice("split", split, ("test", "validation", "all"))
    path = Path(folder) / "baselines.npz"
    if baselines is not None:
        checks.check_choice("baselines", baselines, ("none", "fast", "full"))
        if baselines != "none" and not path.is_file():
            checks.fail("baselines", "'none' for a run that was trained without baselines", baselines)
        if baselines == "full" and served.config.baselines == "fast":
            checks.fail("baselines", "'none' or 'fast' for a run that was trained with baselines='fast'", baselines)
    fitted = simple_methods.Baselines.load(path) if baselines != "none" and path.is_file() else None
    if fitted and baselines == "fast":
        fitted = fitted.fast()
    splits = measured_splits(data, served.config, served.preprocessing.classes, split)
    return evaluation.evaluate(served, splits, split, fitted).metrics


def measured_splits(data: str | Path | pd.DataFrame, config: Config, classes: tuple[str, ...], split: str) -> Splits:
    """Data of which a split is measured; the files that a run's rule names belong to the data of the training.

    Args:
        data: As for training; its columns may have other names.
        config: Of the run.
        classes: Of the run.
        split: `"test"`, `"validation"` or `"all"`, to which no rule of the run applies.
    """
    config = serving.with_columns_of(reading.parts(data)["train"], config)
    if split == "all":
        return data_module.load_whole(data, config, classes)
    try:
        return data_module.load(data, config, classes)
    except FileNotFoundError as error:
        raise config.explained(error) from None
