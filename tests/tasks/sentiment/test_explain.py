"""Attributions of tokens add up to what the text adds to a logit, for every model."""

from itertools import product

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.config import CELL_NAMES
from seqapps.tasks.sentiment.config import POOLINGS, Config
from seqapps.tasks.sentiment.explain import explain
from seqapps.tasks.sentiment.model import build_model
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import tokenizers

UNITS, SIZE, MOST, CLASSES = 7, 5, 11, ("bad", "fine", "good")
TRAINED = ["the room was cold and the food was not warm"]
TEXT = "The food was cold!"


def made(kind="word", most=MOST, **options):
    """A model with drawn weights, and its preprocessing."""
    keras.utils.set_random_seed(3)
    scaling = Preprocessing(tokenizers.fit(kind, TRAINED, 300, lowercase=True), CLASSES, None, most)
    config = Config(units=UNITS, embedding_size=SIZE, **options)
    model = build_model(config, scaling.tokenizer.vocabulary_size, len(CLASSES))
    generator = np.random.default_rng(3)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(0, 0.5, weight.shape))
    return model, scaling


def logit_of_zeros(model, steps, label):
    """What a model answers to so many empty token vectors."""
    layer = model.get_layer("embedding")
    kept = layer.get_weights()
    layer.set_weights([np.zeros_like(kept[0])])
    logits = keras.ops.convert_to_numpy(model(np.full((1, steps), 4), training=False))
    layer.set_weights(kept)
    return logits[0, label]


def assert_complete(explanation):
    assert explanation.attributions.sum() == pytest.approx(explanation.difference, abs=3e-4)


def assert_explains(**options):
    model, scaling = made(**options)
    token_ids = scaling.encode(tf.constant([TEXT])).to_tensor()
    for label in (0, 2):
        found = explain(model, scaling, TEXT, label)
        logit = keras.ops.convert_to_numpy(model(token_ids, training=False))[0, label]
        assert found.difference == pytest.approx(logit - logit_of_zeros(model, 5, label), abs=1e-5)
        assert np.abs(found.attributions).min() > 0
        assert_complete(found)


@pytest.mark.parametrize(
    ("pooling", "cell", "bidirectional", "num_layers"),
    [
        ("last", "lstm", True, 1),
        ("mean", "gru", False, 2),
        ("attention", "gru", True, 1),
        pytest.param("max", "simple_rnn", False, 1),
        pytest.param("mean_max", "gru", True, 1),
    ],
)
def test_attributions_sum_to_the_difference_of_the_logits(pooling, cell, bidirectional, num_layers):
    assert_explains(pooling=pooling, cell=cell, bidirectional=bidirectional, num_layers=num_layers)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", list(POOLINGS))
def test_attributions_of_any_model_sum_to_the_difference_of_the_logits(pooling):
    for cell, bidirectional, num_layers in product(CELL_NAMES, (False, True), (1, 2)):
        assert_explains(pooling=pooling, cell=cell, bidirectional=bidirectional, num_layers=num_layers)


def test_dropout_has_no_say_in_an_explanation():
    options = {"pooling": "mean", "dropout": 0.5, "word_dropout": 0.5, "recurrent_dropout": 0.5, "num_layers": 2}
    model, scaling = made(**options)
    first, again = (explain(model, scaling, TEXT, 1) for _ in range(2))
    np.testing.assert_array_equal(first.attributions, again.attributions)


def test_a_text_without_a_token_has_nothing_to_explain():
    for text in ("", " \x07"):
        found = explain(*made(), text, 1)
        assert (found.tokens, found.attributions.shape, found.difference) == ([], (0,), 0)


@pytest.mark.parametrize(
    "pooling",
    ["attention", "max"],
)
def test_a_text_of_one_token_is_explained(pooling):
    found = explain(*made(pooling=pooling), "cold", 1)
    assert found.tokens == ["cold"]
    assert_complete(found)


def test_tokens_are_named_as_they_are_cut_and_unknown_ones_in_brackets():
    assert explain(*made(pooling="last"), "The COLD hotel, <unk>", 0).tokens == [
        "the",
        "cold",
        "[hotel]",
        "[,]",
        "[<]",
        "[unk]",
        "[>]",
    ]
    assert explain(*made("character", pooling="last"), "a é", 0).tokens == ["a", " ", "[é]"]
    assert "".join(explain(*made("byte_pair", pooling="last"), "the é", 0).tokens) == "the \ufffd\ufffd"


def test_a_long_text_is_explained_as_it_is_read():
    found = explain(*made(most=3, pooling="last"), "the room was cold and hotel", 1)
    assert found.tokens == ["the", "room", "[hotel]"]
    assert_complete(found)
