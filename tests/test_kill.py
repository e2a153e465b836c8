"""A run that was killed at any moment and resumed has the files of one that was left alone."""

import csv
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest

APP = Path(__file__).parents[1] / "apps" / "forecasting.py"
OPTIONS = "--window 13 --horizon 5 --season-length 7 --units 7 --dropout 0.2 --recurrent-dropout 0.1 --epochs 31"
KILLS = 3


def command(data, out, options):
    return [sys.executable, str(APP), "train", str(data), str(out), *options.split()]


def outcome(run):
    """What must not depend on interruptions: weights, losses, metrics, answers and the names of all files."""
    with zipfile.ZipFile(run / "model.keras") as archive:
        weights = archive.read("model.weights.h5")
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        history = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
    folders = (run, run / "export", run / "checkpoints")
    return {
        "weights": weights,
        "history": history,
        "metrics": (run / "metrics.json").read_text(encoding="utf-8"),
        "golden": (run / "export" / "1" / "assets.extra" / "golden.json").read_text(encoding="utf-8"),
        "predictions": pd.read_csv(run / "predictions.csv.gz").to_dict("list"),
        "files": [sorted(path.name for path in folder.iterdir()) for folder in folders],
    }


def leave_unfinished(run):
    """What a kill in the middle of writing leaves."""
    (run / ".123-model.keras").write_bytes(b"PK")
    (run / "export" / ".unfinished-123").mkdir(parents=True)
    (run / "export" / ".unfinished-123" / "saved_model.pb").write_bytes(b"")


@pytest.mark.slow
def test_a_run_killed_at_random_moments_and_resumed_equals_one_that_was_left_alone(tmp_path, toys):
    data, whole = tmp_path / "data.csv", tmp_path / "whole"
    toys["forecasting"].data.to_csv(data, index=False)
    began = time.monotonic()
    subprocess.run(command(data, whole, OPTIONS), check=True, capture_output=True)
    seconds = time.monotonic() - began
    expected, moments = outcome(whole), random.Random(0)
    for number in range(KILLS):
        out = tmp_path / f"killed-{number}"
        process = subprocess.Popen(command(data, out, OPTIONS), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.3, 0.95) * seconds)
        process.kill()
        process.wait()
        if (out / "config.json").is_file():
            leave_unfinished(out)
            again = "--resume"
        else:  # killed before there was a run
            again = OPTIONS
        subprocess.run(command(data, out, again), check=True, capture_output=True)
        received = outcome(out)
        assert [name for name in expected if repr(received[name]) != repr(expected[name])] == []  # repr: NaN is NaN
