"""Options of translators that contradict each other, and those of requests."""

import pytest
from refusals import refusal

from seqapps.tasks.translation.config import Config, EvaluateOptions, PredictOptions

BOTH = {"source_language": "de", "target_language": "en"}
REFUSED = {
    "one language": (
        {"source_language": "de"},
        "`target_language` must be given together with `source_language`. Received: target_language=None. Each names "
        "the ending of a file.",
    ),
    "the other language": (
        {"target_language": "de"},
        "`source_language` must be given together with `target_language`. Received: source_language=None. Each names "
        "the ending of a file.",
    ),
    "equal languages": (
        {"source_language": "de", "target_language": "de"},
        "`target_language` must be another one than `source_language`. Received: target_language='de'.",
    ),
    "a column of parallel files": (
        BOTH | {"target_column": "french"},
        "`target_column` must be left out with `source_language`. Received: target_column='french'. Parallel files "
        "have none.",
    ),
    "too few byte pairs": (
        {"vocabulary_size": 259},
        "`vocabulary_size` must be an integer of at least 260. Received: vocabulary_size=259. The 4 reserved ids and "
        "the 256 bytes need a place.",
    ),
    "dropout of no byte pairs": (
        {"tokenizer": "word", "byte_pair_dropout": 0.1},
        "`byte_pair_dropout` must be 0 without tokenizer='byte_pair'. Received: byte_pair_dropout=0.1. The tokenizer "
        "'word' merges nothing.",
    ),
    "nothing to feed": (
        {"attention": "none", "input_feeding": True},
        "`input_feeding` must be False with attention='none'. Received: input_feeding=True. There is nothing to feed.",
    ),
    "recurrent dropout step by step": (
        {"recurrent_dropout": 0.1, "input_feeding": True},
        "`recurrent_dropout` must be 0 with input_feeding. Received: recurrent_dropout=0.1. It belongs to a whole "
        "sequence, and with input feeding the decoder goes step by step.",
    ),
    "more tokens than are served": (
        {"max_tokens": 513},
        "`max_tokens` must be an integer of at most 512. Received: max_tokens=513. What is served reads no more of a "
        "source.",
    ),
    "an unknown attention": (
        {"attention": "aditive"},
        "`attention` must be one of 'none', 'additive', 'multiplicative'. Received: attention='aditive'. Did you mean "
        "'additive'?",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_contradict_each_other_are_refused(name):
    options, message = REFUSED[name]
    with refusal(message):
        Config(**options)


def test_the_width_of_token_vectors_is_that_of_the_last_layer_unless_it_is_given():
    assert Config(units=(7, 5)).token_width == 5
    assert Config(units=7, embedding_size=3).token_width == 3


def test_the_decoder_reads_in_one_direction_whatever_the_encoder_does():
    options = Config(units=7, num_layers=2, bidirectional=True, residual=True).decoder_options
    assert options == {"units": (7, 7), "cell": "gru", "dropout": 0.0, "recurrent_dropout": 0.0, "residual": True}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_width": 17}, "`beam_width` must be an integer of at most 16. Received: beam_width=17."),
        ({"max_length": 513}, "`max_length` must be an integer of at most 512. Received: max_length=513."),
        ({"beam_width": 0}, "`beam_width` must be an integer of at least 1. Received: beam_width=0."),
    ],
)
def test_requests_beyond_the_bounds_are_refused(options, message):
    for kind in (PredictOptions, EvaluateOptions):
        with refusal(message):
            kind(**options)


@pytest.mark.parametrize("name", ["one language", "the other language", "equal languages"])
def test_languages_of_what_is_measured_are_a_pair_too(name):
    options, message = REFUSED[name]
    with refusal(message):
        EvaluateOptions(**options)
    assert EvaluateOptions(**BOTH).target_language == "en"


def test_there_are_no_more_translations_than_the_beam_is_wide():
    assert PredictOptions(beam_width=3, n_best=3).n_best == 3
    with refusal("`n_best` must be at most beam_width. Received: n_best=4. Raise beam_width, which is 3."):
        PredictOptions(beam_width=3, n_best=4)
