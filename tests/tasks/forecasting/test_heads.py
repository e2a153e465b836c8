"""The three heads on every stack: shapes, independence of rows, padding, saving, learning, and what they refuse."""

import functools
import itertools

import keras
import numpy as np
import pytest
from refusals import refusal

from seqapps.config import CELL_NAMES
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.model import QuantileLoss, Sizes, build_model, heads, rising
from seqapps.tasks.forecasting.model.examples import _lagged

BATCH, WINDOW, HORIZON, TARGETS, UNITS, SEGMENT, LAG = 3, 13, 5, 2, 7, 3, 3
SHORT = 7  # observed steps of a short history
LEVELS = 3
SIZES = {"past": 1, "future": 4, "static": 2, "labels": (5, 3)}
STACKS = [
    (cell, layers, bidirectional, head)
    for cell, head in itertools.product(CELL_NAMES, ("direct", "segment", "recursive"))
    for layers, bidirectional in itertools.product((1, 2), (False, True))
    if not (head == "recursive" and bidirectional)
]


def name_of(stack):
    cell, layers, bidirectional, head = stack
    return f"{cell}-{layers}-{'both' if bidirectional else 'one'}-{head}"


def slow_if_deep(stack):
    return pytest.param(stack, id=name_of(stack), marks=[pytest.mark.slow] if stack[1] == 2 else [])


every_stack = pytest.mark.parametrize("stack", [slow_if_deep(stack) for stack in STACKS])
both_channels = pytest.mark.parametrize("channels", ["independent", "joint"])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def config_of(head, window=WINDOW, **options):
    segment = {"segment_length": SEGMENT} if head == "segment" else {}
    return Config(head=head, window=window, units=UNITS, **{"horizon": HORIZON} | segment | options)


def sizes_of(head, **sizes):
    """The sizes that a head takes: a recursive one has no past covariates."""
    return Sizes(TARGETS, mark_missing=True, **{**SIZES, **sizes} | ({"past": 0} if head == "recursive" else {}))


@functools.cache
def built(stack, channels="joint", window=WINDOW, lags=(LAG,)):
    """A model with every kind of input, and weights as initialised. Do not change it."""
    cell, layers, bidirectional, head = stack
    keras.utils.set_random_seed(5)
    options = {"cell": cell, "num_layers": layers, "bidirectional": bidirectional, "channels": channels, "lags": lags}
    return build_model(config_of(head, window, **options), sizes_of(head))


def requests(model, rows=BATCH):
    """Inputs of a model, with a gap in the history."""
    inputs = {name: normal(rows, *tensor.shape[1:]) for name, tensor in model.input.items()}
    inputs["history"][0, -2, 1] = np.nan
    labels = [np.arange(rows) % count for count in SIZES["labels"]]
    return inputs | {"labels": np.stack(labels, axis=1).astype("int32")}


def answer(model, inputs):
    return keras.ops.convert_to_numpy(model(inputs, training=False))


# --- answers ---


@every_stack
def test_every_step_and_column_has_rising_quantiles_and_a_row_alone_has_its_answer_in_a_batch(stack):
    for channels in ("independent", "joint"):
        model = built(stack, channels)
        assert model.output_shape == (None, HORIZON, TARGETS, LEVELS)
        inputs = requests(model)
        received = answer(model, inputs)
        assert received.shape == (BATCH, HORIZON, TARGETS, LEVELS)
        assert np.isfinite(received).all()
        assert (np.diff(received, axis=-1) > 0).all()
        for row in range(BATCH):
            alone = answer(model, {name: value[row : row + 1] for name, value in inputs.items()})
            np.testing.assert_allclose(alone[0], received[row], rtol=1e-4, atol=1e-5)


@every_stack
def test_every_input_matters(stack):
    model = built(stack)
    inputs = requests(model)
    before = answer(model, inputs)
    for name, value in inputs.items():
        other = (value + 1) % 3 if name == "labels" else value + normal(*value.shape, seed=1)
        assert (answer(model, inputs | {name: other}) != before).any(axis=(1, 2, 3)).all(), name


@every_stack
def test_steps_before_the_first_observation_never_change_the_answer(stack):
    """Segments end with the window, and one is padding as a whole: their head gets a history of whole segments."""
    steps = 2 * SEGMENT if stack[3] == "segment" else SHORT
    model, shorter = built(stack, lags=()), built(stack, window=steps, lags=())
    shorter.set_weights(model.get_weights())
    inputs, start = requests(model), WINDOW - steps
    inputs["history"][:, :start] = np.nan
    cut = dict(inputs)
    for name in {"history", "past", "future"} & inputs.keys():
        cut[name] = inputs[name][:, start:]
    received = answer(model, inputs)
    np.testing.assert_allclose(received, answer(shorter, cut), rtol=1e-4, atol=1e-5)
    unseen = start - 1 if stack[3] == "recursive" else start  # a step's known inputs belong to the step before
    other = dict(inputs)
    for name in {"past", "future"} & inputs.keys():
        other[name] = inputs[name].copy()
        other[name][:, :unseen] = 31.0
    np.testing.assert_allclose(answer(model, other), received, rtol=1e-5, atol=1e-6)


@every_stack
def test_a_saved_model_answers_the_same(stack, tmp_path):
    model = built(stack)
    inputs = requests(model)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(answer(restored, inputs), answer(model, inputs))


# --- learning ---


@every_stack
def test_one_training_step_changes_every_trainable_weight(stack):
    cell, layers, bidirectional, head = stack
    keras.utils.set_random_seed(5)
    options = {"cell": cell, "num_layers": layers, "bidirectional": bidirectional, "dropout": 0.2, "lags": (LAG,)}
    model = build_model(config_of(head, **options), sizes_of(head))
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.1), QuantileLoss([0.1, 0.5, 0.9]), jit_compile=False)
    model.train_on_batch(requests(model), normal(BATCH, HORIZON, TARGETS, seed=1))
    for weight, old in zip(model.weights, before, strict=True):
        changed = keras.ops.convert_to_numpy(weight) != old
        assert np.isfinite(keras.ops.convert_to_numpy(weight)).all()
        assert changed.any() == weight.trainable, weight.path


# --- step by step ---


@pytest.mark.parametrize("horizon", [1, HORIZON])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_the_recursive_head_equals_a_loop_over_steps(cell, layers, horizon):
    """The loop feeds each median back, with the known inputs of the step that it leads to."""
    keras.utils.set_random_seed(5)
    config = config_of("recursive", cell=cell, num_layers=layers, normalization="none", channels="joint")
    config = Config.from_dict(config.to_dict() | {"horizon": horizon})
    model = build_model(config, Sizes(TARGETS, future=4))
    inputs = {"history": normal(BATCH, WINDOW, TARGETS), "future": normal(BATCH, WINDOW + horizon, 4, seed=1)}
    decoder = model.get_layer("recursive_decoder")
    stack, head = decoder.stack, decoder.head
    states, expected, value = stack.initial_state(BATCH), [], None
    for step in range(WINDOW + horizon - 1):
        value = inputs["history"][:, step] if step < WINDOW else expected[-1][..., 1]
        features = np.concatenate([value, inputs["future"][:, step + 1]], axis=-1)
        output, states = stack.step(features, states)
        if step >= WINDOW - 1:
            free = keras.ops.reshape(head(output), (BATCH, TARGETS, LEVELS))
            expected.append(keras.ops.convert_to_numpy(rising(free, 1)))
    np.testing.assert_allclose(answer(model, inputs), np.stack(expected, axis=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lags", [(), (LAG,)])
@pytest.mark.parametrize("sizes", [{}, {"future": 4}, {"static": 2}, {"future": 4, "static": 2}], ids=list)
@both_channels
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_every_future_segment_is_a_step_from_the_last_state(cell, channels, sizes, lags):
    """Its input is the sum of what belongs to its place, to its column, and to what is known of it."""
    keras.utils.set_random_seed(5)
    options = {"cell": cell, "num_layers": 2, "channels": channels, "lags": lags}
    model = build_model(config_of("segment", **options), Sizes(TARGETS, **sizes))
    layers = {layer.name: layer for layer in model.layers}
    embeddings = [layers[name] for name in ("embed_known", "embed_lags", "embed_context") if name in layers]
    assert len(embeddings) == len(sizes) + len(lags)
    inner = [list(layers["stack"].output[1:]), [layer.output for layer in embeddings], layers["head"].output]
    states, known, outputs = keras.Model(model.input, inner)({name: requests(model)[name] for name in model.input})
    stack, queries = layers["stack"], layers["queries"]
    for row, place in itertools.product(range(len(outputs)), range(2)):
        query = queries.positions[place] + (queries.columns[row % TARGETS] if channels == "independent" else 0)
        for each in known:  # the lags of a column are its own, the rest belongs to the window
            own = each[row if len(each) == len(outputs) else row // TARGETS]
            query += own[place] if len(own.shape) == 2 else own
        step, _ = stack(query[None, None], initial_state=[state[row : row + 1] for state in states])
        np.testing.assert_allclose(layers["head"](step)[0], outputs[row, place], rtol=1e-4, atol=1e-5)


def test_the_recursive_head_goes_one_way_and_knows_no_past_columns():
    with refusal(
        "`bidirectional` must be False with head='recursive'. Received: bidirectional=True. "
        "The backward direction cannot go on step by step."
    ):
        Config(head="recursive", bidirectional=True)
    with refusal(
        "`past_columns` must be left out with head='recursive'. Received: past_columns=('wind',). "
        "It would need their values over the horizon: name what is known there in future_columns."
    ):
        Config(head="recursive", past_columns=("wind",))


# --- segments and lags ---


@both_channels
@pytest.mark.parametrize(
    ("window", "horizon", "segment"), [(12, 6, 3), (13, 6, 3), (12, 5, 3), (11, 7, 4), (3, 2, 5), (5, 5, 1)]
)
def test_windows_and_horizons_need_not_be_multiples_of_the_segment(window, horizon, segment, channels):
    options = {"horizon": horizon, "segment_length": segment, "channels": channels, "cell": "simple_rnn"}
    model = build_model(config_of("segment", window, **options), sizes_of("segment"))
    received = answer(model, requests(model))
    assert received.shape == (BATCH, horizon, TARGETS, LEVELS)
    assert np.isfinite(received).all()


def test_segments_are_filled_up_with_zeros_at_the_front_of_a_window_and_the_end_of_a_horizon():
    steps = np.arange(1, 11, dtype="float32").reshape(1, 5, 2)
    front = keras.ops.convert_to_numpy(heads._segments(steps, 3, at_front=True))
    end = keras.ops.convert_to_numpy(heads._segments(steps, 3, at_front=False))
    assert front.tolist() == [[[0, 0, 1, 2, 3, 4], [5, 6, 7, 8, 9, 10]]]
    assert end.tolist() == [[[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 0, 0]]]


@pytest.mark.parametrize(
    ("lag", "horizon", "expected"),
    [
        (1, 3, [0, 1, 2, 3, 4, 4, 4]),
        (3, 2, [0, 0, 0, 1, 2, 3]),
        (3, 3, [0, 0, 0, 1, 2, 3, 4]),
        (3, 7, [0, 0, 0, 1, 2, 3, 4, 2, 3, 4, 2]),
        (4, 5, [0, 0, 0, 0, 1, 2, 3, 4, 1]),
    ],
)
def test_a_lag_is_the_value_so_many_steps_before_and_the_last_ones_repeat(lag, horizon, expected):
    values = np.array([[1, 2, 3, 4], [10, 20, 30, 40]], "float32")[..., None]
    received = keras.ops.convert_to_numpy(_lagged(values, lag, horizon))[..., 0]
    assert received.tolist() == [expected, [10 * value for value in expected]]


# --- options ---

ROWS_ADVICE = "Its first column names the series, all others are values."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"past_columns": ("wind",), "future_columns": ("sun", "wind")},
            "Column 'wind' must have one role. Received: past_columns and future_columns.",
        ),
        (
            {"target_columns": ("load",), "static_columns": ("load",)},
            "Column 'load' must have one role. Received: target_columns and static_columns.",
        ),
        (
            {"layout": "wide", "id_column": "shop"},
            "`id_column` must be left out with layout='wide'. Received: id_column='shop'. A wide table is one series.",
        ),
        (
            {"layout": "wide", "static_columns": ("town",)},
            "`static_columns` must be left out with layout='wide'. Received: static_columns=('town',). "
            "A wide table is one series.",
        ),
        *(
            (
                {"layout": "rows", role: value},
                f"`{role}` must be left out with layout='rows'. Received: {role}={value!r}. {ROWS_ADVICE}",
            )
            for role, value in {
                "time_column": "day", "id_column": "shop", "target_columns": ("load",), "past_columns": ("wind",),
                "future_columns": ("sun",), "static_columns": ("town",),
            }.items()
        ),
        (
            {"layout": "rows", "calendar": True},
            "`calendar` must be False with layout='rows', whose steps have no time stamps. Received: calendar=True.",
        ),
        *(
            (
                {"head": head, "segment_length": 3},
                f"`segment_length` must be left out with head={head!r}. Received: segment_length=3.",
            )
            for head in ("direct", "recursive")
        ),
    ],
)  # fmt: skip
def test_roles_layouts_and_heads_that_contradict_each_other_are_refused(options, message):
    with refusal(message):
        Config(**options)


def test_the_segment_length_is_known_once_the_data_are():
    assert config_of("segment").segment_steps == SEGMENT
    with refusal(
        "`segment_length` must be an integer here. Received: segment_length=None. Set it, or take the config of a run."
    ):
        _ = Config(head="segment").segment_steps
