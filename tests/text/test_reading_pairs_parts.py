"""The parts of pairs are tables, files of lines, or two files whose names tell their languages."""

import pytest
from refusals import refusal
from test_reading_pairs import ENGLISH_FRENCH, FRAME, ROWS, both, two_files, written

from seqapps.text.reading.pairs import Languages, Parallel, open_pairs, pair_parts, parallel

NAME_LANGUAGES = "For parallel files name `source_language` and `target_language`."

# --- what is found ---


def test_a_file_and_a_data_frame_are_one_part(tmp_path):
    assert pair_parts(FRAME) == {"train": FRAME}
    assert pair_parts(FRAME, ENGLISH_FRENCH) == {"train": FRAME}
    path = written(tmp_path / "fra.txt", "Go.\tVa !\n")
    for data in (path, str(path)):
        assert pair_parts(data) == {"train": path}


def test_two_files_are_found_by_what_their_names_have_in_common(tmp_path):
    files = two_files(tmp_path, "news.2024", packed=("", ".gz"))
    for data in (tmp_path / "news.2024", str(tmp_path / "news.2024")):
        assert pair_parts(data, ENGLISH_FRENCH) == {"train": files}
    assert parallel(tmp_path / "news.2024", ENGLISH_FRENCH) == files
    assert parallel(tmp_path / "news.2024", Languages("fr", "en")) == Parallel(files.target, files.source)


@pytest.mark.parametrize("name", ["validation.csv", "valid.tsv.gz", "Val.PARQUET", "dev.jsonl", "VALID.txt.gz"])
def test_tables_and_lines_of_a_folder_are_its_parts(tmp_path, name):
    for each in ("test.json", name, "train.txt.gz", "README.md", "train.en", "fra.txt", "test.csv.bak", "dev/a.txt"):
        written(tmp_path / each, "")
    (tmp_path / "test.tsv").mkdir()
    found = pair_parts(str(tmp_path))
    assert found == {"train": tmp_path / "train.txt.gz", "validation": tmp_path / name, "test": tmp_path / "test.json"}
    assert list(found) == ["train", "validation", "test"]


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_parallel_files_of_a_folder_are_its_parts(tmp_path, name):
    files = {
        "train": two_files(tmp_path, "train", packed=(".gz", "")),
        "validation": two_files(tmp_path, name),
        "test": two_files(tmp_path, "test", packed=(".gz", ".gz")),
    }
    for each in ("train.de", "train.tsv", "dev.tsv", "test.txt", "README.en", "train.en.bak"):
        written(tmp_path / each, "")
    assert pair_parts(tmp_path, ENGLISH_FRENCH) == files
    assert list(pair_parts(str(tmp_path), ENGLISH_FRENCH)) == ["train", "validation", "test"]
    for part in files.values():
        assert both(open_pairs(part)) == ROWS


def test_a_folder_may_hold_the_training_part_alone(tmp_path):
    files = two_files(tmp_path, "train")
    table = written(tmp_path / "train.tsv", "en\tfr\n")
    assert pair_parts(tmp_path, ENGLISH_FRENCH) == {"train": files}
    assert pair_parts(tmp_path) == {"train": table}


# --- what is refused ---


def test_a_missing_parallel_file_is_named(tmp_path):
    two_files(tmp_path, "train")
    (tmp_path / "train.fr").unlink()
    common = tmp_path / "train"
    message = f"There is no file {str(common)!r} with the ending .fr or .fr.gz."
    with refusal(message, FileNotFoundError):
        parallel(common, ENGLISH_FRENCH)
    for data in (common, tmp_path):  # the other file alone could be the part that was meant
        with refusal(message, FileNotFoundError):
            pair_parts(data, ENGLISH_FRENCH)
    missing = tmp_path / "news"
    with refusal(f"There is no file {str(missing)!r} with the ending .en or .en.gz.", FileNotFoundError):
        pair_parts(str(missing), ENGLISH_FRENCH)


@pytest.mark.parametrize(
    ("part", "files", "found"),
    [
        ("train", ["train.tsv", "train.tsv.gz"], "'train.tsv', 'train.tsv.gz'"),
        ("train", ["train.txt", "train.csv"], "'train.csv', 'train.txt'"),
        ("validation", ["train.csv", "val.csv", "dev.txt", "valid.pq"], "'dev.txt', 'val.csv', 'valid.pq'"),
        ("test", ["train.csv", "test.csv", "TEST.pq"], "'TEST.pq', 'test.csv'"),
    ],
)
def test_several_tables_or_lines_for_a_part_are_refused(tmp_path, part, files, found):
    for name in files:
        written(tmp_path / name, "")
    with refusal(f"The folder {str(tmp_path)!r} has more than one {part} part: {found}. Keep one."):
        pair_parts(tmp_path)


def test_several_parallel_files_for_a_part_are_refused(tmp_path):
    for name in ("train", "dev", "valid"):
        two_files(tmp_path, name, packed=("", ".gz" if name == "dev" else ""))
    found = "'valid.en and valid.fr', 'dev.en and dev.fr.gz'"
    with refusal(f"The folder {str(tmp_path)!r} has more than one validation part: {found}. Keep one."):
        pair_parts(tmp_path, ENGLISH_FRENCH)


def test_a_folder_without_a_train_part_is_refused(tmp_path):
    for name in ("test.tsv", "fra.txt", "train.md"):
        written(tmp_path / name, "")
    two_files(tmp_path, "dev")
    none = f"The folder {str(tmp_path)!r} has no train part, such as"
    with refusal(f"{none} train.tsv. {NAME_LANGUAGES}", FileNotFoundError):
        pair_parts(tmp_path)
    for languages in (ENGLISH_FRENCH, Languages("de", "nl")):
        with refusal(f"{none} train.{languages.source} and train.{languages.target}.", FileNotFoundError):
            pair_parts(tmp_path, languages)


def test_what_the_names_of_files_have_in_common_asks_for_their_languages(tmp_path):
    two_files(tmp_path, "news[1]")
    common, other = tmp_path / "news[1]", tmp_path / "new"
    with refusal(f"There is no file or folder {str(common)!r}. {NAME_LANGUAGES}", FileNotFoundError):
        pair_parts(common)
    with refusal(f"There is no file or folder {str(other)!r}.", FileNotFoundError):
        pair_parts(other)


def test_other_data_are_refused():
    for languages in (None, ENGLISH_FRENCH):
        with refusal("`data` must be a path or a DataFrame. Received: data=['Go.', 'Va !']."):
            pair_parts(["Go.", "Va !"], languages)
