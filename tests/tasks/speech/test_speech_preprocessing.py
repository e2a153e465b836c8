"""What is fitted on the training part, and which of its recordings a model can learn from."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_speech import RATE, SECONDS, config_of, noise, prepared_for
from toy_tones import write_wav

from seqapps.audio.augmentation import Augmentation
from seqapps.audio.features import LogMel
from seqapps.audio.sounds import Sounds
from seqapps.tasks.speech import batches, preprocessing
from seqapps.tasks.speech.batches import Examples
from seqapps.tasks.speech.data.listing import Recording
from seqapps.tasks.speech.data.splits import Part
from seqapps.tasks.speech.pipeline import fitting
from seqapps.tasks.speech.preprocessing import Preprocessing

LENGTHS = (430, 90, 211, 20, 7)
WAVEFORMS = [noise(1, length, seed=length)[0] for length in LENGTHS]
SOUNDS = Sounds(np.concatenate(WAVEFORMS), np.cumsum([0, *LENGTHS]))


@pytest.mark.parametrize("stack_frames", [1, 3])
def test_the_scale_is_that_of_all_real_steps(stack_frames, monkeypatch):
    config = config_of(stack_frames=stack_frames)
    monkeypatch.setattr(preprocessing, "ROWS_AT_ONCE", 2)
    fitted = preprocessing.fit(SOUNDS, ["no"] * 5, ("no", "yes"), RATE, config)
    layer = LogMel(fitted.frames, fitted.level).normalize([0.0] * 3, [1.0] * 3, fitted.lowest)
    told = [layer(each[None], np.array([len(each)]))[0].numpy()[0] for each in WAVEFORMS]
    every = np.concatenate([each.reshape(-1, 3) for each in told])
    np.testing.assert_allclose(fitted.mean, every.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(fitted.deviation, every.std(axis=0), rtol=1e-3)
    assert (fitted.classes, fitted.outputs, fitted.transcribes) == (("no", "yes"), 2, False)
    assert fitted.most_samples == round(RATE * SECONDS)
    assert fitted.level == "past"
    loudest = [layer.levels(layer.powers(each[None], np.array([len(each)]))[0]).numpy().max() for each in WAVEFORMS]
    assert fitted.lowest == pytest.approx(np.quantile(loudest, 0.01) - 3, abs=1e-4)


def test_bands_in_which_nothing_changes_divide_by_no_zero():
    silent = Sounds(np.zeros(400, "float32"), np.array([0, 200, 400]))
    fitted = preprocessing.fit(silent, ["no", "yes"], ("no", "yes"), RATE, config_of())
    assert fitted.deviation == (preprocessing.FLATTEST,) * 3


@pytest.mark.parametrize("options", [{}, {"mode": "transcribe"}, {"mode": "transcribe", "tokenizer": "word"}])
def test_it_is_the_same_after_a_round_trip_through_json(options):
    prepared = prepared_for(config_of(**options))
    again = Preprocessing.from_dict(json.loads(json.dumps(prepared.to_dict())))
    assert again.to_dict() == prepared.to_dict()
    assert (again.frames, again.outputs, again.transcribes) == (prepared.frames, prepared.outputs, prepared.transcribes)


# --- what is learned from ---


def part_of(tmp_path, rows):
    """Recordings of so many samples, in which so much is said."""
    recordings = []
    for number, (length, said) in enumerate(rows):
        path = tmp_path / f"{number}.wav"
        write_wav(path, noise(1, length)[0], RATE)
        recordings.append(Recording(path, path.name, said, None, None, ""))
    waveforms = [noise(1, min(length, round(RATE * SECONDS)))[0] for length, _ in rows]
    sounds = Sounds(np.concatenate(waveforms), np.cumsum([0, *map(len, waveforms)]))
    return sounds, Part(tuple(recordings), ("",) * len(rows))


def test_transcripts_that_no_path_spells_are_left_out_and_counted(tmp_path):
    # Windows of 20 samples every 8: three steps take 36 samples, four take 44. "yes" needs 3, "ee" and "no." 3.
    rows = [
        *[(36, "yes"), (35, "yes"), (44, "yees"), (36, "ee"), (35, "ee"), (20, "y")],
        *[(300, ""), (300, "  "), (300, "y?s"), (1100, "yes"), (1000, "yes"), (1, "s")],
    ]
    config = config_of(mode="transcribe")
    sounds, part = part_of(tmp_path, rows)
    examples, notes = fitting.examples(sounds, part, prepared_for(config), "Not trained on")
    assert examples.rows.tolist() == [0, 3, 5, 7, 10, 11]
    assert notes == [
        "Not trained on: 1 recording without a word.",
        "Not trained on: 1 recording with a token outside the vocabulary.",
        "Not trained on: 1 recording longer than 1 seconds.",
        "Not trained on: 3 recordings too short for what is said.",
    ]


def test_every_recording_of_a_word_is_learned_from(tmp_path):
    sounds, part = part_of(tmp_path, [(1100, "yes"), (1, "no"), (20, "yes")])
    examples, notes = fitting.examples(sounds, part, prepared_for(config_of()), "Not trained on")
    assert (examples.rows.tolist(), examples.answers.tolist(), notes) == ([0, 1, 2], [2, 0, 2], [])


@given(seed=st.integers(0, 10**6), transcript=st.text("yesno", min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_changed_recording_still_has_room_for_its_transcript_and_is_read_to_its_end(seed, transcript):
    frames = preprocessing.frames_of(config_of(mode="transcribe", stack_frames=2), RATE)
    needed = len(transcript) + sum(one == other for one, other in pairwise(transcript))
    length = max(frames.span + frames.hop * (needed - 1), 20)  # as short as can be
    ids = np.array([["yesno".index(character) + 4 for character in transcript]], "int32")
    sounds = Sounds(noise(1, length, seed=seed)[0], np.array([0, length]))
    for most in (length, 10**6):
        examples = Examples(sounds, np.array([0]), ids, most, np.array([length if needed > 1 else 0]))
        (_, lengths), _ = examples.changed(np.array([0]), Augmentation(RATE, 0.03), np.random.default_rng(seed))
        assert lengths[0] <= most
        assert needed == 1 or frames.count(int(lengths[0])) >= needed
        if most == length and needed > 1:  # then there is no way to change it
            assert lengths[0] == length


# --- batches ---

EXAMPLES = Examples(SOUNDS, np.array([4, 0, 2]), np.array([5, 6, 7, 8, 9], "int32"), 10**6)


def drawn(first_epoch, count, augmentation=None, examples=EXAMPLES, seed=0):
    dataset = batches.training_batches(examples, augmentation, 2, seed, first_epoch)
    return [(*(each.numpy() for each in inputs), answers.numpy()) for inputs, answers in dataset.take(count)]


def test_every_recording_comes_once_an_epoch_with_its_answer():
    for begin in (0, 2):
        lengths, answers = (np.concatenate([batch[place] for batch in drawn(begin // 2, 2)]) for place in (1, 2))
        assert dict(zip(answers.tolist(), lengths.tolist(), strict=True)) == {9: 7, 5: 430, 7: 211}
    for waveforms, lengths, answers in drawn(0, 2):
        for waveform, length, answer in zip(waveforms, lengths, answers, strict=True):
            np.testing.assert_array_equal(waveform[:length], WAVEFORMS[answer - 5])
            assert not waveform[length:].any()


@pytest.mark.parametrize("augmentation", [None, Augmentation(RATE, 0.03)])
def test_an_epoch_depends_on_the_seed_and_its_number_alone(augmentation):
    whole, later = drawn(0, 6, augmentation), drawn(1, 4, augmentation)
    for first, second in zip(whole[2:], later, strict=True):
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)
    if augmentation:
        lengths = [sorted(np.concatenate([batch[1] for batch in whole[begin : begin + 2]])) for begin in (0, 2, 4)]
        assert len({str(each) for each in lengths}) == 3  # every epoch changes them anew
        other = drawn(0, 2, augmentation, seed=1)
        assert sorted(np.concatenate([batch[1] for batch in other])) != lengths[0]


def test_recordings_of_an_evaluation_come_once_the_shortest_first():
    dataset = batches.evaluation_batches(EXAMPLES, 2)
    assert len(dataset) == 2
    assert [answers.numpy().tolist() for _, answers in dataset] == [[9, 7], [5]]


def test_transcripts_are_padded_to_the_longest_of_a_batch():
    ids = np.array([[4, 5, 0, 0], [4, 0, 0, 0], [4, 5, 6, 0], [0, 0, 0, 0], [4, 4, 4, 4]], "int32")
    examples = Examples(SOUNDS, np.array([0, 1, 3]), ids, 10**6)
    _, answers = examples.batch(np.array([0, 2]))
    assert answers.tolist() == [[4, 5], [0, 0]]
    _, answers = examples.batch(np.array([2]))
    assert answers.tolist() == [[0]]
