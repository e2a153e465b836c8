"""The language model: token ids → embedding → `RecurrentStack` → softmax, and its training with carried states."""

import keras
import tensorflow as tf

from seqapps.recurrent.stack import RecurrentStack
from seqapps.tasks.generation.config import LARGE_VOCABULARY, Config
from seqapps.text.kinds import END, PAD, SPECIAL_TOKENS, UNKNOWN
from seqapps.text.softmax import NEVER_NEXT, Softmax, TiedSoftmax


def build_model(config: Config, vocabulary_size: int) -> keras.Model:
    """Token ids → logits of the next token after each.

    Args:
        config: The options.
        vocabulary_size: Ids that there are.

    Returns:
        A model from `(batch, time)` int32 to `(batch, time, vocabulary_size)`. No logit depends on a later id.

    Example:

    >>> model = build_model(Config(units=(7, 5), embedding_size=3), vocabulary_size=11)
    >>> model.output_shape
    (None, None, 11)
    """
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    embedding = keras.layers.Embedding(
        vocabulary_size, config.token_width, embeddings_initializer="uniform", name="embedding"
    )
    embedded = embedding(token_ids)  # (batch, time, size)
    embedded = keras.layers.SpatialDropout1D(config.embedding_dropout, name="embedding_dropout")(embedded)
    outputs, _ = make_stack(config)(embedded)  # (batch, time, units)
    outputs = keras.layers.SpatialDropout1D(config.dropout, name="dropout")(outputs)
    if config.tie_embeddings and config.token_width != config.widths[-1]:
        outputs = keras.layers.Dense(config.token_width, use_bias=False, name="projection")(outputs)
    if config.tie_embeddings:
        logits = TiedSoftmax(embedding, name="head")(outputs)
    else:
        logits = Softmax(vocabulary_size, name="head")(outputs)
    return keras.Model(token_ids, logits, name="language_model")


def make_stack(config: Config) -> RecurrentStack:
    """The recurrent stack that a config describes."""
    return RecurrentStack(**config.recurrent_options, return_sequences=True, return_state=True, name="stack")


class LanguageModel:
    """The layers of `build_model` by what they do, for training and serving with states of one's own.

    Args:
        model: From `build_model`.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        layers = {layer.name: layer for layer in model.layers}
        self.embedding, self.stack, self.head = layers["embedding"], layers["stack"], layers["head"]
        self._embedding_dropout, self._dropout = layers["embedding_dropout"], layers["dropout"]
        self._projection = layers.get("projection")

    def run(self, token_ids, states=None, mask=None, training=False):
        """`(batch, time)` ids → what the softmax takes, `(batch, time, features)`, and the states after them."""
        embedded = self._embedding_dropout(self.embedding(token_ids), training=training)
        outputs, states = self.stack(embedded, initial_state=states, mask=mask, training=training)
        return self.features(self._dropout(outputs, training=training)), states

    def step(self, token_ids, states):
        """`(batch,)` ids → logits of the next ones `(batch, vocabulary)`, and the states."""
        output, states = self.stack.step(self.embedding(token_ids), states)
        return self.head(self.features(output)), states

    def features(self, outputs):
        """Outputs of the stack as the softmax takes them."""
        return outputs if self._projection is None else self._projection(outputs)


class CarriedTraining(keras.Model):
    """Trains a language model window by window; the states at the end of one are those at the start of the next.

    The states are variables of this model alone, so that `model.keras` has none. Gradients stop at the window's start.

    Args:
        model: From `build_model`.
        config: The options.
    """

    def __init__(self, model: keras.Model, config: Config) -> None:
        super().__init__()
        self.language_model = model
        self.parts = LanguageModel(model)
        large = self._vocabulary > LARGE_VOCABULARY and config.tokenizer != "byte_pair"
        sampled = config.softmax == "sampled" or (config.softmax == "auto" and large)
        self.sampled_tokens = min(config.sampled_tokens, self._vocabulary) if sampled else None
        shape = (config.batch_size,)
        self.carried = [tf.Variable(tf.zeros((*shape, width)), trainable=False) for width in self._widths]
        self._evaluated = [tf.Variable(tf.zeros((*shape, width)), trainable=False) for width in self._widths]
        self._mean = keras.metrics.Mean("loss")
        self.sampler = keras.random.SeedGenerator(config.seed)
        self.built = True

    @property
    def _vocabulary(self) -> int:
        return self.parts.head.vocabulary_size

    @property
    def _widths(self) -> list[int]:
        return self.parts.stack.state_sizes

    @property
    def metrics(self) -> list:
        """What an epoch reports: nats per token."""
        return [self._mean]

    def train_step(self, data):
        """One window: loss, gradient, and the states for the next."""
        inputs, targets, carried = data
        real = tf.cast(targets != PAD, tf.float32)  # (lanes, time)
        with tf.GradientTape() as tape:
            states = [state * carried[:, None] for state in self.carried]
            features, states = self.parts.run(inputs, states, training=True)
            losses = self._sampled(features, targets) if self.sampled_tokens else self._exact(features, targets)
            loss = tf.reduce_sum(losses * real) / tf.maximum(tf.reduce_sum(real), 1.0)
        gradients = tape.gradient(loss, [variable.value for variable in self.trainable_variables])
        self.optimizer.apply(gradients, self.trainable_variables)
        for variable, state in zip(self.carried, states, strict=True):
            variable.assign(state)
        self._mean.update_state(losses, sample_weight=real)
        return {"loss": self._mean.result()}

    def test_step(self, data):
        """One window of the validation part, with states of its own; the softmax is exact."""
        inputs, targets, carried = data
        states = [state * carried[:, None] for state in self._evaluated]
        features, states = self.parts.run(inputs, states)
        for variable, state in zip(self._evaluated, states, strict=True):
            variable.assign(state)
        self._mean.update_state(self._exact(features, targets), sample_weight=tf.cast(targets != PAD, tf.float32))
        return {"loss": self._mean.result()}

    def _exact(self, features, targets):
        """Nats of every target: `(lanes, time)`."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, self.parts.head(features))

    def _sampled(self, features, targets):
        """As `_exact`, over the target and a sample of tokens, frequent ones more often (Jean et al. 2015).

        Ids must fall with frequency, as those of tokenizers do but for byte pairs.
        """
        width = features.shape[-1]
        seed = self.sampler.next()
        labels = tf.reshape(targets, [-1, 1])
        drawn = tf.random.stateless_uniform([self.sampled_tokens], tf.cast(seed, tf.int32))
        # Inverse of the distribution function of the log-uniform law: P(rank < k) = log(k + 1) / log(ranks + 1).
        rank = tf.cast(tf.exp(drawn * tf.math.log(self._ranks + 1.0)), tf.int32) - 1
        rank = tf.clip_by_value(rank, 0, self._ranks - 1)
        first = len(SPECIAL_TOKENS)
        sample = tf.where(rank == 0, UNKNOWN, tf.where(rank < self._ranks - 1, rank - 1 + first, END))
        labels, sample = tf.cast(labels, tf.int64), tf.cast(sample, tf.int64)
        expected = [self._expected(labels), self._expected(sample)]
        losses = tf.nn.sampled_softmax_loss(
            tf.convert_to_tensor(self.parts.head.kernel),
            tf.convert_to_tensor(self.parts.head.bias),
            labels,
            tf.reshape(features, [-1, width]),
            self.sampled_tokens,
            self._vocabulary,
            sampled_values=(sample, *expected),
        )
        return tf.reshape(losses, tf.shape(targets))

    @property
    def _ranks(self) -> int:
        """Ids that may come next, by frequency: the unknown token, the tokens in their order, the end of a text."""
        return self._vocabulary - len(NEVER_NEXT)

    def _expected(self, ids):
        """How often ids are in a sample, on average."""
        first, ids = len(SPECIAL_TOKENS), tf.cast(ids, tf.int32)
        rank = tf.where(ids >= first, ids - first + 1, tf.where(ids == END, self._ranks - 1, 0))
        rank = tf.cast(rank, tf.float32)
        share = tf.math.log((rank + 2) / (rank + 1)) / tf.math.log(self._ranks + 1.0)
        return self.sampled_tokens * share
