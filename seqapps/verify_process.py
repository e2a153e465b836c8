"""Run in a fresh process: load SavedModels with TensorFlow alone and compare their golden answers.

Usage: python -P verify_process.py VERSION_FOLDER…
Floats must agree to 1e-5 (relative above 1), everything else exactly.
"""

import base64
import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
for package in ("keras", "seqapps"):
    sys.modules[package] = None  # type: ignore[assignment]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

TOLERANCE = 1e-5


def decode(encoded):
    """One tensor from its JSON form."""
    values = encoded["values"]
    if encoded["dtype"] == "string":
        values = [base64.b64decode(item) for item in values]
        return np.array(values, dtype=object).reshape(encoded["shape"])
    return np.array(values, dtype=encoded["dtype"]).reshape(encoded["shape"])


def differs(expected, received):
    """Whether two answers are not the same."""
    if expected.shape != received.shape:
        return True
    if expected.dtype.kind != "f":
        return bool((expected != received).any())
    limit = TOLERANCE * np.maximum(1, np.abs(expected))
    return not bool(((np.abs(expected - received) <= limit) | (np.isnan(expected) & np.isnan(received))).all())


def check(folder):
    """Replay the golden requests of one version; exit with a message at the first difference."""
    loaded = tf.saved_model.load(str(folder))
    for golden in json.loads((Path(folder) / "assets.extra" / "golden.json").read_text(encoding="utf-8")):
        # The functions honour defaults; the signatures of the loaded module do not.
        function = getattr(loaded, golden["signature"])
        answer = function(**{name: tf.constant(decode(value)) for name, value in golden["inputs"].items()})
        for name, encoded in golden["outputs"].items():
            expected, received = decode(encoded), answer[name].numpy()
            if differs(expected, received):
                where = f"{folder}: output {name!r} of {golden['signature']!r}"
                print(f"{where} differs.\nExpected: {expected.ravel()[:8]}\nReceived: {received.ravel()[:8]}")
                sys.exit(1)


if __name__ == "__main__":
    for version_folder in sys.argv[1:]:
        check(version_folder)
