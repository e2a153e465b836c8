"""A linear map of the window beside the network: it adds what its weights say, to every quantile of every column."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps.config import CELL_NAMES
from seqapps.series import windows
from seqapps.tasks.forecasting import baselines, data, preprocessing
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import Sizes, build_model
from seqapps.tasks.forecasting.pipeline import fitting

BATCH, WINDOW, HORIZON, TARGETS, LEVELS = 3, 7, 5, 2, 3
both_heads = pytest.mark.parametrize(
    ("cell", "head", "channels"), list(itertools.product(CELL_NAMES, ("direct", "segment"), ("joint", "independent")))
)


def built(cell, head, channels, skip="trained"):
    segment = {"segment_length": 3} if head == "segment" else {}
    config = Config(
        cell=cell, head=head, channels=channels, window=WINDOW, horizon=HORIZON, units=11, normalization="last",
        linear_skip=skip, **segment,
    )  # fmt: skip
    keras.utils.set_random_seed(0)
    return build_model(config, Sizes(TARGETS))


def history(seed=0):
    return np.random.default_rng(seed).normal(size=(BATCH, WINDOW, TARGETS)).astype("float32")


@both_heads
def test_the_skip_adds_its_map_of_the_normalised_window_to_every_quantile(cell, head, channels):
    model = built(cell, head, channels)
    inputs = {"history": history()}
    without = keras.ops.convert_to_numpy(model(inputs))  # it starts at 0
    weights = np.random.default_rng(1).normal(size=(WINDOW, HORIZON)).astype("float32")
    bias = np.arange(HORIZON, dtype="float32")
    model.get_layer("linear_skip").set_weights([weights, bias])
    added = keras.ops.convert_to_numpy(model(inputs)) - without
    differences = inputs["history"] - inputs["history"][:, -1:]  # what normalization="last" leaves
    expected = (np.einsum("bwt,wh->bht", differences, weights) + bias[:, None])[..., None]
    np.testing.assert_allclose(added, np.repeat(expected, LEVELS, axis=-1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("skip", ["trained", "ridge"])
@both_heads
def test_one_training_step_changes_every_trainable_weight_and_ridge_regression_stays(cell, head, channels, skip):
    model = built(cell, head, channels, skip)
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    target = np.random.default_rng(2).normal(size=(BATCH, HORIZON, TARGETS, LEVELS)).astype("float32")
    model.train_on_batch({"history": history()}, target)
    for weight, old in zip(model.weights, before, strict=True):
        changed = (keras.ops.convert_to_numpy(weight) != old).any()
        assert changed == (skip == "trained" or "linear_skip" not in weight.path), weight.path


def test_a_saved_model_answers_the_same(tmp_path):
    model = built("gru", "segment", "independent")
    model.get_layer("linear_skip").set_weights([np.ones((WINDOW, HORIZON), "float32"), np.ones(HORIZON, "float32")])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected, answer = (keras.ops.convert_to_numpy(each({"history": history()})) for each in (model, loaded))
    np.testing.assert_array_equal(answer, expected)


def test_with_ridge_regression_as_it_is_a_network_that_says_nothing_forecasts_as_the_baseline_does():
    hours = np.arange(211)
    values = np.sin(hours / 3) + np.random.default_rng(0).normal(size=211) / 5
    frame = pd.DataFrame({"time": pd.date_range("2024-01-01", periods=211, freq="h"), "tide": values})
    config = Config(window=WINDOW, horizon=HORIZON, season_length=5, units=3, head="direct", linear_skip="ridge")
    splits = data.load(frame, config)
    scaling = preprocessing.fit(splits, config)
    model = fitting.compiled_model(data.resolved(config, splits), splits, scaling)
    model.get_layer("head").set_weights([np.zeros_like(weight) for weight in model.get_layer("head").get_weights()])
    at, arrays = splits.origins("test"), scaling.arrays(splits.panel)
    ((inputs, _),) = windows.evaluation_batches(arrays, at, WINDOW, HORIZON, len(at))
    expected = baselines.fit(splits, config, scaling).forecast(splits.panel, at, scaling)[baselines.RIDGE]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(inputs))[..., 1], expected, rtol=1e-4, atol=1e-5)


def test_skips_that_cannot_be_are_refused():
    for skip in ("trained", "ridge"):
        with refusal(
            f"`linear_skip` must be 'none' with head='recursive'. Received: linear_skip={skip!r}. "
            "What is added after the last step would never come back as an input."
        ):
            Config(head="recursive", linear_skip=skip)
    with refusal(
        "`normalization` must be 'last' with linear_skip='ridge'. Received: normalization='standard'. "
        "Ridge regression maps differences from a window's last value."
    ):
        Config(linear_skip="ridge", normalization="standard")
