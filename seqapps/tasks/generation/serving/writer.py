"""A trained language model at work inside the graph: writing on from prompts, scoring texts, reading on."""

from typing import Any

import keras
import tensorflow as tf

from seqapps.decoding import choosing, generation
from seqapps.decoding.choosing import Knobs
from seqapps.decoding.generation import LONGEST_STOP, MOST_TOKENS, Reserved, Writing
from seqapps.tasks.generation.model import LanguageModel
from seqapps.tasks.generation.preprocessing import Preprocessing
from seqapps.text import pieces
from seqapps.text.kinds import END, PAD, START, UNKNOWN

MOST_PROMPT = 4096  # tokens of a prompt that are read: its last ones
MOST_SCORED = 65_536  # tokens of a text that are scored: its first ones
SCORED_AT_ONCE = 64
RESERVED = Reserved(PAD, END, never=(PAD, UNKNOWN, START))


class Writer:
    """Writes on from prompts with a trained model, inside the graph.

    Args:
        model: From `build_model`.
        preprocessing: Fitted with the model.
    """

    def __init__(self, model: keras.Model, preprocessing: Preprocessing) -> None:
        self.parts = LanguageModel(model)
        self.tokenizer = preprocessing.tokenizer

    def write(self, prompt: tf.Tensor, knobs: Knobs) -> dict[str, tf.Tensor]:
        """`(batch,)` prompts → what the signature `generate` answers."""
        asked = knobs
        writing, knobs, token_ids = self.begin(prompt, asked)
        before = writing.token
        writing, tokens = self.go_on(writing, knobs, tf.constant(MOST_TOKENS))
        text = self.spelled(before, tokens)
        length = tf.strings.length(text)
        cut = tf.where(knobs.stop != "", tf.minimum(writing.written, length), length)
        return {
            "text": pieces.valid_utf8(tf.strings.substr(text, tf.zeros_like(cut), cut)),
            "tokens": writing.tokens,
            "log_probability": writing.log_probability,
            "finish_reason": tf.where(writing.stopped, "stop", "length"),
            "warning": warnings(prompt, token_ids, asked),
        }

    def begin(self, prompt: tf.Tensor, knobs: Knobs) -> tuple[Writing, Knobs, tf.RaggedTensor]:
        """Read prompts: what follows them, the knobs of every row, and the prompts' tokens."""
        token_ids = self.tokenizer.encode(prompt)
        batch = tf.shape(prompt)[0]
        knobs = choosing.for_rows(knobs, batch, MOST_TOKENS, LONGEST_STOP)
        kept = token_ids[:, -MOST_PROMPT:]
        read = tf.concat([tf.fill([batch, 1], START), kept], axis=1)
        dense = read.to_tensor(PAD)
        dense = tf.pad(dense, [[0, 0], [0, tf.maximum(0, 1 - tf.shape(dense)[1])]])  # of no row too one step is read
        mask = tf.sequence_mask(read.row_lengths(), tf.shape(dense)[1])
        features, states = self.parts.run(dense, mask=mask)
        logits = self.parts.head(features[:, -1])  # where a row has ended its last output stands again
        return generation.begin(kept, logits, states, knobs, PAD), knobs, token_ids

    def go_on(self, writing: Writing, knobs: Knobs, steps: tf.Tensor) -> tuple[Writing, tf.Tensor]:
        """As `decoding.generation.go_on`."""
        return generation.go_on(writing, knobs, steps, self.parts.step, self.tokenizer.spell, RESERVED)

    def spelled(self, before: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        """`(batch, time)` new tokens as bytes, `(batch,)`; `before` are the tokens that they follow."""
        previous = tf.concat([before[:, None], tokens[:, :-1]], axis=1)
        place = tf.where(tokens != PAD)
        added = self.tokenizer.spell(tf.gather_nd(previous, place), tf.gather_nd(tokens, place))
        return tf.strings.unsorted_segment_join(added, place[:, 0], tf.shape(tokens)[0])

    def score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """`(batch,)` texts → what the signature `score` answers."""
        token_ids = self.tokenizer.encode(text)
        whole = token_ids.row_lengths() <= MOST_SCORED
        token_ids = token_ids[:, :MOST_SCORED]
        lengths = tf.cast(token_ids.row_lengths(), tf.int32)
        batch = tf.shape(text)[0]
        read = tf.concat([tf.fill([batch, 1], START), token_ids], axis=1).to_tensor(PAD)  # (batch, time + 1)
        read = tf.pad(read, [[0, 0], [0, SCORED_AT_ONCE]])

        def chunk(start: tf.Tensor, states: list, total: tf.Tensor) -> tuple[tf.Tensor, list, tf.Tensor]:
            told = self.advance(read[:, start : start + SCORED_AT_ONCE + 1], states)
            inside = start + tf.range(SCORED_AT_ONCE) < lengths[:, None]
            total += tf.reduce_sum(tf.where(inside, told["log_probability"], 0.0), axis=1)
            return start + SCORED_AT_ONCE, told["states"], total

        start = (tf.constant(0), self.parts.stack.initial_state(batch), tf.zeros([batch]))
        longest = tf.reduce_max(lengths)
        shapes = (tf.TensorShape([]), [tf.TensorShape([None, size]) for size in self.parts.stack.state_sizes])
        likelihood = tf.while_loop(
            lambda position, *_: position < longest, chunk, start, shape_invariants=(*shapes, tf.TensorShape([None]))
        )[2]
        scored = tf.where(whole, pieces.valid_utf8(text), self.tokenizer.decode(token_ids))
        return {
            "log_likelihood": likelihood,
            "tokens": lengths,
            "characters": tf.strings.length(scored, unit="UTF8_CHAR"),
            "bytes": tf.where(whole, tf.strings.length(text), tf.strings.length(scored)),
        }

    def advance(self, token_ids: tf.Tensor, states: list[tf.Tensor]) -> dict[str, Any]:
        """Read ids and tell what the network thought of every next one.

        Args:
            token_ids: `(batch, time + 1)`.
            states: Before them.

        Returns:
            `log_probability (batch, time)` of all but the first id, in nats; `likeliest (batch, time)`; `features
            (batch, time, size)` from which they come; and `states` before the last id.
        """
        features, states = self.parts.run(token_ids[:, :-1], states)
        logits = self.parts.head(features)
        return {
            "log_probability": -tf.nn.sparse_softmax_cross_entropy_with_logits(token_ids[:, 1:], logits),
            "likeliest": tf.argmax(logits, axis=-1, output_type=tf.int32),
            "features": features,
            "states": states,
        }


def warnings(prompt: tf.Tensor, token_ids: tf.RaggedTensor, knobs: Knobs) -> tf.Tensor:
    """What a caller should know about each row: `(batch,)`, empty where nothing is to say."""
    lengths = tf.cast(token_ids.row_lengths(), tf.int32)
    unknown = tf.reduce_sum(tf.cast(token_ids == UNKNOWN, tf.int32), axis=1)
    sentences = [
        (lengths > MOST_PROMPT, f"The prompt is long: its last {MOST_PROMPT} tokens were read. "),
        (unknown > 0, "Some tokens of the prompt are not in the vocabulary. "),
        (pieces.valid_utf8(prompt) != prompt, "Bytes that are not UTF-8 were replaced. "),
        (knobs.max_new_tokens > MOST_TOKENS, f"At most {MOST_TOKENS} tokens are written. "),
        (tf.strings.length(knobs.stop) > LONGEST_STOP, f"Of stop the first {LONGEST_STOP} bytes count. "),
    ]
    rows = tf.shape(prompt)
    told = [tf.where(tf.broadcast_to(applies, rows), said, "") for applies, said in sentences]
    return tf.strings.strip(tf.strings.join(told))
