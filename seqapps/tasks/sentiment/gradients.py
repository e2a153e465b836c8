"""Texts whose losses go through a classifier, to see how far back their gradients reach."""

from itertools import compress
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import run_folder
from seqapps.recurrent.gradient_flow import Probe
from seqapps.tasks.sentiment import linear
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.data import Data
from seqapps.tasks.sentiment.explain import token_names
from seqapps.tasks.sentiment.pipeline import measured_splits
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import batches


def gradient_batch(model: keras.Model, run: Path, data: Data, split: str, rows: int) -> Probe:
    """Texts of a split, spread evenly over it, and the cross-entropy of each.

    Args:
        model: Of the run, with any weights.
        run: Its folder.
        data: As for training.
        split: `"test"`, `"validation"` or `"all"`.
        rows: Texts, at most.
    """
    config = Config.from_dict(run_folder.read_options(run), str(run))
    config.check_has_lags()
    preprocessing = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    splits = measured_splits(data, config, preprocessing.classes, split)
    chosen = np.zeros(splits.count(split), bool)
    chosen[batches.spread(len(chosen), rows)] = True
    texts = list(compress(splits.texts(split), chosen))
    ragged = preprocessing.encode(tf.constant(texts))
    token_ids = ragged.to_tensor()
    token_ids = tf.pad(token_ids, [[0, 0], [0, max(0, 1 - token_ids.shape[1])]])  # a stack reads one step at least
    skip = linear.stored(run)
    inputs = token_ids if skip is None else [token_ids, skip.logits(ragged)]
    targets = tf.constant(splits.targets(split)[chosen])

    def losses() -> tf.Tensor:
        logits = model(inputs, training=False)
        if preprocessing.multi_label:
            return tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)

    names = [token_names(preprocessing, text, row[None]) for text, row in zip(texts, ragged, strict=True)]
    return Probe(model.get_layer("stack"), losses, tuple(map(tuple, names)), reads_all=config.pooling != "last")
