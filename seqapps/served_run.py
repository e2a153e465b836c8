"""A finished run, ready to predict and evaluate through its own SavedModel."""

from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps import checks, run_folder
from seqapps.tasks import TASKS


class ServedRun:
    """A run whose SavedModel is loaded once. Made by `load`.

    Attributes:
        folder: The run.
        task: Name of its task.
        config: Its options.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no run {str(folder)!r}.")
        self.task = run_folder.read_json(self.folder / "config.json").get("task")
        checks.check_choice("task", self.task, TASKS)
        self._served = import_module(f"seqapps.tasks.{self.task}.serving").Served(self.folder)
        self.config = self._served.config

    def predict(self, data: Any, **options: Any) -> pd.DataFrame:
        """Finished answers for new data.

        Args:
            data: What the task takes: a DataFrame, texts or paths.
            **options: How a text is written on, for a task that does: temperature, seed and the like.

        Returns:
            One row per answer.
        """
        return self._served.predict(data, **options)

    def predict_parts(self, data: Any, **options: Any) -> Iterator[pd.DataFrame]:
        """As `predict`, in parts that come as soon as they are answered, where a task can answer for parts of its data.

        What a part warns of (`attrs["warning"]`), it warns of in all data up to its end.
        """
        if hasattr(self._served, "predict_parts"):
            return self._served.predict_parts(data, **options)
        return iter([self._served.predict(data, **options)])  # the future of a series needs all of its past

    def stream(self, prompt: str, **options: Any) -> Generator[str, None, str]:
        """The text that goes on from a prompt, piece by piece as it is made, for a task that writes texts.

        The generator's own value, at its end, is what there is to warn of.

        Args:
            prompt: From which to go on.
            **options: As for `predict`.
        """
        if not hasattr(self._served, "stream"):
            raise ValueError(f"`stream` takes a run of a task that writes texts. Received: one of {self.task!r}.")
        return self._served.stream(prompt, **options)

    def evaluate(self, data: Any, split: str = "test", baselines: str | None = None, **options: Any) -> dict[str, Any]:
        """Metrics on data that the run's own rule splits, beside the run's baselines.

        Args:
            data: As for training.
            split: `"test"`, `"validation"` or `"all"`.
            baselines: `"fast"` or `"none"`; by default those with which the run was trained.
            **options: Of a task that has some for measuring.

        Returns:
            As `metrics.json` of a run.
        """
        pipeline = import_module(f"seqapps.tasks.{self.task}.pipeline")
        return pipeline.evaluate(self._served, self.folder, data, split, baselines, **options)


def load(run: str | Path) -> ServedRun:
    """Load a finished run.

    Args:
        run: Its folder.

    Raises:
        FileNotFoundError: If the folder is no finished run.
    """
    return ServedRun(run)
