"""A listener whose training was interrupted and resumed equals one that never was, bit for bit."""

import math
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from toy_speech import RATE, config_of, noise, prepared_for

from seqapps import run_folder, training
from seqapps.audio.augmentation import Augmentation
from seqapps.audio.sounds import Sounds
from seqapps.config import CELL_NAMES
from seqapps.tasks import speech
from seqapps.tasks.speech import batches
from seqapps.tasks.speech.batches import Examples
from seqapps.tasks.speech.pipeline import fitting

pytestmark = pytest.mark.slow
RECORDINGS, VALIDATION, BATCH, MOST = 47, 13, 7, 1000
STEPS = math.ceil(RECORDINGS / BATCH)
OPTIONS = {
    "augment": True,  # also gaps in spectra
    "dropout": 0.3,
    "recurrent_dropout": 0.2,
    "average_weights": 0.9,
    "epochs": 5,
    "patience": 3,
    "batch_size": BATCH,
    "learning_rate": 0.03,
    "warmup_steps": 3,
    "weight_decay": 0.01,
    "seed": 5,
}


def drawn(count, mode, seed):
    """Recordings of all lengths with words or transcripts."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(150, 500, count)
    sounds = Sounds(noise(1, lengths.sum(), seed=seed)[0], np.cumsum([0, *lengths]))
    if mode == "classify":
        return Examples(sounds, np.arange(count), generator.integers(0, 3, count).astype("int32"), MOST)
    ids = generator.integers(4, 9, (count, 3)).astype("int32")
    return Examples(sounds, np.arange(count), ids, MOST, np.full(count, 60))


def failing(dataset, step):
    """The same batches with an error in place of batch number `step`."""

    def check(number, batch):
        tf.debugging.assert_less(number, tf.constant(step, tf.int64))
        return batch

    return dataset.enumerate().map(lambda number, batch: check(number, batch))


def train(config, folder, fail_at=None):
    """Train as a fresh process would; `fail_at` counts the batches of the whole training."""
    learned = drawn(RECORDINGS, config.mode, 0)
    training.set_seed(config.seed)
    model = fitting.compiled_model(config, learned, prepared_for(config))

    def training_from(epoch):
        dataset = batches.training_batches(learned, Augmentation(RATE, 0.03), BATCH, config.seed, epoch)
        return dataset if fail_at is None else failing(dataset, fail_at - epoch * STEPS)

    validation = batches.evaluation_batches(drawn(VALIDATION, config.mode, 1), BATCH)
    progress = training.fit(model, training_from, STEPS, validation, config, folder)
    return model, progress


def outcome(model, progress):
    """All that a training leaves but its duration."""
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in progress.history]
    variables = [keras.ops.convert_to_numpy(variable) for variable in [*model.variables, *model.optimizer.variables]]
    return history, (progress.best_epoch, progress.best_loss), [value.tobytes() for value in variables]


@pytest.mark.parametrize("mode", ["classify", "transcribe"])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_training_interrupted_and_resumed_equals_an_uninterrupted_one_bit_for_bit(tmp_path, cell, mode):
    config = config_of(cell=cell, mode=mode, **OPTIONS)
    for batch in (STEPS - 1, 2 * STEPS + 2):  # before the first checkpoint, and inside an epoch
        with pytest.raises(tf.errors.InvalidArgumentError):
            train(config, tmp_path / "interrupted", fail_at=batch)
    whole = outcome(*train(config, tmp_path / "whole"))
    assert outcome(*train(config, tmp_path / "interrupted")) == whole
    assert len({row["loss"] for row in whole[0]}) == len(whole[0]) > 2


FROM_THE_END = ("config.json", "preprocessing.json", "initial.weights.h5", "checkpoints")


def test_a_run_killed_after_its_last_epoch_is_finished_by_a_resume(tmp_path, trained_run, toys):
    run, killed = trained_run("speech", "lstm"), tmp_path / "killed"
    killed.mkdir()
    for name in FROM_THE_END:
        (shutil.copytree if (run / name).is_dir() else shutil.copy)(run / name, killed / name)
    speech.train(speech.Config(cell="lstm", **toys["speech"].options), toys["speech"].data, killed, resume=True)
    for name in ("metrics.json", "calibration.json", "preprocessing.json", "config.json"):
        assert run_folder.read_json(killed / name) == run_folder.read_json(run / name)
    told, expected = (pd.read_csv(each / "predictions.csv.gz") for each in (killed, run))
    pd.testing.assert_frame_equal(told, expected)
    golden = "export/1/assets.extra/golden.json"
    assert (killed / golden).read_bytes() == (run / golden).read_bytes()
    assert sorted(path.name for path in killed.iterdir()) == sorted(path.name for path in run.iterdir())
