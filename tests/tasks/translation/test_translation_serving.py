"""The signatures of a translator, of any network and of several."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

from seqapps import export, training
from seqapps.config import CELL_NAMES
from seqapps.decoding.bounds import WIDEST_BEAM
from seqapps.tasks.translation import serving
from seqapps.tasks.translation.config import Config, PredictOptions
from seqapps.tasks.translation.model import build_model
from seqapps.tasks.translation.preprocessing import Preprocessing
from seqapps.tasks.translation.serving import translator
from seqapps.text import tokenizers

SOURCES = ["abcd", "", "dcba" * 9, "a", "日本 🙂", "bb", b"ab\xff"]
CAPITALS = "DCBA"
KINDS = {
    "additive": {},
    "multiplicative": {"attention": "multiplicative", "bidirectional": False, "units": (7, 5)},
    "none": {"attention": "none", "cell": "lstm"},
    "fed": {"input_feeding": True, "cell": "simple_rnn"},
}
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
WILD = {
    "beam_width": [-1, 0, 10**9, 3, 1, 2, 7],
    "length_penalty": [math.nan, -1.0, math.inf, 0.6, 0.0, 1e9, -math.inf],
    "coverage_penalty": [math.nan, math.inf, -1.0, 0.2, 1e9, 0.0, 0.0],
    "max_length": [-1, 5, 10**9, 1, 3, 0, 2],
    "n_best": [-1, 0, 10**9, 2, 3, 1, 7],
}


def loaded(run):
    return tf.saved_model.load(str(export.newest_version(run / "export")))


def translate(model, sources, **knobs):
    kinds = serving.KNOBS
    given = {name: tf.constant(np.atleast_1d(value), kinds[name]) for name, value in knobs.items()}
    return {name: value.numpy() for name, value in model.translate(tf.constant(sources), **given).items()}


def untrained(kind, seed=0):
    """A bundle of a network that finds everything possible."""
    training.set_seed(seed)
    tokenizer = tokenizers.fit("character", ["abcd", "ABCD"], 99)
    config = Config(**{"units": 7, "embedding_size": 5, "tokenizer": "character"} | KINDS[kind])
    return build_model(config, *[tokenizer.vocabulary_size] * 2), Preprocessing(tokenizer, tokenizer)


@pytest.fixture(scope="module")
def bundles():
    """For every kind the bundle of an untrained network."""
    made = {}
    for kind in KINDS:
        model, prepared = untrained(kind)
        made[kind] = serving.bundle([model], prepared, 0.6)
    return made


every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_trained_model_translates_as_it_has_learned(cell, trained_run):
    targets = translate(loaded(trained_run("translation", cell)), ["abc", "dd", "b", "ca"])["target"]
    wanted = [b"CBA", b"DD", b"B", b"AC"]
    assert sum(map(bytes.__eq__, targets.tolist(), wanted)) >= 3


def test_the_default_answer_is_that_of_translate_with_the_penalty_of_the_run(trained_run):
    run = trained_run("translation", "gru")
    model = loaded(run)
    penalty = json.loads((run / "calibration.json").read_text())["length_penalty"]
    default = model.serving_default(tf.constant(SOURCES))["target"]
    np.testing.assert_array_equal(default, translate(model, SOURCES)["target"])
    np.testing.assert_array_equal(default, translate(model, SOURCES, length_penalty=penalty, beam_width=5)["target"])


@every_kind
def test_a_row_is_answered_alone_as_among_others_whatever_they_ask(kind, bundles):
    knobs = {"beam_width": [1, 2, 5, 3, 4, 2, 1], "n_best": [1, 2, 5, 1, 1, 2, 1], "max_length": [0, 0, 9, 3, 7, 0, 5]}
    knobs |= {"length_penalty": [0.0, 0.5, 1.0, 2.0, 0.6, 0.0, 0.0], "coverage_penalty": [0, 0, 0.3, 0, 0.1, 0, 0]}
    together = translate(bundles[kind], SOURCES, **knobs)
    for row, source in enumerate(SOURCES):
        own = {name: values[row] for name, values in knobs.items()}
        alone = translate(bundles[kind], [source], **own)
        count = alone["targets"].shape[1]
        assert alone["target"][0] == together["target"][row]
        assert alone["warning"][0] == together["warning"][row]
        assert alone["targets"][0].tolist() == together["targets"][row, :count].tolist()
        np.testing.assert_allclose(alone["scores"][0], together["scores"][row, :count], **TOLERANCE)
        assert not any(together["targets"][row, count:])


@every_kind
def test_a_wild_request_is_answered_and_told_what_was_changed(kind, bundles):
    answer = translate(bundles[kind], SOURCES, **WILD)
    assert np.isfinite(answer["scores"]).all()
    assert answer["targets"].shape[1] <= WIDEST_BEAM
    assert answer["target"].tolist() == answer["targets"][:, 0].tolist()
    told = [warning.decode() for warning in answer["warning"]]
    assert "At most 16 translations are followed. " in told[2]
    assert ["Values out of range were set to the nearest ones." in warning for warning in told] == [
        *[True, True, True, False, False, False, True]
    ]
    assert "At most 512 tokens are written." in told[2]
    assert "n_best is more than beam_width" in told[4]
    assert ("Without attention coverage_penalty has no effect." in told[4]) == (kind == "none")


def test_every_row_without_or_with_strange_text_gets_an_answer_of_its_own(bundles):
    answer = translate(bundles["additive"], SOURCES)
    told = dict(zip(SOURCES, (warning.decode() for warning in answer["warning"]), strict=True))
    assert answer["target"][1] == b""
    assert told[""] == "The source has no token, and so no translation."
    assert told["日本 🙂"].startswith("More than half of the tokens of the source are not in the vocabulary.")
    assert told[b"ab\xff"].startswith("Some tokens of the source are not in the vocabulary. Bytes that are not UTF-8")
    assert translate(bundles["additive"], np.array([], object))["targets"].shape[0] == 0


def test_of_a_source_that_is_too_long_the_first_tokens_are_read(bundles):
    long = "abcd" * 200
    answer = translate(bundles["additive"], [long, long[:512]], max_length=5)
    assert answer["target"][0] == answer["target"][1]
    assert answer["warning"][0].startswith(b"The source is long: its first 512 tokens were read.")


def test_a_translation_is_cut_at_max_length_and_says_so(bundles):
    answer = translate(bundles["additive"], ["abcd"] * 2, max_length=[2, 0], beam_width=1)
    assert len(answer["target"][0].decode()) <= 2
    if b"cut" in answer["warning"][0]:
        assert answer["warning"][0].decode() == translator.CUT.strip()


def assert_found_as_scored(model, sources):
    """The best translations have as score what the model says of them when it is asked."""
    found = translate(model, sources, length_penalty=0.0, beam_width=4, max_length=60)
    whole = np.array([b"cut" not in warning for warning in found["warning"]])
    assert whole.any()
    told = model.score(tf.constant(sources), tf.constant(found["target"]))["log_probability"].numpy()
    np.testing.assert_allclose(told[whole], found["scores"][whole, 0], **TOLERANCE)


@every_kind
def test_the_score_of_what_was_found_is_its_log_probability(kind, bundles):
    assert_found_as_scored(bundles[kind], ["abcd", "bb", "a"])


@every_kind
def test_attention_is_shown_for_every_token_of_both_sides(kind, bundles):
    if kind == "none":
        assert "align" not in bundles[kind].functions
        return
    targets = ["DCBA", "A", "", "B", "日", "ABCD" * 3, "C"]
    answer = {name: each.numpy() for name, each in bundles[kind].align(SOURCES, targets).items()}
    assert answer["source_tokens"][0, :5].tolist() == [b"a", b"b", b"c", b"d", b"<end>"]
    assert answer["target_tokens"][0].tolist() == [*(letter.encode() for letter in CAPITALS), *[b""] * 8]
    assert answer["source_length"].tolist() == [5, 1, 37, 2, 5, 3, 4]
    assert answer["target_length"].tolist() == [4, 1, 0, 1, 1, 12, 1]
    for row, (places, time) in enumerate(zip(answer["source_length"], answer["target_length"], strict=True)):
        np.testing.assert_allclose(answer["attention"][row, :time].sum(axis=1), np.ones(time), rtol=1e-5)
        assert not answer["attention"][row, time:].any()
        assert not answer["attention"][row, :, places:].any()


@pytest.mark.parametrize("kinds", [("additive", "additive"), ("additive", "none"), ("fed", "multiplicative")])
def test_several_models_average_their_probabilities(kinds, bundles):
    models, prepared = [], None
    for seed, kind in enumerate(kinds):
        model, prepared = untrained(kind, seed)
        models.append(model)
    together = serving.bundle(models, prepared, 0.6)
    pairs = tf.constant(["abcd", "bb"]), tf.constant(["DC", "A"])
    sums = [[], []]
    for row in range(2):
        for model in models:
            member = translator.Member(model)
            source = translator.Translator._ended(prepared.source.encode(pairs[0]))
            following = translator.Translator._ended(prepared.target.encode(pairs[1]))
            so_far = tf.concat([tf.fill([2, 1], 2), following[:, :-1]], axis=1)
            told, _ = member.forced(so_far, following, member.read(source))
            sums[row].append(tf.exp(told[row][: 3 - row]).numpy())
    expected = [np.log(np.mean(each, axis=0)).sum() for each in sums]
    np.testing.assert_allclose(together.score(*pairs)["log_probability"], expected, **TOLERANCE)
    assert_found_as_scored(together, ["abcd", "bb", "a"])


def test_two_equal_models_answer_as_one(bundles):
    model, prepared = untrained("additive")
    twice = translate(serving.bundle([model, model], prepared, 0.6), SOURCES, n_best=3)
    once = translate(bundles["additive"], SOURCES, n_best=3)
    assert twice["targets"].tolist() == once["targets"].tolist()
    np.testing.assert_allclose(twice["scores"], once["scores"], **TOLERANCE)


def test_of_hypotheses_with_one_text_the_best_one_stands_for_all():
    texts = tf.constant([["b", "a", "b", "", "a", "c"], ["a", "a", "", "", "", ""]])
    exists = tf.constant([[True] * 6, [True, True, True, False, False, False]])
    scores = -tf.range(12, dtype=tf.float32)
    found = translator._distinct(texts, tf.reshape(scores, [2, 6]), exists)
    kept = [[(text.decode(), score) for text, score, there in zip(*row, strict=True) if there]
            for row in zip(*(each.numpy().tolist() for each in found), strict=True)]  # fmt: skip
    assert kept == [[("b", 0.0), ("a", -1.0), ("", -3.0), ("c", -5.0)], [("a", -6.0), ("", -8.0)]]
    assert found[2].numpy().sum(axis=1).tolist() == [4, 2]
    assert found[2].numpy()[:, :2].all()


def test_targets_are_distinct_texts_with_falling_scores():
    training.set_seed(0)
    tokenizer = tokenizers.fit("byte_pair", ["abab cdcd"] * 9, 262)  # most of whose bytes alone are no character
    config = Config(units=7, embedding_size=5, vocabulary_size=262)
    model, prepared = build_model(config, *[262] * 2), Preprocessing(tokenizer, tokenizer)
    bundle, sources = serving.bundle([model], prepared, 0.0), ["abcd", "d", "cab abba"]
    knobs = {"beam_width": [16, 5, 16], "max_length": [3, 2, 4]}
    asked = serving.Knobs(*(tf.constant(each) for each in (knobs["beam_width"], [0.0] * 3, [0.0] * 3, [3, 2, 4], [1])))
    ids = tokenizer.encode(tf.constant(sources))
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    ended = translator.Translator._ended(ids)
    found = translator.Translator([model], prepared).search(ended, asked, lengths)
    expected = []
    for row, width in enumerate(knobs["beam_width"]):
        texts = tokenizer.decode(found.tokens[row, :width]).numpy().tolist()
        first = {}
        for text, score in zip(texts, found.score.numpy()[row], strict=False):
            first.setdefault(text, score)
        assert len(first) < width
        expected.append([*first.items()])
    answer = translate(bundle, sources, n_best=[16, 5, 3], **knobs)
    for row, most in enumerate((16, 5, 3)):
        wanted = expected[row][:most]
        count = len(wanted)
        assert answer["targets"][row, :count].tolist() == [text for text, _ in wanted]
        np.testing.assert_allclose(answer["scores"][row, :count], [score for _, score in wanted], **TOLERANCE)
        assert not answer["scores"][row, count:].any()
        assert not any(answer["targets"][row, count:])
        fewer = b"Fewer different translations than n_best were found." in answer["warning"][row]
        assert fewer == (count < most)
    assert len(expected[2]) >= 3
    np.testing.assert_array_equal(translate(bundle, sources, **knobs)["target"], answer["target"])


def test_knobs_of_options_are_those_of_the_run_where_none_is_asked_for():
    knobs = serving.knobs_of(PredictOptions(beam_width=3), 0.7)
    assert [float(each[0]) for each in knobs] == pytest.approx([3, 0.7, 0, 0, 1])
    assert float(serving.knobs_of(PredictOptions(length_penalty=0.2), 0.7).length_penalty[0]) == pytest.approx(0.2)
