"""How far back through time the gradient of a loss reaches: the cells of a stack, stepped under a tape.

The gradient with respect to the outputs of a recurrent layer has direct terms only: what a step owes to the steps after
it stays inside the layer. So the cells are stepped one by one here, with the layer's own weights and masks and without
dropout, and every state of every step is a tensor of its own that has a gradient.

Source of the question: Hochreiter 1991, Bengio et al. 1994, Pascanu et al. 2013.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from seqapps.recurrent.stack import STATES_PER_CELL, RecurrentStack

VANISHED = 0.01  # of the norm where the loss is taken, below which a gradient counts as gone
STATE_NAMES = ("h", "c")
INPUT = "input"
# Where a cell's gates stand in the columns of its kernels; a `simple_rnn` has none.
GATES: dict[str, dict[str, int]] = {
    "simple_rnn": {},
    "lstm": {"input": 0, "forget": 1, "output": 3},
    "gru": {"update": 0, "reset": 1},
}


@dataclass(frozen=True)
class Curve:
    """The norm of the loss gradient with respect to one state of one direction of one layer, lag by lag.

    Attributes:
        layer: Counted from 0, the one that reads the inputs.
        direction: `"forward"` or `"backward"`.
        state: `"h"`, `"c"` (LSTM) or `"input"`, what the layer read at the step.
        norms: At every lag: real steps before the one where the direction ends. Euclidean norm over the units of a
            row, then the arithmetic mean over the rows that are long enough to have the lag.
        rows: At every lag, how many these are.
    """

    layer: int
    direction: str
    state: str
    norms: tuple[float, ...]
    rows: tuple[int, ...]

    @property
    def vanishes_at(self) -> int | None:
        """The first lag whose norm is below 1 % of that of lag 0; `None` if there is none, 0 if all are zero.

        Example:

        >>> Curve(0, "forward", "h", (2.0, 0.1, 0.01), (3, 3, 1)).vanishes_at
        2
        """
        if not self.norms[0]:
            return 0
        return next((lag for lag, norm in enumerate(self.norms) if norm < VANISHED * self.norms[0]), None)

    @property
    def growth(self) -> float:
        """The largest norm as a multiple of that of lag 0; 0 if that is zero."""
        return max(self.norms) / self.norms[0] if self.norms[0] else 0.0


@dataclass(frozen=True)
class Gate:
    """What a gate let through at every step.

    Attributes:
        layer: Counted from 0.
        direction: `"forward"` or `"backward"`.
        name: `"input"`, `"forget"` and `"output"` of an LSTM, `"update"` and `"reset"` of a GRU. As in Keras, an open
            `update` (1) keeps the old state and an open `forget` the old `c`.
        values: `(batch, time, units)` between 0 and 1, in the order of time; NaN at padding.
    """

    layer: int
    direction: str
    name: str
    values: Any


@dataclass(frozen=True)
class GradientFlow:
    """What `gradient_flow` measures.

    Attributes:
        curves: Layer by layer, forward then backward, `h`, `c` and `input`.
        gates: In the same order; empty for `simple_rnn`, which has none.
    """

    curves: tuple[Curve, ...]
    gates: tuple[Gate, ...]

    def curve(self, layer: int, direction: str, state: str) -> Curve:
        """One of the curves."""
        return next(
            each for each in self.curves if (each.layer, each.direction, each.state) == (layer, direction, state)
        )


@dataclass(frozen=True)
class Probe:
    """A model's stack and losses of a batch that go through it: what a task gives to have its gradients measured.

    Attributes:
        stack: Inside the model.
        losses: Runs the model on the batch → its losses.
        names: `(rows, steps)` words for the steps of every row, without padding.
        limit: Steps that training reads at once, beyond which no gradient goes; `None` where rows are read whole.
    """

    stack: RecurrentStack
    losses: Callable[[], Any]
    names: tuple[tuple[str, ...], ...]
    limit: int | None = None


def gradient_flow(stack: RecurrentStack, losses: Callable[[], Any], *, everywhere: bool = False) -> GradientFlow:
    """Norms of the loss gradient at every lag, and the gates of every step, layer by layer in both directions.

    Gradients are whole derivatives: through all later steps, through the layers above and, for `c`, through the `h` of
    the same step.

    Args:
        stack: Built; any cell, depth, direction, merge mode, with and without residuals.
        losses: Calls the stack, alone or inside a model, with `training=False` and answers a tensor of losses, which
            are summed: rows do not touch each other, so each has the gradient of its own. Only the first call of the
            stack is measured, should there be several.
        everywhere: Whether a loss that reads the outputs of all steps sends its gradient into all of them. By default
            it only goes into the last real step of the forward direction and the first one of the backward direction,
            where they end, so that what arrives further back has come through the recurrence.

    Returns:
        Curves and gates.

    Raises:
        ValueError: If `losses` does not call the stack in that way, or does not depend on it.

    Example:

    >>> stack = RecurrentStack(1, "simple_rnn", activation="linear", return_sequences=True)
    >>> stack.build((None, None, 1))
    >>> stack.set_weights([tf.constant(weight) for weight in ([[1.0]], [[0.5]], [0.0])])
    >>> flow = gradient_flow(stack, lambda: stack(tf.ones((3, 5, 1)))[:, -1])
    >>> flow.curve(0, "forward", "h").norms
    (1.0, 0.5, 0.25, 0.125, 0.0625)
    """
    with tf.GradientTape() as tape, _recording(stack, tape, everywhere) as recorder:
        total = tf.reduce_sum(losses())
    expected = len(stack.recurrent_layers)
    if len(recorder.traces) != expected:
        raise ValueError(
            "`losses` must call the stack with training=False on one step at least. "
            f"Received: a function that stepped {len(recorder.traces)} of its {expected} layers and directions."
        )
    tensors = [each for trace in recorder.traces for kind in trace.tensors.values() for each in kind]
    gradients = tape.gradient(total, tensors)
    if all(each is None for each in gradients):
        raise ValueError("`losses` must depend on what the stack answers. Received: losses without a gradient.")
    filled = iter([tf.zeros_like(t) if g is None else g for t, g in zip(tensors, gradients, strict=True)])
    directions = ("forward", "backward") if stack.bidirectional else ("forward",)
    curves: list[Curve] = []
    gates: list[Gate] = []
    for number, trace in enumerate(recorder.traces):
        place = number // len(directions), directions[number % len(directions)]
        for state, kind in trace.tensors.items():
            curves.append(Curve(*place, state, *_by_lag(tf.stack([next(filled) for _ in kind], axis=1), trace.real)))
        gates += [Gate(*place, name, trace.in_time(values)) for name, values in trace.gates.items()]
    return GradientFlow(tuple(curves), tuple(gates))


@dataclass
class _Trace:
    """One direction of one layer, step by step in the order in which it reads.

    Attributes:
        backward: Whether it reads from the end.
        real: `(batch, time)` booleans.
        tensors: For every state and the input a `(batch, width)` per step.
        gates: For every gate a `(batch, units)` per step.
    """

    backward: bool
    real: Any
    tensors: dict[str, list] = field(default_factory=dict)
    gates: dict[str, list] = field(default_factory=dict)

    def in_time(self, values: list) -> Any:
        """`(batch, time, units)` in the order of time, NaN at padding."""
        stacked = tf.stack(values, axis=1)
        stacked = tf.where(self.real[..., None], stacked, tf.constant(float("nan"), stacked.dtype))
        return tf.reverse(stacked, [1]) if self.backward else stacked


class _Recorder:
    """Steps the cells of a stack's first call in place of its layers, and keeps every state.

    Args:
        tape: That records.
        everywhere: As for `gradient_flow`.
    """

    def __init__(self, tape: tf.GradientTape, everywhere: bool) -> None:
        self.tape = tape
        self.everywhere = everywhere
        self.traces: list[_Trace] = []
        self._taken: set[int] = set()
        self._seen = False

    def takes(self, layer: keras.layers.Layer, training: Any) -> bool:
        """Whether a layer is to be stepped here: on its first call, without dropout."""
        return not training and id(layer) not in self._taken

    def run(self, cell: str, layer: keras.layers.Layer, inputs: Any, initial_states: Any, mask: Any) -> tuple:
        """What a stock layer answers to a sequence, as `loops.run`."""
        self._taken.add(id(layer))
        inputs = tf.convert_to_tensor(inputs)
        real = tf.ones(tf.shape(inputs)[:2], tf.bool) if mask is None else tf.cast(mask, tf.bool)
        if layer.go_backwards:
            inputs, real = tf.reverse(inputs, [1]), tf.reverse(real, [1])
        trace = _Trace(layer.go_backwards, real)
        zeros = tf.zeros([tf.shape(inputs)[0], layer.units], layer.compute_dtype)
        states = [zeros] * STATES_PER_CELL[cell] if initial_states is None else list(initial_states)
        output, outputs = zeros, []
        for step, row in zip(tf.unstack(inputs, axis=1), tf.unstack(real, axis=1), strict=True):
            self.tape.watch(step)
            for name, values in _gates(cell, layer.cell, step, states[0]).items():
                trace.gates.setdefault(name, []).append(values)
            _, new = layer.cell(step, states, training=False)
            # Watched as the cell answers: padding chooses between states afterwards, past which c no longer meets h.
            for name, values in zip((*STATE_NAMES[: len(new)], INPUT), (*new, step), strict=True):
                self.tape.watch(values)
                trace.tensors.setdefault(name, []).append(values)
            kept = row[:, None]
            states = [tf.where(kept, after, before) for after, before in zip(new, states, strict=True)]
            output = tf.where(kept, new[0], output)
            outputs.append(output)
        self.traces += [trace] if outputs else []
        return tf.stack(outputs, axis=1), *states

    def seen_by_loss(self, streams: list, mask: Any) -> list:
        """The outputs of the last layer's directions, `(batch, time, units)` in the order of time; the gradient only
        enters where a direction ends, if not `everywhere`."""
        if self.everywhere or self._seen:
            return streams
        self._seen = True
        seen = []
        for stream, backward in zip(streams, (False, True), strict=False):
            real = tf.ones(tf.shape(stream)[:2], tf.bool) if mask is None else tf.cast(mask, tf.bool)
            ends = tf.equal(_after(tf.reverse(real, [1]) if backward else real), 0)
            ends = tf.reverse(ends, [1]) if backward else ends
            seen.append(tf.where(ends[..., None], stream, tf.stop_gradient(stream)))
        return seen


@contextmanager
def _recording(stack: RecurrentStack, tape: tf.GradientTape, everywhere: bool) -> Iterator[_Recorder]:
    stack.recorder = _Recorder(tape, everywhere)
    try:
        yield stack.recorder
    finally:
        stack.recorder = None


def _gates(kind: str, cell: keras.layers.Layer, step: Any, state: Any) -> dict[str, Any]:
    """What the gates let through at a step: `(batch, units)` each."""
    if not GATES[kind]:
        return {}
    kernel, recurrent, bias = (tf.convert_to_tensor(weight) for weight in cell.weights)
    added = tf.matmul(tf.cast(step, kernel.dtype), kernel) + tf.matmul(tf.cast(state, kernel.dtype), recurrent)
    added += tf.reduce_sum(tf.reshape(bias, [-1, kernel.shape[1]]), axis=0)  # a GRU may have two
    columns = {name: slice(place * cell.units, (place + 1) * cell.units) for name, place in GATES[kind].items()}
    return {name: cell.recurrent_activation(added[:, column]) for name, column in columns.items()}


def _after(real: Any) -> Any:
    """`(batch, time)`: real steps after each."""
    counted = tf.cumsum(tf.cast(real, tf.int32), axis=1)
    return counted[:, -1:] - counted


def _by_lag(gradients: Any, real: Any) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Norms by lag, mean over rows, and the rows of every lag.

    Args:
        gradients: `(batch, time, width)` in the order of reading.
        real: `(batch, time)` booleans.
    """
    norms = tf.boolean_mask(tf.norm(tf.cast(gradients, tf.float32), axis=-1), real)
    lags = tf.boolean_mask(_after(real), real)
    count = tf.reduce_max(lags, axis=0) + 1 if len(lags) else 1
    rows = tf.math.unsorted_segment_sum(tf.ones_like(lags), lags, count)
    means = tf.math.unsorted_segment_sum(norms, lags, count) / tf.cast(tf.maximum(rows, 1), tf.float32)
    return tuple(means.numpy().tolist()), tuple(rows.numpy().tolist())
