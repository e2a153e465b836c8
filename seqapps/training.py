"""Training with exact resume: a run that was killed anywhere goes on as if nothing had happened."""

import ctypes
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from seqapps import checks, run_folder
from seqapps.config import TaskConfig

MONITOR = "val_loss"
STATE_FILE = "state.npz"
# Numbers of malloc.h: one arena for all threads; no block of its own from the system; never give back; take much.
MALLOC_OPTIONS = ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 1 << 28))


def set_seed(seed: int) -> None:
    """Make weights, order and dropout depend on `seed` alone, bit for bit on one machine."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def keep_memory() -> None:
    """Let the C library keep the memory of a step for the next one.

    By default glibc gives large blocks back to the system as soon as they are free. A training step that takes hundreds
    of megabytes then spends up to half of its time on pages that the system has to clear again.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, which has no such options
        return
    for parameter, value in MALLOC_OPTIONS:
        mallopt(parameter, value)


@keras.saving.register_keras_serializable("seqapps")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0, then constant, linear or cosine to 0, or falling with the inverse square root of the step.

    Sources: cosine Loshchilov & Hutter 2017, inverse square root Vaswani et al. 2017.

    Args:
        peak: Highest learning rate.
        warmup_steps: Steps of the rise.
        total_steps: Steps of the whole training; `linear` and `cosine` reach 0 there.
        shape: `"constant"`, `"linear"`, `"cosine"` or `"inverse_sqrt"`.

    Example:

    >>> schedule = WarmupSchedule(peak=0.1, warmup_steps=10, total_steps=110, shape="linear")
    >>> [round(float(schedule(step)), 3) for step in (0, 4, 10, 60, 110)]
    [0.01, 0.05, 0.1, 0.05, 0.0]
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int, shape: str) -> None:
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.shape = shape

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = (step + 1) / max(self.warmup_steps, 1)
        done = (step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1)
        done = ops.clip(done, 0.0, 1.0)
        after = {
            "constant": lambda: ops.ones_like(step),
            "linear": lambda: 1 - done,
            "cosine": lambda: 0.5 * (1 + ops.cos(math.pi * done)),
            "inverse_sqrt": lambda: ops.rsqrt(
                ops.maximum(step + 1, max(self.warmup_steps, 1)) / max(self.warmup_steps, 1)
            ),
        }[self.shape]()
        return self.peak * ops.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        return vars(self).copy()


@keras.saving.register_keras_serializable("seqapps")
class DenseAdam(keras.optimizers.Adam):
    """Adam that sums the rows of an embedding's gradient first.

    Keras takes the norm of such a gradient without summing the rows of a token that occurs more than once, and so
    clips to another limit than was asked for.
    """

    def apply(self, grads, trainable_variables=None):
        """Change the variables; as in Keras."""
        dense = [gradient if gradient is None else tf.convert_to_tensor(gradient) for gradient in grads]
        return super().apply(dense, trainable_variables)


def make_optimizer(config: TaskConfig, total_steps: int) -> keras.optimizers.Optimizer:
    """Adam with the config's schedule, decoupled weight decay and limit on the gradient's global norm."""
    if config.warmup_steps >= total_steps:
        advice = f"Training takes {total_steps} steps: epochs × batches."
        checks.fail("warmup_steps", f"below {total_steps}", config.warmup_steps, advice)
    rate = WarmupSchedule(config.learning_rate, config.warmup_steps, total_steps, config.schedule)
    decay = getattr(config, "average_weights", 0.0)
    return DenseAdam(
        rate,
        weight_decay=config.weight_decay or None,
        global_clipnorm=config.clip_norm,
        use_ema=decay > 0,
        ema_momentum=decay or 0.99,
    )


@dataclass
class Progress:
    """What training must remember beside variables."""

    epoch: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


class ResumableTraining(keras.callbacks.Callback):
    """Keeps the best epoch, stops early, and writes after every epoch all that a resumed run needs, in one file.

    One callback, because the three share one state: Keras' EarlyStopping forgets its best epoch when a run resumes, and
    BackupAndRestore writes in place and leaves out the seeds of dropout.
    """

    def __init__(
        self,
        folder: Path,
        patience: int | None,
        max_minutes: float | None,
        after_epoch: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self.after_epoch = after_epoch
        self.folder = folder
        self.patience = patience
        self.max_seconds = math.inf if max_minutes is None else 60 * max_minutes
        self.progress = Progress()
        self.best: list[np.ndarray] = []
        self._resumed_at = time.monotonic()

    def variables(self) -> list:
        """Everything that changes while training: weights, seeds of dropout, the optimizer's variables, and the states
        that a model carries from batch to batch."""
        return [*self.model.variables, *self.model.optimizer.variables, *getattr(self.model, "carried", ())]

    def restore(self) -> None:
        """Go on from the last whole epoch, if there is one."""
        path = self.folder / STATE_FILE
        for unfinished in self.folder.glob(f".*-{STATE_FILE}"):
            unfinished.unlink()
        if not path.is_file():
            return
        with np.load(path, allow_pickle=False) as state:
            for position, variable in enumerate(self.variables()):
                variable.assign(state[f"variable_{position}"])
            self.best = [state[f"best_{position}"] for position in range(len(self.model.variables))]
            self.progress = Progress(**json.loads(str(state["progress"])))

    def save(self) -> None:
        """Write the state under a temporary name and rename it: a kill leaves the old file or the new one."""
        arrays = {f"variable_{position}": _array(variable) for position, variable in enumerate(self.variables())}
        arrays |= {f"best_{position}": value for position, value in enumerate(self.best)}
        self.folder.mkdir(parents=True, exist_ok=True)
        with run_folder.atomic_path(self.folder / STATE_FILE) as temporary:
            np.savez(temporary, progress=np.array(json.dumps(asdict(self.progress))), **arrays)  # type: ignore[arg-type]

    def elapsed(self) -> float:
        """Seconds of training, those before a resume included."""
        return self.progress.seconds + time.monotonic() - self._resumed_at

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.elapsed() > self.max_seconds:
            self.model.stop_training = True

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._swap_averages()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        row = {name: float(value) for name, value in (logs or {}).items()}
        for name, words in (("loss", "loss"), (MONITOR, "validation loss")):
            if not math.isfinite(row[name]):
                raise ValueError(
                    f"The {words} of epoch {epoch + 1} is not a finite number ({row[name]}). "
                    "Lower learning_rate, set clip_norm, or look for extreme values in the data."
                )
        progress = self.progress
        progress.seconds, self._resumed_at = self.elapsed(), time.monotonic()
        progress.epoch = epoch + 1
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        progress.history.append({"epoch": epoch + 1} | row | {"learning_rate": rate, "seconds": progress.seconds})
        if row[MONITOR] < progress.best_loss:
            progress.best_loss, progress.best_epoch = row[MONITOR], epoch + 1
            self.best = [_array(variable) for variable in self.model.variables]
        if self.after_epoch is not None:
            self.after_epoch(epoch)
        self._swap_averages()
        out_of_patience = self.patience is not None and epoch + 1 - progress.best_epoch >= self.patience
        out_of_time = progress.seconds > self.max_seconds
        progress.finished = out_of_patience or out_of_time or epoch + 1 == self.params["epochs"]
        self.model.stop_training = progress.finished
        self.save()

    def _swap_averages(self) -> None:
        """Exchange the weights with their moving averages, where the optimizer keeps some: the averages are evaluated
        and kept, the weights go on."""
        optimizer = self.model.optimizer
        if not optimizer.use_ema:
            return
        pairs = zip(self.model.trainable_variables, optimizer._model_variables_moving_average, strict=True)
        for variable, average in pairs:
            held = _array(variable)
            variable.assign(average)
            average.assign(held)


def fit(
    model: keras.Model,
    training_from: Callable[[int], tf.data.Dataset],
    steps_per_epoch: int,
    validation: tf.data.Dataset,
    config: TaskConfig,
    checkpoints: Path,
    after_epoch: Callable[[int], None] | None = None,
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

    Returns:
        The course of the training.

    Raises:
        ValueError: If the loss stops being a finite number.
    """
    keep_memory()
    model.optimizer.build(model.trainable_variables)
    state = ResumableTraining(checkpoints, config.patience, config.max_minutes, after_epoch)
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


def start_from(model: keras.Model, run: Path, alike: str) -> None:
    """Give a model the weights of a finished run.

    Args:
        model: Built.
        run: Its folder.
        alike: What the two must have in common, for the message.

    Raises:
        FileNotFoundError: If it is no finished run.
        ValueError: If its weights have other shapes.
    """
    if not (run / "model.keras").is_file():
        raise FileNotFoundError(f"`initialize_from` must be a finished run. Received: {str(run)!r} has no model.keras.")
    other = keras.models.load_model(run / "model.keras", compile=False)
    theirs, ours = ([tuple(weight.shape) for weight in each.weights] for each in (other, model))
    if theirs != ours:
        raise ValueError(
            f"`initialize_from` must be a run with the same {alike}. "
            f"Received: {str(run)!r} with weights of shapes {theirs}, where this model has {ours}."
        )
    model.set_weights(other.get_weights())


def _array(variable) -> np.ndarray:
    return np.array(ops.convert_to_numpy(variable))
