"""The whole story of a forecasting run: data, model, training, export, evaluation, report."""

import math
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from seqapps import checks, export, report, run_folder, training
from seqapps.series import windows
from seqapps.tasks.forecasting import baselines as simple_methods
from seqapps.tasks.forecasting import data as data_module
from seqapps.tasks.forecasting import evaluation, plots, preprocessing, serving
from seqapps.tasks.forecasting.baselines import classical
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.model import QuantileLoss, build_model

TASK = "forecasting"
INITIAL_WEIGHTS = "initial.weights.h5"


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
    scaling = preprocessing.fit(splits, config)
    training.set_seed(config.seed)
    model = _compiled_model(config, splits, scaling, Path(out) / INITIAL_WEIGHTS if resume else None)
    # Only now, when nothing in data or options can fail, may the folder change.
    folder = run_folder.prepare(out, {"task": TASK, **config.to_dict()}, resume=resume, overwrite=overwrite)
    _write_fitted(folder, splits, scaling, resume)
    _say(splits, config)

    progress = _fit(model, config, splits, scaling, folder)
    run_folder.write_with(folder / "model.keras", model.save)
    run_folder.write_history(folder / "history.csv", progress.history)

    offsets = evaluation.calibrate(model, splits, scaling, config)
    run_folder.write_json(folder / "calibration.json", {"levels": config.levels, "offsets": offsets.tolist()})
    if not export.has_version(folder / "export"):
        bundle = serving.bundle(model, scaling, config, offsets)
        requests = serving.example_requests(splits, scaling)
        export.save(bundle, folder / "export", requests, serving.facts(scaling, config))
    fitted = simple_methods.fit(splits, config, scaling) if config.baselines != "none" else None
    if fitted:
        fitted.save(folder / "baselines.npz")
    result = evaluation.evaluate(serving.Served(folder), splits, "test", fitted, config.baselines == "full")
    run_folder.write_json(folder / "metrics.json", result.metrics)
    run_folder.write_with(
        folder / "predictions.csv.gz",
        lambda path: evaluation.prediction_table(result, splits).to_csv(path, index=False, float_format="%.7g"),
    )
    plots.write_report(folder / "report.html", config, splits, result, progress.history, progress.best_epoch)
    run_folder.write_text(folder / "README.md", _model_card(config, splits, result.metrics))
    run_folder.write_manifest(
        folder, _fingerprints(splits), progress.seconds, seed=config.seed, best_epoch=progress.best_epoch
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
        split: `"test"`, `"validation"` or `"all"`, which is every window of `data`.
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
    fitted = simple_methods.Baselines.load(path) if baselines != "none" and path.is_file() else None
    splits = data_module.load_whole(data, served.config) if split == "all" else _load_as_trained(data, served.config)
    full = (baselines or served.config.baselines) == "full"
    if full:
        classical.check_fits(splits, split)
    return evaluation.evaluate(served, splits, split, fitted, full).metrics


def _load_as_trained(data: str | Path | pd.DataFrame, config: Config) -> Splits:
    """The data, cut by the run's rule; the files that a rule names belong to the data of the training."""
    try:
        return data_module.load(data, config)
    except (ValueError, FileNotFoundError) as error:
        if config.test_data is None:
            raise
        advice = f"The run was split by `test_data` {config.test_data!r}; for data of another time use --split all."
        raise type(error)(f"{error} {advice}") from error


def summary(metrics: dict[str, Any]) -> str:
    """The score table and the verdict, for the terminal."""
    header, rows = report.score_table(metrics["methods"], evaluation.METRICS)
    stride = metrics["every_nth_origin"]
    thinned = "" if stride == 1 else f", every {stride}th origin"
    windows_said = f"{metrics['windows']} window{'' if metrics['windows'] == 1 else 's'}{thinned}"
    lines = [f"Scores on the {metrics['split']} part ({windows_said}):", report.text_table(header, rows)]
    return "\n".join([*lines, metrics["verdict"], *filter(None, [metrics["lag_check"]["message"]])])


def _compiled_model(
    config: Config, splits: Splits, scaling: preprocessing.Preprocessing, stored_start: Path | None = None
) -> keras.Model:
    """The model with its first weights: those of `initialize_from`, or of the start that a resumed run has stored."""
    model = build_model(config, scaling.sizes())
    if stored_start is not None and stored_start.is_file():
        model.load_weights(stored_start)
    elif config.initialize_from is not None:
        _start_from(model, Path(config.initialize_from))
    steps = math.ceil(len(splits.origins("train")) / config.batch_size)
    optimizer = training.make_optimizer(config, config.epochs * steps)
    model.compile(optimizer, QuantileLoss(config.levels), jit_compile=False)
    return model


def _fit(model, config: Config, splits: Splits, scaling, folder: Path) -> training.Progress:
    """Train on scaled windows; `initial.weights.h5` keeps where the training started."""
    run_folder.write_with(folder / INITIAL_WEIGHTS, model.save_weights)
    arrays = scaling.arrays(splits.panel)
    sizes = (splits.window, splits.horizon, config.batch_size)
    at = splits.origins("train")
    validation = windows.evaluation_batches(arrays, splits.origins("validation"), *sizes)
    return training.fit(
        model,
        lambda epoch: windows.training_batches(arrays, at, *sizes, seed=config.seed, first_epoch=epoch),
        math.ceil(len(at) / config.batch_size),
        validation,
        config,
        folder / "checkpoints",
    )


def _start_from(model: keras.Model, run: Path) -> None:
    """Take the weights of another run, whose sizes must be those of this one."""
    if not (run / "model.keras").is_file():
        raise FileNotFoundError(f"`initialize_from` must be a finished run. Received: {str(run)!r} has no model.keras.")
    other = keras.models.load_model(run / "model.keras", compile=False)
    theirs, ours = ([tuple(weight.shape) for weight in each.weights] for each in (other, model))
    if theirs != ours:
        raise ValueError(
            "`initialize_from` must be a run with the same cell, units, layers, directions, horizon, channels and "
            f"quantiles. Received: {str(run)!r} with weights of shapes {theirs}, where this model has {ours}."
        )
    model.set_weights(other.get_weights())


def _fingerprints(splits: Splits) -> dict[str, str]:
    return {split: splits.fingerprint(split) for split in data_module.SPLITS}


def _write_fitted(folder: Path, splits: Splits, scaling, resume: bool) -> None:
    """Write what was fitted before training, and refuse to resume on other data."""
    path = folder / "preprocessing.json"
    state = {"fitted": scaling.to_dict(), "fingerprints": _fingerprints(splits)}
    if resume and path.is_file() and run_folder.read_json(path) != state:
        raise ValueError(
            f"The data are not those with which the run in {str(folder)!r} began. "
            "Resume with the same data, or train into another folder."
        )
    run_folder.write_json(path, state)


def _say(splits: Splits, config: Config) -> None:
    train, validation, test = (splits.steps(split) for split in data_module.SPLITS)
    panel = splits.panel
    series = f"{len(panel.ids)} series, " if len(panel.ids) > 1 else ""
    print(
        f"{series}{len(panel.values)} steps ({panel.frequency}), {len(panel.columns)} columns: "
        f"train {train}, validation {validation}, test {test}; "
        f"window {splits.window}, horizon {splits.horizon}, season {splits.season_length}."
    )
    for note in splits.notes:
        print(f"Note: {note}")
    print(f"Training {config.cell}, {len(config.widths)} layer(s), units {list(config.widths)}.", flush=True)


def _model_card(config: Config, splits: Splits, metrics: dict[str, Any]) -> str:
    header, rows = report.score_table(metrics["methods"], evaluation.METRICS)
    table = "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
    direction = "two directions" if config.bidirectional else "one direction"
    widths = ", ".join(str(width) for width in config.widths)
    panel = splits.panel
    last = panel.stamps[splits.ends[:, 0] - 1].max()
    of = f"{len(panel.ids)} series" if len(panel.ids) > 1 else ", ".join(panel.columns)
    return f"""# Forecaster of {of}

A {config.cell} with {len(config.widths)} layer(s) of {widths} units in {direction}, head {config.head}, forecasts
{splits.horizon} steps ({panel.frequency}) from the last {splits.window}. Trained on {splits.steps("train")} steps up to
{last}.

## Scores on the {metrics["split"]} part

{metrics["verdict"]}

{table}

## Use

`export/` holds a SavedModel that takes raw history (`NaN` = missing) and answers in raw units; `export/1/assets.extra/`
describes its signatures and holds sample requests. The forecast is only as good as the future is like the past: values
far outside the training range are answered with a warning.
"""
