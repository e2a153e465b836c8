"""A text has one answer, whatever stands beside it or after it, and every weight has a part in it."""

from itertools import product

import keras
import numpy as np
import pytest
from keras import ops

from seqapps.config import CELL_NAMES
from seqapps.recurrent.pooling import Pooling
from seqapps.tasks.sentiment.config import POOLINGS, Config
from seqapps.tasks.sentiment.model import build_model, logits_of, loss_of

BATCH, TIME, LONGER, FEATURES, SIZE, UNITS, VOCABULARY, CLASSES = 3, 5, 7, 2, 5, 7, 13, 3
TEXTS = [[4, 5, 6, 7, 8], [9, 1], [12]]  # token ids; 1 is unknown
every_pooling = pytest.mark.parametrize("pooling", POOLINGS)


def made(seed=0, table=None, **options):
    """A model whose weights are all drawn, so that no part is without effect."""
    keras.utils.set_random_seed(seed)
    options = {"units": UNITS, "embedding_size": SIZE} | options
    model = build_model(Config(**options), VOCABULARY, CLASSES, table)
    generator = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        if table is None or weight is not model.get_layer("embedding").embeddings:
            weight.assign(generator.normal(0, 0.7, weight.shape))
    return model


def padded(texts, time=None):
    width = time or max(map(len, texts))
    return np.array([[*text, *[0] * (width - len(text))] for text in texts], "int32")


def answers(model, token_ids):
    return ops.convert_to_numpy(model(token_ids, training=False))


def pooled(kind, outputs, mask=None, score=None):
    layer = Pooling(kind)
    outputs = np.array(outputs, "float32")
    layer.build(outputs.shape)
    if score is not None:
        layer.score.assign(score)
    return ops.convert_to_numpy(layer(outputs, mask=None if mask is None else np.array(mask)))


# --- padding and neighbours ---


def assert_a_text_has_one_answer(**options):
    model = made(**options)
    together = answers(model, padded(TEXTS))
    assert together.shape == (BATCH, CLASSES)
    others = padded([[], *TEXTS[::-1], [4, 4]], LONGER)
    np.testing.assert_allclose(answers(model, others)[[3, 2, 1]], together, atol=1e-6)
    alone = answers(model, padded([TEXTS[1]]))
    np.testing.assert_allclose(alone[0], together[1], atol=1e-6)
    assert np.abs(np.diff(together, axis=0)).max() > 1e-3  # different texts have different answers


@pytest.mark.parametrize(
    ("pooling", "cell", "bidirectional", "num_layers"),
    [
        ("last", "simple_rnn", True, 2),
        ("last", "gru", False, 1),
        ("mean", "lstm", True, 1),
        ("max", "gru", True, 2),
        ("mean_max", "simple_rnn", False, 1),
        ("attention", "lstm", False, 2),
        ("attention", "gru", True, 1),
    ],
)
def test_neither_padding_nor_neighbours_change_an_answer(pooling, cell, bidirectional, num_layers):
    assert_a_text_has_one_answer(pooling=pooling, cell=cell, bidirectional=bidirectional, num_layers=num_layers)


@pytest.mark.slow
def test_neither_padding_nor_neighbours_change_an_answer_of_any_model():
    for pooling, cell, bidirectional, num_layers in product(POOLINGS, CELL_NAMES, (False, True), (1, 2)):
        assert_a_text_has_one_answer(pooling=pooling, cell=cell, bidirectional=bidirectional, num_layers=num_layers)


@every_pooling
def test_a_row_of_padding_has_an_answer_that_does_not_depend_on_its_width(pooling):
    model = made(pooling=pooling, bidirectional=True)
    found = answers(model, padded([[], TEXTS[0], []], LONGER))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[2], found[0], atol=1e-6)
    np.testing.assert_allclose(answers(model, padded([[]], 2))[0], found[0], atol=1e-6)


@pytest.mark.parametrize(
    "pooling",
    [
        *(pooling for pooling in POOLINGS if pooling != "attention"),
        "attention",
    ],
)
def test_a_batch_of_texts_of_one_token_is_like_any_other(pooling):
    model = made(pooling=pooling)
    together = answers(model, padded([[12], [4], []], 1))
    np.testing.assert_allclose(together, answers(model, padded([[12], [4], []], LONGER)), atol=1e-6)


def test_joined_directions_of_residual_layers_ignore_padding():
    for merge_mode, pooling in (("sum", "last"), ("mul", "max")):
        options = {"merge_mode": merge_mode, "bidirectional": True, "residual": True, "num_layers": 2}
        model = made(pooling=pooling, **options)
        together = answers(model, padded(TEXTS[1:], LONGER))
        np.testing.assert_allclose(answers(model, padded([TEXTS[1]]))[0], together[0], atol=1e-6)


@every_pooling
def test_the_order_of_tokens_counts(pooling):
    model = made(pooling=pooling)
    forward, backward = answers(model, np.array([[4, 5, 6], [6, 5, 4]], "int32"))
    assert np.abs(forward - backward).max() > 1e-3


# --- pooling ---

OUTPUTS = [[[1, -8], [3, -2], [100, 100]], [[-5, 7], [0, 0], [0, 0]], [[9, 9], [9, 9], [9, 9]]]  # (3, time 3, features)
MASK = [[True, True, False], [True, False, False], [False, False, False]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("mean", [[2, -5], [-5, 7], [0, 0]]),
        ("max", [[3, -2], [-5, 7], [0, 0]]),  # a padded 0 is no maximum of -5
        ("mean_max", [[2, -5, 3, -2], [-5, 7, -5, 7], [0, 0, 0, 0]]),
    ],
)
def test_pooling_takes_real_steps_only(kind, expected):
    np.testing.assert_allclose(pooled(kind, OUTPUTS, MASK), expected, atol=1e-6)


def test_pooling_takes_every_step_where_there_is_no_mask():
    outputs = [[[1, -8], [3, -2]], [[-5, 7], [0, 0]]]
    assert pooled("mean", outputs).tolist() == [[2, -5], [-2.5, 3.5]]
    assert pooled("max", outputs).tolist() == [[3, -2], [0, 7]]
    assert pooled("attention", outputs).tolist() == [[2, -5], [-2.5, 3.5]]


def test_attention_weighs_real_steps_by_the_softmax_of_a_score():
    score = np.array([np.log(3) / 2, 0])  # of two steps that differ by 2, one weighs 3 times the other
    expected = [[1 / 4 * 1 + 3 / 4 * 3, 1 / 4 * -8 + 3 / 4 * -2], [-5, 7], [0, 0]]
    np.testing.assert_allclose(pooled("attention", OUTPUTS, MASK, score), expected, rtol=1e-5)
    np.testing.assert_allclose(pooled("attention", OUTPUTS, MASK)[0], [2, -5], rtol=1e-6)  # a mean at the start


@pytest.mark.parametrize("score", [1e4, -1e4])
def test_attention_survives_scores_of_any_size(score):
    found = pooled("attention", OUTPUTS, MASK, np.array([score, 0.0]))
    np.testing.assert_allclose(found, [OUTPUTS[0][1 if score > 0 else 0], [-5, 7], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("kind", [pooling for pooling in POOLINGS if pooling != "last"])
def test_pooling_tells_its_shape_and_comes_back_from_its_config(kind):
    layer = Pooling(kind, name="pooling")
    again = Pooling.from_config(layer.get_config())
    assert (again.kind, again.name) == (kind, "pooling")
    shape = pooled(kind, np.ones((BATCH, TIME, FEATURES))).shape
    assert (
        again.compute_output_shape((BATCH, TIME, FEATURES)) == shape == (BATCH, (1 + (kind == "mean_max")) * FEATURES)
    )


@every_pooling
def test_a_model_pools_what_its_stack_gives_at_real_steps(pooling):
    model = made(pooling=pooling)
    token_ids = padded(TEXTS, LONGER)
    embedded = model.get_layer("embedding")(token_ids)
    outputs = ops.convert_to_numpy(model.get_layer("stack")(embedded, mask=token_ids > 0))
    if pooling == "last":
        vectors = outputs
    else:
        real = [row[: len(text)] for row, text in zip(outputs, TEXTS, strict=True)]
        mean, highest = (np.stack([reduce(row, axis=0) for row in real]) for reduce in (np.mean, np.max))
        vectors = {"mean": mean, "max": highest, "mean_max": np.concatenate([mean, highest], axis=1)}.get(pooling)
        if pooling == "attention":
            weights = [np.exp(row @ model.get_layer("pooling").get_weights()[0]) for row in real]
            vectors = np.stack([weight @ row / weight.sum() for weight, row in zip(weights, real, strict=True)])
    kernel, bias = model.get_layer("head").get_weights()
    np.testing.assert_allclose(answers(model, token_ids), vectors @ kernel + bias, atol=1e-5)


# --- training ---


def step(model):
    """One step without a graph, which would take longer to be traced than to run."""
    model.compile(keras.optimizers.SGD(0.1), loss_of(multi_label=False), jit_compile=False, run_eagerly=True)
    model.train_on_batch(padded(TEXTS), np.array([0, 1, 2], "int32"))


@every_pooling
def test_one_training_step_changes_every_trainable_weight(pooling):
    config = Config(units=UNITS, embedding_size=SIZE, pooling=pooling, bidirectional=True)
    keras.utils.set_random_seed(1)
    model = build_model(config, VOCABULARY, CLASSES)
    before = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    step(model)
    assert len(before) == 1 + 2 * 3 + (pooling == "attention") + 2
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert (ops.convert_to_numpy(weight) != old).any(), weight.path


@pytest.mark.parametrize("train_embeddings", [True, False])
def test_token_vectors_start_as_given_and_change_only_if_they_may(train_embeddings):
    table = np.random.default_rng(0).normal(size=(VOCABULARY, SIZE)).astype("float32")
    options = {"embeddings": "glove.txt", "train_embeddings": train_embeddings, "pooling": "mean"}
    model = made(table=table, **options)
    layer = model.get_layer("embedding")
    np.testing.assert_array_equal(layer.get_weights()[0], table)
    assert any(weight is layer.embeddings for weight in model.trainable_weights) == train_embeddings
    step(model)
    changed = (layer.get_weights()[0] != table).any(axis=1)
    read = {token for text in TEXTS for token in text} if train_embeddings else set()
    assert {token for token in np.flatnonzero(changed).tolist() if token} == read


def test_word_dropout_drops_whole_vectors_while_training_alone():
    model = made(word_dropout=0.5, pooling="mean")
    layer, vectors = model.get_layer("word_dropout"), np.ones((BATCH, 101, SIZE), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(vectors, training=False)), vectors)
    found = ops.convert_to_numpy(layer(vectors, training=True))
    assert set(np.unique(found).tolist()) == {0, 2}
    assert (found == found[..., :1]).all()
    assert 0.3 < (found[..., 0] == 0).mean() < 0.7
    assert (found[0] != found[1]).any()


# --- the same model ---


@every_pooling
def test_token_vectors_give_the_logits_of_their_tokens(pooling):
    model = made(pooling=pooling, bidirectional=True, dropout=0.5, word_dropout=0.5)
    token_ids = padded(TEXTS, LONGER)
    vectors = model.get_layer("embedding")(token_ids)
    found = ops.convert_to_numpy(logits_of(model, vectors, ops.convert_to_tensor(token_ids > 0)))
    np.testing.assert_allclose(found, answers(model, token_ids), atol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_a_model_comes_back_from_its_file(tmp_path, pooling):
    model = made(pooling=pooling, cell="lstm", bidirectional=pooling == "last", word_dropout=0.3, dropout=0.2)
    model.compile("adam", loss_of(multi_label=True), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(answers(again, padded(TEXTS)), answers(model, padded(TEXTS)))
    assert again.get_layer("word_dropout").rate == 0.3
    assert type(again.loss) is keras.losses.BinaryCrossentropy


def test_the_loss_is_cross_entropy_of_logits():
    logits = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]])
    exclusive = loss_of(multi_label=False)(np.array([0, 1]), logits)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert float(exclusive) == pytest.approx(-np.log(shares[[0, 1], [0, 1]]).mean(), rel=1e-6)
    truth = np.array([[1.0, 0, 1], [0, 0, 0]])
    sure = 1 / (1 + np.exp(-logits))
    expected = -(truth * np.log(sure) + (1 - truth) * np.log(1 - sure)).mean()
    assert float(loss_of(multi_label=True)(truth, logits)) == pytest.approx(expected, rel=1e-6)
