"""Tells which window suits horizon 336 by leaving blocks of the training rows out; writes `forecasting_blocks.md`.

    python benchmarks/forecasting_blocks.py 720 --data DIR     the options `FAR` of `forecasting.py` with this window
    python benchmarks/forecasting_blocks.py table              the table again, from the results

The validation part of ETTh1 (June to October) is like neither the training nor the test part. So each of two blocks of
the training part is forecast by models that are trained on all other rows before the test part; no row of that is read.
The z-scores are those of the table, of the whole training part.
"""

import argparse
import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import training_runs
from forecasting import SHA256

from seqapps import training
from seqapps.series import windows
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import QuantileLoss, Sizes, build_model

HERE = Path(__file__).parent
HORIZON, TRAINED, BEFORE_TEST = 336, 8640, 11520  # rows of ETTh1
BLOCKS = ((2880, 5760), (5760, 8640))
EVERY = 3  # rows between the forecasts of a block
SETTINGS = Config(
    window=HORIZON,
    horizon=HORIZON,
    head="segment",
    segment_length=48,
    units=512,
    dropout=0.5,
    batch_size=256,
    learning_rate=0.001,
    normalization="last",
    epochs=8,
    patience=None,
)
PREFIX = "etth1-blocks-"  # of the results' names
TABLE = "table"
MEASURES = ("mse", "mae", "quantile_loss")


def scaled(data: Path) -> np.ndarray:
    """`(rows, series)` z-scores of all rows before the test part."""
    training_runs.check_data(data / "ETTh1.csv.gz", SHA256["ETTh1.csv.gz"])
    values = pd.read_csv(data / "ETTh1.csv.gz", nrows=BEFORE_TEST).iloc[:, 1:].to_numpy()
    return ((values - values[:TRAINED].mean(axis=0)) / values[:TRAINED].std(axis=0)).astype("float32")


def measure(values: np.ndarray, config: Config, block: tuple[int, int]) -> list[dict[str, float]]:
    """Train on all rows but the block; scores on the block after every epoch."""
    window, horizon = config.window, config.horizon
    parts = [windows.origins(*part, part[0] + window, horizon) for part in ((0, block[0]), (block[1], len(values)))]
    train = windows.one_series(np.concatenate(parts))
    left_out = windows.one_series(windows.origins(*block, max(block[0], window), horizon)[::EVERY])
    arrays, steps = windows.Arrays(values), -(-len(train) // config.batch_size)
    training.set_seed(config.seed)
    model = build_model(config, Sizes(targets=values.shape[1]))
    model.compile(
        training.make_optimizer(config, steps * config.epochs), QuantileLoss(config.levels), jit_compile=False
    )
    truth = windows.futures(values, left_out, horizon)
    told = []
    for epoch in range(config.epochs):
        batches = windows.training_batches(arrays, train, window, horizon, config.batch_size, config.seed, epoch)
        model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False)
        inputs = windows.evaluation_batches(arrays, left_out, window, horizon, config.batch_size)
        told.append(scores(model.predict(inputs, verbose=0), truth, config.levels))
        print(f"window {window}, rows {block[0]} to {block[1]}, epoch {epoch + 1}: {told[-1]}", flush=True)
    return told


def scores(quantiles: np.ndarray, truth: np.ndarray, levels: tuple[float, ...]) -> dict[str, float]:
    """Of forecasts `(windows, steps, series, levels)`: errors of the median and the mean loss of all quantiles."""
    median = truth - quantiles[..., levels.index(0.5)]
    values = (np.square(median).mean(), np.abs(median).mean(), QuantileLoss(levels)(truth, quantiles))
    return {name: round(float(value), 4) for name, value in zip(MEASURES, values, strict=True)}


def table() -> str:
    """The results as Markdown."""
    lines = ["# Windows for horizon 336 of ETTh1, judged on blocks of the training part", ""]
    lines += [f"Written by `python benchmarks/forecasting_blocks.py WINDOW --data DIR`. {described()}", ""]
    lines += ["| window | minutes | epoch | MSE | MAE | quantile loss | MSE of the blocks |", "|---" * 7 + "|"]
    results = [each for name, each in training_runs.read_results().items() if name.startswith(PREFIX)]
    for result in sorted(results, key=lambda each: each["window"]):
        for epoch in range(SETTINGS.epochs):
            blocks = [block[epoch] for block in result["blocks"]]
            means = " | ".join(f"{np.mean([each[measured] for each in blocks]):.4f}" for measured in MEASURES)
            each = ", ".join(f"{block['mse']:.4f}" for block in blocks)
            lines.append(f"| {result['window']} | {result['minutes']} | {epoch + 1} | {means} | {each} |")
    return "\n".join([*lines, ""])


def described() -> str:
    """The settings in a sentence."""
    return (
        f"{SETTINGS.cell.upper()}, {SETTINGS.units} units, segments of {SETTINGS.segment_length}, dropout "
        f"{SETTINGS.dropout}, batches of {SETTINGS.batch_size}, {SETTINGS.epochs} epochs of a cosine schedule from "
        f"{SETTINGS.learning_rate}; scores of z-scores, means over the blocks."
    )


def window_or_table(word: str) -> int | str:
    """The argument of the command line."""
    longest = BLOCKS[0][0] - HORIZON  # or the rows before the first block hold no window with its future
    if word == TABLE:
        return TABLE
    if not word.isdigit() or not 1 <= int(word) <= longest:
        raise argparse.ArgumentTypeError(f"WINDOW must be 1 to {longest}, or {TABLE}. Received: {word!r}.")
    return int(word)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("window", metavar="WINDOW", type=window_or_table, help="steps, or the word table")
    parser.add_argument("--data", type=Path, default=os.environ.get("SEQAPPS_DATA"), metavar="DIR")
    words = parser.parse_args()
    if words.window != TABLE:
        if words.data is None:
            parser.error("--data DIR or SEQAPPS_DATA is needed")
        data = words.data / "forecasting" if (words.data / "forecasting").is_dir() else words.data
        values, config = scaled(data), dataclasses.replace(SETTINGS, window=words.window)
        began = time.monotonic()
        blocks = [measure(values, config, block) for block in BLOCKS]
        minutes = round((time.monotonic() - began) / 60, 1)
        result = {"window": config.window, "minutes": minutes, "blocks": blocks}
        training_runs.write_result(f"{PREFIX}{config.window}", result)
    (HERE / "forecasting_blocks.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
