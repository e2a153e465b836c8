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
from seqapps.text import batches, streams
from seqapps.text.batches import Encoded
from seqapps.text.kinds import PAD, START


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
        inputs, targets = _first_windows(encoded, rows, config.truncation_steps)
        del encoded  # before the file that it maps
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


def _first_windows(encoded: Encoded, rows: int, window: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Inputs and targets `(rows, time)` of the first windows of strips that are spread evenly."""
    strips = streams.cut(encoded, rows)
    chosen = batches.spread(len(strips.first), rows)
    first, stop = strips.first[chosen], np.minimum(strips.stop, strips.first + window + 1)[chosen]
    pieces = [encoded.token_ids[start:end] for start, end in zip(first, stop, strict=True)]
    read = Encoded(np.concatenate(pieces), np.cumsum([0, *map(len, pieces)])).padded(np.arange(len(pieces)))
    targets = read[:, 1:]
    inputs = np.where(targets != PAD, read[:, :-1], PAD)
    inputs[:, 0] = START
    return tf.constant(inputs), tf.constant(targets)
