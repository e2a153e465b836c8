"""Pairs whose losses go through a translator's encoder, to see how far back their gradients reach."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import run_folder
from seqapps.decoding.bounds import LONGEST_SOURCE
from seqapps.recurrent.gradient_flow import Probe
from seqapps.tasks.translation import data as data_module
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.data import Data
from seqapps.tasks.translation.model import SmoothedCrossEntropy
from seqapps.tasks.translation.preprocessing import Preprocessing
from seqapps.text import batches
from seqapps.text.kinds import PAD


def gradient_batch(model: keras.Model, run: Path, data: Data, split: str, rows: int) -> Probe:
    """Pairs of a split, spread evenly over it, and the nats of each target; the stack is that of the encoder.

    Args:
        model: Of the run, with any weights.
        run: Its folder.
        data: As for training.
        split: `"test"`, `"validation"` or `"all"`.
        rows: Pairs, at most.
    """
    config = Config.from_dict(run_folder.read_options(run), str(run))
    prepared = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    config = data_module.as_measured(data, config)
    splits = data_module.load_whole(data, config) if split == "all" else data_module.load_as_trained(data, config)
    with tempfile.TemporaryDirectory() as folder:
        encoded = prepared.encode(splits.parts[split], Path(folder), split, most=LONGEST_SOURCE)
        inputs, targets = encoded.batch(batches.spread(len(encoded), rows))
        del encoded  # before the files that it maps
    source, so_far = (tf.constant(each) for each in inputs)
    cross_entropy = SmoothedCrossEntropy(config.label_smoothing)

    def losses() -> tf.Tensor:
        logits = model([source, so_far], training=False)
        return tf.stack([cross_entropy(target[None], row[None]) for target, row in zip(targets, logits, strict=True)])

    words = prepared.source.tokens(source).numpy()
    lengths = np.count_nonzero(source.numpy() != PAD, axis=1)
    names = [[word.decode() for word in row[:length]] for row, length in zip(words, lengths, strict=True)]
    return Probe(model.get_layer("encoder"), losses, tuple(map(tuple, names)), reads_all=config.attention != "none")
