"""A look at a training, without training."""

from pathlib import Path

import pytest
from refusals import refusal

from seqapps import run_folder, training
from seqapps.tasks import sentiment


def test_a_look_times_some_steps_and_counts_the_model(toys, tmp_path):
    toy = toys["sentiment"]
    looked = training.look(lambda: sentiment.train(sentiment.Config(**toy.options), toy.data, tmp_path / "run"), 3)
    # 157 tokens of 5 numbers; GRU: 3 gates of 7 units on 5 inputs, 7 states and two biases; 14 pooled, 2 classes.
    assert looked.parameters == 157 * 5 + 3 * 7 * (5 + 7 + 2) + (14 + 1) * 2
    assert looked.steps_per_epoch == 11  # 168 texts in batches of 16
    assert 0 < looked.seconds_of_first_epoch < 600
    assert set(run_folder.read_json(tmp_path / "run" / "preprocessing.json")["fingerprints"]) == {
        "train",
        "validation",
        "test",
    }
    assert not (tmp_path / "run" / "model.keras").exists()


def test_what_never_trains_is_refused():
    with refusal("`train` must begin a training. It ended without one."):
        training.look(lambda: Path(), 0)


def test_after_a_look_trainings_are_trainings_again(toys, tmp_path):
    with pytest.raises(ValueError, match="must be"):
        training.look(lambda: sentiment.Config(cell="ltsm"), 0)
    toy = toys["sentiment"]
    options = toy.options | {"epochs": 1, "baselines": "none"}
    sentiment.train(sentiment.Config(**options), toy.data, tmp_path / "run")
    assert (tmp_path / "run" / "manifest.json").is_file()
