"""The translator: source → embedding → `RecurrentStack` → memory and states → decoder with attention → softmax."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from seqapps.recurrent.attention import Attention
from seqapps.recurrent.stack import STATES_PER_CELL, RecurrentStack
from seqapps.tasks.translation.config import Config
from seqapps.text.kinds import PAD, UNKNOWN
from seqapps.text.softmax import NEVER_NEXT, Softmax, TiedSoftmax

Tensors = list[tf.Tensor]


def build_model(config: Config, source_size: int, target_size: int) -> keras.Model:
    """Source ids and the target's ids so far → logits of the target's next ones.

    Args:
        config: The options.
        source_size: Ids of sources; with a shared vocabulary also those of targets.
        target_size: Ids of targets.

    Returns:
        A model from `[(batch, places), (batch, time)]` int32, padded right with 0, to `(batch, time, target_size)`. The
        target begins with `START`. No logit depends on a later id of the target.

    Example:

    >>> model = build_model(Config(units=(7, 5), embedding_size=3), source_size=11, target_size=13)
    >>> model.output_shape
    (None, None, 13)
    """
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    mask = ops.not_equal(source, PAD)  # (batch, places)
    encoder = RecurrentStack(**config.recurrent_options, return_sequences=True, return_state=True, name="encoder")
    own = _embedding(source_size, config, "source_embedding")
    theirs = own if config.shared_vocabulary else _embedding(target_size, config, "target_embedding")
    memory, states = encoder(_dropped(own(source), config.embedding_dropout, "source_dropout"), mask=mask)
    states = Bridge(config.cell, config.widths, config.bidirectional, name="bridge")(states)
    width = config.token_width if config.tie_embeddings else config.widths[-1]
    decoder = Decoder(config.decoder_options, config.attention, config.input_feeding, width, name="decoder")
    embedded = _dropped(theirs(target), config.embedding_dropout, "target_dropout")
    outputs = _dropped(decoder(embedded, memory, states, mask), config.dropout, "dropout")  # (batch, time, width)
    head = TiedSoftmax(theirs, name="head") if config.tie_embeddings else Softmax(target_size, name="head")
    return keras.Model([source, target], head(outputs), name="translator")


def _embedding(size: int, config: Config, name: str) -> keras.layers.Embedding:
    """Token vectors of length 1, about, so that as weights of a softmax they begin with logits of the outputs' size."""
    start = keras.initializers.VarianceScaling(mode="fan_out", distribution="untruncated_normal")
    return keras.layers.Embedding(size, config.token_width, embeddings_initializer=start, name=name)


def _dropped(inputs: Any, share: float, name: str) -> Any:
    return keras.layers.SpatialDropout1D(share, name=name)(inputs)


@keras.saving.register_keras_serializable("seqapps")
class Bridge(keras.layers.Layer):
    """The final states of an encoder → the first ones of a decoder with the same layers and one direction.

    Every state of every layer is a projection of that of the encoder's directions, through a tanh where it is an `h`,
    which lies between -1 and 1 (as in Bahdanau et al. 2015, appendix A.2.2).

    Args:
        cell: Of both.
        units: Width of every layer of both.
        bidirectional: Whether the encoder is.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, cell: str, units: tuple[int, ...], bidirectional: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell, self.units, self.bidirectional = cell, tuple(units), bidirectional
        kinds = [(width, kind) for width in self.units for kind in range(STATES_PER_CELL[cell])]
        self.projections = [
            keras.layers.Dense(width, activation=None if kind else "tanh", name=f"projection_{number}")
            for number, (width, kind) in enumerate(kinds)
        ]

    def build(self, states_shape) -> None:
        for projection in self.projections:
            projection.build((None, projection.units * (1 + self.bidirectional)))

    def call(self, states):
        kinds, directions = STATES_PER_CELL[self.cell], 1 + self.bidirectional
        started = []
        for number, projection in enumerate(self.projections):
            layer, kind = divmod(number, kinds)
            first = layer * kinds * directions + kind
            started.append(projection(ops.concatenate(states[first : first + kinds * directions : kinds], axis=-1)))
        return started

    def get_config(self) -> dict[str, Any]:
        own = {"cell": self.cell, "units": self.units, "bidirectional": self.bidirectional}
        return super().get_config() | own


class Remembered(NamedTuple):
    """What a decoder needs of a memory, once for all steps; `None` each without attention.

    Attributes:
        keys: `(batch, places, units)`: what its attention compares queries with.
        values: `(batch, places, width)`: what every place adds to the outputs, before their tanh.
    """

    keys: Any = None
    values: Any = None


@keras.saving.register_keras_serializable("seqapps")
class Decoder(keras.layers.Layer):
    """Token vectors of a target → what a softmax takes, over a whole target or a step at a time.

    At every step a recurrent stack reads the vector; attention then looks with the stack's output for what fits in the
    memory, and both together give `tanh(W [output; context])` (Luong et al. 2015, equation 5). The context is a
    weighted mean of the memory's places: each is multiplied by its part of `W` once, and every step averages products.
    With `input_feeding` the stack also reads what came out at the step before. Without attention the stack's output is
    all there is.

    Args:
        stack: Options of the `RecurrentStack`.
        attention: `"none"`, `"additive"` or `"multiplicative"`.
        input_feeding: As above.
        width: Of the outputs.
        **kwargs: As for every Keras layer.

    Call arguments:
        embedded: `(batch, time, features)`.
        memory: `(batch, places, width)`.
        states: Flat list of the stack's states.
        mask: `(batch, places)` booleans.
        training: Whether dropout between layers is active.

    Returns:
        `(batch, time, width)`.
    """

    def __init__(self, stack: dict[str, Any], attention: str, input_feeding: bool, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options, self.score, self.input_feeding, self.width = dict(stack), attention, input_feeding, width
        self.stack = RecurrentStack(**stack, return_sequences=True, return_state=True, name="stack")
        self.attention = None if attention == "none" else Attention(self.stack.output_size, attention, name="attention")
        plain = self.attention is None and width == self.stack.output_size
        self.combine: Any = (
            None if plain else keras.layers.Dense(width, use_bias=False, activation="tanh", name="combine")
        )

    def build(self, embedded_shape, memory_shape, states_shape=None, mask_shape=None) -> None:
        features, size = embedded_shape[-1], self.stack.output_size
        self.stack.build((None, None, features + (self.width if self.input_feeding else 0)))
        if self.attention is not None:
            self.attention.build((None, None, size), memory_shape)
        if self.combine is not None:
            self.combine.build((None, None, size + (0 if self.attention is None else memory_shape[-1])))

    def call(self, embedded, memory, states, mask=None, training=None):
        if self.input_feeding:
            return self._fed(embedded, memory, states, mask, training)
        outputs, _ = self.stack(embedded, initial_state=states, training=training)
        return self.attended(outputs, self.remembered(memory), mask)[0]

    def remembered(self, memory) -> Remembered:
        """`(batch, places, width)`, as the encoder returns it."""
        if self.attention is None:
            return Remembered()
        kernel = self.combine.kernel[self.stack.output_size :]
        return Remembered(self.attention.keys(memory), ops.matmul(memory, kernel))

    def attended(self, outputs, remembered: Remembered, mask):
        """Outputs of the stack `(batch, time, units)` → those of the decoder, and the weights of attention if any."""
        if self.attention is None:
            return (outputs if self.combine is None else self.combine(outputs)), None
        context, weights = self.attention(outputs, remembered.values, remembered.keys, mask)
        own = ops.matmul(outputs, self.combine.kernel[: self.stack.output_size])
        return self.combine.activation(own + context), weights

    def first_states(self, states: Tensors, beams: Any) -> Tensors:
        """The states of `advance` before the first step: `(batch, beams, …)` each, of `(batch, …)`."""
        if self.input_feeding:
            states = [*states, tf.zeros([tf.shape(states[0])[0], self.width])]
        return [tf.repeat(state[:, None], beams, axis=1) for state in states]

    def advance(
        self, embedded: tf.Tensor, states: Tensors, remembered: Remembered, mask: tf.Tensor, factors: Any = None
    ) -> tuple[tf.Tensor, Tensors, tf.Tensor | None]:
        """One step of several targets per row, which look at one memory.

        Args:
            embedded: `(batch, beams, features)`.
            states: From `first_states` or from the step before.
            remembered: Of the memory.
            mask: `(batch, places)`: its real places.
            factors: As `dropout_factors` of `RecurrentStack.step`.

        Returns:
            Outputs `(batch, beams, width)`, states, and the weights of attention `(batch, beams, places)` or `None`.
        """
        beams = embedded.shape[1] or tf.shape(embedded)[1]
        states, fed = (states[:-1], states[-1:]) if self.input_feeding else (states, [])
        inputs = tf.concat([embedded, *fed], axis=-1)
        flat = [tf.reshape(each, [-1, each.shape[-1]]) for each in (inputs, *states)]
        output, states = self.stack.step(flat[0], flat[1:], dropout_factors=factors)
        outputs = tf.reshape(output, [-1, beams, self.stack.output_size])
        outputs, weights = self.attended(outputs, remembered, mask)
        states = [tf.reshape(state, [-1, beams, state.shape[-1]]) for state in states]
        return outputs, [*states, outputs] if self.input_feeding else states, weights

    def _fed(self, embedded, memory, states, mask, training):
        """`call` with input feeding: step by step."""
        remembered, time = self.remembered(memory), tf.shape(embedded)[1]
        factors = None
        if training and self.stack.dropout_layers:
            ones = tf.ones([tf.shape(embedded)[0], 1, 1])
            factors = [
                layer(tf.repeat(ones, size, axis=2), training=True)[:, 0]
                for layer, size in zip(self.stack.dropout_layers, self.stack.units, strict=False)
            ]
        steps = tf.TensorArray(tf.float32, time, element_shape=[None, embedded.shape[-1]])
        steps = steps.unstack(tf.transpose(embedded, [1, 0, 2]))

        def step(number, states, made):
            output, states, _ = self.advance(steps.read(number)[:, None], states, remembered, mask, factors)
            return number + 1, states, made.write(number, output[:, 0])

        made = tf.TensorArray(tf.float32, time, element_shape=[None, self.width])
        start = (tf.constant(0), self.first_states(states, 1), made)
        made = tf.while_loop(lambda number, *_: number < time, step, start)[2]
        return tf.transpose(made.stack(), [1, 0, 2])

    def compute_output_shape(self, embedded_shape, *_, **__):
        return (*embedded_shape[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        own = {"attention": self.score, "input_feeding": self.input_feeding, "width": self.width}
        return super().get_config() | {"stack": self.options, **own}


@keras.saving.register_keras_serializable("seqapps")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Nats per real token, of targets that are mixed with a uniform distribution (Szegedy et al. 2016).

    Args:
        smoothing: Share of the uniform distribution, over all tokens that can come next.
        **kwargs: As for every Keras loss.
    """

    def __init__(self, smoothing: float = 0.0, name: str = "cross_entropy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        real = ops.cast(ops.not_equal(y_true, PAD), y_pred.dtype)  # (batch, time)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y_true, tf.int32), y_pred)
        if self.smoothing:
            possible = y_pred.shape[-1] - len(NEVER_NEXT)
            total = ops.sum(y_pred[..., max(NEVER_NEXT) + 1 :], axis=-1) + y_pred[..., UNKNOWN]
            uniform = ops.logsumexp(y_pred, axis=-1) - total / possible
            losses = (1 - self.smoothing) * losses + self.smoothing * uniform
        return ops.sum(losses * real) / ops.maximum(ops.sum(real), 1.0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"smoothing": self.smoothing}
