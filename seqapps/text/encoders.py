"""The embedding and the recurrent stack of a run on texts, with which another task can start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from seqapps import checks, run_folder
from seqapps.recurrent.stack import RecurrentStack
from seqapps.text import tokenizers

FILE = "encoder.weights.h5"
OPTIONS = ("cell", "units", "num_layers", "residual", "bidirectional", "merge_mode")
TOKENIZER_OPTIONS = ("tokenizer", "vocabulary_size", "lowercase")


@dataclass(frozen=True)
class TextEncoder:
    """What a run on texts gives to another one.

    Attributes:
        run: Its folder.
        options: Of the tokenizer and the stack, as its `config.json` has them, and `embedding_size`.
        tokenizer: Fitted.
        embedding: `(vocabulary_size, embedding_size)` token vectors.
        stack: Weights of the stack, in the order in which Keras keeps them.
    """

    run: Path
    options: dict[str, Any]
    tokenizer: tokenizers.Tokenizer
    embedding: np.ndarray
    stack: list[np.ndarray]


def write_text_encoder(path: Path, embedding: keras.layers.Embedding, stack: RecurrentStack) -> None:
    """Write the weights of two layers, whatever stands between them in their model."""
    run_folder.write_with(path, _encoder(embedding, stack).save_weights)


def read_text_encoder(run: str | Path, task: str) -> TextEncoder:
    """Read what `write_text_encoder` wrote into a finished run.

    Args:
        run: Its folder.
        task: Of which it must be.

    Raises:
        FileNotFoundError: If it is no finished run.
        ValueError: If it is a run of another task.
    """
    run = Path(run)
    stored = run_folder.read_json(run / "config.json")
    if stored.get("task") != task:
        raise ValueError(
            f"`pretrained` must be a run of the task {task!r}. "
            f"Received: {str(run)!r} of the task {stored.get('task')!r}."
        )
    if not (run / FILE).is_file():
        raise FileNotFoundError(f"`pretrained` must be a finished run. Received: {str(run)!r} has no {FILE}.")
    tokenizer = tokenizers.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"]["tokenizer"])
    widths = checks.layer_widths(_tuple(stored["units"]), stored["num_layers"])
    options = {name: stored[name] for name in (*OPTIONS, *TOKENIZER_OPTIONS)} | {"units": widths, "num_layers": None}
    embedding = keras.layers.Embedding(tokenizer.vocabulary_size, stored["embedding_size"], name="embedding")
    stack = RecurrentStack(**{name: options[name] for name in OPTIONS}, name="stack")
    _encoder(embedding, stack).load_weights(run / FILE)
    options["embedding_size"] = stored["embedding_size"]
    return TextEncoder(run, options, tokenizer, embedding.get_weights()[0], stack.get_weights())


def _encoder(embedding: keras.layers.Embedding, stack: RecurrentStack) -> keras.Model:
    """The two layers as a model, whose file has them under the same names whatever task they come from."""
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    return keras.Model(token_ids, stack(embedding(token_ids)), name="encoder")


def _tuple(units: int | list[int]) -> int | tuple[int, ...]:
    return tuple(units) if isinstance(units, list) else units
