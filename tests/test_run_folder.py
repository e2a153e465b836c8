"""Files of a run are whole or not there, and no folder is lost that holds anything but a run."""

import json
import os
import platform
import signal
import subprocess
import sys
from importlib.metadata import version

import pandas as pd
import pytest
from refusals import refusal

from seqapps import run_folder

OPTIONS = {"task": "forecasting", "cell": "gru", "seed": 11, "units": [7, 5], "dropout": 0.1, "window": None}


def new_run(folder, options=OPTIONS, **how):
    return run_folder.prepare(folder, options, **{"resume": False, "overwrite": False, **how})


def contents(folder):
    """Every file below a folder with what it holds."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- writing ---


def test_a_file_appears_when_its_block_ends(tmp_path):
    path = tmp_path / "a.csv"
    with run_folder.atomic_path(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".csv")
        temporary.write_text("new")
        assert not path.exists()
    assert contents(tmp_path) == {"a.csv": b"new"}


def test_a_file_is_replaced_when_its_block_ends(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old, and longer than the new one")
    with run_folder.atomic_path(str(path)) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old, and longer than the new one"
    assert contents(tmp_path) == {"a.csv": b"new"}


@pytest.mark.parametrize("before", [{}, {"a.csv": b"old"}])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_while_writing_leaves_what_was_there_and_nothing_else(tmp_path, before, error):
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    for begun in (False, True):

        def write(path, begun=begun):
            if begun:
                path.write_text("hal")
            raise error

        with pytest.raises(error):
            run_folder.write_with(tmp_path / "a.csv", write)
        assert contents(tmp_path) == before


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    program = (
        "import os, signal, sys; from seqapps import run_folder\n"
        "with run_folder.atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('hal')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    run_folder.write_json(path, {"epoch": 7})
    assert run_folder.read_json(path) == {"epoch": 7}


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    run_folder.write_text(pipe, "answer")
    assert os.read(reader, 97) == b"answer"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_link_leads_to_the_new_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    run_folder.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_value_that_json_cannot_hold_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    run_folder.write_json(path, {"epoch": 7})
    with pytest.raises(TypeError, match="not JSON serializable"):
        run_folder.write_json(path, {"epoch": 7, "folder": tmp_path})
    assert run_folder.read_json(path) == {"epoch": 7}
    assert os.listdir(tmp_path) == ["a.json"]


def test_json_and_text_are_utf8_whatever_the_language_of_the_machine(tmp_path):
    value = {"column": "Größe 漢", "levels": [0.1, None, True]}
    run_folder.write_json(tmp_path / "a.json", value)
    assert run_folder.read_json(tmp_path / "a.json") == value
    assert (tmp_path / "a.json").read_bytes().decode("utf-8") == json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    run_folder.write_text(tmp_path / "a.txt", "Größe\n")
    assert (tmp_path / "a.txt").read_bytes() == "Größe\n".encode()


def test_a_missing_file_of_a_run_is_named(tmp_path):
    with refusal(f"{str(tmp_path)!r} is not a finished run: it has no metrics.json.", FileNotFoundError):
        run_folder.read_json(tmp_path / "metrics.json")


def test_a_history_has_one_row_per_epoch(tmp_path):
    rows = [{"epoch": 1, "loss": 0.1, "val_loss": 1e-9}, {"epoch": 2, "loss": 1 / 3, "val_loss": 7.0}]
    run_folder.write_history(tmp_path / "history.csv", rows)
    assert pd.read_csv(tmp_path / "history.csv").to_dict("records") == rows
    run_folder.write_history(tmp_path / "history.csv", [])
    assert (tmp_path / "history.csv").read_text().split() == ["epoch"]


def test_a_manifest_tells_what_the_run_depends_on(tmp_path):
    fingerprints = {"train": "ab", "test": "cd"}
    run_folder.write_manifest(tmp_path, fingerprints, 7.23, seed=11, best_epoch=3)
    manifest = run_folder.read_json(tmp_path / "manifest.json")
    assert manifest["versions"]["python"] == platform.python_version()
    assert manifest["versions"]["keras"] == version("keras")
    assert set(manifest["versions"]) == {"python", *run_folder.PACKAGES}
    assert (manifest["fingerprints"], manifest["training_seconds"]) == (fingerprints, 7.2)
    assert (manifest["seed"], manifest["best_epoch"]) == (11, 3)
    assert manifest["machine"] == f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors"


# --- the folder ---


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_run_begins_with_its_config(tmp_path, exists):
    folder = tmp_path / "runs" / "a"
    if exists:
        folder.mkdir(parents=True)
    assert new_run(str(folder)) == folder
    assert json.loads((folder / "config.json").read_text()) == OPTIONS
    assert os.listdir(folder) == ["config.json"]


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    new_run(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    before = contents(tmp_path)
    with refusal(f"{str(tmp_path)!r} holds a run. Pass --resume to go on with it or --overwrite to replace it."):
        new_run(tmp_path)
    assert contents(tmp_path) == before


def test_overwriting_deletes_the_run_and_begins_anew(tmp_path):
    new_run(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "state.npz").write_text("old")
    new_run(tmp_path, {**OPTIONS, "dropout": 0.2}, overwrite=True)
    assert list(contents(tmp_path)) == ["config.json"]
    assert run_folder.read_json(tmp_path / "config.json")["dropout"] == 0.2


def test_overwriting_keeps_what_the_run_did_not_write(tmp_path):
    new_run(tmp_path)
    for name in run_folder.RUN_FILES:
        (tmp_path / name).write_text("old")
    for name in ("notes.txt", ".hidden", "figures/loss.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    new_run(tmp_path, overwrite=True)
    kept = contents(tmp_path)
    assert json.loads(kept.pop("config.json")) == OPTIONS
    assert kept == {"notes.txt": b"mine", ".hidden": b"mine", "figures/loss.png": b"mine"}


def test_overwriting_needs_no_run(tmp_path):
    assert new_run(tmp_path / "a", overwrite=True) == tmp_path / "a"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.tex", "years of work"),
        ("config.json", '{"model_type": "bert", "task": "translation"}'),  # of another program
        ("config.json", "[]"),
        ("config.json", "no JSON"),
        ("runs/a/config.json", '{"task": "forecasting"}'),
    ],
)
def test_a_folder_that_holds_anything_else_is_refused_and_kept(tmp_path, overwrite, name, content):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
    with refusal(f"{str(tmp_path)!r} is not empty and holds no run. Choose another folder."):
        new_run(tmp_path, overwrite=overwrite)
    assert contents(tmp_path) == {name: content.encode()}


def test_what_a_killed_process_left_is_no_hindrance(tmp_path):
    for how in ({}, {"resume": True}, {"overwrite": True}):
        (tmp_path / ".4711-config.json").write_text('{"task":')
        new_run(tmp_path, **how)
        assert list(contents(tmp_path)) == ["config.json"]
        (tmp_path / "export" / ".unfinished-2").mkdir(parents=True)
        (tmp_path / "export" / ".unfinished-2" / "saved_model.pb").write_text("hal")


def test_what_a_killed_refit_left_is_deleted_on_resume(tmp_path):
    new_run(tmp_path)
    refits = [tmp_path / "refits" / name for name in ("000", "001")]
    for own in refits:
        own.mkdir(parents=True)
        for name in ("model.keras", ".4711-model.keras", ".4711-initial.weights.h5"):
            (own / name).write_text("hal")
    new_run(tmp_path, resume=True)
    assert sorted(contents(tmp_path)) == ["config.json", "refits/000/model.keras", "refits/001/model.keras"]


@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}])
def test_a_file_is_no_folder(tmp_path, how):
    path = tmp_path / "a"
    path.write_text("kept")
    with refusal(f"{str(path)!r} is a file; a run needs a folder."):
        new_run(path, **how)
    assert path.read_text() == "kept"


def test_a_run_with_the_same_options_is_resumed_as_it_is(tmp_path):
    new_run(tmp_path)
    (tmp_path / "history.csv").write_text("epoch\n")
    before = contents(tmp_path)
    assert new_run(tmp_path, resume=True) == tmp_path
    assert contents(tmp_path) == before


def test_a_run_that_began_before_an_option_existed_has_its_default(tmp_path):
    new_run(tmp_path)
    before, defaults = contents(tmp_path), {"dropout": 0.5, "average_weights": 0.25}
    assert new_run(tmp_path, OPTIONS | {"average_weights": 0.25}, resume=True, defaults=defaults) == tmp_path
    message = f"`average_weights` must be 0.25 to resume the run in {str(tmp_path)!r}. Received: average_weights=0.0."
    with refusal(f"{message} Leave the option out, or train into another folder."):
        new_run(tmp_path, OPTIONS | {"average_weights": 0.0}, resume=True, defaults=defaults)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dropout": 0.2}, "`dropout` must be 0.1 to resume the run in {}. Received: dropout=0.2."),
        ({"units": [7]}, "`units` must be [7, 5] to resume the run in {}. Received: units=[7]."),
        ({"window": 7}, "`window` must be None to resume the run in {}. Received: window=7."),
        ({"task": "speech"}, "`task` must be 'forecasting' to resume the run in {}. Received: task='speech'."),
        ({"residual": True}, "`residual` must be None to resume the run in {}. Received: residual=True."),
    ],
)
def test_a_run_with_other_options_is_not_resumed(tmp_path, changed, message):
    new_run(tmp_path)
    before = contents(tmp_path)
    advice = "Leave the option out, or train into another folder."
    with refusal(f"{message.format(repr(str(tmp_path)))} {advice}"):
        new_run(tmp_path, {**OPTIONS, **changed}, resume=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", [None, '{"model_type": "bert"}'])
def test_what_is_no_run_is_not_resumed(tmp_path, content):
    if content:
        (tmp_path / "config.json").write_text(content)
    before = contents(tmp_path)
    for folder in (tmp_path, tmp_path / "missing"):
        with refusal(f"There is no run to resume in {str(folder)!r}. Leave out --resume.", FileNotFoundError):
            new_run(folder, resume=True)
    assert contents(tmp_path) == before
    assert not (tmp_path / "missing").exists()


def test_a_run_is_either_resumed_or_overwritten(tmp_path):
    new_run(tmp_path)
    before = contents(tmp_path)
    with refusal("`resume` and `overwrite` cannot both be given. Received: resume=True, overwrite=True."):
        new_run(tmp_path, resume=True, overwrite=True)
    assert contents(tmp_path) == before
