"""A model folder: version numbers, what a version holds, and that only answers which a fresh process repeats get in."""

import base64
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from refusals import refusal
from tensorflow_serving.apis import prediction_log_pb2

from seqapps import export

VALUE, TIMES, NO_TEXT = 1.5, 3, b"\xff\x00"
ONCE = tf.constant([1])
SCRIPT = Path(export.__file__).with_name("verify_process.py")


def echo_bundle():
    """Answers `value · factor · times` and gives `label` back."""
    factor = tf.Variable(2.0)
    value, times, label = (
        tf.TensorSpec([None], dtype, name=name)
        for dtype, name in ((tf.float32, "value"), (tf.int32, "times"), (tf.string, "label"))
    )

    @tf.function(input_signature=[value])
    def serving_default(value):
        return {"product": value * factor}

    @tf.function(input_signature=[value, label, times])
    def multiply(value, label, times=ONCE):
        return {"product": value * factor * tf.cast(times, tf.float32), "label": label}

    return export.Bundle([factor], {"serving_default": serving_default, "multiply": multiply})


def echo_requests():
    values = np.array([VALUE, math.nan], "float32")
    labels = {"label": np.array([NO_TEXT, "größer".encode()], dtype=object)}
    return {"serving_default": {"value": values[:1]}, "multiply": {"value": values, **labels}}


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """A written version of the echo bundle. Do not change it."""
    folder = tmp_path_factory.mktemp("models") / "echo"
    return export.save(echo_bundle(), folder, echo_requests(), {"task": "echo"})


def extra(version, name):
    return json.loads((version / "assets.extra" / name).read_text(encoding="utf-8"))


# --- version numbers ---


def test_the_next_version_is_one_more_than_the_highest_number(tmp_path):
    assert export.next_version(tmp_path) == 1
    for name in ("2", "11", "3", ".unfinished-13", "17-old", "v19"):
        (tmp_path / name).mkdir()
    assert export.next_version(tmp_path) == 12
    assert export.newest_version(tmp_path) == tmp_path / "11"
    assert export.has_version(tmp_path)


def test_a_folder_without_a_whole_version_has_none(tmp_path):
    (tmp_path / ".unfinished-13").mkdir()
    for folder in (tmp_path, tmp_path / "absent"):
        expected = f"There is no exported model in {str(folder)!r}. Train or export first."
        with pytest.raises(FileNotFoundError, match=rf"\A{re.escape(expected)}\Z"):
            export.newest_version(folder)


def test_a_version_is_never_overwritten(tmp_path):
    (tmp_path / "3").mkdir()
    text = f"`version` must be new in {str(tmp_path)!r}. Received: version=3, which exists."
    with refusal(text):
        export.save(echo_bundle(), tmp_path, echo_requests(), {}, version=3)
    with refusal(text):
        export.copy_version(tmp_path / "source", tmp_path, version=3)
    assert list(tmp_path.rglob("*")) == [tmp_path / "3"]


@pytest.mark.parametrize("number", [0, -3, True])
def test_a_version_that_servers_would_not_find_is_refused(tmp_path, number):
    with refusal(f"`version` must be an integer of at least 1. Received: version={number}."):
        export.copy_version(tmp_path / "source", tmp_path / "models", version=number)
    assert not (tmp_path / "models").exists()


def test_the_first_version_is_1(version):
    assert version.name == "1"
    assert [path.name for path in version.parent.iterdir()] == ["1"]


@pytest.mark.slow
def test_copies_count_on_from_what_is_there(tmp_path, version):
    (tmp_path / "5").mkdir()
    copied = export.copy_version(version, tmp_path)
    assert copied == tmp_path / "6"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["5", "6"]
    written = {path.relative_to(version): path.read_bytes() for path in version.rglob("*") if path.is_file()}
    assert {path.relative_to(copied): path.read_bytes() for path in copied.rglob("*") if path.is_file()} == written


# --- what a version holds ---


def test_a_version_holds_the_model_and_everything_a_client_needs(version):
    files = {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()}
    extras = ("signatures.json", "golden.json", "rest-serving_default.json", "rest-multiply.json")
    extras += ("tf_serving_warmup_requests",)
    assert files >= {"saved_model.pb", *(f"assets.extra/{name}" for name in extras)}


def test_signatures_tell_types_shapes_defaults_and_facts(version):
    floats, strings = {"dtype": "float32", "shape": [None]}, {"dtype": "string", "shape": [None]}
    times = {"dtype": "int32", "shape": [None], "default": [1]}
    assert extra(version, "signatures.json") == {
        "signatures": {
            "serving_default": {"inputs": {"value": floats}, "outputs": {"product": floats}},
            "multiply": {
                "inputs": {"label": strings, "times": times, "value": floats},
                "outputs": {"label": strings, "product": floats},
            },
        },
        "task": "echo",
    }


def test_golden_answers_keep_bytes_and_missing_numbers(version):
    default, multiply = extra(version, "golden.json")
    assert default["signature"] == "serving_default"
    assert default["outputs"]["product"] == {"dtype": "float32", "shape": [1], "values": [2 * VALUE]}
    assert [base64.b64decode(value) for value in multiply["outputs"]["label"]["values"]] == [
        NO_TEXT,
        "größer".encode(),
    ]
    assert math.isnan(multiply["outputs"]["product"]["values"][1])


def test_the_rest_request_has_every_input_and_bytes_that_are_no_text_in_base64(version):
    label = {"b64": base64.b64encode(NO_TEXT).decode()}
    assert extra(version, "rest-multiply.json") == {
        "signature_name": "multiply",
        "instances": [{"label": label, "times": 1, "value": VALUE}],
    }
    assert extra(version, "rest-serving_default.json")["instances"] == [{"value": VALUE}]


def test_the_warmup_file_holds_one_request_per_signature(version):
    records = tf.data.TFRecordDataset(str(version / "assets.extra" / "tf_serving_warmup_requests"))
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in records]
    requests = {log.predict_log.request.model_spec.signature_name: log.predict_log.request for log in logs}
    assert list(requests) == ["serving_default", "multiply"]
    assert tf.make_ndarray(requests["serving_default"].inputs["value"]).tolist() == [VALUE]
    assert tf.make_ndarray(requests["multiply"].inputs["label"]).tolist() == [NO_TEXT, "größer".encode()]


def test_a_model_folder_can_be_moved(tmp_path, version):
    moved = shutil.copytree(version, tmp_path / "elsewhere" / "7")
    loaded = tf.saved_model.load(str(moved))
    answer = loaded.multiply(value=tf.constant([VALUE]), label=tf.constant(["a"]), times=tf.constant([TIMES]))
    assert answer["product"].numpy().tolist() == [VALUE * 2 * TIMES]


# --- verification ---


def tampered(version, folder, output, values):
    shutil.copytree(version, folder)
    golden = extra(version, "golden.json")
    golden[1]["outputs"][output]["values"] = values
    (folder / "assets.extra" / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    return folder


def test_an_answer_that_differs_from_the_golden_one_is_told(tmp_path, version):
    changed = tampered(version, tmp_path / "1", "product", [3.001, math.nan])
    with refusal(
        f"The exported model does not answer as the trained one does:\n{changed}: output 'product' of 'multiply' "
        "differs.\nExpected: [3.001   nan]\nReceived: [ 3. nan]"
    ):
        export.verify([version, changed])


@pytest.mark.slow
def test_a_failed_verification_leaves_nothing_behind(tmp_path):
    calls = tmp_path / "calls"  # a file, because it outlives the process that verifies
    calls.write_text("0", encoding="utf-8")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="value")])
    def serving_default(value):
        count = tf.strings.to_number(tf.io.read_file(str(calls)))
        with tf.control_dependencies(
            [tf.io.write_file(str(calls), tf.strings.as_string(tf.cast(count, tf.int32) + 1))]
        ):
            return {"calls": tf.zeros_like(value) + count}

    bundle = export.Bundle([], {"serving_default": serving_default})
    temporary = tmp_path / f".unfinished-{os.getpid()}"
    expected = f"The exported model does not answer as the trained one does:\n{temporary}: output 'calls' of "
    with pytest.raises(ValueError, match=rf"\A{re.escape(expected)}'serving_default' differs\.\n"):
        export.save(bundle, tmp_path, {"serving_default": {"value": np.ones(1, "float32")}}, {})
    assert list(tmp_path.iterdir()) == [calls]


def test_a_failure_before_verification_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyError, match="absent"):
        export.save(echo_bundle(), tmp_path, {"absent": {}}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_version_that_does_not_load_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"\AThe exported model does not answer as the trained one does:\n") as told:
        export.verify([tmp_path])
    reason = f"OSError: SavedModel file does not exist at: {tmp_path}/{{saved_model.pbtxt|saved_model.pb}}"
    assert str(told.value).splitlines()[-1] == reason


JUDGE = """
import json, runpy, sys
import numpy as np
space = runpy.run_path(sys.argv[1], run_name="verify_process")
blocked = []
for name in ("keras", "keras.layers", "seqapps", "seqapps.recurrent"):
    try:
        __import__(name)
    except ImportError:
        blocked.append(name)
floats = np.array([1000.0, 1e-9, np.nan], "float32")
texts = np.array([b"a", b"b"], dtype=object)
differs = {
    "equal": space["differs"](floats, floats),
    "within": space["differs"](floats, floats + np.array([9e-3, 9e-6, 0], "float32")),
    "above": space["differs"](floats, floats + np.array([2e-2, 0, 0], "float32")),
    "small": space["differs"](floats, floats + np.array([0, 2e-5, 0], "float32")),
    "lost": space["differs"](floats, np.where(np.isnan(floats), 0, floats)),
    "missing": space["differs"](floats, np.array([np.nan, 1e-9, np.nan])),
    "shape": space["differs"](floats, floats[:2]),
    "text": space["differs"](texts, np.array([b"a", b"c"], dtype=object)),
    "same text": space["differs"](texts, texts.copy()),
    "integer": space["differs"](np.array([7]), np.array([8])),
}
print(json.dumps([blocked, {name: bool(value) for name, value in differs.items()}]))
"""


def test_the_fresh_process_has_neither_keras_nor_seqapps_and_compares_to_one_part_in_a_hundred_thousand():
    command = [sys.executable, "-P", "-c", JUDGE, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    blocked, differs = json.loads(done.stdout)
    assert blocked == ["keras", "keras.layers", "seqapps", "seqapps.recurrent"]
    same = {name for name, value in differs.items() if not value}
    assert same == {"equal", "within", "same text"}
