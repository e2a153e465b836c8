"""Known facts of public data sets: sizes of the splits, and published scores of the simple methods.

The files are those that `benchmarks/README.md` lists; the environment variable SEQAPPS_DATA names their folder.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from seqapps.series import windows
from seqapps.tasks.forecasting import baselines, data, preprocessing
from seqapps.tasks.forecasting.config import Config

NEIGHBOUR = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("SEQAPPS_DATA", NEIGHBOUR))


def path_of(name):
    folder = DATA / "forecasting" if (DATA / "forecasting").is_dir() else DATA
    if not (folder / name).is_file():
        pytest.skip(f"{name} is not here; set SEQAPPS_DATA to the folder that holds it")
    return folder / name


def forecasts(splits, config):
    """What came, the baselines' forecasts of it, and the scaling, for every test window."""
    scaling = preprocessing.fit(splits, config)
    simple = baselines.fit(splits, config, scaling)
    at = splits.origins("test")
    answers = {
        method: scaling.inverse(forecast).numpy()
        for method, forecast in simple.forecast(splits.panel, at, scaling).items()
    }
    return windows.futures(splits.panel.values, at, splits.horizon), answers, scaling


ETTH1 = Config(split_rows=(8640, 11520, 14400), window=96, horizon=96)
AIRLINE = Config(split_rows=(96, 120, 144), window=36, horizon=24, season_length=12)


def test_etth1_is_read_and_cut_as_the_published_tables_do():
    splits = data.load(path_of("ETTh1.csv.gz"), ETTH1)
    assert splits.panel.values.shape == (17420, 7)
    assert splits.panel.columns == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert (splits.panel.frequency, splits.season_length, splits.panel.missing_steps) == ("h", 24, 0)
    sizes = {split: len(splits.origins(split)) for split in ("train", "validation", "test")}
    assert sizes == {"train": 8640 - 96 - 96 + 1, "validation": 2880 - 96 + 1, "test": 2785}


@pytest.mark.slow
def test_baselines_reach_their_known_scores_on_etth1():
    splits = data.load(path_of("ETTh1.csv.gz"), ETTH1)
    actual, answers, scaling = forecasts(splits, ETTH1)
    scale = np.array(scaling.scale)
    error = {method: np.square((answers[method] - actual) / scale).mean() for method in answers}
    assert round(error[baselines.LAST], 3) == 1.294
    assert round(error[baselines.RIDGE], 3) == 0.383


def test_the_seasonal_naive_forecast_of_airline_passengers_reaches_its_known_score():
    splits = data.load(path_of("airline_passengers.csv"), AIRLINE)
    assert (len(splits.panel.values), splits.panel.frequency, len(splits.origins("test"))) == (144, "MS", 1)
    actual, answers, scaling = forecasts(splits, AIRLINE)
    error = np.abs(answers[baselines.SEASONAL] - actual).mean()
    assert round(error / scaling.seasonal_error[0][0], 3) == 2.494
    before = splits.panel.values[:120, 0]
    assert scaling.seasonal_error[0][0] == pytest.approx(np.abs(before[12:] - before[:-12]).mean())
