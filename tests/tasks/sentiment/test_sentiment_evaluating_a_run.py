"""A run is measured again on data that its own rule splits, with its own baselines."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from refusals import refusal
from test_sentiment_served_run import NO_BASELINES, TEXTS

import seqapps
from seqapps import cli, export, run_folder
from seqapps.tasks.sentiment import data, evaluation, pipeline, serving
from seqapps.tasks.sentiment.baselines import FAST

# --- evaluate ---


def test_every_split_is_measured(run, folder, toys):
    stored = run_folder.read_json(folder / "metrics.json")
    assert run.evaluate(toys["sentiment"].data) == stored
    counts = {"test": 48, "validation": 24, "all": 240}
    for split, count in counts.items():
        metrics = run.evaluate(toys["sentiment"].data, split=split)
        assert (metrics["split"], metrics["texts"], metrics["notes"]) == (split, count, [])
        assert list(metrics["methods"]) == [evaluation.MODEL, *FAST]
        assert sum(map(sum, metrics["confusion"])) == count
        assert metrics["strengths"] == stored["strengths"]


def test_predictions_of_the_run_are_those_that_were_measured(folder, toys):
    table = pd.read_csv(folder / "predictions.csv.gz", keep_default_na=False)
    metrics = run_folder.read_json(folder / "metrics.json")
    assert table.columns.tolist() == ["id", "reference", "answer", "loss", "probability", *FAST]
    assert len(table) == metrics["texts"]
    assert (table["reference"] == table["answer"]).mean() == pytest.approx(metrics["methods"]["model"]["accuracy"])
    assert table["loss"].mean() == pytest.approx(metrics["methods"]["model"]["log_loss"], rel=1e-4)
    for method in FAST:
        share = (table["reference"] == table[method]).mean()
        assert share == pytest.approx(metrics["methods"][method]["accuracy"])
    rows = table["id"].str.removeprefix("row ").astype(int)
    assert toys["sentiment"].data["label"][rows].tolist() == table["reference"].tolist()


def test_one_class_alone_is_measured_as_a_whole_file(run, toys):
    fine = toys["sentiment"].data.query("label == 'fine'")
    metrics = run.evaluate(fine, split="all", baselines="none")
    assert metrics["methods"]["model"]["roc_auc"] is None
    assert metrics["confusion"][0] == [0, 0]
    assert [each["texts"] for each in metrics["by_class"].values()] == [0, 120]
    assert "–" in pipeline.summary(metrics)


RENAMED = {"dull": "negative", "fine": "positive"}


@pytest.mark.parametrize("split", ["test", "validation"])
def test_labels_that_a_run_does_not_know_are_an_error(run, toys, split):
    for table, place, label in (
        (toys["sentiment"].data.replace(RENAMED), "row 0", "negative"),
        (toys["sentiment"].data.replace({"dull": "zzz"}), "row 0", "zzz"),
        (pd.concat([toys["sentiment"].data, pd.DataFrame({"text": ["a", "b"], "label": "mixed"})]), "row 240", "mixed"),
    ):
        with refusal(f"{place}, column 'label': the label must be one of 'dull', 'fine'. Received: {label!r}."):
            run.evaluate(table, split=split)


def test_labels_that_a_run_does_not_know_are_an_error_in_a_whole_file(run, toys):
    with refusal("row 0, column 'label': the label must be one of 'dull', 'fine'. Received: 'negative'."):
        run.evaluate(toys["sentiment"].data.replace(RENAMED), split="all")


def test_baselines_are_by_default_those_of_the_run(run, without_baselines, table):
    for baselines, methods in ((None, FAST), ("fast", FAST), ("none", ())):
        metrics = run.evaluate(table, split="validation", baselines=baselines)
        assert list(metrics["methods"]) == [evaluation.MODEL, *methods]
    bare = seqapps.load(without_baselines)
    for baselines in (None, "none"):
        assert list(bare.evaluate(table, baselines=baselines)["methods"]) == [evaluation.MODEL]
    with refusal(NO_BASELINES):
        bare.evaluate(table, baselines="fast")


def test_baselines_that_a_run_does_not_have_are_refused(run, table):
    with refusal(
        "`baselines` must be 'none' or 'fast' for a run that was trained with baselines='fast'. "
        "Received: baselines='full'."
    ):
        run.evaluate(table, baselines="full")


def test_unknown_baselines_and_parts_are_refused(run, table):
    with refusal("`baselines` must be one of 'none', 'fast', 'full'. Received: baselines='fats'. Did you mean 'fast'?"):
        run.evaluate(table, baselines="fats")
    with refusal("`split` must be one of 'test', 'validation', 'all'. Received: split='tset'. Did you mean 'test'?"):
        run.evaluate(table, split="tset")


def test_a_test_file_that_is_gone_comes_with_advice(folder, table, tmp_path):
    gone = str(tmp_path / "gone.csv")
    copy = shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    config = run_folder.read_json(copy / "config.json")
    run_folder.write_json(copy / "config.json", config | {"test_data": gone})
    with refusal(
        f"There is no file or folder {gone!r}. The run was split by `test_data` {gone!r}; "
        "for other data use --split all.",
        FileNotFoundError,
    ):
        seqapps.load(copy).evaluate(table)


@pytest.mark.parametrize("names", [("review", "label"), ("text", "stars"), ("Sentence", "mood")])
@pytest.mark.parametrize("split", ["test", "all"])
def test_columns_of_other_names_are_found_as_in_training(run, toys, names, split):
    table = toys["sentiment"].data
    renamed = table.rename(columns=dict(zip(table.columns, names, strict=True)))
    assert run.evaluate(renamed, split=split) == run.evaluate(table, split=split)


# --- evaluate, from the command line ---


@pytest.mark.parametrize("split", ["test", "validation", "all"])
def test_the_command_shows_the_table_and_the_verdict(capfd, folder, table, tmp_path, split):
    words = ["sentiment", "evaluate", str(folder), str(table), "--split", split, "--output", str(tmp_path / "out.json")]
    assert cli.run(words) == cli.DONE
    out, err = capfd.readouterr()
    metrics = run_folder.read_json(tmp_path / "out.json")
    lines = out.splitlines()
    assert lines[0] == f"Scores on the {split} part ({metrics['texts']} texts):"
    assert lines[1].split() == ["accuracy", "macro", "F1", "ROC-AUC", "log", "loss", "calibration", "error"]
    for line, method in zip(lines[2:6], (evaluation.MODEL, *FAST), strict=True):
        shown = [float(number) for number in line.removeprefix(method).split()]
        assert shown == pytest.approx([metrics["methods"][method][name] for name in evaluation.METRICS], rel=1e-3)
    assert lines[6:] == [metrics["verdict"]]
    assert err == ""


def test_columns_that_cannot_be_told_are_a_problem_in_one_line(capfd, folder, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("note,mood,row\na,dull,1\n", encoding="utf-8")
    assert cli.run(["sentiment", "evaluate", str(folder), str(path)]) == cli.PROBLEM
    expected = "seqapps: other.csv has no column 'text' (`text_column`). It has 'note', 'mood', 'row'.\n"
    assert capfd.readouterr() == ("", expected)


def test_a_run_of_another_task_is_a_problem(capfd, folder, table):
    assert cli.run(["forecasting", "predict", str(folder), str(table)]) == cli.PROBLEM
    expected = f"seqapps: {str(folder)!r} is a run of the task 'sentiment', not of 'forecasting'.\n"
    assert capfd.readouterr() == ("", expected)


# --- the run as it stands ---


def test_a_served_run_knows_its_config_and_temperature(run, folder):
    served = serving.Served(folder)
    assert served.config == run.config
    assert (run.config.text_column, run.config.label_column) == ("text", "label")
    assert (run.config.embedding_size, run.config.embedding_start) == (5, "log_odds")
    assert served.temperature == run_folder.read_json(folder / "calibration.json")["temperature"]
    assert served.preprocessing.classes == ("dull", "fine")


def test_logits_of_a_served_run_are_those_of_the_signature(folder):
    served = serving.Served(folder)
    loaded = tf.saved_model.load(str(export.newest_version(folder / "export")))
    found = served.logits(TEXTS)
    assert found.dtype == "float64"
    np.testing.assert_allclose(found, loaded.classify(tf.constant(TEXTS))["logits"], rtol=1e-5)


def test_the_fingerprints_of_a_run_are_those_of_its_splits(run, folder, toys):
    splits = data.load(toys["sentiment"].data, run.config)
    expected = {split: splits.fingerprint(split) for split in data.SPLITS}
    assert run_folder.read_json(folder / "manifest.json")["fingerprints"] == expected
    assert run_folder.read_json(folder / "preprocessing.json")["fingerprints"] == expected
