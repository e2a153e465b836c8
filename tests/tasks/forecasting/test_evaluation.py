"""Every metric against numpy or another library, the check for copied inputs, and the predictions."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from utilsforecast import losses

from seqapps.series import windows
from seqapps.tasks.forecasting import data, evaluation, pipeline, plots, serving
from seqapps.tasks.forecasting.baselines import LAST, METHODS, Baselines

HORIZON, TARGETS = 5, 2
LEVELS, INTERVAL = np.array([0.1, 0.5, 0.9]), 0.8
COLUMNS = ("tide", "swell")


@pytest.fixture(scope="module")
def run(trained_run, toys):
    """The served toy run, its data cut as it was trained, and its baselines."""
    folder = trained_run("forecasting", "gru")
    served = serving.Served(folder)
    return served, data.load(toys["forecasting"].data, served.config), Baselines.load(folder / "baselines.npz")


@pytest.fixture(scope="module")
def result(run):
    served, splits, baselines = run
    return evaluation.evaluate(served, splits, "test", baselines)


def each_method_and_column(result):
    """`(scores, actual, forecast, quantiles)` of the observed values, for every method and column."""
    for method in result.forecasts:
        for column, name in enumerate(COLUMNS):
            seen = ~np.isnan(result.actual[..., column])
            actual, forecast = result.actual[..., column][seen], result.forecasts[method][..., column][seen]
            quantiles = result.quantiles[method][..., column, :][seen].astype("float64")
            yield result.metrics["by_column"][name][method], actual, forecast.astype("float64"), quantiles


# --- metrics ---


def test_the_toy_has_missing_actuals_that_are_left_out(result):
    missing = np.isnan(result.actual).sum(axis=(0, 1))
    assert (missing > 0).all()
    for scores, *_ in each_method_and_column(result):
        assert np.isfinite(list(scores.values())).all()


def test_errors_are_those_of_numpy(result):
    for scores, actual, forecast, _ in each_method_and_column(result):
        error = np.abs(actual - forecast)
        assert scores["mae"] == pytest.approx(error.mean())
        assert scores["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
        assert scores["smape"] == pytest.approx((200 * error / (np.abs(actual) + np.abs(forecast))).mean())


def test_scaled_errors_use_mean_and_deviation_of_the_training_part(result, run):
    _, splits, _ = run
    train = splits.panel.values[: splits.ends[0, 0]]
    deviation = np.nanstd(train, axis=0)
    for method in result.forecasts:
        for column, name in enumerate(COLUMNS):
            error = (result.forecasts[method] - result.actual)[..., column] / deviation[column]
            scores = result.metrics["by_column"][name][method]
            assert scores["scaled_mse"] == pytest.approx(np.nanmean(error**2), rel=1e-5)
            assert scores["scaled_mae"] == pytest.approx(np.nanmean(np.abs(error)), rel=1e-5)


def test_quantile_metrics_are_those_of_numpy(result):
    for scores, actual, _, quantiles in each_method_and_column(result):
        error = actual[:, None] - quantiles
        pinball = 2 * np.maximum(LEVELS * error, (LEVELS - 1) * error)
        assert scores["weighted_quantile_loss"] == pytest.approx(pinball.sum(axis=0).mean() / np.abs(actual).sum())
        low, high = quantiles[:, 0], quantiles[:, 2]
        assert scores["coverage"] == pytest.approx(((actual >= low) & (actual <= high)).mean())
        penalty = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
        assert scores["winkler"] == pytest.approx((high - low + 2 / (1 - INTERVAL) * penalty).mean())


def test_mase_is_that_of_utilsforecast_over_all_rows_before_the_test_part(trained_run, run):
    """On whole rows alone, because utilsforecast has no missing values."""
    served, splits, baselines = run
    values = pd.DataFrame(splits.panel.values).interpolate().bfill().to_numpy()
    whole = dataclasses.replace(splits, panel=dataclasses.replace(splits.panel, values=values))
    before = values[: splits.ends[0, 1]]
    served = serving.Served(trained_run("forecasting", "gru"))
    season = splits.season_length
    error = tuple(np.abs(before[season:] - before[:-season]).mean(axis=0).tolist())
    served.preprocessing = dataclasses.replace(served.preprocessing, seasonal_error=(error,))
    result = evaluation.evaluate(served, whole, "test", baselines)
    columns = np.arange(TARGETS)
    train = pd.DataFrame({"unique_id": np.tile(columns, len(before)), "y": before.ravel()})
    table = {"unique_id": np.broadcast_to(columns, result.actual.shape).ravel(), "y": result.actual.ravel()}
    table |= {method: forecast.ravel().astype("float64") for method, forecast in result.forecasts.items()}
    expected = losses.mase(pd.DataFrame(table), list(result.forecasts), season, train_df=train).sort_values("unique_id")
    for method in result.forecasts:
        received = [result.metrics["by_column"][name][method]["mase"] for name in COLUMNS]
        assert received == pytest.approx(expected[method].tolist())


def test_mase_leaves_out_pairs_with_a_missing_value(result, run):
    _, splits, _ = run
    before = splits.panel.values[: splits.ends[0, 1]]
    pairs = np.abs(before[splits.season_length :] - before[: -splits.season_length])
    for column, name in enumerate(COLUMNS):
        scores = result.metrics["by_column"][name][LAST]
        assert scores["mase"] == pytest.approx(scores["mae"] / np.nanmean(pairs[:, column]))


def test_the_score_of_a_method_is_the_mean_over_columns(result):
    for method, scores in result.metrics["methods"].items():
        for name, score in scores.items():
            assert score == pytest.approx(
                np.mean([result.metrics["by_column"][column][method][name] for column in COLUMNS])
            )


def test_errors_by_step_are_means_over_windows_and_columns(result, run):
    served, _, _ = run
    scale = np.array(served.preprocessing.scale)
    for method, by_step in result.metrics["by_step"].items():
        error = np.abs(result.forecasts[method] - result.actual) / scale
        assert by_step == pytest.approx(np.nanmean(error, axis=(0, 2)).tolist(), rel=1e-4)


def test_a_baseline_forecasts_from_the_same_origins_as_the_model(result, run):
    served, splits, baselines = run
    start, stop = splits.ends[0, 1:]
    np.testing.assert_array_equal(result.at.rows, np.arange(start, stop - HORIZON + 1))
    scaled = baselines.forecast(splits.panel, result.at, served.preprocessing)
    assert list(result.forecasts) == [evaluation.MODEL, *METHODS]
    for method in METHODS:
        expected = served.preprocessing.inverse(scaled[method])
        np.testing.assert_allclose(result.forecasts[method], expected, rtol=1e-6)
    facts = {name: result.metrics[name] for name in ("split", "windows", "every_nth_origin", "ridge_strength")}
    counts = {"windows": stop - start - HORIZON + 1, "every_nth_origin": 1}
    assert facts == {"split": "test", **counts, "ridge_strength": baselines.strength}


def test_a_column_without_a_seasonal_error_has_no_mase(trained_run, run):
    _, splits, baselines = run
    served = serving.Served(trained_run("forecasting", "gru"))
    served.preprocessing = dataclasses.replace(served.preprocessing, seasonal_error=((0.0, 2.0),))
    metrics = evaluation.evaluate(served, splits, "test", baselines).metrics
    for method in metrics["methods"]:
        tide, swell = (metrics["by_column"][name][method] for name in COLUMNS)
        assert tide["mase"] is None
        assert tide["mae"] > 0
        assert metrics["methods"][method]["mase"] == swell["mase"] == pytest.approx(swell["mae"] / 2)
    assert metrics["notes"] == [
        "MASE leaves out 1 of 2 columns of series, whose values never differ from one season to the next before the "
        "test part."
    ]
    served.preprocessing = dataclasses.replace(served.preprocessing, seasonal_error=((0.0, 0.0),))
    metrics = evaluation.evaluate(served, splits, "test", baselines).metrics
    assert metrics["methods"][evaluation.MODEL]["mase"] is None
    assert ": MAE " in metrics["verdict"]


def test_a_column_that_is_all_zero_has_no_weighted_quantile_loss(run):
    served, splits, baselines = run
    values = splits.panel.values.copy()
    values[splits.ends[0, 1] :, 0] = 0.0
    zeros = dataclasses.replace(splits, panel=dataclasses.replace(splits.panel, values=values))
    metrics = evaluation.evaluate(served, zeros, "test", baselines).metrics
    for method, scores in metrics["methods"].items():
        tide, swell = (metrics["by_column"][name][method] for name in COLUMNS)
        assert tide["weighted_quantile_loss"] is None
        assert scores["weighted_quantile_loss"] == swell["weighted_quantile_loss"] < 1
    assert metrics["notes"] == ["WQL leaves out 1 of 2 columns of series, whose values are all 0 in this part."]
    assert pipeline.summary(metrics).splitlines()[-1] == f"Note: {metrics['notes'][0]}"


def test_the_thirds_of_the_horizon_are_means_over_columns_as_in_the_table(result):
    thirds = np.array_split(np.arange(HORIZON), 3)
    for method, told in result.metrics["by_horizon_third"].items():
        for number, third in enumerate(thirds):
            coverage, winkler = [], []
            for column in range(TARGETS):
                actual = result.actual[:, third, column]
                low, _, high = np.moveaxis(result.quantiles[method][:, third, column].astype("float64"), -1, 0)
                penalty = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
                coverage.append(((actual >= low) & (actual <= high))[~np.isnan(actual)].mean())
                winkler.append(np.nanmean(high - low + 2 / (1 - INTERVAL) * penalty + 0 * actual))
            assert told["coverage"][number] == pytest.approx(np.mean(coverage))
            assert told["winkler"][number] == pytest.approx(np.mean(winkler))


def test_fits_that_failed_are_counted(result, run):
    _, splits, _ = run
    served = run[0]
    answers = dataclasses.replace(result, fallbacks={"AutoETS": 3, "AutoTheta": 0})
    metrics = evaluation.score(answers, splits, "test", served.config, served.preprocessing).metrics
    assert metrics["notes"] == ["AutoETS could not be fitted to 3 of 152 pasts: there it repeats the last value."]


def test_the_worst_series_come_first_also_those_without_mase():
    scores = {"a": (0.5, 9.0), "b": (None, 2.0), "c": (1.5, 0.1), "d": (None, None), "e": (None, 0.7)}
    by_column = {
        name: {evaluation.MODEL: {"mase": mase, "scaled_mae": scaled}} for name, (mase, scaled) in scores.items()
    }
    assert plots._worst_first(by_column) == ["b", "c", "e", "a", "d"]


def test_without_baselines_the_model_stands_alone(run):
    served, splits, _ = run
    result = evaluation.evaluate(served, splits, "validation", None)
    assert list(result.forecasts) == list(result.metrics["methods"]) == [evaluation.MODEL]
    assert "ridge_strength" not in result.metrics
    assert (
        result.metrics["verdict"] == "No baseline was run, so this table does not tell whether the model is any good."
    )


# --- copied inputs ---


def random_walk(steps=211):
    return np.random.default_rng(0).normal(size=(steps, TARGETS)).cumsum(axis=0)


def test_a_forecast_that_copies_its_last_input_is_told():
    values, origins = random_walk(), windows.one_series(np.arange(31, 101))
    copied = np.repeat(values[origins.rows - 1][:, None], HORIZON, axis=1)
    message = (
        "In 100% of steps and columns the forecast is little more than the last input value, shifted in time: the "
        "model has found nothing to add to it."
    )
    assert evaluation.lag_check(values, origins, copied) == {"share": 1.0, "message": message}
    nearly = copied + 0.01 * np.random.default_rng(1).normal(size=copied.shape)
    assert evaluation.lag_check(values, origins, nearly)["share"] == 1.0


def test_the_truth_and_an_honest_forecast_are_no_copies():
    values, origins = random_walk(), windows.one_series(np.arange(31, 101))
    truth = windows.futures(values, origins, HORIZON)
    assert evaluation.lag_check(values, origins, truth) == {"share": 0.0, "message": ""}
    halfway = (truth + values[origins.rows - 1][:, None]) / 2
    assert evaluation.lag_check(values, origins, halfway) == {"share": 0.0, "message": ""}


def test_the_share_counts_steps_and_columns_and_gaps_are_left_out():
    values, origins = random_walk(), windows.one_series(np.arange(31, 101))
    values[50:53, 1] = np.nan
    forecast = windows.futures(values, origins, HORIZON)
    filled = pd.DataFrame(values).ffill().to_numpy()
    forecast[:, :2, 1] = filled[origins.rows - 1, None, 1]
    assert evaluation.lag_check(values, origins, forecast) == {"share": 0.2, "message": ""}


# --- predictions ---


def test_the_table_of_predictions_holds_every_answer_with_its_time(result, run):
    _, splits, _ = run
    table = evaluation.prediction_table(result, splits)
    assert table.columns.tolist() == ["id", "origin", "time", "reference", "answer", "loss", *METHODS]
    assert len(table) == result.actual.size
    row = 7 * HORIZON * TARGETS + 3 * TARGETS + 1  # eighth origin, fourth step, second column
    origin = result.at.rows[7]
    stamps, picked = splits.panel.stamps, table.iloc[row]
    assert (picked["id"], picked["origin"], picked["time"]) == ("swell", stamps[origin - 1], stamps[origin + 3])
    assert picked["reference"] == splits.panel.values[origin + 3, 1]
    assert picked["answer"] == result.forecasts[evaluation.MODEL][7, 3, 1]
    assert picked["loss"] == pytest.approx(abs(picked["answer"] - picked["reference"]))
    assert picked[LAST] == result.forecasts[LAST][7, 3, 1]
    assert table["reference"].isna().sum() == np.isnan(result.actual).sum()


def test_a_long_table_of_predictions_is_thinned_by_whole_origins(result, run):
    _, splits, _ = run
    whole = evaluation.prediction_table(result, splits)
    assert len(result.at) == 76
    per_origin = HORIZON * TARGETS
    for most_origins, stride in ((1, 76), (2, 38), (19, 4), (75, 2), (76, 1), (77, 1)):
        kept = whole[whole.index // per_origin % stride == 0].reset_index(drop=True)
        for most_rows in (most_origins * per_origin, most_origins * per_origin + per_origin - 1):
            thinned = evaluation.prediction_table(result, splits, most_rows)
            pd.testing.assert_frame_equal(thinned, kept)
            assert len(thinned) <= most_rows
