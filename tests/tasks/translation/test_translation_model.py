"""The network: what its logits depend on, step by step and at once, and the loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps import training
from seqapps.config import CELL_NAMES
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.model import SmoothedCrossEntropy, build_model
from seqapps.tasks.translation.serving.translator import Member

SOURCES, TARGETS = 11, 13  # sizes of the vocabularies
SOURCE = np.array([[5, 6, 7, 4, 3], [8, 9, 3, 0, 0], [4, 3, 0, 0, 0]], "int32")
SO_FAR = np.array([[2, 5, 6, 7], [2, 7, 0, 0], [2, 8, 9, 0]], "int32")
NEXT = np.array([[5, 6, 7, 3], [7, 3, 0, 0], [8, 9, 3, 0]], "int32")
KINDS = {
    "plain": {},
    "deep": {"units": (7, 5), "dropout": 0.3, "embedding_dropout": 0.2},
    "one direction": {"bidirectional": False, "attention": "multiplicative"},
    "sum": {"merge_mode": "sum", "residual": True, "num_layers": 2, "attention": "multiplicative"},
    "no attention": {"attention": "none", "recurrent_dropout": 0.2},
    "no attention, narrow": {"attention": "none", "embedding_size": 7, "bidirectional": False},
    "fed": {"input_feeding": True, "units": (7, 5), "dropout": 0.3},
    "fed, one direction": {"input_feeding": True, "bidirectional": False, "attention": "multiplicative"},
    "untied": {"tie_embeddings": False},
    "shared": {"shared_vocabulary": True, "embedding_size": 5},
}
every_cell = pytest.mark.parametrize("cell", CELL_NAMES)
every_kind = pytest.mark.parametrize("kind", KINDS)
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def built(cell, kind):
    training.set_seed(0)
    config = Config(**{"cell": cell, "units": 7, "embedding_size": 3} | KINDS[kind])
    sizes = (TARGETS, TARGETS) if config.shared_vocabulary else (SOURCES, TARGETS)
    return build_model(config, *sizes)


def logits(model, source=SOURCE, so_far=SO_FAR):
    return keras.ops.convert_to_numpy(model([source, so_far]))


@every_cell
@every_kind
def test_padding_and_neighbours_change_no_logit(cell, kind):
    model = built(cell, kind)
    together = logits(model)
    padded = logits(model, np.pad(SOURCE, [[0, 0], [0, 3]]), np.pad(SO_FAR, [[0, 0], [0, 2]]))
    np.testing.assert_allclose(padded[:, :4], together, **TOLERANCE)
    for row, (places, time) in enumerate([(5, 4), (3, 2), (2, 3)]):
        alone = logits(model, SOURCE[row : row + 1, :places], SO_FAR[row : row + 1, :time])
        np.testing.assert_allclose(alone[0], together[row, :time], **TOLERANCE)


@every_kind
def test_no_logit_depends_on_a_later_token_of_the_target(kind):
    model = built("gru", kind)
    changed = SO_FAR.copy()
    changed[:, 2:] = 10
    np.testing.assert_allclose(logits(model, so_far=changed)[:, :2], logits(model)[:, :2], **TOLERANCE)


@every_cell
@every_kind
def test_a_target_read_step_by_step_has_the_logits_of_one_read_at_once(cell, kind):
    model = built(cell, kind)
    member = Member(model)
    expected = tf.nn.log_softmax(logits(model))
    told, attention = member.forced(tf.constant(SO_FAR), tf.constant(NEXT), member.read(tf.constant(SOURCE)))
    np.testing.assert_allclose(told, tf.gather(expected, NEXT, batch_dims=2), **TOLERANCE)
    if member.decoder.attention is None:
        assert not attention.numpy().any()
    else:
        np.testing.assert_allclose(tf.reduce_sum(attention, axis=2), np.ones((3, 4)), rtol=1e-5)
        assert not attention.numpy()[SOURCE[:, None].repeat(4, axis=1) == 0].any()


@every_cell
@every_kind
def test_every_weight_has_a_gradient_and_a_reloaded_model_is_the_same(cell, kind, tmp_path):
    model = built(cell, kind)
    loss = SmoothedCrossEntropy(0.1)
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    with tf.GradientTape() as tape:
        value = loss(NEXT, model([SOURCE, SO_FAR], training=True))
    gradients = tape.gradient(value, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert np.abs(tf.convert_to_tensor(gradient).numpy()).max() > 0, weight.path
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits(again), logits(model))
    assert again.loss.smoothing == 0.1


@pytest.mark.parametrize("kind", ["deep", "fed", "no attention"])
def test_dropout_is_active_in_training_alone(kind):
    model = built("lstm", kind)
    first, second = (keras.ops.convert_to_numpy(model([SOURCE, SO_FAR], training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(logits(model), logits(model))


def test_a_shared_vocabulary_has_one_table_of_token_vectors():
    tables = [weight.path for weight in built("gru", "shared").weights if "embeddings" in weight.path]
    assert tables == ["source_embedding/embeddings"]


def test_the_loss_is_the_mean_over_real_tokens():
    told = np.random.default_rng(0).normal(size=(3, 4, TARGETS)).astype("float32")
    log_probabilities = tf.nn.log_softmax(told).numpy()
    nats = -np.take_along_axis(log_probabilities, NEXT[:, :, None], axis=2)[:, :, 0]
    assert float(SmoothedCrossEntropy()(NEXT, told)) == pytest.approx(nats[NEXT != 0].mean(), rel=1e-5)


def test_smoothing_mixes_in_a_uniform_distribution_over_all_that_can_come_next():
    told = np.random.default_rng(0).normal(size=(3, 4, TARGETS)).astype("float32")
    told[:, :, [0, 2]] = -1e9  # padding and the start never come next
    log_probabilities = tf.nn.log_softmax(told).numpy()
    wanted = np.full((TARGETS, TARGETS), 0.2 / (TARGETS - 2))
    wanted += 0.8 * np.eye(TARGETS)
    wanted[:, [0, 2]] = 0
    nats = -(wanted[NEXT] * log_probabilities).sum(axis=2)
    assert float(SmoothedCrossEntropy(0.2)(NEXT, told)) == pytest.approx(nats[NEXT != 0].mean(), rel=1e-5)


def test_a_batch_of_nothing_but_padding_has_a_loss_of_zero():
    assert float(SmoothedCrossEntropy(0.1)(np.zeros((2, 3), "int32"), np.ones((2, 3, 5), "float32"))) == 0
