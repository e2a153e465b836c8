"""Recordings whose losses go through a listener, to see how far back their gradients reach."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import run_folder
from seqapps.audio import sounds as audio_sounds
from seqapps.recurrent.gradient_flow import Probe
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.data import Data
from seqapps.tasks.speech.model import path_losses
from seqapps.tasks.speech.pipeline import fitting, measured_splits
from seqapps.tasks.speech.preprocessing import Preprocessing
from seqapps.text import batches


def gradient_batch(model: keras.Model, run: Path, data: Data, split: str, rows: int) -> Probe:
    """Recordings of a split, spread evenly over it, and the loss of each: cross-entropy, or that of all paths.

    Recordings whose transcript cannot be learned from are left out, and it is printed how many and why.

    Args:
        model: Of the run, with any weights.
        run: Its folder.
        data: As for training.
        split: `"test"`, `"validation"` or `"all"`.
        rows: Recordings, at most.

    Raises:
        ValueError: If no recording of the split can be learned from.
    """
    config = Config.from_dict(run_folder.read_options(run), str(run))
    prepared = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    part = measured_splits(data, config, prepared.classes, split).parts[split]
    if not prepared.transcribes:  # every word can be learned from, so no other recording is read
        chosen = np.zeros(len(part), bool)
        chosen[batches.spread(len(part), rows)] = True
        part = part.kept(chosen.tolist())
    with tempfile.TemporaryDirectory(prefix="seqapps-") as cache:
        paths = [recording.path for recording in part.recordings]
        heard = audio_sounds.write(paths, prepared.frames.sample_rate, prepared.max_seconds, Path(cache) / "sounds")
        learned, told = fitting.examples(heard, part, prepared, "Not measured")
        if not len(learned):
            raise ValueError(f"No recording of the split {split!r} can be learned from. {' '.join(told)}")
        print("".join(f"{sentence}\n" for sentence in told), end="")
        inputs, answers = learned.batch(batches.spread(len(learned), rows))

    def losses() -> tf.Tensor:
        logits = model(list(inputs), training=False)
        if prepared.transcribes:
            return path_losses(tf.constant(answers), logits)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.constant(answers), logits)

    steps = np.maximum(prepared.frames.count(inputs[1]), 1)
    seconds = prepared.frames.hop / prepared.frames.sample_rate
    names = tuple(tuple(f"{step * seconds:.2f} s" for step in range(count)) for count in steps.tolist())
    stack = model.get_layer("stack")
    return Probe(stack, losses, names, reads_all=stack.return_sequences)
