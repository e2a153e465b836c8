"""Batches of waveforms of about equal length, changed while training, in an order that a resumed run repeats."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from seqapps.audio.augmentation import Augmentation
from seqapps.audio.sounds import Sounds
from seqapps.text import batches


@dataclass(frozen=True)
class Examples:
    """Recordings with what a model should answer.

    Attributes:
        sounds: The waveforms.
        rows: `(recordings,)`: which of them there are.
        answers: `(sounds,)` classes, or `(sounds, tokens)` ids padded right with 0.
        most_samples: That a changed recording may have.
        fewest_samples: `(sounds,)`: with which there is a step for every token and blank; `None` for classes.
    """

    sounds: Sounds
    rows: np.ndarray
    answers: np.ndarray
    most_samples: int
    fewest_samples: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, chosen: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """What a model takes of some recordings, and what it should answer."""
        rows = self.rows[chosen]
        return self.sounds.padded(rows), self._answers(rows)

    def changed(
        self, chosen: np.ndarray, augmentation: Augmentation, generator: np.random.Generator
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """As `batch`, every recording changed at random."""
        rows = self.rows[chosen]
        changed = [self._changed(row, augmentation, generator) for row in rows.tolist()]
        lengths = np.array([len(each) for each in changed], "int32")
        waveforms = np.zeros((len(rows), lengths.max()), "float32")
        for position, (each, length) in enumerate(zip(changed, lengths, strict=True)):
            waveforms[position, :length] = each
        return (waveforms, lengths), self._answers(rows)

    def _changed(self, row: int, augmentation: Augmentation, generator: np.random.Generator) -> np.ndarray:
        """One recording, changed; as it is, if a change cut off what a transcript tells or left it too few steps."""
        heard = self.sounds.samples[self.sounds.starts[row] : self.sounds.starts[row + 1]]
        changed = augmentation.change(heard, generator)
        if self.fewest_samples is not None and not self.fewest_samples[row] <= len(changed) <= self.most_samples:
            return heard
        return changed[: self.most_samples]

    def _answers(self, rows: np.ndarray) -> np.ndarray:
        answers = self.answers[rows]
        if answers.ndim == 1:
            return answers
        return answers[:, : max(int((answers != 0).sum(axis=1).max()), 1)]


def training_batches(
    examples: Examples, augmentation: Augmentation | None, batch_size: int, seed: int, first_epoch: int
) -> tf.data.Dataset:
    """Epoch after epoch without end, from `first_epoch` on: waveforms and lengths, and answers."""

    def drawn() -> Iterator[tuple]:
        epoch = first_epoch
        lengths = examples.sounds.lengths[examples.rows]
        while True:
            for number, chosen in enumerate(batches.bucketed(lengths, batch_size, seed, epoch)):
                if augmentation is None:
                    yield examples.batch(chosen)
                else:
                    yield examples.changed(chosen, augmentation, np.random.default_rng([seed, epoch, number]))
            epoch += 1

    return _dataset(drawn, tf.data.INFINITE_CARDINALITY, examples)


def evaluation_batches(examples: Examples, batch_size: int) -> tf.data.Dataset:
    """All recordings once, the shortest first."""
    order = np.argsort(examples.sounds.lengths[examples.rows], kind="stable")
    cut = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return _dataset(lambda: map(examples.batch, cut), len(cut), examples)


def _dataset(generate, count: int, examples: Examples) -> tf.data.Dataset:
    answers = tf.TensorSpec([None] * examples.answers.ndim, tf.int32)
    inputs = (tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None], tf.int32))
    dataset = tf.data.Dataset.from_generator(generate, output_signature=(inputs, answers))
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
