"""Layers that change later and less than others, and averages of weights that are evaluated and kept."""

import keras
import numpy as np

from seqapps import training
from seqapps.config import TaskConfig
from seqapps.recurrent.stack import RecurrentStack

BATCH, TIME, FEATURES, UNITS = 3, 5, 2, 7
RATE = 0.01


def model_with(layer_rates):
    """Two recurrent layers and a head, with a constant learning rate and no clipping."""
    keras.utils.set_random_seed(0)
    sequences = keras.Input((None, FEATURES))
    outputs = RecurrentStack((UNITS, UNITS), name="stack")(sequences)
    model = keras.Model(sequences, keras.layers.Dense(1, name="head")(outputs))
    config = TaskConfig(learning_rate=RATE, schedule="constant", clip_norm=None)
    model.compile(training.make_optimizer(config, 100, layer_rates), "mse", jit_compile=False)
    return model


def changes(model, steps):
    """The largest change of any number of every part, step by step."""
    generator = np.random.default_rng(0)
    inputs, targets = generator.normal(size=(BATCH, TIME, FEATURES)), generator.normal(size=(BATCH, 1))
    told = []
    for _ in range(steps):
        before = model.get_weights()
        model.train_on_batch(inputs, targets)
        parts = {}
        for weight, old in zip(model.weights, before, strict=True):
            name = "/".join(weight.path.split("/")[: 2 if weight.path.startswith("stack") else 1])
            moved = float(np.abs(keras.ops.convert_to_numpy(weight) - old).max())
            parts[name] = max(parts.get(name, 0.0), moved)
        told.append(parts)
    return told


def test_a_layer_changes_from_its_step_on_and_by_its_share_of_the_rate():
    rates = {"stack/forward_0": (0.1, 3), "stack/forward_1": (0.5, 1)}
    first, second, third, fourth = changes(model_with(rates), steps=4)
    assert first["stack/forward_0"] == first["stack/forward_1"] == 0
    np.testing.assert_allclose(first["head"], RATE, rtol=1e-3)  # the first step of Adam is the rate itself
    assert second["stack/forward_0"] == third["stack/forward_0"] == 0
    assert 0 < second["stack/forward_1"] <= 0.5 * RATE * 1.01
    assert 0 < fourth["stack/forward_0"] <= 0.1 * RATE * 1.01


def test_without_rates_all_layers_change_alike():
    (first,) = changes(model_with(None), steps=1)
    assert len(first) == 3
    np.testing.assert_allclose([*first.values()], RATE, rtol=1e-3)


def test_rates_survive_saving(tmp_path):
    model = model_with({"stack/forward_0": (0.1, 2)})
    changes(model, steps=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = changes(model, steps=3)
    assert changes(loaded, steps=3) == expected
    assert expected[0]["stack/forward_0"] == 0 < expected[-1]["stack/forward_0"]


def test_memory_is_kept_or_the_library_has_no_such_options(monkeypatch):
    calls = []

    class Library:
        def mallopt(self, parameter, value):
            calls.append((parameter, value))

    monkeypatch.setattr(training.ctypes, "CDLL", lambda name: Library())
    training.keep_memory()
    assert tuple(calls) == training.MALLOC_OPTIONS

    def missing(name):
        raise OSError

    monkeypatch.setattr(training.ctypes, "CDLL", missing)
    training.keep_memory()
    assert len(calls) == len(training.MALLOC_OPTIONS)


def test_an_average_forgets_faster_at_first():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(1)])
    config = TaskConfig(learning_rate=RATE, schedule="constant", average_weights=0.2)
    model.compile(training.make_optimizer(config, 100), "mse")
    inputs, targets = np.ones((BATCH, FEATURES)), np.ones((BATCH, 1))
    expected = model.get_weights()
    for momentum in (0, 1 / 10, 2 / 11, 0.2, 0.2):  # n / (n + 9) after n steps, at most 0.2
        model.train_on_batch(inputs, targets)
        expected = [
            momentum * old + (1 - momentum) * new for old, new in zip(expected, model.get_weights(), strict=True)
        ]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for kept, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(kept, value, rtol=1e-5)
