"""The network and its loss: padding changes nothing, and the loss is that of all paths that spell the transcript."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy_speech
from toy_speech import listener, noise

from seqapps.config import CELL_NAMES
from seqapps.tasks.speech.model import BLANK, BlankPadding, PathLoss, loss_of, make_stack, path_losses

KINDS = {
    "last": {"pooling": "last", "units": (5, 3)},
    "mean": {"pooling": "mean", "bidirectional": True},
    "max": {"pooling": "max", "bidirectional": True, "num_layers": 2, "merge_mode": "sum"},
    "mean and max": {"stack_frames": 2},
    "last of both": {"pooling": "last", "bidirectional": True, "residual": True, "num_layers": 2},
    "transcript": {"mode": "transcribe", "units": (5, 3)},
    "transcript, both": {"mode": "transcribe", "bidirectional": True, "stack_frames": 3, "tokenizer": "word"},
}
every_cell = pytest.mark.parametrize("cell", CELL_NAMES)
SAMPLES = np.array([230, 117, 20, 7, 0], "int32")
WAVEFORMS = noise(5, 230)
FIRST_WORD = 4  # after the reserved ids


def logits_of(model, waveforms, lengths):
    return keras.ops.convert_to_numpy(model([waveforms, np.asarray(lengths, "int32")]))


@every_cell
@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_neighbours_change_no_logit(cell, kind):
    model, config, prepared = listener(cell=cell, **KINDS[kind])
    together = logits_of(model, np.pad(WAVEFORMS, [[0, 0], [0, 99]], constant_values=0.5), SAMPLES)
    assert np.isfinite(together).all()
    for row, length in enumerate(SAMPLES):
        (alone,) = logits_of(model, WAVEFORMS[row : row + 1, :length], [length])
        told = together[row, : len(alone)] if prepared.transcribes else together[row]
        np.testing.assert_allclose(told, alone, rtol=1e-4, atol=1e-5)
    if prepared.transcribes:
        steps = max(prepared.frames.count(230), 1)
        assert together.shape == (5, steps, prepared.outputs)
        assert (together[1, prepared.frames.count(117) :].argmax(axis=1) == BLANK).all()
    else:
        assert together.shape == (5, len(toy_speech.WORDS))
        assert make_stack(config).return_sequences == (config.pooling != "last")


@pytest.mark.parametrize(("mode", "loss"), [("classify", "SparseCategoricalCrossentropy"), ("transcribe", "PathLoss")])
def test_the_loss_fits_the_answer(mode, loss):
    *_, prepared = listener(mode=mode)
    assert type(loss_of(prepared)).__name__ == loss


def test_gaps_are_cut_only_where_recordings_are_changed():
    names = [{layer.name for layer in listener(augment=augment)[0].layers} for augment in (True, False)]
    assert names[0] - names[1] == {"changes"}


@pytest.mark.parametrize("kind", ["last", "transcript, both"])
def test_it_is_the_same_after_a_round_trip_through_a_file(kind, tmp_path):
    model, *_ = listener(**KINDS[kind])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = logits_of(model, WAVEFORMS, SAMPLES)
    np.testing.assert_array_equal(logits_of(loaded, WAVEFORMS, SAMPLES), expected)


# --- the loss of transcripts ---


def drawn_logits(*shape, seed=0):
    """Random logits from `BlankPadding`: no path takes a reserved id."""
    logits = np.random.default_rng(seed).normal(scale=2, size=shape).astype("float32")
    return BlankPadding()(logits, np.ones(shape[:2], bool)).numpy()


def reference_loss(logits, transcript):
    """Nats of `(steps, vocabulary)` logits, by the forward recursion of Graves et al. 2006 over log-probabilities."""
    told = logits.astype("float64") - np.logaddexp.reduce(logits.astype("float64"), axis=1, keepdims=True)
    labels = [BLANK, *itertools.chain.from_iterable((token, BLANK) for token in transcript)]
    forward = np.full(len(labels), -np.inf)
    forward[:2] = told[0, labels[:2]]
    for step in told[1:]:
        before = forward.copy()
        for place, label in enumerate(labels):
            ways = [before[place], before[place - 1] if place else -np.inf]
            if place > 1 and label not in (BLANK, labels[place - 2]):
                ways.append(before[place - 2])
            forward[place] = np.logaddexp.reduce(ways) + step[label]
    return -np.logaddexp.reduce(forward[-2:])


def spelled(path):
    """The transcript of a path."""
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


def test_the_reference_counts_every_path_once():
    logits = drawn_logits(1, 4, 6)[0]
    told = np.exp(logits.astype("float64")) / np.exp(logits.astype("float64")).sum(axis=1, keepdims=True)
    for transcript in [(4,), (4, 4), (5, 4), (4, 5, 4)]:
        paths = [path for path in itertools.product((BLANK, 4, 5), repeat=4) if spelled(path) == transcript]
        likely = sum(np.prod([told[step, token] for step, token in enumerate(path)]) for path in paths)
        assert reference_loss(logits, transcript) == pytest.approx(-np.log(likely), rel=1e-9)


def test_the_loss_is_that_of_all_paths_that_spell_the_transcript():
    transcripts = [(4,), (4, 4, 5), (6, 5, 4, 5, 6), (8, 8, 8), (7, 4)]
    logits = drawn_logits(5, 11, 9)
    ids = np.zeros((5, 5), "int32")
    for row, transcript in enumerate(transcripts):
        ids[row, : len(transcript)] = transcript
    expected = [reference_loss(*pair) for pair in zip(logits, transcripts, strict=True)]
    np.testing.assert_allclose(path_losses(tf.constant(ids), tf.constant(logits)), expected, rtol=1e-4)
    assert float(PathLoss()(ids, logits)) == pytest.approx(np.mean(expected), rel=1e-4)


def test_the_loss_of_a_padded_row_is_that_of_the_row_alone():
    steps, transcripts = (11, 7, 3), [(4, 5, 5, 6), (4, 4), (5,)]
    logits = np.random.default_rng(1).normal(scale=2, size=(3, 17, 7)).astype("float32")  # also in the padding
    real = np.arange(17) < np.array(steps)[:, None]
    ids = np.array([[*transcript, *[BLANK] * (6 - len(transcript))] for transcript in transcripts], "int32")
    with tf.GradientTape() as tape:
        given = tf.constant(logits)
        tape.watch(given)
        together = path_losses(tf.constant(ids), BlankPadding()(given, real))
    for row, (count, transcript) in enumerate(zip(steps, transcripts, strict=True)):
        alone = BlankPadding()(logits[row : row + 1, :count], np.ones((1, count), bool))
        assert float(together[row]) == pytest.approx(reference_loss(alone[0].numpy(), transcript), rel=1e-4)
    gradient = tape.gradient(together, given).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[~real]).max() < 1e-5
    assert (np.abs(gradient[real]).max(axis=1) > 0).all()
    assert not gradient[..., 1:FIRST_WORD].any()  # reserved ids


def test_a_certain_transcript_costs_nothing():
    logits = np.full((1, 5, 6), -50, "float32")
    logits[0, np.arange(5), [0, 4, 4, 0, 5]] = 50
    assert float(path_losses(tf.constant([[4, 5]]), tf.constant(logits))[0]) == pytest.approx(0, abs=1e-5)
