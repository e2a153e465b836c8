"""One step of a stock layer from every row's states for each of several inputs, on a CPU.

The gates of all pairs of a row and an input are larger than anything else in a network, and nothing is done to them but
adding, squashing and multiplying. So a few rows at a time pass through all of that while they are in the processor's
cache, and the way backwards computes their gates again instead of reading what was kept.

Imports TensorFlow, as `loops` does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from seqapps.recurrent.loops import CELLS, Cell, Tensors, weights_of

PIECE = 2**18  # gates that pass through at a time; 1 MB in float32


def step_each(cell: str, layer: keras.layers.Layer, parts: Sequence[Any], states: Tensors, training: Any) -> tf.Tensor:
    """One step of a stock layer from every row's states for each of several inputs.

    Args:
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`.
        layer: Built, and usable by `loops`.
        parts: What the inputs are the sum of, each `(batch / groups, groups, count, features)` or, known as such when a
            graph is made, 1 in place of any of the first three; row `i` takes those at `i // groups, i % groups`.
        states: `(batch, units)` each.
        training: Whether to have the gradient derived by hand, which a SavedModel cannot hold.

    Returns:
        Outputs `(batch, count, units)`.
    """
    kernel, recurrent, input_bias, inner_bias = weights_of(cell, layer)
    projected = [tf.tensordot(part, kernel, 1) for part in parts]
    projected[0] += input_bias
    groups, count = (tf.reduce_max([tf.shape(part)[axis] for part in parts]) for axis in (1, 2))
    rows = tf.shape(states[0])[0] // tf.maximum(groups, 1)
    own = [tf.matmul(states[0], recurrent) + inner_bias, *states]
    own = [tf.reshape(tensor, [rows, groups, 1, tensor.shape[1]]) for tensor in own]
    at_once = PIECE // tf.maximum(groups * count * kernel.shape[1], 1) + 1
    outputs = (_differentiable if training else _forward)(CELLS[cell], projected, own, at_once)
    return tf.reshape(outputs, [rows * groups, count, layer.units])


def _forward(cell: Cell, parts: Tensors, own: Tensors, at_once: tf.Tensor) -> tf.Tensor:
    """Outputs `(rows, groups, count, units)`.

    Args:
        cell: Whose step it is.
        parts: What the inputs add to the gates, `(rows, groups, count, gates)` or 1 in place of any of the first three.
        own: What the states add to the gates, and the states: `(rows, groups, 1, …)`.
        at_once: Rows that pass through at a time.
    """
    rows = tf.shape(own[0])[0]

    def step(number: tf.Tensor, outputs: tf.TensorArray) -> tuple:
        at = slice(number * at_once, (number + 1) * at_once)
        inner, *states = (tensor[at] for tensor in own)
        after, _ = cell.forward(_sum(parts, at), inner, states)
        return number + 1, outputs.write(number, after[0])

    pieces = tf.maximum(-(-rows // at_once), 1)
    outputs = _room(pieces, own[1])
    _, outputs = tf.while_loop(lambda number, _: number < pieces, step, (0, outputs), parallel_iterations=1)
    return outputs.concat()


def _backward(cell: Cell, parts: Tensors, own: Tensors, at_once: tf.Tensor, of_outputs: tf.Tensor) -> Tensors:
    """Gradients of `parts` and of `own`."""
    rows = tf.shape(own[0])[0]

    def step(number: tf.Tensor, sums: Tensors, arrays: list[tf.TensorArray]) -> tuple:
        at = slice(number * at_once, (number + 1) * at_once)
        inner, *states = (tensor[at] for tensor in own)
        after, kept = cell.forward(_sum(parts, at), inner, states)
        given = [of_outputs[at], *(tf.zeros([]) for _ in after[1:])]
        of_projected, of_inner, of_states = cell.backward(given, kept)
        told = [_reduced(of_projected, part) for part in parts]
        told += [tf.reduce_sum(each, axis=2, keepdims=True) for each in (of_inner, *of_states)]
        sums = [tf.ensure_shape(old + told[i], old.shape) for old, i in zip(sums, alone, strict=True)]
        arrays = [array.write(number, told[i]) for array, i in zip(arrays, by_row, strict=True)]
        return number + 1, sums, arrays

    every = [*parts, *own]
    alone = [i for i, part in enumerate(parts) if part.shape[0] == 1]  # what all rows share
    by_row = [i for i in range(len(every)) if i not in alone]
    pieces = tf.maximum(-(-rows // at_once), 1)
    sums = [tf.zeros_like(every[i]) for i in alone]
    arrays = [_room(pieces, every[i]) for i in by_row]
    _, sums, arrays = tf.while_loop(lambda number, *_: number < pieces, step, (0, sums, arrays), parallel_iterations=1)
    told = dict(zip(alone, sums, strict=True)) | {i: a.concat() for i, a in zip(by_row, arrays, strict=True)}
    return [told[i] for i in range(len(every))]


def _room(pieces: tf.Tensor, like: tf.Tensor) -> tf.TensorArray:
    """For some rows at a time of a tensor `(rows, groups, count, …)`; the last time there can be fewer."""
    return tf.TensorArray(tf.float32, pieces, infer_shape=False, element_shape=[None, None, None, like.shape[3]])


def _sum(parts: Tensors, at: slice) -> tf.Tensor:
    """What the inputs of some rows add to the gates."""
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
