"""The whole story of a forecasting run: data, model, training, export, evaluation, report."""

from pathlib import Path
from typing import Any

import pandas as pd

from seqapps import checks, run_folder, training
from seqapps.tasks.forecasting import baselines as simple_methods
from seqapps.tasks.forecasting import data as data_module
from seqapps.tasks.forecasting import evaluation, plots, preprocessing, serving
from seqapps.tasks.forecasting.baselines import classical
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.pipeline import fitting, refits, telling
from seqapps.tasks.forecasting.pipeline.telling import summary

TASK = "forecasting"
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
        data: A CSV (also `.gz`) or Parquet file, a DataFrame, or a folder with train, validation and test.
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
    classical.check_fits(splits, "test", config.baselines)
    own = refits.served_splits(splits, config)
    scaling = preprocessing.fit(own, config)
    training.set_seed(config.seed)
    model = fitting.compiled_model(config, own, scaling, Path(out) / fitting.INITIAL_WEIGHTS if resume else None)
    # Only now, when nothing in data or options can fail, may the folder change.
    options, defaults = {"task": TASK, **config.to_dict()}, Config().to_dict()
    folder = run_folder.prepare(out, options, resume=resume, overwrite=overwrite, defaults=defaults)
    fitting.write_fitted(folder, own, scaling, resume)
    telling.say(splits, config)

    progress, fitted = fitting.fit_and_export(folder, model, config, own, scaling)
    full = config.baselines == "full"
    if config.refit:
        refits.train(folder, config, splits, options)
        result = refits.evaluate(folder, config, splits, fitted is not None, full)
    else:
        result = evaluation.evaluate(serving.Served(folder), splits, "test", fitted, full)
    _note_members(result.metrics, folder, config)
    run_folder.write_json(folder / "metrics.json", result.metrics)
    run_folder.write_with(
        folder / "predictions.csv.gz",
        lambda path: evaluation.prediction_table(result, splits).to_csv(path, index=False, float_format="%.7g"),
    )
    plots.write_report(folder / "report.html", config, splits, result, progress.history, progress.best_epoch)
    run_folder.write_text(folder / "README.md", telling.model_card(config, own, result.metrics))
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
        split: `"test"`, `"validation"` or `"all"`, which is every window of `data`. Of a run with `refit`, every test
            window is forecast by the model that was trained on all before it, and the others by the one that is served.
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
    with_baselines = baselines != "none" and path.is_file()
    config = served.config
    splits = data_module.load_whole(data, config) if split == "all" else _load_as_trained(data, config)
    full = (baselines or served.config.baselines) == "full"
    if full:
        classical.check_fits(splits, split)
    if served.config.refit and split == "test":
        metrics = refits.evaluate(Path(folder), served.config, splits, with_baselines, full).metrics
        return _note_members(metrics, Path(folder), config)
    own = splits if split == "all" else refits.served_splits(splits, served.config)
    fitted = simple_methods.Baselines.load(path) if with_baselines else None
    metrics = evaluation.evaluate(served, own, split, fitted, full).metrics
    return _note_members(metrics, Path(folder), config)


def measured_splits(data: str | Path | pd.DataFrame, config: Config, split: str) -> Splits:
    """Data of which a split is measured, with the one model that a run serves.

    Args:
        data: As for training.
        config: Of the run.
        split: `"test"`, `"validation"` or `"all"`, to which no rule of the run applies.
    """
    if split == "all":
        return data_module.load_whole(data, config)
    return refits.served_splits(_load_as_trained(data, config), config)


def _note_members(metrics: dict[str, Any], folder: Path, config: Config) -> dict[str, Any]:
    """Add to the notes what several members have together and alone; a run keeps it from its training."""
    if config.members > 1:
        metrics["notes"].append(telling.note_of_members(config, run_folder.read_json(folder / fitting.CALIBRATION)))
    return metrics


def _load_as_trained(data: str | Path | pd.DataFrame, config: Config) -> Splits:
    """The data, cut by the run's rule; the files that a rule names belong to the data of the training."""
    try:
        return data_module.load(data, config)
    except (ValueError, FileNotFoundError) as error:
        if config.test_data is None or config.test_data not in str(error):
            raise
        advice = f"The run was split by `test_data` {config.test_data!r}; for data of another time use --split all."
        raise type(error)(f"{error} {advice}") from error
