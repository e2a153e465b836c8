"""A recording heard piece by piece is answered as the whole one, however it is cut."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_speech import RATE, bundle, listener, noise, whole

from seqapps.config import CELL_NAMES
from seqapps.tasks.speech.serving import Stream

KINDS = {
    "last": {"pooling": "last"},
    "last, deep": {"pooling": "last", "units": (5, 3), "stack_frames": 2},
    "last, residual": {"pooling": "last", "num_layers": 2, "residual": True},
    "mean": {"pooling": "mean", "units": (5, 3)},
    "max": {"pooling": "max", "stack_frames": 3},
    "mean and max": {"units": (5, 3), "stack_frames": 2},
    "characters": {"mode": "transcribe"},
    "words": {"mode": "transcribe", "tokenizer": "word", "units": (5, 3), "stack_frames": 2},
}
KINDS |= {"fields": {"mode": "transcribe", "tokenizer": "whitespace", "num_layers": 2, "residual": True}}
every_cell = pytest.mark.parametrize("cell", CELL_NAMES)
every_kind = pytest.mark.parametrize("kind", KINDS)
LONGEST = 300
cuts = st.lists(st.one_of(st.sampled_from([0, 1, 2, 19, 20, 21]), st.integers(0, LONGEST)), min_size=1, max_size=6)


def heard(stream, pieces):
    """The answers after every piece of one recording: `(samples,)` each."""
    state, told = start(stream, 1), []
    for piece in pieces:
        answer = stream(tf.constant(piece[None]), tf.constant([len(piece)]), state)
        state = answer["state"]
        told.append({name: value.numpy()[0] for name, value in answer.items()})
    return told


def start(stream, rows):
    return tf.zeros((rows, stream.input_signature[2].shape[1]))


def agree(told, expected):
    """Whether answers to the pieces are that to the whole: `(1, …)` arrays."""
    if "text" in expected:
        assert b"".join(answer["text"] for answer in told) == expected["text"][0]
        np.testing.assert_allclose(told[-1]["log_probability"], expected["log_probability"][0], rtol=1e-4, atol=1e-4)
    else:
        assert told[-1]["label"] == expected["label"][0]
        np.testing.assert_allclose(told[-1]["probabilities"], expected["probabilities"][0], atol=1e-4)
        assert told[-1]["probability"] == pytest.approx(told[-1]["probabilities"].max())


@every_cell
@every_kind
@given(lengths=cuts, seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_any_pieces_are_answered_as_the_whole(cell, kind, lengths, seed):
    answers = bundle(cell=cell, **KINDS[kind])
    frames = listener(cell=cell, **KINDS[kind])[2].frames
    waveform = noise(max(sum(lengths), 1), seed=seed)[: sum(lengths)]
    pieces = np.split(waveform, np.cumsum(lengths)[:-1])
    told = heard(answers.stream, pieces)
    if "mode" in KINDS[kind] and len(waveform) < frames.span:
        assert [answer["text"] for answer in told] == [b""] * len(told)  # nothing is written before a step is filled
    elif len(waveform) <= RATE:  # of which the whole is read
        agree(told, whole(answers, waveform[None], [len(waveform)]))


@pytest.mark.parametrize("kind", ["last, deep", "mean and max", "characters"])
def test_one_sample_after_the_other_is_answered_as_the_whole(kind):
    answers, waveform = bundle(cell="lstm", **KINDS[kind]), noise(70)
    agree(heard(answers.stream, np.split(waveform, 70)), whole(answers, waveform[None], [70]))


@every_cell
@pytest.mark.parametrize("kind", ["last, deep", "mean and max", "words"])
def test_rows_go_on_independently_and_what_follows_a_row_is_not_heard(cell, kind):
    answers, waveforms = bundle(cell=cell, **KINDS[kind]), noise(3, 250)
    lengths = np.array([[41, 0, 97], [0, 130, 19], [150, 3, 21]])  # (calls, rows)
    state, together = start(answers.stream, 3), []
    for call, counts in enumerate(lengths):
        chunk = np.full((3, 160), 0.5, "float32")  # garbage after the end
        for row, count in enumerate(counts):
            begin = lengths[:call, row].sum()
            chunk[row, :count] = waveforms[row, begin : begin + count]
        answer = answers.stream(tf.constant(chunk), tf.constant(counts, tf.int32), state)
        state = answer["state"]
        together.append({name: value.numpy() for name, value in answer.items()})
    for row in range(3):
        pieces = np.split(waveforms[row, : lengths[:, row].sum()], np.cumsum(lengths[:, row])[:-1])
        for alone, answer in zip(heard(answers.stream, pieces), together, strict=True):
            for name, value in alone.items():
                if not isinstance(value, bytes):
                    np.testing.assert_allclose(answer[name][row], value, atol=1e-4, err_msg=name)
                else:
                    assert answer[name][row] == value


@every_kind
def test_texts_and_words_change_while_they_are_heard(kind):
    told = heard(bundle(cell="gru", **KINDS[kind]).stream, np.split(noise(900, seed=1), 9))
    assert len({answer.get("text", answer.get("probability")) for answer in told}) > 1


@every_kind
def test_a_state_of_garbage_does_not_crash(kind):
    answers = bundle(cell="lstm", **KINDS[kind])
    size = answers.stream.input_signature[2].shape[1]
    generator = np.random.default_rng(0)
    states = generator.normal(scale=[[1.0], [1e3], [1e9], [1e38], [1.0], [1.0]], size=(6, size)).clip(-3e38, 3e38)
    states[3], states[4], states[5, ::2] = np.inf, np.nan, -np.inf
    chunk = noise(7, 130)
    told = answers.stream(tf.constant(chunk), tf.fill([7], 130), tf.constant([*states, np.zeros(size)], tf.float32))
    assert all(value.shape[0] == 7 for value in told.values())
    alone = heard(answers.stream, [chunk[6]])[0]  # the row with a state of its own
    for name, value in alone.items():
        if not isinstance(value, bytes):
            np.testing.assert_allclose(told[name][6], value, atol=1e-4)
        else:
            assert told[name].numpy()[6] == value


def test_a_length_beyond_the_chunk_or_below_0_is_clipped():
    stream, chunk = bundle(cell="gru", pooling="last").stream, noise(2, 130)
    told, expected = (
        stream(tf.constant(chunk), tf.constant(lengths), start(stream, 2))["probabilities"].numpy()
        for lengths in ([999, -5], [130, 0])
    )
    np.testing.assert_array_equal(told, expected)


def test_the_size_of_a_state_is_that_of_its_parts():
    # 19 samples that wait, counts of them and of steps, h and c of 5 and 3 units, sum and maximum of 3 outputs, and the
    # last id, the last token and the log-probability of a transcript, and the level.
    _, config, prepared = listener(cell="lstm", units=(5, 3))
    assert Stream.size_of(config, prepared) == 19 + 2 + 2 * (5 + 3) + 2 * 3 + 4


def test_a_model_in_two_directions_has_no_stream():
    assert set(bundle(cell="gru", bidirectional=True).functions) == {"serving_default", "waveform"}
    assert set(bundle(cell="gru", pooling="last").functions) == {"serving_default", "waveform", "stream"}
