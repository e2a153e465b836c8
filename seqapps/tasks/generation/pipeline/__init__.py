"""The whole story of a language model: texts, model, training, export, evaluation, report."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps import checks, run_folder, training
from seqapps.tasks.generation import baselines as simple_methods
from seqapps.tasks.generation import data as data_module
from seqapps.tasks.generation import evaluation, plots, serving
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.pipeline import fitting, telling
from seqapps.tasks.generation.pipeline.telling import summary

__all__ = ["evaluate", "summary", "train"]


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
        data: A text file, a folder of them, a CSV, TSV, JSON lines (also `.gz`) or Parquet file, a DataFrame, or a
            folder with train, validation and test.
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
    prepared = fitting.fitted(splits, config)
    splits = dataclasses.replace(splits, notes=telling.notes(splits, config))
    if resume:  # before the model, whose stored start may not fit it
        run_folder.check_fitted(out, prepared.to_dict(), splits.hashes)
    fitting.check_warmup(config, splits, prepared)
    training.set_seed(config.seed)
    model = fitting.new_model(config, prepared, Path(out) / fitting.INITIAL_WEIGHTS if resume else None)
    # Only now, when nothing in data or options can fail, may the folder change.
    options, defaults = {"task": fitting.TASK, **config.to_dict()}, Config().to_dict()
    folder = run_folder.prepare(out, options, resume=resume, overwrite=overwrite, defaults=defaults)
    run_folder.write_fitted(folder, prepared.to_dict(), splits.hashes, resume)
    telling.say(splits, config, prepared)

    progress, counted = fitting.fit_and_export(folder, model, config, splits, prepared)
    if counted and counted.note():
        splits = dataclasses.replace(splits, notes=(*splits.notes, counted.note()))
    served = serving.Served(folder)
    result = evaluation.evaluate(served, splits, "test", counted)
    run_folder.write_json(folder / "metrics.json", result.metrics)
    table = evaluation.prediction_table(result, served.preprocessing.tokenizer)
    run_folder.write_with(
        folder / "predictions.csv.gz", lambda path: table.to_csv(path, index=False, float_format="%.7g")
    )
    plots.write_report(folder / "report.html", config, splits, result, table, progress)
    run_folder.write_text(folder / "README.md", telling.model_card(config, splits, result.metrics))
    run_folder.write_manifest(folder, splits.hashes, progress.seconds, seed=config.seed, best_epoch=progress.best_epoch)
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
        split: `"test"`, `"validation"` or `"all"`, which is every document of `data`.
        baselines: `"none"`, `"fast"` or `"full"`; `None` means those with which the run was trained.

    Returns:
        As `metrics.json`.
    """
    checks.check_choice("split", split, ("test", "validation", "all"))
    path = Path(folder) / "baselines.npz"
    if baselines is not None:
        checks.check_choice("baselines", baselines, ("none", "fast", "full"))
        own = served.config.baselines
        if own == "none" and baselines != "none":
            checks.fail("baselines", "'none' for a run that was trained without baselines", baselines)
        if baselines not in ("none", own):
            checks.fail("baselines", f"'none' or {own!r}, with which the run was trained", baselines)
    counted = simple_methods.Baselines.load(path) if baselines != "none" and path.is_file() else None
    config = data_module.as_measured(data, served.config)
    splits = data_module.load_whole(data, config) if split == "all" else data_module.load_as_trained(data, config)
    told = run_folder.read_json(Path(folder) / "metrics.json")["notes"]  # of what was fitted
    notes = tuple(note for note in told if note != evaluation.CUT_NOTE)
    return evaluation.evaluate(served, dataclasses.replace(splits, notes=notes), split, counted).metrics
