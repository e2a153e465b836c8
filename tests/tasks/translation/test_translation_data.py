"""Pairs → parts: what is cut, what is left out, and what is said of it."""

import gzip

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps.tasks.translation import data
from seqapps.tasks.translation.config import Config
from seqapps.text.reading.pairs import Languages

PAIRS = [(f"source number {number}", f"target number {number}") for number in range(97)]
OWN = ["validation", "test"]


def frame(pairs):
    return pd.DataFrame(pairs, columns=["source", "target"])


def write(folder, **parts):
    folder.mkdir()
    for name, pairs in parts.items():
        frame(pairs).to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    return folder


def pairs_of(splits, split):
    part = splits.parts[split]
    return list(zip(part.sources(), part.targets(), strict=True))


def test_every_pair_is_in_one_part_and_the_parts_have_the_sizes_that_were_asked_for():
    pairs = [(f"source {number}", f"target {number}") for number in range(3000)]
    splits = data.load(frame(pairs), Config(validation_fraction=0.1, test_fraction=0.2))
    counts = {split: len(part) for split, part in splits.parts.items()}
    assert sorted(pair for split in splits.parts for pair in pairs_of(splits, split)) == sorted(pairs)
    assert abs(counts["validation"] - 300) < 60
    assert abs(counts["test"] - 600) < 80
    assert splits.notes == ()


def test_equal_sources_stay_together_whatever_their_order():
    pairs = [(f"source {number % 31}", f"target {number}") for number in range(310)]
    splits = data.load(frame(pairs), Config(validation_fraction=0.2, test_fraction=0.2))
    sources = [set(part.sources()) for part in splits.parts.values()]
    assert len(set.union(*sources)) == sum(map(len, sources)) == 31
    turned = data.load(frame(pairs[::-1]), Config(validation_fraction=0.2, test_fraction=0.2))
    for split in splits.parts:
        assert pairs_of(turned, split)[::-1] == pairs_of(splits, split)


def test_what_teaches_nothing_or_tells_too_much_is_left_out_and_counted(tmp_path):
    strange = [("", "empty"), ("empty", " "), ("short", "x" * 99), *PAIRS[:2], ("held out", "kept")]
    folder = write(
        tmp_path / "d",
        train=[*PAIRS, *strange, ("asked", "yes")],
        validation=[("held out", "kept")],
        test=[("asked", "no")],
    )
    splits = data.load(folder, Config())
    assert pairs_of(splits, "train") == [*PAIRS, ("asked", "yes")]
    assert splits.notes == (
        "Not trained on: 2 pairs with an empty side.",
        "Not trained on: 1 pair one of whose sides is more than 4 times as long as the other.",
        "Not trained on: 2 pairs that stand in the training part already.",
        "Not trained on: 1 pair that are in the validation or test part too.",
    )
    assert splits.overlaps == {"test": "1 source is in the test part and, with another target, in the training part."}


def test_a_validation_or_test_file_stays_whole_and_a_part_that_is_cut_has_no_empty_sides(tmp_path):
    folder = write(tmp_path / "d", train=PAIRS, test=[("", "x"), ("y", "y"), ("y", "y")])
    assert len(data.load(folder, Config()).parts["test"]) == 3
    splits = data.load(frame([*PAIRS, *[("", f"t{n}") for n in range(99)]]), Config())
    assert all(source for split in OWN for source in splits.parts[split].sources())


def test_parallel_files_are_read_line_by_line_also_compressed(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for part, pairs in {"train": PAIRS, "dev": PAIRS[:3], "test": PAIRS[3:7]}.items():
        for side, language in enumerate(("de", "en")):
            text = "".join(f"{pair[side]} {part}\n" for pair in pairs)
            (folder / f"{part}.{language}.gz").write_bytes(gzip.compress(text.encode()))
    config = Config(source_language="en", target_language="de")
    splits = data.load(folder, config)
    assert [len(part) for part in splits.parts.values()] == [97, 3, 4]
    assert pairs_of(splits, "test")[0] == ("target number 3 test", "source number 3 test")
    assert data.resolved(config, splits) == Config(**vars(config) | {"embedding_size": 256})
    by_name = data.load(folder / "train", Config(**vars(config) | {"validation_data": str(folder / "dev")}))
    assert len(by_name.parts["validation"]) == 3


def test_the_columns_that_were_found_are_told():
    splits = data.load(frame(PAIRS).rename(columns={"source": "english", "target": "french"}), Config())
    resolved = data.resolved(Config(), splits)
    assert (resolved.source_column, resolved.target_column) == ("english", "french")


@pytest.mark.parametrize("split", OWN)
def test_a_part_needs_a_share_or_a_file(split):
    with refusal(
        f"`{split}_fraction` must be above 0 where no file holds the {split} part. Received: {split}_fraction=0.0. Or "
        f"name a file in `{split}_data`."
    ):
        data.load(frame(PAIRS), Config(**{f"{split}_fraction": 0.0}))


def test_something_must_be_left_to_train_on():
    with refusal(
        "`validation_fraction` and `test_fraction` must leave pairs to train on. Received: validation_fraction=0.5, "
        "test_fraction=0.5."
    ):
        data.load(frame(PAIRS), Config(validation_fraction=0.5, test_fraction=0.5))
    with refusal("the DataFrame: 2 pairs are too few for a validation part. Supply more data."):
        data.load(frame([("a", "b"), ("b", "c")]), Config(validation_fraction=0.01))


def test_a_run_is_measured_on_data_with_other_names_and_files(tmp_path):
    trained = Config(source_language="de", target_language="en", test_fraction=0.3)
    other = frame(PAIRS).rename(columns={"source": "ask", "target": "answer"})
    assert data.as_measured(other, trained) == Config(test_fraction=0.3)
    folder = write(tmp_path / "d", train=PAIRS, test=PAIRS[:5])
    assert data.as_measured(folder, trained) == Config()
    whole = data.load_whole(other, data.as_measured(other, trained))
    assert len(whole.parts["all"]) == len(PAIRS)
    with refusal(f"{folder}: `split` 'all' takes one file. Received: a folder with train, test."):
        data.load_whole(folder, Config())


def test_a_run_is_measured_on_parallel_files_in_languages_that_are_named(tmp_path):
    languages = Languages("de", "en")
    by_table = Config(source_column="german", target_column="english", test_fraction=0.3)
    folder = tmp_path / "d"
    folder.mkdir()
    for part, pairs in {"train": PAIRS, "test": PAIRS[:9]}.items():
        for side, language in enumerate(languages):
            (folder / f"{part}.{language}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    named = Config(source_language="de", target_language="en")
    for trained in (by_table, Config(source_language="src", target_language="trg", test_fraction=0.3)):
        assert data.as_measured(folder, trained, languages) == named
        whole = data.as_measured(folder / "test", trained, languages)
        assert whole == Config(**vars(named) | {"test_fraction": 0.3})
        assert pairs_of(data.load_whole(folder / "test", whole), "all") == PAIRS[:9]
    assert pairs_of(data.load(folder, named), "test") == PAIRS[:9]
    with refusal(
        "`source_language` must be left out for a DataFrame. Received: source_language='de'. It has columns instead."
    ):
        data.as_measured(frame(PAIRS), by_table, languages)


def test_files_of_a_folder_are_parallel_by_their_whole_names(tmp_path):
    trained = Config(source_language="de", target_language="en")
    folder = write(tmp_path / "d", train=PAIRS, test=PAIRS[:5])
    for name in ("notes.deutsch", "train.de.bak", "README.de", "train.en.txt.old", "x.en"):
        (folder / name).write_text("no part\n", encoding="utf-8")
    assert data.as_measured(folder, trained) == Config()
    (folder / "dev.de").write_text("a\n", encoding="utf-8")
    (folder / "dev.en.gz").write_bytes(gzip.compress(b"b\n"))
    with refusal(f"The folder {str(folder)!r} has no train part, such as train.de and train.en.", FileNotFoundError):
        data.as_measured(folder, trained)
    for language in ("de", "en"):
        (folder / f"train.{language}").write_text("a\nb\n", encoding="utf-8")
    assert data.as_measured(folder, trained) == trained


def test_a_file_that_the_training_named_is_asked_for_by_name(tmp_path):
    gone = str(tmp_path / "gone.tsv")
    message = f"There is no file {gone!r}. The run was split by `test_data` {gone!r}; for other data use --split all."
    with refusal(message, FileNotFoundError):
        data.load_as_trained(frame(PAIRS), Config(test_data=gone))


def test_fingerprints_depend_on_pairs_and_their_order():
    both = [data.load(frame(pairs), Config()).fingerprints for pairs in (PAIRS, PAIRS[::-1], PAIRS)]
    assert both[0] == both[2]
    assert both[0]["train"] != both[1]["train"]
    assert len(np.unique([*both[0].values()])) == 3


def test_languages_are_endings_of_files_and_a_data_frame_has_none():
    with refusal(
        "`source_language` must be left out for a DataFrame. Received: source_language='de'. It has columns instead."
    ):
        data.load(frame(PAIRS), Config(source_language="de", target_language="en"))
