"""Sine and cosine of day, week and year beside those of the dates themselves."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.series import calendar

MONDAY = "2024-01-01"
WINDOW, HORIZON = 3, 4
DAY, WEEK, YEAR = 86_400, 7 * 86_400, 365.2425 * 86_400
LARGEST_ERROR = 2 * DAY  # of a month that counts with its mean length


def seconds(stamp):
    return int(pd.Timestamp(stamp).timestamp())


def features(last, frequency, window=WINDOW, horizon=HORIZON):
    """`(window + horizon, 2 * cycles)` for one window."""
    seen = calendar.cycles(frequency)
    return calendar.features(tf.constant([last], tf.int64), frequency, seen, window, horizon).numpy()[0]


def places(rows, cycle):
    """Sine and cosine columns of a cycle → the place in it, from 0 to 1."""
    return np.arctan2(rows[:, 2 * cycle], rows[:, 2 * cycle + 1]) / (2 * math.pi) % 1


def apart(left, right):
    """Distance of two places on a circle."""
    return np.abs((left - right + 0.5) % 1 - 0.5)


def year_place(stamp):
    return (seconds(stamp) - seconds("1970-01-05")) / YEAR % 1


def test_hours_show_day_week_and_year():
    rows = features(seconds(MONDAY), "h")
    assert (rows.shape, rows.dtype, calendar.cycles("h")) == ((7, 6), np.float32, (DAY, WEEK, YEAR))
    for row, hour in zip(rows, range(-2, 5), strict=True):  # from Sunday 22:00 to Monday 04:00
        day, week = 2 * math.pi * hour / 24, 2 * math.pi * hour / 168
        year = 2 * math.pi * year_place(pd.Timestamp(MONDAY) + pd.Timedelta(hours=hour))
        expected = [wave(angle) for angle in (day, week, year) for wave in (math.sin, math.cos)]
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_monday_midnight_starts_the_week_and_the_day():
    for monday in (MONDAY, "1970-01-05", "1969-12-29", "2031-03-03"):
        assert features(seconds(monday), "h", 1, 1)[0, :4].tolist() == [0, 1, 0, 1]
    thursday_noon = features(seconds("2024-01-04 12:00"), "h", 1, 1)[0]
    np.testing.assert_allclose(thursday_noon[:4], [0, -1, 0, -1], atol=1e-6)  # half a day, half a week


def test_days_show_week_and_year():
    rows = features(seconds("2024-03-03"), "D")
    assert calendar.cycles("D") == (WEEK, YEAR)
    stamps = pd.date_range("2024-03-01", periods=7)
    np.testing.assert_allclose(apart(places(rows, 0), stamps.dayofweek.to_numpy() / 7), 0, atol=1e-6)
    np.testing.assert_allclose(apart(places(rows, 1), [year_place(stamp) for stamp in stamps]), 0, atol=1e-6)


@pytest.mark.parametrize("frequency", ["MS", "ME", "QS", "W"])
def test_months_quarters_and_weeks_show_the_year(frequency):
    stamps = pd.date_range("2023-05-01", periods=WINDOW + HORIZON, freq=frequency)
    rows = features(seconds(stamps[WINDOW - 1]), frequency)
    assert (calendar.cycles(frequency), rows.shape) == ((YEAR,), (7, 2))
    error = apart(places(rows, 0), np.array([year_place(stamp) for stamp in stamps]))
    assert error[WINDOW - 1] < 1e-6
    assert (error * YEAR <= LARGEST_ERROR).all()


@settings(deadline=None)
@given(
    last=st.integers(-(2**33), 2**33),
    step=st.sampled_from([("h", 3600), ("15min", 900), ("s", 1), ("D", DAY), ("2D", 2 * DAY), ("W-MON", WEEK)]),
    window=st.integers(1, 9),
    horizon=st.integers(1, 9),
)
def test_windows_one_step_apart_agree_where_they_overlap(last, step, window, horizon):
    frequency, length = step
    earlier = features(last, frequency, window, horizon)
    later = features(last + length, frequency, window, horizon)
    assert earlier.shape == (window + horizon, 2 * len(calendar.cycles(frequency)))
    np.testing.assert_array_equal(earlier[1:], later[:-1])
    np.testing.assert_allclose(np.square(earlier).reshape(len(earlier), -1, 2).sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("frequency", ["MS", "QE", "B"])
def test_calendar_steps_one_step_apart_agree_to_a_few_days_and_a_tenth_of_the_cycle(frequency):
    stamps = pd.date_range("2023-11-01", periods=23, freq=frequency)
    for before, after in itertools.pairwise(stamps):
        earlier, later = features(seconds(before), frequency)[1:], features(seconds(after), frequency)[:-1]
        for number, cycle in enumerate(calendar.cycles(frequency)):
            distance = apart(places(earlier, number), places(later, number)).max()
            assert distance * cycle <= 2 * LARGEST_ERROR
            assert distance <= 0.1, f"{before.day_name()} and {after.day_name()}"


@pytest.mark.parametrize("frequency", ["YS", "YE-JUN", "1", "7", "12MS", "400D"])
def test_yearly_and_counted_steps_show_no_cycle(frequency):
    assert calendar.cycles(frequency) == ()


@pytest.mark.parametrize(
    ("frequency", "cycles"),
    [("12h", (DAY, WEEK, YEAR)), ("13h", (WEEK, YEAR)), ("3D", (WEEK, YEAR)), ("4D", (YEAR,)), ("2QS", (YEAR,))],
)
def test_a_cycle_needs_two_steps(frequency, cycles):
    assert calendar.cycles(frequency) == cycles


@pytest.mark.parametrize(
    ("frequency", "steps", "days"),
    [
        ("h", 2 * 24 - 1, []),
        ("h", 2 * 24, [1]),
        ("h", 2 * 7 * 24 - 1, [1]),
        ("h", 2 * 7 * 24, [1, 7]),
        ("D", 2 * 365, [7]),
        ("D", 2 * 366, [7, 365.2425]),
        ("MS", 23, []),
        ("MS", 24, [365.2425]),
    ],
)
def test_a_cycle_that_does_not_come_round_twice_is_left_out(frequency, steps, days):
    assert [cycle / calendar.DAY for cycle in calendar.recurring(frequency, steps)] == days


@pytest.mark.parametrize("frequency", ["B", "2B"])
@pytest.mark.parametrize("first", ["2023-11-01", "1969-12-19 07:30"])
def test_working_days_lie_where_their_dates_do(frequency, first):
    stamps = pd.date_range(first, periods=31, freq=frequency)
    assert calendar.cycles(frequency) == (WEEK, YEAR)
    for now in range(WINDOW - 1, len(stamps) - HORIZON):
        rows = features(seconds(stamps[now]), frequency)
        since = [seconds(stamp) - seconds("1970-01-05") for stamp in stamps[now - WINDOW + 1 : now + HORIZON + 1]]
        angles = [[2 * math.pi * (each / cycle % 1) for each in since] for cycle in (WEEK, YEAR)]
        expected = np.array([wave(angle) for angle in angles for wave in (np.sin, np.cos)]).T
        np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_a_weekend_counts_as_its_friday():
    friday, saturday, sunday = (features(seconds(day), "B") for day in ("2024-01-05", "2024-01-06", "2024-01-07"))
    np.testing.assert_array_equal(saturday, friday)
    np.testing.assert_array_equal(sunday, friday)


@pytest.mark.parametrize(("steps", "days"), [(9, []), (10, [7])])
def test_ten_working_days_show_the_week_twice(steps, days):
    assert [cycle / calendar.DAY for cycle in calendar.recurring("B", steps)] == days
