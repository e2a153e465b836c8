"""A served run answers for texts from anywhere, and is measured again on data that its own rule splits."""

import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from refusals import refusal

from seqapps import cli, export
from seqapps.tasks.sentiment import serving

TEXTS = ["Boring. Boring.", "Splendid “splendid splendid”", "", "splendid " * 43]
LABELS = ["dull", "fine"]
NO_TOKEN = "The text has no token: the answer is the same for all such texts."
NO_BASELINES = "`baselines` must be 'none' for a run that was trained without baselines. Received: baselines='fast'."


@pytest.fixture(scope="module")
def expected(run):
    """The answers to `TEXTS`."""
    return run.predict(TEXTS)


@pytest.fixture(scope="module")
def warning(run):
    """What is said of `TEXTS`."""
    long = f"The text is long: {run.config.max_tokens} tokens were read, from its start and its end."
    return f"1 of 4 texts: {NO_TOKEN} 1 of 4 texts: {long}"


def standard_input(content):
    return io.TextIOWrapper(io.BytesIO(content), encoding="ascii", errors="strict")  # whatever the machine's encoding


def assert_same(received, expected):
    pd.testing.assert_frame_equal(received, expected, rtol=1e-5)
    assert received.attrs == expected.attrs


# --- predict ---


def test_predict_answers_as_the_bundle_does(folder, expected, warning):
    assert expected.columns.tolist() == ["text", "label", "probability", "probability_dull", "probability_fine"]
    assert expected["text"].tolist() == TEXTS
    assert expected["label"].tolist()[:2] == LABELS
    loaded = tf.saved_model.load(str(export.newest_version(folder / "export")))
    answer = {name: value.numpy() for name, value in loaded.serving_default(tf.constant(TEXTS)).items()}
    assert expected["label"].tolist() == [label.decode() for label in answer["label"]]
    np.testing.assert_allclose(expected["probability"], answer["probability"], rtol=1e-6)
    np.testing.assert_allclose(expected.iloc[:, 3:], answer["probabilities"], rtol=1e-5)
    assert expected.attrs["warning"] == warning


def test_predict_takes_lists_tables_files_and_streams(run, expected, tmp_path):
    frame = pd.DataFrame({"note": ["a", "b", "c", "d"], "text": TEXTS, "label": "unheard-of"})
    lines = "".join(f"{text}\n" for text in TEXTS).encode()
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame[["text"]].to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl.gz", orient="records", lines=True)
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n"))
    for number, text in enumerate(TEXTS):
        (tmp_path / "new" / "reviews").mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / "reviews" / f"{number}.txt").write_text(text, encoding="utf-8")
    for source in (
        tuple(TEXTS), frame, frame[["text"]], tmp_path / "a.csv", str(tmp_path / "a.parquet"), tmp_path / "a.jsonl.gz",
        tmp_path / "a.txt", str(tmp_path / "a.txt"), tmp_path / "new", standard_input(lines),
        lines.decode().splitlines(), (line for line in TEXTS),
    ):  # fmt: skip
        assert_same(run.predict(source), expected)


@pytest.mark.parametrize("name", ["a.TXT", "a.txt.gz"])
def test_predict_takes_text_files_however_their_name_is_written(run, expected, tmp_path, name):
    lines = "".join(f"{text}\n" for text in TEXTS).encode()
    (tmp_path / name).write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    assert_same(run.predict(tmp_path / name), expected)


def test_answers_do_not_depend_on_how_many_texts_are_classified_at_once(monkeypatch, run, expected):
    for count in (1, 3):
        monkeypatch.setattr(serving, "TEXTS_AT_ONCE", count)
        assert_same(run.predict(TEXTS), expected)


def test_parts_are_answered_as_they_come(monkeypatch, run, expected):
    monkeypatch.setattr(serving, "TEXTS_AT_ONCE", 3)
    read = []
    parts = run.predict_parts(read.append(text) or text for text in TEXTS)
    assert read == []
    first = next(parts)
    assert read == first["text"].tolist() == TEXTS[:3]
    assert first.attrs["warning"] == f"1 of 3 texts: {NO_TOKEN}"
    (last,) = parts
    assert last.attrs == expected.attrs  # of all texts


def test_what_is_typed_is_answered_line_by_line(run):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    lines = ["splendid", "boring"]
    parts = run.predict_parts(Terminal("\n".join(lines) + "\n"))
    assert [part["text"].tolist() for part in parts] == [[line] for line in lines]


def test_without_anything_to_say_there_is_no_warning(run):
    assert run.predict(["splendid"]).attrs["warning"] == ""


@pytest.mark.parametrize("source", [[], (), iter([])])
def test_nothing_is_not_classified(run, source):
    with refusal("There is no text to classify: the input is empty."):
        run.predict(source)


def test_a_file_without_texts_is_not_classified(run, tmp_path):
    (tmp_path / "a.txt").touch()
    with refusal("There is no text to classify: the input is empty."):
        run.predict(tmp_path / "a.txt")
    (tmp_path / "a.csv").write_text("text\n", encoding="utf-8")
    with refusal("a.csv is empty: it has columns but no rows."):
        run.predict(tmp_path / "a.csv")


def test_a_column_of_another_name_is_found_as_in_training(run, expected, tmp_path):
    pd.DataFrame({"row": range(4), "Review": TEXTS, "stars": 5}).to_csv(tmp_path / "a.csv", index=False)
    assert_same(run.predict(tmp_path / "a.csv"), expected)


def test_a_table_whose_column_of_texts_cannot_be_told_is_an_error(run):
    with refusal("the DataFrame has no column 'text' (`text_column`). It has 'note', 'row'."):
        run.predict(pd.DataFrame({"note": ["a"], "row": [5]}))


def test_a_missing_table_is_an_error(run, tmp_path):
    path = str(tmp_path / "missing.csv")
    with refusal(f"There is no file or folder {path!r}.", FileNotFoundError):
        run.predict(path)


def test_a_missing_text_file_is_an_error_like_that_of_a_table(run, tmp_path):
    path = str(tmp_path / "missing.txt")
    with refusal(f"There is no file or folder {path!r}.", FileNotFoundError):
        run.predict(path)


@pytest.mark.parametrize(("value", "shown"), [(None, "None"), (3, "3"), (float("nan"), "nan"), (b"bytes", "b'bytes'")])
def test_what_is_no_text_is_an_error_with_its_place(run, value, shown):
    with refusal(f"text 1: the text must be a string. Received: {shown}."):
        run.predict(["good", value])


def test_half_a_character_is_an_error_with_its_place(run):
    with refusal(
        "text 1: the text must be valid Unicode. Received: the lone surrogate '\\ud83d' at character 2. "
        "Write the whole character."
    ):
        run.predict(["good", "a\ud83d"])


# --- predict, from the command line ---


def predicted(capfd, *words):
    assert cli.run(["sentiment", "predict", *map(str, words)]) == cli.DONE
    return capfd.readouterr()


def test_the_command_predicts_from_a_table(capfd, folder, expected, warning, tmp_path):
    pd.DataFrame({"text": TEXTS}).to_csv(tmp_path / "a.csv", index=False)
    out, err = predicted(capfd, folder, tmp_path / "a.csv")
    found = pd.read_csv(io.StringIO(out), keep_default_na=False)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, check_dtype=False)
    assert err == f"Warning: {warning}\n"


def test_the_command_predicts_from_standard_input(capfd, monkeypatch, folder, expected, warning):
    monkeypatch.setattr("sys.stdin", standard_input("".join(f"{text}\n" for text in TEXTS).encode()))
    out, err = predicted(capfd, folder, "-", "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert [row["label"] for row in rows] == expected["label"].tolist()
    assert "“splendid splendid”" in out
    assert err == f"Warning: {warning}\n"


def test_bytes_of_standard_input_that_are_no_utf_8_cost_no_answer(capfd, monkeypatch, folder):
    monkeypatch.setattr("sys.stdin", standard_input(b"good\ncaf\xe9\nsplendid\n"))
    out, err = predicted(capfd, folder, "-", "--format", "jsonl")
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["good", "caf\ufffd", "splendid"]
    assert "1 of 3 texts: " in err
    assert "Bytes that are not UTF-8 were replaced." in err


def test_bytes_of_a_file_that_are_no_utf_8_are_an_error_with_their_line(capfd, folder, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"good\ncaf\xe9\n")
    assert cli.run(["sentiment", "predict", str(folder), str(tmp_path / "a.txt")]) == cli.PROBLEM
    expected = (
        "seqapps: a.txt, line 2: the text must be UTF-8. Received: byte 0xE9 at column 4 of the line. "
        "Save the file as UTF-8.\n"
    )
    assert capfd.readouterr() == ("", expected)


def test_the_command_predicts_into_a_file(capfd, folder, expected, tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"{text}\n" for text in TEXTS[:2]), encoding="utf-8")
    out, err = predicted(capfd, folder, tmp_path / "a.txt", "--output", tmp_path / "answers.csv")
    assert (out, err) == ("", "")
    found = pd.read_csv(tmp_path / "answers.csv")
    pd.testing.assert_frame_equal(found, expected[:2], rtol=1e-5, check_dtype=False)


class Typed(io.RawIOBase):
    """Standard input at which somebody types two lines, looks at what is answered, and types two more."""

    def __init__(self, look):
        self.look, self.seen = look, []
        lines = [f"{text}\n".encode() for text in TEXTS]
        self.left = [b"".join(lines[:2]), b"".join(lines[2:]), b""]

    def readable(self):
        return True

    def readinto(self, buffer):
        self.seen.append(self.look())
        piece = self.left.pop(0)
        buffer[: len(piece)] = piece
        return len(piece)


def test_the_command_answers_while_its_input_goes_on(capfd, monkeypatch, folder, expected, warning):
    monkeypatch.setattr(serving, "TEXTS_AT_ONCE", 2)
    typed = Typed(lambda: capfd.readouterr().out)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(typed)))
    out, err = predicted(capfd, folder, "-")
    assert typed.seen[0] == out == ""
    assert [text.count("\n") for text in typed.seen[1:]] == [1 + 2, 2]  # the header comes once
    found = pd.read_csv(io.StringIO("".join(typed.seen)), keep_default_na=False)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, check_dtype=False)
    assert err == f"Warning: {warning}\n"  # at the end


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_command_predicts_from_several_files(capfd, folder, expected, tmp_path, kind):
    for name, texts in (("a.csv", TEXTS[:2]), ("b.csv", TEXTS[2:])):
        pd.DataFrame({"text": texts}).to_csv(tmp_path / name, index=False)
    out, err = predicted(capfd, folder, tmp_path / "a.csv", tmp_path / "b.csv", "--format", kind)
    content = io.StringIO(out)
    found = pd.read_csv(content, keep_default_na=False) if kind == "csv" else pd.read_json(content, lines=True)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5, check_dtype=False)
    assert err.startswith(f"Warning: {tmp_path / 'b.csv'}: 1 of 2 texts: {NO_TOKEN}")
    assert err.count("\n") == 1


def test_a_file_of_answers_is_not_written_by_half(capfd, folder, tmp_path):
    (tmp_path / "a.txt").write_text("good\n", encoding="utf-8")
    words = [str(folder), str(tmp_path / "a.txt"), str(tmp_path / "missing.txt"), "--output", str(tmp_path / "out.csv")]
    assert cli.run(["sentiment", "predict", *words]) == cli.PROBLEM
    assert capfd.readouterr().err == f"seqapps: There is no file or folder {str(tmp_path / 'missing.txt')!r}.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
