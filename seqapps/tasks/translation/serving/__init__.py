"""The bundle: a source → its translation, where attention looked, and how likely a given translation is."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps import export
from seqapps.decoding.bounds import LONGEST_SOURCE, LONGEST_TARGET, WIDEST_BEAM
from seqapps.tasks.translation.config import Config, PredictOptions
from seqapps.tasks.translation.preprocessing import Preprocessing
from seqapps.tasks.translation.serving.knobs import KNOB_SPECS, KNOBS, Knobs, knobs_of
from seqapps.tasks.translation.serving.served import Served
from seqapps.tasks.translation.serving.translator import Translator

__all__ = ["KNOBS", "Knobs", "Served", "Translator", "bundle", "example_requests", "facts", "knobs_of"]

SOURCE, TARGET = (tf.TensorSpec([None], tf.string, name=name) for name in ("source", "target"))
FOREIGN = "日本語 مرحبا 🙂 \x07"


def bundle(models: Sequence[keras.Model], preprocessing: Preprocessing, length_penalty: float) -> export.Bundle:
    """The signatures `serving_default`, `translate`, `score` and, with attention, `align` of trained models.

    Args:
        models: From `build_model`; several average their probabilities.
        preprocessing: Fitted with them.
        length_penalty: Where a request names none.

    Returns:
        A bundle with
        `serving_default(source)` → `target (batch,)`;
        `translate(source, …)` → `target`, `targets (batch, N)` from the best one on, their `scores`, and `warning`;
        `score(source, target)` → `log_probability` of the target and its end, in nats, `(batch,)`;
        `align(source, target)` → `source_tokens (batch, S)` with the end, `target_tokens (batch, T)`,
        `attention (batch, T, S)`, and `source_length` and `target_length`, `(batch,)` each.
    """
    for model in models:
        model.get_layer("encoder").use_cudnn = False  # a graph traced for cuDNN would not run on a CPU
        model.get_layer("decoder").stack.use_cudnn = False
    translator = Translator(models, preprocessing)
    usual = knobs_of(PredictOptions(), length_penalty)

    @tf.function(input_signature=[SOURCE])
    def serving_default(source):
        return {"target": translator.translate(source, knobs_of(PredictOptions(), length_penalty))["target"]}

    @tf.function(input_signature=[SOURCE, *KNOB_SPECS])
    def translate(
        source,
        beam_width=usual.beam_width,
        length_penalty=usual.length_penalty,
        coverage_penalty=usual.coverage_penalty,
        max_length=usual.max_length,
        n_best=usual.n_best,
    ):
        return translator.translate(source, Knobs(beam_width, length_penalty, coverage_penalty, max_length, n_best))

    @tf.function(input_signature=[SOURCE, TARGET])
    def score(source, target):
        return translator.score(source, target)

    @tf.function(input_signature=[SOURCE, TARGET])
    def align(source, target):
        return translator.align(source, target)

    signatures = {"serving_default": serving_default, "translate": translate, "score": score}
    signatures |= {"align": align} if translator.attends else {}
    variables = [variable.value for model in models for variable in model.variables]
    both = [preprocessing.source] if preprocessing.shared else [preprocessing.source, preprocessing.target]
    return export.Bundle(variables, signatures, [table for tokenizer in both for table in tokenizer.tables])


def facts(preprocessing: Preprocessing, config: Config) -> dict[str, Any]:
    """What `signatures.json` tells beside shapes."""
    return {
        "task": "translation",
        "tokenizer": config.tokenizer,
        "lowercase": config.lowercase,
        "vocabulary_sizes": [preprocessing.source.vocabulary_size, preprocessing.target.vocabulary_size],
        "attention": config.attention,
        "score": "log-probability in nats / ((5 + tokens) / 6) ** length_penalty, and the coverage penalty",
        "ranges": {
            "beam_width": [1, WIDEST_BEAM],
            "length_penalty": [0, None],
            "coverage_penalty": [0, None],
            "max_length": [0, LONGEST_TARGET],
            "n_best": [1, WIDEST_BEAM],
            "source_tokens": [0, LONGEST_SOURCE],
        },
    }


def example_requests(sources: Sequence[str], targets: Sequence[str], attention: bool) -> dict[str, Any]:
    """One golden request per signature: real, empty, foreign and malformed sources, with and without knobs.

    Args:
        sources: Two of the validation part.
        targets: Theirs.
        attention: Whether there is the signature `align`.
    """
    texts = np.array([text.encode() for text in (*sources, "", FOREIGN)] + [b"\xff\xfe"], dtype=object)
    written = np.array([text.encode() for text in (*targets, FOREIGN, "", "x")], dtype=object)
    knobs = {
        "beam_width": np.array([1, 5, 2, 3, 4], "int32"),
        "length_penalty": np.array([0.0, 1.0, 0.6, 0.6, 2.0], "float32"),
        "coverage_penalty": np.array([0.0, 0.2, 0.0, 0.0, 0.1], "float32"),
        "max_length": np.array([0, 0, 7, 3, 5], "int32"),
        "n_best": np.array([1, 5, 2, 3, 1], "int32"),
    }
    both = {"source": texts, "target": written}
    requests = {"serving_default": {"source": texts}, "translate": {"source": texts} | knobs, "score": both}
    return requests | ({"align": both} if attention else {})
