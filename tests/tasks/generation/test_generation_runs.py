"""Runs of language models from the command line: writing, going on, measuring, and what is refused."""

import builtins
import io

import pandas as pd
import pytest
from refusals import refusal

import seqapps
from seqapps import cli, run_folder
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.pipeline import fitting


@pytest.fixture(scope="module")
def run(trained_run):
    return trained_run("generation", "gru")


def predict(capfd, run, *words):
    """Exit code and what stands on standard output and standard error."""
    code = cli.run(["generation", "predict", str(run), *map(str, words)])
    return code, *capfd.readouterr()


# --- writing ---


def test_a_prompt_is_shown_with_what_follows(run, capfd):
    expected = seqapps.load(run).predict(["abca"], temperature=0.0, max_new_tokens=19)["text"][0]
    words = ("--prompt", "abca", "--temperature", "0", "--max-new-tokens", "19")
    assert predict(capfd, run, *words) == (cli.DONE, f"abca{expected}\n", "")
    assert expected == ("bca" * 9)[:19]


def test_prompts_of_a_file_are_answered_row_by_row(run, capfd, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("ab\n\nca\n", encoding="utf-8")
    knobs = ("--temperature", "0", "--max-new-tokens", "4")
    code, out, err = predict(capfd, run, file, *knobs)
    table = pd.read_csv(io.StringIO(out), keep_default_na=False)
    assert (code, err) == (cli.DONE, "")
    assert table["prompt"].tolist() == ["ab", "", "ca"]
    assert table["text"].tolist()[::2] == ["cabc", "bcab"]
    assert table["finish_reason"].tolist()[::2] == ["length", "length"]
    assert table.columns.tolist() == ["prompt", "text", "tokens", "log_probability", "finish_reason"]
    target = tmp_path / "texts.jsonl"
    assert predict(capfd, run, file, *knobs, "--output", target, "--format", "jsonl")[0] == cli.DONE
    written = pd.read_json(target, lines=True)
    assert written["text"].tolist() == table["text"].tolist()


def test_a_table_of_prompts_is_answered(run):
    answers = seqapps.load(run).predict(pd.DataFrame({"text": ["abc", "bca"]}), temperature=0.0, max_new_tokens=2)
    assert answers["text"].tolist() == ["ab", "bc"]


def test_a_warning_counts_the_prompts_that_it_is_of(run, capfd, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("abc\nxyz\n", encoding="utf-8")
    code, _, err = predict(capfd, run, file)
    told = "Warning: 1 of 2 prompts: Some tokens of the prompt are not in the vocabulary.\n"
    assert (code, err) == (cli.DONE, told)


def test_a_conversation_goes_on_until_the_input_ends_and_does_not_repeat_itself(run, capfd, monkeypatch):
    prompts = iter(["a", "a"])

    def typed(_):
        try:
            return next(prompts)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(builtins, "input", typed)
    code, out, _ = predict(capfd, run, "--interactive", "--temperature", "2.5", "--max-new-tokens", "30", "--seed", "3")
    assert code == cli.DONE
    served = seqapps.load(run)
    options = {"temperature": 2.5, "max_new_tokens": 30}
    texts = ["".join(served.stream("a", seed=seed, **options)) for seed in (3, 4)]
    assert out == f"a{texts[0]}\na{texts[1]}\n\n"
    assert texts[0] != texts[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "predict takes one of INPUT, --prompt and --interactive. Received: none of them."),
        (
            ("a.txt", "--prompt", "b"),
            "predict takes one of INPUT, --prompt and --interactive. Received: INPUT, --prompt.",
        ),
        (("--interactive", "--output", "x"), "`output` must be left out with --interactive. Received: output='x'."),
        (
            ("--prompt", "a", "--temperature", "-1"),
            "`temperature` must be a number of at least 0. Received: temperature=-1.0.",
        ),
        (("--prompt", "a", "--top-p", "1.5"), "`top_p` must be a number above 0, up to 1. Received: top_p=1.5."),
    ],
)
def test_flags_that_cannot_be_meant_end_the_command(run, capfd, words, told):
    assert predict(capfd, run, *words) == (cli.USAGE, "", f"seqapps generation predict: {told}\n")


def test_an_empty_input_is_an_error(run, capfd, tmp_path):
    (tmp_path / "none.txt").write_text("", encoding="utf-8")
    code, out, err = predict(capfd, run, tmp_path / "none.txt")
    assert (code, out) == (cli.PROBLEM, "")
    assert err == "seqapps: There is no prompt to write on from: the input is empty.\n"


# --- going on ---


@pytest.mark.slow
def test_a_run_goes_on_with_other_texts(run, toys, tmp_path):
    options = toys["generation"].options | {"initialize_from": str(run), "epochs": 1, "learning_rate": 1e-9}
    other = pd.DataFrame({"text": ["cbacbacbacbacbacba"] * 12})
    seqapps.generation.train(Config(**options), other, tmp_path / "other")
    old, new = (run_folder.read_json(each / "preprocessing.json")["fitted"] for each in (run, tmp_path / "other"))
    assert new == old
    answers = [seqapps.load(each).predict(["ab"], temperature=0.0) for each in (run, tmp_path / "other")]
    assert answers[0]["text"][0] == answers[1]["text"][0]  # so small a rate changes nothing


@pytest.mark.parametrize(
    ("option", "value"), [("tokenizer", "word"), ("vocabulary_size", 99), ("tie_embeddings", False)]
)
def test_a_run_does_not_go_on_with_other_tokens(run, toys, option, value):
    config = Config(**toys["generation"].options | {"initialize_from": str(run), option: value})
    own = run_folder.read_json(run / "config.json")[option]
    with refusal(
        f"`{option}` must be {own!r} with this `initialize_from`. Received: {option}={value!r}. "
        f"The run {str(run)!r} goes on with its own."
    ):
        fitting.fitted(None, config)


def test_a_run_of_another_task_is_no_start(trained_run):
    other = str(trained_run("sentiment", "gru"))
    with refusal(
        f"`initialize_from` must be a run of the task 'generation'. Received: {other!r} of the task 'sentiment'."
    ):
        fitting.fitted(None, Config(initialize_from=other))


# --- measuring ---


def test_a_run_is_measured_on_a_whole_text_and_without_baselines(run, tmp_path):
    (tmp_path / "song.txt").write_text("abcabcabcabc\n" * 30, encoding="utf-8")
    metrics = seqapps.load(run).evaluate(tmp_path / "song.txt", split="all", baselines="none")
    assert (metrics["split"], metrics["characters"], metrics["documents"]) == ("all", 390, 1)
    assert list(metrics["methods"]) == ["model", "model, fresh windows", "model with neural cache"]
    assert metrics["verdict"] == "No baseline was run, so this table does not tell whether the model is any good."
    assert metrics["unknown_tokens"] == 30  # line ends, which the training never saw


def test_other_baselines_than_those_of_the_training_are_refused(run, toys):
    with refusal("`baselines` must be 'none' or 'fast', with which the run was trained. Received: baselines='full'."):
        seqapps.load(run).evaluate(toys["generation"].data, baselines="full")


def test_samples_of_every_epoch_are_kept(run):
    samples = pd.read_json(run / "samples.jsonl", lines=True)
    assert samples["epoch"].tolist() == [epoch for epoch in range(1, 6) for _ in range(3)]
    assert samples["temperature"].tolist() == [0.5, 0.8, 1.0] * 5
    assert "abcabc" in samples["text"].iloc[-3]


def test_the_report_shows_texts_and_windows(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    for heading in ("Written texts", "What the text before is worth", "Through the text", "Training"):
        assert f"<h2>{heading}</h2>" in page
    metrics = run_folder.read_json(run / "metrics.json")
    assert set(metrics["samples"]) == {"0.5", "0.8", "1.0"}
    assert metrics["samples"]["0.5"]["longest_copied_tokens"] >= 10


def test_predictions_say_where_their_document_stands(run):
    table = pd.read_csv(run / "predictions.csv.gz")
    assert table["id"].str.fullmatch(r"row \d+, token 0").all()
    assert table["reference"].str.fullmatch("[abc]+").all()
    close = (table["loss"] - table["model, fresh windows"]).abs() < 1e-5  # these documents are windows
    assert close.all()
