"""Token vectors start from log-odds or a file, texts have weights, and a gradient is clipped by its true norm."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from refusals import refusal

from seqapps import training
from seqapps.config import TaskConfig
from seqapps.tasks.sentiment import data, preprocessing
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.model import build_model, loss_of
from seqapps.tasks.sentiment.pipeline import fitting
from seqapps.text.kinds import SPECIAL_TOKENS

WIDTH, VOCABULARY, UNITS = 5, 7, 3
RESERVED = len(SPECIAL_TOKENS)
TRAIN = [("good good room", "fine"), ("good", "fine"), ("room", "fine"), ("cold room", "bad"), ("", "bad")]
PAIRS = [("good room", "clean|fine"), ("good", "fine"), ("cold", "loud"), ("room", "")]


@pytest.fixture
def loaded(tmp_path):
    """Splits whose training part are some rows, and what is fitted on them."""

    def load(rows, **options):
        for name, part in (("train", rows), ("validation", rows), ("test", rows)):
            pd.DataFrame(part, columns=["text", "label"]).to_csv(tmp_path / f"{name}.csv", index=False)
        config = Config(**options)
        splits = data.load(tmp_path, config)
        return config, splits, preprocessing.fit(splits, config)

    return load


def by_token(table, scaling):
    return dict(zip([*SPECIAL_TOKENS, *scaling.tokenizer.to_dict()["vocabulary"]], table.tolist(), strict=True))


# --- log-odds ---


def test_the_log_odds_of_two_classes_are_those_of_naive_bayes(loaded):
    _, splits, scaling = loaded(TRAIN)
    found = fitting.log_odds(splits, scaling)
    assert found.shape == (RESERVED + 3, 1)
    # Texts with a token and one more, bad and fine: good 1 and 3, room 2 and 3, cold 2 and 1, reserved ones 1 and 1.
    bad, fine = RESERVED + 1 + 2 + 2, RESERVED + 3 + 3 + 1
    expected = {
        "good": np.log((3 / fine) / (1 / bad)), "room": np.log((3 / fine) / (2 / bad)),
        "cold": np.log((1 / fine) / (2 / bad)), **dict.fromkeys(SPECIAL_TOKENS, 0),
    }  # fmt: skip
    assert {name: value for name, (value,) in by_token(found, scaling).items()} == pytest.approx(expected)


def test_three_classes_have_a_column_each_against_all_others(loaded):
    _, splits, scaling = loaded([*TRAIN, ("cold", "loud")])
    found = by_token(fitting.log_odds(splits, scaling), scaling)
    # Of bad, fine and loud: good 1, 3, 1; room 2, 3, 1; cold 2, 1, 2; four reserved tokens 1, 1, 1.
    assert found["cold"][2] == pytest.approx(np.log(2 / (4 + 1 + 1 + 2)) - np.log(3 / (8 + 4 + 5 + 3)))
    assert found["good"][1] == pytest.approx(np.log(3 / (4 + 3 + 3 + 1)) - np.log(2 / (8 + 2 + 3 + 4)))
    assert found["<unk>"] == [0, 0, 0]


def test_several_labels_count_for_each_of_them(loaded):
    _, splits, scaling = loaded(PAIRS, label_separator="|")
    assert scaling.classes == ("clean", "fine", "loud")
    found = by_token(fitting.log_odds(splits, scaling), scaling)
    # Of clean, fine and loud: cold 1, 1, 2; good 2, 3, 1; room 2, 2, 1.
    assert found["good"][1] == pytest.approx(np.log(3 / (4 + 1 + 3 + 2)) - np.log(3 / (8 + 3 + 3 + 3)))
    two = [(text, label.replace("clean", "fine")) for text, label in PAIRS]
    _, splits, scaling = loaded(two, label_separator="|")
    assert fitting.log_odds(splits, scaling).shape[1] == 2  # two labels are no alternatives


def test_texts_are_counted_as_the_model_reads_them(loaded):
    _, splits, scaling = loaded([("good cold bed", "fine"), ("cold good bed", "bad")], max_tokens=1)
    found = by_token(fitting.log_odds(splits, scaling), scaling)
    assert found["good"] == pytest.approx([np.log(2)])
    assert found["bed"] == [0]


def test_vectors_start_from_log_odds_in_their_first_numbers(loaded):
    for rows, columns in ((TRAIN, 1), ([*TRAIN, ("cold", "loud")], 3)):
        config, splits, scaling = loaded(rows, embedding_size=WIDTH)
        found_config, vectors, told = fitting.start_vectors(config, splits, scaling)
        assert (found_config.embedding_size, found_config.embedding_start, told) == (WIDTH, "log_odds", "")
        assert (vectors.shape, vectors.dtype) == ((scaling.tokenizer.vocabulary_size, WIDTH), np.dtype("float32"))
        np.testing.assert_allclose(vectors[:, :columns], fitting.log_odds(splits, scaling), rtol=1e-6)
        rest = vectors[:, columns:]
        assert 0 < np.abs(rest).max() <= fitting.SPREAD
        other = fitting.start_vectors(Config(embedding_size=WIDTH, seed=7), splits, scaling)[1]
        assert (other[:, columns:] != rest).all()
        np.testing.assert_array_equal(other[:, :columns], vectors[:, :columns])


def test_vectors_narrower_than_the_classes_take_the_first_of_them(loaded):
    config, splits, scaling = loaded([*TRAIN, ("cold", "loud")], embedding_size=2)
    vectors = fitting.start_vectors(config, splits, scaling)[1]
    np.testing.assert_allclose(vectors, fitting.log_odds(splits, scaling)[:, :2], rtol=1e-6)


def test_vectors_may_start_at_random(loaded):
    config, splits, scaling = loaded(TRAIN, embedding_start="random")
    found, vectors, told = fitting.start_vectors(config, splits, scaling)
    assert (found.embedding_size, found.embedding_start, vectors, told) == (64, "random", None, "")


# --- a file of vectors ---


def test_a_file_of_vectors_gives_its_width_and_says_what_it_covers(loaded, tmp_path):
    path = tmp_path / "vectors.vec"
    path.write_text("3 2\nGood 1 2\nhotel 3 4\ncold 5 6\n", encoding="utf-8")
    config, splits, scaling = loaded(TRAIN, embeddings=str(path))
    found, vectors, told = fitting.start_vectors(config, splits, scaling)
    assert (found.embedding_size, found.embedding_start) == (2, None)
    table = by_token(vectors, scaling)
    assert (table["good"], table["cold"], table["<pad>"]) == ([1, 2], [5, 6], [0, 0])
    assert told == f"2 of 7 tokens (29%) have a vector in {path}."
    with refusal("`embedding_size` must be 2, as in `embeddings`, or left out. Received: embedding_size=5."):
        fitting.start_vectors(Config(embeddings=str(path), embedding_size=WIDTH), splits, scaling)


# --- weights of texts ---


def test_balanced_weights_make_all_classes_count_alike():
    targets = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    found = fitting._weights(targets, Config(class_weights="balanced"), 3)
    np.testing.assert_allclose(found, [0.5] * 6 + [1.5] * 2 + [3])
    assert [found[targets == label].sum() for label in range(3)] == [3, 3, 3]
    assert found.sum() == len(targets)
    np.testing.assert_allclose(
        fitting._weights(targets[:8], Config(class_weights="balanced"), 3)[[0, 7]], [4 / 9, 4 / 3]
    )
    assert fitting._weights(targets, Config(), 3).tolist() == [1] * 9


# --- the norm of a gradient ---


def test_rows_of_a_repeated_token_are_summed_before_the_gradient_is_clipped():
    limit, rate = 1.0, 0.5
    optimizer = training.make_optimizer(TaskConfig(clip_norm=limit, learning_rate=rate, schedule="constant"), 11)
    table, other = keras.Variable(np.zeros((VOCABULARY, 2))), keras.Variable(np.zeros(3))
    rows, dense = np.array([[3.0, 0], [0, 2], [1, 4]]), np.array([0.0, 3, 0])
    summed = np.zeros((VOCABULARY, 2))
    np.add.at(summed, [4, 5, 4], rows)  # token 4 twice: [4, 4], whose norm is not that of its rows
    norm = np.sqrt((summed**2).sum() + (dense**2).sum())
    assert norm == pytest.approx(np.sqrt(4**2 + 4**2 + 2**2 + 3**2))
    momentum, square, expected = 0, 0, np.zeros((VOCABULARY, 2))
    for step in (1, 2):
        # Scaled, so that Adam, which divides by the size of its gradients, does not hide another limit.
        scale = {1: 1.0, 2: 0.01}[step]
        slices = tf.IndexedSlices(
            tf.constant(scale * rows, tf.float32), tf.constant([4, 5, 4]), tf.constant([VOCABULARY, 2])
        )
        optimizer.apply([slices, tf.constant(scale * dense, tf.float32)], [table, other])
        clipped = scale * summed * min(1, limit / (scale * norm))
        momentum, square = 0.9 * momentum + 0.1 * clipped, 0.999 * square + 0.001 * clipped**2
        unbiased = momentum / (1 - 0.9**step), square / (1 - 0.999**step)
        expected = expected - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-7)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(table), expected, rtol=1e-4, atol=1e-6)


def test_a_gradient_that_is_missing_is_passed_over():
    optimizer = training.make_optimizer(TaskConfig(learning_rate=0.5, schedule="constant"), 11)
    table, other = keras.Variable(np.zeros((VOCABULARY, 2))), keras.Variable(np.zeros(3))
    with pytest.warns(UserWarning, match="Gradients do not exist for variables"):  # Keras says so
        optimizer.apply([tf.constant(np.ones((VOCABULARY, 2)), tf.float32), None], [table, other])
    assert keras.ops.convert_to_numpy(other).tolist() == [0, 0, 0]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(table), np.full((VOCABULARY, 2), -0.5), rtol=1e-4)


def test_a_step_of_training_clips_by_the_norm_over_all_weights():
    limit, rate = 0.01, 0.1
    keras.utils.set_random_seed(3)
    config = Config(units=UNITS, embedding_size=WIDTH, pooling="mean", clip_norm=limit, learning_rate=rate)
    model = build_model(config, VOCABULARY, 2)
    token_ids, targets = np.array([[4, 4, 4, 5], [4, 6, 6, 0]], "int32"), np.array([0, 1])
    with tf.GradientTape() as tape:
        loss = loss_of(multi_label=False)(targets, model(token_ids, training=True))
    gradients = [
        tf.convert_to_tensor(each).numpy() for each in tape.gradient(loss, [v.value for v in model.trainable_weights])
    ]
    norm = np.sqrt(sum((each**2).sum() for each in gradients))
    assert norm > 3 * limit
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    model.compile(training.make_optimizer(config, 11), loss_of(multi_label=False), jit_compile=False, run_eagerly=True)
    model.train_on_batch(token_ids, targets)
    for weight, old, gradient in zip(model.trainable_weights, before, gradients, strict=True):
        clipped = gradient * limit / norm  # the first step of Adam is the gradient over its own size
        step = rate * clipped / (np.abs(clipped) + 1e-7 / np.sqrt(0.001))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), old - step, atol=1e-5)
    momenta = [each for each in model.optimizer.variables if "momentum" in each.path]
    found = np.sqrt(sum((keras.ops.convert_to_numpy(each) ** 2).sum() for each in momenta))
    assert found == pytest.approx(0.1 * limit, rel=1e-4)
