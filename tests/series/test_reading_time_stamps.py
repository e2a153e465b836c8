"""Dates, years, days as numbers, steps and time zones become rising time stamps, or are refused with their line."""

import io

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps.series import reading, time_stamps


def table_of(*cells, name="date"):
    """A CSV with these time stamps from line 2 on."""
    rows = "".join(f"{cell},7\n" for cell in cells)
    return reading.read_table(io.StringIO(f"{name},load\n{rows}"))


def stamps_of(*cells):
    return time_stamps.time_column(table_of(*cells), "date")


# --- finding the column ---


@pytest.mark.parametrize("name", [*time_stamps.TIME_NAMES, "Date", "TIMESTAMP"])
def test_a_usual_name_is_the_time_column_whatever_it_holds(name):
    table = reading.read_table(pd.DataFrame({"seen": ["2024-01-01"], name: [7], "load": [5]}))
    assert time_stamps.find_time_column(table) == name


def test_the_most_telling_name_wins():
    frame = pd.DataFrame({"hour": [7], "year": [2024], "Date": ["2024-01-01"], "load": [5]})
    assert time_stamps.find_time_column(reading.read_table(frame)) == "Date"
    assert time_stamps.find_time_column(reading.read_table(frame.drop(columns="Date"))) == "year"


def test_the_first_text_that_reads_as_dates_is_the_time_column():
    frame = pd.DataFrame({"place": ["north", "south"], "seen": ["2024-01-01", "2024-01-02"], "load": [5, 7]})
    assert time_stamps.find_time_column(reading.read_table(frame)) == "seen"
    frame["place"] = pd.to_datetime(frame["seen"])
    assert time_stamps.find_time_column(reading.read_table(frame)) == "place"


def test_a_table_without_time_stamps_is_refused_with_its_columns():
    table = reading.read_table(pd.DataFrame({"place": ["north", "2024-01-02"], "load": [20240101, 20240102]}))
    with refusal(
        "the DataFrame has no column that reads as time stamps. Name it with `time_column`. It has 'place', 'load'."
    ):
        time_stamps.find_time_column(table)


# --- reading it ---


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("2024-01-31", "2024-02-01"), ("2024-01-31", "2024-02-01")),
        (("2024-01-31 23:00", "2024-02-01 00:00"), ("2024-01-31 23:00", "2024-02-01")),
        (("2024-01-31T23:00:00.5", "2024-02-01T00:00:00.5"), ("2024-01-31 23:00:00.5", "2024-02-01 00:00:00.5")),
        (("1/31/2024", "2/1/2024"), ("2024-01-31", "2024-02-01")),
        (("31.01.2024", "01.02.2024"), ("2024-01-31", "2024-02-01")),
        (("2024-01", "2024-02"), ("2024-01-01", "2024-02-01")),
        (("1999", "2000", "2001"), ("1999-01-01", "2000-01-01", "2001-01-01")),
        (("20231231", "20240101"), ("2023-12-31", "2024-01-01")),
    ],
)
def test_usual_spellings_of_dates_are_read(cells, expected):
    stamps = stamps_of(*cells)
    assert isinstance(stamps, pd.DatetimeIndex)
    assert stamps.tolist() == [pd.Timestamp(text) for text in expected]
    assert (stamps.name, stamps.tz) == ("date", None)


@pytest.mark.parametrize(
    "cells", [(0, 1, 2), (-3, 2, 7), (999, 1000, 1001), (2998, 2999, 3000), (20240130, 20240131, 20240132), (7, 10**12)]
)
def test_other_whole_numbers_count_steps(cells):
    stamps = stamps_of(*cells)
    assert not isinstance(stamps, pd.DatetimeIndex)
    assert (stamps.tolist(), stamps.name) == (list(cells), "date")


@pytest.mark.parametrize("cells", [(1000, 1001, 2999), (2024, 2025), (20231231, 20240101)])
def test_whole_numbers_that_are_said_to_count_steps_are_no_dates(cells):
    assert isinstance(stamps_of(*cells), pd.DatetimeIndex) == (cells[0] > 1677)  # the first year of nanoseconds
    stamps = time_stamps.time_column(table_of(*cells), "date", counts_steps=True)
    assert (stamps.tolist(), stamps.dtype, stamps.name) == (list(cells), "int64", "date")


def test_texts_are_dates_even_where_steps_are_counted():
    stamps = time_stamps.time_column(table_of("2024-01-31", "2024-02-01"), "date", counts_steps=True)
    assert stamps.tolist() == [pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01")]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("2024-01-01T00:00Z", "2024-01-01T01:00Z"), ("2024-01-01 00:00", "2024-01-01 01:00")),
        (("2024-01-01 00:00+05:30", "2024-01-01 01:00+05:30"), ("2023-12-31 18:30", "2023-12-31 19:30")),
        # The hour that repeats when summer time ends.
        (("2024-10-27T02:00+02:00", "2024-10-27T02:00+01:00"), ("2024-10-27 00:00", "2024-10-27 01:00")),
    ],
)
def test_time_stamps_with_a_zone_become_utc(cells, expected):
    stamps = stamps_of(*cells)
    assert (stamps.tolist(), stamps.tz) == ([pd.Timestamp(text) for text in expected], None)


def test_time_stamps_of_a_data_frame_keep_their_instants_whatever_their_type():
    expected = pd.date_range("2024-03-01", periods=3, freq="MS")
    columns = {
        "naive": expected,
        "seconds": expected.as_unit("s"),
        "zoned": expected.tz_localize("UTC").tz_convert("Asia/Tokyo"),
        "periods": expected.to_period("M"),
        "days": expected.date,
    }
    for name, column in columns.items():
        stamps = time_stamps.time_column(reading.read_table(pd.DataFrame({name: column})), name)
        assert (stamps.tolist(), stamps.tz) == (expected.tolist(), None)


# --- refusing it ---


@pytest.mark.parametrize(
    ("cells", "line", "received"),
    [
        (("2024-01-01", "yesterday"), 3, "'yesterday'"),
        (("2024-01-01", "2024-02-30"), 3, "'2024-02-30'"),
        (("2024-01-01", "", "2024-01-03"), 3, "nothing"),
        (("x", "y"), 2, "'x'"),
    ],
)
def test_an_unreadable_or_missing_time_stamp_is_refused_with_its_line(cells, line, received):
    with refusal(
        f"the stream, line {line}, column 'date': expected a time stamp such as 2024-01-31 or 2024-01-31 23:00. "
        f"Received: {received}."
    ):
        stamps_of(*cells)


@pytest.mark.parametrize(("cell", "received"), [("2.5", "2.5"), ("", "nan")])
def test_a_step_that_is_no_whole_number_is_refused_with_its_line(cell, received):
    with refusal(
        f"the stream, line 3, column 'date': expected a time stamp or a whole number of steps. Received: {received}."
    ):
        stamps_of(1, cell, 3)


@pytest.mark.parametrize(
    ("cells", "first", "second"),
    [
        (("2024-01-01", "2024-01-03", "2024-01-02"), "2024-01-03 00:00:00", "2024-01-02 00:00:00"),
        (("2001", "2003", "2002"), "2003-01-01 00:00:00", "2002-01-01 00:00:00"),
        ((1, 3, 2), "3", "2"),
    ],
)
def test_unsorted_time_stamps_are_refused_with_the_line(cells, first, second):
    with refusal(f"the stream, line 4, column 'date': {second} comes after {first}. Sort the rows by time."):
        stamps_of(*cells)


@pytest.mark.parametrize(
    ("cells", "twice"),
    [
        (("2024-01-01", "2024-01-02", "2024-01-02"), "2024-01-02 00:00:00"),
        (("2024-01-01T01:00+01:00", "2024-01-01T02:00+01:00", "2024-01-01T01:00Z"), "2024-01-01 01:00:00"),
        ((1, 2, 2), "2"),
    ],
)
def test_a_doubled_time_stamp_is_refused_with_the_line(cells, twice):
    with refusal(
        f"the stream, line 4, column 'date': the time stamp {twice} occurs twice. Keep one row per time stamp."
    ):
        stamps_of(*cells)


@pytest.mark.parametrize("rows", [("1", "2", "1"), ("3", "1", "2", "3")])
def test_a_doubled_time_stamp_is_told_also_where_others_lie_between(rows):
    with refusal(
        f"the stream, line {len(rows) + 1}, column 'date': the time stamp {rows[-1]} occurs twice. "
        "Keep one row per time stamp."
    ):
        table = table_of(*sorted(rows[:-1]), rows[-1])
        time_stamps.time_column(table, "date", counts_steps=True)


def test_a_stamp_of_another_series_is_no_double():
    groups = np.array(["a", "a", "b", "b"], dtype=object)
    with refusal("the stream, line 5, column 'date': 1 comes after 2. Sort the rows by time."):
        time_stamps.time_column(table_of(1, 3, 2, 1), "date", groups=groups)


# --- a column that may tell series apart ---


@pytest.mark.parametrize(
    "rows", ["north,1,5\nnorth,2,6\nsouth,1,7\nsouth,2,8\n", "north,1,5\nsouth,1,7\nnorth,2,6\nsouth,2,8\n"]
)
def test_stamps_that_repeat_beside_few_texts_suggest_a_column_of_ids(rows):
    line = 4 if rows.startswith("north,1,5\nnorth") else 3
    table = reading.read_table(io.StringIO(f"home town,ds,y\n{rows}"))
    with refusal(
        f"the stream, line {line}, column 'ds': the time stamp 1 occurs twice. Keep one row per time stamp; "
        "if 'home town' tells series apart, say --id-column 'home town'."
    ):
        time_stamps.time_column(table, "ds", groups=np.full(4, "", dtype=object))


def test_texts_that_hardly_repeat_suggest_nothing():
    table = reading.read_table(io.StringIO("note,ds,y\nspring,1,5\nrain,2,6\nsun,1,7\nrain,3,8\n"))
    with refusal("the stream, line 4, column 'ds': the time stamp 1 occurs twice. Keep one row per time stamp."):
        time_stamps.time_column(table, "ds")


def test_a_long_listing_of_columns_is_cut():
    header = ",".join(f"V{number}" for number in range(1, 962))
    table = reading.read_table(io.StringIO(f"{header}\n{','.join('7' * 961)}\n"))
    shown = ", ".join(f"'V{number}'" for number in range(1, 13))
    with refusal(
        "the stream has no column that reads as time stamps. Name it with `time_column`, or say --layout rows if every "
        f"row is a series. It has {shown} … (961 columns)."
    ):
        time_stamps.find_time_column(table)
