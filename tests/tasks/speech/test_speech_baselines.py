"""The simple methods: what they hear in tones, where they cut, and that they come back from their file."""

import numpy as np
import pytest
from toy_speech import config_of, prepared_for
from toy_tones import RATE, TONES, quiet, tone_of

from seqapps.audio.features import Frames
from seqapps.audio.sounds import Sounds
from seqapps.tasks.speech import baselines
from seqapps.tasks.speech.baselines import COMMONEST, LINEAR, SEGMENTED, Baselines, linear
from seqapps.tasks.speech.baselines.segments import Segmenter
from seqapps.tasks.speech.preprocessing import Preprocessing
from seqapps.text import tokenizers

FRAMES = Frames(sample_rate=RATE, length=200, step=80, mel_bins=11, stacked=3)
WORDS = tuple(sorted(TONES))


def sounds_of(waveforms):
    return Sounds(np.concatenate(waveforms).astype("float32"), np.cumsum([0, *map(len, waveforms)]))


def words(count, seed):
    """Tones and their names."""
    generator = np.random.default_rng(seed)
    said = [WORDS[number % 3] for number in range(count)]
    return sounds_of([tone_of(word, generator.integers(900, 1500), 2, generator) for word in said]), said


def strings(count, seed):
    """Two to four tones with pauses, and what is said."""
    generator = np.random.default_rng(seed)
    waveforms, said = [], []
    for _ in range(count):
        chosen = generator.choice(WORDS, generator.integers(2, 5)).tolist()
        pieces = [quiet(1600, generator)]
        for word in chosen:
            tone = 0.3 * np.sin(2 * np.pi * np.cumsum(np.geomspace(*TONES[word], 1600)) / RATE)
            pieces += [tone + quiet(1600, generator), quiet(1600, generator)]
        waveforms.append(np.concatenate(pieces))
        said.append(" ".join(chosen))
    return sounds_of(waveforms), said


def prepared(classes=(), tokenizer=None):
    return Preprocessing(FRAMES, (0.0,) * 11, (1.0,) * 11, "none", -18.0, classes, tokenizer, 5.0)


@pytest.fixture(scope="module")
def of_words():
    return baselines.fit({"train": words(31, 0), "validation": words(9, 1)}, prepared(WORDS))


@pytest.fixture(scope="module")
def of_strings():
    parts = {"train": strings(15, 0), "validation": strings(5, 1)}
    return baselines.fit(parts, prepared(tokenizer=tokenizers.fit("word", parts["train"][1], 99)))


# --- words ---


def test_logistic_regression_learns_tones(of_words):
    sounds, said = words(30, 2)
    told = of_words.probabilities(sounds)
    assert list(told) == [COMMONEST, LINEAR]
    for each in told.values():
        assert each.shape == (30, 3)
        np.testing.assert_allclose(each.sum(axis=1), 1)
    right = np.mean([WORDS[row] == word for row, word in zip(told[LINEAR].argmax(axis=1), said, strict=True)])
    assert right > 0.9
    assert of_words.linear.strength in linear.STRENGTHS


def test_the_commonest_word_is_told_with_its_share(of_words):
    assert (of_words.commonest, of_words.notes) == ("high", ())  # the first of 31 words in turn
    np.testing.assert_allclose(of_words.probabilities(words(2, 3)[0])[COMMONEST], [[11 / 31, 10 / 31, 10 / 31]] * 2)


def test_features_are_means_of_equal_pieces_and_the_logarithm_of_the_time():
    quiet_steps, word = np.full((3, 2), -50.0), np.arange(40.0).reshape(20, 2) / 40
    recordings = [np.concatenate([quiet_steps, word, quiet_steps]), word + 7, np.array([[3.0, 4.0]])]
    told = linear.features_of(recordings)
    # Twenty steps make pieces of two: steps 0 and 1 have the means 1 and 2 fortieths; that of all is 19.5 fortieths.
    expected = (np.arange(0, 40, 4)[:, None] + [1, 2] - 19.5) / 40
    np.testing.assert_allclose(told[0, :-1].reshape(10, 2), expected)
    np.testing.assert_allclose(told[1], told[0])  # neither loudness nor the silence around a word
    np.testing.assert_allclose(told[2], [*[-0.5, 0.5] * 10, 0.0])  # one step is every piece
    assert told[0, -1] == pytest.approx(np.log(20))


def test_spectra_of_recordings_are_those_of_each_alone():
    generator = np.random.default_rng(0)
    waveforms = [generator.uniform(-1, 1, count).astype("float32") for count in (700, 90, 1300, 1)]
    for each, told in zip(waveforms, linear.spectra_of(waveforms, FRAMES), strict=True):
        np.testing.assert_allclose(told, linear.spectra_of([each], FRAMES)[0], atol=1e-5)


@pytest.mark.parametrize("count", [2, 3])
def test_words_that_were_not_met_are_never_answered(count):
    generator = np.random.default_rng(0)
    numbers = np.arange(40) % count
    spectra = [generator.normal(size=(12, 3)) + 3 * (number == np.arange(3)) for number in numbers]
    fitted = linear.fit_linear(spectra, numbers + 1, 5, ([], np.zeros(0)))
    told = fitted.probabilities(spectra)
    assert not told[:, [0, *range(count + 1, 5)]].any()
    np.testing.assert_array_equal(told.argmax(axis=1), numbers + 1)


# --- transcripts ---


def test_words_are_cut_out_where_it_is_loud():
    quiet_part, loud = np.full(1600, 0.001), np.full(1600, 0.5)
    # 0.2 s of quiet, 0.2 s loud, 0.04 s of quiet within the word, 0.2 s loud, 0.2 s of quiet, a click of 0.04 s, quiet
    pieces = [quiet_part, loud, quiet_part[:320], loud, quiet_part, loud[:320], quiet_part]
    (word,) = Segmenter(threshold=0.5, pause=0.06).cut(np.concatenate(pieces), FRAMES)
    assert len(word) == 1600 + 320 + 1600
    first, second = Segmenter(threshold=0.5, pause=0.03).cut(np.concatenate(pieces), FRAMES)
    assert (len(first), len(second)) == (1600, 1600)


@pytest.mark.parametrize("waveform", [np.zeros(4000), np.full(4000, 0.5), np.zeros(0), np.zeros(100)])
def test_where_nothing_stands_out_there_is_no_word(waveform):
    assert Segmenter(0.5, 0.1).cut(waveform, FRAMES) == []


def test_segments_are_told_word_by_word(of_strings):
    sounds, said = strings(12, 2)
    told = of_strings.transcripts(sounds)
    assert list(told) == [COMMONEST, SEGMENTED]
    assert np.mean([one == other for one, other in zip(told[SEGMENTED], said, strict=True)]) > 0.7
    assert told[COMMONEST] == [of_strings.commonest] * 12
    assert of_strings.commonest in strings(15, 0)[1]
    assert of_strings.words == WORDS


def test_where_no_words_can_be_cut_out_a_note_says_so():
    generator = np.random.default_rng(0)
    sounds = sounds_of([quiet(4000, generator) for _ in range(4)])  # one long noise, of which seven words are said
    parts = {"train": (sounds, ["low high rise low high rise low"] * 4), "validation": (sounds, ["low"] * 4)}
    fitted = baselines.fit(parts, prepared(tokenizer=tokenizers.fit("word", ["low"], 99)))
    assert fitted.notes == (
        "No baseline could cut words out: in no training recordings were there as many loud places as words.",
    )
    assert fitted.transcripts(sounds) == {COMMONEST: ["low high rise low high rise low"] * 4}


@pytest.mark.parametrize("lowercase", [True, False])
def test_capitals_count_where_the_model_writes_them(lowercase):
    sounds, said = strings(6, 0)
    written = [each.upper() for each in said]
    tokenizer = tokenizers.fit("word", written, 99, lowercase)
    fitted = baselines.fit({"train": (sounds, written), "validation": (sounds, written)}, prepared(tokenizer=tokenizer))
    assert fitted.commonest == fitted.commonest.lower() if lowercase else fitted.commonest == fitted.commonest.upper()


# --- a file ---


@pytest.mark.parametrize("kind", ["of_words", "of_strings"])
def test_what_comes_back_from_a_file_answers_alike(kind, request, tmp_path):
    fitted = request.getfixturevalue(kind)
    fitted.save(tmp_path / "baselines.npz")
    loaded = Baselines.load(tmp_path / "baselines.npz")
    if kind == "of_words":
        sounds = words(5, 4)[0]
        for method, told in fitted.probabilities(sounds).items():
            np.testing.assert_array_equal(loaded.probabilities(sounds)[method], told)
    else:
        sounds = strings(3, 4)[0]
        assert loaded.transcripts(sounds) == fitted.transcripts(sounds)
    assert (loaded.words, loaded.frames, loaded.notes) == (fitted.words, fitted.frames, fitted.notes)
    assert (loaded.segmenter, loaded.commonest) == (fitted.segmenter, fitted.commonest)


def test_a_note_comes_back_from_a_file(tmp_path):
    config = config_of(mode="transcribe")
    told = Baselines(prepared_for(config).frames, (), "a b", np.zeros(0), None, None, ("a note",))
    told.save(tmp_path / "baselines.npz")
    loaded = Baselines.load(tmp_path / "baselines.npz")
    assert (loaded.notes, loaded.linear, loaded.segmenter, loaded.commonest) == (("a note",), None, None, "a b")
