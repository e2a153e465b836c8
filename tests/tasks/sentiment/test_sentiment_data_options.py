"""Options that contradict each other are refused before any file is read."""

import pytest
from refusals import refusal

from seqapps.tasks.sentiment.config import Config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"label_separator": ""},
            "`label_separator` must be a text that is not empty. Received: label_separator=''. "
            "Leave it out for one label per text.",
        ),
        (
            {"label_separator": "|", "class_weights": "balanced"},
            "`class_weights` must be 'none' with a label_separator. Received: class_weights='balanced'. "
            "A text with several labels has no one class to be weighed by.",
        ),
        (
            {"embeddings": "glove.txt", "embedding_start": "random"},
            "`embedding_start` must be left out with `embeddings`. Received: embedding_start='random'.",
        ),
        (
            {"train_embeddings": False},
            "`train_embeddings` must be True without `embeddings` or `initialize_from`. "
            "Received: train_embeddings=False. "
            "Random vectors that never change carry no meaning: name a file in `embeddings`, or start from a run.",
        ),
        (
            {"pooling": "men"},
            "`pooling` must be one of 'last', 'mean', 'max', 'mean_max', 'attention'. Received: pooling='men'. "
            "Did you mean 'mean'?",
        ),
        (
            {"tokenizer": "words"},
            "`tokenizer` must be one of 'word', 'whitespace', 'character', 'byte_pair'. Received: tokenizer='words'. "
            "Did you mean 'word'?",
        ),
        ({"word_dropout": 1}, "`word_dropout` must be a number of at least 0 and below 1. Received: word_dropout=1.0."),
        ({"max_tokens": 0}, "`max_tokens` must be an integer of at least 1. Received: max_tokens=0."),
        ({"vocabulary_size": 4}, "`vocabulary_size` must be an integer of at least 5. Received: vocabulary_size=4."),
        (
            {"tokenizer": "byte_pair", "vocabulary_size": 259},
            "`vocabulary_size` must be an integer of at least 260. Received: vocabulary_size=259. "
            "The 4 reserved ids and the 256 bytes need a place.",
        ),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(options, message):
    with refusal(message):
        Config(**options)


def test_frozen_vectors_may_come_from_a_file_or_a_run():
    for option in ("embeddings", "initialize_from"):
        assert not Config(train_embeddings=False, **{option: "somewhere"}).train_embeddings


def test_byte_pairs_need_a_place_for_every_byte_and_no_more():
    assert Config(tokenizer="byte_pair", vocabulary_size=260).vocabulary_size == 260
