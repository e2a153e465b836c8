"""Several networks side by side: what they answer together, how they are trained, and that they are one model."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest
from refusals import refusal

import seqapps
from seqapps import run_folder
from seqapps.config import CELL_NAMES
from seqapps.recurrent.gradient_flow import gradient_flow
from seqapps.tasks import forecasting
from seqapps.tasks.forecasting import baselines, data, gradients, preprocessing
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import QuantileLoss, Sizes, build_model, members
from seqapps.tasks.forecasting.pipeline import fitting

BATCH, WINDOW, HORIZON, TARGETS, MEMBERS = 5, 7, 4, 2, 3
LEVELS = (0.1, 0.5, 0.9)
HEADS = ("direct", "segment", "recursive")
every_head = pytest.mark.parametrize("head", HEADS)
every_cell_and_head = pytest.mark.parametrize(("cell", "head"), list(itertools.product(CELL_NAMES, HEADS)))


def config_of(head, **options):
    segment = {"segment_length": 3} if head == "segment" else {}
    return Config(head=head, window=WINDOW, horizon=HORIZON, units=5, **{"members": MEMBERS} | segment | options)


def built(head, **options):
    keras.utils.set_random_seed(0)
    return build_model(config_of(head, **options), Sizes(TARGETS))


def example():
    generator = np.random.default_rng(1)
    history = generator.normal(size=(BATCH, WINDOW, TARGETS)).astype("float32")
    future = generator.normal(size=(BATCH, HORIZON, TARGETS)).astype("float32")
    future[1, 2, 0] = np.nan
    return {"history": history}, future


def answer(model, inputs, **options):
    return keras.ops.convert_to_numpy(model(inputs, **options))


@every_cell_and_head
def test_the_forecast_is_the_mean_of_members_that_differ(cell, head):
    model, (inputs, _) = built(head, cell=cell), example()
    own = np.stack([answer(network, inputs) for network in members(model)])
    assert own.shape == (MEMBERS, BATCH, HORIZON, TARGETS, len(LEVELS))
    assert all((own[one] != own[other]).any() for one, other in itertools.combinations(range(MEMBERS), 2))
    np.testing.assert_allclose(answer(model, inputs), own.mean(axis=0), rtol=1e-5, atol=1e-6)
    assert (np.diff(answer(model, inputs), axis=-1) >= 0).all()
    assert model.output_shape == (None, HORIZON, TARGETS, len(LEVELS))


@every_cell_and_head
def test_every_member_has_the_gradient_of_its_own_loss(cell, head):
    """Nothing of the others reaches it, but for the factor of the mean."""
    model, (inputs, future) = built(head, cell=cell), example()
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(1.0), QuantileLoss(LEVELS), jit_compile=False)
    model.train_on_batch(inputs, future)
    together = [weight - old for weight, old in zip(model.get_weights(), before, strict=True)]
    model.set_weights(before)
    moved = []
    for network in members(model):
        old = network.get_weights()
        network.compile(keras.optimizers.SGD(1.0), QuantileLoss(LEVELS), jit_compile=False)
        network.train_on_batch(inputs, future)
        moved += [(weight - was) / MEMBERS for weight, was in zip(network.get_weights(), old, strict=True)]
    assert all((change != 0).any() for change in together)
    for change, expected in zip(together, moved, strict=True):
        np.testing.assert_allclose(change, expected, rtol=1e-3, atol=1e-6)


def test_the_loss_of_members_is_the_mean_of_theirs_and_the_validation_loss_that_of_their_mean():
    model, (inputs, future) = built("direct"), example()
    loss = QuantileLoss(LEVELS)
    model.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    together = answer(model, inputs, training=True)
    assert together.shape == (BATCH, MEMBERS, HORIZON, TARGETS, len(LEVELS))
    own = [float(loss(future, answer(network, inputs))) for network in members(model)]
    assert float(loss(future, together)) == pytest.approx(np.mean(own), rel=1e-5)
    assert float(model.train_on_batch(inputs, future)) == pytest.approx(np.mean(own), rel=1e-5)
    of_mean = float(loss(future, answer(model, inputs)))
    assert of_mean < np.mean(own)  # convex, and they differ
    assert float(model.test_on_batch(inputs, future)) == pytest.approx(of_mean, rel=1e-5)


@every_head
def test_a_saved_model_answers_the_same_and_has_its_members(head, tmp_path):
    model, (inputs, _) = built(head), example()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(answer(loaded, inputs), answer(model, inputs))
    for own, kept in zip(members(model), members(loaded), strict=True):
        np.testing.assert_array_equal(answer(kept, inputs), answer(own, inputs))


def test_one_network_is_its_only_member():
    model = built("direct", members=1)
    assert members(model) == [model]


def tides(rows=211):
    hours = np.arange(rows)
    values = np.sin(hours / 3) + np.random.default_rng(0).normal(size=rows) / 5
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=rows, freq="h"), "tide": values})


@pytest.mark.parametrize(("beside", "skips"), [(None, 3), (3, 3), (1, 1)])
@pytest.mark.parametrize("head", ["direct", "segment"])
def test_ridge_regression_stands_beside_every_member_or_the_first_ones(head, beside, skips):
    config = config_of(head, season_length=5, linear_skip="ridge", skip_members=beside)
    splits = data.load(tides(), config)
    scaling = preprocessing.fit(splits, config)
    model = fitting.compiled_model(data.resolved(config, splits), splits, scaling)
    _, coefficients, intercept = baselines.fit_ridge(splits, scaling)
    networks = members(model)
    for network in networks[:skips]:
        weights, bias = network.get_layer("linear_skip").get_weights()
        np.testing.assert_array_equal(weights, coefficients.astype("float32"))
        np.testing.assert_array_equal(bias, intercept.astype("float32"))
    for network in networks[skips:]:
        assert "linear_skip" not in [layer.name for layer in network.layers]


def test_a_member_is_what_a_model_of_its_own_would_be():
    config = config_of("segment", linear_skip="trained", skip_members=2)
    assert [(own.linear_skip, own.members, own.skip_members) for own in config.of_members] == [
        ("trained", 1, None), ("trained", 1, None), ("none", 1, None)
    ]  # fmt: skip
    model, (inputs, _) = build_model(config, Sizes(TARGETS)), example()
    for own, network in zip(config.of_members, members(model), strict=True):
        alone = build_model(own, Sizes(TARGETS))
        alone.set_weights(network.get_weights())
        np.testing.assert_array_equal(answer(alone, inputs), answer(network, inputs))


OPTIONS = {"season_length": 5, "dropout": 0.2, "epochs": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    forecasting.train(config_of("segment", **OPTIONS), tides(), folder)
    return folder


@pytest.mark.slow
def test_a_run_serves_the_mean_and_says_so(run, capsys):
    model = keras.models.load_model(run / "model.keras", compile=False)
    served = forecasting.serving.Served(run)
    history = tides()["tide"].to_numpy("float32")[None, -WINDOW:, None]
    scaled = served.preprocessing.forward(history)
    medians = [answer(network, {"history": scaled})[..., 1] for network in members(model)]
    expected = served.preprocessing.inverse(np.mean(medians, axis=0)).numpy()[0, :, 0]
    np.testing.assert_allclose(seqapps.load(run).predict(tides())["tide"], expected, rtol=1e-4)
    assert f"the mean of {MEMBERS} networks" in (run / "README.md").read_text(encoding="utf-8")


def shapes(count):
    model = build_model(config_of("segment", members=count), Sizes(1))
    return [tuple(weight.shape) for weight in model.weights]


@pytest.mark.slow
def test_a_run_with_members_is_the_start_of_another_and_of_none_with_fewer(run, tmp_path):
    forecasting.train(config_of("segment", **OPTIONS, initialize_from=str(run)), tides(), tmp_path / "more")
    assert run_folder.read_json(tmp_path / "more" / "config.json")["members"] == MEMBERS
    fewer = config_of("segment", **OPTIONS | {"members": 2}, initialize_from=str(run))
    theirs, ours = (shapes(count) for count in (MEMBERS, 2))
    with refusal(
        "`initialize_from` must be a run with the same cell, units, layers, directions, horizon, channels, quantiles, "
        f"members and linear skip. Received: {str(run)!r} with weights of shapes {theirs}, where this model has {ours}."
    ):
        forecasting.train(fewer, tides(), tmp_path / "fewer")


@pytest.mark.slow
def test_gradients_are_those_of_the_first_member(run):
    model = keras.models.load_model(run / "model.keras", compile=False)
    probe = gradients.gradient_batch(model, run, tides(), "validation", 3)
    assert probe.stack is members(model)[0].get_layer("stack")
    assert gradient_flow(probe.stack, probe.losses).curve(0, "forward", "h").norms[0] > 0


def test_members_that_cannot_be_are_refused():
    with refusal("`members` must be an integer of at least 1. Received: members=0."):
        Config(members=0)
    with refusal("`skip_members` must be left out without a linear_skip. Received: skip_members=1."):
        Config(members=2, skip_members=1)
    with refusal("`skip_members` must be at most `members`, 2. Received: skip_members=3."):
        Config(members=2, skip_members=3, linear_skip="trained")
