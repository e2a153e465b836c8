"""The README is true: its Python runs as written, its paths exist, its flags are flags."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seqapps.tasks.forecasting import Config, train

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
DEMO_DATA = "data/forecasting/sea_surface_temperature.csv"


def test_the_factory_example_runs_as_written():
    (example,) = [block for block in PYTHON_BLOCKS if "RecurrentStack" in block]
    names = {}
    exec(example, names)
    assert names["model"].output_shape == (None, 1)
    assert names["output"].shape == (3, 32)


def test_every_path_of_the_tree_exists():
    tree = README.split("## Where things are")[1].split("```")[1]
    folder = ROOT
    for line in tree.strip().splitlines():
        name = line.split()[0]
        folder = ROOT / "seqapps" if line.startswith("  ") else ROOT
        assert (folder / name).exists(), name


def test_every_flag_of_the_readme_is_a_flag_of_train():
    said = set(re.findall(r"--[a-z][a-z-]+", README.split("| choice | options |")[1].split("\n\n")[0]))
    fields = {"--" + field.name.replace("_", "-") for field in dataclasses.fields(Config)}
    assert len(said) > 25
    assert said <= fields


@pytest.mark.slow
def test_the_serving_examples_run_as_written(tmp_path):
    train(
        Config(window=48, horizon=12, units=3, epochs=1, batch_size=64),
        ROOT / DEMO_DATA,
        tmp_path / "runs" / "demo-forecasting",
    )
    (tmp_path / "data").symlink_to(ROOT / "data")
    served, loaded = (block for block in PYTHON_BLOCKS if "demo-forecasting" in block)
    shape = "assert answer['forecast'].shape == (1, 12, 1)"
    warned = "assert b'does not fill the window' in answer['warning'].numpy()[0]"
    answers = "assert len(forecast) == 12"
    compared = "assert 'ridge regression' in metrics['methods']"
    for program in (f"{served}\n{shape}\n{warned}", f"{loaded}\n{answers}\n{compared}"):
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
