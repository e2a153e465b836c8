"""A backtest in which a model is trained anew for every window; the run itself is the last one, which is served."""

from pathlib import Path

from seqapps import run_folder, training
from seqapps.tasks.forecasting import evaluation, preprocessing, serving
from seqapps.tasks.forecasting.baselines import Baselines
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.pipeline import fitting


def served_splits(splits: Splits, config: Config) -> Splits:
    """What the served model is trained on: with `refit` all before the last window."""
    return _splits_of(splits, config, (config.windows or 1) - 1) if config.refit else splits


def train(folder: Path, config: Config, splits: Splits, options: dict) -> None:
    """Train a model for every window but the last, each on all before it.

    Args:
        folder: The run; these models lie in `refits/`.
        config: The run's options.
        splits: The whole backtest.
        options: What `config.json` holds.
    """
    for number, own in enumerate(_folders(folder, config)[:-1]):
        print(f"Window {number + 1} of {config.windows}: training anew.", flush=True)
        moved = _splits_of(splits, config, number)
        own.mkdir(parents=True, exist_ok=True)
        training.set_seed(config.seed)
        scaling = preprocessing.fit(moved, config)
        run_folder.write_json(own / "config.json", options)
        fitting.write_fitted(own, moved, scaling, resume=False)
        fitting.fit_and_export(own, fitting.compiled_model(config, moved, scaling), config, moved, scaling)


def evaluate(folder: Path, config: Config, splits: Splits, baselines: bool, full: bool) -> evaluation.Evaluation:
    """Every window of the test part, from the model and baselines that were fitted to all before it.

    Args:
        folder: The run.
        config: The run's options.
        splits: The whole backtest.
        baselines: Whether the fitted baselines stand in the table.
        full: Whether the classical methods do.
    """
    parts, scaling = [], []
    for number, own in enumerate(_folders(folder, config)):
        served = serving.Served(own)
        moved = _splits_of(splits, config, number)
        fitted = Baselines.load(own / "baselines.npz") if baselines else None
        scaling.append(served.preprocessing.aligned(moved))
        parts.append(evaluation.answer(served, moved, "test", fitted, full))
    result = evaluation.score(evaluation.joined(parts), splits, "test", config, scaling[0])
    result.metrics["notes"].append(
        f"Each of the {config.windows} windows is forecast by a model that was trained on all before it; the last of "
        "these models is the one that is served."
    )
    return result


def _folders(folder: Path, config: Config) -> list[Path]:
    """Where the model of every window lies: the last one is the run itself."""
    return [*(folder / "refits" / f"{number:03d}" for number in range((config.windows or 1) - 1)), folder]


def _splits_of(splits: Splits, config: Config, number: int) -> Splits:
    return splits.moved(number * config.step_size)
