"""Classifiers that cannot use order: no order of the same tokens changes their answer."""

import keras
import numpy as np
import pytest
from refusals import refusal

from seqapps import run_folder
from seqapps.recurrent.stack import RecurrentStack
from seqapps.tasks.sentiment.config import POOLINGS, Config
from seqapps.tasks.sentiment.explain import explain
from seqapps.tasks.sentiment.gradients import gradient_batch
from seqapps.tasks.sentiment.model import build_model
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import tokenizers

VOCABULARY, CLASSES = 11, 3


def answers(model, rows):
    return keras.ops.convert_to_numpy(model(np.array(rows, "int32"), training=False))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("options", [{"cell": "lstm", "units": 5, "bidirectional": True}, {"cell": "gru", "units": 5}])
def test_shuffled_steps_have_lost_their_order(pooling, options):
    kept, shuffled = (
        build_model(Config(control=control, pooling=pooling, **options), VOCABULARY, CLASSES)
        for control in ("none", "shuffled")
    )
    rows = [[4, 5, 6, 7, 8, 0], [8, 4, 7, 5, 6, 0]]
    first, second = answers(shuffled, rows)
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-7)
    first, second = answers(kept, rows)
    assert np.abs(first - second).max() > 1e-5
    assert kept.count_params() == shuffled.count_params()


@pytest.mark.parametrize("pooling", [name for name in POOLINGS if name != "last"])
def test_without_memory_there_are_token_vectors_and_pooling_alone(pooling):
    model = build_model(Config(control="memoryless", pooling=pooling), VOCABULARY, CLASSES)
    assert not any(isinstance(layer, RecurrentStack) for layer in model.layers)
    first, second = answers(model, [[4, 5, 6, 7, 8, 0], [8, 4, 7, 5, 6, 0]])
    np.testing.assert_allclose(first, second, rtol=1e-5)


@pytest.mark.parametrize("options", [{"control": "shuffled", "units": 5}, {"control": "memoryless"}])
def test_explanations_give_every_token_its_own_share(options):
    tokenizer = tokenizers.fit("word", ["red blue green"], VOCABULARY, lowercase=True)
    prepared = Preprocessing(tokenizer, ("a", "b"), None, max_tokens=9)
    keras.utils.set_random_seed(1)
    model = build_model(Config(**options), prepared.tokenizer.vocabulary_size, 2)
    told = explain(model, prepared, "red blue green red", 1)
    turned = explain(model, prepared, "green red red blue", 1)
    assert told.attributions.sum() == pytest.approx(told.difference, abs=1e-4)
    for one, other in (("blue", "blue"), ("green", "green")):
        shares = told.attributions[told.tokens.index(one)], turned.attributions[turned.tokens.index(other)]
        assert shares[0] == pytest.approx(shares[1], abs=1e-5)


@pytest.mark.parametrize("control", ["memoryless", "shuffled"])
def test_a_control_has_no_lags_to_measure_gradients_by(control, toys, tmp_path):
    run_folder.write_json(tmp_path / "config.json", {"task": "sentiment", "control": control})
    with refusal(
        f"`control` must be 'none' to measure gradients. Received: control={control!r}. Without a recurrence, or with "
        "steps in an order that tells nothing, there is no lag."
    ):
        gradient_batch(keras.Sequential(), tmp_path, toys["sentiment"].data, "test", 3)
