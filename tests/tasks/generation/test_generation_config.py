"""Options of language models have the defaults that the help tells, and what cannot work is refused in full."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refusal

from seqapps.tasks.generation.config import BYTES, LARGE_VOCABULARY, SOFTMAXES, Config, PredictOptions
from seqapps.text.kinds import SPECIAL_TOKENS, TOKENIZERS

LEAST_BYTE_PAIRS = 260  # four reserved ids and 256 bytes
WIDE, NARROW = 131, 37  # more and fewer than the 64 features of a character


# --- training ---


def test_defaults_are_those_of_a_character_model():
    config = Config()
    assert (config.tokenizer, config.vocabulary_size) == ("character", 10_000)
    assert (config.lowercase, config.text_column) == (False, None)
    assert (config.validation_fraction, config.test_fraction) == (0.1, 0.1)
    assert (config.units, config.num_layers, config.cell, config.batch_size) == (256, None, "gru", 64)
    assert (config.truncation_steps, config.average_weights, config.sample_every) == (100, 0.0, 1)
    assert (config.embedding_size, config.embedding_dropout, config.tie_embeddings) == (None, 0.0, True)
    assert (config.softmax, config.sampled_tokens) == ("auto", 4096)
    assert (SOFTMAXES, LARGE_VOCABULARY) == (("auto", "full", "sampled"), 10_000)


def test_options_come_back_from_json():
    config = Config(units=(WIDE, NARROW), tokenizer="word", embedding_size=11, softmax="sampled", text_column="lyrics")
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with refusal("the config: 'tokeniser' is not an option. Did you mean 'tokenizer'?"):
        Config.from_dict({"tokeniser": "word"})


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({}, 64),
        ({"units": NARROW}, NARROW),
        ({"units": (NARROW, WIDE)}, 64),
        ({"units": (WIDE, NARROW)}, NARROW),
        ({"units": WIDE, "tokenizer": "word"}, WIDE),
        ({"units": (WIDE, NARROW), "tokenizer": "whitespace"}, NARROW),
        ({"units": WIDE, "num_layers": 3, "tokenizer": "byte_pair"}, WIDE),
        ({"units": NARROW, "embedding_size": WIDE}, WIDE),
        ({"units": WIDE, "tokenizer": "word", "embedding_size": 1}, 1),
    ],
)
def test_a_token_is_as_wide_as_the_last_layer_and_a_character_has_64_features_at_most(options, width):
    assert Config(**options).token_width == width


@pytest.mark.parametrize("options", [{}, {"merge_mode": "sum"}, {"tokenizer": "byte_pair", "vocabulary_size": 5}])
def test_the_text_to_come_cannot_be_read_from_its_end(options):
    with refusal(
        "`bidirectional` must be False for generation: the backward direction would read the text being generated. "
        "Received: bidirectional=True."
    ):
        Config(bidirectional=True, **options)


def test_byte_pairs_need_a_place_for_every_byte():
    assert len(SPECIAL_TOKENS) + BYTES == LEAST_BYTE_PAIRS
    assert Config(tokenizer="byte_pair", vocabulary_size=LEAST_BYTE_PAIRS).vocabulary_size == LEAST_BYTE_PAIRS
    for size in (5, LEAST_BYTE_PAIRS - 1):
        with refusal(
            f"`vocabulary_size` must be an integer of at least 260. Received: vocabulary_size={size}. "
            "The 4 reserved ids and the 256 bytes need a place."
        ):
            Config(tokenizer="byte_pair", vocabulary_size=size)


@pytest.mark.parametrize("kind", [kind for kind in TOKENIZERS if kind != "byte_pair"])
def test_other_tokens_need_a_place_for_one_token(kind):
    assert Config(tokenizer=kind, vocabulary_size=5).vocabulary_size == 5
    with refusal("`vocabulary_size` must be an integer of at least 5. Received: vocabulary_size=4."):
        Config(tokenizer=kind, vocabulary_size=4)


@pytest.mark.parametrize(
    ("name", "value", "constraint"),
    [
        ("validation_fraction", 1, "a number of at least 0 and below 1"),
        ("test_fraction", -0.1, "a number of at least 0 and below 1"),
        ("embedding_dropout", 1.0, "a number of at least 0 and below 1"),
        ("embedding_size", 0, "an integer of at least 1"),
        ("sampled_tokens", 0, "an integer of at least 1"),
        ("truncation_steps", 0, "an integer of at least 1"),
        ("truncation_steps", 2.5, "an integer of at least 1"),
        ("batch_size", 0, "an integer of at least 1"),
        ("units", (NARROW, 0), "an integer of at least 1"),
        ("sample_every", -1, "an integer of at least 0"),
        ("learning_rate", 0, "a number above 0"),
        ("lowercase", 1, "True or False"),
        ("tie_embeddings", None, "True or False"),
        ("text_column", 7, "a text"),
    ],
)
def test_an_option_out_of_its_range_is_an_error(name, value, constraint):
    shown = {"learning_rate": 0.0, "validation_fraction": 1.0, "units": 0}.get(name, value)
    with refusal(f"`{name}` must be {constraint}. Received: {name}={shown!r}."):
        Config(**{name: value})


def test_an_unknown_choice_is_an_error_that_names_the_closest_one():
    with refusal(
        "`tokenizer` must be one of 'word', 'whitespace', 'character', 'byte_pair'. Received: tokenizer='bytepair'. "
        "Did you mean 'byte_pair'?"
    ):
        Config(tokenizer="bytepair")
    with refusal("`softmax` must be one of 'auto', 'full', 'sampled'. Received: softmax='none'."):
        Config(softmax="none")


# --- writing on ---

CONSTRAINTS = {
    "max_new_tokens": "an integer of at least 0",
    "top_k": "an integer of at least 0",
    "no_repeat_ngram": "an integer of at least 0",
    "seed": "an integer of at least 0",
    "temperature": "a number of at least 0",
    "top_p": "a number above 0",
    "repetition_penalty": "a number above 0",
    "stop": "a text",
}


def test_a_text_is_written_on_with_known_defaults():
    assert PredictOptions().to_dict() == {
        "max_new_tokens": 128, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0,
        "no_repeat_ngram": 0, "stop": "", "seed": 0,
    }  # fmt: skip
    assert set(CONSTRAINTS) == set(PredictOptions().to_dict())


def test_limits_themselves_are_allowed():
    options = {"max_new_tokens": 0, "temperature": 0, "top_k": 0, "top_p": 1, "no_repeat_ngram": 0, "seed": 0}
    least = PredictOptions(**options, repetition_penalty=1e-9)
    assert (least.temperature, least.top_p, least.repetition_penalty) == (0.0, 1.0, 1e-9)
    assert type(least.temperature) is type(least.top_p) is float
    given_by_numpy = PredictOptions(top_k=np.int64(7), top_p=np.float32(0.5), seed=np.int32(11), stop="\n")
    assert given_by_numpy == PredictOptions(top_k=7, top_p=0.5, seed=11, stop="\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, -1) for name in ("max_new_tokens", "top_k", "no_repeat_ngram", "seed")),
        *((name, 1.5) for name in ("max_new_tokens", "top_k", "no_repeat_ngram", "seed")),
        *((name, True) for name in CONSTRAINTS),
        *((name, None) for name in CONSTRAINTS),
        *((name, float("nan")) for name in ("temperature", "top_p", "repetition_penalty")),
        *((name, float("inf")) for name in ("temperature", "top_p", "repetition_penalty")),
        ("temperature", -0.1),
        ("top_p", 0.0),
        ("top_p", -0.5),
        ("repetition_penalty", 0.0),
        ("stop", 7),
    ],
)
def test_what_is_no_option_of_writing_is_an_error(name, value):
    with refusal(f"`{name}` must be {CONSTRAINTS[name]}. Received: {name}={value!r}."):
        PredictOptions(**{name: value})


@pytest.mark.parametrize("value", [1.0000001, 90, 1e300])
def test_a_share_of_all_tokens_is_one_at_most(value):
    with refusal(f"`top_p` must be a number above 0, up to 1. Received: top_p={float(value)!r}."):
        PredictOptions(top_p=value)


def test_an_unknown_option_of_writing_is_an_error():
    with refusal("the request: 'top-p' is not an option. Did you mean 'top_p'?"):
        PredictOptions.from_dict({"top-p": 0.5}, "the request")


@given(
    options=st.fixed_dictionaries(
        {},
        optional={
            **{name: st.integers(0, 2**31 - 1) for name in ("top_k", "no_repeat_ngram")},
            "max_new_tokens": st.integers(0, 4096),
            "seed": st.integers(0, 2**63 - 1),
            "temperature": st.floats(0, 1e9),
            "top_p": st.floats(0, 1, exclude_min=True),
            "repetition_penalty": st.floats(0, 1e9, exclude_min=True),
            "stop": st.text(max_size=16),
        },
    )
)
def test_options_of_writing_are_what_they_were_given(options):
    made = PredictOptions(**options)
    assert made.to_dict() == PredictOptions().to_dict() | options
    assert PredictOptions.from_dict(made.to_dict()) == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"max_new_tokens": 4097},
            "`max_new_tokens` must be an integer of at most 4096. Received: max_new_tokens=4097.",
        ),
        ({"top_k": 2**31}, f"`top_k` must be an integer of at most {2**31 - 1}. Received: top_k={2**31}."),
        ({"stop": "é" * 33}, f"`stop` must be a text of at most 64 bytes. Received: stop='{'é' * 33}'."),
    ],
)
def test_more_than_the_graph_takes_is_an_error(options, message):
    with refusal(message):
        PredictOptions(**options)


def test_a_sample_of_tokens_is_refused_where_it_has_no_meaning():
    with refusal(
        "`softmax` must be 'auto' or 'full' with tokenizer='byte_pair'. Received: softmax='sampled'. "
        "A sample needs ids that fall with frequency, which those of byte pairs do not."
    ):
        Config(tokenizer="byte_pair", softmax="sampled")
    with refusal("`sampled_tokens` must be left out with softmax='full'. Received: sampled_tokens=9."):
        Config(softmax="full", sampled_tokens=9)
