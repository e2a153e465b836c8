"""Texts become splits by one rule: each class is cut alike, equal texts stay together, and only texts decide."""

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sentiment_data import SEPARATOR, SIZES, frame, pairs, reviews

from seqapps.tasks.sentiment import data
from seqapps.tasks.sentiment.config import Config


def part_of_each_text(splits):
    return {text: split for split in data.SPLITS for text in splits.texts(split)}


# --- one class per text ---


def test_each_class_is_cut_alike():
    splits = data.load(reviews(), Config())
    for split, sizes in SIZES.items():
        assert tuple(np.bincount(splits.targets(split))) == sizes
    splits = data.load(reviews(), Config(validation_fraction=0.25, test_fraction=0.5))
    assert np.bincount(splits.targets("validation")).tolist() == [4, 6, 3]  # 4.25, 5.75, 3.25
    assert np.bincount(splits.targets("test")).tolist() == [8, 12, 6]  # 8.5, 11.5 and 6.5 to even numbers


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)), (5, (3, 1, 1)), (7, (5, 1, 1)), (11, (8, 1, 2))],
)
def test_a_small_class_gives_to_every_part_as_long_as_one_text_is_left_to_train_on(count, sizes):
    splits = data.load(reviews({"large": 31, "small": count}), Config())
    assert tuple(int((splits.targets(split) == 1).sum()) for split in data.SPLITS) == sizes


def test_other_texts_of_a_class_do_not_move_those_of_another():
    fewer = data.load(reviews({"bad": 17, "fine": 3}), Config())
    more = data.load(reviews({"bad": 17, "fine": 23}), Config())
    bad = {text: split for text, split in part_of_each_text(more).items() if text.startswith("bad")}
    assert {text: split for text, split in part_of_each_text(fewer).items() if text.startswith("bad")} == bad


def test_neither_seed_nor_order_nor_other_options_move_a_text():
    expected = part_of_each_text(data.load(reviews(), Config()))
    for seed in (3, 5):
        table = reviews().sample(frac=1, random_state=seed)
        assert part_of_each_text(data.load(table, Config(seed=seed, units=7, max_tokens=1))) == expected


TEXTS = st.sampled_from(["", "a", "b", "c", "d", "e", "f", "A", " a", "é", "日本", "🙂", "x" * 99])


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=11, max_size=40),
    validation=st.sampled_from([0.1, 0.3]),
    test=st.sampled_from([0.2, 0.45]),
    order=st.randoms(use_true_random=False),
)
def test_equal_texts_stay_together_and_every_row_has_one_place(texts, validation, test, order):
    table = frame(["p", "q", "r", "s", "t", "u", *texts], ["good", "bad"] * 3 + [labels_of(text) for text in texts])
    config = Config(validation_fraction=validation, test_fraction=test)
    splits = data.load(table, config)
    parts = {split: Counter(pairs(splits, split)) for split in data.SPLITS}
    assert sum(parts.values(), Counter()) == Counter(table.itertuples(index=False, name=None))
    assert sum(len(set(part)) for part in parts.values()) == len(set(table["text"]))
    assert all(label in {name for _, name in parts["train"]} for label in splits.classes)
    shuffled = list(range(len(table)))
    order.shuffle(shuffled)
    assert part_of_each_text(data.load(table.iloc[shuffled], config)) == part_of_each_text(splits)


def labels_of(text):
    """Equal texts have equal labels."""
    return "good" if len(text.encode()) % 2 else "bad"


def test_the_order_of_contradicting_rows_moves_no_text():
    table = pd.concat([reviews(), reviews().assign(stars="fine")])
    assert part_of_each_text(data.load(table, Config())) == part_of_each_text(data.load(table[::-1], Config()))


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(5, 160), min_size=2, max_size=7), test=st.sampled_from([0.05, 0.2, 0.5]))
def test_every_part_has_the_share_of_each_class_and_small_ones_make_up_for_each_other(counts, test):
    table = reviews({f"class {number}": count for number, count in enumerate(counts)})
    splits = data.load(table, Config(test_fraction=test))
    for split, fraction in (("validation", 0.1), ("test", test)):
        off = 0.0
        for count, taken in zip(counts, np.bincount(splits.targets(split), minlength=len(counts)), strict=True):
            if fraction * count < 5:
                assert abs(taken - fraction * count) < 1
                off += taken - fraction * count
            else:
                assert taken == round(fraction * count)
        assert abs(off) < 1 + 1e-9


@pytest.mark.parametrize("count", [3, 5, 7, 11])
def test_many_small_classes_leave_every_part_its_share(count):
    splits = data.load(reviews({f"class {number}": count for number in range(60)}), Config())
    assert abs(splits.count("validation") - 6 * count) <= 1
    assert abs(splits.count("test") - 12 * count) <= 1
    assert np.bincount(splits.targets("train"), minlength=60).min() >= 1


def test_classes_of_one_text_are_all_trained_on_and_strip_no_other():
    splits = data.load(reviews({f"a {number}": 1 for number in range(50)} | {"b": 7, "c": 97}), Config())
    assert [np.bincount(splits.targets(split), minlength=52)[:50].sum() for split in data.SPLITS] == [50, 0, 0]
    # One text is owed to each part, so 1.7 and 2.4 texts of b; of 9.7 and 19.4 of c no more, because it is large.
    assert [np.bincount(splits.targets(split), minlength=52)[50:].tolist() for split in data.SPLITS] == [
        [4, 68],
        [1, 10],
        [2, 19],
    ]


# --- several labels per text ---


def several(texts, classes, most, seed=0):
    """Texts with random sets of labels, of which the first are rarer than the last."""
    generator = np.random.default_rng(seed)
    weights = np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()
    rows = [
        "|".join(f"label {label}" for label in generator.choice(classes, count, False, weights))
        for count in generator.integers(most, size=texts, endpoint=True)
    ]
    return frame([f"text {row}" for row in range(texts)], rows)


def test_every_part_has_the_share_of_each_label():
    splits = data.load(several(1009, 28, 3), Config(label_separator=SEPARATOR))
    targets = {split: splits.targets(split).sum(axis=0) for split in data.SPLITS}
    whole = sum(targets.values())
    for split, fraction in zip(data.SPLITS, (0.7, 0.1, 0.2), strict=True):
        assert np.abs(targets[split] - fraction * whole).max() < 2
        assert splits.count(split) == pytest.approx(fraction * 1009, rel=0.05)


def test_texts_whose_sets_of_labels_are_all_different_are_cut_too():
    table = several(701, 41, 7)
    table = table[~table["label"].map(lambda cell: frozenset(cell.split("|"))).duplicated()]
    splits = data.load(table, Config(label_separator=SEPARATOR))
    common = sum(splits.targets(split).sum(axis=0) for split in data.SPLITS) >= 11
    assert (len(table) > 500, common.sum() > 35) == (True, True)
    for split, fraction in zip(data.SPLITS, (0.7, 0.1, 0.2), strict=True):
        assert splits.count(split) == pytest.approx(fraction * len(table), rel=0.1)
        assert splits.targets(split).sum(axis=0)[common].min() > 0


def test_hundreds_of_rare_labels_leave_every_part_its_share():
    labels = [f"label {row % 300}" for row in range(900)]
    splits = data.load(frame([f"text {row}" for row in range(900)], ["a|b", *labels[1:]]), Config(label_separator="|"))
    assert [splits.count(split) for split in data.SPLITS] == pytest.approx([630, 90, 180], abs=2)
    assert splits.targets("train").sum(axis=0).min() == 1  # the last text of "label 0" has a and b instead


@settings(max_examples=60, deadline=None)
@given(
    classes=st.integers(3, 9),
    most=st.integers(1, 3),
    texts=st.integers(23, 61),
    test=st.sampled_from([0.2, 0.7]),
    order=st.randoms(use_true_random=False),
)
def test_of_several_labels_none_is_missing_in_train_and_the_order_moves_no_text(classes, most, texts, test, order):
    table = several(texts, classes, most, seed=texts)
    table = pd.concat([table, table[:5]], ignore_index=True)
    config = Config(label_separator=SEPARATOR, test_fraction=test)
    splits = data.load(table, config)
    assert splits.targets("train").sum(axis=0).min() > 0
    assert sum(len(set(splits.texts(split))) for split in data.SPLITS) == texts
    shuffled = list(range(len(table)))
    order.shuffle(shuffled)
    again = dataclasses.replace(config, seed=7)
    assert part_of_each_text(data.load(table.iloc[shuffled], again)) == part_of_each_text(splits)
