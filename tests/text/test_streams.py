"""Streams hold every token once, lane by lane in order, and a resumed run reads what an uninterrupted one reads."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqapps.text import streams
from seqapps.text.batches import Encoded
from seqapps.text.kinds import PAD, START

LANES, WINDOW, SEED, FIRST = 3, 5, 7, 11
DOCUMENTS = {  # tokens of every document, without START
    "many short ones": [1, 2, 3, 1, 5, 2] * 17,
    "a long one": [509],
    "a long one between short ones": [2, 3, 307, 1, 5],
    "fewer than lanes": [19, 2],
    "one without a token": [13, 0, 2, 29],
    "fewer tokens than lanes": [1, 1],
    "of many lengths": [7, 101, 3, 53, 1, 0, 17, 2, 31],
    "many without a token": [0, 13, 0, 0, 2, 29, 0],
}
every_kind = pytest.mark.parametrize("lengths", DOCUMENTS.values(), ids=DOCUMENTS)
sizes = st.lists(st.integers(0, 3) | st.integers(0, 67), min_size=1, max_size=13).filter(sum)


def encoded(lengths):
    """Documents in which the id of a token tells its place."""
    starts = np.cumsum([0, *(length + 1 for length in lengths)])
    token_ids = np.arange(FIRST, FIRST + starts[-1], dtype="int32")
    token_ids[starts[:-1]] = START
    return Encoded(token_ids, starts)


def targets_of(lengths):
    """Every token that is predicted, in order."""
    token_ids = encoded(lengths).token_ids
    return token_ids[token_ids != START].tolist()


def read(dataset):
    return [tuple(value.numpy() for value in window) for window in dataset]


def training(lengths, count, lanes=LANES, window=WINDOW, seed=SEED, steps=1, first_epoch=0):
    dataset = streams.training_windows(encoded(lengths), lanes, window, steps, seed, first_epoch)
    return read(dataset.take(count))


def evaluation(lengths, lanes=LANES, window=WINDOW):
    return read(streams.evaluation_windows(encoded(lengths), lanes, window))


def strips_read(found, window):
    """What lanes read, `(inputs, targets)` from one beginning to the next, with what must hold of every window."""
    strips, open_strips = [], {}
    for inputs, targets, carried in found:
        assert inputs.shape == targets.shape
        assert (inputs.dtype, targets.dtype, carried.dtype) == ("int32", "int32", "float32")
        counts = (targets != PAD).sum(axis=1)
        assert 0 < counts.max() == inputs.shape[1] <= window
        for lane, count in enumerate(counts):
            assert (targets[lane, :count] != PAD).all()  # padding is at the right
            assert (inputs[lane] != PAD).tolist() == (targets[lane] != PAD).tolist()
            assert carried[lane] in (0, 1)
            if carried[lane]:
                assert lane in open_strips
                assert count
            else:
                open_strips[lane] = ([], [])
                strips.append((lane, open_strips[lane]))
            for values, joined in zip((inputs, targets), open_strips[lane], strict=True):
                joined += values[lane, :count].tolist()
    return [(lane, *strip) for lane, strip in strips if strip[1]]


def assert_strip(inputs, targets):
    """It begins with START, every target is read next, and none is left out."""
    assert inputs == [START, *targets[:-1]]
    assert targets == list(range(targets[0], targets[0] + len(targets)))


def same(received, expected):
    """Whether windows are equal, value by value."""
    assert len(received) == len(expected)
    return all(
        np.array_equal(value, other)
        for ours, theirs in zip(received, expected, strict=True)
        for value, other in zip(ours, theirs, strict=True)
    )


# --- strips ---


@settings(deadline=None, max_examples=200)
@given(lengths=sizes, lanes=st.integers(1, 17), shift=st.integers(0, 40))
def test_strips_cover_all_tokens_and_stay_inside_their_documents(lengths, lanes, shift):
    found = encoded(lengths)
    strips = streams.cut(found, lanes, shift)
    assert (strips.targets >= 0).all()
    covered = [place for first, stop in zip(strips.first, strips.stop, strict=True) for place in range(first + 1, stop)]
    assert found.token_ids[covered].tolist() == targets_of(lengths)
    document = np.searchsorted(found.starts, strips.first, side="right")
    assert (document == np.searchsorted(found.starts, strips.stop - 1, side="right")).all()


@settings(deadline=None, max_examples=200)
@given(lengths=sizes, lanes=st.integers(1, 17))
def test_no_strip_is_longer_than_the_share_of_a_lane(lengths, lanes):
    strips = streams.cut(encoded(lengths), lanes)
    assert strips.targets.max() <= -(-sum(lengths) // lanes)
    assert strips.targets.min() > 0
    by_document = np.searchsorted(encoded(lengths).starts, strips.first, side="right") - 1
    for number, length in enumerate(lengths):
        parts = strips.targets[by_document == number]
        assert not length or np.ptp(parts) <= 1 + 1  # either end may be rounded
        assert parts.sum() == length


def test_a_document_is_cut_at_hand_computed_places():
    # 24 targets for 3 lanes: a share of 8; 17 are cut into 3, of 5.67 each, and 7 not at all.
    strips = streams.cut(encoded([17, 7]), lanes=3)
    assert strips.first.tolist() == [0, 6, 11, 18]
    assert strips.stop.tolist() == [7, 12, 18, 26]
    assert strips.targets.tolist() == [6, 5, 6, 7]
    shifted = streams.cut(encoded([17, 7]), lanes=3, shift=2)
    assert shifted.first.tolist() == [0, 8, 13, 18]
    assert shifted.targets.tolist() == [8, 5, 4, 7]
    assert streams.cut(encoded([17, 7]), lanes=3, shift=100).first.tolist() == [0, 8, 14, 18]  # half of 5 and of 6
    assert streams.cut(encoded([17, 7]), lanes=1).targets.tolist() == [17, 7]
    assert streams.cut(encoded([2, 1]), lanes=100).targets.tolist() == [1, 1, 1]


# --- evaluation ---


@settings(deadline=None, max_examples=25)
@given(lengths=sizes, lanes=st.integers(1, 7), window=st.integers(1, 13))
@example(lengths=[0, 0, 1], lanes=1, window=1)
@example(lengths=[1, 0, 0, 0], lanes=2, window=3)
def test_every_target_is_predicted_once_in_an_evaluation(lengths, lanes, window):
    dataset = streams.evaluation_windows(encoded(lengths), lanes, window)
    found = read(dataset)
    assert len(found) == int(dataset.cardinality())
    strips = strips_read(found, window)
    assert sorted(target for _, _, targets in strips for target in targets) == targets_of(lengths)
    for _, inputs, targets in strips:
        assert_strip(inputs, targets)


@every_kind
def test_an_evaluation_repeats_itself(lengths):
    dataset = streams.evaluation_windows(encoded(lengths), LANES, WINDOW)
    assert same(read(dataset), read(dataset))
    assert [spec.shape.as_list() for spec in dataset.element_spec] == [[LANES, None], [LANES, None], [LANES]]


@every_kind
def test_strips_of_an_evaluation_are_those_of_the_cut(lengths):
    strips = streams.cut(encoded(lengths), LANES)
    read_targets = sorted(targets for _, _, targets in strips_read(evaluation(lengths), WINDOW))
    bounds = zip(strips.first + 1, strips.stop, strict=True)
    assert read_targets == [list(range(FIRST + first, FIRST + stop)) for first, stop in bounds if stop > first]


def test_the_windows_of_a_lane_follow_each_other_and_then_comes_the_next_strip():
    first, second, third = evaluation([7, 2, 3, 1], lanes=2)
    # 13 targets for 2 lanes: a share of 7. Token 10 + n is the n-th; START stands at the 1st, 9th, 12th and 16th place.
    assert first[0].tolist() == [[START, 12, 13, 14, 15], [START, 23, 24, 0, 0]]
    assert first[1].tolist() == [[12, 13, 14, 15, 16], [23, 24, 25, 0, 0]]
    assert first[2].tolist() == [0, 0]
    assert second[0].tolist() == [[16, 17], [START, 20]]
    assert second[1].tolist() == [[17, 18], [20, 21]]
    assert second[2].tolist() == [1, 0]
    assert third[0].tolist() == [[START], [0]]
    assert third[1].tolist() == [[27], [0]]
    assert third[2].tolist() == [0, 0]


def test_a_strip_inside_a_document_begins_without_what_came_before():
    (inputs, targets, carried), *rest = evaluation([9], lanes=3)
    assert inputs.tolist() == [[START, 12, 13], [START, 15, 16], [START, 18, 19]]
    assert targets.tolist() == [[12, 13, 14], [15, 16, 17], [18, 19, 20]]
    assert carried.tolist() == [0, 0, 0]
    assert rest == []


def test_documents_on_disk_are_not_changed(tmp_path):
    found = encoded([9, 31])
    (tmp_path / "ids").write_bytes(found.token_ids.tobytes())
    mapped = Encoded(np.memmap(tmp_path / "ids", "int32", "r"), found.starts)
    windows = read(streams.evaluation_windows(mapped, LANES, WINDOW))
    assert same(windows, evaluation([9, 31]))
    assert (tmp_path / "ids").read_bytes() == found.token_ids.tobytes()


# --- training ---


@every_kind
def test_a_training_goes_on_without_end_in_strips_that_begin_anew(lengths):
    dataset = streams.training_windows(encoded(lengths), LANES, WINDOW, 1, SEED, 0)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    count = 7 * streams.steps_per_epoch(encoded(lengths), LANES, WINDOW)
    for _, inputs, targets in strips_read(read(dataset.take(count)), WINDOW):
        assert_strip(inputs, targets)
        assert len(targets) <= 1.5 * -(-sum(lengths) // LANES) + 1  # a shift lengthens a strip by half the next at most


def passes_of(lengths, count, lanes=LANES, seed=SEED):
    """The strips, targets only, of some passes in the order in which lanes take them."""
    strips = streams.cut(encoded(lengths), lanes)
    size = int((strips.targets > 0).sum())
    steps = (count + 2) * streams.steps_per_epoch(encoded(lengths), lanes, WINDOW) + count
    found = [targets for _, _, targets in strips_read(training(lengths, steps, lanes, seed=seed), WINDOW)]
    assert len(found) > count * size  # the last one may still be read
    return [found[start : start + size] for start in range(0, count * size, size)]


@every_kind
@pytest.mark.parametrize("lanes", [1, LANES, 11])
def test_every_pass_of_a_training_predicts_every_target_once(lengths, lanes):
    for strips in passes_of(lengths, 3, lanes):
        assert sorted(target for strip in strips for target in strip) == targets_of(lengths)


@every_kind
@pytest.mark.parametrize("first_epoch", [1, 3])
def test_a_training_that_goes_on_at_an_epoch_reads_what_an_uninterrupted_one_reads(lengths, first_epoch):
    steps = streams.steps_per_epoch(encoded(lengths), LANES, WINDOW)
    whole = training(lengths, (first_epoch + 2) * steps)
    resumed = training(lengths, 2 * steps, steps=steps, first_epoch=first_epoch)
    assert same(resumed, whole[first_epoch * steps :])


def test_equal_seeds_read_alike_and_others_do_not():
    lengths = DOCUMENTS["of many lengths"]
    steps = streams.steps_per_epoch(encoded(lengths), LANES, WINDOW)
    whole = training(lengths, 2 * steps)
    assert same(training(lengths, 2 * steps), whole)
    assert not same(training(lengths, 2 * steps, seed=SEED + 1), whole)


def test_passes_are_cut_at_different_places():
    lanes, (first, *_) = 7, targets_of([509])
    passes = [sorted(strip[0] - first for strip in strips) for strips in passes_of([509], 5, lanes)]
    usual = streams.cut(encoded([509]), lanes).first.tolist()
    shifts = [np.subtract(places, usual).tolist() for places in passes]
    assert all(each == [0] + [each[1]] * (lanes - 1) for each in shifts)
    assert {each[1] for each in shifts} <= set(range(WINDOW))
    assert len({each[1] for each in shifts}) > 1
    other = [sorted(strip[0] - first for strip in strips) for strips in passes_of([509], 5, lanes, seed=SEED + 1)]
    assert other != passes


@pytest.mark.parametrize("lanes", [1, LANES])
def test_passes_differ_in_the_order_of_documents(lanes):
    orders = {tuple(strip[0] for strip in strips) for strips in passes_of(DOCUMENTS["many short ones"], 3, lanes)}
    assert len(orders) == 3
    assert len({tuple(sorted(order)) for order in orders}) == 1  # whole documents, none of which is cut


# --- epochs ---


@every_kind
@pytest.mark.parametrize("lanes", [1, LANES, 11])
def test_an_epoch_covers_about_all_tokens(lengths, lanes):
    steps = streams.steps_per_epoch(encoded(lengths), lanes, WINDOW)
    strips = streams.cut(encoded(lengths), lanes)
    windows = sum(-(-int(count) // WINDOW) for count in strips.targets)
    assert steps == max(1, -(-windows // lanes))
    assert windows <= steps * lanes < windows + lanes
    assert steps * lanes * WINDOW >= sum(lengths)
