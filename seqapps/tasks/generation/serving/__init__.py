"""The bundle: a prompt → the text that goes on from it, and a text → how likely it is."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps import export
from seqapps.decoding.choosing import Knobs
from seqapps.decoding.generation import LONGEST_STOP, MOST_TOKENS, Writing
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.preprocessing import Preprocessing
from seqapps.tasks.generation.serving.knobs import KNOB_SPECS, KNOBS, default_knobs, knobs_of
from seqapps.tasks.generation.serving.served import Served
from seqapps.tasks.generation.serving.writer import MOST_PROMPT, MOST_SCORED, Writer, warnings

__all__ = ["KNOBS", "Served", "Writer", "bundle", "default_knobs", "example_requests", "facts", "knobs_of"]

EXAMPLES = ("Once upon a time", "", "The rain", "日本語 مرحبا 🙂 \x07")
TEXT, PROMPT = (tf.TensorSpec([None], tf.string, name=name) for name in ("text", "prompt"))


def bundle(model: keras.Model, preprocessing: Preprocessing) -> export.Bundle:
    """The signatures `serving_default`, `generate` and `score` of a trained model.

    Args:
        model: From `build_model`.
        preprocessing: Fitted with the model.

    Returns:
        A bundle with
        `serving_default(prompt)` → `text (batch,)`, what follows the prompt;
        `generate(prompt, …)` → `text`, `tokens` (new ones), `log_probability` of them in nats, `finish_reason` ("stop"
        at the end of a text or at `stop`, else "length") and `warning`, `(batch,)` each;
        `score(text)` → `log_likelihood` of the text after the start of a text, in nats, and its `tokens`,
        `characters` and `bytes`, `(batch,)` each.
    """
    model.get_layer("stack").use_cudnn = False  # a graph traced for cuDNN would not run on a CPU
    writer = Writer(model, preprocessing)
    defaults = default_knobs()

    @tf.function(input_signature=[PROMPT])
    def serving_default(prompt):
        return {"text": writer.write(prompt, default_knobs())["text"]}

    @tf.function(input_signature=[PROMPT, *KNOB_SPECS])
    def generate(
        prompt,
        max_new_tokens=defaults.max_new_tokens,
        temperature=defaults.temperature,
        top_k=defaults.top_k,
        top_p=defaults.top_p,
        repetition_penalty=defaults.repetition_penalty,
        no_repeat_ngram=defaults.no_repeat_ngram,
        stop=defaults.stop,
        seed=defaults.seed,
    ):
        knobs = max_new_tokens, temperature, top_k, top_p, repetition_penalty, no_repeat_ngram, stop, seed
        return writer.write(prompt, Knobs(*knobs))

    @tf.function(input_signature=[TEXT])
    def score(text):
        return writer.score(text)

    functions = {"serving_default": serving_default, "generate": generate, "score": score}
    variables = [variable.value for variable in model.variables]
    return export.Bundle(variables, functions, preprocessing.tokenizer.tables, _helpers(writer))


def _helpers(writer: Writer) -> dict[str, Any]:
    """What a run itself needs of its SavedModel: to write piece by piece, and to read on with states."""

    @tf.function(input_signature=[PROMPT, *KNOB_SPECS])
    def begin(prompt, *knobs):
        writing, rows, token_ids = writer.begin(prompt, Knobs(*knobs))
        return {
            "writing": writing._asdict(),
            "knobs": rows._asdict(),
            "warning": warnings(prompt, token_ids, Knobs(*knobs)),
        }

    begun = tf.nest.map_structure(
        lambda each: tf.TensorSpec(each.shape, each.dtype), begin.get_concrete_function().structured_outputs
    )

    @tf.function(input_signature=[begun["writing"], begun["knobs"], tf.TensorSpec([], tf.int32)])
    def go_on(writing, knobs, steps):
        after, tokens = writer.go_on(Writing(**writing), Knobs(**knobs), steps)
        return {"writing": after._asdict(), "piece": writer.spelled(writing["token"], tokens)}

    states = [tf.TensorSpec([None, size], tf.float32) for size in writer.parts.stack.state_sizes]

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32), states])
    def advance(token_ids, states):
        return writer.advance(token_ids, states)

    return {"begin": begin, "go_on": go_on, "advance": advance}


def facts(preprocessing: Preprocessing, config: Config) -> dict[str, Any]:
    """What `signatures.json` tells beside shapes."""
    return {
        "task": "generation",
        "text": "the continuation, without the prompt",
        "log_probability": "of the new tokens, in nats, before temperature and other knobs",
        "log_likelihood": "of the text after the start of a text, in nats",
        "tokenizer": config.tokenizer,
        "vocabulary_size": preprocessing.tokenizer.vocabulary_size,
        "most_prompt_tokens": MOST_PROMPT,
        "most_scored_tokens": MOST_SCORED,
        "longest_stop_bytes": LONGEST_STOP,
        "ranges": {
            "max_new_tokens": [0, MOST_TOKENS],
            "temperature": [0, None],
            "top_k": [0, preprocessing.tokenizer.vocabulary_size],
            "top_p": [0, 1],
            "repetition_penalty": [0, None],
            "no_repeat_ngram": [0, None],
        },
    }


def example_requests() -> dict[str, dict[str, np.ndarray]]:
    """One golden request per signature: plain, empty, foreign and malformed texts, with and without knobs."""
    texts = np.array([text.encode() for text in EXAMPLES] + [b"\xff\xfe"], dtype=object)
    knobs = {
        "max_new_tokens": np.array([40, 9, 30, 0, 20], "int32"),
        "temperature": np.array([0.0, 1.0, 0.7, 1.0, -1.0], "float32"),
        "top_k": np.array([0, 5, 0, 0, 0], "int32"),
        "top_p": np.array([1.0, 1.0, 0.9, 1.0, 0.5], "float32"),
        "repetition_penalty": np.array([1.0, 1.2, 1.0, 1.0, 1.0], "float32"),
        "no_repeat_ngram": np.array([0, 0, 3, 0, 0], "int32"),
        "stop": np.array([b"", b"", b"", b"", b"e"], dtype=object),
        "seed": np.array([0, 1, 2, 3, -4], "int64"),
    }
    return {
        "serving_default": {"prompt": texts},
        "generate": {"prompt": texts} | knobs,
        "score": {"text": texts},
    }
