"""A classifier that starts from a language model: with its tokenizer, vectors and weights, or not at all."""

import dataclasses

import keras
import numpy as np
import pytest
from refusals import refusal

import seqapps
from seqapps import run_folder
from seqapps.tasks.sentiment import data
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.pipeline import fitting, pretraining, telling, train
from seqapps.text import encoders

EPOCHS, SEED = 3, 5


@pytest.fixture(scope="module")
def language_model(trained_run):
    return trained_run("generation", "gru")


@pytest.fixture
def options(toys, language_model):
    kept = {name: toys["sentiment"].options[name] for name in ("max_tokens", "batch_size")}
    return kept | {"pretrained": str(language_model), "learning_rate": 0.05, "epochs": EPOCHS, "seed": SEED}


def made(config, table):
    """The config as a training has it, and its model before the first step."""
    config = pretraining.resolved(config)
    splits = data.load(table, config)
    config = data.resolved(config, splits)
    scaling = fitting.fitted(splits, config)
    config, vectors, _ = fitting.start_vectors(config, splits, scaling)
    return config, scaling, fitting.compiled_model(config, splits, scaling, vectors)


def weights_of(model):
    return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}


def test_tokenizer_vectors_and_recurrent_weights_are_those_of_the_language_model(options, toys, language_model):
    config, scaling, model = made(Config(**options), toys["sentiment"].data)
    expected = weights_of(keras.models.load_model(language_model / "model.keras", compile=False))
    found = weights_of(model)
    shared = [path for path in expected if path.startswith(("embedding/", "stack/"))]
    assert len(shared) == 4
    for path in shared:
        np.testing.assert_array_equal(found[path], expected[path])
    stored = run_folder.read_json(language_model / "preprocessing.json")["fitted"]["tokenizer"]
    assert scaling.tokenizer.to_dict() == stored
    assert (config.cell, config.widths, config.tokenizer, config.lowercase) == ("gru", (7,), "character", False)
    assert config.embedding_size == 5


def test_the_config_of_such_a_run_is_taken_again(options, toys):
    config, _, _ = made(Config(**options), toys["sentiment"].data)
    assert pretraining.resolved(Config.from_dict(config.to_dict())) == config


def test_layers_thaw_from_the_head_on(options, toys):
    _, _, model = made(Config(**options), toys["sentiment"].data)
    steps = -(-data.load(toys["sentiment"].data, Config()).count("train") // options["batch_size"])
    for step, expected in (
        (0, {"head"}),
        (steps - 1, {"head"}),
        (steps, {"head", "stack"}),
        (2 * steps - 1, {"head", "stack"}),
        (2 * steps, {"head", "stack", "embedding"}),
    ):
        model.optimizer.iterations.assign(step)
        before = weights_of(model)
        model.train_on_batch(np.array([[4, 5, 6], [6, 4, 0]], "int32"), np.array([0, 1], "int32"))
        after = weights_of(model)
        assert {path.split("/")[0] for path in after if (after[path] != before[path]).any()} == expected


def test_without_gradual_unfreezing_all_layers_change_from_the_first_step(options, toys):
    _, _, model = made(Config(**options, gradual_unfreezing=False), toys["sentiment"].data)
    before = weights_of(model)
    model.train_on_batch(np.array([[4, 5, 6], [6, 4, 0]], "int32"), np.array([0, 1], "int32"))
    after = weights_of(model)
    assert all((after[path] != before[path]).any() for path in before)


def test_lower_layers_learn_more_slowly_and_later():
    config = Config(units=(7, 7, 5), pretrained="run")
    assert pretraining.layer_rates(config, steps_per_epoch=11) == {
        "stack/forward_2": (pytest.approx(1 / 2.6), 11),
        "stack/forward_1": (pytest.approx(1 / 2.6**2), 22),
        "stack/forward_0": (pytest.approx(1 / 2.6**3), 33),
        "embedding": (pytest.approx(1 / 2.6**4), 44),
    }


@pytest.mark.parametrize(
    ("option", "value", "own"),
    [
        ("cell", "lstm", "'gru'"),
        ("units", 9, "[7]"),
        ("num_layers", 2, "1"),
        ("tokenizer", "byte_pair", "'character'"),
        ("embedding_size", 6, "5"),
        ("residual", True, "False"),
    ],
)
def test_an_option_that_contradicts_the_language_model_is_an_error(options, language_model, option, value, own):
    received = Config(**{option: value}).to_dict()[option] if option != "units" else value
    expected = (
        f"`{option}` must be {own} with this `pretrained`. Received: {option}={received!r}. "
        f"Leave it out: it is that of the language model {str(language_model)!r}."
    )
    with refusal(expected):
        pretraining.resolved(Config(**options | {option: value}))


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        (
            "bidirectional",
            True,
            "False with `pretrained`. Received: bidirectional=True. A language model reads in one ",
        ),
        (
            "weight_decay",
            0.1,
            "0 with `gradual_unfreezing`. Received: weight_decay=0.1. It would move layers that are still ",
        ),
        (
            "initialize_from",
            "run",
            "left out with `pretrained`. Received: initialize_from='run'. The token vectors and ",
        ),
        ("embeddings", "v.txt", "left out with `pretrained`. Received: embeddings='v.txt'. The token vectors and "),
    ],
)
def test_an_option_that_has_no_meaning_with_a_language_model_is_an_error(option, value, expected):
    end = {"bidirectional": "direction.", "weight_decay": "frozen."}.get(
        option, "weights are those of the language model."
    )
    with refusal(f"`{option}` must be {expected}{end}"):
        Config(pretrained="run", **{option: value})


def test_only_a_finished_language_model_is_a_start(options, trained_run, language_model, tmp_path):
    other = trained_run("sentiment", "gru")
    with refusal(
        f"`pretrained` must be a run of the task 'generation'. Received: {str(other)!r} of the task 'sentiment'."
    ):
        pretraining.resolved(Config(**options | {"pretrained": str(other)}))
    missing = str(tmp_path / "nothing")
    with refusal(f"{missing!r} is not a finished run: it has no config.json.", FileNotFoundError):
        pretraining.resolved(Config(**options | {"pretrained": missing}))
    begun = tmp_path / "begun"
    begun.mkdir()
    for name in ("config.json", "preprocessing.json"):
        (begun / name).write_bytes((language_model / name).read_bytes())
    told = f"`pretrained` must be a finished run. Received: {str(begun)!r} has no encoder.weights.h5."
    with refusal(told, FileNotFoundError):
        pretraining.resolved(Config(**options | {"pretrained": str(begun)}))


def test_an_encoder_is_read_as_it_was_written(language_model):
    model = keras.models.load_model(language_model / "model.keras", compile=False)
    encoder = encoders.read_text_encoder(language_model, "generation")
    np.testing.assert_array_equal(encoder.embedding, model.get_layer("embedding").get_weights()[0])
    for own, other in zip(encoder.stack, model.get_layer("stack").get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
    assert dataclasses.asdict(encoder)["options"]["units"] == (7,)


@pytest.mark.slow
def test_such_a_run_is_trained_served_and_measured(options, toys, tmp_path):
    metrics = train(Config(**options), toys["sentiment"].data, tmp_path / "run")
    stored = run_folder.read_json(tmp_path / "run" / "config.json")
    assert (stored["cell"], stored["units"], stored["tokenizer"]) == ("gru", [7], "character")
    assert seqapps.load(tmp_path / "run").evaluate(toys["sentiment"].data) == metrics


def test_a_run_with_too_few_epochs_for_all_layers_says_so(toys):
    config = Config(units=(7, 7), pretrained="run", epochs=3)
    splits = data.load(toys["sentiment"].data, config)
    told = telling.notes(splits, config, "")
    assert told[-1] == (
        "Only the upper layers were trained: 3 epochs are too few for the head, 2 recurrent layer(s) and the token "
        "vectors to thaw one after the other."
    )
    assert telling.notes(splits, dataclasses.replace(config, epochs=4), "") == told[:-1]
