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

from seqapps.recurrent.gradient_curves import Curve, Gate, GradientFlow
from seqapps.recurrent.stack import STATES_PER_CELL, RecurrentStack

STATE_NAMES = ("h", "c")
INPUT = "input"
# Where a cell's gates stand in the columns of its kernels; a `simple_rnn` has none.
GATES: dict[str, dict[str, int]] = {
    "simple_rnn": {},
    "lstm": {"input": 0, "forget": 1, "output": 3},
    "gru": {"update": 0, "reset": 1},
}


@dataclass(frozen=True)
class Probe:
    """A model's stack and losses of a batch that go through it: what a task gives to have its gradients measured.

    Attributes:
        stack: Inside the model.
        losses: Runs the model on the batch → its losses.
        names: `(rows, steps)` words for the steps of every row, without padding.
        limit: Steps that training reads at once, beyond which no gradient goes; `None` where rows are read whole.
        reads_all: Whether the loss reads the outputs of all steps and not only those where directions end.
        about: A sentence on which part of the model this is, if it is not the whole.
    """

    stack: RecurrentStack
    losses: Callable[[], Any]
    names: tuple[tuple[str, ...], ...]
    limit: int | None = None
    reads_all: bool = False
    about: str = ""


def gradient_flow(stack: RecurrentStack, losses: Callable[[], Any], *, everywhere: bool = False) -> GradientFlow:
    """Norms of the loss gradient at every lag, and the gates of every step, layer by layer in both directions.

    Gradients are whole derivatives: through all later steps, through the layers above and, for `c`, through the `h` of
    the same step. Only of two directions in several layers each is followed alone, through the same direction of the
    layers above: the other one ends where this one begins, and would send its gradient there without any recurrence.

    Args:
        stack: Built; any cell, depth, direction, merge mode, with and without residuals.
        losses: Calls the stack, alone or inside a model, with `training=False` and answers a tensor of losses, which
            are summed: rows do not touch each other, so each has the gradient of its own. Only the first call of the
            stack is measured, should there be several. It runs once for every direction that is followed alone.
        everywhere: Whether a loss that reads the outputs of all steps sends its gradient into all of them, and through
            both directions of the layers above. By default it only goes into the last real step of the forward
            direction and the first one of the backward direction, where they end, so that what arrives further back has
            come through the recurrence.

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
    directions = ("forward", "backward") if stack.bidirectional else ("forward",)
    apart = stack.bidirectional and stack.num_layers > 1 and not everywhere
    measured: dict[int, tuple[_Trace, dict[str, list]]] = {}
    for alone in (False, True) if apart else (None,):
        for number, (trace, gradients) in enumerate(_stepped(stack, losses, everywhere, alone)):
            if alone in (None, trace.backward):
                measured[number] = trace, gradients
    if all(each is None for _, gradients in measured.values() for kind in gradients.values() for each in kind):
        raise ValueError("`losses` must depend on what the stack answers. Received: losses without a gradient.")
    curves: list[Curve] = []
    gates: list[Gate] = []
    for number, (trace, gradients) in sorted(measured.items()):
        place = number // len(directions), directions[number % len(directions)]
        curves += [Curve(*place, state, *trace.by_lag(state, kind)) for state, kind in gradients.items()]
        gates += [Gate(*place, name, trace.in_time(values)) for name, values in trace.gates.items()]
    return GradientFlow(tuple(curves), tuple(gates))


def _stepped(
    stack: RecurrentStack, losses: Callable[[], Any], everywhere: bool, alone: bool | None
) -> list[tuple["_Trace", dict[str, list]]]:
    """Every direction of every layer as it was stepped, and the gradients of its tensors."""
    with tf.GradientTape() as tape, _recording(stack, _Recorder(tape, everywhere, alone)) as recorder:
        total = tf.reduce_sum(losses())
    expected = len(stack.recurrent_layers)
    if len(recorder.traces) != expected:
        raise ValueError(
            "`losses` must call the stack with training=False on one step at least. "
            f"Received: a function that stepped {len(recorder.traces)} of its {expected} layers and directions."
        )
    gradients = tape.gradient(total, [trace.tensors for trace in recorder.traces])
    return list(zip(recorder.traces, gradients, strict=True))


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

    def by_lag(self, state: str, gradients: list) -> tuple[tuple, tuple, tuple]:
        """Norms, rows and starts of a `Curve`, from a `(batch, width)` or `None`, which is zero, per step."""
        pairs = zip(self.tensors[state], gradients, strict=True)
        filled = [tf.zeros_like(tensor) if each is None else each for tensor, each in pairs]
        return _by_lag(tf.stack(filled, axis=1), self.real)


class _Recorder:
    """Steps the cells of a stack's first call in place of its layers, and keeps every state.

    Args:
        tape: That records.
        everywhere: As for `gradient_flow`.
        alone: Which direction passes gradients on: the backward one or the other; `None` for both.
    """

    def __init__(self, tape: tf.GradientTape, everywhere: bool, alone: bool | None) -> None:
        self.tape = tape
        self.everywhere = everywhere
        self.alone = alone
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
        whole = tf.stack(outputs, axis=1) if outputs else tf.zeros_like(inputs[:, :, :1]) * zeros[:, None]
        if self.alone not in (None, layer.go_backwards):
            return tf.stop_gradient(whole), *map(tf.stop_gradient, states)
        return whole, *states

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
def _recording(stack: RecurrentStack, recorder: _Recorder) -> Iterator[_Recorder]:
    stack.recorder = recorder
    try:
        yield recorder
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


def _by_lag(gradients: Any, real: Any) -> tuple[tuple, tuple, tuple]:
    """Norms by lag, mean over rows, the rows of every lag, and their mean norm at lag 0.

    Args:
        gradients: `(batch, time, width)` in the order of reading.
        real: `(batch, time)` booleans.
    """
    norms = tf.norm(tf.cast(gradients, tf.float32), axis=-1)  # (batch, time)
    after = _after(real)
    first = tf.reduce_sum(tf.where(real & tf.equal(after, 0), norms, 0.0), axis=1, keepdims=True)  # (batch, 1)
    lags = tf.boolean_mask(after, real)
    count = tf.reduce_max(lags, axis=0) + 1 if len(lags) else 1
    rows = tf.math.unsorted_segment_sum(tf.ones_like(lags), lags, count)

    def mean(values: Any) -> tuple[float, ...]:
        sums = tf.math.unsorted_segment_sum(tf.boolean_mask(values, real), lags, count)
        return tuple((sums / tf.cast(tf.maximum(rows, 1), tf.float32)).numpy().tolist())

    return mean(norms), tuple(rows.numpy().tolist()), mean(tf.broadcast_to(first, tf.shape(norms)))
