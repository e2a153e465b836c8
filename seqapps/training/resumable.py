"""The state of a training that a resumed run needs, written whole after every epoch."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from seqapps import run_folder
from seqapps.training import norms

MONITOR = "val_loss"
STATE_FILE = "state.npz"
STEPS_BETWEEN_CHECKS = 10  # of the gradients: to look at a number after every step would make the steps wait


class Score(NamedTuple):
    """A score of the validation part that chooses the best epoch; of epochs with equal scores the loss chooses.

    Attributes:
        name: Its column in the history, after `val_`.
        measure: Measures the model as it is; better when higher.
    """

    name: str
    measure: Callable[[], float]


@dataclass
class Progress:
    """What training must remember beside variables. Without a `Score` all epochs have the same."""

    epoch: int = 0
    best_loss: float = math.inf
    best_score: float = -math.inf
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
        score: Score | None = None,
    ) -> None:
        super().__init__()
        self.score = score
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

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.model.optimizer.norms.start()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.elapsed() > self.max_seconds:
            self.model.stop_training = True
        if (batch + 1) % STEPS_BETWEEN_CHECKS == 0:
            self._check_gradients()

    def _check_gradients(self) -> None:
        """Stop where a gradient was not finite: weights are no numbers any more, or stand still from then on."""
        step = self.model.optimizer.norms.broken_at
        if step is not None:
            epoch = self.progress.epoch + 1
            raise ValueError(
                f"The gradient of step {step} of epoch {epoch} is not a finite number. {self._explained()}"
            )

    def _explained(self) -> str:
        optimizer = self.model.optimizer
        return norms.explanation(self.progress.history, optimizer.norms.read(), optimizer.global_clipnorm)

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._swap_averages()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._check_gradients()
        row = {name: float(value) for name, value in (logs or {}).items()}
        for name, words in (("loss", "loss"), (MONITOR, "validation loss")):
            if not math.isfinite(row[name]):
                raise ValueError(
                    f"The {words} of epoch {epoch + 1} is not a finite number ({row[name]}). {self._explained()}"
                )
        score = 0.0
        if self.score is not None:
            row[f"val_{self.score.name}"] = score = float(self.score.measure())
            if math.isnan(score):
                raise ValueError(
                    f"The validation {self.score.name} of epoch {epoch + 1} must be a number. Received: nan."
                )
        progress = self.progress
        progress.seconds, self._resumed_at = self.elapsed(), time.monotonic()
        progress.epoch = epoch + 1
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        read = self.model.optimizer.norms.read()
        row |= {name: read[name] for name in norms.COLUMNS} | {"learning_rate": rate, "seconds": progress.seconds}
        progress.history.append({"epoch": epoch + 1} | row)
        if (score, -row[MONITOR]) > (progress.best_score, -progress.best_loss):
            progress.best_score, progress.best_loss, progress.best_epoch = score, row[MONITOR], epoch + 1
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


def _array(variable) -> np.ndarray:
    return np.array(ops.convert_to_numpy(variable))
