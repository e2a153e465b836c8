"""The grid of a series is found again from what is left of it, or the series is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from refusals import refusal

from seqapps.series.grid import DAYS, MONTHS, future_stamps, regular_grid, season_of

STEPS = 61
WEEKLY = tuple(f"W-{day}" for day in DAYS)
# One name per grid: QS-APR is QS, YE-DEC is YE.
FREQUENCIES = (
    "h", "15min", "2h", "7s", "D", "3D", "B", *WEEKLY, "MS", "ME", "BMS", "BME", "QS", "QS-FEB", "QS-MAR", "QE",
    "QE-JAN", "QE-FEB", "BQS", "BQS-FEB", "BQS-MAR", "BQE", "BQE-JAN", "BQE-FEB",
    "YS", *(f"YS-{month}" for month in MONTHS[1:]), "YE", *(f"YE-{month}" for month in MONTHS[:-1]),
    "BYS", *(f"BYS-{month}" for month in MONTHS[1:]), "BYE", *(f"BYE-{month}" for month in MONTHS[:-1]),
)  # fmt: skip
FREQUENCY_ADVICE = "Examples: 'h', 'D', 'B', 'W', 'MS', 'QS', '15min'."
# At most every sixth step is missing, so that no coarser grid holds the others by chance.
gaps = st.sets(st.integers(1, STEPS - 2), max_size=STEPS // 6)
starts = st.datetimes(pd.Timestamp("1971-01-01"), pd.Timestamp("2031-12-31")).map(
    lambda time: time.replace(microsecond=0)
)
fuzzed = settings(deadline=None, max_examples=200)


def dates(*texts):
    return pd.DatetimeIndex(texts, name="date")


def without(grid, missing):
    return grid.delete(sorted(missing))


# --- finding ---


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_every_frequency_is_found_in_a_whole_series(frequency):
    full = pd.date_range("2019-02-27", periods=STEPS, freq=frequency, name="date")
    grid, found = regular_grid(full)
    assert found == frequency
    pd.testing.assert_index_equal(grid, full, exact="equiv")


@fuzzed
@given(st.sampled_from(FREQUENCIES), starts, gaps)
def test_every_frequency_is_found_with_steps_missing(frequency, start, missing):
    start = pd.Timestamp(start).normalize() if frequency in WEEKLY else start
    full = pd.date_range(start, periods=STEPS, freq=frequency, name="date")
    grid, found = regular_grid(without(full, missing))
    assert found == frequency
    pd.testing.assert_index_equal(grid, full, exact="equiv")


@fuzzed
@given(st.integers(-97, 97), st.integers(1, 97), gaps)
def test_a_step_of_whole_numbers_is_found_with_steps_missing(start, step, missing):
    full = pd.Index(np.arange(start, start + step * STEPS, step), name="step")
    grid, found = regular_grid(without(full, missing))
    assert (found, grid.tolist(), grid.name) == (str(step), full.tolist(), "step")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("frequency", ["2h", "B", "W-TUE", "MS"])
def test_the_unit_of_time_stamps_does_not_matter(frequency, unit):
    full = pd.date_range("2024-01-01", periods=STEPS, freq=frequency)
    grid, found = regular_grid(without(full, {2, 3}).as_unit(unit))
    assert (found, grid.tolist()) == (frequency, full.tolist())


@pytest.mark.parametrize("frequency", ["QS-APR", "QS-NOV", "QE-MAR", "YS-JAN", "YE-DEC", "W"])
def test_a_second_name_of_a_frequency_gives_the_same_grid(frequency):
    full = pd.date_range("2019-02-27", periods=STEPS, freq=frequency)
    assert regular_grid(full)[0].tolist() == full.tolist()


def test_a_week_that_does_not_start_at_midnight_is_seven_days():
    full = pd.date_range("2024-01-01 06:30", periods=STEPS, freq="7D")
    grid, found = regular_grid(without(full, {2, 3}))
    assert (found, grid.tolist()) == ("7D", full.tolist())


def test_a_series_may_be_longer_than_a_duration_in_pandas():
    full = pd.date_range("1700-01-01", periods=309, freq="YS")  # the years of the sunspot numbers
    with pytest.raises(pd.errors.OutOfBoundsDatetime):
        _ = full[-1] - full[0]
    grid, found = regular_grid(without(full, {2, 3}))
    assert (found, grid.tolist()) == ("YS", full.tolist())


def test_up_to_half_of_the_steps_may_be_missing():
    full = pd.date_range("2024-01-01", periods=7, freq="h")
    assert regular_grid(full[[0, 1, 5]])[0].tolist() == full[:6].tolist()
    with refusal(
        "the series: no frequency fits the time stamps; the first steps are 0 days 01:00:00, 0 days 05:00:00. "
        "Resample them to a regular grid, or name one with `frequency`."
    ):
        regular_grid(full[[0, 1, 6]])
    assert regular_grid(pd.Index([0, 3, 15]))[0].tolist() == [0, 3, 6, 9, 12, 15]
    with refusal(
        "a.csv: no frequency fits the time stamps; the first steps are 3, 15. "
        "Resample them to a regular grid, or name one with `frequency`."
    ):
        regular_grid(pd.Index([0, 3, 18]), source="a.csv")


def test_no_more_than_three_steps_of_an_irregular_series_are_shown():
    with refusal(
        "the series: no frequency fits the time stamps; the first steps are 1, 100, 1000. "
        "Resample them to a regular grid, or name one with `frequency`."
    ):
        regular_grid(pd.Index([0, 1, 101, 102, 1102, 11102]))


@pytest.mark.parametrize("stamps", [pd.Index([7]), dates("2024-01-01"), dates()])
def test_a_frequency_is_found_from_two_steps_on(stamps):
    with refusal(f"a.csv has {len(stamps)} time steps; the frequency shows from 2 on. Name it with `frequency`."):
        regular_grid(stamps, source="a.csv")


# --- a frequency by name ---


@pytest.mark.parametrize(("stamps", "frequency"), [(pd.Index([7]), "3"), (dates("2024-01-31"), "ME")])
def test_one_step_is_a_grid_of_a_named_frequency(stamps, frequency):
    grid, found = regular_grid(stamps, frequency)
    assert (found, grid.tolist()) == (frequency, stamps.tolist())


def test_no_step_at_all_is_no_grid():
    with refusal("a.csv has 0 time steps; the frequency shows from 2 on. Name it with `frequency`."):
        regular_grid(dates(), "D", "a.csv")


def test_a_named_frequency_wins_over_what_fits():
    stamps = dates("2024-01-01", "2024-01-03", "2024-01-05")
    assert regular_grid(stamps)[1] == "2D"
    grid, frequency = regular_grid(stamps, "D")
    assert (frequency, len(grid)) == ("D", 5)
    grid, frequency = regular_grid(pd.Index([0, 6, 12]), "3")
    assert (frequency, grid.tolist()) == ("3", [0, 3, 6, 9, 12])


def test_a_named_frequency_may_leave_any_share_missing():
    grid, _ = regular_grid(dates("2024-01-01", "2024-12-31"), "D")
    assert len(grid) == 366


@pytest.mark.parametrize(
    ("stamps", "frequency", "off"),
    [
        (dates("2024-01-01", "2024-02-01", "2024-02-15", "2024-03-07"), "MS", "2024-02-15 00:00:00"),
        (dates("2024-01-01", "2024-01-08"), "W", "2024-01-01 00:00:00"),  # Mondays; W is Sundays
        (dates("2024-01-06"), "B", "2024-01-06 00:00:00"),  # one Saturday
        (pd.Index([0, 3, 5]), "3", "5"),
    ],
)
def test_a_time_stamp_off_the_grid_is_refused(stamps, frequency, off):
    with refusal(
        f"a.csv: {off} does not lie on the grid of `frequency` {frequency!r} that starts at {stamps[0]}. "
        "Correct the time stamp or choose another frequency."
    ):
        regular_grid(stamps, frequency, "a.csv")


@pytest.mark.parametrize("frequency", ["hourly", "", "7", "0h", "-1D", "0MS", "M", "H"])
def test_what_pandas_does_not_take_as_a_frequency_is_refused(frequency):
    with refusal(f"`frequency` must be a frequency of pandas. Received: frequency={frequency!r}. {FREQUENCY_ADVICE}"):
        regular_grid(dates("2024-01-01", "2024-01-02"), frequency)


@pytest.mark.parametrize("frequency", ["h", "0", "-1", "2.5", ""])
def test_counted_steps_take_a_whole_number_as_frequency(frequency):
    with refusal(
        "`frequency` must be a whole number of steps, because the time column counts steps. "
        f"Received: frequency={frequency!r}."
    ):
        regular_grid(pd.Index([0, 1, 2]), frequency)


# --- what follows ---


@fuzzed
@given(st.sampled_from([*FREQUENCIES, "2MS", "2W-MON", "2QS"]), starts, st.integers(0, 12), st.integers(1, 7))
@example("B", pd.Timestamp("2024-01-01"), 4, 3)
def test_future_stamps_go_on_with_the_grid(frequency, start, position, steps):
    full = pd.date_range(start, periods=position + 1 + steps, freq=frequency)
    assert future_stamps(full[position], steps, frequency).tolist() == full[position + 1 :].tolist()


def test_future_steps_go_on_counting():
    assert future_stamps(7, 3, "5").tolist() == [12, 17, 22]
    grid, frequency = regular_grid(pd.Index([2, 7, 12]))
    assert future_stamps(grid[-1], 2, frequency).tolist() == [17, 22]


def test_a_season_is_a_day_a_week_or_a_year():
    expected = {
        "s": 24 * 60 * 60, "15min": 24 * 4, "30min": 24 * 2, "h": 24, "2h": 12, "D": 7, "B": 5, "2D": 1,
        **dict.fromkeys(("W", *WEEKLY, "7D"), 52), "2W-MON": 26,
        **dict.fromkeys(("MS", "ME", "BMS", "BME"), 12), "2MS": 6, "QS": 4, "QS-FEB": 4, "QE": 4, "2QE": 2,
        "BQS": 4, "BQS-FEB": 4, "BQE": 4, "2BQE": 2, "BYS": 1, "BYS-APR": 1, "BYE": 1, "BYE-NOV": 1,
        "YS": 1, "YE": 1, "YS-APR": 1, "2YE": 1, "SMS": 1, "1": 1, "7": 1,
    }  # fmt: skip
    assert {frequency: season_of(frequency) for frequency in expected} == expected
