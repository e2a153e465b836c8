"""A classifier whose training was interrupted and resumed equals one that never was, bit for bit."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from seqapps import run_folder, training
from seqapps.config import CELL_NAMES
from seqapps.tasks import sentiment
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.model import build_model, loss_of
from seqapps.text import batches
from seqapps.text.batches import Encoded

APP = Path(__file__).parents[3] / "apps" / "sentiment.py"
TEXTS, VALIDATION, VOCABULARY, CLASSES, BATCH, UNITS = 71, 23, 31, 3, 11, 5
STEPS = -(-TEXTS // BATCH)
OPTIONS = {
    "units": UNITS,
    "embedding_size": 7,
    "bidirectional": True,
    "word_dropout": 0.3,
    "dropout": 0.3,
    "recurrent_dropout": 0.2,
    "epochs": 5,
    "patience": 3,
    "batch_size": BATCH,
    "learning_rate": 0.03,
    "warmup_steps": 3,
    "weight_decay": 0.01,
    "average_weights": 0.9,
    "seed": 5,
}


def drawn(count, seed):
    """Texts of all lengths with classes and weights."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 13, count)
    token_ids = generator.integers(1, VOCABULARY, lengths.sum()).astype("int32")
    targets = generator.integers(0, CLASSES, count).astype("int32")
    return Encoded(token_ids, np.concatenate([[0], np.cumsum(lengths)])), targets, 0.5 + targets.astype("float32")


def failing(dataset, step):
    """The same batches with an error in place of batch number `step`."""

    def check(number, batch):
        tf.debugging.assert_less(number, tf.constant(step, tf.int64))
        return batch

    return dataset.enumerate().map(lambda number, batch: check(number, batch))


def train(config, folder, fail_at=None):
    """Train as a fresh process would; `fail_at` counts the batches of the whole training."""
    training.set_seed(config.seed)
    model = build_model(config, VOCABULARY, CLASSES)
    optimizer = training.make_optimizer(config, config.epochs * STEPS)
    model.compile(optimizer, loss_of(multi_label=False), jit_compile=False)
    texts, targets, weights = drawn(TEXTS, 0)

    def training_from(epoch):
        dataset = batches.training_batches(texts, targets, weights, BATCH, config.seed, epoch)
        return dataset if fail_at is None else failing(dataset, fail_at - epoch * STEPS)

    validation = batches.evaluation_batches(*drawn(VALIDATION, 1)[:2], BATCH)
    progress = training.fit(model, training_from, STEPS, validation, config, folder)
    return model, progress


def outcome(model, progress):
    """All that a training leaves but its duration."""
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in progress.history]
    variables = [keras.ops.convert_to_numpy(variable) for variable in [*model.variables, *model.optimizer.variables]]
    return history, (progress.best_epoch, progress.best_loss), [value.tobytes() for value in variables]


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_training_interrupted_and_resumed_equals_an_uninterrupted_one_bit_for_bit(tmp_path, cell):
    config = Config(cell=cell, **OPTIONS)
    for batch in (STEPS - 1, 2 * STEPS + 2):  # before the first checkpoint, and inside an epoch
        with pytest.raises(tf.errors.InvalidArgumentError):
            train(config, tmp_path / "interrupted", fail_at=batch)
    assert outcome(*train(config, tmp_path / "interrupted")) == outcome(*train(config, tmp_path / "whole"))


FROM_THE_END = ("config.json", "preprocessing.json", "initial.weights.h5", "checkpoints")


@pytest.mark.slow
@pytest.mark.parametrize("cache", [False, True])
def test_a_run_killed_after_its_last_epoch_is_finished_by_a_resume(tmp_path, trained_run, toys, cache):
    run, killed = trained_run("sentiment", "lstm"), tmp_path / "killed"
    killed.mkdir()
    for name in FROM_THE_END:
        (shutil.copytree if (run / name).is_dir() else shutil.copy)(run / name, killed / name)
    if cache:
        (killed / "cache").mkdir()
        (killed / "cache" / "train.ids").write_bytes(b"torn")
    config = Config(cell="lstm", **toys["sentiment"].options)
    sentiment.train(config, toys["sentiment"].data, killed, resume=True)
    assert result(killed) == result(run)


def result(run):
    """What must not depend on interruptions: weights, losses, metrics, answers and the names of all files."""
    weights = keras.models.load_model(run / "model.keras", compile=False).get_weights()
    folders = (run, run / "export", run / "checkpoints")
    names = ("metrics.json", "calibration.json", "preprocessing.json", "config.json")
    return {
        "weights": [weight.tobytes() for weight in weights],
        "history": pd.read_csv(run / "history.csv").drop(columns="seconds").to_dict("list"),
        "predictions": pd.read_csv(run / "predictions.csv.gz").to_dict("list"),
        "golden": (run / "export" / "1" / "assets.extra" / "golden.json").read_text(encoding="utf-8"),
        "files": [sorted(path.name for path in folder.iterdir()) for folder in folders],
        **{name: run_folder.read_json(run / name) for name in names},
    }


def command(data, out, *options):
    return [sys.executable, str(APP), "train", str(data), str(out), *options]


FLAGS = ("--units=7", "--embedding-size=5", "--word-dropout=0.2", "--class-weights=balanced", "--epochs=11")


@pytest.mark.slow
def test_a_run_killed_at_a_random_moment_and_resumed_equals_one_that_was_left_alone(tmp_path, toys):
    data, whole, out = (tmp_path / name for name in ("data.csv", "whole", "killed"))
    toys["sentiment"].data.to_csv(data, index=False)
    began = time.monotonic()
    subprocess.run(command(data, whole, *FLAGS), check=True, capture_output=True)
    seconds = time.monotonic() - began
    process = subprocess.Popen(command(data, out, *FLAGS), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.Random(1).uniform(0.4, 0.9) * seconds)
    process.kill()
    process.wait()
    again = ["--resume"] if (out / "config.json").is_file() else FLAGS  # it may have been killed before it was a run
    subprocess.run(command(data, out, *again), check=True, capture_output=True)
    expected, received = result(whole), result(out)
    assert [name for name in expected if repr(received[name]) != repr(expected[name])] == []
