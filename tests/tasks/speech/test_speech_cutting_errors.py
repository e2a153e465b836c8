"""Rules of cutting that cannot be followed are refused with the reason, and so are words that nobody could learn."""

import pytest
from refusals import refusal

from seqapps.tasks.speech import data
from seqapps.tasks.speech.config import Config


@pytest.fixture
def refused(tmp_path):
    """Loads a table that is written first, and expects an error."""

    def load(message, frame, classes=(), **options):
        frame.to_csv(tmp_path / "list.csv", index=False)
        with refusal(message):
            data.load(tmp_path / "list.csv", Config(**options), classes)

    return load


# --- parts ---


@pytest.mark.parametrize(("count", "empty"), [(1, "validation"), (8, "validation")])
def test_too_few_recordings_for_a_part_are_an_error(refused, table, count, empty):
    told = "1 recording is" if count == 1 else f"{count} recordings are"
    refused(f"{told} too few for a {empty} part. Supply more data.", table(count))


def test_a_column_without_training_recordings_is_an_error(refused, table):
    message = "6 recordings are too few for a train part. Supply more data."
    refused(message, table(6).assign(split=["test", "validation"] * 3))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_part_without_a_share_is_an_error(refused, table, split):
    refused(
        f"`{split}_fraction` must be above 0 where nothing else is the {split} part. Received: {split}_fraction=0.0. "
        f"Or name a table or folder in `{split}_data`.",
        table(20),
        **{f"{split}_fraction": 0.0},
    )


def test_shares_must_leave_something_to_train_on(refused, table):
    refused(
        "`validation_fraction` and `test_fraction` must leave recordings to train on. "
        "Received: validation_fraction=0.5, test_fraction=0.5.",
        table(20),
        validation_fraction=0.5,
        test_fraction=0.5,
    )


def test_a_part_is_given_once(refused, table, tmp_path):
    table(4).to_csv(tmp_path / "own.csv", index=False)
    refused(
        "The test part must be given once. Received: one of its own, and one in the column 'split' of the training "
        "table.",
        table(20).assign(split=["train", "test"] * 10),
        split_column="split",
        test_data=str(tmp_path / "own.csv"),
    )


# --- speakers ---


def test_speakers_that_are_not_known_cannot_stay_whole(refused, table):
    advice = "has none. Name the column in speaker_column, or split at random."
    start = "`split_by` must be 'random' where not all speakers are known. Received: split_by='speaker'. list.csv, line"
    refused(f"{start} 2 {advice}", table(20), split_by="speaker")
    frame = table(20, speakers=5)
    frame.loc[7, "speaker"] = None
    refused(f"{start} 9 {advice}", frame, split_by="speaker")


def test_two_speakers_are_too_few_for_three_parts(refused, table):
    refused(
        "`split_by` must be 'random' for less than 3 speakers. Received: split_by='speaker'. There are 2.",
        table(20, speakers=2),
        split_by="speaker",
    )


def test_a_speaker_who_is_held_out_must_be_known(refused, table):
    refused(
        "`holdout_speaker` must be one of 's0', 's1', 's2'. Received: holdout_speaker='s3'.",
        table(20, speakers=3),
        holdout_speaker="s3",
    )
    refused(
        "`holdout_speaker` must be a speaker of the data, of whom none is known. Received: holdout_speaker='s3'. "
        "Name the column in speaker_column.",
        table(20),
        holdout_speaker="s3",
    )


def test_a_test_part_of_its_own_leaves_no_speaker_to_hold_out(record, tmp_path):
    for name in ("train", "test"):
        record(f"data/{name}/no/a.wav")
    with refusal("`holdout_speaker` must be left out where DATA has a test part. Received: holdout_speaker='s3'."):
        data.load(tmp_path / "data", Config(holdout_speaker="s3"))


# --- words ---


def test_one_word_is_none_to_tell_apart(refused, table):
    refused("The training part must have at least two words. Received: 'yes'.", table(20, words=("yes",)))


def test_a_word_that_was_not_trained_on_is_an_error_with_its_place(refused, table):
    frame = table(20).assign(split=["train", "train", "validation", "test"] * 5)
    frame.loc[7, "label"] = "yess"
    refused(
        "list.csv, line 9: the label must be one of the training part: 'no', 'yes'. Received: 'yess'. "
        "Did you mean 'yes'?",
        frame,
    )


def test_data_that_are_measured_have_the_words_of_the_run(refused, table, tmp_path):
    frame = table(20, words=("no", "maybe"))
    message = "list.csv, line 3: the label must be one of the training part: 'no', 'yes'. Received: 'maybe'."
    frame.to_csv(tmp_path / "list.csv", index=False)
    with refusal(message):
        data.load_whole(tmp_path / "list.csv", Config(), ("no", "yes"))


def test_an_empty_label_of_measured_data_is_named_though_their_columns_may_differ(table, tmp_path):
    frame = table(9).rename(columns={"label": "said"})
    frame.loc[3, "said"] = ""
    frame.to_csv(tmp_path / "list.csv", index=False)
    config = data.as_measured(tmp_path / "list.csv", Config(label_column="said"))
    with refusal("list.csv, line 5, column 'said': a label must not be empty."):
        data.load(tmp_path / "list.csv", config, ("no", "yes"))
