"""Parts are cut by whole speakers or by the contents of files; nothing that is tested is trained on."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.speech import data
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.data.listing import Recording
from seqapps.tasks.speech.data.splits import Part, cut_at_random, cut_by_speaker, sorted_words

THIRD = {"validation": 0.2, "test": 0.2}


def part(answers, contents=None, speakers=None):
    """A part without files."""
    count = len(answers)
    contents = contents or [f"{number * 7919 % 1000:03}" for number in range(count)]
    speakers = speakers or [None] * count
    rows = zip(answers, speakers, strict=True)
    recordings = [Recording(Path(f"{n}.wav"), f"{n}.wav", said, who, None, "") for n, (said, who) in enumerate(rows)]
    return Part(tuple(recordings), tuple(contents))


def names(part):
    return {recording.name for recording in part.recordings}


# --- by speaker ---


@given(counts=st.lists(st.integers(1, 40), min_size=3, max_size=15), fraction=st.sampled_from([0.05, 0.2, 0.4]))
@settings(max_examples=100, deadline=None)
def test_speakers_stay_whole_and_every_part_has_one(counts, fraction):
    speakers = [f"s{number}" for number, count in enumerate(counts) for _ in range(count)]
    whole = part(["word"] * len(speakers), speakers=speakers)
    cut = cut_by_speaker(whole, {"validation": fraction, "test": fraction})
    assert list(cut) == ["train", "validation", "test"]
    who = [{recording.speaker for recording in each.recordings} for each in cut.values()]
    assert all(who)
    assert sum(map(len, who)) == len(counts) == len(set.union(*who))
    assert sum(map(len, cut.values())) == len(whole)
    largest = max(counts)
    for split in ("validation", "test"):  # no further from its share than the half of a speaker, or one speaker
        assert len(cut[split]) <= max(fraction * len(whole) + largest / 2, largest)


def test_parts_have_about_their_shares_of_speakers():
    speakers = [f"s{number % 50}" for number in range(500)]
    cut = cut_by_speaker(part(["word"] * 500, speakers=speakers), {"validation": 0.1, "test": 0.2})
    assert {split: len(each) for split, each in cut.items()} == {"train": 350, "validation": 50, "test": 100}


def test_names_of_speakers_alone_decide():
    speakers = [f"s{number % 7}" for number in range(70)]
    cut = cut_by_speaker(part(["word"] * 70, speakers=speakers), THIRD)
    order = np.random.default_rng(0).permutation(70)
    other = cut_by_speaker(part(["other"] * 70, speakers=[speakers[row] for row in order]), THIRD)
    for split in cut:
        assert {each.speaker for each in cut[split].recordings} == {each.speaker for each in other[split].recordings}


# --- at random ---


def test_every_word_has_its_share_of_every_part():
    answers = ["often"] * 50 + ["rarely"] * 10 + ["hardly"] * 5
    cut = cut_at_random(part(answers), THIRD, by_answer=True)
    assert {split: Counter(each.answers) for split, each in cut.items()} == {
        "train": {"often": 30, "rarely": 6, "hardly": 3},
        "validation": {"often": 10, "rarely": 2, "hardly": 1},
        "test": {"often": 10, "rarely": 2, "hardly": 1},
    }


@pytest.mark.parametrize("by_answer", [True, False])
@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.sampled_from(["yes", "no"])), max_size=40),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_equal_recordings_stay_together_and_their_order_does_not_matter(by_answer, rows, seed):
    def places(rows):
        whole = part([said for _, said in rows], [content for content, _ in rows])
        cut = cut_at_random(whole, THIRD, by_answer)
        assert set().union(*map(names, cut.values())) == names(whole)
        assert sum(map(len, cut.values())) == len(rows)
        told = {}
        for split, each in cut.items():
            for content, said in zip(each.contents, each.answers, strict=True):
                assert told.setdefault((content, said if by_answer else ""), split) == split
            assert each.recordings == tuple(sorted(each.recordings, key=lambda row: int(row.name[:-4])))
        return told

    assert places(rows) == places([rows[row] for row in np.random.default_rng(seed).permutation(len(rows))])


# --- the rules of a config ---


def loaded(frame, tmp_path, **options):
    frame.to_csv(tmp_path / "list.csv", index=False)
    return data.load(tmp_path / "list.csv", Config(**options))


def speakers_of(splits):
    return [{recording.speaker for recording in splits.parts[split].recordings} for split in data.SPLITS]


def test_speakers_stay_whole_where_at_least_three_are_known(table, tmp_path):
    train, validation, test = speakers_of(loaded(table(60, speakers=6, each=2), tmp_path))
    assert not train & validation
    assert not test & (train | validation)
    assert (
        speakers_of(loaded(table(60, speakers=6, each=2), tmp_path, split_by="random"))
        == [{f"s{number}" for number in range(6)}] * 3
        or len(train) == 4
    )


def test_two_speakers_are_cut_at_random_and_that_is_noted(table, tmp_path):
    splits = loaded(table(60, speakers=2, each=2), tmp_path)
    assert speakers_of(splits) == [{"s0", "s1"}] * 3
    assert splits.notes == ("2 of 2 speakers of the test part are in the training part too: new voices are harder.",)


def test_a_test_part_with_voices_of_the_training_part_is_chosen_for_with_such_voices(table, tmp_path):
    frame = table(80, speakers=4, each=2)
    frame["split"] = ["test" if number < 16 else "train" for number in range(80)]
    splits = loaded(frame, tmp_path)
    train, validation, _ = speakers_of(splits)
    assert train == {f"s{number}" for number in range(4)}
    assert len(validation) > 1


def test_the_speaker_who_is_held_out_is_the_test_part(table, tmp_path):
    splits = loaded(table(60, speakers=6, each=2), tmp_path, holdout_speaker="s4")
    train, validation, test = speakers_of(splits)
    assert test == {"s4"}
    assert len(splits.parts["test"]) == 10
    assert not validation & train
    assert "s4" not in validation | train
    assert data.resolved(Config(holdout_speaker="s4"), splits).holdout_speaker == "s4"


def test_a_column_of_parts_does_not_keep_a_speaker_from_being_held_out(table, tmp_path):
    frame = table(60, speakers=6, each=2).assign(split="train")
    splits = loaded(frame, tmp_path, holdout_speaker="s4")
    assert speakers_of(splits)[2] == {"s4"}
    assert data.resolved(Config(holdout_speaker="s4"), splits).split_column is None


@pytest.mark.parametrize(("copies", "told"), [(1, "1 recording that is"), (2, "2 recordings that are")])
def test_copies_of_what_is_tested_are_not_trained_on(table, tmp_path, copies, told):
    frame = table(20)
    frame["split"] = ["validation"] * 4 + ["test"] * 4 + ["train"] * 12
    again = frame[4 : 4 + copies].assign(split="train", file=[f"again{n}.wav" for n in range(copies)])
    for source, target in zip(frame["file"][4:], again["file"], strict=False):
        (tmp_path / target).write_bytes((tmp_path / source).read_bytes())
    splits = loaded(pd.concat([frame, again]), tmp_path)
    assert [len(splits.parts[split]) for split in data.SPLITS] == [12, 4, 4]
    assert splits.notes == (f"Not trained on: {told} also in the validation or test part.",)


def test_words_are_sorted_and_numbers_by_their_value():
    assert sorted_words({"yes", "10", "9", "²", "no", "007"}) == ("007", "9", "10", "no", "yes", "²")
