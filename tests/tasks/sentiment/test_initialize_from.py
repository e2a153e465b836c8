"""A run may start where another one ended: with its tokenizer and weights, or not at all."""

import shutil

import keras
import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps import cli, run_folder, training
from seqapps.tasks.forecasting.config import Config as ForecastingConfig
from seqapps.tasks.sentiment import data
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.model import build_model
from seqapps.tasks.sentiment.pipeline import fitting

ALIKE = "tokenizer, vocabulary, embedding, cell, units, layers, directions, pooling and classes"


@pytest.fixture(scope="module")
def folder(trained_run):
    return trained_run("sentiment", "gru")


@pytest.fixture
def other_texts(toys):
    """Texts of the same classes with words that the run never saw."""
    table = toys["sentiment"].data[:60]
    return table.assign(text=[f"{text} Novelty {row}" for row, text in enumerate(table["text"])])


@pytest.fixture
def like(folder, toys):
    """Options that fit the run."""

    def made(**options):
        return Config(**toys["sentiment"].options | {"initialize_from": str(folder)} | options)

    return made


def problem(capfd, table, tmp_path, *flags):
    """What a training that is refused says, in one line; it leaves no folder."""
    table.to_csv(tmp_path / "data.csv", index=False)
    words = ["sentiment", "train", tmp_path / "data.csv", tmp_path / "run", *flags]
    assert cli.run([str(word) for word in words]) == cli.PROBLEM
    out, err = capfd.readouterr()
    assert (out, err.count("\n"), (tmp_path / "run").exists()) == ("", 1, False)
    return err.removeprefix("seqapps: ").rstrip("\n")


# --- what is taken over ---


def test_the_tokenizer_is_that_of_the_run(folder, other_texts, like):
    splits = data.load(other_texts, like())
    found = fitting.fitted(splits, like(max_tokens=5))
    stored = run_folder.read_json(folder / "preprocessing.json")["fitted"]
    assert found.to_dict() == stored | {"max_tokens": 5}
    assert "novelty" not in stored["tokenizer"]["vocabulary"]


def test_the_weights_are_those_of_the_run(folder, other_texts, like):
    splits = data.load(other_texts, like())
    scaling = fitting.fitted(splits, like())
    config, vectors, told = fitting.start_vectors(like(), splits, scaling)
    assert (vectors, told) == (None, "")
    model = fitting.compiled_model(config, splits, scaling, vectors)
    expected = keras.models.load_model(folder / "model.keras", compile=False)
    for weight, theirs in zip(model.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), keras.ops.convert_to_numpy(theirs))
    assert model.optimizer.iterations.numpy() == 0


def test_the_file_of_vectors_that_the_run_began_with_is_not_read_again(folder, other_texts, like, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    config = run_folder.read_json(tmp_path / "run" / "config.json") | {
        "embeddings": "gone.txt",
        "embedding_start": None,
    }
    run_folder.write_json(tmp_path / "run" / "config.json", config)
    again = like(initialize_from=str(tmp_path / "run"), embeddings="gone.txt")
    splits = data.load(other_texts, again)
    assert fitting.start_vectors(again, splits, fitting.fitted(splits, again)) == (again, None, "")


def test_the_config_of_the_run_may_be_used_again_and_its_vectors_kept_as_they_are(folder, other_texts):
    options = run_folder.read_json(folder / "config.json")
    assert (options.pop("task"), options["embedding_start"]) == ("sentiment", "log_odds")
    config = Config.from_dict(options | {"initialize_from": str(folder), "train_embeddings": False})
    splits = data.load(other_texts, config)
    scaling = fitting.fitted(splits, config)
    config, vectors, _ = fitting.start_vectors(config, splits, scaling)
    model = fitting.compiled_model(config, splits, scaling, vectors)
    embedding = keras.models.load_model(folder / "model.keras", compile=False).get_layer("embedding")
    assert (vectors, config.embedding_start) == (None, "log_odds")
    np.testing.assert_array_equal(model.get_layer("embedding").get_weights()[0], embedding.get_weights()[0])
    assert not model.get_layer("embedding").trainable_weights
    assert len(model.trainable_weights) == len(model.weights) - 1


@pytest.mark.slow
def test_a_training_goes_on_with_the_words_of_the_run(folder, other_texts, toys, tmp_path):
    other_texts.to_json(tmp_path / "more.jsonl", orient="records", lines=True)
    options = toys["sentiment"].options | {"epochs": 1, "learning_rate": 1e-9, "max_tokens": 17}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    words = ["sentiment", "train", tmp_path / "more.jsonl", tmp_path / "run", "--initialize-from", folder, *flags]
    assert cli.run([str(word) for word in words]) == cli.DONE
    started, ended = (keras.models.load_model(run / "model.keras", compile=False) for run in (folder, tmp_path / "run"))
    for weight, theirs in zip(ended.get_weights(), started.get_weights(), strict=True):
        np.testing.assert_allclose(weight, theirs, atol=1e-6)
    theirs, ours = (run_folder.read_json(run / "preprocessing.json")["fitted"] for run in (folder, tmp_path / "run"))
    assert ours == theirs | {"max_tokens": 17}
    assert run_folder.read_json(tmp_path / "run" / "config.json")["initialize_from"] == str(folder)
    metrics = run_folder.read_json(tmp_path / "run" / "metrics.json")
    assert metrics["methods"]["model"]["accuracy"] > 0.9


# --- what is refused ---


@pytest.mark.parametrize(
    ("flag", "value", "stored", "received"),
    [
        ("tokenizer", "character", "'word'", "'character'"),
        ("vocabulary_size", "999", "20000", "999"),
        ("no-lowercase", None, "True", "False"),
    ],
)
def test_another_tokenizer_is_refused(capfd, folder, toys, tmp_path, flag, value, stored, received):
    name = flag.removeprefix("no-")
    flags = [f"--{flag.replace('_', '-')}", *([value] if value else [])]
    said = problem(capfd, toys["sentiment"].data, tmp_path, "--initialize-from", folder, *flags)
    assert said == (
        f"`{name}` must be {stored} with this `initialize_from`. Received: {name}={received}. "
        f"The run {str(folder)!r} goes on with its own tokenizer."
    )


def test_another_kind_of_labels_is_refused(capfd, folder, toys, tmp_path):
    table = toys["sentiment"].data
    said = problem(capfd, table, tmp_path, "--initialize-from", folder, "--label-separator", "|")
    assert said == (
        "`label_separator` must be None with this `initialize_from`. Received: label_separator='|'. "
        f"The run {str(folder)!r} goes on with its own classes."
    )


def test_other_classes_are_refused(capfd, folder, toys, tmp_path):
    table = toys["sentiment"].data.replace({"dull": "boring"})
    assert problem(capfd, table, tmp_path, "--initialize-from", folder) == (
        f"`initialize_from` must be a run with the same classes. Received: {str(folder)!r} with 'dull', 'fine', "
        "where the data have 'boring', 'fine'."
    )


def test_other_units_are_refused(capfd, folder, toys, tmp_path):
    flags = ("--initialize-from", folder, "--embedding-size", 5, "--units", 11)
    vocabulary = len(run_folder.read_json(folder / "preprocessing.json")["fitted"]["tokenizer"]["vocabulary"]) + 4
    theirs, ours = ([(vocabulary, 5), (5, 3 * n), (n, 3 * n), (2, 3 * n), (2 * n, 2), (2,)] for n in (7, 11))
    assert problem(capfd, toys["sentiment"].data, tmp_path, *flags) == (
        f"`initialize_from` must be a run with the same {ALIKE}. Received: {str(folder)!r} with weights of shapes "
        f"{theirs}, where this model has {ours}."
    )


@pytest.mark.parametrize(
    ("options", "name", "stored", "received"),
    [
        ({"bidirectional": True, "merge_mode": "sum"}, "merge_mode", "ave", "sum"),
        ({"bidirectional": True, "merge_mode": "ave", "num_layers": 2, "residual": True}, "residual", False, True),
        ({"pooling": "max"}, "pooling", "mean", "max"),
    ],
)
def test_what_gives_weights_of_the_same_shapes_another_meaning_is_refused(options, name, stored, received, tmp_path):
    keras.utils.set_random_seed(0)
    small = options | {"units": 7, "embedding_size": 5, "initialize_from": str(tmp_path)}
    theirs, ours = Config(**small | {name: stored}), Config(**small)
    build_model(theirs, 11, 2).save(tmp_path / "model.keras")
    run_folder.write_json(tmp_path / "config.json", {"task": "sentiment", **theirs.to_dict()})
    with refusal(
        f"`{name}` must be {stored!r} with this `initialize_from`. Received: {name}={received!r}. "
        f"The weights of the run {str(tmp_path)!r} mean another thing with another value."
    ):
        training.start_from(build_model(ours, 11, 2), ours, ALIKE)
    training.start_from(build_model(theirs, 11, 2), theirs, ALIKE)


def test_what_is_no_finished_run_is_refused(capfd, folder, toys, tmp_path):
    table, missing = toys["sentiment"].data, str(tmp_path / "missing")
    said = problem(capfd, table, tmp_path, "--initialize-from", missing)
    assert said == f"{missing!r} is not a finished run: it has no config.json."
    begun = tmp_path / "begun"
    begun.mkdir()
    for name in ("config.json", "preprocessing.json"):
        shutil.copy(folder / name, begun)
    said = problem(capfd, table, tmp_path, "--initialize-from", begun, "--embedding-size", 5, "--units", 7)
    assert said == f"`initialize_from` must be a finished run. Received: {str(begun)!r} has no model.keras."


def test_a_run_of_another_task_is_refused(capfd, toys, tmp_path):
    other = tmp_path / "forecaster"
    other.mkdir()
    run_folder.write_json(other / "config.json", {"task": "forecasting", **ForecastingConfig().to_dict()})
    said = problem(capfd, toys["sentiment"].data, tmp_path, "--initialize-from", other)
    assert said == (
        f"`initialize_from` must be a run of the task 'sentiment'. Received: {str(other)!r} of the task 'forecasting'."
    )


@pytest.mark.parametrize(
    ("option", "value", "stored"), [("embeddings", "glove.txt", None), ("embedding_start", "random", "log_odds")]
)
def test_other_token_vectors_to_start_from_are_refused(folder, other_texts, like, option, value, stored):
    config = like(**{option: value})
    with refusal(
        f"`{option}` must be {stored!r} with this `initialize_from`. Received: {option}={value!r}. "
        f"The run {str(folder)!r} goes on with its own token vectors."
    ):
        fitting.fitted(data.load(other_texts, config), config)


def test_a_resumed_run_refuses_other_data(folder, toys, tmp_path, capfd):
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("export", "checkpoints"))
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    table = pd.concat([toys["sentiment"].data, pd.DataFrame({"text": ["One more."], "label": ["fine"]})])
    table.to_csv(tmp_path / "data.csv", index=False)
    assert cli.run(["sentiment", "train", str(tmp_path / "data.csv"), str(copy), "--resume"]) == cli.PROBLEM
    assert capfd.readouterr().err == (
        f"seqapps: The data are not those with which the run in {str(copy)!r} began. "
        "Resume with the same data, or train into another folder.\n"
    )
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_a_model_with_layers_that_this_version_lacks_is_refused(tmp_path):
    class Dropped(keras.layers.Layer):
        """Is in no register."""

        def call(self, inputs):
            return inputs

    inputs = keras.Input((3,))
    keras.Model(inputs, Dropped()(inputs)).save(tmp_path / "model.keras")
    path = tmp_path / "model.keras"
    with refusal(f"{path} was written by another version, which had other layers. Train it again."):
        training.stored_model(tmp_path)
