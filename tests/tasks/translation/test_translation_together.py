"""Runs of translators beside each other: one tested against another, and several that decide together."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from refusals import refusal
from test_translation_runs import train

import seqapps
from seqapps import cli, run_folder
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.pipeline import export_together
from seqapps.tasks.translation.scores import rules_of, scores


@pytest.fixture(scope="module")
def run(trained_run):
    return trained_run("translation", "gru")


@pytest.fixture(scope="module")
def second(toys, tmp_path_factory):
    """A run with the same tokenizers and other weights."""
    out = tmp_path_factory.mktemp("second") / "run"
    train(toys, out, seed=7)
    return out


@pytest.mark.slow
def test_a_run_is_tested_against_a_second_one(run, second, toys, tmp_path):
    metrics = seqapps.load(run).evaluate(toys["translation"].data, against=str(second))
    assert metrics["methods"]["model of the other run"]["bleu"] < metrics["methods"]["model"]["bleu"]
    assert metrics["paired_bootstrap"]["model of the other run"] < 0.05
    assert "the best baseline, translation of the nearest source" in metrics["verdict"]
    other = tmp_path / "lower"
    train(toys, other, lowercase=True)
    with refusal(
        f"`against` must be a run with lowercase=False, as this one. Received: {str(other)!r} with lowercase=True."
    ):
        seqapps.load(run).evaluate(toys["translation"].data, against=str(other))


@pytest.mark.slow
def test_several_runs_become_one_saved_model(run, second, tmp_path, capsys):
    words = ["translation", "export", str(run), str(second), str(tmp_path / "models")]
    assert cli.run(words) == cli.DONE
    version = tmp_path / "models" / "1"
    assert capsys.readouterr().out == f"Verified and written: {version}\n"
    facts = run_folder.read_json(version / "assets.extra" / "signatures.json")
    assert facts["members"] == [run.name, second.name]
    pairs = tf.constant(["abc", "d"]), tf.constant(["CBA", "D"])
    models = [tf.saved_model.load(str(each)) for each in (version, *(each / "export" / "1" for each in (run, second)))]
    together, *bounds = [model.score(*pairs)["log_probability"].numpy() for model in models]
    bounds = np.stack(bounds)
    assert (together <= bounds.max(axis=0) + 1e-4).all()
    assert (together >= bounds.min(axis=0) - 1e-4).all()


@pytest.mark.slow
def test_several_runs_are_measured_as_the_saved_model_that_is_exported(run, second, toys, tmp_path, capsys):
    data, out = tmp_path / "data.csv", tmp_path / "metrics.json"
    toys["translation"].data.to_csv(data, index=False)
    words = ["translation", "evaluate", str(second), str(data), "--together", str(run), "--against", str(second)]
    assert cli.run([*words, "--output", str(out)]) == cli.DONE
    metrics = json.loads(out.read_text(encoding="utf-8"))
    assert f"Scores of 2 runs together on the test part ({metrics['pairs']} pairs" in capsys.readouterr().out
    assert metrics["together"] == [str(second), str(run)]
    penalties = [run_folder.read_json(each / "calibration.json")["length_penalty"] for each in (run, second)]
    assert metrics["decoding"]["length_penalty"] == pytest.approx(np.mean(penalties))
    asked = pd.read_csv(second / "predictions.csv.gz", keep_default_na=False)
    served = tf.saved_model.load(str(export_together([second, run], tmp_path / "models")))
    answers = [text.decode() for text in served.serving_default(tf.constant(asked["source"]))["target"].numpy()]
    expected = scores(answers, asked["reference"].tolist(), rules_of(Config(**toys["translation"].options)))
    assert metrics["methods"]["model"] == pytest.approx(expected)
    alone = run_folder.read_json(second / "metrics.json")["methods"]["model"]
    assert metrics["methods"]["model of the other run"] == alone != metrics["methods"]["model"]
    with refusal("`together` must be a list of runs. Received: together='run'."):
        seqapps.load(run).evaluate(data, together="run")
    other = tmp_path / "other"
    shutil.copytree(run, other)
    facts = run_folder.read_json(run / "manifest.json")
    run_folder.write_json(other / "manifest.json", facts | {"fingerprints": facts["fingerprints"] | {"test": "x"}})
    with refusal(
        f"`together` must be a run with the same test part. Received: {str(other)!r} with another one, of which it may "
        "have been trained on. Split both by the same rule, or measure on new data with --split all."
    ):
        seqapps.load(run).evaluate(data, together=[second, other])
    assert len(seqapps.load(run).evaluate(data, split="all", together=[other])["together"]) == 2


@pytest.mark.slow
def test_runs_that_cannot_decide_together_are_refused(run, trained_run, toys, tmp_path):
    other = tmp_path / "word"
    train(toys, other, tokenizer="word")
    with refusal(
        f"`runs` must have the same tokenizers. Received: those of {str(other)!r} differ from those of {str(run)!r}. "
        "Train them on the same data with the same options of the tokenizer."
    ):
        export_together([run, other], tmp_path / "models")
    generator = trained_run("generation", "gru")
    with refusal(
        f"`runs` must be runs of the task 'translation'. Received: {str(generator)!r} of the task 'generation'."
    ):
        export_together([run, generator], tmp_path / "models")
    with refusal(
        f"`together` must be runs of the task 'translation'. Received: {str(generator)!r} of the task 'generation'."
    ):
        seqapps.load(run).evaluate(toys["translation"].data, together=[generator])
    assert not (tmp_path / "models").exists()


def test_other_tasks_export_one_run(trained_run, tmp_path, capsys):
    run = str(trained_run("generation", "gru"))
    assert cli.run(["generation", "export", run, run, str(tmp_path / "models")]) == cli.PROBLEM
    assert capsys.readouterr().err == "seqapps: `export` takes one run of the task 'generation'. Received: 2 runs.\n"
