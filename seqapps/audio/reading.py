"""Recordings: WAV, FLAC and OGG become one channel at one sample rate, or are refused in one line."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
import soxr

from seqapps import checks

ENDINGS = (".wav", ".flac", ".ogg", ".oga")
FORMATS = ("WAV", "WAVEX", "RF64", "NIST", "FLAC", "OGG")  # what such files hold; some corpora call NIST .wav
UNKNOWN_LENGTH = 2**63 - 1  # frames; what libsndfile says of a FLAC stream whose header leaves the length open
FRAMES_AT_ONCE = 2**14
FULL_SCALE = 127 / 128  # the highest value of 8-bit samples; that of wider ones is nearer to 1
ADVICE = "Leave the recording out or record it again"
ANEW = "Convert it anew, or leave it out."


def read(path: str | Path, sample_rate: int, max_seconds: float) -> np.ndarray:
    """Read a recording: the mean of its channels, at another rate if need be.

    Integers are divided by the power of two that makes the lowest one -1; the middle of 8-bit WAV is 128. Floats are
    taken as they are, unless one of them is beyond ±1, as also happens in OGG: then all of them are divided by the
    largest magnitude. WAV and OGG that were cut off are read as far as they go; other damage is an error. The rate is
    changed with the high-quality recipe of soxr, which keeps what lies below 91 % of half the lower rate; `n` samples
    become `n * sample_rate / rate_of(path)`, rounded.

    Args:
        path: A file that ends in one of `ENDINGS`, in small or capital letters.
        sample_rate: Of the answer, in Hz.
        max_seconds: What comes after so many seconds is neither decoded nor judged.

    Returns:
        `(samples,)` float32 in [-1, 1], at least one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no recording, is too short, or nothing can be heard in it (see `check_heard`).

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "stereo.wav")
    ...     soundfile.write(path, np.array([[0, 0.5], [0.5, 0.5], [-0.25, 0]]), 8000)
    ...     read(path, sample_rate=8000, max_seconds=1).tolist()
    [0.25, 0.5, -0.125]
    """
    checks.check_integer("sample_rate", sample_rate, minimum=1)
    checks.check_number("max_seconds", max_seconds, minimum=1 / sample_rate, advice="One sample is the least.")
    with _opened(path) as sound:
        rate = sound.samplerate
        samples = _mono(sound, str(path), math.ceil(max_seconds * rate))
    if rate != sample_rate:
        count = len(samples)
        samples = np.clip(soxr.resample(samples, rate, sample_rate, quality="HQ"), -1, 1)  # steps overshoot
        if not len(samples):
            raise ValueError(
                f"{path}: expected at least one sample at {sample_rate} Hz. "
                f"Received: fewer, from {count} at {rate} Hz. {ADVICE}."
            )
    return samples[: round(max_seconds * sample_rate)]


def rate_of(path: str | Path) -> int:
    """The rate of a recording in Hz, from its header: nothing is decoded.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no recording.
    """
    with _opened(path) as sound:
        return sound.samplerate


def seconds_of(path: str | Path) -> float:
    """How long a recording is, from its header: nothing is decoded.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no recording.
    """
    with _opened(path) as sound:
        return sound.frames / sound.samplerate


def check_heard(samples: np.ndarray, name: str) -> None:
    """Refuse samples in which nothing can be heard.

    That is: none at all; one that is NaN or infinite; all of them equal; or more than half of them at the highest or
    the lowest value that occurs, where that value is at full scale.

    Args:
        samples: `(samples,)` in [-1, 1], before their rate was changed: that would spread constants and limits.
        name: What messages call the recording.

    Raises:
        ValueError: With the reason.

    Example:

    >>> check_heard(np.zeros(16), "night.wav")
    Traceback (most recent call last):
    ValueError: night.wav: expected sound. Received: silence, as all samples (16) are 0.
    Leave the recording out or record it again.
    """
    if not len(samples):
        raise ValueError(f"{name}: expected sound. Received: no samples. {ADVICE}.")
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(f"{name}: the samples must be finite. Received: {samples[first]}, sample {first}. {ADVICE}.")
    low, high = samples.min(), samples.max()
    if low == high:
        raise ValueError(
            f"{name}: expected sound. Received: silence, as all samples ({len(samples)}) are {low:g}. {ADVICE}."
        )
    limits = [limit for limit in (low, high) if abs(limit) >= FULL_SCALE]
    clipped = np.isin(samples, limits).mean()
    if clipped > 0.5:
        raise ValueError(
            f"{name}: expected sound. Received: {clipped:.0%} of the samples at full scale, so it was recorded "
            f"too loudly and is lost. {ADVICE}, at a lower level."
        )


@contextmanager
def _opened(path: str | Path) -> Iterator[soundfile.SoundFile]:
    """An open recording; what libsndfile says against it becomes one line, also while it is read."""
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if file.suffix.lower() not in ENDINGS:
        raise ValueError(
            f"{path}: the name must end in one of {checks.listing(ENDINGS)}. Received: {file.suffix!r}. "
            "Convert the recording."
        )
    with file.open("rb") as content:  # says so if it may not be read, which libsndfile does not
        if not content.read(1):
            raise ValueError(f"{path} is empty: expected a recording in WAV, FLAC or OGG.")
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.removeprefix("Error : ").rstrip(".")
        raise ValueError(f"{path} cannot be read as WAV, FLAC or OGG: {reason}. {ANEW}") from error
    with sound:
        if sound.format not in FORMATS:
            raise ValueError(f"{path}: the recording must be WAV, FLAC or OGG. Received: {sound.format}. Convert it.")
        try:
            yield sound
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path} is damaged or was cut off: it cannot be decoded. {ANEW}") from error


def _mono(sound: soundfile.SoundFile, name: str, most: int) -> np.ndarray:
    """The mean over the channels of the first `most` frames: `(frames,)` float32 in [-1, 1]."""
    if sound.frames == UNKNOWN_LENGTH:
        raise ValueError(
            f"{name}: the header must tell the length. Received: a stream without. Convert it into a file."
        )
    blocks, peak, left = [np.zeros(0, "float32")], 0.0, most
    # Block by block, because all channels of a long recording would take much memory.
    while left and len(block := sound.read(min(left, FRAMES_AT_ONCE), dtype="float32", always_2d=True)):
        peak = max(peak, float(np.abs(block).max()))
        with np.errstate(invalid="ignore"):  # infinities of either sign are NaN, and refused below
            blocks.append(block.mean(axis=1, dtype="float64").astype("float32"))  # (frames, channels) → (frames,)
        left -= len(block)
    samples = np.concatenate(blocks)
    if 1 < peak < math.inf:
        samples /= np.float32(peak)
    if sound.channels > 1 and peak and not samples.any():
        raise ValueError(
            f"{name}: its {sound.channels} channels must not cancel each other out. Received: a mean of 0 throughout. "
            "Keep one of them."
        )
    check_heard(samples, name)
    return samples
