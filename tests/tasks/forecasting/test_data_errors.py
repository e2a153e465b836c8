"""What makes a series unusable is an error that says where and what to do; what is only odd is a note."""

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps.tasks.forecasting import data
from seqapps.tasks.forecasting.config import Config

LENGTH, WINDOW, HORIZON = 53, 5, 3
SIZES = {"window": WINDOW, "horizon": HORIZON, "season_length": 7}
CHANGE = "Shorten window or horizon, change the split, or supply more data."


def frame(length=LENGTH, start="2024-01-01"):
    """Days with two columns in which every value occurs once."""
    load = np.arange(length, dtype="float64")
    return pd.DataFrame({"date": pd.date_range(start, periods=length), "load": load, "wind": load + 0.5})


def write(path, table):
    table.to_csv(path, index=False)
    return str(path)


# --- tables ---


def test_an_unknown_column_is_refused():
    with refusal(
        "the DataFrame has no column 'dat' (`time_column`). Did you mean 'date'? It has 'date', 'load', 'wind'."
    ):
        data.load(frame(), Config(time_column="dat"))
    with refusal("the DataFrame has no column 'sun' (`target_columns`). It has 'date', 'load', 'wind'."):
        data.load(frame(), Config(target_columns=("load", "sun")))


def test_a_table_of_time_stamps_alone_is_refused():
    with refusal("the DataFrame has no column beside the time column 'date'."):
        data.load(frame()[["date"]], Config())


@pytest.mark.parametrize(("name", "option"), [("date", None), ("seen", "seen")])
def test_an_unreadable_time_stamp_is_refused_and_makes_no_table_of_a_row_per_series(name, option):
    table = frame().rename(columns={"date": name}).astype({name: str})
    table.loc[3, name] = "2024-01-0x"
    with refusal(
        f"the DataFrame, row 3, column {name!r}: expected a time stamp such as 2024-01-31 or 2024-01-31 23:00. "
        "Received: '2024-01-0x'."
    ):
        data.load(table, Config(**SIZES, time_column=option))


def test_an_empty_column_is_refused():
    with refusal("the DataFrame, column 'wind': every value is missing. Leave it out of target_columns."):
        data.load(frame().assign(wind=np.nan), Config(**SIZES))


def test_a_column_that_is_empty_in_training_is_refused():
    table = frame()
    table.loc[:30, "wind"] = np.nan
    with refusal("the DataFrame, column 'wind': every value of the training part is missing."):
        data.load(table, Config(**SIZES, split_rows=(31, 41, LENGTH)))


@pytest.mark.parametrize(
    ("part", "rows"), [("validation", slice(31, 41)), ("test", slice(41, None))], ids=["validation", "test"]
)
def test_a_part_without_any_value_is_refused(part, rows):
    config = Config(**SIZES, split_rows=(31, 41, LENGTH))
    table = frame()
    table.loc[table.index[rows], "wind"] = np.nan
    assert data.load(table, config).ends.tolist() == [[31, 41, LENGTH]]
    table.loc[table.index[rows], "load"] = np.nan
    with refusal(f"Every value of the {part} part is missing. Change the split, or supply more data."):
        data.load(table, config)


def test_a_missing_file_is_refused(tmp_path):
    with refusal(f"There is no file {str(tmp_path / 'a.csv')!r}.", FileNotFoundError):
        data.load(tmp_path / "a.csv", Config())


# --- several files ---


def test_a_folder_without_a_part_is_refused(tmp_path):
    for name, next_name in (("train", "validation"), ("dev", "test")):
        write(tmp_path / f"{name}.csv", frame())
        with refusal(
            f"The folder {str(tmp_path)!r} has no {next_name} file, such as {next_name}.csv.", FileNotFoundError
        ):
            data.load(tmp_path, Config())


def test_a_folder_with_two_files_for_a_part_is_refused(tmp_path):
    for name in ("train.csv", "train.parquet", "val.csv", "validation.csv.gz", "dev.csv", "test.csv", "test.csv.gz"):
        (tmp_path / name).touch()
    for part, names in (
        ("train", "'train.csv', 'train.parquet'"),
        ("validation", "'validation.csv.gz', 'val.csv', 'dev.csv'"),
        ("test", "'test.csv', 'test.csv.gz'"),
    ):
        with refusal(f"The folder {str(tmp_path)!r} has more than one {part} file: {names}. Keep one."):
            data.load(tmp_path, Config())
        for name in names.split(", ")[1:]:
            (tmp_path / name.strip("'")).unlink()


@pytest.mark.parametrize(("name", "default"), [("validation_fraction", 0.1), ("test_fraction", 0.2)])
def test_a_folder_leaves_nothing_to_a_fraction(tmp_path, name, default):
    with refusal(
        f"`{name}` must be left at {default}, because the data are split by the files of the folder DATA. "
        f"Received: {name}=0.25. Leave it out, or leave out the other rule."
    ):
        data.load(tmp_path, Config(**{name: 0.25}))


def test_a_folder_takes_no_further_files_and_no_rule(tmp_path):
    rules = {
        "validation_data": "other.csv",
        "test_data": "other.csv",
        "split_rows": (29, 41, LENGTH),
        "split_dates": ("2024-01-30", "2024-02-11"),
        "windows": 3,
    }
    for name, value in rules.items():
        with refusal(
            f"`{name}` must be None, because DATA is a folder with its own files. Received: {name}={value!r}."
        ):
            data.load(tmp_path, Config(**{name: value}))


def test_a_validation_file_needs_a_test_file():
    with refusal(
        "`test_data` must be given together with validation_data: in time, the test follows the validation. "
        "Received: test_data=None, validation_data='validation.csv'."
    ):
        data.load(frame(), Config(validation_data="validation.csv"))


def test_files_must_have_the_columns_of_the_first_one(tmp_path):
    later = frame(start="2024-03-01")
    test = write(tmp_path / "test.csv", later[["date", "load"]])
    with refusal(f"{test} has no column 'wind' (`target_columns`). It has 'date', 'load'."):
        data.load(frame(), Config(**SIZES, test_data=test))
    test = write(tmp_path / "test.csv", later.rename(columns={"date": "day"}))
    with refusal(f"{test} has no column 'date' (`time_column`). It has 'day', 'load', 'wind'."):
        data.load(frame(), Config(**SIZES, test_data=test))


def test_files_must_follow_each_other(tmp_path):
    last = frame()["date"].iloc[-1]
    test = write(tmp_path / "test.csv", frame(start=last))
    with refusal(f"{test} must start after the DataFrame ends ({last}). Received: {last}."):
        data.load(frame(), Config(**SIZES, test_data=test))


def test_files_must_tell_time_in_the_same_way(tmp_path):
    steps = pd.DataFrame({"date": range(1, LENGTH + 1), "load": 1.0, "wind": 2.0})
    test = write(tmp_path / "steps.csv", steps)
    with refusal(f"{test}, column 'date': expected time stamps, as in the DataFrame. Received: 1."):
        data.load(frame(), Config(**SIZES, test_data=test))
    test = write(tmp_path / "dates.csv", frame())
    with refusal(
        f"{test}, column 'date': expected numbers that count steps, as in the DataFrame. Received: 2024-01-01 00:00:00."
    ):
        data.load(steps, Config(**SIZES, test_data=test))


def test_files_must_lie_on_one_grid(tmp_path):
    test = write(tmp_path / "test.csv", frame(start="2024-03-01 01:00"))
    with refusal(
        f"the DataFrame with {test}: no frequency fits the time stamps; the first steps are 1 days 00:00:00, "
        "8 days 01:00:00. Resample them to a regular grid, or name one with `frequency`."
    ):
        data.load(frame(), Config(**SIZES, test_data=test))
    with refusal(
        f"the DataFrame with {test}: 2024-03-01 01:00:00 does not lie on the grid of `frequency` 'D' that starts at "
        "2024-01-01 00:00:00. Correct the time stamp or choose another frequency."
    ):
        data.load(frame(), Config(**SIZES, test_data=test, frequency="D"))


# --- rules ---


def test_fractions_must_leave_rows_to_train_on():
    with refusal(
        "`validation_fraction` and `test_fraction` must leave rows to train on. "
        "Received: validation_fraction=0.5, test_fraction=0.5."
    ):
        data.load(frame(), Config(**SIZES, validation_fraction=0.5, test_fraction=0.5))


def test_rows_must_end_within_the_data():
    with refusal(
        "`split_rows` must end within the data. Received: (29, 41, 54). the DataFrame has 53 rows on its grid."
    ):
        data.load(frame().drop(index=7), Config(**SIZES, split_rows=(29, 41, LENGTH + 1)))
    assert data.load(frame().drop(index=7), Config(**SIZES, split_rows=(29, 41, LENGTH))).ends[0, -1] == LENGTH


@pytest.mark.parametrize(
    "dates",
    [("2024-02-11", "2024-01-30"), ("2024-01-30", "2024-01-30"), ("2024-01-01", "2024-02-11"), ("2024-02-11", "2025")],
)
def test_dates_must_rise_and_lie_within_the_data(dates):
    with refusal(
        "`split_dates` must rise and lie within 2024-01-01 00:00:00 to 2024-02-22 00:00:00. "
        f"Received: {dates[0]}, {dates[1]}."
    ):
        data.load(frame(), Config(**SIZES, split_dates=dates))


def test_dates_must_be_readable():
    with refusal("`split_dates` must be time stamps of the data. Received: 'spring'."):
        data.load(frame(), Config(**SIZES, split_dates=("2024-01-30", "spring")))
    steps = pd.DataFrame({"time": range(LENGTH), "load": range(LENGTH)})
    with refusal("`split_dates` must be time stamps of the data. Received: '2024-01-30'."):
        data.load(steps, Config(**SIZES, split_dates=("2024-01-30", "2024-02-11")))


# --- lengths ---


@pytest.mark.parametrize("load", [data.load, data.load_whole])
def test_a_series_must_hold_one_example(load):
    with refusal(
        "The series has 7 steps; one example needs window + horizon = 5 + 3 = 8. "
        "Shorten window or horizon, or supply more data."
    ):
        load(frame(WINDOW + HORIZON - 1), Config(**SIZES))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ((7, 41, 53), "The train part has 7 steps; one example needs window + horizon = 5 + 3 = 8."),
        ((29, 31, 53), "The validation part has 2 steps; one example needs horizon = 3."),
        ((29, 41, 43), "The test part has 2 steps; one example needs horizon = 3."),
    ],
)
def test_every_part_must_hold_one_example(rows, problem):
    with refusal(f"{problem} {CHANGE}"):
        data.load(frame(), Config(**SIZES, split_rows=rows))


def test_parts_that_hold_exactly_one_example_are_enough():
    splits = data.load(frame(), Config(**SIZES, split_rows=(8, 11, 14)))
    assert [splits.origins(part).rows.tolist() for part in data.SPLITS] == [[5], [8], [11]]


def test_no_validation_at_all_is_refused():
    with refusal(
        "The validation part has 0 steps; one example needs horizon = 3. "
        "Shorten window or horizon, take --windows 1, for which 14 steps are enough, or supply more data."
    ):
        data.load(frame(), Config(**SIZES, validation_fraction=0.0))


def test_the_least_split_is_advised_where_it_fits():
    assert [len(data.load(frame(14), Config(**SIZES, windows=1)).origins(part)) for part in data.SPLITS] == [1, 1, 1]
    problem = "The validation part has 1 steps; one example needs horizon = 3."
    with refusal(
        f"{problem} Shorten window or horizon, take --windows 1, for which 14 steps are enough, or supply more data."
    ):
        data.load(frame(14), Config(**SIZES))
    with refusal(f"{problem} {CHANGE}"):
        data.load(frame(13), Config(**SIZES))
    with refusal(f"The train part has 4 steps; one example needs window + horizon = 5 + 3 = 8. {CHANGE}"):
        data.load(frame(10), Config(**SIZES, windows=1))


@pytest.mark.parametrize(
    ("sizes", "name", "steps"),
    [({"window": 5, "horizon": 7}, "window", 5), ({"window": 7, "horizon": 5}, "horizon", 5)],
)
def test_a_segment_is_no_longer_than_window_and_horizon(sizes, name, steps):
    with refusal(
        f"`segment_length` must be at most the {name} of {steps} steps. Received: segment_length=6. "
        "The rest of a segment would be padding."
    ):
        data.load(frame(), Config(**sizes, head="segment", segment_length=6))
    data.load(frame(), Config(**sizes, head="segment", segment_length=5, windows=1))


# --- notes ---


def test_a_whole_series_has_no_notes():
    assert data.load(frame(), Config(**SIZES)).notes == ()


def test_missing_steps_missing_values_and_constant_columns_are_notes():
    table = frame().assign(sun=0.25)
    table.loc[[3, 5], "wind"] = np.nan
    table.loc[50, "sun"] = 7.0  # in the test part
    splits = data.load(table.drop(index=[11, 12, 13]), Config(**SIZES))
    assert splits.notes == (
        "3 time steps are missing; their values are treated as missing.",
        "Column 'wind': 5 of 53 values are missing.",
        "Column 'sun' is constant in the training part (0.25).",
    )
