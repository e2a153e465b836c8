"""What a model has instead of memory or order."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.recurrent.controls import ShuffledSteps
from seqapps.recurrent.pooling import Pooling

FEATURES = 3


def shuffled(steps, padded="right", mask=None):
    return keras.ops.convert_to_numpy(ShuffledSteps(padded)(np.asarray(steps), mask=mask))


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=13), st.randoms(use_true_random=False), st.integers(0, 3))
def test_every_order_of_the_same_tokens_becomes_the_same_text(tokens, random, padding):
    other = random.sample(tokens, len(tokens))
    rows = np.array([tokens + [0] * padding, other + [0] * padding], "int32")
    first, second = shuffled(rows)
    np.testing.assert_array_equal(first, second)
    assert sorted(first[: len(tokens)]) == sorted(tokens)
    assert not first[len(tokens) :].any()


def test_padding_and_neighbours_never_change_the_order():
    alone = shuffled([[4, 5, 6, 7]])[0]
    beside = shuffled([[4, 5, 6, 7, 0, 0], [9, 8, 7, 6, 5, 4]])[0]
    np.testing.assert_array_equal(beside[:4], alone)


def test_one_other_token_gives_another_order():
    places = [np.argsort(shuffled([[*range(10, 17), last]])[0])[:7].tolist() for last in range(20, 60)]
    assert len({tuple(place) for place in places}) > 30


@pytest.mark.parametrize("padded", ["left", "right"])
def test_steps_with_features_move_as_wholes_and_padding_stays(padded):
    generator = np.random.default_rng(0)
    steps = generator.normal(size=(2, 7, FEATURES)).astype("float32")
    steps[1] = steps[0]
    real = slice(2, 7) if padded == "left" else slice(0, 5)
    steps[1, real] = steps[0, real][::-1]
    mask = np.zeros((2, 7), bool)
    mask[:, real] = True
    first, second = shuffled(steps, padded, mask)
    np.testing.assert_array_equal(first, second)
    assert sorted(map(tuple, first[real])) == sorted(map(tuple, steps[0, real]))
    padding = np.setdiff1d(np.arange(7), np.arange(7)[real])
    np.testing.assert_array_equal(first[padding], steps[0, padding])


def test_the_mean_sees_real_steps_alone():
    steps = np.arange(12, dtype="float32").reshape(1, 4, FEATURES)
    mask = np.array([[False, True, True, False]])
    np.testing.assert_allclose(Pooling("mean")(steps, mask=mask), [[4.5, 5.5, 6.5]])
    np.testing.assert_allclose(Pooling("mean")(steps), steps.mean(axis=1))
    assert not np.any(Pooling("mean")(steps, mask=np.zeros((1, 4), bool)))


@pytest.mark.parametrize("layer", [ShuffledSteps("left", name="shuffle"), Pooling("mean", name="mean")])
def test_a_control_is_the_same_after_a_round_trip(layer):
    config = keras.saving.serialize_keras_object(layer)
    assert keras.saving.deserialize_keras_object(config).get_config() == layer.get_config()
