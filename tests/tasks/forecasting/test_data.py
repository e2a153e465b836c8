"""A series is cut in time by one rule: windows may reach back, targets stay inside their part."""

from math import nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.tasks.forecasting import data
from seqapps.tasks.forecasting.config import Config

LENGTH, WINDOW, HORIZON = 53, 5, 3
SIZES = {"window": WINDOW, "horizon": HORIZON, "season_length": 7}
PARTS = {"train": (0, 29), "validation": (29, 41), "test": (41, LENGTH)}


def frame(length=LENGTH, start="2024-01-01", frequency="D"):
    """Days with two columns in which every value occurs once."""
    load = np.arange(length, dtype="float64")
    return pd.DataFrame(
        {"date": pd.date_range(start, periods=length, freq=frequency), "load": load, "wind": load + 0.5}
    )


def write_parts(folder, names=("train", "validation", "test"), suffix=".csv"):
    """The frame in three files that follow each other."""
    paths = []
    for name, (start, stop) in zip(names, PARTS.values(), strict=True):
        paths.append(folder / f"{name}{suffix}")
        part = frame().iloc[start:stop]
        if suffix in (".parquet", ".pq"):
            part.to_parquet(paths[-1], index=False)
        else:
            part.to_csv(paths[-1], index=False)
    return paths


def ends_of(splits):
    """The rows after the parts of the only series."""
    return tuple(splits.ends[0].tolist())


def rows_of(splits, part):
    """First row of a part of the only series and the row after its last."""
    start, stop = splits.rows(part)
    return int(start[0]), int(stop[0])


def origins_of(splits, part):
    """The rows at which the part's forecasts start; all lie in the only series, which starts at row 0."""
    at = splits.origins(part)
    assert set(at.series.tolist()) == set(at.firsts.tolist()) == {0}
    return at.rows.tolist()


def assert_whole(splits):
    """The parts join to the series that was cut."""
    pd.testing.assert_index_equal(splits.panel.stamps, pd.DatetimeIndex(frame()["date"]), exact="equiv")
    np.testing.assert_array_equal(splits.panel.values, frame()[["load", "wind"]])
    assert (splits.panel.columns, splits.panel.frequency) == (("load", "wind"), "D")
    assert splits.notes == ()


# --- sources ---


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_a_file_and_a_data_frame_give_the_same_series(tmp_path, name):
    path = tmp_path / name
    frame().to_parquet(path) if path.suffix == ".parquet" else frame().to_csv(path, index=False)
    for source in (path, str(path), frame(), frame().set_index("date")):
        splits = data.load(source, Config(**SIZES))
        assert_whole(splits)
        assert splits.panel.time_column == "date"
        assert splits.panel.source == ("the DataFrame" if isinstance(source, pd.DataFrame) else str(path))


def test_targets_are_the_named_columns_in_their_order():
    config = Config(**SIZES, target_columns=("wind", "load"))
    series = data.load(frame(), config).panel
    assert series.columns == ("wind", "load")
    np.testing.assert_array_equal(series.values, frame()[["wind", "load"]])
    assert data.load(frame(), Config(**SIZES, target_columns=("wind",))).panel.values.shape == (LENGTH, 1)


def test_the_time_column_can_be_named():
    seen = pd.date_range("2030-01-01", periods=LENGTH, freq="h")
    table = frame().assign(seen=seen.astype(str))
    config = Config(**SIZES, time_column="seen", target_columns=("load",))
    series = data.load(table, config).panel
    assert (series.time_column, series.frequency, series.stamps.tolist()) == ("seen", "h", seen.tolist())


def test_missing_steps_become_nan_and_are_counted():
    dropped = [7, 8, 23]
    splits = data.load(frame().drop(index=dropped), Config(**SIZES))
    expected = frame()[["load", "wind"]].to_numpy()
    expected[dropped] = nan
    np.testing.assert_array_equal(splits.panel.values, expected)
    assert splits.panel.missing_steps == 3
    assert len(splits.panel.stamps) == LENGTH


def test_steps_missing_inside_and_between_files_are_counted(tmp_path):
    dropped = [7, 28, 29, 43]
    for name, (start, stop) in PARTS.items():
        part = frame().iloc[start:stop]
        part.drop(index=[row for row in dropped if start <= row < stop]).to_csv(tmp_path / f"{name}.csv", index=False)
    splits = data.load(tmp_path, Config(**SIZES))
    assert splits.panel.missing_steps == 4
    assert np.flatnonzero(np.isnan(splits.panel.values[:, 0])).tolist() == dropped
    assert ends_of(splits) == (
        30,
        41,
        LENGTH,
    )  # validation starts with its first row, two steps after the last of train


# --- rules ---


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({}, (LENGTH - 11 - 5, LENGTH - 11, LENGTH)),  # a tenth of 53 is 5, a fifth 11
        ({"validation_fraction": 0.25, "test_fraction": 0.5}, (LENGTH - 26 - 13, LENGTH - 26, LENGTH)),
        ({"split_rows": (23, 31, 37)}, (23, 31, 37)),
        ({"split_dates": ("2024-01-30", "2024-02-11")}, (29, 41, LENGTH)),
        ({"split_dates": ("2024-01-29 13:00", "2024-02-10T23:59")}, (29, 41, LENGTH)),
        ({"split_dates": ("2024-01-30T05:30+05:30", "2024-02-11T00:00Z")}, (29, 41, LENGTH)),
    ],
)
def test_fractions_rows_and_dates_cut_one_table(options, ends):
    splits = data.load(frame(), Config(**SIZES, **options))
    assert ends_of(splits) == ends
    assert_whole(splits)
    assert [rows_of(splits, part) for part in (*data.SPLITS, "all")] == [
        (0, ends[0]), (ends[0], ends[1]), (ends[1], ends[2]), (0, LENGTH),
    ]  # fmt: skip


def test_counted_steps_are_split_at_steps():
    table = pd.DataFrame({"step": np.arange(0, 2 * LENGTH, 2), "load": np.arange(LENGTH)})
    splits = data.load(table, Config(**SIZES, time_column="step", split_dates=("58", "81")))
    assert (ends_of(splits), splits.panel.frequency) == ((29, 41, LENGTH), "2")


@pytest.mark.parametrize("first", [1000, 1951, 20240101])
def test_a_frequency_of_whole_numbers_keeps_what_looks_like_years_or_days_as_steps(first):
    steps = np.arange(first, first + LENGTH)
    table = pd.DataFrame({"time": steps, "load": np.arange(LENGTH)})
    series = data.load(table, Config(**SIZES, frequency="1")).panel
    assert (series.stamps.tolist(), series.frequency, series.missing_steps) == (steps.tolist(), "1", 0)


def test_one_row_is_a_series_where_the_frequency_is_known():
    series = data.read(frame(1), Config(frequency="D"))
    assert (series.stamps.tolist(), series.values.tolist()) == ([pd.Timestamp("2024-01-01")], [[0.0, 0.5]])


@pytest.mark.parametrize("suffix", data.SUFFIXES)
@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_a_folder_brings_its_own_parts(tmp_path, name, suffix):
    write_parts(tmp_path, ("train", name, "test"), suffix)
    splits = data.load(tmp_path, Config(**SIZES))
    assert_whole(splits)
    assert [rows_of(splits, part) for part in data.SPLITS] == list(PARTS.values())


def test_files_for_validation_and_test_come_as_options(tmp_path):
    train, validation, test = map(str, write_parts(tmp_path))
    splits = data.load(train, Config(**SIZES, validation_data=validation, test_data=test))
    assert_whole(splits)
    assert ends_of(splits) == (29, 41, LENGTH)


def test_columns_of_further_files_are_chosen_by_name(tmp_path):
    train, validation, test = write_parts(tmp_path)
    for path in (validation, test):
        pd.read_csv(path).assign(note="spring", sun=7.0)[["note", "wind", "sun", "date", "load"]].to_csv(path)
    assert_whole(data.load(tmp_path, Config(**SIZES)))
    assert_whole(data.load(train, Config(**SIZES, validation_data=str(validation), test_data=str(test))))


def test_a_test_file_alone_leaves_the_end_of_the_data_for_validation(tmp_path):
    test = tmp_path / "test.csv"
    frame().iloc[41:].to_csv(test, index=False)
    splits = data.load(frame().iloc[:41], Config(**SIZES, test_data=str(test), validation_fraction=0.25))
    assert_whole(splits)
    assert ends_of(splits) == (41 - 10, 41, LENGTH)


@settings(deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.floats(0.15, 0.3), st.floats(0.15, 0.3))
def test_windows_may_reach_back_but_targets_stay_inside_their_part(window, horizon, validation, test):
    config = Config(window=window, horizon=horizon, validation_fraction=validation, test_fraction=test)
    splits = data.load(frame(), config)
    seen = []
    for part in data.SPLITS:
        start, stop = rows_of(splits, part)
        # Every row of the part from which a window lies behind and a horizon ahead, and no other.
        expected = [row for row in range(start, stop) if row >= window and row + horizon <= stop]
        assert origins_of(splits, part) == expected
        seen += [target for row in expected for target in {row, row + horizon - 1}]
        if part != "train":
            assert expected[0] == start
    assert min(seen) == window
    assert max(seen) == LENGTH - 1


# --- what the data decide ---


@pytest.mark.parametrize(
    ("frequency", "options", "season_length", "horizon", "window"),
    [
        ("D", {}, 7, 7, 21),
        ("h", {}, 24, 24, 72),
        ("MS", {}, 12, 12, 36),
        ("YS", {}, 1, 6, 18),
        ("D", {"season_length": 5}, 5, 6, 18),
        ("D", {"horizon": 11}, 7, 11, 33),
        ("D", {"horizon": 2, "window": 13}, 7, 2, 13),
    ],
)
def test_season_horizon_and_window_come_from_the_frequency(frequency, options, season_length, horizon, window):
    splits = data.load(frame(307, "1900-01-01", frequency), Config(**options))
    assert (splits.season_length, splits.horizon, splits.window) == (season_length, horizon, window)


@pytest.mark.parametrize(
    ("frequency", "options", "season_length", "horizon", "window"),
    [
        ("15min", {}, 96, 96, 288),
        ("10min", {}, 144, 96, 432),
        ("min", {}, 1440, 96, 512),
        ("s", {}, 86400, 96, 512),
        ("min", {"horizon": 113}, 1440, 113, 512),
        ("h", {"horizon": 181}, 24, 181, 512),
        ("min", {"horizon": 113, "window": 601}, 1440, 113, 601),
    ],
)
def test_a_long_season_does_not_make_a_long_horizon_or_window(frequency, options, season_length, horizon, window):
    splits = data.load(frame(2003, "2024-01-01", frequency), Config(**options))
    assert (splits.season_length, splits.horizon, splits.window) == (season_length, horizon, window)


def test_the_resolved_config_repeats_the_load():
    table = frame(211).rename(columns={"date": "seen"})
    config = Config(units=11)
    splits = data.load(table, config)
    resolved = data.resolved(config, splits)
    found = {"layout": "wide", "time_column": "seen", "target_columns": ("load", "wind"), "frequency": "D"}
    assert resolved == Config(units=11, window=21, horizon=7, season_length=7, **found)
    again = data.load(table, resolved)
    assert (ends_of(again), again.window, again.horizon) == (ends_of(splits), splits.window, splits.horizon)
    assert data.resolved(resolved, again) == resolved


def test_a_fingerprint_changes_with_its_own_part_and_no_other():
    config = Config(**SIZES, split_rows=(29, 41, LENGTH))
    before = data.load(frame(), config)

    def changed(table):
        after = data.load(table, config)
        return [part for part in data.SPLITS if before.fingerprint(part) != after.fingerprint(part)]

    table = frame()
    assert changed(table) == []
    table.loc[30, "wind"] = 7
    assert changed(table) == ["validation"]
    assert changed(frame().rename(columns={"wind": "sun"})) == list(data.SPLITS)
    assert changed(frame(start="2024-01-02")) == list(data.SPLITS)
    assert changed(frame(frequency="B")) == list(data.SPLITS)


def test_a_whole_series_has_every_window_and_no_split():
    config = Config(**SIZES, split_rows=(29, 41, LENGTH + 7))
    splits = data.load_whole(frame(), config)
    assert origins_of(splits, "all") == list(range(WINDOW, LENGTH - HORIZON + 1))
    assert origins_of(data.load_whole(frame(WINDOW + HORIZON), config), "all") == [WINDOW]
