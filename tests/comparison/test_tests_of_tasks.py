"""What the paired test of each task makes of tables of predictions."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seqapps.significance import Outcome, diebold_mariano, paired_bootstrap

SERIES, HORIZON = 13, 3


def measured(task, **options):
    defaults = import_module(f"seqapps.tasks.{task}.config").Config().to_dict()
    return import_module(f"seqapps.tasks.{task}.comparing").measured(defaults | options)


def test_transcripts_are_compared_by_their_word_errors():
    """Of the 2^4 exchanges of answers that matter, 2 leave the errors as far apart: 1 against 6."""
    references = ["one two", "three", "four", "five six", "seven"]
    ours, theirs = (
        pd.DataFrame({"reference": references, "answer": answers})
        for answers in (["one two", "three", "four", "five six", "ten"], ["two one", "tree", "for", "five", "eight"])
    )
    tested = measured("speech", mode="transcribe").tested
    assert tested(ours, theirs, {}, 1000) == Outcome(pytest.approx(2 / 16), 1)
    assert tested(theirs, ours, {}, 1000) == Outcome(pytest.approx(2 / 16), -1)
    # Three of the answers that matter are left where the first ones are equally wrong: 3 errors against 6.
    misheard = ours.assign(answer=["two one", *ours["answer"][1:]])
    assert tested(misheard, theirs, {}, 1000) == Outcome(pytest.approx(2 / 8), 1)


def test_windows_of_text_count_by_their_tokens():
    """Better at the many short windows, worse at the few long ones: the perplexity is what decides."""
    generator = np.random.default_rng(0)
    tokens = np.array([256] * 20 + [5] * 30)
    ours = pd.DataFrame({"tokens": tokens, "loss": 2 + generator.random(50) / 10})
    theirs = ours.assign(loss=ours["loss"] + np.where(tokens == 256, -0.2, 1.0))
    result = measured("generation").tested(ours, theirs, {}, 1000)
    sums = [(each["loss"] * each["tokens"]).to_numpy() for each in (ours, theirs)]
    assert result == paired_bootstrap(*sums, 1000)
    assert (result.sign, ours["loss"].mean() < theirs["loss"].mean()) == (-1, True)


def panel(losses, origins):
    """`(series, origins)` losses as a table; every step of a forecast has the same."""
    rows = [
        {
            "id": f"s{series:02}",
            "origin": origin,
            "time": origin + step,
            "reference": (series + 1.0) * (step % 2),
            "loss": loss,
        }
        for series, row in enumerate(losses)
        for origin, loss in zip(origins, row, strict=True)
        for step in range(1, HORIZON + 1)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("options", [{"layout": "rows"}, {"layout": "long", "target_columns": ["y"]}])
def test_many_series_with_few_origins_are_compared_over_series(options):
    losses = np.random.default_rng(0).random((2, SERIES, 2))
    ours, theirs = (panel(each, [100, 103]) for each in losses)
    result = measured("forecasting", **options).tested(ours, theirs, options, 1000)
    deviation = ours.groupby("id", sort=False)["reference"].std().to_numpy()
    difference = (losses[0] - losses[1]).mean(axis=1) / deviation
    expected = stats.permutation_test(
        (difference,), np.sum, permutation_type="samples", n_resamples=1000, batch=100, rng=np.random.default_rng(0)
    ).pvalue
    assert result == Outcome(pytest.approx(expected), 1 if difference.sum() < 0 else -1)
    assert "a permutation test over series" in measured("forecasting", **options).test


def test_columns_of_one_series_with_few_origins_tell_nothing():
    losses = np.random.default_rng(0).random((2, SERIES, 2))
    for options in ({"layout": "wide"}, {"layout": "long", "target_columns": ["y", "z"]}):
        ours, theirs = (panel(each, [100, 103]) for each in losses)
        assert measured("forecasting", **options).tested(ours, theirs, options, 1000) is None
        assert "over series" not in measured("forecasting", **options).test


def test_series_with_enough_origins_are_compared_over_origins():
    losses = np.random.default_rng(0).random((2, SERIES, 12))
    origins = 100 + HORIZON * np.arange(12)
    ours, theirs = (panel(each, origins) for each in losses)
    deviation = ours.groupby("id", sort=False)["reference"].std().to_numpy()
    means = (losses / deviation[:, None]).mean(axis=1)
    result = measured("forecasting", layout="rows").tested(ours, theirs, {"layout": "rows"}, 1000)
    assert result == Outcome(pytest.approx(diebold_mariano(*means, 0).p_value), diebold_mariano(*means, 0).sign)
