"""A static column holds one value per series; whether it is a number is for those to say who know the training."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps.series.panel import Roles, read_panel

DAYS = pd.date_range("2024-01-01", periods=3)


def panel_of(table, static=("kind",)):
    return read_panel([table], Roles(static=static))[0]


def text_of(*kinds):
    """A CSV with one series per kind: `a`, `b`, …"""
    rows = [f"{'abcdef'[number]},{day:%Y-%m-%d},1,{kind}" for number, kind in enumerate(kinds) for day in DAYS]
    return StringIO("\n".join(["unique_id,ds,y,kind", *rows]))


def frame_of(*kinds):
    parts = [
        pd.DataFrame({"unique_id": "abcdef"[number], "ds": DAYS, "y": 1.0, "kind": kind})
        for number, kind in enumerate(kinds)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("kinds", [("10", "20"), ("1e3", "-0.5"), ("7", "")])
def test_a_column_of_numbers_is_numeric(kinds):
    panel = panel_of(text_of(*kinds))
    assert panel.numeric("kind")
    np.testing.assert_array_equal(panel.numbers(("kind",))[:, 0], [float(kind or "nan") for kind in kinds])


@pytest.mark.parametrize("kinds", [("10", "20", "A7"), ("True", "False"), ("1", "inf"), ("1_2", "3")])
def test_a_column_with_any_other_text_is_not(kinds):
    panel = panel_of(text_of(*kinds))
    assert not panel.numeric("kind")
    assert panel.labels(("kind",))[:, 0].tolist() == list(kinds)


def test_a_text_is_as_it_is_written_whatever_stands_in_other_rows():
    assert panel_of(text_of("007", "A7")).labels(("kind",))[:, 0].tolist() == ["007", "A7"]
    assert panel_of(text_of("007", "10")).labels(("kind",))[:, 0].tolist() == ["007", "10"]
    assert panel_of(frame_of(10, 20)).labels(("kind",))[:, 0].tolist() == ["10", "20"]
    assert panel_of(frame_of(10, np.nan)).labels(("kind",))[:, 0].tolist() == ["10", ""]
    assert panel_of(frame_of(10, "A7")).labels(("kind",))[:, 0].tolist() == ["10", "A7"]


def test_a_text_where_the_training_had_numbers_is_refused_in_one_line():
    with refusal("the stream, series 'b', column 'kind': expected a number, as in the training. Received: 'A7'."):
        panel_of(text_of("10", "A7")).numbers(("kind",))


@pytest.mark.parametrize("empty", ["", "NA"])
def test_rows_that_leave_it_empty_take_the_value_of_the_others(empty):
    text = (
        f"unique_id,ds,y,size,kind\na,1,5,{empty},{empty}\na,2,6,3,x\na,3,,{empty},{empty}\nb,1,7,{empty},\nb,2,8,,\n"
    )
    panel = panel_of(StringIO(text), ("kind", "size"))
    assert panel.static.tolist() == [["x", "3"], ["", ""]]
    np.testing.assert_array_equal(panel.numbers(("size",)), [[3], [np.nan]])


def parts_of(*kinds):
    """CSVs that follow each other in time, with one kind each for the only series; an empty one stands beside it."""
    starts = range(1, 2 * len(kinds), 2)
    return [
        StringIO(f"unique_id,ds,y,kind\na,{start},5,{kind}\na,{start + 1},6,\n")
        for start, kind in zip(starts, kinds, strict=True)
    ]


@pytest.mark.parametrize("kinds", [("7.0", "7"), ("7", "7.0"), ("1e3", "1000"), ("-0.50", "-.5")])
def test_one_number_written_in_two_ways_is_one_value(kinds):
    panel, _ = read_panel(parts_of(*kinds), Roles(static=("kind",)))
    assert panel.static.tolist() == [[kinds[0]]]
    np.testing.assert_array_equal(panel.numbers(("kind",)), [[float(kinds[1])]])


@pytest.mark.parametrize("kinds", [("7.0", "7.5"), ("A7", "a7")])
def test_two_values_of_one_series_are_refused(kinds):
    with refusal(
        "the stream with the stream, column 'kind': a static column must hold one value per series. "
        "Received: more than one for series 'a'. Name it in past_columns or future_columns."
    ):
        read_panel(parts_of(*kinds), Roles(static=("kind",)))


def test_texts_are_compared_as_they_are_written_where_one_is_no_number():
    table = pd.concat([frame_of("7", "A7"), frame_of("7.0", "A7").assign(ds=lambda rows: rows["ds"] + DAYS.freq * 3)])
    with refusal(
        "the DataFrame, column 'kind': a static column must hold one value per series. "
        "Received: more than one for series 'a'. Name it in past_columns or future_columns."
    ):
        panel_of(table)


def test_columns_come_in_the_order_that_is_asked_for():
    table = frame_of("x", "z").assign(size=lambda rows: rows["kind"].map({"x": 3, "z": 7}))
    panel = panel_of(table, ("size", "kind"))
    assert panel.labels(("kind", "size")).tolist() == [["x", "3"], ["z", "7"]]
    assert panel.labels(()).shape == panel.numbers(()).shape == (2, 0)


# --- the target in another role ---


@pytest.mark.parametrize("option", ["past", "future", "static"])
@pytest.mark.parametrize("others", [["kind"], []])
def test_the_target_of_a_long_table_has_no_other_role(option, others):
    with refusal(
        f"`{option}_columns` must be without 'y', the target of a long table. Received: {option}_columns=('y',). "
        "Name target_columns if another column is to be forecast."
    ):
        read_panel([frame_of("x")[["unique_id", "ds", "y", *others]]], Roles(**{option: ("y",)}))


@pytest.mark.parametrize("ids", [["unique_id"], []])
def test_a_table_must_keep_a_column_to_forecast(ids):
    table = frame_of("x").rename(columns={"y": "sales"})[[*ids, "ds", "sales", "kind"]]
    with refusal("the DataFrame has no column left to forecast: each has another role. Leave the target out."):
        read_panel([table], Roles(past=("sales",), future=("kind",)))
