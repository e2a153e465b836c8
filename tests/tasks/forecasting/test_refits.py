"""A model for every window: the run is the last one, which is served; measured again, it tells the same numbers."""

import shutil

import keras
import pytest

import seqapps
from seqapps import run_folder
from seqapps.tasks import forecasting
from seqapps.tasks.forecasting import data, preprocessing
from seqapps.tasks.forecasting.model import members
from seqapps.tasks.forecasting.pipeline import telling

WINDOWS, STEP = 3, 4
NOTE = (
    f"Each of the {WINDOWS} windows is forecast by a model that was trained on all before it; the last of these models "
    "is the one that is served."
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(toys, tmp_path_factory):
    """A backtest of the toy problem and its config."""
    toy = toys["forecasting"]
    config = forecasting.Config(**toy.options | {"epochs": 2}, windows=WINDOWS, step_size=STEP, refit=True)
    folder = tmp_path_factory.mktemp("runs") / "run"
    forecasting.train(config, toy.data, folder)
    return folder, config


def test_the_run_is_the_model_of_the_last_window(run, toys):
    folder, config = run
    splits = data.load(toys["forecasting"].data, config)
    folders = [folder / "refits" / "000", folder / "refits" / "001", folder]
    assert sorted((folder / "refits").iterdir()) == folders[:-1]
    for number, own in enumerate(folders):
        moved = splits.moved(number * STEP)
        held = run_folder.read_json(own / "preprocessing.json")
        assert held["fitted"] == preprocessing.fit(moved, config).to_dict()
        assert held["fingerprints"] == {split: moved.fingerprint(split) for split in data.SPLITS}
        for name in ("model.keras", "calibration.json", "baselines.npz", "export/1/saved_model.pb"):
            assert (own / name).is_file()
    last = splits.panel.stamps[splits.moved((WINDOWS - 1) * STEP).ends[0, 0] - 1]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"up to\n{last}." in card
    assert f"- {NOTE}" in card


def test_measuring_the_test_part_again_tells_the_same(run, toys):
    folder, _ = run
    held = run_folder.read_json(folder / "metrics.json")
    assert held["notes"] == [NOTE]
    assert (held["windows"], held["chance"]["repeat last value"]["windows"]) == (3, 2)  # a step is less than a horizon
    assert seqapps.load(folder).evaluate(toys["forecasting"].data) == held
    alone = seqapps.load(folder).evaluate(toys["forecasting"].data, baselines="none")
    assert alone["methods"] == {"model": held["methods"]["model"]}


def test_other_parts_are_those_of_the_served_model(run, toys):
    folder, config = run
    served = seqapps.load(folder)
    splits = data.load(toys["forecasting"].data, config).moved((WINDOWS - 1) * STEP)
    metrics = served.evaluate(toys["forecasting"].data, split="validation")
    assert (metrics["windows"], metrics["notes"]) == (len(splits.origins("validation")), [])


def test_a_backtest_that_was_interrupted_goes_on_to_the_same_numbers(run, toys, tmp_path):
    folder, config = run
    copy = shutil.copytree(folder, tmp_path / "run")
    for path in (copy / "refits" / "001", copy / "refits" / "000" / "export"):
        shutil.rmtree(path)
    (copy / "metrics.json").unlink()
    metrics = forecasting.train(config, toys["forecasting"].data, copy, resume=True)
    assert metrics == run_folder.read_json(folder / "metrics.json")


def test_every_model_of_a_backtest_is_a_mean_of_as_many_networks(toys, tmp_path):
    toy = toys["forecasting"]
    config = forecasting.Config(
        **toy.options | {"epochs": 1, "members": 2, "baselines": "none"}, windows=2, step_size=STEP, refit=True
    )
    metrics = forecasting.train(config, toy.data, tmp_path / "run")
    for own in (tmp_path / "run" / "refits" / "000", tmp_path / "run"):
        assert len(members(keras.models.load_model(own / "model.keras", compile=False))) == 2
    held = run_folder.read_json(tmp_path / "run" / "calibration.json")
    assert metrics["notes"] == [NOTE.replace("the 3 windows", "the 2 windows"), telling.note_of_members(config, held)]
    assert seqapps.load(tmp_path / "run").evaluate(toy.data) == metrics
