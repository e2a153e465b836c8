"""What is wrong with a list of recordings is said in one sentence, with the file, line and column and what to do."""

import gzip

import pandas as pd
import pytest
from refusals import refusal

from seqapps.tasks.speech import data
from seqapps.tasks.speech.config import Config

ENDINGS = "'.csv', '.tsv', '.jsonl', '.ndjson', '.parquet', '.pq'"
SOUNDS = ".wav, .flac, .ogg, .oga"
PARTS = "'train', 'training', 'validation', 'valid', 'val', 'dev', 'test', 'testing', 'eval'"


@pytest.fixture
def refused(tmp_path):
    """Loads a list that is written first, and expects an error."""

    def load(message, text=None, name="list.csv", kind=ValueError, **options):
        if text is not None:
            (tmp_path / name).write_text(text, encoding="utf-8")
        with refusal(message.replace("TMP", str(tmp_path)), kind):
            data.load(tmp_path / name, Config(**options))

    return load


# --- files ---


def test_what_is_not_there_is_named(refused):
    refused("There is no file or folder 'TMP/list.csv'.", kind=FileNotFoundError)


@pytest.mark.parametrize(("name", "close"), [("list.txt", ""), ("list.tsb", " Did you mean '.tsv'?"), ("list", "")])
def test_other_kinds_of_files_are_refused(refused, name, close):
    ending = name.removeprefix("list")
    refused(
        f"{name}: a list of recordings must end in one of {ENDINGS}, also with '.gz'. Received: {ending!r}.{close}",
        "file,label\n",
        name,
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list.csv", "", "list.csv cannot be read as CSV: No columns to parse from file."),
        ("list.csv", "file,label\n", "list.csv is empty: it has columns but no rows."),
        (
            "list.csv",
            "file,label\na.wav,yes,1\n",
            "list.csv cannot be read as CSV: its rows have more cells than its first line names columns.",
        ),
        (
            "list.tsv",
            "file\tlabel\na.wav\tyes\nb.wav\tno\tno\n",
            "list.tsv cannot be read as TSV: Error tokenizing data. C error: Expected 2 fields in line 3, saw 3.",
        ),
        ("list.jsonl", '{"file": "a.wav"', "list.jsonl cannot be read as JSONL: "),
        ("list.parquet", "no parquet", "list.parquet cannot be read as PARQUET: "),
    ],
)
def test_a_damaged_table_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"\A" + message.replace(".", r"\.")) as problem:
        data.load(tmp_path / name, Config())
    assert str(problem.value) == message or message.endswith(": ")
    assert "\n" not in str(problem.value)


def test_an_archive_that_was_cut_off_is_named(refused, tmp_path):
    whole = gzip.compress(b"file,label\n" + bytes(range(65, 91)) * 9)
    (tmp_path / "list.csv.gz").write_bytes(whole[:30])
    message = "Compressed file ended before the end-of-stream marker was reached"
    refused(f"list.csv.gz cannot be read as CSV: {message}.", name="list.csv.gz")


def test_bytes_that_are_no_text_are_named(refused, tmp_path):
    (tmp_path / "list.csv").write_bytes("file,label\na.wav,é\n".encode("latin-1"))
    reason = "'utf-8' codec can't decode byte 0xe9 in position 17: invalid continuation byte"
    refused(f"list.csv cannot be read as CSV: {reason}.")


# --- columns and cells ---


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        (
            "sound,label",
            {},
            "list.csv must have a column of files, called as usual, such as 'file', or named with `file_column`. "
            "Received: 'sound', 'label'.",
        ),
        (
            "file,said",
            {},
            "list.csv must have a column of labels, called as usual, such as 'label', or named with `label_column`. "
            "Received: 'file', 'said'.",
        ),
        (
            "file,said",
            {"mode": "transcribe"},
            "list.csv must have a column of transcripts, called as usual, such as 'transcript', or named with "
            "`transcript_column`. Received: 'file', 'said'.",
        ),
        (
            "file,said",
            {"label_column": "sayd"},
            "list.csv has no column 'sayd' (`label_column`). Did you mean 'said'? It has 'file', 'said'.",
        ),
        (
            "file,label",
            {"speaker_column": "voice"},
            "list.csv has no column 'voice' (`speaker_column`). It has 'file', 'label'.",
        ),
    ],
)
def test_a_missing_column_is_an_error(refused, header, options, message):
    refused(message, f"{header}\na.wav,yes\n", **options)


def test_two_columns_of_one_name_are_an_error():
    frame = pd.DataFrame([["a.wav", "b.wav", "yes"]], columns=["file", "file", "label"])
    with refusal("the DataFrame has more than one column 'file'. Keep one."):
        data.load(frame, Config())


def test_columns_without_names_are_called_by_their_numbers(tmp_path):
    frame = pd.DataFrame([[str(tmp_path / "a.wav"), "yes"]])
    with refusal(f"row 0: there is no file {str(tmp_path / 'a.wav')!r}.", FileNotFoundError):
        data.load(frame, Config(file_column="0", label_column="1"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",yes", "list.csv, line 3, column 'file': a file must be named. Received: an empty cell."),
        ("b.wav,", "list.csv, line 3, column 'label': a label must not be empty."),
        ("b.wav, ", "list.csv, line 3, column 'label': a label must not be empty."),
        ("b.wav", "list.csv, line 3, column 'label': a label must not be empty."),
    ],
)
def test_an_empty_cell_is_an_error_with_its_place(refused, row, message):
    refused(message, f"file,label\na.wav,yes\n{row}\n")


@pytest.mark.parametrize(
    ("name", "place"), [("list.jsonl", "list.jsonl, line 2"), ("list.parquet", "list.parquet, row 1"), ("", "row 1")]
)
def test_places_are_counted_as_the_kind_of_table_counts(tmp_path, name, place):
    frame = pd.DataFrame({"file": ["a.wav", "b.wav"], "label": ["yes", None]}, index=[7, 9])
    if name.endswith("jsonl"):
        frame.to_json(tmp_path / name, orient="records", lines=True)
    elif name:
        frame.to_parquet(tmp_path / name)
    with refusal(f"{place}, column 'label': a label must not be empty."):
        data.load(tmp_path / name if name else frame, Config())


def test_an_unknown_part_is_an_error_with_its_place(refused):
    refused(
        f"list.csv, line 2, column 'split': a part must be one of {PARTS}. Received: 'trian'.",
        "file,label,split\na.wav,yes,trian\n",
    )


@pytest.mark.parametrize("name", ["b.wav", "no/b.wav"])
def test_a_recording_that_is_not_there_is_named(refused, record, name):
    record("a.wav")
    refused(
        f"list.csv, line 3: there is no file 'TMP/{name}'.",
        f"file,label\na.wav,yes\n{name},no\n",
        kind=FileNotFoundError,
    )


# --- folders ---


def test_a_folder_without_recordings_tells_what_it_holds(tmp_path, record):
    (tmp_path / "words").mkdir()
    start = f"The folder 'words' must hold a sub-folder of recordings ({SOUNDS}) per word. Received: "
    with refusal(f"{start}nothing."):
        data.load(tmp_path / "words", Config())
    for number in range(7):
        record(f"words/{number}.wav")
    with refusal(f"{start}'0.wav', '1.wav', '2.wav', '3.wav', '4.wav', …."):
        data.load(tmp_path / "words", Config())
    record("words/no/a.wav")
    (tmp_path / "words" / "yes").mkdir()
    (tmp_path / "words" / "yes" / "a.mp3").touch()
    with refusal(f"words/yes holds no recording ({SOUNDS}). Received: 'a.mp3'."):
        data.load(tmp_path / "words", Config())


def test_a_folder_has_no_transcripts(tmp_path, record):
    record("words/no/a.wav")
    with refusal(
        "`mode` 'transcribe' takes a table with a column of transcripts. Received: the folder 'words', whose names can "
        "only be words."
    ):
        data.load(tmp_path / "words", Config(mode="transcribe"))


def test_a_part_is_there_once(tmp_path, record):
    for name in ("train", "dev", "val"):
        record(f"data/{name}/no/a.wav")
    with refusal(f"The folder '{tmp_path}/data' has more than one validation part: 'dev', 'val'. Keep one."):
        data.load(tmp_path / "data", Config())


def test_a_folder_of_parts_is_not_measured_whole(tmp_path, record):
    for name in ("train", "test"):
        record(f"data/{name}/no/a.wav")
    with refusal(f"{tmp_path}/data: `split` 'all' takes one table or folder. Received: one with train, test."):
        data.load_whole(tmp_path / "data", Config(), ("no", "yes"))


@pytest.mark.parametrize("wrong", [None, 7, ["a.wav"]])
def test_data_are_a_path_or_a_frame(wrong):
    with refusal(f"`data` must be a path or a DataFrame. Received: data={wrong!r}."):
        data.load(wrong, Config())
