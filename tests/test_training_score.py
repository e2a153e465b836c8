"""A score of the validation part chooses the best epoch, and the loss where scores are equal."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from refusals import refusal

from seqapps import training
from seqapps.config import TaskConfig
from seqapps.training import Score
from seqapps.training.norms import COLUMNS

NEAR, FAR = 2.75, 10  # where the validation and the training part pull the one weight
EPOCHS = 7
LOSSES = [1.75, 0.75, 0.25, 1.25, 2.25, 3.25, 4.25]  # of the epochs, as the weight goes past NEAR
NEAREST = 3  # the epoch with the lowest one
NAME = "points"


def fit_one_weight(folder, scores, *, fail_at=None, measured=None, **options):
    """Train with Adam at rate 1, so that every epoch adds 1; epoch number `epoch` has the score `scores[epoch - 1]`.

    The epoch after `fail_at` others is an error. Returns the weight and the progress; `measured` gets the weight of
    every epoch that is scored.
    """
    usual = {"epochs": EPOCHS, "learning_rate": 1.0, "schedule": "constant", "patience": None}
    config = TaskConfig(**(usual | options))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(training.make_optimizer(config, 100), "mae", jit_compile=False)
    measured = [] if measured is None else measured

    def batches(epoch):
        def batch(number):
            if fail_at is not None:
                tf.debugging.assert_less(number, tf.constant(fail_at, tf.int64))
            return tf.ones((1, 1)), tf.constant([[FAR]], tf.float32)

        return tf.data.Dataset.range(epoch, 2**31).map(batch)

    def measure():
        measured.append(model.get_weights()[0].item())
        return float(scores[round(measured[-1]) - 1])

    validation = tf.data.Dataset.from_tensors((tf.ones((1, 1)), tf.constant([[NEAR]], tf.float32)))
    score = None if scores is None else Score(NAME, measure)
    progress = training.fit(model, batches, 1, validation, config, folder, score=score)
    return model.get_weights()[0].item(), progress


def stored_progress(folder):
    with np.load(folder / training.STATE_FILE, allow_pickle=False) as state:
        return json.loads(str(state["progress"]))


# --- the best epoch ---


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0, 1, 2, 3, 5, 4, 3], 5),  # not the one with the lowest loss
        ([9, 1, 2, 3, 5, 4, 3], 1),
        ([1, 2, 3, 4, 5, 6, 7], 7),
        ([0.25, 0.5, -2, 0.5000001, 0, 0, 0], 4),
        ([-9, -8, -7, -6, -5, -5.5, -8], 5),
        ([0, 0, 0, 0, 0, 0, 0], NEAREST),  # equal scores: as without one
        ([0, 0, -1, 0, 0, 0, 0], 2),
        ([5, 0, 0, 0, 5, 0, 0], 1),
        ([5, 5, 0, 5, 5, 0, 0], 2),
        ([0, 0, 0, 5, 5, 5, 5], 4),
        ([5, 0, 0, 5, 0, 0, 0], 4),  # a lower loss with the same score
    ],
)
def test_the_epoch_with_the_highest_score_is_kept_and_of_equal_ones_that_with_the_lowest_loss(tmp_path, scores, best):
    weight, progress = fit_one_weight(tmp_path, scores)
    assert weight == pytest.approx(best, abs=1e-2)
    assert (progress.best_epoch, progress.best_score, progress.epoch) == (best, scores[best - 1], EPOCHS)
    assert progress.best_loss == pytest.approx(LOSSES[best - 1], abs=1e-2)


def test_without_a_score_the_loss_chooses(tmp_path):
    weight, progress = fit_one_weight(tmp_path, None)
    assert (progress.best_epoch, progress.finished) == (NEAREST, True)
    assert weight == pytest.approx(NEAREST, abs=1e-2)
    assert list(progress.history[0]) == ["epoch", "loss", "val_loss", *COLUMNS, "learning_rate", "seconds"]


def test_the_history_has_the_score_of_every_epoch(tmp_path):
    scores = [0.5, 7, -2, 3, 5, 4, 3]
    _, progress = fit_one_weight(tmp_path, scores)
    assert [list(row) for row in progress.history] == [
        ["epoch", "loss", "val_loss", f"val_{NAME}", *COLUMNS, "learning_rate", "seconds"]
    ] * EPOCHS
    assert [row[f"val_{NAME}"] for row in progress.history] == scores
    assert [row["val_loss"] for row in progress.history] == pytest.approx(LOSSES, abs=1e-2)
    assert stored_progress(tmp_path)["history"] == progress.history


@pytest.mark.parametrize("average_weights", [0.0, 0.5])
def test_the_score_is_measured_once_an_epoch_with_the_weights_that_have_the_loss(tmp_path, average_weights):
    measured = []
    weight, progress = fit_one_weight(
        tmp_path, [0, 0, 0, 0, 9, 9, 9], measured=measured, average_weights=average_weights
    )
    assert len(measured) == EPOCHS
    assert [abs(each - NEAR) for each in measured] == pytest.approx([row["val_loss"] for row in progress.history])
    assert weight == measured[progress.best_epoch - 1]
    # Training goes on from the weights, not from their average.
    assert [row["loss"] for row in progress.history] == pytest.approx(range(FAR, FAR - EPOCHS, -1), abs=1e-2)


# --- patience ---


def test_patience_counts_from_the_epoch_with_the_best_score(tmp_path):
    _, progress = fit_one_weight(tmp_path, [0, 1, 2, 3, 5, 4, 3, 0, 0], patience=2, epochs=9)
    assert (progress.best_epoch, progress.epoch, progress.finished) == (5, 7, True)


def test_a_falling_loss_is_no_improvement_where_the_score_falls(tmp_path):
    weight, progress = fit_one_weight(tmp_path, [5, 4, 3, 2, 1, 0, 0], patience=2)
    assert (progress.best_epoch, progress.epoch, progress.finished) == (1, 3, True)
    assert weight == pytest.approx(1, abs=1e-2)


def test_a_falling_loss_is_an_improvement_where_the_score_stays(tmp_path):
    _, progress = fit_one_weight(tmp_path, [5] * EPOCHS, patience=2)
    assert (progress.best_epoch, progress.epoch) == (NEAREST, NEAREST + 2)


# --- a resumed training ---


@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
def test_a_resumed_training_knows_the_best_score(tmp_path, epoch):
    scores = [1, 9, 2, 9, 0, 0, 0]  # the loss of the second nine is higher
    with pytest.raises(tf.errors.InvalidArgumentError):
        fit_one_weight(tmp_path, scores, fail_at=epoch, patience=3)
    before = stored_progress(tmp_path)
    assert (before["epoch"], before["best_score"]) == (epoch, max(scores[:epoch]))
    weight, progress = fit_one_weight(tmp_path, scores, patience=3)
    assert (progress.best_epoch, progress.best_score, progress.epoch) == (2, 9, 5)
    assert weight == pytest.approx(2, abs=1e-2)
    assert [row[f"val_{NAME}"] for row in progress.history] == scores[:5]


def test_a_resumed_training_compares_with_the_loss_of_the_best_score(tmp_path):
    scores = [9, 0, 0, 9, 0, 9, 0]
    with pytest.raises(tf.errors.InvalidArgumentError):
        fit_one_weight(tmp_path, scores, fail_at=3)
    weight, progress = fit_one_weight(tmp_path, scores)
    assert (progress.best_epoch, progress.best_score) == (4, 9)
    assert weight == pytest.approx(4, abs=1e-2)


def test_a_finished_training_is_not_scored_again(tmp_path):
    first, measured = fit_one_weight(tmp_path, [0, 1, 2, 3, 5, 4, 3]), []
    assert fit_one_weight(tmp_path, [9] * EPOCHS, measured=measured) == first
    assert measured == []


@pytest.mark.parametrize("lowest", [0.0, -1e30, -math.inf])
def test_the_lowest_score_is_one(tmp_path, lowest):
    weight, progress = fit_one_weight(tmp_path, [lowest] * EPOCHS)
    assert (progress.best_epoch, progress.best_score) == (NEAREST, lowest)
    assert weight == pytest.approx(NEAREST, abs=1e-2)


def test_a_score_that_is_no_number_ends_the_training(tmp_path):
    with refusal(f"The validation {NAME} of epoch 3 must be a number. Received: nan."):
        fit_one_weight(tmp_path, [1, 2, math.nan, *[4] * 4])
