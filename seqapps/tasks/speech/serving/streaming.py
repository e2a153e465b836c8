"""A recording piece by piece: what a model in one direction remembers between two of them, as a row of numbers."""

from typing import NamedTuple

import keras
import tensorflow as tf

from seqapps.recurrent.stack import STATES_PER_CELL
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.model import BLANK, BlankPadding, make_stack
from seqapps.tasks.speech.preprocessing import Preprocessing
from seqapps.tasks.speech.serving import answering
from seqapps.text import pieces

LOWEST = -1e9  # below every output of a stack


class Memory(NamedTuple):
    """What a state holds, for every row.

    Attributes:
        samples: `(batch, span - 1)`: those that do not fill a step yet, from the left.
        waiting: `(batch,)`: how many of these there are.
        steps: `(batch,)`: that were heard.
        states: Of the stack, `(batch, units)` each.
        total: `(batch, width)`: the sum of outputs, for pooling.
        highest: `(batch, width)`: the maximum of outputs, for pooling.
        last: `(batch,)`: the id of the last step.
        token: `(batch,)`: the last token that was written; `BLANK` before the first one.
        log_probability: `(batch,)`: of the path.
        loudness: `(batch,)`: how far the loudest window was above silence.
    """

    samples: tf.Tensor
    waiting: tf.Tensor
    steps: tf.Tensor
    states: list[tf.Tensor]
    total: tf.Tensor
    highest: tf.Tensor
    last: tf.Tensor
    token: tf.Tensor
    log_probability: tf.Tensor
    loudness: tf.Tensor


class Stream:
    """The signature `stream`. Chunks of any length give what the whole recording gives.

    Where not even one step is filled yet, a word is that of a step whose end is zeros, as for a short recording, and is
    not remembered; of a transcript nothing is written yet.

    Args:
        model: Trained, in one direction.
        prepared: Fitted with it.
        config: Its options.
        temperature: Divides the logits of words.
    """

    def __init__(self, model: keras.Model, prepared: Preprocessing, config: Config, temperature: float) -> None:
        self.model, self.prepared, self.config, self.temperature = model, prepared, config, temperature
        self.spectra, self.stack = model.get_layer("spectra"), model.get_layer("stack")
        self.blanks = BlankPadding()
        self.sizes = sizes_of(config, prepared)
        self.state_size = sum(self.sizes)

    @staticmethod
    def size_of(config: Config, prepared: Preprocessing) -> int:
        """Numbers of a state."""
        return sum(sizes_of(config, prepared))

    def hear(self, chunk: tf.Tensor, length: tf.Tensor, state: tf.Tensor) -> dict[str, tf.Tensor]:
        """The answer after a chunk, and the state with which the next one goes on.

        Args:
            chunk: `(batch, samples)` in [-1, 1].
            length: `(batch,)` samples of every row.
            state: `(batch, state_size)` from the last call, or zeros.
        """
        memory, frames = self._unpacked(state), self.prepared.frames
        samples, counts = self._joined(memory, chunk, tf.clip_by_value(length, 0, tf.shape(chunk)[1]))
        mel, _ = self.spectra.powers(samples, counts)
        new = frames.count(counts)
        first = (memory.steps + new) == 0  # no step is filled yet
        answered = new if self.prepared.transcribes else tf.where(first, 1, new)
        windows = tf.range(tf.shape(mel)[1]) < frames.stacked * answered[:, None]
        spectra, loudness = self.spectra.scaled(mel, windows, memory.loudness)
        real = tf.range(tf.shape(spectra)[1]) < answered[:, None]
        outputs, states = self.stack(spectra, initial_state=memory.states, mask=real)
        heard = self._word if not self.prepared.transcribes else self._text
        told, advanced = heard(memory._replace(loudness=loudness), outputs, real, states)
        used = new * frames.hop
        place = tf.range(frames.span - 1)[None] + used[:, None]
        left = tf.gather(samples, tf.minimum(place, tf.shape(samples)[1] - 1), batch_dims=1)
        waiting = counts - used
        left = tf.where(tf.range(frames.span - 1)[None] < waiting[:, None], left, 0.0)
        memory, advanced = (each._replace(samples=left, waiting=waiting) for each in (memory, advanced))
        advanced = advanced._replace(steps=memory.steps + new)
        return told | {"state": tf.where(first[:, None], packed(memory), packed(advanced))}

    def _joined(self, memory: Memory, chunk: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The samples that wait and those that come, side by side: `(batch, samples)`, and how many of each row."""
        width = self.prepared.frames.span - 1
        both = tf.pad(tf.concat([memory.samples, chunk], axis=1), [[0, 0], [0, 1]])  # of no samples none can be taken
        counts = memory.waiting + length
        place = tf.range(width + tf.shape(chunk)[1] + 1)[None]
        index = tf.where(place < memory.waiting[:, None], place, place - memory.waiting[:, None] + width)
        return tf.gather(both, tf.minimum(index, tf.shape(both)[1] - 1), batch_dims=1), counts

    def _word(self, memory: Memory, outputs: tf.Tensor, real: tf.Tensor, states: list) -> tuple[dict, Memory]:
        """The word of all that was heard."""
        total, highest, pooled = memory.total, memory.highest, [outputs]
        if self.config.pooling != "last":
            count = tf.reduce_sum(tf.cast(real, tf.float32), axis=1) + tf.cast(memory.steps, tf.float32)
            total = total + tf.reduce_sum(tf.where(real[:, :, None], outputs, 0.0), axis=1)
            before = tf.where(memory.steps[:, None] > 0, highest, LOWEST)
            highest = tf.maximum(before, tf.reduce_max(tf.where(real[:, :, None], outputs, LOWEST), axis=1))
            mean = total / tf.maximum(count, 1.0)[:, None]
            pooled = {"mean": [mean], "max": [highest], "mean_max": [mean, highest]}[self.config.pooling]
        logits = self.model.get_layer("head")(tf.concat(pooled, axis=1))
        told = answering.word(logits, self.prepared, self.temperature)
        return told, memory._replace(states=states, total=total, highest=highest)

    def _text(self, memory: Memory, outputs: tf.Tensor, real: tf.Tensor, states: list) -> tuple[dict, Memory]:
        """The tokens that the chunk adds."""
        logits = self.blanks(self.model.get_layer("head")(outputs), real)
        path, log_probability = answering.likeliest_path(logits)
        new = answering.collapsed(path, memory.last)  # (batch, steps)
        text, token = self._spelled(new, memory.token)
        steps = tf.reduce_sum(tf.cast(real, tf.int32), axis=1)
        last = tf.gather(path, tf.maximum(steps - 1, 0), batch_dims=1)
        told = {"text": text, "log_probability": memory.log_probability + log_probability}
        advanced = memory._replace(
            states=states,
            last=tf.where(steps > 0, last, memory.last),
            token=token,
            log_probability=told["log_probability"],
        )
        return told, advanced

    def _spelled(self, new: tf.Tensor, token: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What tokens add to a text whose last token is known `(batch,)`, and the last one now."""
        tokenizer = self.prepared.tokenizer
        assert tokenizer is not None
        rows = tf.concat([token[:, None], new], axis=1)
        ragged = tf.ragged.boolean_mask(rows, (rows != BLANK) | (tf.range(tf.shape(rows)[1]) == 0)[None])
        ids, row = ragged.flat_values, tf.cast(ragged.value_rowids(), tf.int32)
        starts = row != tf.concat([[-1], row[:-1]], axis=0)  # what was written before
        before = tf.where(starts, BLANK, tf.concat([[BLANK], ids[:-1]], axis=0))
        kept = tf.where(~starts)[:, 0]
        spelled = tokenizer.spell(tf.gather(before, kept), tf.gather(ids, kept))
        text = tf.strings.unsorted_segment_join(spelled, tf.gather(row, kept), tf.shape(new)[0])
        return pieces.valid_utf8(text), ragged[:, -1:].flat_values

    def _unpacked(self, state: tf.Tensor) -> Memory:
        parts = tf.split(state, self.sizes, axis=1)
        samples, waiting, steps, *states, total, highest, last, token, log_probability, loudness = parts
        return Memory(
            samples=samples,
            waiting=tf.clip_by_value(_whole(waiting), 0, self.prepared.frames.span - 1),
            steps=_whole(steps),
            states=states,
            total=total,
            highest=highest,
            last=tf.clip_by_value(_whole(last), 0, self.prepared.outputs - 1),
            token=tf.clip_by_value(_whole(token), 0, self.prepared.outputs - 1),
            log_probability=log_probability[:, 0],
            loudness=tf.maximum(loudness[:, 0], 0.0),
        )


def packed(memory: Memory) -> tf.Tensor:
    """One row of numbers per row, the parts in their order: `(batch, state_size)`."""
    parts = [part for each in memory for part in (each if isinstance(each, list) else [each])]
    columns = [tf.cast(part, tf.float32) for part in parts]
    return tf.concat([part if part.shape.rank == 2 else part[:, None] for part in columns], axis=1)


def _whole(numbers: tf.Tensor) -> tf.Tensor:
    """`(batch, 1)` → `(batch,)` int32."""
    return tf.cast(tf.round(numbers[:, 0]), tf.int32)


def sizes_of(config: Config, prepared: Preprocessing) -> list[int]:
    """Numbers of every part of a state, in their order."""
    widths = [width for width in config.widths for _ in range(STATES_PER_CELL[config.cell])]
    pooled = 0 if prepared.transcribes or config.pooling == "last" else make_stack(config).output_size
    return [prepared.frames.span - 1, 1, 1, *widths, pooled, pooled, 1, 1, 1, 1]
