"""Many series are cut by one rule each for itself: no window, scale or forecast crosses from one to the next."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.series import windows
from seqapps.tasks.forecasting import data, preprocessing
from seqapps.tasks.forecasting.config import Config

LENGTHS = (40, 23, 31)
SIZES = {"window": 5, "horizon": 3, "season_length": 7}
FIRST_DAY = pd.Timestamp("2024-01-01")


def table(lengths=LENGTHS, delays=(0, 0, 0)):
    """Series `s0`, `s1`, … of days; a value tells its series and step: 1003.0 is step 3 of the second one."""
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{number}",
                "ds": pd.date_range(FIRST_DAY + pd.Timedelta(days=delay), periods=length),
                "y": 1000.0 * number + np.arange(length),
            }
        )
        for number, (length, delay) in enumerate(zip(lengths, delays, strict=True))
    ]
    return pd.concat(parts, ignore_index=True)


def steps_of(rows, splits):
    """Rows of the panel `(series, …)` as steps of their own series."""
    return (rows - splits.panel.starts[:-1].reshape(-1, *[1] * (rows.ndim - 1))).tolist()


def ends_of(splits):
    return steps_of(splits.ends, splits)


def origins_of(splits, part):
    """For every series the steps at which the part's forecasts start."""
    at = splits.origins(part)
    np.testing.assert_array_equal(at.firsts, splits.panel.starts[at.series])
    assert at.rows.dtype == at.firsts.dtype == at.series.dtype == np.int32
    count = len(splits.panel.ids)
    return [(at.rows[at.series == number] - splits.panel.starts[number]).tolist() for number in range(count)]


def write(path, frame):
    frame.to_csv(path, index=False)
    return str(path)


# --- rules ---


def test_fractions_are_those_of_every_series():
    splits = data.load(table(), Config(**SIZES, validation_fraction=0.15, test_fraction=0.25))
    expected = []
    for length in LENGTHS:
        test = length - round(length * 0.25)
        expected.append([test - round(length * 0.15), test, length])
    assert ends_of(splits) == expected
    assert [splits.steps(part) for part in (*data.SPLITS, "all")] == [
        sum(end[0] for end in expected),
        sum(end[1] - end[0] for end in expected),
        sum(end[2] - end[1] for end in expected),
        sum(LENGTHS),
    ]


def test_rows_count_from_the_start_of_every_series_and_end_with_it():
    splits = data.load(table(delays=(0, 11, 3)), Config(**SIZES, split_rows=(20, 29, 37)))
    assert ends_of(splits) == [[20, 29, 37], [20, 23, 23], [20, 29, 31]]
    with pytest.raises(ValueError, match=r"\A`split_rows` must end within the data\. Received: \(20, 29, 41\)\. "):
        data.load(table(), Config(**SIZES, split_rows=(20, 29, 41)))


def test_dates_are_the_same_for_every_series():
    splits = data.load(table(delays=(0, 11, -3)), Config(**SIZES, split_dates=("2024-01-21", "2024-01-30")))
    # January 21 is step 20 of a series that starts with the year, step 9 of one that starts 11 days later.
    assert ends_of(splits) == [[20, 29, 40], [9, 18, 23], [23, 31, 31]]
    late = data.load(table((40, 23), (0, 25)), Config(**SIZES, split_dates=("2024-01-21", "2024-01-30")))
    assert ends_of(late) == [[20, 29, 40], [0, 4, 23]]


@pytest.mark.parametrize(("count", "step_size"), [(1, 1), (3, 1), (3, 2), (2, 4)])
def test_windows_are_the_last_ones_of_every_series(count, step_size):
    splits = data.load(table(), Config(**SIZES, windows=count, step_size=step_size))
    rows = 3 + (count - 1) * step_size
    assert ends_of(splits) == [[length - 2 * rows, length - rows, length] for length in LENGTHS]
    assert origins_of(splits, "test") == [
        [length - rows + number * step_size for number in range(count)] for length in LENGTHS
    ]
    assert splits.step_size == step_size


def test_a_step_size_thins_the_test_part_alone():
    every, third = (data.load(table(), Config(**SIZES, step_size=step_size)) for step_size in (1, 3))
    assert origins_of(third, "test") == [rows[::3] for rows in origins_of(every, "test")]
    for part in ("train", "validation", "all"):
        assert origins_of(third, part) == origins_of(every, part)


def test_files_cut_every_series_where_its_rows_begin(tmp_path):
    whole = table()
    step = whole.groupby("unique_id").cumcount()
    # s0 is in all files; s1 ends with the validation file; s2 skips it.
    cut = {"s0": (20, 30), "s1": (12, 23), "s2": (17, 17)}
    low, high = (whole["unique_id"].map({name: ends[end] for name, ends in cut.items()}) for end in (0, 1))
    parts = {"train": step < low, "validation": (step >= low) & (step < high), "test": step >= high}
    paths = {name: write(tmp_path / f"{name}.csv", whole[rows][::-1].sort_values("ds")) for name, rows in parts.items()}
    config = Config(**SIZES)
    for splits in (
        data.load(tmp_path, config),
        data.load(paths["train"], Config(**SIZES, validation_data=paths["validation"], test_data=paths["test"])),
    ):
        by_name = dict(zip(splits.panel.ids, ends_of(splits), strict=True))
        assert by_name == {"s0": [20, 30, 40], "s1": [12, 23, 23], "s2": [17, 17, 31]}
        starts = dict(zip(splits.panel.ids, splits.panel.starts, strict=False))
        for name in cut:
            length = by_name[name][-1]
            received = splits.panel.values[starts[name] : starts[name] + length, 0]
            np.testing.assert_array_equal(received, whole.loc[whole["unique_id"] == name, "y"])


def test_a_test_file_alone_leaves_the_end_of_every_series_for_validation(tmp_path):
    whole = table()
    tail = whole.groupby("unique_id").cumcount(ascending=False) < 5
    test = write(tmp_path / "test.csv", whole[tail & (whole["unique_id"] != "s1")])
    splits = data.load(whole[~tail], Config(**SIZES, test_data=test, validation_fraction=0.25))
    assert ends_of(splits) == [[35 - 9, 35, 40], [18 - 4, 18, 18], [26 - 6, 26, 31]]


def test_rows_with_a_test_file_are_cut_where_each_series_ended(tmp_path):
    train = tmp_path / "train.csv"
    train.write_text("V1," + ",".join(map(str, range(20))) + "\n")
    with train.open("a") as file:
        for number, length in enumerate((20, 11)):
            file.write(f"H{number}," + ",".join(map(str, range(length))) + "," * (20 - length) + "\n")
    test = tmp_path / "test.csv"
    test.write_text("V1,1,2,3\nH1,11,12,13\nH0,20,21,22\n")
    splits = data.load(train, Config(**SIZES, test_data=str(test), validation_fraction=0.2))
    assert ends_of(splits) == [[16, 20, 23], [9, 11, 14]]
    assert origins_of(splits, "test") == [[20], [11]]
    resolved = data.resolved(Config(**SIZES, test_data=str(test), validation_fraction=0.2), splits)
    assert (resolved.layout, resolved.id_column, resolved.target_columns, resolved.frequency) == (
        "rows",
        *[None] * 2,
        "1",
    )
    np.testing.assert_array_equal(data.load(train, resolved).ends, splits.ends)


# --- origins and windows ---


@settings(deadline=None, max_examples=50)
@given(
    short=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    place=st.integers(0, 4),
    window=st.integers(1, 9),
    horizon=st.integers(1, 5),
    step_size=st.integers(1, 3),
)
def test_no_window_and_no_horizon_crosses_into_another_series(short, place, window, horizon, step_size):
    lengths = [*short[:place], 61, *short[place:]]  # one is long enough for any window
    config = Config(window=window, horizon=horizon, season_length=7, step_size=step_size)
    splits = data.load(table(lengths, [0] * len(lengths)), config)
    values = splits.panel.values
    for part in (*data.SPLITS, "all"):
        at = splits.origins(part)
        rows = origins_of(splits, part)
        for number, (start, stop) in enumerate(zip(*splits.rows(part), strict=True)):
            first = splits.panel.starts[number]
            known = (lengths[number] if part == "all" else splits.ends[number, 0] - first) - horizon
            # A series too short for a window and horizon has padded windows, from one season on.
            lead = window if known >= window else min(max(known, 1), 7, window)
            expected = [row for row in range(start, stop) if row - first >= lead and row + horizon <= stop]
            if part == "test":
                expected = [row for row in expected if (row - start) % step_size == 0]
            assert rows[number] == [row - first for row in expected]
        past, future = windows.histories(values, at, window)[..., 0], windows.futures(values, at, horizon)[..., 0]
        step = at.rows - at.firsts
        assert (future // 1000 == at.series[:, None]).all()
        np.testing.assert_array_equal(future % 1000, step[:, None] + np.arange(horizon))
        ago = step[:, None] + np.arange(-window, 0)
        np.testing.assert_array_equal(np.isnan(past), ago < 0)
        np.testing.assert_array_equal(past[ago >= 0], (1000 * at.series[:, None] + ago)[ago >= 0])
        assert not np.isnan(past[:, -1]).any()  # something is known before every forecast


def test_a_short_series_takes_part_with_a_padded_window():
    splits = data.load(table((40, 6), (0, 0)), Config(**SIZES, split_rows=(20, 29, 40)))
    assert ends_of(splits) == [[20, 29, 40], [6, 6, 6]]
    assert origins_of(splits, "train") == [list(range(5, 18)), [3]]  # no season fits
    at = splits.origins("train")
    history = windows.histories(splits.panel.values, at, 5)[-1, :, 0]
    np.testing.assert_array_equal(history, [np.nan, np.nan, 1000, 1001, 1002])


def test_a_lone_series_is_never_padded_also_in_a_long_table():
    alone = table((7,), (0,))
    with pytest.raises(ValueError, match=r"\AThe series has 7 steps; one example needs window \+ horizon = 5 \+ 3 = 8"):
        data.load(alone, Config(**SIZES))


# --- scaling ---


def fitted(frame, **options):
    config = Config(**SIZES, **options)
    splits = data.load(frame, config)
    return preprocessing.fit(splits, config), splits, config


def test_every_series_is_scaled_by_its_own_training_part():
    scaling, splits, _ = fitted(table())
    assert (scaling.ids, scaling.many) == (("s0", "s1", "s2"), True)
    scaled = scaling.arrays(splits.panel).values[:, 0]
    for number, (start, stop) in enumerate(zip(*splits.rows("train"), strict=True)):
        train = splits.panel.values[start:stop, 0]
        assert scaling.mean[number] == pytest.approx((train.mean(),))
        assert scaling.scale[number] == pytest.approx((train.std(),))
        assert (scaling.low[number], scaling.high[number]) == ((train.min(),), (train.max(),))
        assert scaling.seasonal_error[number] == (7,)  # a step is 1, a season 7 steps
        np.testing.assert_allclose([scaled[start:stop].mean(), scaled[start:stop].std()], [0, 1], atol=1e-5)
    np.testing.assert_allclose(
        scaling.inverse(scaled[:, None], *scaling.statistics(np.repeat(np.arange(3), LENGTHS), 2)),
        splits.panel.values,
        rtol=1e-6,
        atol=1e-4,
    )


def test_other_data_take_the_statistics_of_their_series_by_name():
    scaling, splits, config = fitted(table())
    resolved = data.resolved(config, splits)
    other = table((29, 37), (0, 0)).replace({"unique_id": {"s0": "s2", "s1": "new"}})
    own = data.load_whole(other, resolved)
    aligned = scaling.aligned(own)
    assert aligned.ids == ("s2", "new")
    for name in preprocessing.TABLES:
        assert getattr(aligned, name)[0] == getattr(scaling, name)[2]
    values = other.loc[other["unique_id"] == "new", "y"]
    assert aligned.mean[1] == pytest.approx((values.mean(),))
    assert aligned.scale[1] == pytest.approx((values.std(ddof=0),))
    assert (aligned.low[1], aligned.high[1]) == ((values.min(),), (values.max(),))
    assert scaling.aligned(splits) is scaling
    assert (aligned.columns, aligned.mark_missing, aligned.transform) == (("y",), False, "none")


@pytest.mark.parametrize("value", [0.0, -2.5])
def test_an_unseen_series_without_logarithms_has_finite_statistics(value):
    frame = table().assign(y=lambda rows: rows["y"] + 1)
    scaling, splits, config = fitted(frame, transform="log")
    other = table((29,), (0,)).replace({"unique_id": {"s0": "new"}}).assign(y=lambda rows: rows["y"] + 1)
    other.loc[11, "y"] = value
    aligned = scaling.aligned(data.load_whole(other, data.resolved(config, splits)))
    assert np.isfinite([aligned.mean, aligned.scale]).all()


def test_a_series_without_training_values_is_known_from_all_before_the_test():
    frame = table()
    steps = frame.groupby("unique_id").cumcount()
    frame.loc[(frame["unique_id"] == "s1") & (steps < 15), "y"] = np.nan
    scaling, _, _ = fitted(frame, split_rows=(15, 20, 40))
    assert scaling.mean[1] == (1017.0,)  # steps 15 to 19
    assert scaling.scale[1] == pytest.approx((np.std(range(5)),))
    frame.loc[frame["unique_id"] == "s1", "y"] = np.nan
    unknown, _, _ = fitted(frame, split_rows=(15, 20, 40))
    assert (unknown.mean[1], unknown.scale[1]) == ((1.0,), (1.0,))


# --- notes ---


def test_constant_and_unused_series_are_notes():
    frame = table((40, 40, 40, 40, 40), [0] * 5)
    step = frame.groupby("unique_id").cumcount()
    frame.loc[frame["unique_id"].isin(["s1", "s3"]) & (step < 30), "y"] = 7.0
    frame.loc[frame["unique_id"].isin(["s0", "s4"]) & (step < 30), "y"] = np.nan
    _, splits, _ = fitted(frame, split_rows=(25, 30, 40))
    assert splits.notes == (
        "Column 'y': 60 of 200 values are missing.",
        "2 series are constant in the training part: s1, s3.",
        "2 series are without values in the training part: s0, s4.",
    )


def test_many_constant_series_are_counted_and_five_of_them_named():
    frame = table([40] * 7, [0] * 7)
    frame.loc[frame["unique_id"] != "s2", "y"] = 7.0
    assert fitted(frame)[1].notes == ("6 series are constant in the training part: s0, s1, s3, s4, s5 ….",)


def test_a_series_that_is_constant_in_every_column_is_counted_once():
    frame = table().assign(wind=lambda rows: rows["y"] + 0.5)
    frame.loc[frame["unique_id"] != "s2", ["y", "wind"]] = 7.0
    notes = data.load(frame, Config(**SIZES, target_columns=("y", "wind"))).notes
    assert notes == (
        "2 series are constant in the training part: s0, s1.",
        "1 of 3 series is too short for a window of the validation part: s1.",
    )
