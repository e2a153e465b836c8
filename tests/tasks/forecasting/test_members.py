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
from seqapps.tasks.forecasting.pipeline import fitting, telling

BATCH, WINDOW, HORIZON, TARGETS, MEMBERS = 5, 7, 4, 2, 3
LEVELS = (0.1, 0.5, 0.9)
HEADS = ("direct", "segment", "recursive")
every_head = pytest.mark.parametrize("head", HEADS)
every_cell_and_head = pytest.mark.parametrize(("cell", "head"), list(itertools.product(CELL_NAMES, HEADS)))


def config_of(head, **options):
    segment = {"segment_length": 3} if head == "segment" else {}
    own = {"members": MEMBERS} | ({} if options.get("control") == "memoryless" else {"units": 5})
    return Config(head=head, window=WINDOW, horizon=HORIZON, **own | segment | options)


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


@pytest.mark.parametrize(("beside", "skips"), [(None, 3), (2, 2), (1, 1)])
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
def test_a_run_serves_the_mean_and_says_so(run):
    model = keras.models.load_model(run / "model.keras", compile=False)
    served = forecasting.serving.Served(run)
    history = tides()["tide"].to_numpy("float32")[None, -WINDOW:, None]
    scaled = served.preprocessing.forward(history)
    medians = [answer(network, {"history": scaled})[..., 1] for network in members(model)]
    expected = served.preprocessing.inverse(np.mean(medians, axis=0)).numpy()[0, :, 0]
    np.testing.assert_allclose(seqapps.load(run).predict(tides())["tide"], expected, rtol=1e-4)
    card = (run / "README.md").read_text(encoding="utf-8")
    assert f"head segment, the mean of {MEMBERS} networks, forecasts\n" in card
    held = run_folder.read_json(run / "calibration.json")
    alone = held["validation_loss_of_members"]
    assert len(alone) == MEMBERS
    assert held["validation_loss"] < np.mean(alone)
    history = pd.read_csv(run / "history.csv")
    assert held["validation_loss"] == pytest.approx(history["val_loss"].min(), rel=1e-4)
    note = (
        f"The validation loss of the {MEMBERS} members together is {held['validation_loss']:.4f}; "
        f"alone they have {', '.join(f'{loss:.4f}' for loss in alone)}."
    )
    metrics = run_folder.read_json(run / "metrics.json")
    assert note in metrics["notes"]
    assert note in card
    assert note in (run / "report.html").read_text(encoding="utf-8")
    assert seqapps.load(run).evaluate(tides()) == metrics


@pytest.mark.slow
def test_a_run_with_members_is_the_start_of_another_and_of_none_with_fewer(run, tmp_path):
    forecasting.train(config_of("segment", **OPTIONS, initialize_from=str(run)), tides(), tmp_path / "more")
    assert run_folder.read_json(tmp_path / "more" / "config.json")["members"] == MEMBERS
    fewer = config_of("segment", **OPTIONS | {"members": 2}, initialize_from=str(run))
    with refusal(
        f"`members` must be {MEMBERS} with this `initialize_from`. Received: members=2. "
        f"So it was in the run {str(run)!r}."
    ):
        forecasting.train(fewer, tides(), tmp_path / "fewer")


@pytest.mark.slow
def test_a_mean_of_networks_is_compared_with_one_network(run, tmp_path):
    forecasting.train(config_of("segment", **OPTIONS | {"members": 1}), tides(), tmp_path / "one")
    (part,) = seqapps.compare_runs([run, tmp_path / "one"])["parts"]
    several, one = part["rows"]
    assert [row["variant"] for row in part["rows"]] == [f"gru, members={MEMBERS}", "gru, members=1"]
    assert several["parameters"] == MEMBERS * one["parameters"]
    assert several["score"] == run_folder.read_json(run / "metrics.json")["methods"]["model"]["mase"]


@pytest.mark.slow
def test_gradients_are_those_of_the_first_member(run):
    model = keras.models.load_model(run / "model.keras", compile=False)
    probe = gradients.gradient_batch(model, run, tides(), "validation", 3)
    assert probe.stack is members(model)[0].get_layer("stack")
    assert probe.about == f"The network is the first of {MEMBERS} members."
    assert gradient_flow(probe.stack, probe.losses).curve(0, "forward", "h").norms[0] > 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "gru, 1 layer(s), units [64]"),
        ({"members": 2}, "gru, 1 layer(s), units [64], the mean of 2 networks"),
        ({"linear_skip": "ridge"}, "gru, 1 layer(s), units [64], ridge regression beside it"),
        (
            {"members": 2, "linear_skip": "trained"},
            "gru, 1 layer(s), units [64], the mean of 2 networks, a linear map beside each",
        ),
        (
            {"members": 3, "linear_skip": "ridge", "skip_members": 2},
            "gru, 1 layer(s), units [64], the mean of 3 networks, ridge regression beside the first 2",
        ),
        (
            {"members": 2, "linear_skip": "ridge", "skip_members": 1},
            "gru, 1 layer(s), units [64], the mean of 2 networks, ridge regression beside the first",
        ),
    ],
)
def test_what_is_trained_is_told(options, told, capsys):
    config = Config(window=WINDOW, horizon=HORIZON, **options)
    telling.say(data.load(tides(), config), config)
    assert f"\nTraining {told}.\n" in capsys.readouterr().out


@every_head
def test_a_bundle_is_traced_for_a_cpu_and_answers_with_the_mean(head):
    config = data.resolved(config_of(head), splits := data.load(tides(), config_of(head)))
    scaling = preprocessing.fit(splits, config)
    model = build_model(config, scaling.sizes())
    functions = forecasting.serving.bundle(model, scaling, config).functions
    for network in members(model):
        owner = network.get_layer("recursive_decoder" if head == "recursive" else "stack")
        assert getattr(owner, "stack", owner).use_cudnn is False
    history = tides()["tide"].to_numpy("float32")[None, -WINDOW:, None]
    medians = [answer(network, {"history": scaling.forward(history)})[..., 1] for network in members(model)]
    expected = scaling.inverse(np.mean(medians, axis=0)).numpy()
    np.testing.assert_allclose(functions["serving_default"](history)["forecast"], expected, rtol=1e-4)


EVERY_KIND = [
    ("direct", {"bidirectional": True, "num_layers": 2, "channels": "joint"}),
    ("direct", {"control": "memoryless"}),
    ("direct", {"control": "shuffled", "channels": "joint"}),
    ("segment", {"num_layers": 3, "residual": True, "lags": (3,)}),
    ("segment", {"bidirectional": True, "linear_skip": "trained", "skip_members": 1}),
    ("recursive", {"num_layers": 2, "channels": "joint", "lags": (2,)}),
]


@pytest.mark.parametrize(("head", "options"), EVERY_KIND)
@pytest.mark.parametrize("batch", [1, 3])
def test_members_of_every_kind_are_trained_with_covariates_and_one_row_without_a_future(head, options, batch, tmp_path):
    past = 0 if head == "recursive" else 2
    model = build_model(config_of(head, **options), Sizes(TARGETS, True, past=past, future=1, static=2, labels=(3,)))
    generator = np.random.default_rng(3)
    shapes = {
        "history": (WINDOW, TARGETS), "past": (WINDOW, 2), "future": (WINDOW + HORIZON, 1), "static": (2,)
    }  # fmt: skip
    inputs = {name: generator.normal(size=(batch, *shape)).astype("float32") for name, shape in shapes.items()}
    inputs["labels"] = np.ones((batch, 1), "int32")
    inputs = {name: value for name, value in inputs.items() if past or name != "past"}
    future = generator.normal(size=(batch, HORIZON, TARGETS)).astype("float32")
    future[0] = np.nan
    before = [weight.copy() for weight in model.get_weights()]
    model.compile("adam", QuantileLoss(LEVELS), jit_compile=False)
    assert np.isfinite(model.train_on_batch(inputs, future))
    changed = [(new != old).any() for new, old in zip(model.get_weights(), before, strict=True)]
    assert any(changed) == (batch > 1)  # nothing is learned from a row that has no future
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(answer(loaded, inputs), answer(model, inputs))


def test_a_run_from_before_there_were_members_is_the_start_of_one_network(tmp_path):
    config = config_of("direct", members=1)
    build_model(config, Sizes(1)).save(tmp_path / "model.keras")
    stored = {name: value for name, value in config.to_dict().items() if "members" not in name}
    run_folder.write_json(tmp_path / "config.json", {"task": "forecasting"} | stored)
    splits = data.load(tides(), config)
    scaling = preprocessing.fit(splits, config)
    with refusal(
        f"`members` must be 1 with this `initialize_from`. Received: members=3. So it was in the run {str(tmp_path)!r}."
    ):
        fitting.compiled_model(config_of("direct", initialize_from=str(tmp_path)), splits, scaling)
    started = fitting.compiled_model(config_of("direct", members=1, initialize_from=str(tmp_path)), splits, scaling)
    theirs = keras.models.load_model(tmp_path / "model.keras", compile=False)
    for weight, expected in zip(started.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_members_that_cannot_be_are_refused():
    with refusal("`members` must be an integer of at least 1. Received: members=0."):
        Config(members=0)
    with refusal("`skip_members` must be left out without a linear_skip. Received: skip_members=1."):
        Config(members=2, skip_members=1)
    for count in (2, 3):
        with refusal(
            f"`skip_members` must be below `members`, 2. Received: skip_members={count}. "
            "Leave it out, and the linear map stands beside all of them."
        ):
            Config(members=2, skip_members=count, linear_skip="trained")
