"""Whatever lists recordings, the same ones are found; and parts are cut by rules that only the recordings decide."""

import shutil

import pytest

from seqapps.tasks.speech import data
from seqapps.tasks.speech.config import Config

RULES = {"validation_fraction": 0.2, "test_fraction": 0.2}


def told(splits):
    """For every part what its recordings are called and what is said in them."""
    return {
        split: [(each.path.name, each.answer, each.speaker) for each in part.recordings]
        for split, part in splits.parts.items()
    }


def names(splits, split):
    return {recording.path.name for recording in splits.parts[split].recordings}


# --- what lists recordings ---


def written(frame, path):
    if path.suffix == ".gz":
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    elif path.suffix in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",", encoding="utf-8-sig")
    elif path.suffix in (".parquet", ".pq"):
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("ending", ["csv", "CSV", "tsv", "jsonl", "ndjson", "parquet", "pq", "csv.gz", "tsv.gz"])
def test_every_kind_of_table_lists_the_same_recordings(table, tmp_path, monkeypatch, ending):
    frame = table(30, words=("7", "14", "é"), speakers=5, each=3)
    path = written(frame, tmp_path / f"list.{ending}")
    if ending == "CSV":
        path = shutil.copy(written(frame, tmp_path / "list.csv"), tmp_path / "list.CSV")
    splits = data.load(path, Config(**RULES))
    monkeypatch.chdir(tmp_path)  # where files of a DataFrame are found
    of_frame = data.load(frame.assign(label=frame["label"].replace({"7": 7, "14": 14.0})), Config(**RULES))
    assert told(splits) == told(of_frame)
    assert splits.fingerprints == of_frame.fingerprints
    assert splits.classes == ("7", "14", "é")
    assert sum(map(len, splits.parts.values())) == 30


def test_files_are_found_from_the_folder_of_their_table(record, tmp_path):
    for name in ("sounds/a.wav", "sounds/b.wav"):
        record(name)
    (tmp_path / "lists").mkdir()
    lines = ["path,word", "../sounds/a.wav,yes", f"{tmp_path}/sounds/b.wav,no"]
    (tmp_path / "lists" / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    recordings = data.listed(tmp_path / "lists" / "list.csv", Config()).recordings
    assert [recording.path.resolve() for recording in recordings] == [
        (tmp_path / "sounds" / name).resolve() for name in ("a.wav", "b.wav")
    ]
    assert [recording.name for recording in recordings] == ["../sounds/a.wav", f"{tmp_path}/sounds/b.wav"]


@pytest.mark.parametrize("columns", [("file", "label", "speaker"), ("Path", "Command", "Voice"), ("x", "y", "z")])
def test_columns_are_found_by_their_usual_names_or_named(table, tmp_path, columns):
    frame = table(30, speakers=5).rename(columns=dict(zip(("file", "label", "speaker"), columns, strict=True)))
    frame.insert(0, "notes", "…")
    frame.to_csv(tmp_path / "list.csv", index=False)
    chosen = dict(zip(("file_column", "label_column", "speaker_column"), columns, strict=True))
    config = Config(**RULES, **(chosen if columns[0] == "x" else {}))
    splits = data.load(tmp_path / "list.csv", config)
    assert splits.columns == chosen | {"transcript_column": None, "split_column": None}
    stored = data.resolved(config, splits)
    assert (stored.file_column, stored.label_column, stored.speaker_column) == columns
    assert stored.sample_rate == 8000
    assert told(data.load(tmp_path / "list.csv", stored)) == told(splits)


def test_a_folder_has_a_sub_folder_per_word(record, tmp_path):
    for number in range(10):
        record(f"words/{('no', 'yes')[number % 2]}/{number}.WAV", number)
    record("words/.hidden/a.wav")
    record("words/no/.hidden.wav")
    (tmp_path / "words" / "no" / "notes.txt").write_text("no sound", encoding="utf-8")
    (tmp_path / "words" / "README.md").write_text("words", encoding="utf-8")
    recordings = data.listed(tmp_path / "words", Config()).recordings
    assert [(each.name, each.answer, each.speaker, each.place) for each in recordings][::5] == [
        ("no/0.WAV", "no", None, "words/no/0.WAV"),
        ("yes/1.WAV", "yes", None, "words/yes/1.WAV"),
    ]
    assert len(recordings) == 10
    assert data.load(tmp_path / "words", Config(**RULES)).classes == ("no", "yes")


@pytest.mark.parametrize("kind", ["folders", "tables"])
@pytest.mark.parametrize("called", [("train", "validation", "test"), ("Train", "dev", "TEST")])
def test_a_folder_of_parts_is_cut_already(record, tmp_path, kind, called):
    for name in called:
        rows = [(record(f"data/{name}/{word}/a.wav"), word) for word in ("no", "yes")]
        if kind == "tables":
            lines = ["file,label", *(f"{file.removeprefix('data/')},{word}" for file, word in rows)]
            (tmp_path / "data" / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
            (tmp_path / "data" / name).rename(tmp_path / "data" / f"{name}-sounds")
            text = (tmp_path / "data" / f"{name}.csv").read_text(encoding="utf-8")
            (tmp_path / "data" / f"{name}.csv").write_text(text.replace(f"{name}/", f"{name}-sounds/"), "utf-8")
    splits = data.load(tmp_path / "data", Config())
    for split, name in zip(data.SPLITS, called, strict=True):
        assert [each.answer for each in splits.parts[split].recordings] == ["no", "yes"]
        assert all(f"/{name}" in str(each.path) for each in splits.parts[split].recordings)


def test_words_that_are_called_as_parts_are_words(record, tmp_path):
    for number in range(20):
        record(f"vehicles/{('train', 'plane')[number % 2]}/{number}.wav", number)
    assert data.load(tmp_path / "vehicles", Config(**RULES)).classes == ("plane", "train")


def test_parts_of_their_own_are_named_by_options(table, tmp_path):
    for name, count in {"list": 20, "test": 4, "valid": 6}.items():
        table(count, prefix=name).to_csv(tmp_path / f"{name}.csv", index=False)
    config = Config(test_data=str(tmp_path / "test.csv"), validation_data=str(tmp_path / "valid.csv"))
    splits = data.load(tmp_path / "list.csv", config)
    assert [len(names(splits, split)) for split in data.SPLITS] == [14, 6, 4]  # six that validate are left out
    assert splits.notes == ("Not trained on: 6 recordings that are also in the validation or test part.",)


# --- parts by a column ---


@pytest.mark.parametrize(
    "called", [("train", "validation", "test"), ("Training", "valid", "TESTING"), ("train", "val", "eval")]
)
def test_a_column_of_parts_is_followed(table, tmp_path, called):
    frame = table(12).assign(subset=[called[number % 3] for number in range(12)])
    frame.to_csv(tmp_path / "list.csv", index=False)
    splits = data.load(tmp_path / "list.csv", Config())
    assert names(splits, "validation") == {f"r{number}.wav" for number in range(1, 12, 3)}
    assert names(splits, "test") == {f"r{number}.wav" for number in range(2, 12, 3)}
    assert data.resolved(Config(), splits).split_column == "subset"


def test_the_missing_part_is_cut_from_the_training_part(table, tmp_path):
    frame = table(40).assign(split=["test" if number < 8 else "train" for number in range(40)])
    frame.to_csv(tmp_path / "list.csv", index=False)
    splits = data.load(tmp_path / "list.csv", Config(validation_fraction=0.1, split_column="split"))
    assert names(splits, "test") == {f"r{number}.wav" for number in range(8)}
    assert len(splits.parts["validation"]) == 4  # round(0.1 * 16) of each word


def test_another_rule_wins_over_a_column_that_is_just_there(table, tmp_path):
    frame = table(40).assign(split="train")
    frame.to_csv(tmp_path / "list.csv", index=False)
    splits = data.load(tmp_path / "list.csv", Config(**RULES))
    assert [len(splits.parts[split]) for split in data.SPLITS] == [24, 8, 8]
    assert data.resolved(Config(**RULES), splits).split_column is None


# --- sample rates ---


@pytest.mark.parametrize(("rates", "expected"), [((8000, 8000, 11025), 8000), ((48000,), 16000), ((6000,), 6000)])
def test_the_rate_is_the_most_frequent_one_up_to_a_limit(record, tmp_path, rates, expected):
    lines = ["file,label"]
    for number in range(30):
        name = record(f"{number}.wav", number, rates[number % len(rates)])
        lines.append(f"{name},{('no', 'yes')[number // 3 % 2]}")
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    assert data.load(tmp_path / "list.csv", Config()).sample_rate == expected
    assert data.load(tmp_path / "list.csv", Config(sample_rate=1234)).sample_rate == 1234


# --- data that a run is measured on ---


def test_data_are_measured_whole_with_the_words_of_the_run(table, tmp_path):
    frame = table(9)
    frame.to_csv(tmp_path / "list.csv", index=False)
    splits = data.load_whole(tmp_path / "list.csv", Config(sample_rate=8000), ("no", "perhaps", "yes"))
    assert list(splits.parts) == ["all"]
    assert splits.parts["all"].answers == frame["label"].tolist()
    assert splits.classes == ("no", "perhaps", "yes")


def test_columns_of_measured_data_may_be_called_otherwise(table, tmp_path):
    frame = table(9).rename(columns={"label": "word"})
    frame.to_csv(tmp_path / "list.csv", index=False)
    stored = Config(file_column="file", label_column="said", speaker_column="who", split_column="part")
    config = data.as_measured(tmp_path / "list.csv", stored)
    assert (config.file_column, config.label_column) == ("file", None)
    assert (config.speaker_column, config.split_column) == (None, None)
    assert len(data.load_whole(tmp_path / "list.csv", config, ("no", "yes")).parts["all"]) == 9


def test_parts_of_measured_data_stand_for_the_rules_of_the_run(record, tmp_path):
    for part in ("train", "test"):
        for word in ("no", "yes"):
            for number in range(5):
                record(f"data/{part}/{word}/{number}.wav")
    config = data.as_measured(tmp_path / "data", Config(test_fraction=0.3, validation_fraction=0.4))
    splits = data.load(tmp_path / "data", config, ("no", "yes"))
    assert [len(splits.parts[split]) for split in data.SPLITS] == [6, 4, 10]


def test_fingerprints_tell_contents_answers_and_their_order(table, tmp_path):
    frame = table(9)

    def fingerprint(rows):
        rows.to_csv(tmp_path / "list.csv", index=False)
        return data.load_whole(tmp_path / "list.csv", Config(), ("no", "yes")).fingerprints["all"]

    first = fingerprint(frame)
    assert fingerprint(frame.assign(speaker="s")) == first
    assert fingerprint(frame[::-1]) != first
    assert fingerprint(frame.assign(label="no")) != first
