"""Forecasters that cannot use the order of a window, and those that are trained on its last steps alone."""

import keras
import numpy as np
import pytest
from refusals import refusal

from seqapps import run_folder
from seqapps.recurrent.stack import RecurrentStack
from seqapps.tasks.forecasting import data as data_module
from seqapps.tasks.forecasting import preprocessing
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.gradients import gradient_batch
from seqapps.tasks.forecasting.model import Sizes, build_model

WINDOW, HORIZON, TARGETS = 7, 3, 2
OPTIONS = {"window": WINDOW, "horizon": HORIZON, "normalization": "none"}


def forecasts(config, history, sizes=None, **inputs):
    keras.utils.set_random_seed(0)
    model = build_model(config, sizes or Sizes(TARGETS, mark_missing=True))
    return model, keras.ops.convert_to_numpy(model({"history": history, **inputs}, training=False))


def histories():
    """A window with a short past, and the same in another order."""
    generator = np.random.default_rng(0)
    history = generator.normal(size=(2, WINDOW, TARGETS)).astype("float32")
    history[:, :2] = np.nan
    history[1, 2:] = history[0, 2:][::-1]
    return history


@pytest.mark.parametrize(
    "options",
    [
        {"control": "memoryless"},
        {"control": "shuffled", "units": 5, "cell": "lstm"},
        {"control": "shuffled", "units": 5, "channels": "joint", "bidirectional": True},
        {"control": "shuffled", "units": 5, "head": "segment", "segment_length": 2},
        {"control": "shuffled", "units": 5, "linear_skip": "trained"},
    ],
)
def test_no_order_of_the_window_changes_the_forecast(options):
    model, (first, second) = forecasts(Config(**OPTIONS, **options), histories())
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)
    assert any(isinstance(layer, RecurrentStack) for layer in model.layers) == (options["control"] == "shuffled")


def test_with_order_it_does():
    _, (first, second) = forecasts(Config(**OPTIONS, units=5), histories())
    assert np.abs(first - second).max() > 1e-4


def test_what_is_known_of_time_stays_where_it_is():
    config, sizes = Config(**OPTIONS, control="shuffled", units=5), Sizes(TARGETS, future=1)
    history = np.nan_to_num(histories())
    known = np.arange(2 * (WINDOW + HORIZON), dtype="float32").reshape(2, -1, 1) / 10
    known[1] = known[0]
    _, (first, second) = forecasts(config, history, sizes, future=known)
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)
    known[1, :WINDOW] = known[0, :WINDOW][::-1]
    _, (first, second) = forecasts(config, history, sizes, future=known)
    assert np.abs(first - second).max() > 1e-5


def test_the_last_steps_of_the_training_part_are_trained_on_and_the_others_stay(toys):
    options = {name: toys["forecasting"].options[name] for name in ("window", "horizon", "season_length")}
    whole, part = (
        data_module.load(toys["forecasting"].data, Config(data_fraction=fraction, **options)) for fraction in (1, 0.3)
    )
    (start,), (stop,) = part.rows("train")
    assert (start, stop) == (281 - 85, 281)  # of 281 steps 84.3, rounded up
    assert part.origins("train").rows.tolist() == list(range(start + 13, stop - 5 + 1))
    for split in ("validation", "test"):
        np.testing.assert_array_equal(part.origins(split).rows, whole.origins(split).rows)
        assert part.fingerprint(split) == whole.fingerprint(split)
    told = "Trained on a part of the training data, data_fraction=0.3: 85 of 281 steps."
    assert part.notes[0] == told
    config = Config(**options)
    fitted = [preprocessing.fit(splits, config) for splits in (whole, part)]
    np.testing.assert_allclose(
        np.array(fitted[1].mean)[0], np.nanmean(part.panel.values[start:stop], axis=0), rtol=1e-12
    )
    assert fitted[0].mean != fitted[1].mean
    assert fitted[0].seasonal_error == fitted[1].seasonal_error


@pytest.mark.parametrize("control", ["memoryless", "shuffled"])
def test_a_control_has_no_lags_to_measure_gradients_by(control, toys, tmp_path):
    run_folder.write_json(tmp_path / "config.json", {"task": "forecasting", "control": control})
    with refusal(
        f"`control` must be 'none' to measure gradients. Received: control={control!r}. Without a recurrence, or with "
        "steps in an order that tells nothing, there is no lag."
    ):
        gradient_batch(keras.Sequential(), tmp_path, toys["forecasting"].data, "test", 3)
