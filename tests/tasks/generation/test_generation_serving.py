"""The signatures of a language model, beside what the model says step by step."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps import export
from seqapps.config import CELL_NAMES
from seqapps.tasks.generation import serving
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.model import build_model
from seqapps.tasks.generation.preprocessing import Preprocessing
from seqapps.tasks.generation.serving import Served, writer
from seqapps.text import tokenizers

PROMPTS = ["", "a", "abca", "cab" * 30, "unheard-of", "日本 🙂"]
NEW = 17
TOLERANCE = 1e-4
WILD = {
    "max_new_tokens": [-1, 3, 5, 2, 9, 4],
    "temperature": [float("nan"), -1.0, 0.0, 1e9, 1e-9, float("inf")],
    "top_k": [-3, 10**9, 1, 0, 2, 7],
    "top_p": [float("nan"), -0.5, 0.0, 2.0, 1.0, 1e-9],
    "repetition_penalty": [0.0, -1.0, float("nan"), 1e9, 1e-3, 1.0],
    "no_repeat_ngram": [-1, 1, 2, 10**9, 0, 3],
    "stop": ["", "a", "日", "x" * 999, "bc", ""],
    "seed": [-1, 2**62, 0, 5, 5, 7],
}


def loaded(run):
    return tf.saved_model.load(str(export.newest_version(run / "export")))


def generate(model, prompts, **knobs):
    kinds = serving.KNOBS
    given = {name: tf.constant(np.atleast_1d(value), kinds[name]) for name, value in knobs.items()}
    return {name: value.numpy() for name, value in model.generate(tf.constant(prompts), **given).items()}


@pytest.fixture(scope="module")
def model(trained_run):
    return loaded(trained_run("generation", "gru"))


@pytest.fixture(scope="module")
def untrained():
    """A writer of an untrained network, which finds everything possible, with byte-pair tokens."""
    tokenizer = tokenizers.fit("byte_pair", ["low lower lowest, the ärger über 日本"], 290)
    config = Config(units=(7, 5), num_layers=2, embedding_size=3, cell="lstm", tokenizer="byte_pair")
    return writer.Writer(build_model(config, tokenizer.vocabulary_size), Preprocessing(tokenizer))


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_trained_model_goes_on_with_what_it_has_learned(cell, trained_run):
    answer = generate(loaded(trained_run("generation", cell)), ["abc", "b"], temperature=0.0, max_new_tokens=NEW)
    assert [text.decode() for text in answer["text"]] == [("abc" * 9)[:NEW], ("cab" * 9)[:NEW]]


def test_the_default_answer_is_that_of_generate_without_knobs(model):
    default = model.serving_default(tf.constant(PROMPTS))
    np.testing.assert_array_equal(default["text"], generate(model, PROMPTS)["text"])


def test_a_row_is_answered_alone_as_among_others(model):
    knobs = {"temperature": [0.0, 1.0, 0.7, 2.0, 1.0, 1.0], "top_k": [0, 2, 0, 0, 3, 0], "seed": range(6)}
    knobs |= {"no_repeat_ngram": [0, 0, 2, 0, 0, 0], "stop": ["", "", "", "b", "", ""]}
    together = generate(model, PROMPTS, max_new_tokens=NEW, **knobs)
    for row, prompt in enumerate(PROMPTS):
        own = {name: list(values)[row] for name, values in knobs.items()}
        alone = generate(model, [prompt], max_new_tokens=NEW, **own)
        for name, value in alone.items():
            if name == "log_probability":
                np.testing.assert_allclose(value[0], together[name][row], rtol=TOLERANCE)
            else:
                assert value[0] == together[name][row], (name, prompt)


def test_the_probability_of_a_continuation_is_that_of_the_whole_less_that_of_the_prompt(model):
    answer = generate(model, PROMPTS[:4], temperature=1.0, max_new_tokens=NEW, seed=3)
    kept = answer["finish_reason"] == b"length"
    assert kept.any()
    whole = [prompt + text.decode() for prompt, text in zip(PROMPTS, answer["text"], strict=False)]
    score = model.score(tf.constant(whole))["log_likelihood"].numpy()
    before = model.score(tf.constant(PROMPTS[:4]))["log_likelihood"].numpy()
    np.testing.assert_allclose(answer["log_probability"][kept], (score - before)[kept], rtol=TOLERANCE, atol=TOLERANCE)


def test_a_text_is_scored_alike_in_one_piece_and_in_many(untrained, monkeypatch):
    texts = tf.constant(["", "low", "the lowest " * 40, "日本 🙂"])
    at_once = tf.function(untrained.score)(texts)
    monkeypatch.setattr(writer, "SCORED_AT_ONCE", 7)
    in_pieces = tf.function(untrained.score)(texts)
    for name, value in at_once.items():
        np.testing.assert_allclose(value, in_pieces[name], rtol=TOLERANCE)
    assert at_once["characters"].numpy().tolist() == [0, 3, 440, 4]
    assert at_once["bytes"].numpy().tolist() == [0, 3, 440, 11]
    assert at_once["log_likelihood"].numpy()[0] == 0


def test_of_a_text_that_is_too_long_the_first_tokens_are_scored(untrained, monkeypatch):
    monkeypatch.setattr(writer, "MOST_SCORED", 5)
    monkeypatch.setattr(writer, "SCORED_AT_ONCE", 2)
    long, short = ("a b c d e f g", "a b c")
    score = tf.function(untrained.score)
    told = score(tf.constant([long, short]))
    ids = untrained.tokenizer.encode(tf.constant([long]))[:, :5]
    first = untrained.tokenizer.decode(ids).numpy()[0].decode()
    assert told["tokens"].numpy()[0] == 5
    assert told["characters"].numpy().tolist() == [len(first), len(short)]
    alone = score(tf.constant([first]))
    np.testing.assert_allclose(told["log_likelihood"][0], alone["log_likelihood"][0], rtol=TOLERANCE)


def test_of_a_prompt_that_is_too_long_the_last_tokens_are_read(untrained, monkeypatch):
    monkeypatch.setattr(writer, "MOST_PROMPT", 3)
    knobs = serving.default_knobs()._replace(max_new_tokens=tf.constant([5]))
    told = tf.function(untrained.write)(tf.constant(["xy" * 9 + "low", "low"]), knobs)
    tokens = untrained.tokenizer.encode(tf.constant(["low"])).row_lengths().numpy()[0]
    assert tokens == 1  # so that both end with the same tokens, of which the first prompt has more
    assert told["warning"].numpy().tolist() == [b"The prompt is long: its last 3 tokens were read.", b""]


def test_warnings_say_what_could_not_be_read(model):
    warning = generate(model, [b"abc", b"a\xff", "aé".encode()])["warning"]
    unknown = "Some tokens of the prompt are not in the vocabulary."
    replaced = "Bytes that are not UTF-8 were replaced."
    assert [text.decode() for text in warning] == ["", f"{unknown} {replaced}", unknown]


def test_any_knob_gets_an_answer_of_valid_text(model, untrained):
    for answer in (
        generate(model, PROMPTS, **WILD),
        tf.function(untrained.write)(
            tf.constant(PROMPTS),
            serving.Knobs(**{name: tf.constant(value, serving.KNOBS[name]) for name, value in WILD.items()}),
        ),
    ):
        answer = {name: np.array(value) for name, value in answer.items()}
        assert np.isfinite(answer["log_probability"]).all()
        assert (answer["tokens"] <= np.maximum(WILD["max_new_tokens"], 0)).all()
        assert {text.decode() is not None for text in answer["text"]} == {True}
        assert set(answer["finish_reason"]) <= {b"stop", b"length"}


def test_nothing_is_written_when_nothing_is_asked_for(model):
    answer = generate(model, PROMPTS, max_new_tokens=0)
    assert set(answer["text"]) == {b""}
    assert set(answer["finish_reason"]) == {b"length"}
    assert not answer["tokens"].any()
    assert not answer["log_probability"].any()


def test_an_empty_batch_has_empty_answers(model):
    answer = model.generate(tf.constant([], tf.string))
    assert {name: value.shape[0] for name, value in answer.items()} == dict.fromkeys(answer, 0)
    assert model.score(tf.constant([], tf.string))["tokens"].shape == (0,)


def test_a_stream_is_the_text_in_pieces(trained_run):
    served = Served(trained_run("generation", "gru"))
    for options in (
        {"seed": 1, "temperature": 1.5, "max_new_tokens": 41},
        {"seed": 2, "temperature": 1.0, "max_new_tokens": 41, "stop": "cab"},
        {"temperature": 0.0, "max_new_tokens": 3},
        {"max_new_tokens": 0},
    ):
        pieces = list(served.stream("ab", **options))
        assert "".join(pieces) == served.predict(["ab"], **options)["text"][0]
        assert all(pieces)
    assert len(list(served.stream("ab", temperature=0.0, max_new_tokens=41))) > 3


def test_the_pieces_of_a_text_are_the_text_also_where_they_cut_characters(untrained):
    """Of byte-pair tokens each may be part of a character."""
    knobs = serving.default_knobs()._replace(temperature=tf.constant([3.0]), max_new_tokens=tf.constant([50]))
    writing, rows, _ = tf.function(untrained.begin)(tf.constant(["日"]), knobs)
    whole = tf.function(untrained.write)(tf.constant(["日"]), knobs)["text"].numpy()[0]
    go_on = tf.function(untrained.go_on)
    made = b""
    while bool(writing.going[0]):
        before = writing.token
        writing, tokens = go_on(writing, rows, tf.constant(3))
        made += untrained.spelled(before, tokens).numpy()[0]
    assert made.decode("utf-8", "replace").replace("\ufffd", "") == whole.decode().replace("\ufffd", "")
