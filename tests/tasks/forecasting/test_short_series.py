"""Short series among long ones: their last windows are tested too, on their own values, and none drops out silently."""

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps import run_folder
from seqapps.series import windows
from seqapps.tasks.forecasting import Config, data, train

HORIZON, COUNT, STEP_SIZE = 4, 3, 2
BACKTEST = {
    "window": 5, "horizon": HORIZON, "season_length": 7, "windows": COUNT, "step_size": STEP_SIZE, "refit": True,
}  # fmt: skip


def table(*lengths):
    """Series `s0`, `s1`, … of days; a value tells its series and step: 1003.0 is step 3 of the second one."""
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{number}",
                "ds": pd.date_range("2024-01-01", periods=length),
                "y": 1000.0 * number + np.arange(length),
            }
        )
        for number, length in enumerate(lengths)
    ]
    return pd.concat(parts, ignore_index=True)


def origins_of(splits, part):
    """For every series the steps at which the part's forecasts start."""
    at = splits.origins(part)
    return [(at.rows - at.firsts)[at.series == number].tolist() for number in range(len(splits.panel.ids))]


def assert_own(splits, part):
    """Every truth of a part is of the series that it is forecast for."""
    at = splits.origins(part)
    future = windows.futures(splits.panel.values, at, splits.horizon)[..., 0]
    np.testing.assert_array_equal(future // 1000, np.repeat(at.series[:, None], splits.horizon, axis=1))


# --- backtests ---


@pytest.mark.parametrize(
    ("length", "expected"), [(5, [1]), (6, [2]), (7, [1, 3]), (9, [1, 3, 5]), (11, [3, 5, 7]), (60, [52, 54, 56])]
)
def test_the_last_windows_are_tested_also_of_a_short_series(length, expected):
    splits = data.load(table(60, length), Config(**BACKTEST))
    assert origins_of(splits, "test") == [[52, 54, 56], expected]


@pytest.mark.parametrize("lengths", [(60, 6, 60), (60, 60, 6), (6, 60, 5), (60, 4, 9)])
def test_a_window_that_moves_stays_within_its_series(lengths):
    whole = data.load(table(*lengths), Config(**BACKTEST))
    tested = [[] for _ in lengths]
    for number in range(COUNT):
        moved = whole.moved(number * STEP_SIZE)
        starts, stops = moved.panel.starts[:-1, None], moved.panel.starts[1:, None]
        assert ((starts <= moved.ends) & (moved.ends <= stops)).all()
        for part in data.SPLITS:
            assert_own(moved, part)
        for found, more in zip(tested, origins_of(moved, "test"), strict=True):
            assert len(more) <= 1
            found += more
        trained, now = moved.origins("train"), moved.ends[:, 1]
        assert (trained.rows + HORIZON <= now[trained.series]).all()
    assert tested == origins_of(whole, "test")


@pytest.mark.slow
def test_a_backtest_with_refits_scores_series_of_unequal_lengths_against_their_own_values(tmp_path):
    frame = table(60, 6, 60, 7)
    train(Config(**BACKTEST, units=3, epochs=1), frame, tmp_path / "run")
    predictions = pd.read_csv(tmp_path / "run" / "predictions.csv.gz", parse_dates=["time"])
    truth = predictions.merge(frame, left_on=["id", "time"], right_on=["unique_id", "ds"], how="left")
    np.testing.assert_array_equal(truth["reference"], truth["y"])
    last = predictions.groupby("id")["time"].max()
    assert last.to_dict() == frame.groupby("unique_id")["ds"].max().to_dict()
    counts = {"s0": 3, "s1": 1, "s2": 3, "s3": 2}
    assert (predictions.groupby("id").size() / HORIZON).to_dict() == counts
    assert run_folder.read_json(tmp_path / "run" / "metrics.json")["windows"] == sum(counts.values())


# --- training ---


def test_a_series_shorter_than_window_and_horizon_trains_from_one_season_on():
    config = Config(window=20, horizon=3, season_length=7, split_rows=(30, 40, 50))
    trained = origins_of(data.load(table(50, 22, 23, 10, 9, 4, 3), config), "train")
    assert trained[0] == list(range(20, 28))
    assert trained[1] == list(range(7, 20))
    assert trained[2] == [20]  # long enough for one whole window
    assert trained[3:] == [[7], [6], [1], []]


# --- what is said ---


def test_series_without_a_window_in_a_part_are_counted_and_five_of_them_named():
    config = Config(window=5, horizon=3, season_length=7, split_rows=(30, 40, 50))
    assert data.load(table(50, 50), config).notes == ()
    assert data.load(table(50, 34, *[3] * 7), config).notes == (
        "7 of 9 series are too short for a window of the train part: s2, s3, s4, s5, s6 ….",
        "7 of 9 series are too short for a window of the validation part: s2, s3, s4, s5, s6 ….",
        "8 of 9 series are too short for a window of the test part: s1, s2, s3, s4, s5 ….",
    )


def test_series_that_are_all_too_short_are_refused_with_what_is_needed():
    with refusal(
        "The longest series has 9 steps; one example needs window + horizon = 5 + 5 = 10. "
        "Shorten window or horizon, or supply more data."
    ):
        data.load(table(9, 7), Config(window=5, horizon=5))
    problem = "The longest validation part has 2 steps; one example needs horizon = 5. Shorten window or horizon, "
    with refusal(f"{problem}take --windows 1, for which 16 steps are enough, or supply more data."):
        data.load(table(16, 7), Config(window=5, horizon=5))
    with refusal(f"{problem}change the split, or supply more data."):
        data.load(table(15, 7), Config(window=5, horizon=5))
    with refusal(
        "The longest train part has 5 steps; one example needs horizon = 5 and a step before. "
        "Shorten window or horizon, change the split, or supply more data."
    ):
        data.load(table(15, 7), Config(window=5, horizon=5, windows=1))
    least = data.load(table(16, 7), Config(window=5, horizon=5, windows=1))
    assert [origins_of(least, part) for part in data.SPLITS] == [[[1], []], [[6], []], [[11], [2]]]


def test_whole_series_that_are_all_too_short_are_refused_with_what_is_needed():
    config = Config(window=24, horizon=6)
    with refusal(
        "The longest series has 6 steps; one example needs horizon = 6 and a step before. "
        "Shorten window or horizon, or supply more data."
    ):
        data.load_whole(table(6, 5), config)
    assert origins_of(data.load_whole(table(7, 5), config), "all") == [[1], []]
    with refusal(
        "The series has 29 steps; one example needs window + horizon = 24 + 6 = 30. "
        "Shorten window or horizon, or supply more data."
    ):
        data.load_whole(table(29), config)
    assert origins_of(data.load_whole(table(30), config), "all") == [[24]]


def test_missing_covariates_are_notes():
    frame = table(40, 30).assign(wind=1.0, price=2.0, town="Ulm", area=7.0)
    frame.loc[[3, 5], "wind"], frame.loc[[7], "price"] = np.nan, np.nan
    frame.loc[frame["unique_id"] == "s1", ["town", "area"]] = np.nan
    config = Config(
        window=5, horizon=3, past_columns=("wind",), future_columns=("price",), static_columns=("town", "area")
    )
    assert data.load(frame, config).notes == (
        "Column 'wind': 2 of 70 values are missing.",
        "Column 'price': 1 of 70 values are missing.",
        "Column 'town': 1 of 2 series have no value.",
        "Column 'area': 1 of 2 series have no value.",
    )
