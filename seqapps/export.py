"""A trained model as a SavedModel: written, described, verified in a fresh process, and put in place as a version."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from seqapps import checks, run_folder

GOLDEN_FILE = "golden.json"
SIGNATURES_FILE = "signatures.json"
WARMUP_FILE = "tf_serving_warmup_requests"
Requests = Mapping[str, Mapping[str, np.ndarray]]


class Bundle(tf.Module):
    """What a SavedModel holds: the variables and tables that its signatures use, and not the Keras model.

    Args:
        variables: `tf.Variable`s.
        signatures: One `tf.function` with an input signature per name. Every input and output leads with the batch
            axis.
        tables: Lookup tables.
        helpers: `tf.function`s that the loaded object has beside the signatures, which no server offers.
    """

    def __init__(
        self,
        variables: Iterable[tf.Variable],
        signatures: Mapping[str, Any],
        tables: Iterable[Any] = (),
        helpers: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__("seqapps")
        self._variables = list(variables)
        self._tables = list(tables)
        self.functions = dict(signatures)
        for name, function in (self.functions | dict(helpers or {})).items():
            setattr(self, name, function)


def save(
    bundle: Bundle, folder: str | Path, requests: Requests, facts: Mapping[str, Any], version: int | None = None
) -> Path:
    """Write a bundle as the next version of a model folder, as servers poll it.

    The version appears under its number only when it is whole and verified.

    Args:
        bundle: The signatures to serve.
        folder: The model folder; versions are its sub-folders `1`, `2`, ….
        requests: One example request per signature, kept as a golden request with its answer.
        facts: What a client must know beside shapes: columns, levels, class order.
        version: The version number; by default the next one.

    Returns:
        The version's folder.

    Raises:
        ValueError: If the version is no positive number or exists, or a fresh process does not get the same answers.
    """
    folder = Path(folder)
    number = _new_version(folder, version)
    temporary = folder / f".unfinished-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with the same number
    try:
        tf.saved_model.save(bundle, str(temporary), signatures=bundle.functions)
        _write_extras(bundle, temporary / "assets.extra", requests, facts, _described(temporary))
        verify([temporary])
        temporary.rename(folder / str(number))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / str(number)


def copy_version(source: Path, folder: str | Path, version: int | None = None) -> Path:
    """Put a written version into another model folder and verify it there; names and errors as in `save`."""
    folder = Path(folder)
    number = _new_version(folder, version)
    temporary = folder / f".unfinished-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with the same number
    try:
        shutil.copytree(source, temporary)
        verify([temporary])
        temporary.rename(folder / str(number))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / str(number)


def _new_version(folder: Path, version: int | None) -> int:
    """The number to write in a model folder, which is made if it is not there."""
    if version is not None:
        checks.check_integer("version", version, minimum=1)
    folder.mkdir(parents=True, exist_ok=True)
    number = next_version(folder) if version is None else version
    if (folder / str(number)).exists():
        raise ValueError(f"`version` must be new in {str(folder)!r}. Received: version={number}, which exists.")
    return number


def next_version(folder: Path) -> int:
    """One more than the highest version in a model folder."""
    return max((int(path.name) for path in folder.iterdir() if path.name.isdigit()), default=0) + 1


def newest_version(folder: str | Path) -> Path:
    """The highest version of a model folder.

    Raises:
        FileNotFoundError: If there is none.
    """
    folder = Path(folder)
    if not has_version(folder):
        raise FileNotFoundError(f"There is no exported model in {str(folder)!r}. Train or export first.")
    return Path(folder) / str(next_version(Path(folder)) - 1)


def has_version(folder: str | Path) -> bool:
    """Whether a model folder holds a whole version."""
    return Path(folder).is_dir() and next_version(Path(folder)) > 1


def verify(versions: Iterable[Path]) -> None:
    """Compare golden answers in a fresh process in which `keras` and `seqapps` cannot be imported.

    Raises:
        ValueError: If one differs or a version does not load; with what the process said.
    """
    script = Path(__file__).with_name("verify_process.py")
    # -P keeps the script's folder, and with it this package's modules, off the path of the fresh process.
    command = [sys.executable, "-P", str(script), *(str(Path(path).resolve()) for path in versions)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(sys.executable).parent, check=False)
    if done.returncode:
        # A difference is told on standard output; on the other one there is TensorFlow's chatter too.
        said = done.stdout.strip() or done.stderr.strip()[-2000:]
        raise ValueError(f"The exported model does not answer as the trained one does:\n{said}")


def _described(version: Path) -> dict[str, Any]:
    """Inputs, outputs and defaults of every signature, read from the written file."""
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    signatures = {}
    for name, signature in saved.meta_graphs[0].signature_def.items():
        if name.startswith("__"):
            continue
        inputs = {key: _tensor_facts(info) for key, info in sorted(signature.inputs.items())}
        for key, default in signature.defaults.items():
            inputs[key]["default"] = _json_value(tf.make_ndarray(default))
        outputs = {key: _tensor_facts(info) for key, info in sorted(signature.outputs.items())}
        signatures[name] = {"inputs": inputs, "outputs": outputs}
    return signatures


def _tensor_facts(info: Any) -> dict[str, Any]:
    shape = [None if size.size < 0 else size.size for size in info.tensor_shape.dim]
    return {"dtype": tf.as_dtype(info.dtype).name, "shape": shape}


def _write_extras(
    bundle: Bundle, folder: Path, requests: Requests, facts: Mapping[str, Any], described: Mapping[str, Any]
) -> None:
    folder.mkdir()
    run_folder.write_json(folder / SIGNATURES_FILE, {"signatures": described, **facts})
    golden = []
    with tf.io.TFRecordWriter(str(folder / WARMUP_FILE)) as warmup:
        for name, inputs in requests.items():
            answer = bundle.functions[name](**{key: tf.constant(value) for key, value in inputs.items()})
            outputs = {key: value.numpy() for key, value in answer.items()}
            golden.append({"signature": name, "inputs": _encoded(inputs), "outputs": _encoded(outputs)})
            run_folder.write_text(folder / f"rest-{name}.json", _rest_request(name, inputs, described[name]) + "\n")
            warmup.write(_warmup_record(name, inputs))
    (folder / GOLDEN_FILE).write_text(json.dumps(golden), encoding="utf-8")


def _encoded(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arrays as JSON: dtype, shape and flat values; strings as base64, because they need not be UTF-8."""
    encoded = {}
    for name, array in tensors.items():
        array = np.asarray(array)
        is_text = array.dtype.kind in "OSU"
        flat = array.ravel().tolist()
        values = [base64.b64encode(tf.compat.as_bytes(item)).decode() if is_text else item for item in flat]
        encoded[name] = {"dtype": "string" if is_text else array.dtype.name, "shape": array.shape, "values": values}
    return encoded


def decoded(tensors: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Arrays as `GOLDEN_FILE` holds them."""
    arrays = {}
    for name, each in tensors.items():
        is_text = each["dtype"] == "string"
        values = [base64.b64decode(value) for value in each["values"]] if is_text else each["values"]
        arrays[name] = np.array(values, object if is_text else each["dtype"]).reshape(each["shape"])
    return arrays


def _rest_request(name: str, inputs: Mapping[str, np.ndarray], described: Mapping[str, Any]) -> str:
    """A request of TF Serving's REST protocol, which wants every input, for the first row of the example."""
    row = {}
    for key, facts in described["inputs"].items():
        value = np.asarray(inputs[key])[0] if key in inputs else np.asarray(facts["default"])[0]
        row[key] = _json_value(value)
    return json.dumps({"signature_name": name, "instances": [row]}, ensure_ascii=False)


def _json_value(value: Any) -> Any:
    """A value of a REST request: bytes that are no text become `{"b64": …}`, as the protocol has it."""
    if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, bytes):
        return _json_value(value.tolist())
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    return value


def _warmup_record(name: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    request = predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(name="seqapps", signature_name=name))
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    return log.SerializeToString()
