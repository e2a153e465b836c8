"""From data and options to a trained, calibrated and exported model in a folder."""

import math
from pathlib import Path

import keras
import numpy as np

from seqapps import export, run_folder, training
from seqapps.series import windows
from seqapps.tasks.forecasting import baselines as simple_methods
from seqapps.tasks.forecasting import data as data_module
from seqapps.tasks.forecasting import evaluation, preprocessing, serving
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.model import QuantileLoss, build_model, members

INITIAL_WEIGHTS = "initial.weights.h5"
CALIBRATION = "calibration.json"
ALIKE = "cell, units, layers, directions, horizon, channels, quantiles and linear skip"


def fit_and_export(
    folder: Path, model: keras.Model, config: Config, splits: Splits, scaling: preprocessing.Preprocessing
) -> tuple[training.Progress, simple_methods.Baselines | None]:
    """Train a compiled model, or go on with it, correct its quantiles on validation, and write what is left of it."""
    progress = _fit(model, config, splits, scaling, folder)
    run_folder.write_with(folder / "model.keras", model.save)
    run_folder.write_history(folder / "history.csv", progress.history)
    calibration = evaluation.calibrate(model, splits, scaling, config)
    told = calibration.to_dict(config)
    if config.members > 1:
        alone = _losses_of_members(model, config, splits, scaling)
        told |= {"validation_loss": progress.best_loss, "validation_loss_of_members": alone}
    run_folder.write_json(folder / CALIBRATION, told)
    if not export.has_version(folder / "export"):
        bundle = serving.bundle(model, scaling, config, (calibration.factors, calibration.shifts))
        requests = serving.example_requests(splits, scaling)
        export.save(bundle, folder / "export", requests, serving.facts(scaling, config))
    fitted = simple_methods.fit(splits, config, scaling) if config.baselines != "none" else None
    if fitted:
        fitted.save(folder / "baselines.npz")
    return progress, fitted


def compiled_model(
    config: Config, splits: Splits, scaling: preprocessing.Preprocessing, stored_start: Path | None = None
) -> keras.Model:
    """The model with its first weights: those of `initialize_from`, or of the start that a resumed run has stored."""
    model = build_model(config, scaling.sizes())
    if stored_start is not None and stored_start.is_file():
        model.load_weights(stored_start)
    elif config.initialize_from is not None:
        training.start_from(model, config, ALIKE)
    elif config.linear_skip == "ridge":
        _, coefficients, intercept = simple_methods.fit_ridge(splits, scaling)
        for network, own in zip(members(model), config.of_members, strict=True):
            if own.linear_skip == "ridge":
                network.get_layer("linear_skip").set_weights([coefficients, intercept])
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


def _losses_of_members(model: keras.Model, config: Config, splits: Splits, scaling) -> list[float]:
    """The validation loss of each member alone."""
    arrays, at, loss = scaling.arrays(splits.panel), splits.origins("validation"), QuantileLoss(config.levels)
    totals = np.zeros(config.members)
    for inputs, future in windows.evaluation_batches(arrays, at, splits.window, splits.horizon, config.batch_size):
        alone = (network(inputs, training=False) for network in members(model))
        totals += [float(np.sum(loss.call(future, each))) for each in alone]
    return (totals / len(at)).tolist()


def fingerprints(splits: Splits) -> dict[str, str]:
    """A fingerprint of the data of every split."""
    return {split: splits.fingerprint(split) for split in data_module.SPLITS}


def write_fitted(folder: Path, splits: Splits, scaling, resume: bool) -> None:
    """Write what was fitted before training, and refuse to resume on other data."""
    run_folder.write_fitted(folder, scaling.to_dict(), fingerprints(splits), resume)
