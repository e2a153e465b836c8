"""Training with exact resume: a run that was killed anywhere goes on as if nothing had happened."""

import ctypes
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from seqapps import checks, run_folder
from seqapps.config import TaskConfig
from seqapps.training.looking import Look, look, stop_if_looking
from seqapps.training.optimizer import DenseAdam, WarmupSchedule, make_optimizer
from seqapps.training.resumable import STATE_FILE, Progress, ResumableTraining, Score

__all__ = ["STATE_FILE", "DenseAdam", "Look", "Progress", "ResumableTraining", "Score", "WarmupSchedule", "fit"]
__all__ += ["keep_memory", "look", "make_optimizer", "set_seed", "start_from", "stored_model"]

# Numbers of malloc.h: one arena for all threads; no block of its own from the system; never give back; take much.
MALLOC_OPTIONS = ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 1 << 28))
WHOLE_NETWORKS = ("members", "skip_members")  # options of which long lists of shapes would tell little
SAME_SHAPES = ("merge_mode", "residual", "pooling")  # options that the shapes of weights do not tell


def set_seed(seed: int) -> None:
    """Make weights, order and dropout depend on `seed` alone, bit for bit on one machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def keep_memory() -> None:
    """Let the C library keep the memory of a step for the next one.

    By default glibc gives large blocks back to the system as soon as they are free. A training step that takes hundreds
    of megabytes then spends up to half of its time on pages that the system has to clear again. It changes the whole
    process for good, so the command line calls it, and a program of one's own may.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, which has no such options
        return
    for parameter, value in MALLOC_OPTIONS:
        mallopt(parameter, value)


def fit(
    model: keras.Model,
    training_from: Callable[[int], tf.data.Dataset],
    steps_per_epoch: int,
    validation: tf.data.Dataset,
    config: TaskConfig,
    checkpoints: Path,
    after_epoch: Callable[[int], None] | None = None,
    score: Score | None = None,
) -> Progress:
    """Train a compiled model, or go on where `checkpoints` says, and leave it with the weights of its best epoch.

    Args:
        model: Compiled; with an unbuilt optimizer.
        training_from: The batches from an epoch (counted from 0) on, without end; their order may depend on the epoch
            and a seed, and on nothing else.
        steps_per_epoch: Batches that make an epoch.
        validation: Finite; its loss chooses the best epoch.
        config: `epochs`, `patience` and `max_minutes`.
        checkpoints: Folder of the resumable state.
        after_epoch: Called with every epoch, counted from 0, while the model has the weights that were evaluated.
        score: Chooses the best epoch before the validation loss does.

    Returns:
        The course of the training.

    Raises:
        ValueError: If the loss or the norm of a gradient stops being a finite number.
    """
    model.optimizer.build(model.trainable_variables)
    stop_if_looking(model, training_from, steps_per_epoch)
    state = ResumableTraining(checkpoints, config.patience, config.max_minutes, after_epoch, score)
    state.set_model(model)
    state.restore()
    if not state.progress.finished and state.progress.epoch < config.epochs:
        model.fit(
            training_from(state.progress.epoch),
            initial_epoch=state.progress.epoch,
            epochs=config.epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation,
            callbacks=[state],
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
        )
    for variable, value in zip(model.variables, state.best, strict=True):
        variable.assign(value)
    return state.progress


def stored_model(run: Path) -> keras.Model:
    """The trained model of a run; the module with the layers of its task must have been imported.

    Raises:
        ValueError: If it has other layers than this version has.
    """
    path = run / "model.keras"
    try:
        return keras.models.load_model(path, compile=False)
    except TypeError as error:  # what Keras says of a layer that it does not know
        raise ValueError(f"{path} was written by another version, which had other layers. Train it again.") from error


def start_from(model: keras.Model, config: TaskConfig, alike: str) -> None:
    """Give a model the weights of a finished run.

    Args:
        model: Built.
        config: Its options, of which `initialize_from` names the run.
        alike: What the two must have in common, for the message.

    Raises:
        FileNotFoundError: If it is no finished run.
        ValueError: If its weights have other shapes, or would mean something else in this model.
    """
    run = Path(str(config.initialize_from))
    if not (run / "model.keras").is_file():
        raise FileNotFoundError(f"`initialize_from` must be a finished run. Received: {str(run)!r} has no model.keras.")
    path = run / "config.json"
    stored = run_folder.read_json(path) if path.is_file() else {}
    _check_same(stored, config, WHOLE_NETWORKS, f"So it was in the run {str(run)!r}.")
    other = stored_model(run)
    theirs, ours = ([tuple(weight.shape) for weight in each.weights] for each in (other, model))
    if theirs != ours:
        raise ValueError(
            f"`initialize_from` must be a run with the same {alike}. "
            f"Received: {str(run)!r} with weights of shapes {theirs}, where this model has {ours}."
        )
    advice = f"The weights of the run {str(run)!r} mean another thing with another value."
    _check_same(stored, config, SAME_SHAPES, advice)
    model.set_weights(other.get_weights())


def _check_same(stored: Mapping[str, Any], config: TaskConfig, names: Iterable[str], advice: str) -> None:
    """Refuse other options than those of the run that `initialize_from` names."""
    defaults = type(config)()
    for name in names:  # `None` where a task has no such option, the default where a run is older than the option
        own, given = stored.get(name, getattr(defaults, name, None)), getattr(config, name, None)
        if own != given:
            checks.fail(name, f"{own!r} with this `initialize_from`", given, advice)
