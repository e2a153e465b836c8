"""The bundle on batches: what a text may be, what it may not do to its neighbours, and what its caller is told."""

import json
from functools import cache
from itertools import compress

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from seqapps import export
from seqapps.tasks.sentiment import serving
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.model import build_model
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import tokenizers

UNITS, SIZE, MOST, TEMPERATURE = 7, 5, 11, 1.7
CLASSES = ("bad", "fine", "good")
TRAINED = ["The room was cold, the food was not.", "A warm room! And warm food…", "日本の宿は良い", "שלום 🙂 again"]
TEXTS = ["The room was warm.", "cold food", "🙂 again, again"]  # of two classes at least
NO_TOKEN = "The text has no token: the answer is the same for all such texts."
LONG = f"The text is long: {MOST} tokens were read, from its start and its end."
UNKNOWN = "More than half of the tokens are not in the vocabulary."
INVALID = "Bytes that are not UTF-8 were replaced."
KINDS = ("word", "character", "byte_pair")
SEPARATOR = " | "
every_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def made(kind="word", multi_label=False, pooling="mean_max"):
    """A bundle of a model with drawn weights."""
    keras.utils.set_random_seed(7)
    config = Config(units=UNITS, embedding_size=SIZE, pooling=pooling, bidirectional=True)
    tokenizer, separator = tokenizers.fit(kind, TRAINED, 300, lowercase=True), SEPARATOR if multi_label else None
    scaling = Preprocessing(tokenizer, CLASSES, separator, MOST)
    model = build_model(config, scaling.tokenizer.vocabulary_size, len(CLASSES))
    generator = np.random.default_rng(7)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(0, 0.9, weight.shape))
    return serving.bundle(model, scaling, TEMPERATURE), model, scaling


@pytest.fixture(scope="module")
def loaded(trained_run):
    """The SavedModel of the toy run."""
    return tf.saved_model.load(str(export.newest_version(trained_run("sentiment", "gru") / "export")))


def texts_of(texts):
    """Texts as a batch of strings; surrogates stand for bytes that are no UTF-8."""
    return tf.constant([text if isinstance(text, bytes) else text.encode() for text in texts], tf.string)


def classified(bundle, texts, **knobs):
    dtypes = {"threshold": tf.float32, "top_k": tf.int32}
    inputs = {name: tf.constant(value, dtypes[name]) for name, value in knobs.items()}
    return {name: value.numpy() for name, value in bundle.classify(texts_of(texts), **inputs).items()}


def default(bundle, texts):
    return {name: value.numpy() for name, value in bundle.serving_default(texts_of(texts)).items()}


def warnings_of(bundle, texts):
    return [warning.decode() for warning in classified(bundle, texts)["warning"]]


def assert_same(received, expected, rows=slice(None), expected_rows=slice(None), atol=1e-6):
    for name, value in received.items():
        ours, theirs = value[rows], expected[name][expected_rows]
        if value.dtype.kind == "f":
            np.testing.assert_allclose(ours, theirs, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


# --- signatures ---


def test_written_signatures_are_those_of_the_interface(trained_run, toys):
    version = export.newest_version(trained_run("sentiment", "gru") / "export")
    described = json.loads((version / "assets.extra" / "signatures.json").read_text(encoding="utf-8"))
    text = {"dtype": "string", "shape": [None]}
    knobs = {
        "threshold": {"dtype": "float32", "shape": [None], "default": [0.0]},
        "top_k": {"dtype": "int32", "shape": [None], "default": [1]},
    }
    assert described.pop("signatures") == {
        "serving_default": {
            "inputs": {"text": text},
            "outputs": {
                "label": text,
                "probability": {"dtype": "float32", "shape": [None]},
                "probabilities": {"dtype": "float32", "shape": [None, 2]},
            },
        },
        "classify": {
            "inputs": {"text": text, **knobs},
            "outputs": {
                "labels": {"dtype": "string", "shape": [None, None]},
                "scores": {"dtype": "float32", "shape": [None, None]},
                "accepted": {"dtype": "bool", "shape": [None, None]},
                "logits": {"dtype": "float32", "shape": [None, 2]},
                "warning": text,
            },
        },
    }
    vocabulary = described.pop("vocabulary_size")
    assert 100 < vocabulary < 200
    assert described == {
        "task": "sentiment",
        "classes": ["dull", "fine"],
        "multi_label": False,
        "label_separator": None,
        "label": "the class with the highest probability",
        "tokenizer": "word",
        "max_tokens": toys["sentiment"].options["max_tokens"],
        "ranges": {"threshold": [0, 1], "top_k": [1, 2]},
    }


def test_the_loaded_run_answers_through_its_signatures(loaded):
    texts = texts_of(["Bal boring kas.", "Fen nit splendid.", ""])
    knobs = {"threshold": tf.zeros([3]), "top_k": tf.fill([3], 2)}
    found = {name: value.numpy() for name, value in loaded.signatures["classify"](text=texts, **knobs).items()}
    assert_same(found, {name: value.numpy() for name, value in loaded.classify(texts, **knobs).items()})
    assert found["labels"][:2].tolist() == [[b"dull", b"fine"], [b"fine", b"dull"]]
    plain = {name: value.numpy() for name, value in loaded.signatures["serving_default"](text=texts).items()}
    assert plain["label"].tolist() == found["labels"][:, 0].tolist()


def test_a_run_is_never_asked_without_the_inputs_of_its_signatures():
    requests = serving.example_requests()
    assert set(requests) == {"serving_default", "classify"}
    bundle = made()[0]
    for name, inputs in requests.items():
        signature = bundle.functions[name].input_signature
        assert set(inputs) == {spec.name for spec in signature}
        for spec in signature:
            assert spec.is_compatible_with(tf.constant(inputs[spec.name]))
        answer = bundle.functions[name](**{key: tf.constant(value) for key, value in inputs.items()})
        assert all(value.shape[0] == len(inputs["text"]) for value in answer.values())


# --- what it answers ---


@pytest.mark.parametrize("multi_label", [False, True])
def test_probabilities_are_those_of_the_model_over_its_temperature(multi_label):
    bundle, model, scaling = made(multi_label=multi_label)
    token_ids = scaling.encode(texts_of(TEXTS)).to_tensor()
    logits = keras.ops.convert_to_numpy(model(token_ids, training=False)) / TEMPERATURE
    expected = expit(logits) if multi_label else softmax(logits, axis=1)
    found = default(bundle, TEXTS)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(found["probability"], expected.max(axis=1), atol=1e-6)
    labels = [label.decode() for label in found["label"]]
    if multi_label:
        assert labels == [SEPARATOR.join(compress(CLASSES, row > 0.5)) for row in expected]
    else:
        assert labels == [CLASSES[best] for best in expected.argmax(axis=1)]
    assert len(set(labels)) > 1
    np.testing.assert_allclose(classified(bundle, TEXTS)["logits"], logits, atol=1e-5)


def test_knobs_have_defaults_that_name_the_likeliest_class():
    bundle = made()[0]
    found, plain = classified(bundle, TEXTS), default(bundle, TEXTS)
    assert found["labels"].tolist() == [[label] for label in plain["label"]]
    np.testing.assert_array_equal(found["scores"][:, 0], plain["probability"])
    assert found["accepted"].tolist() == [[True]] * 3
    assert_same(classified(bundle, TEXTS, threshold=[0.0], top_k=[1]), found)
    assert_same(classified(bundle, TEXTS, threshold=[0.0] * 3, top_k=[1] * 3), found)


def test_every_row_has_its_own_number_of_classes():
    bundle = made()[0]
    texts = [TEXTS[0]] * 6
    probability = default(bundle, TEXTS[:1])["probabilities"][0]
    ranked = np.argsort(-probability)
    found = classified(bundle, texts, top_k=[1, 3, 2, 9, 0, -5])
    assert found["labels"].shape == found["scores"].shape == found["accepted"].shape == (6, 3)
    for row, count in enumerate([1, 3, 2, 3, 1, 1]):  # held within 1 and the number of classes
        names = [CLASSES[number].encode() for number in ranked[:count]]
        assert found["labels"][row].tolist() == names + [b""] * (3 - count)
        np.testing.assert_allclose(found["scores"][row], [*probability[ranked[:count]], *[0] * (3 - count)], rtol=1e-6)
        assert found["accepted"][row].tolist() == [True] * count + [False] * (3 - count)
    assert classified(bundle, texts[:2], top_k=[2, 1])["labels"].shape == (2, 2)
    assert classified(bundle, texts[:2], top_k=[2])["labels"].shape == (2, 2)


def test_every_row_has_its_own_threshold():
    bundle = made(multi_label=True)[0]
    scores = classified(bundle, TEXTS[:1] * 7, top_k=[3])["scores"][0]
    limits = [0.0, float(scores[1]), float(np.nextafter(scores[1], np.float32(1))), 1.0, 1.1, float("nan"), -1.0]
    found = classified(bundle, [TEXTS[0]] * len(limits), threshold=limits, top_k=[3])
    expected = [scores >= np.float32(limit) for limit in limits]
    assert found["accepted"].tolist() == [each.tolist() for each in expected]
    assert expected[1].tolist() == [True, True, False]
    assert expected[2].tolist() == [True, False, False]
    np.testing.assert_allclose(found["scores"], np.tile(scores, (len(limits), 1)), rtol=1e-6)


def test_padding_of_a_shorter_row_is_never_accepted():
    found = classified(made()[0], TEXTS[:2], threshold=[-1.0, 0.0], top_k=[1, 3])
    assert found["accepted"].tolist() == [[True, False, False], [True, True, True]]


@pytest.mark.parametrize("multi_label", [False, True])
def test_scores_fall(multi_label):
    found = classified(made(multi_label=multi_label)[0], [*TEXTS, "", "日本"], top_k=[3])["scores"]
    assert (np.diff(found, axis=1) <= 0).all()
    assert ((found.sum(axis=1) - 1 < 1e-6) | multi_label).all()


# --- rows ---


@every_kind
def test_any_number_of_rows_is_answered(kind):
    bundle = made(kind)[0]
    for rows in (0, 1, 3):
        texts = TEXTS[:rows]
        assert {name: value.shape for name, value in default(bundle, texts).items()} == {
            "label": (rows,), "probability": (rows,), "probabilities": (rows, 3),
        }  # fmt: skip
        assert {name: value.shape for name, value in classified(bundle, texts, top_k=[2]).items()} == {
            **dict.fromkeys(("labels", "scores", "accepted"), (rows, 2)), "logits": (rows, 3), "warning": (rows,),
        }  # fmt: skip


NASTY = {
    "empty": "",
    "blank": " \t\r\n\u3000",
    "megabyte of words": "warm food " * 100_000,
    "megabyte in one word": "x" * 2**20,
    "emoji": "👩‍👩‍👧 ❤️ 🙂🙂",
    "right to left": "\u202eשלום\u202c مرحبا",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85\u2028",
    "invalid": b"caf\xe9 \xff\xfe\xc3 \xed\xa0\x80 warm",
    "marks alone": "\u0301\u0301",
    "unknown": "zzz qqq www",
    "reserved names": "<pad> <unk> <start> <end>",
    "zero": "\x00",
}


@every_kind
def test_strange_texts_are_answered_and_disturb_nobody(kind):
    bundle = made(kind)[0]
    clean = classified(bundle, TEXTS, top_k=[3])
    mixed = [TEXTS[0], *NASTY.values(), TEXTS[1], TEXTS[2]]
    found = classified(bundle, mixed, top_k=[3])
    assert np.isfinite(found["logits"]).all()
    assert set(found["labels"].ravel().tolist()) == {name.encode() for name in CLASSES}
    assert_same(found, clean, [0, -2, -1])
    for name in ("empty", "invalid", "control characters", "right to left"):
        row = 1 + list(NASTY).index(name)
        assert_same(classified(bundle, [NASTY[name]], top_k=[3]), found, [0], [row], atol=1e-5)


@pytest.mark.parametrize("name", ["megabyte of words", "megabyte in one word"])
def test_a_megabyte_of_byte_pairs_is_answered_and_disturbs_nobody(name):
    bundle = made("byte_pair")[0]
    found = classified(bundle, [TEXTS[0], NASTY[name], TEXTS[2]])
    assert_same(found, classified(bundle, TEXTS), [0, 2], [0, 2])
    assert found["warning"][1].decode() == LONG


@settings(max_examples=40, deadline=None)
@given(text=st.binary(max_size=40) | st.text(max_size=40).map(str.encode), kind=st.sampled_from(KINDS))
@example(text=b"", kind="word")
@example(text=b"\xf4\x90\x80\x80", kind="byte_pair")
def test_no_text_depends_on_its_neighbours(text, kind):
    bundle = made(kind)[0]
    clean = classified(bundle, TEXTS)
    found = classified(bundle, [TEXTS[0], text, TEXTS[2]])
    assert np.isfinite(found["logits"]).all()
    assert_same(found, clean, [0, 2], [0, 2])
    assert_same(classified(bundle, [text]), found, [0], [1], atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_other_poolings_serve_alike(pooling):
    bundle = made(pooling=pooling)[0]
    together = classified(bundle, [*TEXTS, "", "warm"])
    assert np.isfinite(together["logits"]).all()
    for row, text in enumerate([*TEXTS, "", "warm"]):
        assert_same(classified(bundle, [text]), together, [0], [row], atol=1e-5)


def test_texts_without_a_token_have_one_answer():
    found = classified(made()[0], ["", " ", "\x07", "\u200e"])
    np.testing.assert_allclose(found["logits"], np.tile(found["logits"][:1], (4, 1)), atol=1e-6)
