"""A served run answers for tables: what follows their last row, whatever is missing before it."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import seqapps
from seqapps import export
from seqapps.series import windows
from seqapps.tasks.forecasting import data, serving

BATCH, WINDOW, HORIZON = 3, 13, 5
SHORT = 11  # steps of a table that does not fill the window
SHORTER = "The history does not fill the window of 13 steps."
FILLED = "Missing or unusable values were filled."


@pytest.fixture(scope="module")
def run(trained_run):
    return seqapps.load(trained_run("forecasting", "gru"))


def test_predict_answers_for_the_steps_after_a_table_as_the_bundle_does(run, trained_run, toys, tmp_path):
    table = toys["forecasting"].data
    table.to_csv(tmp_path / "table.csv", index=False)
    answers = run.predict(tmp_path / "table.csv")
    last = table["time"].iloc[-1]
    assert answers["time"].tolist() == [last + pd.Timedelta(hours=hour) for hour in range(1, HORIZON + 1)]
    quantiles = [f"{name}_q{level}" for name in ("tide", "swell") for level in (0.1, 0.5, 0.9)]
    assert answers.columns.tolist() == ["time", "tide", *quantiles[:3], "swell", *quantiles[3:]]
    loaded = tf.saved_model.load(str(export.newest_version(trained_run("forecasting", "gru") / "export")))
    history = table[["tide", "swell"]].to_numpy()[-WINDOW:]  # (window, targets)
    expected = {
        name: value.numpy()[0] for name, value in loaded.forecast(tf.constant(history[None], tf.float32)).items()
    }
    np.testing.assert_allclose(answers[["tide", "swell"]], expected["forecast"], rtol=1e-6)
    np.testing.assert_allclose(answers[quantiles], expected["quantiles"].reshape(HORIZON, -1), rtol=1e-6)
    assert answers.attrs["warning"] == expected["warning"].decode() == ""


def test_predict_takes_a_frame_with_gaps_other_columns_and_another_order(run, toys):
    table = toys["forecasting"].data.tail(2 * WINDOW)
    expected = run.predict(table)
    other = table.assign(note="spring")[["note", "swell", "time", "tide"]]
    pd.testing.assert_frame_equal(run.predict(other), expected)
    gap = table.drop(index=table.index[-3])
    gap.iloc[-1, 1] = np.nan
    answers = run.predict(gap)
    assert answers.attrs["warning"] == FILLED
    assert answers["time"].tolist() == expected["time"].tolist()
    assert np.isfinite(answers.drop(columns="time")).all(axis=None)


def test_predict_of_a_table_shorter_than_the_window_warns(run, toys):
    answers = run.predict(toys["forecasting"].data.tail(SHORT))
    assert answers.attrs["warning"] == SHORTER


def test_predict_of_one_row_knows_the_step_from_the_run(run, toys):
    row = toys["forecasting"].data.tail(1)
    answers = run.predict(row)
    assert answers["time"].tolist() == [
        row["time"].iloc[0] + pd.Timedelta(hours=hour) for hour in range(1, HORIZON + 1)
    ]
    assert answers.attrs["warning"] == SHORTER
    assert np.isfinite(answers.drop(columns="time")).all(axis=None)


def test_answers_do_not_depend_on_the_size_of_the_batches(trained_run, toys):
    served = serving.Served(trained_run("forecasting", "gru"))
    panel = data.read(toys["forecasting"].data, served.config)
    origins = windows.one_series(np.arange(31, 31 + 2 * BATCH + 1))
    (whole,) = served.answers(panel, origins)
    parts = list(served.answers(panel, origins, batch_size=BATCH))
    assert [len(part["forecast"]) for part in parts] == [BATCH, BATCH, 1]
    np.testing.assert_allclose(np.concatenate([part["quantiles"] for part in parts]), whole["quantiles"], rtol=1e-5)


def test_rows_without_any_target_at_the_end_are_to_come(run, toys):
    table = toys["forecasting"].data
    later = pd.DataFrame({"time": pd.date_range(table["time"].iloc[-1], periods=4, freq="h")[1:]})
    answers = run.predict(pd.concat([table, later], ignore_index=True))
    pd.testing.assert_frame_equal(answers, run.predict(table))
    assert answers.attrs["warning"] == ""
