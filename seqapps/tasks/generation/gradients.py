"""Windows of text whose last token's loss goes through a language model, to see how far back its gradient reaches."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import run_folder
from seqapps.recurrent.gradient_flow import Probe
from seqapps.tasks.generation import data as data_module
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.data import Data
from seqapps.tasks.generation.model import LanguageModel
from seqapps.tasks.generation.preprocessing import Preprocessing
from seqapps.text import streams
from seqapps.text.kinds import PAD


def gradient_batch(model: keras.Model, run: Path, data: Data, split: str, rows: int) -> Probe:
    """The first windows of strips that are spread evenly over a split, and the nats of the token after each.

    Args:
        model: Of the run, with any weights.
        run: Its folder.
        data: As for training.
        split: `"test"`, `"validation"` or `"all"`.
        rows: Windows, at most.
    """
    config = Config.from_dict(run_folder.read_options(run), str(run))
    prepared = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    config = data_module.as_measured(data, config)
    splits = data_module.load_whole(data, config) if split == "all" else data_module.load_as_trained(data, config)
    with tempfile.TemporaryDirectory() as folder:
        encoded = prepared.encode(splits.parts[split], Path(folder) / "ids")
        windows = streams.evaluation_windows(encoded, rows, config.truncation_steps)
        inputs, targets = next((inputs.numpy(), targets.numpy()) for inputs, targets, _ in windows)
    filled = (targets != PAD).any(axis=1)
    inputs, targets = tf.constant(inputs[filled]), tf.constant(targets[filled])
    real = targets != PAD  # (rows, time)
    parts = LanguageModel(model)

    def losses() -> tf.Tensor:
        features, _ = parts.run(inputs, mask=real)
        logits = parts.head(tf.identity(features))  # a copy carries no mask, which the head would warn of
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return nats * tf.cast(real, tf.float32)

    lengths = np.count_nonzero(real, axis=1)
    words = prepared.tokenizer.tokens(inputs).numpy()
    names = [[word.decode() for word in row[:length]] for row, length in zip(words, lengths, strict=True)]
    return Probe(parts.stack, losses, tuple(map(tuple, names)), config.truncation_steps)
