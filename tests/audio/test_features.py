"""Log-mel spectra: equal to their definition, whatever stands beside a recording or after its end."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal

from seqapps.audio.features import LEVELS, LOWEST_HZ, QUIETEST, RANGE, Frames, LogMel, mel_weights, running_maximum

FRAMES = Frames(sample_rate=8000, length=40, step=16, mel_bins=5, stacked=1)
STACKED = Frames(sample_rate=8000, length=40, step=16, mel_bins=5, stacked=3)
every_stacking = pytest.mark.parametrize("frames", [FRAMES, STACKED], ids=["single", "stacked"])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, shape).astype("float32")


def spectra_of(frames, waveforms, lengths, level="none"):
    spectra, steps = LogMel(frames, level)(waveforms, np.array(lengths, "int32"))
    return spectra.numpy(), steps.numpy().tolist()


# --- frames ---


@pytest.mark.parametrize(
    ("samples", "single", "stacked"),
    # A window takes 40 samples, three of them 40 + 2 * 16 = 72; the next step begins 16 or 48 samples later.
    [(0, 0, 0), (39, 0, 0), (40, 1, 0), (55, 1, 0), (56, 2, 0), (71, 2, 0), (72, 3, 1), (119, 5, 1), (120, 6, 2)],
)
def test_a_step_counts_once_it_is_filled(samples, single, stacked):
    assert (FRAMES.count(samples), STACKED.count(samples)) == (single, stacked)
    assert FRAMES.count(np.array([samples])).tolist() == [single]
    assert (FRAMES.hop, FRAMES.span, STACKED.hop, STACKED.span) == (16, 40, 48, 72)


@every_stacking
@given(samples=st.integers(0, 400))
@settings(max_examples=50, deadline=None)
def test_steps_are_as_many_as_windows_can_be_laid(frames, samples):
    starts = range(0, samples, frames.hop)
    assert frames.count(samples) == sum(start + frames.span <= samples for start in starts)


# --- bands ---


def test_triangles_are_equally_wide_in_mel():
    # The scale puts 20 Hz at 31.75 and 8000 Hz at 2840.02 mel; thirds of the way are 967.84 and 1903.93 mel, which is
    # 952.2 and 3091.3 Hz. A window of 8 samples is transformed with 16, so frequencies are 0, 1000, … 8000 Hz.
    rising = [0, 47.8 / 2139.1, 1047.8 / 2139.1, 2047.8 / 2139.1, *(np.arange(4000, -1, -1000) / 4908.7)]
    falling = [0, 2091.3 / 2139.1, 1091.3 / 2139.1, 91.3 / 2139.1, 0, 0, 0, 0, 0]
    weights = mel_weights(Frames(sample_rate=16000, length=8, step=8, mel_bins=2, stacked=1))
    assert weights.dtype == "float32"
    np.testing.assert_allclose(weights, np.stack([falling, rising], axis=1), atol=1e-4)


def test_bands_without_a_frequency_are_refused():
    with refusal(
        "`mel_bins` must be smaller for a window of 40 samples. Received: mel_bins=60. "
        "Its bands are too narrow for windows of this length."
    ):
        mel_weights(Frames(sample_rate=8000, length=40, step=16, mel_bins=60, stacked=1))


@pytest.mark.parametrize("hertz", [150, 440, 1000, 2500, 3600])
def test_a_sine_is_loudest_in_its_band(hertz):
    frames = Frames(sample_rate=8000, length=400, step=100, mel_bins=13, stacked=1)
    waveform = 0.5 * np.sin(2 * np.pi * hertz * np.arange(900) / 8000)
    spectra, _ = spectra_of(frames, waveform[None].astype("float32"), [900])

    def mel(frequency):
        return 2595 * np.log10(1 + frequency / 700)

    band = (mel(hertz) - mel(LOWEST_HZ)) / (mel(4000) - mel(LOWEST_HZ)) * 14 - 1  # centres are whole numbers
    assert (np.abs(spectra[0].argmax(axis=1) - band) <= 0.5 + 1e-3).all()


# --- spectra ---


@every_stacking
def test_spectra_are_those_of_their_definition(frames):
    waveform = noise(200)
    spectra, steps = spectra_of(frames, waveform[None], [200])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(40) / 40)
    expected = []
    for start in range(0, steps[0] * frames.hop, frames.step):
        power = np.abs(np.fft.rfft(waveform[start : start + 40] * window, 128)) ** 2 / (window**2).sum()
        expected.append(np.log(power @ mel_weights(frames) + QUIETEST))
    np.testing.assert_allclose(spectra.reshape(-1, 5), expected, rtol=1e-4, atol=1e-4)


def test_stacked_spectra_are_single_ones_side_by_side():
    waveforms = noise(3, 200)
    single, _ = spectra_of(FRAMES, waveforms, [200] * 3)
    stacked, steps = spectra_of(STACKED, waveforms, [200] * 3)
    assert steps == [3] * 3
    np.testing.assert_allclose(stacked.reshape(3, 9, 5), single[:, :9], atol=1e-6)


def test_spectra_are_told_in_deviations_from_the_mean():
    mean, deviation = [-3.0, -2.0, -1.0, 0.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    waveforms, lengths = noise(2, 130), np.array([130, 90], "int32")
    plain, _ = LogMel(STACKED, "none")(waveforms, lengths)
    told, _ = LogMel(STACKED, "none").normalize(mean, deviation, lowest=-9.0)(waveforms, lengths)
    np.testing.assert_allclose(told, (plain - np.tile(mean, 3)) / np.tile(deviation, 3), rtol=1e-4, atol=1e-4)


# --- levels ---


@pytest.mark.parametrize("level", ["whole", "past"])
def test_a_recording_may_be_louder_or_quieter(level):
    waveforms = noise(1, 300)
    scale = {"mean": [0.0] * 5, "deviation": [1.0] * 5, "lowest": -12.0}
    layer = LogMel(FRAMES, level).normalize(**scale)
    told = [layer(factor * waveforms, np.array([300]))[0] for factor in (1.0, 0.1)]
    np.testing.assert_allclose(*told, atol=1e-3)
    assert (
        float(np.abs(spectra_of(FRAMES, waveforms, [300])[0] - spectra_of(FRAMES, 0.1 * waveforms, [300])[0]).min()) > 4
    )


def test_the_level_is_that_of_the_loudest_window():
    waveforms = noise(1, 304) * np.repeat([0.01, 1.0, 0.1, 0.01], 76).astype("float32")
    mel, _ = LogMel(FRAMES, "none")(waveforms, np.array([304]))
    level = np.logaddexp.reduce(mel[0], axis=1)
    for kind, expected in (("whole", np.full(len(level), level.max())), ("past", np.maximum.accumulate(level))):
        told, _ = spectra_of(FRAMES, waveforms, [304], kind)
        np.testing.assert_allclose(told[0], np.maximum(mel[0] - expected[:, None], -RANGE), atol=1e-4)


def test_silence_is_not_made_loud():
    layer = LogMel(FRAMES, "whole").normalize([0.0] * 5, [1.0] * 5, lowest=-3.0)
    told, _ = layer(0.001 * noise(1, 300), np.array([300]))
    assert told.numpy().max() < -5


@pytest.mark.parametrize("time", [1, 2, 7, 8, 9, 100])
def test_the_running_maximum_is_that_of_numpy(time):
    values = np.random.default_rng(time).normal(size=(3, time)).astype("float32")
    np.testing.assert_array_equal(running_maximum(tf.constant(values)), np.maximum.accumulate(values, axis=1))


def test_another_level_is_refused():
    with refusal("`level` must be one of 'whole', 'past', 'none'. Received: level='all'."):
        LogMel(FRAMES, "all")


# --- rows ---


@pytest.mark.parametrize("level", LEVELS)
@every_stacking
@given(lengths=st.lists(st.integers(0, 170), min_size=1, max_size=5), padding=st.integers(0, 90), data=st.data())
@settings(max_examples=25, deadline=None)
def test_neighbours_and_what_follows_a_row_never_change_it(frames, level, lengths, padding, data):
    waveforms = noise(len(lengths), max(lengths) + padding, seed=data.draw(st.integers(0, 99)))  # garbage after the end
    together, steps = spectra_of(frames, waveforms, lengths, level)
    assert steps == [max(frames.count(length), 1) for length in lengths]
    for row, length in enumerate(lengths):
        alone, (count,) = spectra_of(frames, waveforms[row : row + 1, :length], [length], level)
        np.testing.assert_allclose(together[row, :count], alone[0], atol=1e-5)


@every_stacking
def test_a_row_that_fills_no_step_has_one_that_ends_with_zeros(frames):
    waveforms = noise(3, 30)
    spectra, steps = spectra_of(frames, waveforms, [30, 1, 0])
    assert steps == [1, 1, 1]
    filled = np.pad(waveforms * (np.arange(30) < np.array([[30], [1], [0]])), [[0, 0], [0, frames.span - 30]])
    np.testing.assert_allclose(spectra, spectra_of(frames, filled, [frames.span] * 3)[0], atol=1e-6)
    np.testing.assert_allclose(spectra[2], np.full((1, 5 * frames.stacked), np.log(QUIETEST)), rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 0), (0, 100), (2, 0)])
def test_a_batch_without_rows_or_samples_has_one_step(shape):
    spectra, steps = spectra_of(STACKED, np.zeros(shape, "float32"), [0] * shape[0])
    assert spectra.shape == (shape[0], 1, 15)
    assert steps == [1] * shape[0]


def test_what_is_no_sample_counts_as_silence_and_what_is_too_loud_as_full_scale():
    waveforms = noise(4, 100)
    clean = waveforms.copy()
    for row, (wrong, right) in enumerate([(np.nan, 0), (np.inf, 0), (-np.inf, 0), (1e30, 1)]):
        waveforms[row, 37:59:3], clean[row, 37:59:3] = wrong, right
    spectra, _ = spectra_of(FRAMES, waveforms, [100] * 4)
    assert np.isfinite(spectra).all()
    np.testing.assert_array_equal(spectra, spectra_of(FRAMES, clean, [100] * 4)[0])


# --- a layer like any other ---


@every_stacking
def test_it_is_the_same_after_a_round_trip_through_a_file(frames, tmp_path):
    waveforms, lengths = keras.Input((None,)), keras.Input((), dtype="int32")
    layer = LogMel(frames, "past").normalize([1.0, 2.0, 3.0, 4.0, 5.0], [2.0] * 5, lowest=-7.0)
    model = keras.Model([waveforms, lengths], layer(waveforms, lengths))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    batch = [noise(2, 150), np.array([150, 77], "int32")]
    for told, expected in zip(loaded(batch), model(batch), strict=True):
        np.testing.assert_array_equal(told, expected)
    assert model.output_shape == [(None, None, 5 * frames.stacked), (None,)]
    assert not model.trainable_weights
