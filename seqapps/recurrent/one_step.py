"""One step of a stock layer from every row's states for each of several inputs, on a CPU.

The gates of all pairs of a row and an input are far larger than the states and the inputs that they come from, and
nothing is done to them but adding, squashing and multiplying. So a few rows at a time pass through all of that while
they are in the processor's cache, and the way backwards computes their gates again instead of reading what was kept.

A batch is read as `(rounds, groups)`: the inputs of row `i` are those of round `i // groups` and group `i % groups`.

Imports TensorFlow, as `loops` does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from seqapps.recurrent.loops import CELLS, Cell, Tensors, weights_of

PIECE = 2**18  # gates that pass through at a time, 1 MB in float32, but at least those of one round


def step_each(cell: str, layer: keras.layers.Layer, parts: Sequence[Any], states: Tensors, training: Any) -> tf.Tensor:
    """One step of a stock layer from every row's states for each of several inputs.

    Args:
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`.
        layer: Built, and usable by `loops`.
        parts: What the inputs are the sum of, each `(rounds, groups, count, features)` or, known as such when a graph
            is made, 1 in place of any of the first three.
        states: `(rounds * groups, units)` each.
        training: Whether to have the gradient derived by hand, which a SavedModel cannot hold.

    Returns:
        Outputs `(rounds * groups, count, units)`.
    """
    kernel, recurrent, input_bias, inner_bias = weights_of(cell, layer)
    projected = [tf.tensordot(part, kernel, 1) for part in parts]
    projected[0] += input_bias
    groups, count = _size(parts, 1), _size(parts, 2)
    rounds = tf.shape(states[0])[0] // tf.maximum(groups, 1)
    own = [tf.matmul(states[0], recurrent) + inner_bias, *states]
    own = [tf.reshape(tensor, [rounds, groups, 1, tensor.shape[1]]) for tensor in own]
    of_round = tf.maximum(groups * count * kernel.shape[1], 1)
    at_once = tf.maximum(PIECE // of_round, 1)
    outputs = (_differentiable if training else _forward)(CELLS[cell], projected, own, at_once)
    return tf.reshape(outputs, [rounds * groups, count, layer.units])


def _size(parts: Sequence[Any], axis: int) -> Any:
    """Of the sum of some tensors; a number where that is known."""
    sizes = [part.shape[axis] for part in parts]
    return tf.reduce_max([tf.shape(part)[axis] for part in parts]) if None in sizes else max(sizes)


def _forward(cell: Cell, parts: Tensors, own: Tensors, at_once: tf.Tensor) -> tf.Tensor:
    """Outputs `(rounds, groups, count, units)`.

    Args:
        cell: Whose step it is.
        parts: What the inputs add to the gates, `(rounds, groups, count, gates)` or 1 in place of any of the first
            three.
        own: What the states add to the gates, and the states: `(rounds, groups, 1, …)`.
        at_once: Rounds that pass through at a time.
    """
    pieces = _pieces(own, at_once)

    def step(number: tf.Tensor, outputs: tf.TensorArray) -> tuple:
        at = slice(number * at_once, (number + 1) * at_once)
        inner, *states = (tensor[at] for tensor in own)
        after, _ = cell.forward(_sum(parts, at), inner, states)
        return number + 1, outputs.write(number, after[0])

    start = 0, _room(pieces, own[1])
    _, outputs = tf.while_loop(lambda number, _: number < pieces, step, start, parallel_iterations=1)
    return outputs.concat()


def _backward(cell: Cell, parts: Tensors, own: Tensors, at_once: tf.Tensor, of_outputs: tf.Tensor) -> Tensors:
    """Gradients of `parts` and of `own` from those of what `_forward` returns."""
    every = [*parts, *own]
    shared = [i for i, part in enumerate(parts) if part.shape[0] == 1]  # by all rounds
    separate = [i for i in range(len(every)) if i not in shared]
    pieces = _pieces(own, at_once)

    def step(number: tf.Tensor, sums: Tensors, arrays: list[tf.TensorArray]) -> tuple:
        at = slice(number * at_once, (number + 1) * at_once)
        inner, *states = (tensor[at] for tensor in own)
        after, kept = cell.forward(_sum(parts, at), inner, states)
        of_after = [of_outputs[at], *(tf.zeros([]) for _ in after[1:])]  # nobody reads an LSTM's carry
        of_projected, of_inner, of_states = cell.backward(of_after, kept)
        gradients = [_reduced(of_projected, part) for part in parts]
        gradients += [tf.reduce_sum(each, axis=2, keepdims=True) for each in (of_inner, *of_states)]
        # broadcasting forgets sizes, and what a loop carries must keep them
        sums = [tf.ensure_shape(old + gradients[i], old.shape) for old, i in zip(sums, shared, strict=True)]
        arrays = [array.write(number, gradients[i]) for array, i in zip(arrays, separate, strict=True)]
        return number + 1, sums, arrays

    start = 0, [tf.zeros_like(every[i]) for i in shared], [_room(pieces, every[i]) for i in separate]
    _, sums, arrays = tf.while_loop(lambda number, *_: number < pieces, step, start, parallel_iterations=1)
    gradients = dict(zip(shared, sums, strict=True))
    gradients |= {i: array.concat() for i, array in zip(separate, arrays, strict=True)}
    return [gradients[i] for i in range(len(every))]


def _pieces(own: Tensors, at_once: tf.Tensor) -> tf.Tensor:
    """How many pieces there are, an empty one where there are no rounds."""
    return tf.maximum(-(-tf.shape(own[0])[0] // at_once), 1)


def _room(pieces: tf.Tensor, like: tf.Tensor) -> tf.TensorArray:
    """For the pieces of a tensor `(rounds, groups, count, …)`; the last one can be smaller."""
    return tf.TensorArray(tf.float32, pieces, infer_shape=False, element_shape=[None, None, None, like.shape[3]])


def _sum(parts: Tensors, at: slice) -> tf.Tensor:
    """What the inputs of some rounds add to the gates."""
    first, *others = (part if part.shape[0] == 1 else part[at] for part in parts)
    return sum(others, start=first)


def _reduced(gradient: tf.Tensor, part: tf.Tensor) -> tf.Tensor:
    """The gradient of a part from that of the sum."""
    axes = [axis for axis in range(3) if part.shape[axis] == 1]
    return tf.reduce_sum(gradient, axes, keepdims=True) if axes else gradient


def _differentiable(cell: Cell, parts: Tensors, own: Tensors, at_once: tf.Tensor) -> tf.Tensor:
    """`_forward` with a gradient of its own."""

    @tf.custom_gradient
    def outputs(*given: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], Tensors]]:
        split = list(given[: len(parts)]), list(given[len(parts) :])
        return _forward(cell, *split, at_once), lambda of_outputs: _backward(cell, *split, at_once, of_outputs)

    return outputs(*parts, *own)
