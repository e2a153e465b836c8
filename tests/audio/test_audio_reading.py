"""Recordings of every kind become the waveform that a hand calculation gives."""

import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqapps.audio import reading

RATE, LONG = 8000, 60.0  # Hz, seconds
SECOND = 44100
STEREO = np.array([[1000, 3000], [-3000, -5000], [32767, -32768], [7, 0]], "int16")
WAV = {1: "PCM_U8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}  # by bytes of a sample


def wav(content, width, channels=1, rate=RATE, code=1, promised=None):
    """A WAV file, byte by byte: 44 bytes of header, and the samples as they are."""
    frame = width * channels
    size = len(content) if promised is None else promised
    form = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, 8 * width)
    data = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + content
    return b"RIFF" + struct.pack("<I", 4 + len(data)) + b"WAVE" + data


def noise(frames, channels=1, seed=0):
    """16-bit samples, loud but not too loud."""
    shape = (frames, channels) if channels > 1 else frames
    return np.random.default_rng(seed).integers(-20000, 20001, shape).astype("int16")


def sine(frequency, rate, seconds=1.0, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def written(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def read_own(path, max_seconds=LONG):
    """A recording at its own rate."""
    return reading.read(path, reading.rate_of(path), max_seconds)


def amplitude_of(samples, frequency, rate):
    """How strong one frequency is in the middle half, by projection on it."""
    middle = np.arange(len(samples) // 4, 3 * len(samples) // 4)
    wave = np.exp(-2j * np.pi * frequency * middle / rate)
    return 2 * abs(np.mean(samples[middle].astype("float64") * wave))


# --- the scale of samples ---


@pytest.mark.parametrize(
    ("width", "content", "expected"),
    [
        (1, bytes([128, 0, 255, 192, 127]), [0, -1, 127 / 128, 64 / 128, -1 / 128]),
        (2, struct.pack("<4h", 0, -(2**15), 2**15 - 1, 1), [0, -1, 32767 / 32768, 1 / 32768]),
        (3, bytes([0, 0, 0, 0, 0, 128, 255, 255, 127, 1, 0, 0]), [0, -1, 1 - 2**-23, 2**-23]),
        (4, struct.pack("<4i", 0, -(2**31), 2**30, 256), [0, -1, 0.5, 2**-23]),
    ],
)
def test_integers_are_divided_by_the_power_of_two_that_makes_the_lowest_one_minus_one(
    tmp_path, width, content, expected
):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(content, width))
    samples = reading.read(path, RATE, LONG)
    assert samples.dtype == "float32"
    assert samples.tolist() == expected  # all of them are exact in float32


@pytest.mark.parametrize(("subtype", "tolerance"), [(name, 2.0 ** (1 - 8 * width)) for width, name in WAV.items()])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
def test_every_width_is_the_same_sound_also_behind_an_extensible_header(tmp_path, kind, subtype, tolerance):
    wave = sine(440, RATE)
    path = written(tmp_path / "a.wav", wave, format=kind, subtype=subtype)
    np.testing.assert_allclose(reading.read(path, RATE, LONG), wave, atol=max(tolerance, 1e-7))


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_compressed_wav_is_read_too(tmp_path, subtype):
    path = written(tmp_path / "a.wav", sine(440, RATE), subtype=subtype)
    assert amplitude_of(reading.read(path, RATE, LONG), 440, RATE) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, -0.25, 0], [0.5, -0.25, 0]),
        ([1, -1, 0.5, 0.25], [1, -1, 0.5, 0.25]),
        ([2, -4, 1], [0.5, -1, 0.25]),  # beyond 1: divided by the peak
        ([32768, -16384, 0], [1, -0.5, 0]),  # integers that were saved as floats
        ([3e38, -1.5e38, 0], [1, -0.5, 0]),
    ],
)
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_stay_as_they_are_unless_their_peak_is_above_one(tmp_path, subtype, values, expected):
    path = written(tmp_path / "a.wav", np.array(values, "float64"), subtype=subtype)
    np.testing.assert_allclose(reading.read(path, RATE, LONG), expected, rtol=1e-6)


def test_the_peak_is_that_of_all_channels(tmp_path):
    path = written(tmp_path / "a.wav", np.array([[4.0, 0], [0, 2], [1, 1]]), subtype="FLOAT")
    assert reading.read(path, RATE, LONG).tolist() == [0.5, 0.25, 0.25]
    huge = np.array([[3e38, 3e38], [-3e38, 0], [0, 0]])  # their sum is beyond float32
    path = written(tmp_path / "b.wav", huge, subtype="FLOAT")
    np.testing.assert_allclose(reading.read(path, RATE, LONG), [1, -0.5, 0], rtol=1e-6)


def test_lossy_sound_that_comes_out_louder_than_it_went_in_is_divided_by_its_peak(tmp_path):
    path = written(tmp_path / "a.ogg", np.sign(sine(100, RATE)) * np.abs(sine(3, RATE, amplitude=0.999)))
    raw = soundfile.read(path, dtype="float32")[0]
    assert np.abs(raw).max() > 1
    np.testing.assert_allclose(reading.read(path, RATE, LONG), raw / np.abs(raw).max(), rtol=1e-6)


# --- channels ---


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_channels_are_averaged_not_added(tmp_path, ending):
    path = written(tmp_path / f"a.{ending}", STEREO)
    expected = [2000 / 32768, -4000 / 32768, -0.5 / 32768, 3.5 / 32768]
    assert reading.read(path, RATE, LONG).tolist() == expected


def test_many_channels_are_averaged_and_their_order_does_not_matter(tmp_path):
    frames = noise(1009, channels=7)
    one = reading.read(written(tmp_path / "a.wav", frames), RATE, LONG)
    other = reading.read(written(tmp_path / "b.wav", frames[:, ::-1]), RATE, LONG)
    np.testing.assert_allclose(one, frames.mean(axis=1) / 32768, atol=1e-7)
    np.testing.assert_allclose(one, other, atol=1e-7)


def test_equal_channels_are_one_channel(tmp_path):
    frames = noise(1009)
    doubled = written(tmp_path / "b.wav", np.stack([frames, frames], axis=1))
    assert (reading.read(doubled, RATE, LONG) == frames / np.float32(32768)).all()


# --- files ---


@pytest.mark.parametrize("name", ["a.wav", "a.WAV", "a.flac", "a.Flac", "a.ogg", "a.oga", "däz 1.ogg"])
def test_the_usual_endings_are_read_in_small_and_capital_letters(tmp_path, name):
    kinds = {".oga": "OGG", ".ogg": "OGG", ".wav": "WAV", ".flac": "FLAC"}
    path = tmp_path / name
    written(path, sine(440, RATE), format=kinds[path.suffix.lower()])
    assert path.suffix.lower() in reading.ENDINGS
    for each in (path, str(path)):
        assert reading.rate_of(each) == RATE
        assert amplitude_of(reading.read(each, RATE, LONG), 440, RATE) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize(("name", "kind", "subtype"), [("a.wav", "NIST", "PCM_16"), ("a.ogg", "OGG", "OPUS")])
def test_what_else_goes_by_these_endings_is_read_too(tmp_path, name, kind, subtype):
    path = written(tmp_path / name, sine(440, 48000), 48000, format=kind, subtype=subtype)
    samples = reading.read(path, RATE, LONG)
    assert len(samples) == RATE
    assert amplitude_of(samples, 440, RATE) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("rate", [1, 7999, 11025, 44100, 192000])
@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_the_rate_of_a_file_is_told_in_hertz(tmp_path, ending, rate):
    assert reading.rate_of(written(tmp_path / f"a.{ending}", noise(7), rate)) == rate


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_a_recording_of_many_blocks_is_read_without_seams(tmp_path, ending):
    frames = noise(3 * reading.FRAMES_AT_ONCE + 17, channels=2)
    path = written(tmp_path / f"a.{ending}", frames)
    raw = soundfile.read(path, dtype="float64")[0]
    np.testing.assert_allclose(read_own(path), raw.mean(axis=1) / max(1, np.abs(raw).max()), atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["wav", "flac"]), arrays("int16", st.integers(2, 300)))
def test_sixteen_bits_come_back_exactly(tmp_path_factory, ending, samples):
    samples = np.concatenate([samples, [0, 1, 0, -1] * len(samples)]).astype("int16")  # never silent, never clipped
    path = written(tmp_path_factory.getbasetemp() / f"round-trip.{ending}", samples)
    assert (reading.read(path, RATE, LONG) * 32768).tolist() == samples.tolist()


# --- how much is read ---


@pytest.mark.parametrize("missing", [1, 2, 3, 1001])
def test_a_wav_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path, missing):
    frames = noise(2003, channels=2)
    path = tmp_path / "a.wav"
    path.write_bytes(wav(frames.tobytes(), 2, channels=2)[:-missing])
    whole = frames[: (frames.nbytes - missing) // 4]
    np.testing.assert_allclose(reading.read(path, RATE, LONG), whole.mean(axis=1) / 32768, atol=1e-7)


def test_an_ogg_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    path = written(tmp_path / "a.ogg", noise(20 * RATE))
    whole, content = reading.read(path, RATE, LONG), path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    part = reading.read(path, RATE, LONG)
    assert 5 * RATE < len(part) < 15 * RATE
    # Vorbis comes out louder than it went in, so either is divided by its own peak.
    np.testing.assert_allclose(
        part / np.abs(part).max(), whole[: len(part)] / np.abs(whole[: len(part)]).max(), atol=1e-6
    )


@pytest.mark.parametrize("promised", [2**32 - 1, 2**31 - 1, 4096])
def test_a_wav_file_that_promises_more_than_it_holds_is_read_to_its_end(tmp_path, promised):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(noise(1009).tobytes(), 2, promised=promised))
    assert (reading.read(path, RATE, LONG) == noise(1009) / np.float32(32768)).all()


def test_what_follows_the_sound_in_a_wav_file_is_not_sound(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(noise(1009).tobytes(), 2) + b"LIST" + struct.pack("<I", 400) + b"loud" * 100)
    assert len(reading.read(path, RATE, LONG)) == 1009


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
@pytest.mark.parametrize(("seconds", "expected"), [(0.25, 2000), (0.1, 800), (1 / 8000, 1), (0.9999, 7999), (1, 8000)])
def test_no_more_than_the_first_seconds_are_read(tmp_path, ending, seconds, expected):
    path = written(tmp_path / f"a.{ending}", np.concatenate([[300, -300], noise(9998)]).astype("int16"))
    if expected == 1:  # a single sample is no sound
        with pytest.raises(ValueError, match="silence"):
            reading.read(path, RATE, seconds)
    else:
        assert (reading.read(path, RATE, seconds) == read_own(path)[:expected]).all()
        assert len(reading.read(path, RATE, seconds)) == expected


def test_what_comes_after_the_first_seconds_is_not_decoded(tmp_path):
    path = written(tmp_path / "a.flac", noise(10 * RATE))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert (reading.read(path, RATE, 2) == noise(10 * RATE)[: 2 * RATE] / np.float32(32768)).all()


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("seconds", [0.1, 0.333, 0.5])
def test_all_longer_recordings_have_the_same_length_whatever_their_rate(tmp_path, rate, seconds):
    path = written(tmp_path / "a.wav", noise(rate), rate)
    assert len(reading.read(path, 16000, seconds)) == round(16000 * seconds)


# --- another rate ---


@pytest.mark.parametrize(("rate", "sample_rate"), [(44100, 16000), (48000, 16000), (8000, 16000), (11025, 8000)])
@pytest.mark.parametrize("frequency", [100, 1000, 3640])
def test_a_sine_keeps_its_frequency_and_amplitude_at_another_rate(tmp_path, rate, sample_rate, frequency):
    path = written(tmp_path / "a.wav", sine(frequency, rate), rate, subtype="FLOAT")
    samples = reading.read(path, sample_rate, LONG)
    assert samples.dtype == "float32"
    assert len(samples) == sample_rate
    assert amplitude_of(samples, frequency, sample_rate) == pytest.approx(0.5, rel=0.01)
    middle = slice(sample_rate // 4, 3 * sample_rate // 4)
    np.testing.assert_allclose(samples[middle], sine(frequency, sample_rate)[middle], atol=0.005)  # and its phase


@pytest.mark.parametrize("frequency", [8100, 9000, 15000, 20000])
def test_what_is_above_half_the_new_rate_vanishes(tmp_path, frequency):
    path = written(tmp_path / "a.wav", sine(frequency, SECOND), SECOND, subtype="FLOAT")
    samples = reading.read(path, 16000, LONG)
    assert np.abs(samples[4000:12000]).max() < 0.5 / 1000


@pytest.mark.parametrize("count", [3, 100, 1001, 44101])
@pytest.mark.parametrize(("rate", "sample_rate"), [(44100, 16000), (16000, 44100), (11025, 16000), (48000, 16000)])
def test_the_length_changes_as_the_rate_does(tmp_path, rate, sample_rate, count):
    path = written(tmp_path / "a.wav", noise(count), rate)
    assert len(reading.read(path, sample_rate, LONG)) == int(count * sample_rate / rate + 0.5)


def test_the_same_rate_changes_nothing(tmp_path):
    path = written(tmp_path / "a.wav", noise(1009), 44100)
    assert (reading.read(path, 44100, LONG) == noise(1009) / np.float32(32768)).all()


def test_steps_at_full_scale_never_come_out_beyond_one(tmp_path):
    wave = np.sign(sine(97, SECOND)) * np.where(np.arange(SECOND) % 2, 1, 0.97)
    path = written(tmp_path / "a.wav", wave, SECOND, subtype="FLOAT")
    assert np.abs(reading.read(path, 16000, LONG)).max() == 1


def test_a_level_under_the_sound_stays(tmp_path):
    path = written(tmp_path / "a.wav", 0.25 + sine(440, SECOND, amplitude=0.125), SECOND, subtype="FLOAT")
    assert reading.read(path, 16000, LONG)[4000:12000].mean() == pytest.approx(0.25, abs=0.001)
