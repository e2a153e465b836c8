"""The verdict says in plain words whether the model beats the best baseline, and where it does not."""

import pytest

from seqapps.tasks.forecasting import evaluation

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
    assert evaluation.verdict(methods) == expected


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
    assert evaluation.verdict(methods) == expected


# --- chance ---


def by_chance(**p_values):
    """What a test over 31 windows tells of every baseline."""
    return {method.replace("_", " "): {"p_value": value, "windows": 31} for method, value in p_values.items()}


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        (by_chance(seasonal_naive=0.0499), LOSES),
        (by_chance(ridge_regression=0.9), LOSES),  # not the best one
        (
            by_chance(seasonal_naive=0.05),
            "The model does NOT beat the best baseline, seasonal naive, beyond chance: MASE 1 against 2 (50.0 % less, "
            "p = 0.05 in a paired t-test over 31 windows that do not overlap).",
        ),
        (
            by_chance(seasonal_naive=0.234, repeat_last_value=0.0611),
            "The model does NOT beat the best baseline, seasonal naive, beyond chance: MASE 1 against 2 (50.0 % less, "
            "p = 0.23 in a paired t-test over 31 windows that do not overlap). Nor does it beat repeat last value "
            "beyond chance (p = 0.061).",
        ),
    ],
)
def test_a_lower_error_that_chance_explains_is_no_win(chances, expected):
    methods = with_metrics(THREE, scaled_mse=(0.4, 0.5, 0.5))
    assert evaluation.verdict(methods, chances) == expected
