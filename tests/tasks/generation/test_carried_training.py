"""Training window by window: states that go on, weights that are tied and averaged, and an exact resume."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps import training
from seqapps.config import CELL_NAMES
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.model import CarriedTraining, LanguageModel, build_model
from seqapps.text import streams
from seqapps.text.batches import Encoded
from seqapps.text.kinds import END, START

VOCABULARY, LANES, WINDOW = 11, 3, 5
SIZES = {"units": 7, "embedding_size": 5, "batch_size": LANES, "truncation_steps": WINDOW, "epochs": 3}
every_cell = pytest.mark.parametrize("cell", CELL_NAMES)


def documents(*lengths):
    """Random documents, each between `START` and `END`."""
    generator = np.random.default_rng(0)
    each = [[START, *generator.integers(4, VOCABULARY, length), END] for length in lengths]
    return Encoded(np.concatenate(each).astype("int32"), np.cumsum([0, *map(len, each)]))


TRAIN, VALIDATION = documents(61, 17, 5), documents(23)
STEPS = streams.steps_per_epoch(TRAIN, LANES, WINDOW)


def carried_training(**options):
    config = Config(**SIZES | options)
    training.set_seed(config.seed)
    carried = CarriedTraining(build_model(config, VOCABULARY), config)
    carried.compile(training.make_optimizer(config, config.epochs * STEPS), jit_compile=False)
    return carried, config


def train(folder, fail_at=None, **options):
    """Train as a fresh process would; `fail_at` counts the epochs before which it fails."""
    carried, config = carried_training(**options)

    def training_from(epoch):
        windows = streams.training_windows(TRAIN, LANES, WINDOW, STEPS, config.seed, epoch)
        if fail_at is None:
            return windows
        kept = (fail_at - epoch) * STEPS + 1
        return windows.enumerate().map(lambda number, batch: checked(number, batch, kept))

    def checked(number, batch, kept):
        tf.debugging.assert_less(number, tf.constant(kept, tf.int64))
        return batch

    validation = streams.evaluation_windows(VALIDATION, LANES, WINDOW)
    progress = training.fit(carried, training_from, STEPS, validation, config, folder)
    return carried, progress


def losses(carried, *windows):
    """Nats per token of every window, one after the other."""
    found = []
    for window in windows:
        carried.reset_metrics()
        found.append(float(carried.test_step(window)["loss"]))
    return found


def window_of(ids, goes_on):
    ids = np.asarray(ids, "int32")
    return tf.constant(ids[:, :-1]), tf.constant(ids[:, 1:]), tf.fill([len(ids)], float(goes_on))


@every_cell
def test_two_windows_are_read_as_one(cell):
    carried, _ = carried_training(cell=cell, num_layers=2)
    ids = np.random.default_rng(1).integers(4, VOCABULARY, (LANES, 2 * WINDOW + 1))
    whole = losses(carried, window_of(ids, False))
    first, second = losses(carried, window_of(ids[:, : WINDOW + 1], False), window_of(ids[:, WINDOW:], True))
    assert whole[0] == pytest.approx((first + second) / 2, rel=1e-5)
    anew = losses(carried, window_of(ids[:, : WINDOW + 1], False), window_of(ids[:, WINDOW:], False))
    assert anew[0] == pytest.approx(first, rel=1e-6)
    assert anew[1] != second


@every_cell
def test_validation_does_not_touch_the_states_of_the_training(cell):
    carried, _ = carried_training(cell=cell)
    carried.optimizer.build(carried.trainable_variables)
    (batch,) = streams.training_windows(TRAIN, LANES, WINDOW, STEPS, 0, 0).take(1)
    carried.train_step(batch)
    before = [state.numpy() for state in carried.carried]
    assert any(state.any() for state in before)
    losses(carried, window_of(np.full((LANES, 4), 5), True))
    for state, old in zip(carried.carried, before, strict=True):
        np.testing.assert_array_equal(state, old)


def test_the_saved_model_has_no_states(tmp_path):
    carried, _ = carried_training()
    carried.language_model.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    shapes = {tuple(weight.shape) for weight in model.weights}
    assert all(shape[:1] != (LANES,) for shape in shapes)
    ids = np.array([[START, 4, 5, 6]], "int32")
    np.testing.assert_array_equal(model(ids), carried.language_model(ids))


@every_cell
def test_tied_weights_are_the_token_vectors_and_untied_ones_are_not(cell):
    tied = build_model(Config(**SIZES, cell=cell), VOCABULARY)
    untied = build_model(Config(**SIZES, cell=cell, tie_embeddings=False), VOCABULARY)
    assert tied.get_layer("head").kernel is tied.get_layer("embedding").embeddings
    assert untied.get_layer("head").kernel.shape == (VOCABULARY, SIZES["units"])
    stacks = [sum(int(np.prod(w.shape)) for w in model.get_layer("stack").weights) for model in (tied, untied)]
    assert stacks[0] == stacks[1]
    assert tied.count_params() - stacks[0] == VOCABULARY * 5 + 7 * 5 + VOCABULARY
    assert untied.count_params() - stacks[1] == VOCABULARY * 5 + VOCABULARY * 7 + VOCABULARY


@every_cell
def test_a_step_answers_as_the_whole_sequence_does(cell):
    parts = LanguageModel(build_model(Config(**SIZES, cell=cell, num_layers=2, residual=True), VOCABULARY))
    ids = np.array([[START, 4, 5], [START, 9, 9]], "int32")
    whole = parts.model(ids)
    states = parts.stack.initial_state(2)
    for place in range(3):
        logits, states = parts.step(ids[:, place], states)
        np.testing.assert_allclose(logits, whole[:, place], rtol=1e-4, atol=1e-5)


def test_a_sample_of_many_tokens_has_nearly_the_gradient_of_the_full_softmax():
    gradients = []
    for options in ({"softmax": "full"}, {"softmax": "sampled", "sampled_tokens": VOCABULARY}):
        carried, _ = carried_training(**options)
        inputs, targets, _ = window_of(np.random.default_rng(2).integers(4, VOCABULARY, (LANES, 41)), False)
        total = 0.0
        for _ in range(40):
            with tf.GradientTape() as tape:
                features, _ = carried.parts.run(inputs)
                found = carried._sampled if carried.sampled_tokens else carried._exact
                loss = tf.reduce_mean(found(features, targets))
            total += tf.convert_to_tensor(tape.gradient(loss, carried.parts.stack.trainable_weights[1].value))
        gradients.append(total.numpy().ravel())
    assert np.corrcoef(*gradients)[0, 1] > 0.97


OPTIONS = {"dropout": 0.3, "embedding_dropout": 0.2, "average_weights": 0.9, "units": (7, 7)}


def outcome(carried, progress):
    """All that a training leaves but its duration."""
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in progress.history]
    variables = [*carried.variables, *carried.optimizer.variables, *carried.carried]
    return history, progress.best_epoch, [keras.ops.convert_to_numpy(variable).tobytes() for variable in variables]


@pytest.mark.slow
@pytest.mark.parametrize("softmax", ["full", "sampled"])
@every_cell
def test_a_resumed_training_equals_one_that_was_never_interrupted(cell, softmax, tmp_path):
    options = {**OPTIONS, "cell": cell, "softmax": softmax} | ({"sampled_tokens": 5} if softmax == "sampled" else {})
    expected = outcome(*train(tmp_path / "whole", **options))
    for stop in (1, 2):
        with pytest.raises(tf.errors.InvalidArgumentError):
            train(tmp_path / "cut", fail_at=stop, **options)
    assert outcome(*train(tmp_path / "cut", **options)) == expected


def test_what_is_kept_of_averaged_weights_is_the_average(tmp_path):
    carried, progress = train(tmp_path / "averaged", average_weights=0.9, epochs=1, learning_rate=0.05)
    plain, _ = train(tmp_path / "plain", epochs=1, learning_rate=0.05)
    kept, last = (model.language_model.get_weights() for model in (carried, plain))
    assert any((own != other).any() for own, other in zip(kept, last, strict=True))
    # One that remembers nothing is the weights themselves.
    forgets, _ = train(tmp_path / "forgets", average_weights=1e-9, epochs=1, learning_rate=0.05)
    for own, other in zip(forgets.language_model.get_weights(), last, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-6)
    inputs = streams.evaluation_windows(VALIDATION, LANES, WINDOW)
    assert carried.evaluate(inputs, verbose=0) == pytest.approx(progress.best_loss, rel=1e-5)
