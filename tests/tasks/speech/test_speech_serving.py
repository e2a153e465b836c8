"""Every signature answers every sound: each row on its own, whatever its neighbours, its length and its bytes."""

import numpy as np
import pytest
import tensorflow as tf
from toy_speech import RATE, SECONDS, TEMPERATURE, WORDS, bundle, listener, noise, whole

from seqapps import export
from seqapps.audio.sounds import Sounds
from seqapps.config import CELL_NAMES
from seqapps.tasks.speech import serving
from seqapps.tasks.speech.serving.streaming import Stream

KINDS = {
    "classify": {},
    "last of both": {"pooling": "last", "bidirectional": True, "stack_frames": 2},
    "transcribe": {"mode": "transcribe"},
    "beam": {"mode": "transcribe", "beam_width": 5, "bidirectional": True, "tokenizer": "word"},
}
every_kind = pytest.mark.parametrize("kind", KINDS)
MOST = round(RATE * SECONDS)


def pcm16(waveform):
    return np.round(waveform * 32768).clip(-32768, 32767).astype("<i2").tobytes()


def of_bytes(answers, rows):
    return {name: value.numpy() for name, value in answers.serving_default(tf.constant(rows, tf.string)).items()}


def assert_alike(told, expected, rows=slice(None)):
    assert set(told) == set(expected)
    for name, value in told.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, expected[name][rows], rtol=1e-4, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(value, expected[name][rows], err_msg=name)


@pytest.mark.parametrize("cell", CELL_NAMES)
@every_kind
def test_a_row_alone_is_answered_as_in_a_batch(cell, kind):
    answers, waveforms, lengths = bundle(cell=cell, **KINDS[kind]), noise(5, 430), [430, 211, 20, 1, 0]
    together = whole(answers, np.pad(waveforms, [[0, 0], [0, 77]], constant_values=0.9), lengths)
    for row, length in enumerate(lengths):
        assert_alike(whole(answers, waveforms[row : row + 1, :length], [length]), together, slice(row, row + 1))


@every_kind
def test_bytes_are_answered_as_the_samples_they_stand_for(kind):
    answers, waveforms, lengths = bundle(**KINDS[kind]), np.round(noise(3, 430) * 32768) / 32768, [430, 211, 1]
    waveforms[0, :4] = [-1, 32767 / 32768, 0, -1 / 32768]  # the extremes and the smallest step
    rows = [pcm16(each[:length]) for each, length in zip(waveforms, lengths, strict=True)]
    assert rows[0][:8] == b"\x00\x80\xff\x7f\x00\x00\xff\xff"
    assert_alike(of_bytes(answers, rows), whole(answers, waveforms, lengths))


@every_kind
def test_every_sound_gets_an_answer_of_its_own(kind):
    answers, loud = bundle(**KINDS[kind]), pcm16(noise(300))
    rows = [loud, b"", b"\x01", b"\x01\x02", b"\x00" * 600, b"\xff\x7f" * 300, loud + b"\x07", loud * 99]
    told = of_bytes(answers, rows)
    assert all(value.shape[0] == 8 for value in told.values())
    assert all(np.isfinite(value).all() for value in told.values() if value.dtype.kind == "f")
    for row, each in enumerate(rows):
        assert_alike(of_bytes(answers, [each]), told, slice(row, row + 1))
    assert_alike(of_bytes(answers, [loud]), told, slice(6, 7))  # half a sample at the end is left out
    assert_alike(of_bytes(answers, [b""]), told, slice(2, 3))


@every_kind
def test_what_is_no_number_spoils_no_neighbour(kind):
    answers, waveforms = bundle(**KINDS[kind]), noise(5, 300)
    clean = waveforms.copy()
    for row, (wrong, right) in enumerate([(np.nan, 0), (np.inf, 0), (-np.inf, 0), (1e30, 1)]):
        waveforms[row, 50:90], clean[row, 50:90] = wrong, right
    assert_alike(whole(answers, waveforms, [300] * 5), whole(answers, clean, [300] * 5))


@every_kind
def test_nothing_is_heard_after_the_longest_time(kind):
    answers, waveform = bundle(**KINDS[kind]), np.round(noise(1, MOST + 500) * 32768) / 32768
    expected = whole(answers, waveform[:, :MOST], [MOST])
    assert_alike(whole(answers, waveform, [MOST + 500]), expected)
    assert_alike(of_bytes(answers, [pcm16(waveform[0])]), expected)
    assert_alike(whole(answers, waveform[:, :MOST], [MOST + 9999]), expected)  # a length that there is not


@every_kind
def test_a_length_below_0_is_none(kind):
    answers, waveform = bundle(**KINDS[kind]), noise(1, 300)
    assert_alike(whole(answers, waveform, [-7]), whole(answers, waveform, [0]))


@every_kind
def test_a_batch_without_rows_has_no_answers(kind):
    answers = bundle(**KINDS[kind])
    for told in (of_bytes(answers, []), whole(answers, np.zeros((0, 0)), np.zeros(0, "int32"))):
        assert all(value.shape[0] == 0 for value in told.values())


def test_a_word_is_the_likeliest_at_the_fitted_temperature():
    model, *_ = listener()
    waveforms, lengths = noise(4, 300), np.array([300, 200, 100, 50], "int32")
    told = whole(bundle(), waveforms, lengths)
    expected = tf.nn.softmax(model([waveforms, lengths]) / TEMPERATURE).numpy()
    np.testing.assert_allclose(told["probabilities"], expected, rtol=1e-4)
    assert told["label"].tolist() == [WORDS[row].encode() for row in expected.argmax(axis=1)]
    np.testing.assert_allclose(told["probability"], expected.max(axis=1), rtol=1e-4)
    assert len(set(told["label"].tolist())) > 1


# --- the interface ---

COMMON = {
    "classify": {"label": "string", "probability": "float32", "probabilities": "float32"},
    "transcribe": {"text": "string", "log_probability": "float32"},
}
INPUTS = {
    "serving_default": {"pcm16": "string"},
    "waveform": {"waveform": "float32", "length": "int32"},
    "stream": {"chunk": "float32", "length": "int32", "state": "float32"},
}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("mode", COMMON)
@pytest.mark.slow
def test_a_saved_model_has_the_signatures_of_the_interface_and_answers_elsewhere(mode, bidirectional, tmp_path):
    options = {"mode": mode, "bidirectional": bidirectional}
    _, config, prepared = listener(**options)
    waveforms = np.round(noise(2, 400) * 32768) / 32768
    sounds = sounds_of([waveforms[0], waveforms[1, :250]])
    requests = serving.example_requests(sounds, prepared, config)
    # `save` itself verifies in a process that can import neither seqapps nor Keras.
    folder = export.save(bundle(**options), tmp_path / "export", requests, serving.facts(prepared, config))
    loaded = tf.saved_model.load(str(folder))
    names = ["serving_default", "waveform", *([] if bidirectional else ["stream"])]
    assert sorted(loaded.signatures) == sorted(names)
    for name in names:
        signature = loaded.signatures[name]
        _, inputs = signature.structured_input_signature
        assert {key: spec.dtype.name for key, spec in inputs.items()} == INPUTS[name]
        outputs = COMMON[mode] | ({"state": "float32"} if name == "stream" else {})
        assert {key: spec.dtype.name for key, spec in signature.structured_outputs.items()} == outputs
        assert all(spec.shape[0] is None for spec in [*inputs.values(), *signature.structured_outputs.values()])
    rows = [pcm16(waveforms[0]), b"", b"\x01"]
    assert_alike(of_bytes(loaded, rows), of_bytes(bundle(**options), rows))


def sounds_of(waveforms):
    return Sounds(np.concatenate(waveforms).astype("float32"), np.cumsum([0, *map(len, waveforms)]))


@pytest.mark.parametrize("mode", COMMON)
def test_the_facts_of_a_model_tell_what_a_client_needs(mode):
    _, config, prepared = listener(mode=mode)
    told = serving.facts(prepared, config)
    own = {"classes": list(WORDS)} if mode == "classify" else {"tokenizer": "character", "beam_width": 1}
    expected = {"task": "speech", "mode": mode, "sample_rate": RATE, "max_seconds": SECONDS, "channels": 1}
    assert told | expected | own == told
    assert told["seconds_per_step"] == pytest.approx(0.008)
    _, config, prepared = listener(mode=mode, bidirectional=True)
    assert serving.facts(prepared, config)["stream"] is None


def test_golden_requests_hold_the_sounds_that_break_servers():
    _, config, prepared = listener()
    requests = serving.example_requests(sounds_of([noise(300), noise(200), noise(100)]), prepared, config)
    pcm = requests["serving_default"]["pcm16"].tolist()
    assert {len(each) % 2 for each in pcm} == {0, 1}
    assert {0, 2} <= {len(each) for each in pcm}
    assert any(each and not any(each) for each in pcm)  # silence
    assert np.isnan(requests["waveform"]["waveform"]).any()
    assert 0 in requests["waveform"]["length"]
    assert requests["stream"]["state"].shape == (5, Stream.size_of(config, prepared))
    assert not requests["stream"]["state"].any()
