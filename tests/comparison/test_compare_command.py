"""The command `compare`: what it refuses as a mistake of usage, at once and with the reason."""

import pytest

from seqapps import cli


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("sentiment", "--cells", "ltsm"),
            "`cells` must be one of 'simple_rnn', 'lstm', 'gru'. Received: cells='ltsm'. Did you mean 'lstm'?",
        ),
        (
            ("generation", "--directions", "one,two"),
            "`bidirectional` must be False for generation: the backward direction would read the text being generated. "
            "Received: bidirectional=True.",
        ),
        (
            ("translation", "--controls", "shuffled"),
            "`control` must be 'none'. Received: control='shuffled'. A target is written in its order, and a source "
            "without one is another task.",
        ),
        (
            ("sentiment", "--merge-mode", "sum"),
            "`merge_mode` must be 'concat' with bidirectional=False. Received: merge_mode='sum'. One direction has "
            "nothing to merge: set bidirectional=True or leave merge_mode at its default.",
        ),
        (("sentiment", "--max-epochs", "0"), "`max_epochs` must be an integer of at least 1. Received: max_epochs=0."),
        (("forecasting", "--max-minutes", "0"), "`max_minutes` must be a number above 0. Received: max_minutes=0.0."),
    ],
)
def test_what_cannot_be_compared_is_a_mistake_of_usage(words, message, capsys, tmp_path):
    task, *flags = words
    assert cli.run([task, "compare", "none.csv", str(tmp_path / "out"), *flags]) == cli.USAGE
    assert capsys.readouterr().err == f"seqapps {task} compare: {message}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--cell", "gru"), "--cell is set by the comparison. Use --cells."),
        (("--no-bidirectional",), "--bidirectional is set by the comparison. Use --directions."),
        (("--epochs", "3"), "--epochs is set by the comparison. Use --max-epochs."),
        (("--sedes", "3"), "unrecognized arguments: --sedes 3. Did you mean '--seeds'?"),
    ],
)
def test_flags_of_one_training_name_those_of_a_comparison(flags, told, capsys):
    assert cli.run(["sentiment", "compare", "none.csv", "out", *flags]) == cli.USAGE
    assert capsys.readouterr().err.endswith(f"error: {told}\n")


def test_a_config_file_gives_what_all_trainings_have_in_common(tmp_path, capsys):
    config, out = tmp_path / "config.toml", tmp_path / "out"
    config.write_text('cell = "lstm"\nbidirectional = true\nunits = [7, 5]\n', encoding="utf-8")
    words = ["sentiment", "compare", str(tmp_path / "none.csv"), str(out), "--config", str(config)]
    assert cli.run(words) == cli.USAGE
    assert "`units` must be one integer. Received: units=[7, 5]." in capsys.readouterr().err
    assert cli.run([*words, "--units", "7"]) == cli.PROBLEM
    assert capsys.readouterr().err == f"seqapps: There is no file or folder {str(tmp_path / 'none.csv')!r}.\n"
    assert not out.exists()
    config.write_text("task = 'generation'\n", encoding="utf-8")
    assert cli.run(words) == cli.PROBLEM
    assert capsys.readouterr().err == (f"seqapps: {config} belongs to the task 'generation', not to 'sentiment'.\n")
