"""The trainings of a comparison: looked at before, done once each, gone on with; and what is refused before any."""

import json
import re
import shutil

import pytest
import tensorflow as tf
from refusals import refusal

import seqapps
from seqapps import run_folder
from seqapps.comparison import trainings
from seqapps.comparison.plan import Plan, variants
from seqapps.tasks.sentiment.config import Config

PLAN = {"cells": ("gru",), "max_epochs": 2, "controls": ("shuffled",)}


@pytest.fixture
def small(toys):
    """Options of the toy problem, which train in a second or two."""
    return {name: value for name, value in toys["sentiment"].options.items() if name != "epochs"} | {
        "baselines": "none"
    }


@pytest.fixture
def reviews(toys):
    """The data of the toy problem."""
    return toys["sentiment"].data


def state_of(run):
    return {name: (run / name).stat().st_mtime_ns for name in ("manifest.json", "model.keras", "predictions.csv.gz")}


def forget_an_option(*paths):
    """Make files as if they had been written before that option existed."""
    for path in paths:
        stored = run_folder.read_json(path)
        assert stored.pop("average_weights") == 0
        run_folder.write_json(path, stored)


@pytest.mark.slow
def test_a_comparison_goes_on_and_loses_no_finished_run(small, reviews, tmp_path, capsys):
    out = tmp_path / "out"
    first = seqapps.compare("sentiment", reviews, out, Config(**small), seeds=(0,), **PLAN)
    assert [row["variant"] for row in first["parts"][0]["rows"]] == ["gru", "gru, shuffled"]
    assert sorted(path.name for path in (out / "runs").iterdir()) == ["gru-one-1-seed-0", "gru-one-1-shuffled-seed-0"]
    told = capsys.readouterr().out
    assert "Training 1 of 2: gru, seed 0 …" in told
    assert re.search(r"\n  \d+ seconds; about \d+ seconds left\.\n", told)
    done, interrupted = out / "runs" / "gru-one-1-seed-0", out / "runs" / "gru-one-1-shuffled-seed-0"
    forget_an_option(out / trainings.PLAN_FILE, done / "config.json", interrupted / "config.json")
    before, metrics = state_of(done), run_folder.read_json(interrupted / "metrics.json")
    for name in ("manifest.json", "metrics.json", "model.keras"):  # as if it had been killed after its last epoch
        (interrupted / name).unlink()

    second = seqapps.compare("sentiment", reviews, out, Config(**small), seeds=(0, 1), **PLAN)
    assert "1 of 4 trainings were finished before." in capsys.readouterr().out
    assert state_of(done) == before
    again = run_folder.read_json(interrupted / "metrics.json")["methods"]["model"]
    assert again == pytest.approx(metrics["methods"]["model"])
    rows = second["parts"][0]["rows"]
    assert [sorted(row["scores"]) for row in rows] == [["0", "1"], ["0", "1"]]
    assert rows[0]["scores"]["0"] == first["parts"][0]["rows"][0]["score"]
    assert [each["kind"] for each in second["parts"][0]["tests"]] == ["controls"]
    assert len(second["parts"][0]["tests"][0]["p_values"]) == 2
    assert json.loads((out / "comparison.json").read_text(encoding="utf-8")) == second
    assert (out / "report.html").is_file()

    with refusal(
        f"`batch_size` must be 16 to go on with the comparison in {str(out)!r}. Received: batch_size=8. Repeat the "
        "options, or compare into another folder."
    ):
        seqapps.compare("sentiment", reviews, out, Config(**small | {"batch_size": 8}), seeds=(0, 1), **PLAN)
    for seeds in ((0, 1), (0, 5), (5,)):  # whose data are new to the folder or not
        with refusal(
            f"The data are not those with which the comparison in {str(out)!r} began: the train part differs. Compare "
            "on the same data, or into another folder."
        ):
            seqapps.compare("sentiment", reviews.iloc[:-20], out, Config(**small), seeds=seeds, **PLAN)


@pytest.mark.slow
def test_parts_of_the_rows_are_nested_and_the_test_items_stay(small, reviews, tmp_path, capsys):
    plan = {"cells": ("gru",), "seeds": (3,), "max_epochs": 1}
    whole = seqapps.compare("sentiment", reviews, tmp_path / "out", Config(**small), **plan)
    told = seqapps.compare("sentiment", reviews, tmp_path / "out", Config(**small), **plan, data_fractions=(0.4, 1.0))
    assert "1 of 2 trainings were finished before." in capsys.readouterr().out  # that of all rows
    assert [part["fraction"] for part in told["parts"]] == [0.4, 1.0]
    assert told["parts"][1]["rows"][0]["score"] == whole["parts"][0]["rows"][0]["score"]
    with refusal(
        f"The data are not those with which the comparison in {str(tmp_path / 'out')!r} began: the train part differs. "
        "Compare on the same data, or into another folder."
    ):
        other = plan | {"seeds": (3, 4), "data_fractions": (0.4,)}
        seqapps.compare("sentiment", reviews.iloc[:-20], tmp_path / "out", Config(**small), **other)
    again = seqapps.compare("sentiment", reviews, tmp_path / "out", Config(**small), **plan, data_fractions=(0.4,))
    assert again["notes"] == ["Not in these tables, because this command does not list them: gru-one-1-seed-3."]
    manifests = [
        run_folder.read_json(tmp_path / "out" / "runs" / f"gru-one-1{share}-seed-3" / "manifest.json")
        for share in ("-data-0.4", "")
    ]
    small_part, whole = (manifest["fingerprints"] for manifest in manifests)
    assert small_part["train"] != whole["train"]
    assert (small_part["validation"], small_part["test"]) == (whole["validation"], whole["test"])


@pytest.mark.slow
def test_a_training_that_fails_is_told_and_the_others_are_compared(small, reviews, tmp_path):
    """What lies where the second one would go is a run of something else."""
    out, plan = tmp_path / "out", {"seeds": (0,), "max_epochs": 1}
    seqapps.compare("sentiment", reviews, out, Config(**small), cells=("gru",), **plan)
    other = out / "runs" / "lstm-one-1-seed-0"
    other.mkdir()
    shutil.copy(out / "runs" / "gru-one-1-seed-0" / "config.json", other)
    told = seqapps.compare("sentiment", reviews, out, Config(**small), cells=("gru", "lstm"), **plan)
    (note,) = told["notes"]
    assert note.startswith("The training of lstm, seed 0 failed and is left out: ")
    assert "cell" in note
    assert [row["variant"] for row in told["parts"][0]["rows"]] == ["gru"]
    assert told["parts"][0]["verdict"].startswith("gru, the only variant, has accuracy ")


def test_a_training_that_runs_out_of_memory_does_not_end_the_others(small, reviews, tmp_path, capsys):
    problems = iter([MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM of a tensor\nand where"), None])

    def train(*_, **__):
        if (problem := next(problems)) is not None:
            raise problem

    trainer = trainings.Trainer("sentiment", reviews, tmp_path)
    trainer._train = train
    failed = trainer.train(trainer.jobs(variants(Plan(), Config(**small)), (5,)))
    assert failed == {"simple_rnn, seed 5": "MemoryError", "lstm, seed 5": "OOM of a tensor"}
    assert "Training 3 of 3: gru, seed 5 …" in capsys.readouterr().out


@pytest.mark.slow
def test_where_every_training_fails_there_is_nothing_to_compare(small, reviews, tmp_path):
    """Without a limit the gradient of a huge learning rate ends in numbers that are none."""
    diverging = Config(**small | {"learning_rate": 1e38, "clip_norm": None})
    message = (
        r"\AEvery training failed, the first one with: The gradient of step \d+ of epoch 1 is not a finite number\."
    )
    with pytest.raises(ValueError, match=message):
        seqapps.compare("sentiment", reviews, tmp_path / "out", diverging, cells=("gru",), seeds=(0,), max_epochs=1)


@pytest.mark.slow
def test_a_budget_that_the_first_epoch_does_not_fit_into_is_refused(small, reviews, tmp_path):
    message = (
        r"\A`max_minutes` must be at least [\d.e-]+\. Received: max_minutes=1e-07\. The first epoch of gru, seed 0 "
        r"takes about [\d.e-]+ minutes: 11 steps\. Give more time, or compare on a part of the rows with "
        r"data_fractions\.\Z"
    )
    with pytest.raises(ValueError, match=message):
        seqapps.compare(
            "sentiment", reviews, tmp_path / "out", Config(**small, max_minutes=1e-7), cells=("gru",), max_epochs=1
        )
    assert not (tmp_path / "out").exists()


def test_data_that_cannot_be_read_are_refused_before_anything_is_written(small, tmp_path):
    with refusal(f"There is no file or folder {str(tmp_path / 'none.csv')!r}.", FileNotFoundError):
        seqapps.compare("sentiment", tmp_path / "none.csv", tmp_path / "out", Config(**small))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_refused(small, reviews, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear sister", encoding="utf-8")
    with refusal(f"{str(tmp_path)!r} is not empty and holds no comparison. Choose another folder."):
        seqapps.compare("sentiment", reviews, tmp_path, Config(**small))
    with refusal(f"{str(tmp_path / 'letter.txt')!r} is a file; a comparison needs a folder."):
        seqapps.compare("sentiment", reviews, tmp_path / "letter.txt", Config(**small))
    with refusal(f"{str(tmp_path)!r} is not empty and holds no comparison of runs. Choose another folder."):
        seqapps.compare_runs(["a", "b"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_config_of_another_task_and_an_unknown_task_are_refused(small, reviews, tmp_path):
    config = Config(**small)
    with refusal(f"`config` must be a Config of the task 'generation'. Received: config={config!r}."):
        seqapps.compare("generation", reviews, tmp_path / "out", config)
    with pytest.raises(ValueError, match=r"\A`task` must be one of .* Did you mean 'sentiment'\?\Z"):
        seqapps.compare("sentimnet", reviews, tmp_path / "out", config)


def test_jobs_go_seed_by_seed_so_that_every_variant_soon_has_a_run(small, reviews, tmp_path):
    plan = Plan(cells=("gru", "lstm"), seeds=(5, 7), data_fractions=(0.1, 1.0))
    trainer = trainings.Trainer("sentiment", reviews, tmp_path)
    jobs = trainer.jobs(variants(plan, Config(**small)), plan.seeds)
    assert [job.name for job in jobs[:5]] == [
        "gru, 10 % of the rows, seed 5",
        "lstm, 10 % of the rows, seed 5",
        "gru, 10 % of the rows, seed 7",
        "lstm, 10 % of the rows, seed 7",
        "gru, seed 5",
    ]
    assert jobs[0].folder == tmp_path / "runs" / "gru-one-1-data-0.1-seed-5"
    assert jobs[4].folder == tmp_path / "runs" / "gru-one-1-seed-5"  # as where no other part is compared
    assert not any(job.finished for job in jobs)
    small_parts = Plan(cells=("gru",), seeds=(5,), data_fractions=(0.001, 0.002))
    names = [job.name for job in trainer.jobs(variants(small_parts, Config(**small)), (5,))]
    assert names == ["gru, 0.1 % of the rows, seed 5", "gru, 0.2 % of the rows, seed 5"]
