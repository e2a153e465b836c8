"""`RecurrentStack`: one Keras layer for every cell, depth and direction."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from seqapps import checks
from seqapps.recurrent import loops

CELLS = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
STATES_PER_CELL = {"simple_rnn": 1, "lstm": 2, "gru": 1}
MERGES: dict[str, Callable] = {
    "concat": lambda forward, backward: ops.concatenate([forward, backward], axis=-1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
}


@keras.saving.register_keras_serializable("seqapps")
class RecurrentStack(keras.layers.Layer):
    """Stacked recurrent layers that behave like one Keras recurrent layer.

    Use it wherever `keras.layers.LSTM` would stand: changing `cell`, `num_layers` or their widths never changes
    what surrounds the layer, masks are honoured everywhere, and the states that a call returns are accepted by the
    next call. Inside are stock Keras layers, whose weights can be exchanged with layers of your own.

    Cells: Elman 1990 (`simple_rnn`), Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000 (`lstm`),
    Cho et al. 2014 (`gru`). Two directions: Schuster & Paliwal 1997.

    Padding is what `mask` marks `False`. Outputs at padded steps repeat the last output with one direction and are
    zero with two, as in Keras. On a GPU the stock layers use cuDNN, unless `recurrent_dropout`, an `activation` other
    than `"tanh"`, `reset_after=False` or padding elsewhere than on the right rule it out.

    Args:
        units: Width of every layer, or one width per layer.
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`.
        num_layers: Depth; by default one layer per entry of `units`.
        bidirectional: Whether every layer also reads the sequence from its end.
        merge_mode: How the two directions are joined: `"concat"`, `"sum"`, `"ave"` or `"mul"`.
        dropout: Fraction of the features dropped between layers, the same ones at every step of a sequence. Without
            effect on one layer, so that depths can be compared.
        recurrent_dropout: Fraction of the state dropped on its way to the next step, in every layer.
        residual: Whether every layer from the second on adds its input to its output, direction by direction.
            Needs equal widths. Without effect on one layer.
        return_sequences: Whether to return the output at every step instead of the last one.
        return_state: Whether to return the final states too.
        activation: Activation of the cells.
        recurrent_initializer: Initializer of the recurrent kernels.
        reset_after: GRU only: apply the reset gate after the matrix product (as cuDNN does) or before it (as Cho
            et al. 2014 do).
        **kwargs: `name`, `dtype` and `trainable`, as for every Keras layer.

    Call arguments:
        sequences: `(batch, time, features)`.
        initial_state: Flat list of states as `return_state` gives them; zeros by default.
        mask: `(batch, time)` booleans, `False` where there is padding. By default the mask that `sequences` carries.
        training: Whether dropout is active.

    Returns:
        `outputs`, or with `return_state` the pair `(outputs, states)`. `outputs` is `(batch, time, output_size)` with
        `return_sequences`, else `(batch, output_size)`: the forward direction at the last real step joined with the
        backward direction at the first one. `states` is one flat list of `(batch, units)`: layer by layer, forward
        then backward, `h` then (LSTM) `c`.

    Raises:
        ValueError: If an option has no valid value, or cannot be honoured together with the others.

    Example:

    >>> import keras
    >>> from seqapps import RecurrentStack
    >>> encoder = RecurrentStack(32, cell="lstm", num_layers=2, bidirectional=True, return_state=True)
    >>> outputs, states = encoder(keras.ops.ones((3, 5, 7)))
    >>> outputs.shape, len(states)
    (TensorShape([3, 64]), 8)
    """

    def __init__(
        self,
        units: int | Sequence[int],
        cell: str = "gru",
        num_layers: int | None = None,
        bidirectional: bool = False,
        merge_mode: str = "concat",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        residual: bool = False,
        return_sequences: bool = False,
        return_state: bool = False,
        activation: Any = "tanh",
        recurrent_initializer: Any = "orthogonal",
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        checks.check_choice("cell", cell, tuple(CELLS))
        checks.check_choice("merge_mode", merge_mode, tuple(MERGES))
        checks.check_fraction("dropout", dropout)
        checks.check_fraction("recurrent_dropout", recurrent_dropout)
        switches = {"bidirectional": bidirectional, "residual": residual, "reset_after": reset_after}
        for name, value in (switches | {"return_sequences": return_sequences, "return_state": return_state}).items():
            checks.check_boolean(name, value)
        self.units = checks.layer_widths(units, num_layers)
        self.num_layers = len(self.units)
        self.cell = cell
        self.bidirectional = bidirectional
        self.merge_mode = merge_mode
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.residual = residual
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.activation = keras.activations.get(activation)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.reset_after = reset_after
        self.supports_masking = True
        self.recorder: Any = None  # of `gradient_flow`, which steps the cells itself
        checks.check_recurrent_options(cell, self.units, bidirectional, merge_mode, residual, reset_after)
        self.recurrent_layers = [
            self._recurrent_layer(layer, backward) for layer in range(self.num_layers) for backward in self._directions
        ]
        between = range(self.num_layers - 1) if dropout else ()
        self.dropout_layers = [
            keras.layers.SpatialDropout1D(dropout, dtype=self.dtype_policy, name=f"dropout_{layer + 1}")
            for layer in between
        ]

    @property
    def _directions(self) -> tuple[bool, ...]:
        """For every direction whether it runs backwards."""
        return (False, True) if self.bidirectional else (False,)

    def _recurrent_layer(self, layer: int, backward: bool) -> keras.layers.Layer:
        """One direction of one layer: a stock Keras layer."""
        gru_only = {"reset_after": self.reset_after} if self.cell == "gru" else {}
        is_last = layer == self.num_layers - 1
        initializer = self.recurrent_initializer
        return CELLS[self.cell](
            self.units[layer],
            activation=self.activation,
            # A clone, because one unseeded initializer gives every layer the same values; a function has none.
            recurrent_initializer=getattr(initializer, "clone", lambda: initializer)(),
            recurrent_dropout=self.recurrent_dropout,
            return_sequences=self.return_sequences or not is_last,
            return_state=True,
            go_backwards=backward,
            trainable=self.trainable,
            dtype=self.dtype_policy,
            name=f"{'backward' if backward else 'forward'}_{layer}",
            **gru_only,
        )

    def build(self, sequences_shape: Sequence, initial_state_shape: Any = None) -> None:
        features = sequences_shape[-1]
        count = len(self._directions)
        for index, layer in enumerate(self.recurrent_layers):
            layer.build((None, None, features if index < count else self._width(index // count - 1)))
        for layer in self.dropout_layers:
            layer.build((None, None, None))

    def __call__(self, sequences, initial_state=None, mask=None, training=None):
        # Keras hands over the mask that `sequences` carries only if it is the one tensor argument.
        if mask is None and not isinstance(sequences, keras.KerasTensor):
            mask = getattr(sequences, "_keras_mask", None)
        if initial_state is not None:
            initial_state = self._checked_states("initial_state", initial_state)
        return super().__call__(sequences, initial_state=initial_state, mask=mask, training=training)

    def call(self, sequences, initial_state=None, mask=None, training=None):
        per_layer = self.by_direction(initial_state)
        inputs = sequences
        streams: list = []
        ends: list = []
        states: list = []
        for index in range(self.num_layers):
            if index and self.dropout_layers:
                inputs = self.dropout_layers[index - 1](inputs, training=training)
            new_streams, new_states = self._run_layer(index, inputs, per_layer[index], mask, training)
            # A direction's output where it ends is its h: also with padding, and in a row of nothing else.
            new_ends = [state[0] for state in new_states]
            if self.residual and index:
                new_ends = [new + old for new, old in zip(new_ends, ends, strict=True)]
                if self.return_sequences or index < self.num_layers - 1:
                    new_streams = [new + old for new, old in zip(new_streams, streams, strict=True)]
            streams, ends = new_streams, new_ends
            states.extend(state for group in new_states for state in group)
            if index < self.num_layers - 1:
                inputs = self.merged(streams)
        if self.return_sequences and self.recorder is not None:
            streams = self.recorder.seen_by_loss(streams, mask)
        outputs = self.merged(streams if self.return_sequences else ends)
        if self.return_sequences and self.bidirectional and mask is not None:
            outputs = outputs * ops.cast(ops.expand_dims(mask, -1), outputs.dtype)  # (batch, time, output_size)
        return (outputs, states) if self.return_state else outputs

    def _run_layer(self, index, inputs, initial_states, mask, training):
        """Every direction of one layer: its outputs in the order of time, and its states."""
        streams, states = [], []
        for direction, backward in enumerate(self._directions):
            layer = self.recurrent_layers[index * len(self._directions) + direction]
            stream, *state = self._run_direction(layer, inputs, initial_states[direction], mask, training)
            streams.append(ops.flip(stream, axis=1) if backward and layer.return_sequences else stream)
            states.append(state)
        return streams, states

    def _run_direction(self, layer, inputs, initial_states, mask, training):
        """The outputs and states of a stock layer, on a CPU from a faster loop over the layer's own weights."""
        if self.recorder is not None and self.recorder.takes(layer, training):
            return self.recorder.run(self.cell, layer, inputs, initial_states, mask)
        if not loops.usable(layer, training):
            return layer(inputs, initial_state=initial_states, mask=mask, training=training)
        outputs, *states = loops.run(self.cell, layer, inputs, initial_states, mask, training)
        return outputs if layer.return_sequences else outputs[:, -1], *states

    def merged(self, streams):
        """What the directions of a layer give, as one tensor."""
        return MERGES[self.merge_mode](*streams) if self.bidirectional else streams[0]

    def by_direction(self, states) -> list:
        """The flat list of states as one list per layer and direction; `None` for zeros."""
        count = STATES_PER_CELL[self.cell]
        directions = len(self._directions)
        if states is None:
            return [[None] * directions for _ in self.units]
        groups = [list(states[start : start + count]) for start in range(0, len(states), count)]
        return [groups[start : start + directions] for start in range(0, len(groups), directions)]

    def _checked_states(self, name: str, states) -> list:
        expected = len(self.state_sizes)
        if not isinstance(states, (list, tuple)):
            advice = "Pass the states as a call with return_state=True returns them."
            raise ValueError(f"`{name}` must be a flat list of {expected} states. Received: {type(states)}. {advice}")
        if len(states) != expected:
            order = "layer by layer, forward then backward, h then c"
            raise ValueError(f"`{name}` must hold {expected} states ({order}). Received: {len(states)} states.")
        return list(states)

    def step(self, inputs, states, training=False, dropout_factors=None):
        """One step in time, for decoding and streaming.

        Args:
            inputs: `(batch, features)`.
            states: Flat list of states, from `initial_state`, from a call or from the step before.
            training: Refused together with dropout, whose mask belongs to a whole sequence.
            dropout_factors: For every layer from the second on what its input is multiplied by, `(batch, features)`,
                the same at all steps: dropout for loops of one's own.

        Returns:
            `(output, states)`, with `output` of shape `(batch, output_size)`.

        Raises:
            ValueError: If the stack is bidirectional, or dropout would be active.

        Example:

        >>> stack = RecurrentStack(4, cell="gru")
        >>> output, states = stack.step(keras.ops.ones((3, 7)), stack.initial_state(3))
        >>> output.shape
        TensorShape([3, 4])
        """
        if self.bidirectional:
            raise ValueError(
                "`bidirectional` must be False for step: the backward direction starts at the end of the sequence. "
                "Received: bidirectional=True."
            )
        if training and (self.dropout or self.recurrent_dropout):
            raise ValueError(
                "`training` must be False for step with dropout: one mask belongs to a whole sequence. "
                "Received: training=True. Call the layer on the sequence instead."
            )
        states = self._checked_states("states", states)
        if dropout_factors is not None and len(dropout_factors) != self.num_layers - 1:
            expected = f"one tensor for each of the {self.num_layers - 1} layers after the first"
            raise ValueError(f"`dropout_factors` must hold {expected}. Received: {len(dropout_factors)} tensors.")
        if not self.built:
            self.build((None, None, inputs.shape[-1]))
        output, new_states = inputs, []
        for index, (group,) in enumerate(self.by_direction(states)):
            given = output if dropout_factors is None or not index else output * dropout_factors[index - 1]
            stream, state = self.recurrent_layers[index].cell(given, group, training=False)
            output = stream + output if self.residual and index else stream
            new_states.extend(state)
        return output, new_states

    def initial_state(self, batch_size) -> list:
        """Zeros for every state: a flat list of `(batch_size, units)`."""
        return [ops.zeros((batch_size, width), dtype=self.compute_dtype) for width in self.state_sizes]

    @property
    def state_sizes(self) -> list[int]:
        """Width of every state, in the order of the flat list."""
        return [width for width in self.units for _ in range(STATES_PER_CELL[self.cell] * len(self._directions))]

    @property
    def output_size(self) -> int:
        """Width of `outputs`."""
        return self._width(self.num_layers - 1)

    @property
    def use_cudnn(self) -> bool | str:
        """Whether the stock layers may use cuDNN on a GPU: `"auto"`, or `False` to trace a graph that runs anywhere."""
        return getattr(self.recurrent_layers[0], "use_cudnn", False)

    @use_cudnn.setter
    def use_cudnn(self, value: bool | str) -> None:
        for layer in self.recurrent_layers:
            if hasattr(layer, "use_cudnn"):
                layer.use_cudnn = value

    def _width(self, layer: int) -> int:
        doubled = self.bidirectional and self.merge_mode == "concat"
        return self.units[layer] * (2 if doubled else 1)

    def compute_output_shape(self, sequences_shape: Sequence, initial_state_shape: Any = None):
        batch, time = sequences_shape[0], sequences_shape[1]
        outputs = (batch, time, self.output_size) if self.return_sequences else (batch, self.output_size)
        return (outputs, [(batch, width) for width in self.state_sizes]) if self.return_state else outputs

    def compute_mask(self, sequences, mask=None):
        outputs_mask = mask if self.return_sequences else None
        return (outputs_mask, [None] * len(self.state_sizes)) if self.return_state else outputs_mask

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": list(self.units),
            "cell": self.cell,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
            "merge_mode": self.merge_mode,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "residual": self.residual,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "activation": keras.activations.serialize(self.activation),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
            "reset_after": self.reset_after,
        }
