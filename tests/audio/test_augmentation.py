"""Changes of recordings: as large as they are said to be, the same for the same generator, and only while training."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.audio import augmentation
from seqapps.audio.augmentation import Augmentation, SpectrumChanges

RATE, HERTZ = 8000, 500
STILL = {"SHARE": 1.0, "SLOWEST": 1.0, "FASTEST": 1.0, "QUIETER": 0.0, "LOUDER": 0.0, "LATEST": 0.0}
CUT = 0.03  # seconds
SILENT = (300.0, 300.0)  # decibels below the recording


@pytest.fixture
def only(monkeypatch):
    """Changes a sine with some kinds of change alone."""

    def change(samples=RATE, seed=0, cut=0.0, **changed):
        for name, value in (STILL | {"NOISE": SILENT} | changed).items():
            monkeypatch.setattr(augmentation, name, value)
        return Augmentation(RATE, cut).change(sine(samples), np.random.default_rng(seed))

    return change


def sine(samples=RATE):
    return (0.25 * np.sin(2 * np.pi * HERTZ * np.arange(samples) / RATE)).astype("float32")


def changed(waveform, seed):
    return Augmentation(RATE, CUT).change(waveform, np.random.default_rng(seed))


# --- waveforms ---


def test_nothing_changes_where_no_change_is_allowed(only):
    np.testing.assert_allclose(only(), sine(), atol=1e-6)


def test_a_change_depends_on_the_generator_alone():
    np.testing.assert_array_equal(changed(sine(), 3), changed(sine(), 3))
    assert len({changed(sine(), seed).tobytes() for seed in range(7)}) == 7


@given(samples=st.integers(1, 700), scale=st.sampled_from([0.0, 1e-4, 0.5, 1.0]), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_what_is_changed_stays_a_waveform_of_about_its_length(samples, scale, seed):
    waveform = (scale * np.random.default_rng(seed).uniform(-1, 1, samples)).astype("float32")
    told = changed(waveform, seed)
    assert told.dtype == "float32"
    assert np.isfinite(told).all()
    assert (np.abs(told) <= 1).all()
    longest = samples / augmentation.SLOWEST + 2 * augmentation.LATEST * RATE
    shortest = samples / augmentation.FASTEST * (1 - 2 * augmentation.MOST_CUT) - 1
    assert max(shortest, 1) <= len(told) <= longest


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_speed_changes_length_and_pitch_by_the_same_factor(only, speed):
    told = only(SLOWEST=speed, FASTEST=speed)
    assert len(told) == round(RATE / speed)
    spectrum = np.abs(np.fft.rfft(told * np.hanning(len(told))))
    assert spectrum.argmax() * RATE / len(told) == pytest.approx(HERTZ * speed, abs=1)


@pytest.mark.parametrize("decibels", [5.0, 20.0])
@pytest.mark.parametrize("samples", [RATE, 3 * 2**14 + 1])  # the noise is made once and goes round
def test_a_recording_is_so_many_decibels_louder_than_its_noise(only, decibels, samples):
    noise = only(samples, NOISE=(decibels, decibels)) - sine(samples)
    ratio = 10 * np.log10(np.mean(sine(samples) ** 2) / np.mean(noise**2))
    assert ratio == pytest.approx(decibels, abs=0.1)


def test_noise_is_white_or_falls_with_the_frequency(only, monkeypatch):
    def slope(reddest):
        monkeypatch.setattr(augmentation, "REDDEST", reddest)
        slopes = []
        for seed in range(5):
            noise = only(seed=seed, NOISE=(6.0, 6.0)) - sine()
            power = np.abs(np.fft.rfft(noise)[50:]) ** 2
            octaves = np.log2(np.arange(50, 50 + len(power)))
            slopes.append(np.polyfit(octaves, np.log2(power), 1)[0])
        return np.array(slopes)

    assert (np.abs(slope(0.0)) < 0.1).all()
    red = slope(1.5)
    assert ((red > -1.6) & (red < 0.1)).all()
    assert np.ptp(red) > 0.3


@pytest.mark.parametrize("decibels", [-12.0, 6.0])
def test_loudness_changes_by_decibels(only, decibels):
    np.testing.assert_allclose(only(QUIETER=decibels, LOUDER=decibels), sine() * 10 ** (decibels / 20), atol=1e-6)


def test_a_recording_begins_later_or_loses_moments_at_either_end(only):
    whole = sine()
    later = [only(seed=seed, LATEST=0.1) for seed in range(9)]
    for told in later:
        before = int(np.flatnonzero(np.abs(told) > 1e-4)[0]) - 1  # the first sample of a sine is 0
        assert 0 <= before <= 0.1 * RATE
        np.testing.assert_allclose(told[before : before + RATE], whole, atol=1e-6)
        assert len(told) - before - RATE <= 0.1 * RATE
    assert len({len(told) for told in later}) > 3
    cut = [only(seed=seed, cut=CUT) for seed in range(9)]
    for told in cut:
        assert 0 <= RATE - len(told) <= 2 * CUT * RATE
        first = next(place for place in range(RATE) if np.allclose(told, whole[place : place + len(told)], atol=1e-6))
        assert first <= CUT * RATE
    assert len({len(told) for told in cut}) > 3


def test_of_a_short_recording_a_third_is_kept_whatever_is_cut_off(only):
    assert min(len(only(100, seed=seed, cut=1.0)) for seed in range(30)) >= 30


def test_each_kind_of_change_happens_to_half_of_the_recordings(only):
    told = [only(seed=seed, SHARE=0.5, SLOWEST=1.25, FASTEST=1.25) for seed in range(60)]
    assert 18 <= sum(len(each) < RATE for each in told) <= 42


# --- spectra ---

BANDS, STEPS = 11, np.array([29, 17, 3, 1], "int32")
ONES = np.ones((4, 29, 2 * BANDS), "float32")


@pytest.fixture
def only_gaps(monkeypatch):
    """Spectra with gaps and in the same voice, through the same microphone."""
    monkeypatch.setattr(augmentation, "VOICE", 0.0)
    monkeypatch.setattr(augmentation, "MICROPHONE", 0.0)


@pytest.fixture
def no_gaps(monkeypatch):
    """Spectra of other voices or microphones, whole."""
    monkeypatch.setattr(augmentation, "SHARE", 1.0)
    monkeypatch.setattr(augmentation, "FREQUENCY_GAPS", 0)
    monkeypatch.setattr(augmentation, "TIME_GAPS", 0)


def gaps(seed):
    return SpectrumChanges(BANDS, seed)(ONES, STEPS, training=True).numpy()


def test_there_are_no_gaps_where_nothing_is_trained():
    layer = SpectrumChanges(BANDS, seed=0)
    np.testing.assert_array_equal(layer(ONES, STEPS), ONES)
    np.testing.assert_array_equal(layer(ONES, STEPS, training=False), ONES)


def test_a_voice_moves_bands_and_a_microphone_adds_a_curve(no_gaps, monkeypatch):
    ramp = np.broadcast_to(np.tile(np.arange(BANDS, dtype="float32"), 2), ONES.shape)
    monkeypatch.setattr(augmentation, "MICROPHONE", 0.0)
    moved = SpectrumChanges(BANDS, 3)(ramp, STEPS, training=True).numpy()
    for row in moved:
        factor = row[0, 1]  # band 1 takes what was at its place times the factor
        assert np.exp(-augmentation.VOICE) <= factor <= np.exp(augmentation.VOICE)
        expected = np.minimum(np.arange(BANDS) * factor, BANDS - 1)
        np.testing.assert_allclose(row, np.broadcast_to(np.tile(expected, 2), row.shape), atol=1e-4)
    monkeypatch.undo()
    for name, value in (("SHARE", 1.0), ("FREQUENCY_GAPS", 0), ("TIME_GAPS", 0), ("VOICE", 0.0)):
        monkeypatch.setattr(augmentation, name, value)
    curves = SpectrumChanges(BANDS, 3)(ONES, STEPS, training=True).numpy() - ONES
    assert 0.05 < curves.std() < 2
    np.testing.assert_allclose(curves, np.broadcast_to(curves[:, :1], curves.shape), atol=1e-6)  # at all steps the same
    np.testing.assert_allclose(curves[..., :BANDS], curves[..., BANDS:], atol=1e-6)
    assert len({row.tobytes() for row in curves}) == len(curves)


def test_gaps_are_as_wide_as_allowed_and_lie_in_the_recording(only_gaps):
    most_bands, widest, anywhere = 2 * 2, [], []  # two gaps, each of at most a fifth of 11 bands
    for seed in range(40):
        told = gaps(seed)
        assert set(np.unique(told).tolist()) <= {0.0, 1.0}
        np.testing.assert_array_equal(told[..., :BANDS], told[..., BANDS:])  # the same bands of stacked spectra
        for row, steps in enumerate(STEPS):
            bands = (told[row, :, :BANDS] == 0).all(axis=0)
            times = (told[row] == 0).all(axis=1)
            assert bands.sum() <= most_bands
            assert times.sum() <= 2 * int(0.15 * steps)
            assert not times[steps:].any()
            np.testing.assert_array_equal(told[row, :, :BANDS] == 0, bands[None] | times[:, None])  # nothing else
        widest.append([(told[0, :, :BANDS] == 0).all(axis=0).sum(), (told[0] == 0).all(axis=1).sum()])
        anywhere.append(told[0] == 0)
    assert np.max(widest, axis=0).tolist() == [most_bands, 2 * int(0.15 * STEPS[0])]
    assert np.any(anywhere, axis=0).all()


def test_every_row_has_gaps_of_its_own_and_a_seed_repeats_them(only_gaps):
    layer, again = SpectrumChanges(BANDS, seed=5), SpectrumChanges(BANDS, seed=5)
    first, second = (layer(ONES, STEPS, training=True).numpy() for _ in range(2))
    np.testing.assert_array_equal(again(ONES, STEPS, training=True), first)
    np.testing.assert_array_equal(again(ONES, STEPS, training=True), second)
    assert (first != second).any()
    long = SpectrumChanges(BANDS, seed=5)(np.ones((7, 29, BANDS), "float32"), np.full(7, 29, "int32"), training=True)
    assert len({row.tobytes() for row in long.numpy()}) > 4


def test_gaps_go_on_where_their_stored_seed_was():
    layer, resumed = SpectrumChanges(BANDS, seed=5), SpectrumChanges(BANDS, seed=5)
    layer(ONES, STEPS, training=True)
    resumed.seeds.state.assign(layer.seeds.state)
    np.testing.assert_array_equal(resumed(ONES, STEPS, training=True), layer(ONES, STEPS, training=True))


def test_it_is_the_same_after_a_round_trip_through_a_file(tmp_path):
    spectra, steps = keras.Input((None, 2 * BANDS)), keras.Input((), dtype="int32")
    model = keras.Model([spectra, steps], SpectrumChanges(BANDS, seed=5)(spectra, steps))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded([ONES, STEPS], training=True), gaps(5))
    assert model.output_shape == (None, None, 2 * BANDS)
