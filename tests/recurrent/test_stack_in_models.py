"""The stack inside Keras models: symbolic calls, saving, training, precision, seeds."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.recurrent.stack import CELLS, RecurrentStack

BATCH, TIME, FEATURES, UNITS, TOKENS = 3, 5, 2, 7, 11
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=bool)  # (batch, time)
every_cell = pytest.mark.parametrize("cell", CELLS)
both_directions = pytest.mark.parametrize("bidirectional", [False, True])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def random_token_ids(seed=0):
    return np.where(MASK, np.random.default_rng(seed).integers(1, TOKENS, (BATCH, TIME)), 0)


@both_directions
@every_cell
def test_a_symbolic_call_has_the_computed_shapes(cell, bidirectional):
    for return_sequences in (False, True):
        for return_state in (False, True):
            returned = {"return_sequences": return_sequences, "return_state": return_state}
            stack = RecurrentStack([11, 7], cell, bidirectional=bidirectional, **returned)
            symbolic = stack(keras.Input((None, FEATURES)))
            computed = stack.compute_output_shape((None, None, FEATURES))
            assert keras.tree.map_structure(lambda tensor: tensor.shape, symbolic) == computed
            outputs = computed[0] if return_state else computed
            width = 7 * (1 + bidirectional)
            assert outputs == ((None, None, width) if return_sequences else (None, width))


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "ave", "mul"])
def test_cell_and_depth_never_change_the_shape_of_the_outputs(merge_mode):
    options = {"bidirectional": True, "merge_mode": merge_mode, "return_sequences": True}
    stacks = [RecurrentStack(UNITS, cell, depth, **options) for cell in CELLS for depth in (1, 2, 3)]
    width = 2 * UNITS if merge_mode == "concat" else UNITS
    assert {stack.compute_output_shape((BATCH, TIME, FEATURES)) for stack in stacks} == {(BATCH, TIME, width)}
    assert {stack.output_size for stack in stacks} == {width}


def test_units_and_num_layers_say_the_same_in_three_ways():
    assert RecurrentStack(UNITS).units == (UNITS,)
    assert RecurrentStack(UNITS, num_layers=3).units == (UNITS, UNITS, UNITS)
    assert RecurrentStack((7, 11, 13)).num_layers == RecurrentStack([7, 11, 13], num_layers=3).num_layers == 3


@every_cell
def test_a_configuration_goes_round(cell):
    options = {
        "units": [UNITS, UNITS], "cell": cell, "num_layers": 2, "bidirectional": True, "merge_mode": "ave",
        "dropout": 0.25, "recurrent_dropout": 0.125, "residual": True, "return_sequences": True, "return_state": True,
        "activation": "relu", "reset_after": cell != "gru", "name": "reader", "trainable": False,
    }  # fmt: skip
    initializer = keras.initializers.Orthogonal(gain=0.5)
    stack = RecurrentStack(recurrent_initializer=initializer, dtype="mixed_bfloat16", **options)
    config = json.loads(json.dumps(stack.get_config()))
    assert {name: config[name] for name in options} == options
    assert config["recurrent_initializer"]["config"]["gain"] == 0.5
    copy = RecurrentStack.from_config(config)
    assert copy.get_config() == stack.get_config()
    assert copy.dtype_policy.name == "mixed_bfloat16"
    assert all(layer.activation is keras.activations.relu for layer in copy.recurrent_layers)
    assert all(layer.recurrent_dropout == 0.125 for layer in copy.recurrent_layers)
    assert [layer.rate for layer in copy.dropout_layers] == [0.25]


def encoder_decoder(cell):
    """The encoder's final states start the decoder; both read padded token ids."""
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(TOKENS, FEATURES, mask_zero=True)
    encoder = RecurrentStack(UNITS, cell, 2, dropout=0.5, return_state=True)
    decoder = RecurrentStack(UNITS, cell, 2, residual=True, return_sequences=True)
    encoded, states = encoder(embedding(source))
    decoded = decoder(embedding(target), initial_state=states)
    return keras.Model([source, target], [encoded, decoded])


def tagger(cell):
    """Two directions with every option away from its default."""
    token_ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(TOKENS, FEATURES, mask_zero=True)(token_ids)
    options = {"merge_mode": "ave", "residual": True, "dropout": 0.5, "activation": "sigmoid"}
    stack = RecurrentStack(
        UNITS, cell, 2, bidirectional=True, return_sequences=True, reset_after=cell != "gru", **options
    )
    return keras.Model(token_ids, stack(embedded))


@pytest.mark.parametrize(("build", "inputs"), [(encoder_decoder, 2), (tagger, 1)])
@every_cell
def test_a_saved_model_reloads_with_equal_outputs(cell, build, inputs, tmp_path):
    model = build(cell)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    token_ids = [random_token_ids(seed) for seed in range(inputs)]
    token_ids = token_ids if inputs > 1 else token_ids[0]
    for answer, expected in zip(
        keras.tree.flatten(reloaded(token_ids)), keras.tree.flatten(model(token_ids)), strict=True
    ):
        assert np.any(expected)
        np.testing.assert_array_equal(answer, expected)


@every_cell
def test_a_decoder_in_a_model_honours_the_states_and_the_mask_of_its_input(cell):
    model = encoder_decoder(cell)
    source, target = random_token_ids(0), random_token_ids(1)
    encoded, decoded = model([source, target])
    for row, length in enumerate(MASK.sum(axis=1)):
        alone, alone_decoded = model([source[row : row + 1, :length], target[row : row + 1, :length]])
        np.testing.assert_allclose(encoded[row], alone[0], atol=1e-6)
        np.testing.assert_allclose(decoded[row, :length], alone_decoded[0], atol=1e-6)
    other_source = np.where(MASK, TOKENS - source, 0)
    assert np.max(np.abs(model([other_source, target])[1][:, 0] - decoded[:, 0])) > 1e-4


@both_directions
@every_cell
def test_gradients_reach_every_trainable_weight_and_the_inputs(cell, bidirectional):
    stack = RecurrentStack(UNITS, cell, 2, bidirectional=bidirectional, residual=True)
    sequences = tf.constant(normal(BATCH, TIME, FEATURES))
    with tf.GradientTape() as tape:
        tape.watch(sequences)
        loss = tf.reduce_sum(stack(sequences, mask=MASK) ** 2)
    *gradients, by_input = tape.gradient(loss, [*stack.trainable_weights, sequences])
    assert len(gradients) == 3 * 2 * (1 + bidirectional)
    for weight, gradient in zip(stack.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient), weight.path
    np.testing.assert_array_equal(np.any(by_input, axis=-1), MASK)


@every_cell
def test_a_fit_learns(cell):
    keras.utils.set_random_seed(2)
    token_ids = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(TOKENS, FEATURES, mask_zero=True)(token_ids)
    features = RecurrentStack(UNITS, cell, 2, bidirectional=True, dropout=0.1, residual=True)(embedded)
    model = keras.Model(token_ids, keras.layers.Dense(1)(features))
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
    examples = np.concatenate([random_token_ids(seed) for seed in range(13)])
    first_token = (examples[:, :1] > TOKENS // 2).astype("float32")
    losses = model.fit(examples, first_token, batch_size=len(examples), epochs=11, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))
    assert losses[-1] < 0.5 * losses[0]


def test_a_frozen_stack_stays_frozen_in_a_model():
    inputs = keras.Input((None, FEATURES))
    by_option, by_attribute = RecurrentStack(UNITS, num_layers=2, trainable=False), RecurrentStack(UNITS)
    by_attribute.trainable = False
    for stack in (by_option, by_attribute, RecurrentStack.from_config(by_attribute.get_config())):
        model = keras.Model(inputs, stack(inputs))
        assert model.trainable_variables == []
        assert len(model.weights) == 3 * stack.num_layers


@pytest.fixture
def mixed_bfloat16():
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_dtype_policy("float32")


@both_directions
@every_cell
@pytest.mark.usefixtures("mixed_bfloat16")
def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_in_float32(cell, bidirectional):
    options = {"bidirectional": bidirectional, "residual": True, "return_state": True}
    stack = RecurrentStack(UNITS, cell, 2, dropout=0.5, recurrent_dropout=0.5, return_sequences=True, **options)
    sequences = normal(BATCH, TIME, FEATURES)
    initial = stack.initial_state(BATCH)
    precise = RecurrentStack(UNITS, cell, 2, dtype="float32", return_sequences=True, **options)
    expected, _ = precise(sequences, mask=MASK)
    stack.build(sequences.shape)
    stack.set_weights(precise.get_weights())
    outputs, states = stack(sequences, initial_state=initial, mask=MASK)
    training_outputs, _ = stack(sequences, mask=MASK, training=True)
    tensors = [outputs, training_outputs, *states, *initial]
    if not bidirectional:
        step_output, step_states = stack.step(sequences[:, 0], initial)
        tensors += [step_output, *step_states]
    for tensor in tensors:
        assert keras.backend.standardize_dtype(tensor.dtype) == "bfloat16"
        assert np.all(np.isfinite(keras.ops.cast(tensor, "float32")))
    assert {weight.dtype for weight in stack.trainable_weights} == {"float32"}
    np.testing.assert_allclose(keras.ops.cast(outputs, "float32"), expected, atol=0.05)


@every_cell
def test_the_same_seed_gives_the_same_weights_and_the_same_dropout(cell):
    def answer_and_weights(seed):
        keras.utils.set_random_seed(seed)
        stack = RecurrentStack(UNITS, cell, 2, dropout=0.5, recurrent_dropout=0.5)
        return [stack(normal(BATCH, TIME, FEATURES), training=True), *stack.get_weights()]

    first, again, other = (answer_and_weights(seed) for seed in (11, 11, 13))
    for tensor, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(tensor, same)
    assert np.any(first[0] != other[0])
    assert np.any(first[1] != other[1])


def test_no_two_layers_start_with_the_same_recurrent_weights():
    initializer = keras.initializers.Orthogonal()
    stack = RecurrentStack(UNITS, "simple_rnn", 2, bidirectional=True, recurrent_initializer=initializer)
    stack.build((None, None, FEATURES))
    assert len({weight.tobytes() for weight in stack.get_weights()[1::3]}) == 4
