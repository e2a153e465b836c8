"""The verdict says in plain words whether the model beats the best baseline, and where it does not."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from seqapps import run_folder
from seqapps.series import windows
from seqapps.tasks import forecasting
from seqapps.tasks.forecasting import evaluation
from seqapps.tasks.forecasting.evaluation.scores import Answers, chance
from seqapps.tasks.forecasting.preprocessing import Preprocessing

LOSES = "The model beats the best baseline, seasonal naive: MASE 1 against 2 (50.0 % less)."


def scores(name="mase", **values):
    """Every method with its value of one metric, and the same value of all others."""
    others = {"mase": 7.0, "mae": 10.0, "scaled_mse": 0.5, "smape": 11.0, "weighted_quantile_loss": 0.25}
    return {method.replace("_", " "): others | {name: value} for method, value in values.items()}


def with_metrics(methods, **metrics):
    """The same methods with other values of some metrics, in the order of the methods."""
    return {
        method: values | {name: column[row] for name, column in metrics.items()}
        for row, (method, values) in enumerate(methods.items())
    }


def sure(methods, p_value=0.001):
    """What a test over 31 windows tells if every lead is more than chance."""
    told = {"windows": 31, "p_value": p_value, "p_value_against_last": p_value}
    return {method: told for method in methods if method != "model"}


TWO = scores(model=1.0, seasonal_naive=2.0)
THREE = scores(model=1.0, seasonal_naive=2.0, ridge_regression=3.0)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (
            scores(model=0.75, repeat_last_value=1.5, ridge_regression=1.0),
            "The model beats the best baseline, ridge regression: MASE 0.75 against 1 (25.0 % less).",
        ),
        (
            scores(model=1.25, repeat_last_value=1.0, ridge_regression=1.5),
            "The model does NOT beat the best baseline, repeat last value: MASE 1.25 against 1 (25.0 % more).",
        ),
        (
            scores(model=1.0, seasonal_naive=1.0),
            "The model does NOT beat the best baseline, seasonal naive: MASE 1 against 1 (0.0 % more).",
        ),
        (scores(model=1.0), "No baseline was run, so this table does not tell whether the model is any good."),
        (
            with_metrics(TWO, mase=(None, None), mae=(3.0, 4.0)),
            "The model beats the best baseline, seasonal naive: MAE 3 against 4 (25.0 % less).",
        ),
        (
            scores(model=None, seasonal_naive=None) | {"model": dict.fromkeys(TWO["model"])},
            "Nothing could be compared: the split has no observed values.",
        ),
    ],
)
def test_the_verdict_is_one_plain_sentence(methods, expected):
    assert evaluation.verdict(methods, sure(methods)) == expected


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (with_metrics(TWO, scaled_mse=(0.4, 0.4)), LOSES),
        (with_metrics(TWO, mae=(9.0, 3.0)), LOSES),  # no headline
        (with_metrics(TWO, scaled_mse=(None, None)), LOSES),
        (
            with_metrics(scores(model=1.0, ridge_regression=2.0), scaled_mse=(0.4, 0.3)),
            "The model beats the best baseline, ridge regression: MASE 1 against 2 (50.0 % less). "
            "It does not by z-MSE (ridge regression 0.3, model 0.4).",
        ),
        (
            with_metrics(
                THREE, scaled_mse=(9.0, 8.0, 3.0), smape=(7.0, 5.12345, 6.0), weighted_quantile_loss=(0.2, 0.1, 0.3)
            ),
            f"{LOSES} It does not by z-MSE (ridge regression 3, model 9), sMAPE (seasonal naive 5.123, model 7), "
            "WQL (seasonal naive 0.1, model 0.2).",
        ),
        (
            with_metrics(TWO, mase=(None, None), mae=(3.0, 4.0), smape=(9.0, 8.0)),
            "The model beats the best baseline, seasonal naive: MAE 3 against 4 (25.0 % less). "
            "It does not by sMAPE (seasonal naive 8, model 9).",
        ),
        (
            with_metrics(scores(model=2.0, seasonal_naive=1.0), smape=(9.0, 8.0)),
            "The model does NOT beat the best baseline, seasonal naive: MASE 2 against 1 (100.0 % more).",
        ),
    ],
)
def test_a_winner_that_loses_by_another_headline_metric_is_told_so(methods, expected):
    assert evaluation.verdict(methods, sure(methods)) == expected


# --- chance ---


def by_chance(windows=31, against_last=0.01, **p_values):
    """What a test tells of the model's lead over every baseline, and of theirs over the last value."""
    return {
        method.replace("_", " "): {"windows": windows, "p_value": p_value, "p_value_against_last": against_last}
        for method, p_value in p_values.items()
    }


BEST_BY_CHANCE = (
    "The model does NOT beat the best baseline, seasonal naive, beyond chance: MASE 1 against 2 (50.0 % less, "
    "p = 0.23 in a paired t-test over 31 windows that do not overlap)."
)


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        (by_chance(seasonal_naive=0.0499, ridge_regression=0.9), LOSES),  # ridge regression is not the best one
        (by_chance(seasonal_naive=0.234), BEST_BY_CHANCE),
        (
            by_chance(seasonal_naive=0.05),
            "The model does NOT beat the best baseline, seasonal naive, beyond chance: MASE 1 against 2 (50.0 % less, "
            "p = 0.05 in a paired t-test over 31 windows that do not overlap).",
        ),
        (
            by_chance(seasonal_naive=0.234, repeat_last_value=0.0611),
            f"{BEST_BY_CHANCE} Nor does it beat repeat last value beyond chance (p = 0.061).",
        ),
        (by_chance(seasonal_naive=0.234, repeat_last_value=0.0499), BEST_BY_CHANCE),
        (
            by_chance(seasonal_naive=0.234, repeat_last_value=0.05, against_last=0.05),
            f"{BEST_BY_CHANCE} No method beats the last value beyond chance.",
        ),
    ],
)
def test_a_lower_error_that_chance_explains_is_no_win(chances, expected):
    methods = with_metrics(THREE, scaled_mse=(0.4, 0.5, 0.5))
    assert evaluation.verdict(methods, chances) == expected


@pytest.mark.parametrize(("windows", "which"), [(7, "7 windows that do not overlap are"), (1, "a single window is")])
def test_a_lower_error_that_nothing_was_tested_on_is_no_win(windows, which):
    untested = by_chance(windows, None, seasonal_naive=None, repeat_last_value=None)
    assert evaluation.verdict(TWO, untested) == (
        "The model does NOT beat the best baseline, seasonal naive, beyond chance: MASE 1 against 2 (50.0 % less; "
        f"{which} too few to tell)."
    )


@pytest.mark.parametrize(
    ("against_last", "said"), [(0.0249, ""), (0.025, " No method beats the last value beyond chance.")]
)
def test_a_loser_hears_whether_any_method_beats_the_last_value(against_last, said):
    methods = scores(model=3.0, seasonal_naive=2.0, repeat_last_value=2.5)
    chances = by_chance(seasonal_naive=0.9, repeat_last_value=0.9, against_last=against_last)
    expected = "The model does NOT beat the best baseline, seasonal naive: MASE 3 against 2 (50.0 % more)."
    assert evaluation.verdict(methods, chances) == expected + said


@pytest.mark.slow
def test_on_a_random_walk_no_method_beats_the_last_value(tmp_path):
    walk = Path(__file__).parents[3] / "data" / "forecasting" / "random_walk.csv"
    config = forecasting.Config(horizon=5, window=20, transform="log", epochs=10, units=32)  # as in docs/forecasting.md
    forecasting.train(config, walk, tmp_path / "run")
    verdict = run_folder.read_json(tmp_path / "run" / "metrics.json")["verdict"]
    assert verdict.startswith("The model does NOT beat the best baseline")
    assert "No method beats the last value beyond chance." in verdict


# --- the test of chance ---

HORIZON, TARGETS = 3, 2


def unscaled(series):
    """Preprocessing of so many series whose means are 0 and deviations 1."""
    zeros, ones = ((0.0,) * TARGETS,) * series, ((1.0,) * TARGETS,) * series
    ids = tuple(map(str, range(series)))
    return Preprocessing(("a", "b"), "none", ids, zeros, ones, zeros, ones, ones, mark_missing=False)


def answers(rows, series, **errors):
    """Answers of methods to a truth of 0, from each row of a series on; an error per window."""
    at = windows.Origins(np.array(rows), np.zeros(len(rows), int), np.array(series))
    shape = (len(rows), HORIZON, TARGETS)
    forecasts = {
        method.replace("_", " "): np.broadcast_to(np.array(error, float)[:, None, None], shape)
        for method, error in errors.items()
    }
    return Answers(at, np.zeros(shape), forecasts, {})


def draws(seed, count, level):
    return level + np.random.default_rng(seed).uniform(size=count)


def test_windows_of_different_series_are_tested_as_different_samples():
    model, last, ridge = draws(0, 13, 1.0), draws(1, 13, 1.5), draws(2, 13, 1.2)
    told = chance(
        answers([20] * 13, range(13), model=model, repeat_last_value=last, ridge_regression=ridge),
        HORIZON,
        unscaled(13),
    )
    expected = {
        "repeat last value": (stats.ttest_rel(model, last, alternative="less").pvalue, None),
        "ridge regression": tuple(
            stats.ttest_rel(lower, higher, alternative="less").pvalue
            for lower, higher in ((model, ridge), (ridge, last))
        ),
    }
    for method, (p_value, against_last) in expected.items():
        assert told[method]["windows"] == 13
        assert told[method]["p_value"] == pytest.approx(p_value)
        assert told[method]["p_value_against_last"] == (against_last and pytest.approx(against_last))


@pytest.mark.parametrize(("count", "tested"), [(9, False), (10, True)])
def test_fewer_than_ten_windows_that_do_not_overlap_are_not_tested(count, tested):
    rows = np.arange(20, 20 + HORIZON * count)  # every step, so that HORIZON of them overlap
    errors = {"model": draws(0, len(rows), 1.0), "repeat_last_value": draws(1, len(rows), 1.5)}
    told = chance(answers(rows, [0] * len(rows), **errors), HORIZON, unscaled(13))["repeat last value"]
    assert (told["windows"], told["p_value"] is not None) == (count, tested)


@pytest.mark.parametrize(("error", "p_value"), [(2.0, 0.0), (1.0, 1.0), (0.5, 1.0)])
def test_a_constant_lead_needs_no_test(error, p_value):
    told = chance(answers([20] * 11, range(11), model=[1.0] * 11, other=[error] * 11), HORIZON, unscaled(13))
    assert told == {"other": {"windows": 11, "p_value": p_value, "p_value_against_last": None}}


def test_a_window_without_any_value_is_no_sample():
    given = answers([20] * 11, range(11), model=draws(0, 11, 1.0), other=draws(1, 11, 1.0))
    given.actual[4] = np.nan
    assert chance(given, HORIZON, unscaled(13))["other"]["windows"] == 10
