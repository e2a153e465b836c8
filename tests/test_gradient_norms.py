"""Norms of gradients in the history of a training, and a training whose gradients explode."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from refusals import refusal

from seqapps import run_folder, training
from seqapps.config import TaskConfig
from seqapps.training.norms import COLUMNS, GradientNorms, explanation

# --- the count ---


def counted(norms, limit=None):
    count = GradientNorms()
    record = tf.function(lambda norm: count.record(norm, limit))  # as in a training step
    for norm in norms:
        record(tf.constant(norm, tf.float32))
    return count


def test_mean_largest_and_clipped_share_are_those_of_the_steps():
    read = counted([1.0, 5.0, 0.0, 2.0], limit=1.0).read()
    assert read == {"gradient_norm": 2.0, "largest_gradient_norm": 5.0, "clipped_share": 0.5, "first": 1.0}
    assert counted([1.0, 5.0]).read()["clipped_share"] == 0
    assert counted([]).read() == dict.fromkeys([*COLUMNS, "first"], 0.0)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_ends_the_count_and_says_where(bad):
    count = counted([1.0, 3.0, bad, 7.0, bad], limit=2.0)
    assert count.broken_at == 3
    read = count.read()
    assert all(map(math.isfinite, read.values()))
    assert (read["first"], read["largest_gradient_norm"]) == (1.0, 7.0)
    assert counted([bad]).broken_at == 1
    assert counted([bad]).read()["largest_gradient_norm"] == 0
    assert counted([1.0]).broken_at is None
    count.start()
    assert (count.broken_at, count.read()["largest_gradient_norm"]) == (None, 0)


@pytest.mark.parametrize("clip_norm", [None, 2.0])
def test_the_optimizer_records_norms_over_all_weights_before_it_clips(clip_norm):
    optimizer = training.make_optimizer(TaskConfig(clip_norm=clip_norm), total_steps=7)
    weights = [keras.Variable(np.zeros((3, 2), "float32")), keras.Variable([3.0])]
    repeated = tf.IndexedSlices(
        tf.constant([[1.0, 0.0], [2.0, 0.0]]), tf.constant([1, 1]), tf.constant([3, 2])
    )  # a token, twice
    for gradients in ([repeated, tf.constant([4.0])], [tf.zeros((3, 2)), tf.constant([1.0])]):
        optimizer.apply(gradients, weights)
    read = optimizer.norms.read()
    assert (read["gradient_norm"], read["largest_gradient_norm"], read["first"]) == (3, 5, 5)
    assert read["clipped_share"] == (0 if clip_norm is None else 0.5)


def test_the_norms_are_no_part_of_a_saved_model(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(training.make_optimizer(TaskConfig(), 100), "mse", jit_compile=False)
    model.train_on_batch(np.ones((1, 1)), np.ones((1, 1)))
    assert len(model.optimizer.variables) == 1 + 2 * 2  # steps, and two means per weight
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").optimizer.norms.read()["first"] == 0


# --- in a training ---

DATA = "look for extreme values in the data"


def fit(folder, targets, *, steps, near=0.0, fail_at=None, **options):
    """Train y = w x + b from zero on inputs of 1 with the squared error: the gradient of both is 2 (w + b - target)."""
    config = TaskConfig(**({"epochs": len(targets) // steps, "schedule": "constant", "patience": None} | options))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(training.make_optimizer(config, 100), "mse", jit_compile=False)
    taken = []

    def batches(epoch):
        def rows():
            for number in range(epoch * steps, len(targets)):
                if fail_at == number:
                    raise RuntimeError("killed")
                taken.append(number)
                yield np.ones((1, 1), "float32"), np.array([[targets[number]]], "float32")

        spec = tf.TensorSpec([1, 1], tf.float32)
        return tf.data.Dataset.from_generator(rows, output_signature=(spec, spec))

    validation = tf.data.Dataset.from_tensors((tf.ones((1, 1)), tf.constant([[near]])))
    return training.fit(model, batches, steps, validation, config, folder), taken


def test_the_history_tells_mean_and_largest_norm_and_the_clipped_share_of_every_epoch(tmp_path):
    rate = 1e-7  # the weights stay at zero, nearly
    targets = [1, 3, 5, -0.5, 0.1, 0.1]
    progress, _ = fit(tmp_path, targets, steps=3, learning_rate=rate, clip_norm=4.0)
    norm = 2 * math.sqrt(2)  # of an error of 1
    told = [[row[name] for name in COLUMNS] for row in progress.history]
    np.testing.assert_allclose(told, [[3 * norm, 5 * norm, 2 / 3], [0.7 / 3 * norm, 0.5 * norm, 0]], rtol=1e-4)
    run_folder.write_history(tmp_path / "history.csv", progress.history)
    header = (tmp_path / "history.csv").read_text().splitlines()[0]
    assert header == "epoch,loss,val_loss,gradient_norm,largest_gradient_norm,clipped_share,learning_rate,seconds"


def test_norms_after_a_resume_are_those_of_an_uninterrupted_training(tmp_path):
    targets = np.linspace(1, 9, 12).tolist()

    def told(progress):
        return json.dumps(
            [{name: value for name, value in row.items() if name != "seconds"} for row in progress.history]
        )

    whole, _ = fit(tmp_path / "whole", targets, steps=4, learning_rate=0.1)
    with pytest.raises(tf.errors.UnknownError, match="killed"):
        fit(tmp_path / "killed", targets, steps=4, learning_rate=0.1, fail_at=10)
    resumed, _ = fit(tmp_path / "killed", targets, steps=4, learning_rate=0.1)
    assert told(resumed) == told(whole)


@pytest.mark.parametrize(
    ("clip_norm", "told"),
    [
        (None, f"and clip_norm is none: set clip_norm, lower learning_rate, or {DATA}."),
        (0.5, f"of which clip_norm 0.5 let through no more than that: lower learning_rate, or {DATA}."),
    ],
)
def test_an_explosion_stops_a_training_inside_its_epoch_and_is_explained(tmp_path, clip_norm, told):
    targets = [1.0] * 9 + [1e6, 1e6, math.inf] + [1.0] * 88
    before = f"The norm of the gradient was 2.83 at first and 2.83e+06 at its largest, {told}"
    with refusal(f"The gradient of step 12 of epoch 1 is not a finite number. {before}"):
        fit(tmp_path, targets, steps=100, learning_rate=1e-9, clip_norm=clip_norm)
    assert list(tmp_path.iterdir()) == []


def test_a_training_is_stopped_soon_after_the_step_that_broke_it(tmp_path):
    taken = []
    targets = [1.0] * 9 + [math.inf] + [1.0] * 990

    class Counted(list):
        def __getitem__(self, number):
            taken.append(number)
            return super().__getitem__(number)

    with pytest.raises(ValueError, match=r"step 10 of epoch 1"):
        fit(tmp_path, Counted(targets), steps=1000)
    assert len(taken) < 10 + training.resumable.STEPS_BETWEEN_CHECKS + 10  # some wait in a queue


def test_a_gradient_that_breaks_in_a_short_epoch_is_told_with_its_step(tmp_path):
    message = (
        "The gradient of step 2 of epoch 2 is not a finite number. The norm of the gradient was 2.83 at first and 2.83 "
        f"at its largest, which is no explosion: {DATA}, or lower learning_rate."
    )
    with refusal(message):
        fit(tmp_path, [1.0, 1.0, 1.0, 1.0, math.nan, 1.0], steps=3, learning_rate=1e-9)


def test_a_gradient_that_breaks_and_leaves_weights_and_losses_finite_is_told(tmp_path):
    """Without a limit Adam divides by the root of a square that overflows: the update is zero, and training goes on."""
    message = (
        "The gradient of step 3 of epoch 1 is not a finite number. The norm of the gradient was 2.83 at first and 2.83 "
        f"at its largest, which is no explosion: {DATA}, or lower learning_rate."
    )
    with refusal(message):
        fit(tmp_path, [1.0, 1.0, 1e19, 1.0], steps=4, learning_rate=1e-9, clip_norm=None)
    assert list(tmp_path.iterdir()) == []


def test_a_first_step_that_is_not_finite_is_told(tmp_path):
    message = (
        "The gradient of step 1 of epoch 1 is not a finite number. "
        f"No step before had a gradient that is finite and not zero: {DATA}, or lower learning_rate."
    )
    with refusal(message):
        fit(tmp_path, [math.nan] * 3, steps=3)


def test_the_first_epoch_is_what_later_norms_are_compared_with():
    history = [dict(zip(COLUMNS, (2.0, 3.0, 0.0), strict=True)), dict(zip(COLUMNS, (5.0, 30.0, 0.0), strict=True))]
    now = {"gradient_norm": 1.0, "largest_gradient_norm": 7.0, "clipped_share": 0.0, "first": 4.0}
    assert explanation(history, now, None).startswith(
        "The norm of the gradient was 2 at first and 30 at its largest, and"
    )


def test_a_history_whose_first_epochs_tell_less_is_written_whole(tmp_path):
    run_folder.write_history(tmp_path / "history.csv", [{"epoch": 1}, {"epoch": 2, "gradient_norm": 0.5}])
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,gradient_norm", "1,", "2,0.5"]
