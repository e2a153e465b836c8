"""Options that contradict each other are refused with the reason; the others mean what they say."""

import pytest
from refusals import refusal

from seqapps.audio.features import Frames
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.preprocessing import frames_of

LEFT_OUT = "must be left out with"
FRACTION = "Leave it out, or leave out the other rule."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "transcribe", "label_column": "word"}, "`label_column` {} mode='transcribe'. Received: {}'word'."),
        ({"mode": "transcribe", "pooling": "last"}, "`pooling` {} mode='transcribe'. Received: {}'last'."),
        ({"transcript_column": "said"}, "`transcript_column` {} mode='classify'. Received: {}'said'."),
        ({"tokenizer": "word"}, "`tokenizer` {} mode='classify'. Received: {}'word'."),
        ({"vocabulary_size": 50}, "`vocabulary_size` {} mode='classify'. Received: {}50."),
        ({"lowercase": False}, "`lowercase` {} mode='classify'. Received: {}False."),
        ({"beam_width": 4}, "`beam_width` {} mode='classify'. Received: {}4."),
    ],
)
def test_options_of_the_other_mode_are_refused(options, message):
    name = list(options)[-1]
    with refusal(message.format(LEFT_OUT, f"{name}=")):
        Config(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"holdout_speaker": "s", "test_data": "t.csv"},
            "`test_data` must be left out with `holdout_speaker`. Received: test_data='t.csv'.",
        ),
        (
            {"holdout_speaker": "s", "split_column": "set"},
            "`split_column` must be left out with `holdout_speaker`. Received: split_column='set'.",
        ),
        (
            {"holdout_speaker": "s", "test_fraction": 0.3},
            "`test_fraction` must be left at 0.2, because the data are split by holdout_speaker. "
            f"Received: test_fraction=0.3. {FRACTION}",
        ),
        (
            {"split_column": "set", "test_fraction": 0.3},
            "`test_fraction` must be left at 0.2, because the data are split by split_column. "
            f"Received: test_fraction=0.3. {FRACTION}",
        ),
        (
            {"split_column": "set", "split_by": "random"},
            "`split_by` must be left out with `split_column`. Received: split_by='random'.",
        ),
        (
            {"step_milliseconds": 30.0},
            "`step_milliseconds` must be at most frame_milliseconds. Received: step_milliseconds=30.0. "
            "Sound between two windows would be lost.",
        ),
        ({"max_seconds": 121.0}, "`max_seconds` must be at most 120. Received: max_seconds=121.0."),
        ({"mode": "transcribe", "beam_width": 65}, "`beam_width` must be at most 64. Received: beam_width=65."),
        (
            {"streaming": True, "bidirectional": True},
            "`streaming` must be False with bidirectional=True. Received: streaming=True. "
            "The second direction begins at the end, which a stream does not know.",
        ),
        (
            {"streaming": True, "mode": "transcribe", "beam_width": 2},
            "`streaming` must be False with a beam_width above 1. Received: streaming=True. "
            "A beam takes back what it has written; a stream cannot.",
        ),
        ({"sample_rate": 999}, "`sample_rate` must be an integer of at least 1000. Received: sample_rate=999."),
        ({"max_seconds": 0.0}, "`max_seconds` must be a number above 0. Received: max_seconds=0.0."),
        (
            {"mode": "transcibe"},
            "`mode` must be one of 'classify', 'transcribe'. Received: mode='transcibe'. Did you mean 'transcribe'?",
        ),
        (
            {"pooling": "attention"},
            "`pooling` must be one of 'last', 'mean', 'max', 'mean_max'. Received: pooling='attention'.",
        ),
        (
            {"mode": "transcribe", "tokenizer": "byte_pair"},
            "`tokenizer` must be one of 'character', 'word', 'whitespace'. Received: tokenizer='byte_pair'.",
        ),
    ],
)
def test_a_contradiction_is_refused_with_its_reason(options, message):
    with refusal(message):
        Config(**options)


def test_what_goes_together_is_taken():
    Config(streaming=True, pooling="last", num_layers=3, residual=True)
    Config(mode="transcribe", streaming=True, tokenizer="word", lowercase=False, vocabulary_size=5)
    Config(holdout_speaker="s", validation_fraction=0.3, split_by="random")
    Config(holdout_speaker="s", validation_data="v.csv")
    Config(split_column="set", validation_fraction=0.1, test_fraction=0.2)


def test_milliseconds_become_samples():
    assert frames_of(Config(), 8000) == Frames(sample_rate=8000, length=200, step=80, mel_bins=40, stacked=1)
    config = Config(frame_milliseconds=32.0, step_milliseconds=7.9, mel_bins=20, stack_frames=3)
    assert frames_of(config, 11025) == Frames(sample_rate=11025, length=353, step=87, mel_bins=20, stacked=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"frame_milliseconds": 0.04, "step_milliseconds": 0.04},
            "`frame_milliseconds` must be at least one sample at 8000 Hz. Received: frame_milliseconds=0.04.",
        ),
        (
            {"step_milliseconds": 0.05},
            "`step_milliseconds` must be at least one sample at 8000 Hz. Received: step_milliseconds=0.05.",
        ),
        (
            {"stack_frames": 10, "max_seconds": 0.1},
            "`max_seconds` must be as long as one step of the network. Received: max_seconds=0.1. "
            "One step of the network takes 0.115 seconds.",
        ),
    ],
)
def test_windows_that_cannot_be_laid_are_refused(options, message):
    with refusal(message):
        frames_of(Config(**options), 8000)
