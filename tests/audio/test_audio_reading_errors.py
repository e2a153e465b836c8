"""Whatever is wrong with a recording is said in one line that names it."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refusal

from seqapps.audio import reading

RATE, LONG = 8000, 60.0  # Hz, seconds
AGAIN = "Leave the recording out or record it again."
ANEW = "Convert it anew, or leave it out."
ENDINGS = "'.wav', '.flac', '.ogg', '.oga'"
KINDS = (
    *(("wav", "WAV", "PCM_16"), ("wav", "WAV", "FLOAT"), ("wav", "WAVEX", "PCM_24"), ("wav", "NIST", "PCM_16")),
    *(("flac", "FLAC", "PCM_16"), ("ogg", "OGG", "VORBIS"), ("ogg", "OGG", "OPUS")),
)


def noise(frames):
    return np.random.default_rng(0).uniform(-0.5, 0.5, frames)


def written(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def read(path):
    return reading.read(path, RATE, LONG)


def answer_of(path):
    """A waveform, or the line that refuses the file; any other error is a bug."""
    try:
        return reading.read(path, RATE, 1)
    except ValueError as error:
        return str(error)


def assert_refused(path, answer):
    assert isinstance(answer, str)
    assert answer.startswith(str(path))
    assert "\n" not in answer


# --- no recording ---


@pytest.mark.parametrize("function", [read, reading.rate_of])
def test_a_missing_file_and_a_folder_are_named(tmp_path, function):
    (tmp_path / "folder.wav").mkdir()
    for path in (tmp_path / "a.wav", tmp_path / "folder.wav", str(tmp_path / "a.mp3")):
        with refusal(f"There is no file {str(path)!r}.", FileNotFoundError):
            function(path)


def test_a_file_is_named_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").touch()
    with refusal("./a.wav is empty: expected a recording in WAV, FLAC or OGG."):
        read("./a.wav")
    with refusal("There is no file './b.wav'.", FileNotFoundError):
        read("./b.wav")


@pytest.mark.parametrize("function", [read, reading.rate_of])
@pytest.mark.parametrize(("name", "ending"), [("a.mp3", ".mp3"), ("a.raw", ".raw"), ("a", ""), ("a.wav.txt", ".txt")])
def test_another_ending_is_refused_with_those_that_are_read(tmp_path, function, name, ending):
    path = tmp_path / name
    path.write_bytes(b"abc")
    with refusal(f"{path}: the name must end in one of {ENDINGS}. Received: {ending!r}. Convert the recording."):
        function(path)


@pytest.mark.parametrize("function", [read, reading.rate_of])
@pytest.mark.parametrize("ending", reading.ENDINGS)
def test_an_empty_file_is_called_empty(tmp_path, function, ending):
    path = tmp_path / f"a{ending}"
    path.touch()
    with refusal(f"{path} is empty: expected a recording in WAV, FLAC or OGG."):
        function(path)


@pytest.mark.parametrize("function", [read, reading.rate_of])
@pytest.mark.parametrize("content", [b"a", b"Dear sister,\n" * 1000, b"RIFF", b"<html>404</html>"])
def test_what_is_no_sound_is_refused_with_what_would_be(tmp_path, function, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with refusal(f"{path} cannot be read as WAV, FLAC or OGG: Format not recognised. {ANEW}"):
        function(path)


@pytest.mark.parametrize("kind", ["AIFF", "AU", "MP3"])
def test_another_format_under_a_usual_ending_is_refused_by_name(tmp_path, kind):
    path = written(tmp_path / "a.wav", noise(5000), format=kind)
    with refusal(f"{path}: the recording must be WAV, FLAC or OGG. Received: {kind}. Convert it."):
        read(path)


# --- damage ---


def test_damaged_flac_is_refused_rather_than_cut(tmp_path):
    content = written(tmp_path / "a.flac", noise(5 * RATE)).read_bytes()
    path = tmp_path / "b.flac"
    path.write_bytes(content[: len(content) // 2])
    with refusal(f"{path} is damaged or was cut off: it cannot be decoded. {ANEW}"):
        read(path)
    assert reading.rate_of(path) == RATE


def test_flac_that_does_not_tell_its_length_is_refused(tmp_path):
    path = written(tmp_path / "a.flac", noise(RATE))
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the length: 36 bits from the middle of byte 21 of the file on
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with refusal(f"{path}: the header must tell the length. Received: a stream without. Convert it into a file."):
        read(path)


@settings(max_examples=100, deadline=None)
@given(ending=st.sampled_from(reading.ENDINGS), start=st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"\xff\xfb"]),
       content=st.binary(min_size=1, max_size=300))  # fmt: skip
def test_random_bytes_are_refused_and_nothing_else(tmp_path_factory, ending, start, content):
    path = tmp_path_factory.getbasetemp() / f"random{ending}"
    path.write_bytes(start + content)
    assert_refused(path, answer_of(path))


@pytest.mark.parametrize(("ending", "kind", "subtype"), KINDS)
def test_a_recording_with_wrong_bytes_is_sound_or_refused(tmp_path, ending, kind, subtype):
    options = {"format": kind, "subtype": subtype}
    content = written(tmp_path / f"a.{ending}", noise(3001), **options).read_bytes()
    path, generator = tmp_path / f"b.{ending}", np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(content)
        for place in generator.exponential(60, 3).astype(int):  # most of them in the header
            damaged[min(place, len(damaged) - 1)] = generator.choice([0, 1, 127, 128, 255])
        path.write_bytes(damaged[: generator.integers(len(damaged) // 2, 2 * len(damaged))])
        answer = answer_of(path)
        if isinstance(answer, str):
            assert_refused(path, answer)
        else:
            assert (answer.dtype, answer.ndim) == ("float32", 1)
            assert 0 < len(answer) <= RATE
            assert np.abs(answer).max() <= 1  # not so with NaN


# --- nothing to be heard ---


def test_a_header_without_samples_is_refused(tmp_path):
    path = written(tmp_path / "a.wav", np.zeros(0))
    with refusal(f"{path}: expected sound. Received: no samples. {AGAIN}"):
        read(path)
    assert reading.rate_of(path) == RATE


@pytest.mark.parametrize(("level", "shown"), [(0.0, "0"), (0.25, "0.25"), (-1.0, "-1")])
@pytest.mark.parametrize("rate", [RATE, 44100])
@pytest.mark.parametrize("count", [1, 2, 1009])
def test_a_constant_level_is_silence_at_any_rate_and_so_is_a_single_sample(tmp_path, rate, count, level, shown):
    path = written(tmp_path / "a.wav", np.full(count, level), rate, subtype="FLOAT")
    with refusal(f"{path}: expected sound. Received: silence, as all samples ({count}) are {shown}. {AGAIN}"):
        read(path)


def test_silence_that_ends_after_the_seconds_that_are_read_is_silence(tmp_path):
    path = written(tmp_path / "a.wav", np.concatenate([np.zeros(RATE), noise(RATE)]))
    with refusal(f"{path}: expected sound. Received: silence, as all samples (8000) are 0. {AGAIN}"):
        reading.read(path, RATE, 1)
    assert len(reading.read(path, RATE, 1.5)) == 12000


def test_two_samples_can_be_enough(tmp_path):
    path = written(tmp_path / "a.wav", np.array([0.5, -0.25]))
    assert read(path).tolist() == [0.5, -0.25]
    assert len(reading.read(path, 2 * RATE, LONG)) == 4


def test_a_recording_shorter_than_one_sample_at_the_new_rate_is_refused(tmp_path):
    path = written(tmp_path / "a.wav", np.array([0.5, -0.5, 0.25]), 192000)
    with refusal(f"{path}: expected at least one sample at 8000 Hz. Received: fewer, from 3 at 192000 Hz. {AGAIN}"):
        read(path)


def test_channels_that_cancel_each_other_are_named(tmp_path):
    path = written(tmp_path / "a.wav", np.stack([noise(101), -noise(101)], axis=1), subtype="FLOAT")
    with refusal(
        f"{path}: its 2 channels must not cancel each other out. Received: a mean of 0 throughout. Keep one of them."
    ):
        read(path)
    silent = written(tmp_path / "b.wav", np.zeros((101, 2)))
    with refusal(f"{silent}: expected sound. Received: silence, as all samples (101) are 0. {AGAIN}"):
        read(silent)


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
@pytest.mark.parametrize("place", [0, 17, 999])
def test_a_sample_that_is_no_finite_number_is_refused_with_its_place(tmp_path, value, shown, place):
    for loudest in (0.5, 7):
        samples = noise(1000) * loudest
        samples[place] = value
        path = written(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
        with refusal(f"{path}: the samples must be finite. Received: {shown}, sample {place}. {AGAIN}"):
            read(path)


def test_infinities_of_either_sign_in_two_channels_are_refused(tmp_path):
    path = written(tmp_path / "a.wav", np.array([[0.5, 0.25], [np.inf, -np.inf]]), subtype="FLOAT")
    with refusal(f"{path}: the samples must be finite. Received: nan, sample 1. {AGAIN}"):
        read(path)


def clipped(share, top, bottom, count=1000):
    """Samples of which a share lies at the limits, half at either."""
    samples = np.linspace(bottom / 2, top / 2, count)
    at_limit = round(share * count)
    samples[: at_limit // 2], samples[at_limit // 2 : at_limit] = top, bottom
    return samples


@pytest.mark.parametrize(("width", "top"), [(8, 127 / 128), (16, 1 - 2**-15), (24, 1 - 2**-23), (32, 1.0)])
def test_a_recording_that_is_mostly_at_full_scale_is_lost(tmp_path, width, top):
    subtype = {8: "PCM_U8", 16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}[width]
    path = written(tmp_path / "a.wav", clipped(0.6, top, -1), 44100, subtype=subtype)
    with refusal(
        f"{path}: expected sound. Received: 60% of the samples at full scale, so it was recorded too loudly and is "
        "lost. Leave the recording out or record it again, at a lower level."
    ):
        read(path)


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (clipped(0.5, 1, -1), "no more than half of it is lost"),
        (clipped(0.9, 0.9, -0.9), "below full scale it may be a rectangle"),
        (np.where(np.arange(1000) == 500, 1.0, 0.0), "one click in silence"),
    ],
)
def test_what_is_merely_loud_can_be_heard(samples, why):
    reading.check_heard(samples, why)


def test_one_side_at_full_scale_is_lost_too():
    samples = np.where(np.arange(1000) < 700, -1.0, 0.25)
    text = (
        "row 3: expected sound. Received: 70% of the samples at full scale, so it was recorded too loudly and is lost. "
        "Leave the recording out or record it again, at a lower level."
    )
    with refusal(text):
        reading.check_heard(samples, "row 3")
    with refusal(text):
        reading.check_heard(-samples, "row 3")


# --- options ---


@pytest.mark.parametrize("value", [0, -1, 8000.0, True, None])
def test_a_sample_rate_must_be_whole_and_positive(tmp_path, value):
    with refusal(f"`sample_rate` must be an integer of at least 1. Received: sample_rate={value!r}."):
        reading.read(tmp_path / "a.wav", value, LONG)


@pytest.mark.parametrize("value", [0, -1.5, 0.0001, np.nan, np.inf, None])
def test_seconds_must_make_one_sample_at_least(tmp_path, value):
    with refusal(
        f"`max_seconds` must be a number of at least 0.000125. Received: max_seconds={value!r}. "
        "One sample is the least."
    ):
        reading.read(tmp_path / "a.wav", RATE, value)
