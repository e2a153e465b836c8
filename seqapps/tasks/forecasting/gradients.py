"""Windows whose losses go through a forecaster, to see how far back their gradients reach."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps import run_folder
from seqapps.recurrent.gradient_flow import Probe
from seqapps.recurrent.stack import RecurrentStack
from seqapps.series import windows
from seqapps.series.windows import Origins
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits
from seqapps.tasks.forecasting.model import QuantileLoss, members
from seqapps.tasks.forecasting.pipeline import measured_splits
from seqapps.tasks.forecasting.preprocessing import Preprocessing
from seqapps.text import batches


def gradient_batch(model: keras.Model, run: Path, data: str | Path | pd.DataFrame, split: str, rows: int) -> Probe:
    """Windows of a split, spread evenly over it, and the quantile loss of each.

    With independent channels every column of a window is a row of its own. With `head="segment"` a step of the
    recurrence is a segment, and the loss is taken where it goes on into the horizon. Of several members the first is
    measured, on its own forecasts.

    Args:
        model: Of the run, with any weights.
        run: Its folder.
        data: As for training.
        split: `"test"`, `"validation"` or `"all"`.
        rows: Windows, at most.
    """
    config = Config.from_dict(run_folder.read_options(run), str(run))
    config.check_has_lags()
    scaling = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    splits = measured_splits(data, config, split)
    origins = splits.origins(split)
    chosen = origins[batches.spread(len(origins), rows)]
    arrays = scaling.aligned(splits).arrays(splits.panel)
    inputs, targets = next(iter(windows.evaluation_batches(arrays, chosen, *config.steps, rows)))
    loss, network = QuantileLoss(config.levels), members(model)[0]

    def losses() -> tf.Tensor:
        return loss.call(targets, network(inputs, training=False))

    about = "" if config.members == 1 else f"The network is the first of {config.members} members."
    return Probe(_stack(network, config), losses, _names(splits, chosen, config), about=about)


def _stack(network: keras.Model, config: Config) -> RecurrentStack:
    return network.get_layer("recursive_decoder").stack if config.head == "recursive" else network.get_layer("stack")


def _names(splits: Splits, chosen: Origins, config: Config) -> tuple[tuple[str, ...], ...]:
    """Time stamps of what the recurrence reads, of a segment that of its first step; empty before a series begins."""
    stamps, window = splits.panel.stamps, config.steps[0]
    length = config.segment_steps if config.head == "segment" else 1
    count = -(-window // length)
    offsets = np.maximum(length * np.arange(-count, 0), -window)
    columns = len(splits.panel.columns) if config.channels == "independent" else 1
    names = []
    for origin, first in zip(chosen.rows, chosen.firsts, strict=True):
        shown = tuple(str(stamps[place]) if place >= first else "" for place in origin + offsets)
        names += [shown] * columns
    return tuple(names)
