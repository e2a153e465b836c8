"""A run with every kind of covariate, from a long table to the answers of its SavedModel."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from refusals import refusal

import seqapps
from seqapps import export, run_folder
from seqapps.series import windows
from seqapps.tasks.forecasting import Config, data, serving, train

WINDOW, HORIZON, STEPS = 11, 3, 83  # two days of training at least, so that the calendar has a cycle
IDS, TOWNS, AREAS = ("kiosk", "mall", "stall", "store"), ("Ulm", "Köln", "Ulm", "Bonn"), (7.0, 131.0, 5.0, 17.0)
ANSWERS = ["y", "y_q0.1", "y_q0.5", "y_q0.9"]
UNSEEN = "The series was not in the training: it is scaled by its own history."
OPTIONS = {
    "past_columns": ("wind",), "future_columns": ("holiday", "price"), "static_columns": ("area", "town"),
    "calendar": True, "window": WINDOW, "horizon": HORIZON, "season_length": 7, "units": 5, "epochs": 1,
}  # fmt: skip


def shop(number, steps=STEPS):
    """One series; each begins and ends at a time of its own. Its last rows are still to come."""
    random, hours = np.random.default_rng(number), np.arange(steps)
    frame = pd.DataFrame({"unique_id": IDS[number], "time": pd.date_range("2024-03-01", periods=steps, freq="h")})
    frame["time"] += pd.Timedelta(hours=5 * number)
    frame["wind"] = random.normal(size=steps)
    frame["holiday"] = (hours % 7 == number).astype("float64")
    frame["price"] = random.uniform(2, 3, size=steps)
    frame["y"] = 10.0**number * (3 + frame["holiday"] + np.sin(hours / 4)) + 0.1 * random.normal(size=steps)
    return frame.assign(area=AREAS[number], town=TOWNS[number])


def table():
    frame = pd.concat([shop(number, STEPS - 2 * number) for number in range(len(IDS))], ignore_index=True)
    frame.loc[[17, 18], "y"] = np.nan
    frame.loc[[23], "wind"] = np.nan
    return frame


def with_rows_to_come(frame=None):
    """The table with the last rows of every series still to come: only what is known of them is filled in."""
    frame = table() if frame is None else frame.copy()
    to_come = frame.groupby("unique_id").cumcount(ascending=False) < HORIZON
    frame.loc[to_come, ["y", "wind"]] = np.nan
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "covariates"
    train(Config(**OPTIONS), table(), out)
    return out


@pytest.fixture(scope="module")
def run(folder):
    return seqapps.load(folder)


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(str(export.newest_version(folder / "export")))


def rows_of(frame, name):
    """The answers for one series."""
    return frame.loc[frame["unique_id"] == name, ANSWERS].to_numpy()


# --- the signatures ---


def test_the_signature_has_the_inputs_that_the_run_needs_and_no_others(folder):
    extras = export.newest_version(folder / "export") / "assets.extra"
    described = json.loads((extras / "signatures.json").read_text(encoding="utf-8"))
    signatures = described.pop("signatures")
    assert sorted(signatures) == ["forecast", "serving_default"]
    assert signatures["forecast"] == signatures["serving_default"]
    assert signatures["forecast"]["inputs"] == {
        "future": {"dtype": "float32", "shape": [None, None, 2]},
        "history": {"dtype": "float32", "shape": [None, None, 1]},
        "last_time": {"dtype": "int64", "shape": [None]},
        "length": {"dtype": "int32", "shape": [None], "default": [2**31 - 1]},
        "past": {"dtype": "float32", "shape": [None, None, 1]},
        "static": {"dtype": "float32", "shape": [None, 1]},
        "static_labels": {"dtype": "string", "shape": [None, 1]},
        "unique_id": {"dtype": "string", "shape": [None]},
    }
    assert signatures["forecast"]["outputs"] == {
        "forecast": {"dtype": "float32", "shape": [None, HORIZON, 1]},
        "quantiles": {"dtype": "float32", "shape": [None, HORIZON, 1, 3]},
        "warning": {"dtype": "string", "shape": [None]},
    }
    assert {name: described[name] for name in described if "column" in name or "label" in name} == {
        "columns": ["y"],
        "past_columns": ["wind"],
        "future_columns": ["holiday", "price"],
        "static_columns": ["area"],
        "static_label_columns": ["town"],
        "static_labels": [["Bonn", "Köln", "Ulm"]],
    }


def test_both_signatures_answer_the_same(folder, loaded):
    golden = json.loads(
        (export.newest_version(folder / "export") / "assets.extra" / "golden.json").read_text(encoding="utf-8")
    )
    one, all_rows = ({each["signature"]: each for each in golden}[name] for name in ("serving_default", "forecast"))
    assert sorted(one["inputs"]) == sorted(all_rows["inputs"])
    splits = data.load(table(), serving.Served(folder).config)
    request = serving.example_requests(splits, serving.Served(folder).preprocessing)["forecast"]
    inputs = {name: tf.constant(value) for name, value in request.items()}
    answers = [loaded.signatures[name](**inputs) for name in ("serving_default", "forecast")]
    for name, value in answers[0].items():
        np.testing.assert_array_equal(value.numpy(), answers[1][name].numpy())


# --- tables ---


def test_predict_answers_once_per_series_and_step_to_come(run):
    frame = with_rows_to_come()
    answers = run.predict(frame)
    assert answers.columns.tolist() == ["unique_id", "time", *ANSWERS]
    to_come = frame[frame["y"].isna() & (frame.groupby("unique_id").cumcount(ascending=False) < HORIZON)]
    assert answers["unique_id"].tolist() == to_come["unique_id"].tolist() == np.repeat(IDS, HORIZON).tolist()
    assert answers["time"].tolist() == to_come["time"].tolist()
    assert np.isfinite(answers[ANSWERS]).all(axis=None)
    assert (answers["y_q0.1"] <= answers["y"]).all()
    assert (answers["y_q0.9"] >= answers["y"]).all()
    for number, name in enumerate(IDS):  # each in its own units
        assert 0.5 * 10**number < rows_of(answers, name).mean() < 10 * 10**number
    assert answers.attrs["warning"] == ""


def test_a_series_alone_is_answered_as_among_others(run):
    frame = with_rows_to_come()
    answers = run.predict(frame)
    for name in IDS:
        alone = run.predict(frame[frame["unique_id"] == name])
        np.testing.assert_allclose(alone[ANSWERS], rows_of(answers, name), rtol=1e-5)


def test_what_is_known_of_the_future_changes_the_answer(run):
    frame = with_rows_to_come()
    other = frame.assign(price=frame["price"].where(frame["y"].notna(), 9.0))
    for name in IDS:
        assert (rows_of(run.predict(other), name) != rows_of(run.predict(frame), name)).any()


@pytest.mark.parametrize(
    ("column", "option"),
    [("wind", "past"), ("holiday", "future"), ("area", "static"), ("town", "static")],
)
def test_a_table_without_a_column_is_refused_by_its_name(run, column, option):
    frame = with_rows_to_come().drop(columns=column)
    listed = ", ".join(repr(name) for name in frame.columns)
    with refusal(f"the DataFrame has no column {column!r} (`{option}_columns`). It has {listed}."):
        run.predict(frame)


def test_rows_to_come_that_are_missing_are_asked_for(run):
    advice = "Add rows with the time stamps to come, {0!r} filled in and the targets left empty."
    known = "the DataFrame, series {!r}, column {!r}: the covariate must be known for the 3 steps after {}. "
    last = table()[lambda frame: frame["unique_id"] == "kiosk"]["time"].iloc[-1]
    with refusal(known.format("kiosk", "holiday", last) + "Received: 0 of them. " + advice.format("holiday")):
        run.predict(table())
    frame = with_rows_to_come()
    rows = frame[frame["unique_id"] == "stall"]
    frame.loc[rows.index[-2], "price"] = np.nan
    last = rows["time"].iloc[-1 - HORIZON]
    with refusal(known.format("stall", "price", last) + "Received: 2 of them. " + advice.format("price")):
        run.predict(frame)


def test_a_series_without_any_value_is_answered_from_its_first_row_on(run):
    frame = with_rows_to_come()
    frame.loc[frame["unique_id"] == "mall", ["y", "wind"]] = np.nan
    answers = run.predict(frame)
    first = frame.loc[frame["unique_id"] == "mall", "time"].iloc[0]
    stamps = answers.loc[answers["unique_id"] == "mall", "time"].tolist()
    assert stamps == [first + pd.Timedelta(hours=hour) for hour in range(HORIZON)]


# --- what was not in the training ---


def changed_series(run, **columns):
    """The answers for the table, and for it with other values in the columns of one series."""
    frame = with_rows_to_come()
    other = frame.copy()
    other.loc[frame["unique_id"] == "mall", list(columns)] = list(columns.values())
    before, after = run.predict(frame), run.predict(other)
    for name in ("kiosk", "stall", "store"):
        np.testing.assert_allclose(rows_of(after, name), rows_of(before, name), rtol=1e-5)
    return before, after


def test_an_unseen_series_is_answered_in_its_own_units_with_a_warning_and_leaves_its_neighbours_alone(run):
    _, after = changed_series(run, unique_id="bazaar")
    assert after.attrs["warning"] == f"1 series (bazaar): {UNSEEN}"
    answer = rows_of(after, "bazaar")
    assert np.isfinite(answer).all()
    assert 5 < answer.mean() < 100  # its values lie around 30


def test_an_unknown_label_is_answered_with_a_warning_and_leaves_its_neighbours_alone(run):
    before, after = changed_series(run, town="Atlantis")
    assert np.isfinite(rows_of(after, "mall")).all()
    assert (rows_of(after, "mall") != rows_of(before, "mall")).any()
    assert after.attrs["warning"] == "1 series (mall): A label was not in the training: 'town'."


def test_an_unseen_series_is_answered_as_the_saved_model_answers_its_whole_history(run, loaded):
    frame = with_rows_to_come().replace({"unique_id": {"mall": "bazaar"}})
    own = frame[frame["unique_id"] == "bazaar"]
    past = own.iloc[:-HORIZON]
    inputs = {
        "history": past[["y"]],
        "past": past[["wind"]],
        "future": own[["holiday", "price"]],
        "static": own[["area"]].iloc[0],
    }
    inputs = {name: tf.constant(value.to_numpy()[None], tf.float32) for name, value in inputs.items()}
    inputs["last_time"] = tf.constant([int(past["time"].iloc[-1].timestamp())], tf.int64)
    inputs |= {"unique_id": tf.constant(["bazaar"]), "static_labels": tf.constant([["Köln"]])}
    expected = loaded.forecast(**inputs)
    assert expected["warning"].numpy().tolist() == [UNSEEN.encode()]
    np.testing.assert_allclose(rows_of(run.predict(frame), "bazaar")[:, 0], expected["forecast"][0, :, 0], rtol=1e-5)


def test_labels_that_look_like_numbers_are_texts_where_the_training_had_texts(run):
    answers = run.predict(with_rows_to_come().assign(town=10))
    assert answers.attrs["warning"] == (
        "4 series (kiosk, mall, stall, store): A label was not in the training: 'town'."
    )
    with refusal(
        "the DataFrame, series 'kiosk', column 'area': expected a number, as in the training. Received: 'A7'."
    ):
        run.predict(with_rows_to_come().assign(area="A7"))


def test_rows_to_come_may_leave_empty_what_belongs_to_the_series(run):
    frame = with_rows_to_come()
    empty = frame.assign(town=frame["town"].where(frame["y"].notna()), area=frame["area"].where(frame["y"].notna()))
    pd.testing.assert_frame_equal(run.predict(empty), run.predict(frame))


def test_predict_refuses_a_series_without_a_value_that_belongs_to_it(run):
    for column in ("area", "town"):
        frame = with_rows_to_come()
        frame.loc[frame["unique_id"] == "mall", column] = None
        with refusal(
            f"the DataFrame, series 'mall', column {column!r}: the series must have a value. Received: nothing. "
            "Fill it in."
        ):
            run.predict(frame)


# --- two ways to the same answer ---


def test_the_saved_model_answers_as_model_and_preprocessing_do_on_the_training_path(folder):
    served = serving.Served(folder)
    splits = data.load(table(), served.config)
    at = splits.origins("all")  # short histories and gaps among them
    assert np.unique(at.series).tolist() == list(range(len(IDS)))
    arrays = served.preprocessing.arrays(splits.panel)
    model = keras.models.load_model(folder / "model.keras")
    batches = windows.evaluation_batches(arrays, at, WINDOW, HORIZON, 64)
    scaled = np.concatenate([model(inputs, training=False).numpy() for inputs, _ in batches])
    calibration = run_folder.read_json(folder / "calibration.json")
    factors, shifts = np.array(calibration["factors"]), np.array(calibration["shifts"])
    middle = scaled[..., 1:2]
    low, median, high = np.moveaxis(middle + (scaled - middle) * factors + shifts, -1, 0)
    levels = (np.minimum(low, median), median, np.maximum(high, median))
    mean, scale = served.preprocessing.statistics(at.series, rank=3)
    expected = np.stack([served.preprocessing.inverse(level, mean, scale).numpy() for level in levels], axis=-1)
    received = np.concatenate([answer["quantiles"] for answer in served.answers(splits.panel, at)])
    units = scale[..., None]  # compared as z-scores
    np.testing.assert_allclose(received / units, expected / units, rtol=1e-4, atol=1e-5)


def test_a_training_part_that_shows_no_cycle_twice_takes_no_calendar(tmp_path):
    with refusal(
        "`calendar` must be False for a training part of 42 steps of 'h'. Received: calendar=True. "
        "No day, week or year comes round twice in it."
    ):
        train(Config(**OPTIONS), table().groupby("unique_id").head(60), tmp_path / "run")
