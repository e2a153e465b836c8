"""Schedule and optimizer by hand, early stopping, limits of time, and the checkpoint file of a training."""

import json
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps import training
from seqapps.config import SCHEDULES, TaskConfig
from seqapps.training.norms import COLUMNS

PEAK, WARMUP, TOTAL = 0.7, 5, 17
NEAR, FAR = 3, 10  # where the validation and the training part pull the one weight
ADVICE = (
    "The norm of the gradient was 1 at first and 1 at its largest, which is no explosion: look for extreme values in "
    "the data, or lower learning_rate."
)


# --- the schedule ---


def expected_rate(step, shape, warmup=WARMUP):
    if step < warmup:
        return PEAK * (step + 1) / warmup
    done = min((step - warmup) / (TOTAL - warmup), 1)
    if shape == "inverse_sqrt":
        return PEAK / math.sqrt((step + 1) / max(warmup, 1))
    return PEAK * {"constant": 1, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[shape]


@pytest.mark.parametrize("shape", SCHEDULES)
def test_the_learning_rate_follows_its_formula(shape):
    for warmup in (0, WARMUP):
        schedule = training.WarmupSchedule(PEAK, warmup, TOTAL, shape)
        for step in range(TOTAL + 3):
            assert float(schedule(step)) == pytest.approx(expected_rate(step, shape, warmup), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("shape", "rates"),
    [
        ("constant", [0.1, 0.2, 0.2, 0.2, 0.2, 0.2]),
        ("linear", [0.1, 0.2, 0.2, 0.15, 0.1, 0.05]),
        ("cosine", [0.1, 0.2, 0.2, 0.1 + 0.1 * math.sqrt(0.5), 0.1, 0.1 - 0.1 * math.sqrt(0.5)]),
        (
            "inverse_sqrt",
            [0.1, 0.2, 0.2 * math.sqrt(2 / 3), 0.2 * math.sqrt(2 / 4), 0.2 * math.sqrt(2 / 5), 0.2 / 3**0.5],
        ),
    ],
)
def test_the_learning_rate_of_six_steps_is_as_computed_by_hand(shape, rates):
    schedule = training.WarmupSchedule(peak=0.2, warmup_steps=2, total_steps=6, shape=shape)
    assert [float(schedule(step)) for step in range(6)] == pytest.approx(rates, rel=1e-6)


def test_a_warmup_longer_than_the_training_only_rises():
    schedule = training.WarmupSchedule(PEAK, warmup_steps=TOTAL, total_steps=WARMUP, shape="cosine")
    rates = [float(schedule(step)) for step in range(TOTAL)]
    assert rates == pytest.approx([PEAK * (step + 1) / TOTAL for step in range(TOTAL)])


def test_a_schedule_is_rebuilt_from_its_config():
    schedule = training.WarmupSchedule(PEAK, WARMUP, TOTAL, "linear")
    stored = json.loads(json.dumps(keras.optimizers.schedules.serialize(schedule)))
    rebuilt = keras.optimizers.schedules.deserialize(stored)
    assert vars(rebuilt) == vars(schedule) == {"peak": PEAK, "warmup_steps": 5, "total_steps": 17, "shape": "linear"}


# --- the optimizer ---


def test_the_optimizer_is_adam_with_decoupled_decay_and_a_limit_on_the_norm_of_all_gradients():
    decay, limit, rate = 0.1, 2.0, 0.3
    config = TaskConfig(weight_decay=decay, clip_norm=limit, learning_rate=rate, schedule="linear")
    optimizer = training.make_optimizer(config, total_steps=7)
    weights = [keras.Variable([1.0, -2.0]), keras.Variable([3.0])]
    expected, momentum, square = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.zeros(3)
    for step, gradient in enumerate(np.array([[3.0, 4.0, 12.0], [0.3, -0.4, 0.0], [-6.0, 0.0, 8.0]])):
        optimizer.apply([tf.constant(gradient[:2], tf.float32), tf.constant(gradient[2:], tf.float32)], weights)
        clipped = gradient * min(1, limit / np.linalg.norm(gradient))
        momentum = 0.9 * momentum + 0.1 * clipped
        square = 0.999 * square + 0.001 * clipped**2
        scheduled = rate * (1 - step / 7)
        expected -= scheduled * decay * expected
        unbiased = momentum / (1 - 0.9 ** (step + 1)), square / (1 - 0.999 ** (step + 1))
        expected -= scheduled * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-7)
        received = np.concatenate([keras.ops.convert_to_numpy(weight) for weight in weights])
        np.testing.assert_allclose(received, expected, rtol=1e-4)


def test_decay_and_limit_can_be_left_out():
    optimizer = training.make_optimizer(TaskConfig(weight_decay=0.0, clip_norm=None), total_steps=7)
    assert (optimizer.weight_decay, optimizer.global_clipnorm) == (None, None)


@pytest.mark.parametrize("total", [WARMUP, 1])
def test_a_warmup_that_never_ends_is_refused(total):
    assert training.make_optimizer(TaskConfig(warmup_steps=total - 1), total).learning_rate > 0
    expected = (
        f"`warmup_steps` must be below {total}. Received: warmup_steps={WARMUP}. "
        f"Training takes {total} steps: epochs × batches."
    )
    with pytest.raises(ValueError, match=rf"\A{re.escape(expected)}\Z"):
        training.make_optimizer(TaskConfig(warmup_steps=WARMUP), total)


# --- one weight that training pulls from 0 to FAR in steps of one, past NEAR, where validation wants it ---


def fit_one_weight(folder, *, steps=1, fail_at=None, target=FAR, near=NEAR, **options):
    """Train with Adam at rate 1, so that every step adds 1; the batch number `fail_at` is an error.

    Returns the weight, the progress and the number of steps that this call took.
    """
    config = TaskConfig(**({"epochs": 13, "learning_rate": 1.0, "schedule": "constant", "patience": None} | options))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(training.make_optimizer(config, 100), "mae", jit_compile=False)

    def batches(epoch):
        def batch(number):
            if fail_at is not None:
                tf.debugging.assert_less(number, tf.constant(fail_at, tf.int64))
            return tf.ones((1, 1)), tf.constant([[target]], tf.float32)

        return tf.data.Dataset.range(epoch * steps, 2**31).map(batch)

    validation = tf.data.Dataset.from_tensors((tf.ones((1, 1)), tf.constant([[near]], tf.float32)))
    progress = training.fit(model, batches, steps, validation, config, folder)
    return model.get_weights()[0].item(), progress, int(model.optimizer.iterations.numpy())


def test_the_weights_of_the_best_epoch_are_kept(tmp_path):
    weight, progress, steps = fit_one_weight(tmp_path, epochs=7)
    assert weight == pytest.approx(NEAR, abs=1e-3)
    assert (progress.best_epoch, progress.epoch, steps, progress.finished) == (NEAR, 7, 7, True)
    assert progress.best_loss == pytest.approx(0, abs=1e-3)
    assert [row["val_loss"] for row in progress.history] == pytest.approx([2, 1, 0, 1, 2, 3, 4], abs=1e-2)
    assert [row["epoch"] for row in progress.history] == [1, 2, 3, 4, 5, 6, 7]
    assert list(progress.history[0]) == ["epoch", "loss", "val_loss", *COLUMNS, "learning_rate", "seconds"]


def test_training_stops_when_patience_epochs_bring_no_improvement(tmp_path):
    weight, progress, _ = fit_one_weight(tmp_path, patience=2)
    assert (progress.best_epoch, progress.epoch, progress.finished) == (NEAR, NEAR + 2, True)
    assert weight == pytest.approx(NEAR, abs=1e-3)


@pytest.mark.parametrize("epoch", [NEAR - 1, NEAR, NEAR + 1])
def test_early_stopping_survives_a_resume(tmp_path, epoch):
    with pytest.raises(tf.errors.InvalidArgumentError):
        fit_one_weight(tmp_path, patience=2, fail_at=epoch)
    weight, progress, _ = fit_one_weight(tmp_path, patience=2)
    assert (progress.best_epoch, progress.epoch) == (NEAR, NEAR + 2)
    assert weight == pytest.approx(NEAR, abs=1e-3)
    assert [row["val_loss"] for row in progress.history] == pytest.approx([2, 1, 0, 1, 2], abs=1e-2)


def test_a_training_out_of_minutes_ends_its_epoch_early_and_is_finished(tmp_path):
    weight, progress, steps = fit_one_weight(tmp_path, steps=5, max_minutes=1e-9)
    assert (steps, progress.epoch, progress.finished, len(progress.history)) == (1, 1, True, 1)
    assert weight == pytest.approx(1, abs=1e-3)


def test_the_minutes_before_a_resume_count(tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError):
        fit_one_weight(tmp_path, steps=5, fail_at=10)
    minutes = stored_progress(tmp_path)["seconds"] / 60
    _, progress, steps = fit_one_weight(tmp_path, steps=5, max_minutes=minutes)
    assert (steps, progress.epoch, progress.finished) == (11, 3, True)


def stored_progress(folder):
    with np.load(folder / training.STATE_FILE, allow_pickle=False) as state:
        return json.loads(str(state["progress"]))


# --- what goes wrong ---


def test_a_loss_that_is_no_number_stops_the_training_and_says_what_to_do(tmp_path):
    expected = f"The loss of epoch 1 is not a finite number (inf). {ADVICE}"
    with pytest.raises(ValueError, match=rf"\A{re.escape(expected)}\Z"):
        fit_one_weight(tmp_path, target=math.inf)
    assert list(tmp_path.iterdir()) == []


def test_a_validation_loss_that_is_no_number_stops_the_training_and_says_what_to_do(tmp_path):
    expected = f"The validation loss of epoch 1 is not a finite number (nan). {ADVICE}"
    with pytest.raises(ValueError, match=rf"\A{re.escape(expected)}\Z"):
        fit_one_weight(tmp_path, near=math.nan)


def test_the_last_good_epoch_stays_when_the_loss_is_no_number(tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError):
        fit_one_weight(tmp_path, fail_at=2)
    before = (tmp_path / training.STATE_FILE).read_bytes()
    with pytest.raises(ValueError, match=r"The loss of epoch 3 is not a finite number"):
        fit_one_weight(tmp_path, target=math.inf)
    assert (tmp_path / training.STATE_FILE).read_bytes() == before


# --- the checkpoint file ---


def test_a_finished_training_is_not_touched_by_a_resume(tmp_path):
    weight, progress, _ = fit_one_weight(tmp_path, patience=2)
    before = (tmp_path / training.STATE_FILE).read_bytes()
    again, resumed, _ = fit_one_weight(tmp_path, patience=2, fail_at=0)
    assert (again, resumed) == (weight, progress)
    assert (tmp_path / training.STATE_FILE).read_bytes() == before


def test_a_checkpoint_that_was_torn_while_it_was_written_is_ignored_and_removed(tmp_path):
    with pytest.raises(tf.errors.InvalidArgumentError):
        fit_one_weight(tmp_path, fail_at=4)
    whole = (tmp_path / training.STATE_FILE).read_bytes()
    torn = tmp_path / f".123-{training.STATE_FILE}"
    torn.write_bytes(whole[: len(whole) // 2])
    weight, progress, steps = fit_one_weight(tmp_path, epochs=7, fail_at=7)
    assert (progress.best_epoch, progress.epoch, steps) == (NEAR, 7, 7)
    assert weight == pytest.approx(NEAR, abs=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == [training.STATE_FILE]


def test_a_torn_first_checkpoint_means_to_start_over(tmp_path):
    torn = tmp_path / f".123-{training.STATE_FILE}"
    torn.write_bytes(b"PK\x03\x04")
    _, progress, steps = fit_one_weight(tmp_path, epochs=2)
    assert (progress.epoch, steps) == (2, 2)
    assert not torn.exists()
