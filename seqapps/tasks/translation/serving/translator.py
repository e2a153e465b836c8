"""Sources → translations inside the graph, by one trained model or by several that decide together."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from seqapps.decoding import beam
from seqapps.decoding.beam import BeamKnobs, Found
from seqapps.decoding.bounds import LONGEST_SOURCE, LONGEST_TARGET, WIDEST_BEAM
from seqapps.decoding.generation import Reserved
from seqapps.decoding.likeliest import BLOCK
from seqapps.tasks.translation.model import Remembered
from seqapps.tasks.translation.preprocessing import Preprocessing
from seqapps.tasks.translation.serving.knobs import Knobs
from seqapps.text import pieces
from seqapps.text.kinds import END, PAD, START, UNKNOWN

RESERVED = Reserved(PAD, END, never=(PAD, UNKNOWN, START))
TIMES, MORE = 2, 10  # tokens of a translation at most, where none is asked for: times those of the source, and more
CUT = "The translation was cut at max_length tokens. "


class Reading(NamedTuple):
    """What a model knows of sources before it translates them.

    Attributes:
        remembered: What its decoder looks at.
        mask: `(batch, places)`.
        states: The decoder's first ones, `(batch, …)` each.
    """

    remembered: Remembered
    mask: tf.Tensor
    states: list[tf.Tensor]

    def of(self, rows: tf.Tensor) -> "Reading":
        """What is looked at while some of the rows are translated, without the first states."""
        remembered = Remembered(*(None if each is None else tf.gather(each, rows) for each in self.remembered))
        return Reading(remembered, tf.gather(self.mask, rows), [])


class Member:
    """The layers of `build_model` by what they do.

    Args:
        model: From `build_model`.
    """

    def __init__(self, model: keras.Model) -> None:
        layers = {layer.name: layer for layer in model.layers}
        self.encoder, self.bridge, self.decoder = layers["encoder"], layers["bridge"], layers["decoder"]
        self.head, self.source_embedding = layers["head"], layers["source_embedding"]
        self.target_embedding = layers.get("target_embedding", self.source_embedding)

    def read(self, source: tf.Tensor) -> Reading:
        """`(batch, places)` ids, padded right."""
        mask = source != PAD
        memory, states = self.encoder(self.source_embedding(source), mask=mask)
        return Reading(self.decoder.remembered(memory), mask, self.bridge(states))

    def step(self, tokens: tf.Tensor, states: list[tf.Tensor], reading: Reading) -> tuple:
        """`(batch, beams)` tokens → outputs `(batch, beams, width)`, states, and attention or `None`."""
        embedded = self.target_embedding(tokens)
        return self.decoder.advance(embedded, states, reading.remembered, reading.mask)

    def forced(self, so_far: tf.Tensor, following: tf.Tensor, reading: Reading) -> tuple[tf.Tensor, tf.Tensor]:
        """What the model thinks of targets, a token at a time.

        Args:
            so_far: `(batch, time)` tokens, from `START` on.
            following: `(batch, time)`: those that come next.
            reading: Of the sources.

        Returns:
            Log-probabilities of `following` `(batch, time)`, and attention `(batch, time, places)`, without it zeros.
        """
        time, decoder = tf.shape(so_far)[1], self.decoder

        def one(number, states, told, seen):
            outputs, states, weights = self.step(so_far[:, number][:, None], states, reading)
            log_probabilities = tf.nn.log_softmax(self.head(outputs))
            weights = tf.zeros_like(reading.mask, tf.float32)[:, None] if weights is None else weights
            picked = tf.gather(log_probabilities[:, 0], following[:, number], batch_dims=1)
            return number + 1, states, told.write(number, picked), seen.write(number, weights[:, 0])

        told = tf.TensorArray(tf.float32, time, element_shape=[None])
        seen = tf.TensorArray(tf.float32, time, element_shape=[None, None])
        start = (tf.constant(0), decoder.first_states(reading.states, 1), told, seen)
        _, _, told, seen = tf.while_loop(lambda number, *_: number < time, one, start)
        return tf.transpose(told.stack()), tf.transpose(seen.stack(), [1, 0, 2])


class Translator:
    """Translates with trained models that have one preprocessing; several of them average their probabilities.

    Args:
        models: From `build_model`.
        preprocessing: Fitted with them.
    """

    def __init__(self, models: Sequence[keras.Model], preprocessing: Preprocessing) -> None:
        self.members = [Member(model) for model in models]
        self.preprocessing = preprocessing
        self.attends = any(member.decoder.attention is not None for member in self.members)

    def translate(self, source: tf.Tensor, knobs: Knobs) -> dict[str, tf.Tensor]:
        """`(batch,)` texts → what the signature `translate` answers.

        Of hypotheses with one text, which runs of tokens can share, the best one stands for all.
        """
        ids = self.preprocessing.source.encode(source)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        found = self.search(self._ended(ids), knobs, lengths)
        batch, beams = tf.shape(source)[0], tf.shape(found.score)[1]
        wanted = tf.broadcast_to(tf.clip_by_value(knobs.n_best, 1, WIDEST_BEAM), [batch])
        most = tf.minimum(tf.maximum(tf.reduce_max(wanted), 1), beams)
        read = tf.where(most > 1, beams, 1)  # the best one alone has no other one's text
        flat = tf.reshape(found.tokens[:, :read], [batch * read, tf.shape(found.tokens)[2]])
        texts = tf.reshape(self.preprocessing.target.decode(flat), [batch, read])
        exists = (found.score[:, :read] > beam.NEVER / 2) & (lengths > 0)[:, None]  # nothing is translated by nothing
        texts, score, exists = _distinct(texts, found.score[:, :read], exists)
        exists &= tf.range(read) < wanted[:, None]
        texts = tf.where(exists, texts, "")
        few = tf.reduce_sum(tf.cast(exists, tf.int32), axis=1) < tf.minimum(wanted, knobs.beam_width)
        return {
            "target": tf.reshape(texts[:, :1], [-1]),
            "targets": texts[:, :most],
            "scores": tf.where(exists, score, 0.0)[:, :most],
            "warning": self._warnings(source, ids, knobs, found.complete[:, 0], few),
        }

    def search(self, source: tf.Tensor, knobs: Knobs, lengths: tf.Tensor) -> Found:
        """`(batch, places)` ids that end in `END` → hypotheses from the best one on.

        Args:
            source: Padded right.
            knobs: What is asked for.
            lengths: `(batch,)`: tokens of the sources.
        """
        usual = TIMES * lengths + MORE
        asked = BeamKnobs(*knobs[:3], tf.where(knobs.max_length > 0, knobs.max_length, usual))
        rows = beam.for_rows(asked, tf.shape(source)[0])
        readings = [member.read(source) for member in self.members]
        beams = tf.maximum(tf.reduce_max(rows.beam_width), 1)
        firsts = [
            member.decoder.first_states(reading.states, beams)
            for member, reading in zip(self.members, readings, strict=True)
        ]
        counts = [len(each) for each in firsts]
        states = [state for each in firsts for state in each]

        def step(tokens: tf.Tensor, states: list[tf.Tensor], which: tf.Tensor) -> tuple:
            outputs, after, seen, first = [], [], [], 0
            for member, reading, count in zip(self.members, readings, counts, strict=True):
                mine = list(states[first : first + count])
                output, own, weights = member.step(tokens, mine, reading.of(which))
                outputs.append(output)
                after += own
                seen += [] if weights is None else [weights]
                first += count
            attention = _mean(seen) if seen else tf.zeros([*tf.unstack(tf.shape(tokens)), 0])
            return outputs, after, attention

        tables = [member.head.table(BLOCK) for member in self.members]  # once, not at every step

        def judge(outputs: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            logits = [tf.matmul(output, kernel) + bias for output, (kernel, bias) in zip(outputs, tables, strict=True)]
            totals = [tf.reduce_logsumexp(each, axis=1) for each in logits]
            if len(logits) == 1:
                return logits[0], totals[0]
            told = _together([each - total[:, None] for each, total in zip(logits, totals, strict=True)])
            return told, tf.zeros_like(totals[0])

        places = readings[0].mask if self.attends else readings[0].mask[:, :0]
        return beam.search(step, judge, states, places, rows, START, RESERVED)

    def score(self, source: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """`(batch,)` sources and targets → how likely each target and its end are, in nats."""
        source_ids, target_ids = self._encoded(source, target)
        following = self._ended(target_ids)
        told, _ = self._forced(source_ids, following)
        return {"log_probability": tf.reduce_sum(tf.where(following != PAD, told, 0.0), axis=1)}

    def align(self, source: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """`(batch,)` sources and targets → their tokens, and where attention looks as each one of a target is made."""
        source_ids, target_ids = self._encoded(source, target)
        _, attention = self._forced(source_ids, self._ended(target_ids))
        read, written = self._ended(source_ids), _dense(target_ids)
        tokenizers = self.preprocessing
        return {
            "source_tokens": tf.where(read != PAD, tokenizers.source.tokens(read), ""),
            "target_tokens": tf.where(written != PAD, tokenizers.target.tokens(written), ""),
            "attention": tf.where((written != PAD)[:, :, None], attention[:, : tf.shape(written)[1]], 0.0),
            "source_length": tf.cast(source_ids.row_lengths(), tf.int32) + 1,
            "target_length": tf.cast(target_ids.row_lengths(), tf.int32),
        }

    def _encoded(self, source: tf.Tensor, target: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """The first tokens of both."""
        source_ids = self.preprocessing.source.encode(source)[:, :LONGEST_SOURCE]
        return source_ids, self.preprocessing.target.encode(target)[:, :LONGEST_TARGET]

    def _forced(self, source_ids: tf.RaggedTensor, following: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As `Member.forced`, by all models together."""
        so_far = tf.concat([tf.fill([tf.shape(following)[0], 1], START), following[:, :-1]], axis=1)
        source, told, seen = self._ended(source_ids), [], []
        for member in self.members:
            picked, weights = member.forced(so_far, following, member.read(source))
            told.append(picked)
            seen += [] if member.decoder.attention is None else [weights]
        return _together(told), _mean(seen or [weights])

    @staticmethod
    def _ended(ids: tf.RaggedTensor) -> tf.Tensor:
        """The first tokens of texts and `END`, padded right, of one step at least."""
        ids = ids[:, :LONGEST_SOURCE]
        return _dense(tf.concat([ids, tf.fill([ids.nrows(), 1], END)], axis=1))

    def _warnings(
        self, source: tf.Tensor, ids: tf.RaggedTensor, knobs: Knobs, complete: tf.Tensor, few: tf.Tensor
    ) -> tf.Tensor:
        """What a caller should know about each row: `(batch,)`, empty where nothing is to say.

        Args:
            source: The texts.
            ids: Their tokens.
            knobs: What is asked for.
            complete: `(batch,)`: whether the best translation ended by itself.
            few: `(batch,)`: whether there are fewer translations than were asked for and the beam had room for.
        """
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        unknown = tf.reduce_sum(tf.cast(ids == UNKNOWN, tf.int32), axis=1)
        sentences = [
            (lengths == 0, "The source has no token, and so no translation. "),
            (lengths > LONGEST_SOURCE, f"The source is long: its first {LONGEST_SOURCE} tokens were read. "),
            ((unknown > 0) & (2 * unknown <= lengths), "Some tokens of the source are not in the vocabulary. "),
            (2 * unknown > lengths, "More than half of the tokens of the source are not in the vocabulary. "),
            (pieces.valid_utf8(source) != source, "Bytes that are not UTF-8 were replaced. "),
            (knobs.beam_width > WIDEST_BEAM, f"At most {WIDEST_BEAM} translations are followed. "),
            (_out_of_range(knobs), "Values out of range were set to the nearest ones. "),
            (
                (knobs.n_best > knobs.beam_width) & (knobs.beam_width > 0),
                "n_best is more than beam_width, and so than there are translations. ",
            ),
            (few & (lengths > 0), "Fewer different translations than n_best were found. "),
            (knobs.max_length > LONGEST_TARGET, f"At most {LONGEST_TARGET} tokens are written. "),
            (~complete & (lengths > 0), CUT),
        ]
        if not self.attends:
            sentences.append((knobs.coverage_penalty > 0, "Without attention coverage_penalty has no effect. "))
        rows = tf.shape(source)
        told = [tf.where(tf.broadcast_to(applies, rows), said, "") for applies, said in sentences]
        return tf.strings.strip(tf.strings.join(told))


def _out_of_range(knobs: Knobs) -> tf.Tensor:
    """Where a request asks for what cannot be."""
    too_low = (knobs.beam_width < 1) | (knobs.n_best < 1) | (knobs.max_length < 0)
    return too_low | ~(knobs.length_penalty >= 0) | ~(knobs.coverage_penalty >= 0)  # what is no number too


def _distinct(texts: tf.Tensor, scores: tf.Tensor, exists: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Hypotheses without those whose text a better one has, in their order and before nothing.

    Args:
        texts: `(batch, beams)`, from the best one on.
        scores: Theirs.
        exists: Whether there is one.
    """
    places = tf.range(tf.shape(texts)[1])
    better = (places[:, None] > places) & exists[:, None]  # (batch, beams, beams): the last axis before the other one
    again = tf.reduce_any((texts[:, :, None] == texts[:, None]) & better, axis=2)
    exists &= ~again
    order = tf.argsort(tf.where(exists, 0, 1), axis=1, stable=True)
    texts, scores, exists = (tf.gather(each, order, batch_dims=1) for each in (texts, scores, exists))
    return texts, scores, exists


def _together(told: list[tf.Tensor]) -> tf.Tensor:
    """Log of the mean of the probabilities of several models."""
    if len(told) == 1:
        return told[0]
    return tf.reduce_logsumexp(tf.stack(told), axis=0) - tf.math.log(float(len(told)))


def _mean(tensors: list[tf.Tensor]) -> tf.Tensor:
    return tensors[0] if len(tensors) == 1 else tf.add_n(tensors) / len(tensors)


def _dense(ids: tf.RaggedTensor) -> tf.Tensor:
    """Ids padded with 0 to the longest row, of one step at least: `(batch, time)`."""
    padded = ids.to_tensor(PAD)
    return tf.pad(padded, [[0, 0], [0, tf.maximum(0, 1 - tf.shape(padded)[1])]])
