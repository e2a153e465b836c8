"""Changes of recordings: as large as they are said to be, the same for the same generator, and only while training."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.audio import augmentation
from seqapps.audio.augmentation import Augmentation, SpectrumGaps

RATE, HERTZ = 8000, 500
STILL = {"SLOWEST": 1.0, "FASTEST": 1.0, "QUIETER": 0.0, "LOUDER": 0.0, "LATEST": 0.0, "LONGEST_CUT": 0.0}
SILENT = (300.0, 300.0)  # decibels below the recording


@pytest.fixture
def only(monkeypatch):
    """Changes a sine with some kinds of change alone."""

    def change(samples=RATE, seed=0, **changed):
        for name, value in (STILL | {"NOISE": SILENT} | changed).items():
            monkeypatch.setattr(augmentation, name, value)
        return Augmentation(RATE).change(sine(samples), np.random.default_rng(seed))

    return change


def sine(samples=RATE):
    return (0.25 * np.sin(2 * np.pi * HERTZ * np.arange(samples) / RATE)).astype("float32")


def changed(waveform, seed):
    return Augmentation(RATE).change(waveform, np.random.default_rng(seed))


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
    assert max(samples / augmentation.FASTEST / 2 - 1, 1) <= len(told) <= longest


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


def test_a_recording_begins_later_or_loses_its_first_moments(only):
    whole = sine()
    later = [only(seed=seed, LATEST=0.1) for seed in range(9)]
    for told in later:
        before = int(np.flatnonzero(np.abs(told) > 1e-4)[0]) - 1  # the first sample of a sine is 0
        assert 0 <= before <= 0.1 * RATE
        np.testing.assert_allclose(told[before : before + RATE], whole, atol=1e-6)
        assert len(told) - before - RATE <= 0.1 * RATE
    assert len({len(told) for told in later}) > 3
    cut = [only(seed=seed, LONGEST_CUT=0.03) for seed in range(9)]
    for told in cut:
        assert 0 <= RATE - len(told) <= 0.03 * RATE
        np.testing.assert_allclose(told, whole[RATE - len(told) :], atol=1e-6)
    assert len({len(told) for told in cut}) > 3


# --- spectra ---

BANDS, STEPS = 11, np.array([29, 17, 3, 1], "int32")
ONES = np.ones((4, 29, 2 * BANDS), "float32")


def gaps(seed):
    return SpectrumGaps(BANDS, seed)(ONES, STEPS, training=True).numpy()


def test_there_are_no_gaps_where_nothing_is_trained():
    layer = SpectrumGaps(BANDS, seed=0)
    np.testing.assert_array_equal(layer(ONES, STEPS), ONES)
    np.testing.assert_array_equal(layer(ONES, STEPS, training=False), ONES)


def test_gaps_are_as_wide_as_allowed_and_lie_in_the_recording():
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


def test_every_row_has_gaps_of_its_own_and_a_seed_repeats_them():
    layer, again = SpectrumGaps(BANDS, seed=5), SpectrumGaps(BANDS, seed=5)
    first, second = (layer(ONES, STEPS, training=True).numpy() for _ in range(2))
    np.testing.assert_array_equal(again(ONES, STEPS, training=True), first)
    np.testing.assert_array_equal(again(ONES, STEPS, training=True), second)
    assert (first != second).any()
    long = SpectrumGaps(BANDS, seed=5)(np.ones((7, 29, BANDS), "float32"), np.full(7, 29, "int32"), training=True)
    assert len({row.tobytes() for row in long.numpy()}) > 4


def test_gaps_go_on_where_their_stored_seed_was():
    layer, resumed = SpectrumGaps(BANDS, seed=5), SpectrumGaps(BANDS, seed=5)
    layer(ONES, STEPS, training=True)
    resumed.seeds.state.assign(layer.seeds.state)
    np.testing.assert_array_equal(resumed(ONES, STEPS, training=True), layer(ONES, STEPS, training=True))


def test_it_is_the_same_after_a_round_trip_through_a_file(tmp_path):
    spectra, steps = keras.Input((None, 2 * BANDS)), keras.Input((), dtype="int32")
    model = keras.Model([spectra, steps], SpectrumGaps(BANDS, seed=5)(spectra, steps))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded([ONES, STEPS], training=True), gaps(5))
    assert model.output_shape == (None, None, 2 * BANDS)
