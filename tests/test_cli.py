"""The command line answers at once, and says in one line what is wrong with a command, a file or a run."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import seqapps
from seqapps import cli, run_folder
from seqapps.tasks import TASKS
from seqapps.tasks.forecasting.config import Config

APP = Path(__file__).parents[1] / "apps" / "forecasting.py"
VERBS = ("train", "evaluate", "predict", "gradients", "export", "compare")
ROWS = 53


@pytest.fixture
def table(tmp_path):
    """A file that a run can be trained on."""
    path = tmp_path / "tide.csv"
    path.write_text("step,tide\n" + "".join(f"{row},{row * row % 7}\n" for row in range(ROWS)), encoding="utf-8")
    return path


@pytest.fixture
def stored_run(tmp_path):
    """A run that has only begun, with sizes that fit the table."""
    options = Config(
        window=5, horizon=3, season_length=7, time_column="step", target_columns=("tide",), frequency="1", units=(7, 5)
    )
    return run_folder.prepare(
        tmp_path / "run", {"task": "forecasting", **options.to_dict()}, resume=False, overwrite=False
    )


def problem(capfd, *words):
    """What a command that fails with 1 writes to standard error: one line, and nothing on standard output."""
    code = cli.run(["forecasting", *map(str, words)])
    out, err = capfd.readouterr()
    assert (code, out) == (cli.PROBLEM, "")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert err.startswith("seqapps: ")
    return err.removeprefix("seqapps: ").rstrip("\n")


# --- help and usage ---


@pytest.mark.parametrize(
    "words",
    [(), ("problems",), ("compare",), *((task, *verb) for task in TASKS for verb in ((), *((v,) for v in VERBS)))],
)
def test_help_is_an_answer(capsys, words):
    assert cli.run([*words, "--help"]) == cli.DONE
    out, err = capsys.readouterr()
    assert out.startswith(" ".join(("usage: seqapps", *words)))
    assert err == ""


def test_the_help_of_train_names_every_option(capsys):
    cli.run(["forecasting", "train", "--help"])
    out = capsys.readouterr().out
    names = [field.name.replace("_", "-") for field in dataclasses.fields(Config)]
    assert [name for name in (*names, "config", "resume", "overwrite") if f"--{name}" not in out] == []


def test_help_imports_no_tensorflow():
    program = (
        "import sys\n"
        "from seqapps import cli\n"
        f"for verb in {VERBS}:\n"
        "    assert cli.run(['forecasting', verb, '--help']) == 0\n"
        "assert cli.run(['problems', '--help']) == 0\n"
        "print(sorted({'keras', 'tensorflow', 'numpy', 'pandas'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_version_is_that_of_the_package(capsys):
    assert cli.run(["--version"]) == cli.DONE
    assert capsys.readouterr().out == f"seqapps {seqapps.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "seqapps: error: the following arguments are required: TASK"),
        (
            ("forecast",),
            "seqapps: error: argument TASK: invalid choice: 'forecast' "
            "(choose from 'forecasting', 'sentiment', 'generation', 'translation', 'speech', 'problems', 'compare')",
        ),
        (("forecasting",), "seqapps forecasting: error: the following arguments are required: VERB"),
        (("forecasting", "train"), "seqapps forecasting train: error: the following arguments are required: DATA, OUT"),
        (
            ("sentiment", "predict", "r"),
            "seqapps sentiment predict: error: the following arguments are required: INPUT",
        ),
        (
            ("forecasting", "train", "a.csv", "run", "--wimdow", "5"),
            "seqapps: error: unrecognized arguments: --wimdow 5. Did you mean --window?",
        ),
        (
            ("forecasting", "train", "a.csv", "run", "--biderectional", "--window", "5"),
            "seqapps: error: unrecognized arguments: --biderectional. Did you mean --bidirectional?",
        ),
        (
            ("forecasting", "train", "a.csv", "run", "--epoch=5"),  # no short forms
            "seqapps: error: unrecognized arguments: --epoch=5. Did you mean --epochs?",
        ),
        (("forecasting", "predict", "run", "a.csv", "--qqq"), "seqapps: error: unrecognized arguments: --qqq."),
        (
            ("forecasting", "train", "a.csv", "run", "--units", "wide"),
            "seqapps forecasting train: error: argument --units: `units` cannot be read from 'wide'",
        ),
        (
            ("forecasting", "evaluate", "run", "a.csv", "--split", "train"),
            "seqapps forecasting evaluate: error: argument --split: invalid choice: 'train' "
            "(choose from 'test', 'validation', 'all')",
        ),
    ],
)
def test_a_wrong_command_is_a_usage_error(capsys, words, message):
    assert cli.run(words) == cli.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: seqapps")
    # Python 3.12 and later write the choices without quotes.
    assert err.splitlines()[-1].replace("'", "") == message.replace("'", "")


def test_a_script_stands_for_its_task(capsys):
    assert cli.run(["forecasting", "train", "--help"], program="forecasting.py") == cli.DONE
    assert capsys.readouterr().out.startswith("usage: forecasting.py train")
    assert cli.run(["forecasting", "train", "a.csv"], program="forecasting.py") == cli.USAGE
    assert capsys.readouterr().err.endswith("forecasting.py train: error: the following arguments are required: OUT\n")


@pytest.mark.parametrize(
    ("command", "code", "start"),
    [
        ([APP, "train", "--help"], cli.DONE, "usage: forecasting.py train"),
        ([APP, "trian"], cli.USAGE, ""),
        (["-c", "from seqapps.cli import console; console()", "forecasting", "--help"], cli.DONE, "usage: seqapps"),
    ],
)
def test_the_process_ends_with_the_code(command, code, start):
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.startswith(start)


# --- options ---


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--dropout", "1"), "`dropout` must be a number of at least 0 and below 1. Received: dropout=1.0."),
        (("--window", "0"), "`window` must be an integer of at least 1. Received: window=0."),
        (
            ("--cell", "ltsm"),
            "`cell` must be one of 'simple_rnn', 'lstm', 'gru'. Received: cell='ltsm'. Did you mean 'lstm'?",
        ),
        (
            ("--units", "7,5", "--residual"),
            "`units` must be equal in all layers with residual=True. Received: units=[7, 5]. "
            "A layer adds its input to its output, so both need the same width.",
        ),
    ],
)
def test_an_option_that_is_refused_is_a_usage_error_in_one_line(capfd, flags, message):
    assert cli.run(["forecasting", "train", "a.csv", "run", *flags]) == cli.USAGE
    assert capfd.readouterr() == ("", f"seqapps forecasting train: {message}\n")


def test_a_missing_config_file_is_a_problem(capfd):
    received = problem(capfd, "train", "a.csv", "run", "--config", "missing.toml")
    assert received == "There is no config file 'missing.toml'."


def test_an_unknown_key_of_a_config_file_is_a_problem_with_its_line(capfd, tmp_path):
    path = tmp_path / "options.toml"
    path.write_text("units = 7\nwindou = 5\n", encoding="utf-8")
    received = problem(capfd, "train", "a.csv", "run", "--config", path)
    assert received == f"{path}, line 2: 'windou' is not an option. Did you mean 'window'?"


def test_a_config_of_another_task_is_a_problem(capfd, tmp_path):
    path = tmp_path / "config.json"
    run_folder.write_json(path, {"task": "speech", "units": 7})
    received = problem(capfd, "train", "a.csv", "run", "--config", path)
    assert received == f"{path} belongs to the task 'speech', not to 'forecasting'."


def test_flags_win_over_the_config_of_a_run(capfd, table, stored_run, tmp_path):
    received = problem(
        capfd, "train", table, tmp_path / "new", "--config", stored_run / "config.json", "--window", 47, "--horizon", 11
    )
    assert received == (
        f"The series has {ROWS} steps; one example needs window + horizon = 47 + 11 = 58. "
        "Shorten window or horizon, or supply more data."
    )


def test_a_resumed_run_takes_its_own_options_and_refuses_others(capfd, table, stored_run):
    received = problem(capfd, "train", table, stored_run, "--resume", "--dropout", 0.25)
    assert received == (
        f"`dropout` must be 0.0 to resume the run in {str(stored_run)!r}. Received: dropout=0.25. "
        "Leave the option out, or train into another folder."
    )


@pytest.mark.parametrize("task", TASKS)
def test_standard_input_beside_files_is_a_usage_error(capfd, task):
    assert cli.run([task, "predict", "run", "a.csv", "-"]) == cli.USAGE
    expected = f"seqapps {task} predict: `INPUT` must be - alone, or files. Received: a.csv -.\n"
    assert capfd.readouterr() == ("", expected)


# --- data and runs ---


def test_a_missing_file_is_a_problem_and_leaves_no_folder(capfd, tmp_path):
    data, out = tmp_path / "missing.csv", tmp_path / "run"
    assert problem(capfd, "train", data, out) == f"There is no file {str(data)!r}."
    assert not out.exists()


def test_a_cell_that_is_no_number_is_a_problem_with_its_line(capfd, table, tmp_path):
    table.write_text(table.read_text().replace("\n7,0\n", "\n7,low\n"), encoding="utf-8")
    assert problem(capfd, "train", table, tmp_path / "run", "--time-column", "step") == (
        f"{table}, line 9, column 'tide': expected a number. Received: 'low'. Leave a missing value empty."
    )
    assert not (tmp_path / "run").exists()


def test_a_problem_of_several_lines_is_written_in_one(capfd, tmp_path):
    path = tmp_path / "two\nlines.csv"
    path.touch()
    expected = f"{tmp_path / 'two lines.csv'} is empty: it needs a header line and rows."
    assert problem(capfd, "train", path, tmp_path / "run") == expected


def test_a_place_that_takes_no_folder_is_a_problem(capfd, table, stored_run, tmp_path):
    file = tmp_path / "file"
    file.write_text("kept")
    received = problem(capfd, "train", table, file, "--config", stored_run / "config.json")
    assert received == f"{str(file)!r} is a file; a run needs a folder."
    received = problem(capfd, "train", table, file / "run", "--config", stored_run / "config.json")
    assert received.startswith(f"[Errno 20] Not a directory: '{file / 'run'}")
    assert file.read_text() == "kept"


def test_a_folder_that_holds_a_run_is_a_problem(capfd, table, stored_run):
    before = (stored_run / "config.json").read_bytes()
    received = problem(capfd, "train", table, stored_run, "--config", stored_run / "config.json")
    assert received == f"{str(stored_run)!r} holds a run. Pass --resume to go on with it or --overwrite to replace it."
    assert (stored_run / "config.json").read_bytes() == before


@pytest.mark.parametrize("words", [("evaluate", "RUN", "a.csv"), ("predict", "RUN", "a.csv")])
def test_what_is_no_finished_run_is_a_problem(capfd, tmp_path, words):
    run = tmp_path / "run"

    def received():
        return problem(capfd, *(run if word == "RUN" else word for word in words))

    assert received() == f"There is no run {str(run)!r}."
    run.mkdir()
    assert received() == f"{str(run)!r} is not a finished run: it has no config.json."
    run_folder.write_json(run / "config.json", {"task": "singing"})
    tasks = "'forecasting', 'sentiment', 'generation', 'translation', 'speech'"
    assert received() == f"`task` must be one of {tasks}. Received: task='singing'."
    run_folder.write_json(run / "config.json", {"task": "forecasting", "units": 7})
    assert received() == f"{str(run)!r} is not a finished run: it has no preprocessing.json."


def test_several_tables_are_answered_one_after_the_other(capfd, trained_run, toys, tmp_path):
    run, tables = trained_run("forecasting", "gru"), []
    for name, rows in (("a", 300), ("b", 350)):
        tables.append(str(tmp_path / f"{name}.csv"))
        toys["forecasting"].data[:rows].to_csv(tables[-1], index=False)
    capfd.readouterr()  # of the training

    def lines(*inputs):
        assert cli.run(["forecasting", "predict", str(run), *inputs]) == cli.DONE
        return capfd.readouterr().out.splitlines()

    first, second = map(lines, tables)
    assert first[1] != second[1]
    assert lines(*tables) == [*first, *second[1:]]  # one header


def test_a_run_without_a_model_is_not_exported(capfd, stored_run, tmp_path):
    received = problem(capfd, "export", stored_run, tmp_path / "models")
    assert received == f"There is no exported model in {str(stored_run / 'export')!r}. Train or export first."


def test_a_traceback_can_be_asked_for(capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("SEQAPPS_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        cli.run(["forecasting", "train", str(tmp_path / "missing.csv"), str(tmp_path / "run")])


@pytest.mark.slow
def test_a_process_writes_one_line_for_a_problem_and_none_of_tensorflows(tmp_path):
    command = [sys.executable, str(APP), "train", "missing.csv", "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (cli.PROBLEM, "")
    assert done.stderr == "forecasting.py: There is no file 'missing.csv'.\n"
