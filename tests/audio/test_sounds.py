"""Waveforms of many recordings go to disk, come back, and are padded with silence."""

import numpy as np
import pytest
import soundfile
from refusals import refusal

from seqapps.audio import reading, sounds
from seqapps.audio.sounds import Sounds

RATE, LONG = 8000, 60.0  # Hz, seconds
LENGTHS = (101, 7, 53)


@pytest.fixture
def paths(tmp_path):
    """Three recordings of different lengths, kinds and rates."""
    generator, found = np.random.default_rng(0), []
    kinds = zip(LENGTHS, ("wav", "flac", "wav"), (RATE, RATE, 2 * RATE), strict=True)
    for number, (length, ending, rate) in enumerate(kinds):
        found.append(tmp_path / f"{number}.{ending}")
        soundfile.write(found[-1], generator.uniform(-0.5, 0.5, length * rate // RATE), rate)
    return found


def test_recordings_come_back_from_disk_as_they_are_read(tmp_path, paths):
    found = sounds.write(iter(paths), RATE, LONG, tmp_path / "samples")
    assert len(found) == 3
    assert found.lengths.tolist() == list(LENGTHS)
    assert found.starts.tolist() == [0, 101, 108, 161]
    for path, start, stop in zip(paths, found.starts, found.starts[1:], strict=False):
        assert (found.samples[start:stop] == reading.read(path, RATE, LONG)).all()
    assert isinstance(found.samples, np.memmap)
    assert found.samples.dtype == "float32"
    assert not found.samples.flags.writeable
    assert (tmp_path / "samples").stat().st_size == 4 * sum(LENGTHS)


def test_the_path_of_the_file_may_be_text(tmp_path, paths):
    assert len(sounds.write(map(str, paths), RATE, LONG, str(tmp_path / "samples"))) == 3


def test_seconds_and_rate_hold_for_every_recording(tmp_path, paths):
    found = sounds.write(paths, 2 * RATE, 20 / RATE, tmp_path / "samples")
    assert found.lengths.tolist() == [40, 14, 40]


def test_no_recording_makes_an_empty_file(tmp_path):
    found = sounds.write([], RATE, LONG, tmp_path / "samples")
    assert (len(found), found.lengths.tolist(), found.samples.dtype) == (0, [], "float32")
    assert (tmp_path / "samples").read_bytes() == b""


def test_recordings_are_read_one_at_a_time(tmp_path, paths):
    asked = []

    def one_by_one():
        for path in paths:
            asked.append(path)
            yield path
            path.unlink()  # read by now

    assert sounds.write(one_by_one(), RATE, LONG, tmp_path / "samples").lengths.tolist() == list(LENGTHS)
    assert asked == paths


def test_an_old_file_is_replaced_and_stays_whole_where_it_is_in_use(tmp_path, paths):
    old = sounds.write(paths, RATE, LONG, tmp_path / "samples")
    before = old.samples.tolist()
    new = sounds.write(paths[1:2], RATE, LONG, tmp_path / "samples")
    assert (len(new), len(new.samples)) == (1, 7)
    assert old.samples.tolist() == before


def test_a_recording_that_is_refused_leaves_the_old_file_and_no_other(tmp_path, paths):
    sounds.write(paths, RATE, LONG, tmp_path / "samples")
    before = (tmp_path / "samples").read_bytes()
    files = sorted(tmp_path.iterdir())
    missing = tmp_path / "missing.wav"
    with refusal(f"There is no file {str(missing)!r}.", FileNotFoundError):
        sounds.write([paths[1], missing], RATE, LONG, tmp_path / "samples")
    assert (tmp_path / "samples").read_bytes() == before
    assert sorted(tmp_path.iterdir()) == files


def in_memory(rows):
    return Sounds(np.array([value for row in rows for value in row], "float32"), np.cumsum([0, *map(len, rows)]))


ROWS = [[0.25, -0.5], [0.75], [0.125, -0.125, 0.5], []]


@pytest.mark.parametrize(
    ("rows", "expected", "lengths"),
    [
        ([0], [[0.25, -0.5]], [2]),
        ([2, 1], [[0.125, -0.125, 0.5], [0.75, 0, 0]], [3, 1]),
        ([1, 0, 1], [[0.75, 0], [0.25, -0.5], [0.75, 0]], [1, 2, 1]),
        ([3], [[0]], [0]),
        ([3, 1], [[0], [0.75]], [0, 1]),
    ],
)
def test_recordings_are_padded_right_with_zeros_to_the_longest(rows, expected, lengths):
    batch, counts = in_memory(ROWS).padded(np.array(rows))
    assert batch.tolist() == expected
    assert counts.tolist() == lengths
    assert (batch.dtype, counts.dtype) == ("float32", "int32")


def test_no_rows_make_an_empty_batch():
    batch, counts = in_memory(ROWS).padded(np.zeros(0, "int64"))
    assert (batch.shape, counts.shape, counts.dtype) == ((0, 1), (0,), "int32")


def test_a_batch_is_a_copy_that_may_be_changed(tmp_path, paths):
    found = sounds.write(paths, RATE, LONG, tmp_path / "samples")
    batch, _ = found.padded(np.arange(3))
    batch[:] = 7
    assert np.abs(found.padded(np.arange(3))[0]).max() < 1
