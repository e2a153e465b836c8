"""One step of a recurrence for each of several inputs, none of which follows another."""

from typing import Any

import keras
from keras import ops

from seqapps.recurrent import loops
from seqapps.recurrent.one_step import step_each
from seqapps.recurrent.stack import RecurrentStack


@keras.saving.register_keras_serializable("seqapps")
class Alternatives(keras.layers.Layer):
    """What a stack answers to each of several inputs, as if it were the only one after the states of a row.

    What the states add to the gates is computed once for all inputs of a row, and what an input adds once for all rows
    that share it. Where `loops` does not do what the stock layers would, the stack itself runs once for every pair.

    Args:
        stack: Whose step it is.
        **kwargs: As for every Keras layer.

    Call arguments:
        inputs: `(groups, count, features)`; `groups` divides `batch`, and row `i` takes those of group `i % groups`. Or
            a list of tensors whose sum the inputs are, each `(rounds, groups, count, features)`, where row `i` takes
            those of round `i // groups` and group `i % groups`. What all rounds, groups or inputs share has a 1 there,
            which must be known when a graph is made; one of the tensors has all groups and one all inputs.
        states: Flat list of the stack's states, `(batch, …)` each.
        training: Whether dropout between layers is active; it drops other features of every input.

    Returns:
        `(batch, count, output_size)`.

    Example:

    >>> stack = RecurrentStack(5, return_state=True)
    >>> _, states = stack(ops.ones((6, 4, 3)))
    >>> Alternatives(stack)(ops.ones((2, 7, 3)), states).shape
    TensorShape([6, 7, 5])
    >>> same_in_all_rounds, same_in_both_groups = ops.ones((1, 2, 7, 3)), ops.ones((3, 1, 1, 3))
    >>> Alternatives(stack)([same_in_all_rounds, same_in_both_groups], states).shape
    TensorShape([6, 7, 5])
    """

    def __init__(self, stack: RecurrentStack, **kwargs: Any) -> None:
        super().__init__(**{"dtype": stack.dtype_policy} | kwargs)
        self.stack = stack

    def build(self, inputs_shape, states_shape) -> None:
        if not self.stack.built:
            self.stack.build((None, None, _shapes(inputs_shape)[0][-1]))

    def call(self, inputs, states, training=None):
        stack, parts = self.stack, _parts(inputs)
        if not all(loops.usable(layer, training) for layer in stack.recurrent_layers):
            return self._one_by_one(parts, states, training)
        streams: list[Any] = []
        directions = 1 + stack.bidirectional
        for index, of_layer in enumerate(stack.by_direction(states)):
            if index:
                parts = [ops.expand_dims(self._dropped(stack.merged(streams), index - 1, training), 1)]
            layers = stack.recurrent_layers[index * directions : (index + 1) * directions]
            before = streams
            streams = [
                step_each(stack.cell, layer, parts, own, training) for layer, own in zip(layers, of_layer, strict=True)
            ]
            if stack.residual and index:
                streams = [new + old for new, old in zip(streams, before, strict=True)]
        return stack.merged(streams)

    def _dropped(self, inputs, layer: int, training: Any):
        """Inputs of the next layer `(batch, count, features)`; each of them is a sequence of its own."""
        if not self.stack.dropout_layers:
            return inputs
        count, width = ops.shape(inputs)[1], inputs.shape[2]
        dropped = self.stack.dropout_layers[layer](ops.reshape(inputs, (-1, 1, width)), training=training)
        return ops.reshape(dropped, (-1, count, width))

    def _one_by_one(self, parts, states, training: Any):
        """The same from the stack itself, for which every pair is a sequence of one step."""
        inputs = sum(parts[1:], start=parts[0])  # (rounds or 1, groups, count, features)
        (rounds, groups, count), batch = ops.shape(inputs)[:3], ops.shape(states[0])[0]
        repeats = batch // ops.maximum(rounds * groups, 1)
        every = ops.reshape(ops.tile(inputs, (repeats, 1, 1, 1)), (-1, 1, inputs.shape[3]))
        told = self.stack(
            every, initial_state=[ops.repeat(state, count, axis=0) for state in states], training=training
        )
        outputs = told[0] if self.stack.return_state else told
        return ops.reshape(outputs, (-1, count, self.stack.output_size))

    def compute_output_shape(self, inputs_shape, states_shape):
        counts = [shape[-2] for shape in _shapes(inputs_shape)]
        larger = [count for count in counts if count is not None and count > 1]
        count = larger[0] if larger else None if None in counts else 1
        return (states_shape[0][0], count, self.stack.output_size)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"stack": keras.saving.serialize_keras_object(self.stack)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Alternatives":
        return cls(keras.saving.deserialize_keras_object(config.pop("stack")), **config)


def _parts(inputs) -> list[Any]:
    """The call argument as tensors that add up, `(rounds, groups, count, features)` each."""
    return list(inputs) if isinstance(inputs, (list, tuple)) else [ops.expand_dims(inputs, 0)]


def _shapes(inputs_shape) -> list[tuple[int | None, ...]]:
    """Of one tensor or of several, as Keras hands it to `build`."""
    return list(inputs_shape) if isinstance(inputs_shape[0], (list, tuple)) else [inputs_shape]
