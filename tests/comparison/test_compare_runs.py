"""Runs that exist, compared: p-values by hand on the saved predictions, and what is refused."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from refusals import refusal
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

import seqapps
from seqapps import cli, run_folder
from seqapps.comparison import judging, latency, runs
from seqapps.tasks import TASKS

HORIZON = 5  # of the toy problem of forecasting


def predictions(run):
    return pd.read_csv(run / "predictions.csv.gz", keep_default_na=False)


def sentiment_p_value(ours, theirs):
    hits = [each["answer"] == each["reference"] for each in (ours, theirs)]
    return mcnemar(pd.crosstab(*hits).reindex(index=[True, False], columns=[True, False], fill_value=0)).pvalue


speech_p_value = sentiment_p_value


def generation_p_value(ours, theirs):
    difference = ((ours["loss"] - theirs["loss"]) * ours["tokens"]).to_numpy()
    means = stats.bootstrap(
        (difference,), np.mean, n_resamples=1000, batch=50, method="percentile", rng=np.random.default_rng(0)
    ).bootstrap_distribution
    return (np.sum(np.abs(means - difference.mean()) > abs(difference.mean())) + 1) / 1001


def translation_p_value(ours, theirs):
    systems = [("theirs", theirs["answer"].tolist()), ("ours", ours["answer"].tolist())]
    metrics = {"BLEU": BLEU(tokenize="char")}
    _, told = PairedTest(systems, metrics, [ours["reference"].tolist()], test_type="bs", n_samples=1000)()
    return min(1.0, 2 * told["BLEU"][1].p_value)  # sacrebleu counts one end of the distribution alone


def forecasting_p_value(ours, theirs):
    """Diebold & Mariano (1995) with the correction of Harvey, Leybourne & Newbold (1997), written out."""
    for table in (ours, theirs):
        for name in ("reference", "loss"):
            table[name] = pd.to_numeric(table[name], errors="coerce")
    deviation = ours.groupby("id")["reference"].transform("std")
    difference = ((ours["loss"] - theirs["loss"]) / deviation).groupby(ours["origin"]).mean().to_numpy()
    count = len(difference)
    centred = difference - difference.mean()
    covariances = [np.sum(centred[lag:] * centred[: count - lag]) / count for lag in range(HORIZON)]
    variance = (covariances[0] + 2 * sum(covariances[1:])) / count
    correction = (count + 1 - 2 * HORIZON + HORIZON * (HORIZON - 1) / count) / count
    return 2 * stats.t.sf(abs(difference.mean()) * np.sqrt(correction / variance), count - 1)


@pytest.fixture
def two_runs(trained_run, toys, tmp_path):
    """`two_runs(task)`: a GRU and a simple RNN; of language models such with more than 20 documents to test."""

    def folders(task):
        cells = ("gru", "simple_rnn")
        if task != "generation":
            return [trained_run(task, cell) for cell in cells]
        toy = toys[task]
        options = toy.options | {"epochs": 1, "test_fraction": 0.4, "baselines": "none"}
        for cell in cells:
            seqapps.generation.train(seqapps.generation.Config(cell=cell, **options), toy.data, tmp_path / cell)
        return [tmp_path / cell for cell in cells]

    return folders


@pytest.mark.parametrize("task", TASKS)
def test_p_values_are_those_of_the_libraries_on_the_saved_predictions(task, two_runs, tmp_path, capsys):
    folders = two_runs(task)
    told = seqapps.compare_runs(folders, tmp_path / "out")
    (part,) = told["parts"]
    (pair,) = part["tests"]
    assert [pair[name].split(",")[0] for name in ("first", "second")] == ["gru", "simple_rnn"]
    expected = globals()[f"{task}_p_value"](*map(predictions, folders))
    assert pair["p_values"] == pytest.approx([expected], rel=1e-9)
    assert pair["p_value"] == pair["corrected"] == pair["p_values"][0]  # one seed, one pair
    assert pair["leads"] == [pair["lead"]]

    for row, folder in zip(part["rows"], folders, strict=True):
        metrics, manifest = (run_folder.read_json(folder / name) for name in ("metrics.json", "manifest.json"))
        assert row["score"] == metrics["methods"]["model"][told["score"]]
        assert (row["interval"], row["epochs_to_best"]) == (None, manifest["best_epoch"])
        assert row["parameters"] > 0
        assert 0 < row["milliseconds_one"] < 60_000
        assert 0.01 < row["megabytes"] < 20
    assert part["rows"][0]["parameters"] > part["rows"][1]["parameters"]
    assert part["baseline"] is None or part["baseline"]["method"] in metrics["methods"]
    assert json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))["parts"][0]["tests"] == [pair]
    assert part["verdict"] in (tmp_path / "out" / "report.html").read_text(encoding="utf-8").replace("&#x27;", "'")
    assert part["verdict"] in capsys.readouterr().out


def other(run, folder, **options):
    """A copy of what a comparison reads of a run, with other options."""
    folder.mkdir()
    for name in ("config.json", "manifest.json", "metrics.json", "predictions.csv.gz", "history.csv"):
        shutil.copy(run / name, folder)
    stored = run_folder.read_json(run / "config.json")
    run_folder.write_json(folder / "config.json", stored | options)
    return folder


def test_runs_that_differ_in_their_seed_alone_are_one_variant(trained_run, tmp_path):
    run = trained_run("sentiment")
    kinds = [
        {"seed": 3},
        {"seed": 5, "num_layers": 1},
        {"seed": 3, "dropout": 0.5},
        {"seed": 3, "cell": "lstm", "dropout": 0.5},
    ]
    read = [runs.read(other(run, tmp_path / str(number), **kind)) for number, kind in enumerate(kinds)]
    entries = runs.grouped(read)
    names = ["gru, dropout=0.0", "gru, dropout=0.5", "lstm, dropout=0.5"]
    assert [(entry.name, sorted(entry.runs)) for entry in entries] == list(zip(names, [[3, 5], [3], [3]], strict=True))
    again = [*read, dataclasses.replace(read[0], folder=tmp_path / "again")]
    with refusal(
        f"Every run must differ from the others in its options or seed. Received: {str(tmp_path / '0')!r} and "
        f"{str(tmp_path / 'again')!r}, which have the same."
    ):
        runs.grouped(again)


def test_controls_among_runs_belong_to_those_that_they_are_the_controls_of(trained_run, tmp_path):
    run, memory = trained_run("sentiment"), {"control": "memoryless", "units": 64}
    kinds = [{"seed": 3}, {"cell": "lstm"}, {"cell": "lstm", "control": "shuffled"}, memory]
    read = [runs.read(other(run, tmp_path / str(number), **kind)) for number, kind in enumerate(kinds)]
    names = ["gru, units=[7]", "lstm, units=[7]"]
    entries = runs.grouped(read)
    assert [entry.twins for entry in entries] == [(), (), (names[1],), tuple(names)]
    assert [entry.is_control for entry in entries] == [False, False, True, True]
    alone = runs.grouped([read[0], read[2]])[1]  # without what it is the control of it is a control still
    assert (alone.twins, alone.is_control) == ((), True)
    with refusal("At least one run must be no control. Received: runs that are controls of something else."):
        runs.grouped(read[2:])


def answering(run, folder, right, **options):
    """A copy of a run whose answers are right where `right` says so."""
    changed = other(run, folder, **options)
    table = predictions(run)
    wrong = table["reference"].map({"dull": "fine", "fine": "dull"})
    table["answer"] = table["reference"].where(right(len(table)), wrong)
    table.to_csv(changed / "predictions.csv.gz", index=False)
    return runs.read(changed)


def test_seeds_that_speak_for_different_variants_tell_nothing(trained_run, tmp_path):
    run = trained_run("sentiment")
    well, badly = (lambda count: np.arange(count) > 0), (lambda count: np.arange(count) > 19)
    kinds = [("gru", 1, well), ("gru", 2, badly), ("lstm", 1, badly), ("lstm", 2, well)]
    read = [answering(run, tmp_path / f"{cell}-{seed}", right, cell=cell, seed=seed) for cell, seed, right in kinds]
    (test,) = judging.tests(runs.grouped(read))
    assert test["leads"] == ["gru", "lstm"]
    assert test["p_values"] == [2 * 0.5**19] * 2
    assert (test["p_value"], test["corrected"], test["lead"]) == (1.0, 1.0, None)


def test_runs_without_a_common_seed_are_paired_in_the_order_of_their_seeds_and_a_note_says_so(trained_run, tmp_path):
    run = trained_run("sentiment")
    kinds = [("gru", 7), ("gru", 2), ("lstm", 5), ("lstm", 3), ("lstm", 8)]
    read = [runs.read(other(run, tmp_path / f"{cell}-{seed}", cell=cell, seed=seed)) for cell, seed in kinds]
    tests = judging.tests(runs.grouped(read))
    assert tests[0]["seeds"] == [[2, 3], [7, 5]]
    assert judging.without_common_seeds(tests) == [
        "gru and lstm have no seed in common: tests pair their runs in the order of their seeds, 2 with 3, 7 with 5."
    ]
    assert judging.without_common_seeds(judging.tests(runs.grouped([*read[:2], read[4], read[2]]))) != []


def test_an_epoch_that_was_cut_short_is_not_one_of_those_that_are_timed(trained_run, tmp_path):
    run = other(trained_run("sentiment"), tmp_path / "run", max_minutes=1.0)
    for seconds, expected in (((40, 50, 61), 10), ((40, 50, 59), 9.5), ((40, 61), 40), ((61,), 61)):
        rows = "".join(f"{end}\n" for end in seconds)
        (run / "history.csv").write_text(f"seconds\n{rows}", encoding="utf-8")
        assert runs.read(run).seconds_per_epoch == expected


def test_a_run_without_what_is_compared_is_refused(trained_run, tmp_path):
    run = trained_run("generation")
    changed = other(run, tmp_path / "other", seed=1)
    predictions(run).drop(columns="tokens").to_csv(changed / "predictions.csv.gz", index=False)
    with refusal(
        f"{changed / 'predictions.csv.gz'} has no column 'tokens': another version trained the run. Train it again."
    ):
        seqapps.compare_runs([run, changed])


def test_latencies_are_those_of_one_row_and_of_a_batch(trained_run):
    version = runs.read(trained_run("sentiment")).version
    assert [len(ask()[0]) for ask in latency._requests(version)] == [1, latency.BATCH]
    told = latency.measure({"one": version, "other": version}, turns=3)
    assert list(told) == ["one", "other"]
    assert all(len(times) == 2 and min(times) > 0 for times in told.values())


def test_runs_of_different_tasks_are_refused(trained_run):
    folders = [trained_run("sentiment"), trained_run("generation")]
    with refusal(
        f"The runs must be of one task. Received: sentiment and generation, of {str(folders[0])!r} and "
        f"{str(folders[1])!r}."
    ):
        seqapps.compare_runs(folders)


def test_runs_whose_test_data_differ_are_refused(trained_run, tmp_path):
    run = trained_run("sentiment")
    changed = other(run, tmp_path / "other", seed=1)
    manifest = run_folder.read_json(changed / "manifest.json")
    manifest["fingerprints"]["test"] = "0" * 64
    run_folder.write_json(changed / "manifest.json", manifest)
    with refusal(
        f"The runs must have the same test data. Received: {str(run)!r} and {str(changed)!r}, whose test data differ."
    ):
        seqapps.compare_runs([run, changed])


def test_runs_with_other_test_items_are_refused(trained_run, tmp_path):
    run = trained_run("forecasting")
    changed = other(run, tmp_path / "other", seed=1)
    table = pd.read_csv(run / "predictions.csv.gz")
    table[table["origin"] > table["origin"].min()].to_csv(changed / "predictions.csv.gz", index=False)
    with refusal(
        f"The runs must have answered the same test items. Received: {str(run)!r} and {str(changed)!r}, which cut the "
        "test data otherwise."
    ):
        seqapps.compare_runs([run, changed])


def test_runs_whose_scores_are_not_the_same_thing_are_refused(trained_run, tmp_path):
    run = trained_run("translation")
    changed = other(run, tmp_path / "other", bleu_tokenizer="13a")
    with refusal(
        "The runs must have the same `bleu_tokenizer`, on which scores depend. Received: 'char' and '13a', of "
        f"{str(run)!r} and {str(changed)!r}."
    ):
        seqapps.compare_runs([run, changed])


def test_runs_that_are_not_there_or_not_finished_are_refused(trained_run, tmp_path):
    run = trained_run("sentiment")
    with refusal(f"`runs` must be at least two runs. Received: runs=[{str(run)!r}]."):
        seqapps.compare_runs([run])
    with refusal(f"There is no run {str(tmp_path / 'none')!r}.", FileNotFoundError):
        seqapps.compare_runs([run, tmp_path / "none"])
    begun = other(run, tmp_path / "begun", seed=1)
    (begun / "manifest.json").unlink()
    with refusal(f"{str(begun)!r} is not a finished run: it has no manifest.json.", FileNotFoundError):
        seqapps.compare_runs([run, begun])


def test_the_command_compares_runs(trained_run, tmp_path, capsys):
    folders = [str(trained_run("sentiment", cell)) for cell in ("lstm", "gru")]
    capsys.readouterr()  # what their trainings told
    assert cli.run(["compare", *folders, "--output", str(tmp_path / "out")]) == cli.DONE
    out = capsys.readouterr().out
    assert out.splitlines()[1].split()[0] == "lstm"
    assert out.endswith(f"Report: {tmp_path / 'out' / 'report.html'}\n")
    assert cli.run(["compare", folders[0]]) == cli.PROBLEM
    assert capsys.readouterr().err == f"seqapps: `runs` must be at least two runs. Received: runs=[{folders[0]!r}].\n"
