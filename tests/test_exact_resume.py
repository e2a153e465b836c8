"""A training that was interrupted and resumed equals one that never was, bit for bit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps import training
from seqapps.config import CELL_NAMES
from seqapps.series import windows
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import QuantileLoss, Sizes, build_model

ROWS, WINDOW, HORIZON, TARGETS, UNITS, BATCH = 71, 5, 3, 2, 7, 11
TRAIN, VALIDATION = (
    windows.one_series(windows.origins(start, stop, WINDOW, HORIZON)) for start, stop in ((0, 47), (47, ROWS))
)
STEPS = -(-len(TRAIN) // BATCH)
VALUES = np.random.default_rng(0).normal(size=(ROWS, TARGETS)).cumsum(axis=0)
ARRAYS = windows.Arrays(VALUES)


def failing(batches, step):
    """The same batches with an error in place of batch number `step`."""

    def check(number, batch):
        tf.debugging.assert_less(number, tf.constant(step, tf.int64))
        return batch

    return batches.enumerate().map(check)


def train(config, folder, fail_at=None):
    """Train as a fresh process would; `fail_at` counts the batches of the whole training."""
    training.set_seed(config.seed)
    model = build_model(config, Sizes(TARGETS))
    optimizer = training.make_optimizer(config, config.epochs * STEPS)
    model.compile(optimizer, QuantileLoss(config.levels), jit_compile=False)
    sizes = (WINDOW, HORIZON, BATCH)

    def training_from(epoch):
        batches = windows.training_batches(ARRAYS, TRAIN, *sizes, seed=config.seed, first_epoch=epoch)
        return batches if fail_at is None else failing(batches, fail_at - epoch * STEPS)

    validation = windows.evaluation_batches(ARRAYS, VALIDATION, *sizes)
    progress = training.fit(model, training_from, STEPS, validation, config, folder)
    return model, progress


def outcome(model, progress):
    """All that a training leaves but its duration."""
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in progress.history]
    variables = [keras.ops.convert_to_numpy(variable) for variable in [*model.variables, *model.optimizer.variables]]
    return history, (progress.best_epoch, progress.best_loss), [value.tobytes() for value in variables]


OPTIONS = {
    "window": WINDOW,
    "horizon": HORIZON,
    "units": UNITS,
    "dropout": 0.3,
    "recurrent_dropout": 0.2,
    "epochs": 7,
    "patience": 3,
    "batch_size": BATCH,
    "learning_rate": 0.03,
    "warmup_steps": 3,
    "weight_decay": 0.01,
    "average_weights": 0.9,
    "seed": 5,
}


@pytest.mark.slow
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_training_interrupted_in_an_epoch_and_resumed_equals_an_uninterrupted_one_bit_for_bit(
    tmp_path, cell, members
):
    config = Config(cell=cell, members=members, **OPTIONS)
    with pytest.raises(tf.errors.InvalidArgumentError):
        train(config, tmp_path / "interrupted", fail_at=2 * STEPS + 2)
    assert outcome(*train(config, tmp_path / "interrupted")) == outcome(*train(config, tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_deep_training_interrupted_many_times_equals_an_uninterrupted_one_bit_for_bit(tmp_path, cell):
    config = Config(cell=cell, num_layers=2, bidirectional=True, residual=True, **OPTIONS)
    whole = outcome(*train(config, tmp_path / "whole"))
    for batch in (STEPS - 1, STEPS + 1, 2 * STEPS, 4 * STEPS):  # before the first checkpoint, inside and after epochs
        with pytest.raises(tf.errors.InvalidArgumentError):
            train(config, tmp_path / "interrupted", fail_at=batch)
    assert outcome(*train(config, tmp_path / "interrupted")) == whole


def test_the_order_of_an_epoch_depends_on_the_seed_and_its_number_alone():
    def order(seed, epoch):
        batches = windows.training_batches(ARRAYS, TRAIN, WINDOW, HORIZON, BATCH, seed=seed, first_epoch=epoch)
        return np.concatenate([inputs["history"][:, 0, 0].numpy() for inputs, _ in batches.take(STEPS)])

    both = windows.training_batches(ARRAYS, TRAIN, WINDOW, HORIZON, BATCH, seed=5, first_epoch=0).take(2 * STEPS)
    second = np.concatenate([inputs["history"][:, 0, 0].numpy() for inputs, _ in both])[len(TRAIN) :]
    np.testing.assert_array_equal(second, order(seed=5, epoch=1))
    assert (order(seed=5, epoch=0) != order(seed=5, epoch=1)).any()
    assert (order(seed=5, epoch=0) != order(seed=7, epoch=0)).any()
    np.testing.assert_array_equal(np.sort(second), np.sort(VALUES[TRAIN.rows - WINDOW, 0].astype("float32")))
