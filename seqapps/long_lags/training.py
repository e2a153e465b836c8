"""One training on a long-lag problem: fresh sequences until the problem is solved or the budget is spent."""

import itertools
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps import problems, training
from seqapps.config import TaskConfig
from seqapps.long_lags.config import Config
from seqapps.problems import PROBLEMS, Problem
from seqapps.recurrent.gradient_flow import gradient_flow
from seqapps.recurrent.stack import RecurrentStack
from seqapps.training.norms import COLUMNS, GradientNorms

SOLVED = 0.1  # of the baseline: a loss up to it means that the problem is solved
ENOUGH = 0.5  # of that, on validation: training ends there, so that the test confirms it
WORSE = 10.0  # times the baseline: a loss above it, at the end or on the way, means that training has diverged
STEPS_BETWEEN_MEASURES = 100
VALIDATION_ROWS, TEST_ROWS, FLOW_ROWS = 500, 2000, 16
TEST_BATCH = 500


@dataclass(frozen=True)
class Trial:
    """What is trained: one cell on one lag with one seed.

    Attributes:
        cell: Of the network.
        lag: Of the problem.
        seed: Of weights and data.
        truncation: Steps through which gradients go back; `None` for all.
    """

    cell: str
    lag: int
    seed: int
    truncation: int | None = None

    @property
    def key(self) -> str:
        """Its name among the results."""
        return f"{self.cell}, lag {self.lag}, seed {self.seed}, truncation {self.truncation or 'none'}"


class Network:
    """A stack and a dense head, whose gradients may end at a truncation.

    Args:
        problem: To solve.
        config: The options.
        trial: The cell and the truncation.
    """

    def __init__(self, problem: Problem, config: Config, trial: Trial) -> None:
        self.problem, self.truncation = problem, trial.truncation
        self.stack = RecurrentStack(
            config.units,
            trial.cell,
            num_layers=config.num_layers,
            recurrent_initializer=keras.initializers.Orthogonal(config.recurrent_gain),
            return_sequences=True,
            return_state=True,
            reset_after=config.reset_after,
        )
        self.stack.build((None, None, problem.features))
        self.head = keras.layers.Dense(problem.outputs)
        self.head.build((None, self.stack.output_size))
        self.weights = [*self.stack.trainable_weights, *self.head.trainable_weights]

    def losses(self, inputs: tf.Tensor, targets: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`(rows,)`, or `(rows, steps)` where every step has an answer."""
        outputs, states = [], None
        for start, stop in self._windows(inputs.shape[1]):
            made, states = self.stack(inputs[:, start:stop], initial_state=states, training=training)
            states = [tf.stop_gradient(state) for state in states] if stop < inputs.shape[1] else states
            outputs.append(made)
        answers = self.head(tf.concat(outputs, axis=1) if self.problem.every_step else outputs[-1][:, -1])
        if self.problem.classes:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, answers)
        return tf.square(answers[:, 0] - targets)

    def _windows(self, steps: int) -> list[tuple[int, int]]:
        """Between which gradients do not go: of `truncation` steps each, the first one shorter."""
        length = self.truncation or steps
        bounds = [0, *range(steps % length or length, steps, length), steps]
        return [*itertools.pairwise(bounds)]


class DenseDescent(keras.optimizers.SGD):
    """Gradient descent that counts the norms of gradients before they are clipped, as `DenseAdam` does.

    Args:
        *args: As for `keras.optimizers.SGD`.
        **kwargs: As for `keras.optimizers.SGD`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.norms = GradientNorms()

    def apply(self, grads, trainable_variables=None):
        """Change the variables; as in Keras."""
        self.norms.record(tf.linalg.global_norm(grads), self.global_clipnorm)
        return super().apply(grads, trainable_variables)


def train(name: str, config: Config, trial: Trial) -> dict[str, Any]:
    """Train and test a network.

    Args:
        name: Of the problem.
        config: The options.
        trial: What is trained.

    Returns:
        What a trial is, `loss` of the test sequences (`None` where it is not finite), `solved`, `diverged` (also if it
        came back), `steps` and `seconds` of the training, the norms of its gradients, its `course` (pairs of a step and
        its validation loss), and `flow`: the gradient's norms by lag at the `start` and the `end` of the training.
    """
    problem = PROBLEMS[name]
    training.set_seed(trial.seed)
    network = Network(problem, config, trial)
    optimizer = _optimizer(config)
    optimizer.build(network.weights)
    step, measure = _compiled(network, optimizer, problem.steps(trial.lag))
    validation = _fixed(name, trial, problems.VALIDATION, VALIDATION_ROWS)
    flow = {"start": _flow(network, name, trial)}
    baseline = problem.baseline(trial.lag)
    began, course, steps = time.monotonic(), [], 0
    for inputs, targets in problems.batches(name, trial.lag, config.batch_size, trial.seed):
        step(inputs, targets)
        steps += 1
        seconds = time.monotonic() - began
        over = steps == config.max_steps or seconds > 60 * (config.max_minutes or math.inf)
        if over or steps % STEPS_BETWEEN_MEASURES == 0:
            course.append((steps, _mean(measure, validation)))
            if over or not math.isfinite(course[-1][1]) or course[-1][1] <= ENOUGH * SOLVED * baseline:
                break
    loss = _mean(measure, _fixed(name, trial, problems.TEST, TEST_ROWS))
    flow["end"] = _flow(network, name, trial)
    told = optimizer.norms.read()
    return {
        **asdict(trial),
        "loss": _number(loss),
        "solved": loss <= SOLVED * baseline,
        "diverged": has_diverged([loss, *(value for _, value in course)], baseline),
        "steps": steps,
        "seconds": round(time.monotonic() - began, 1),
        **{column: told[column] for column in COLUMNS},
        "course": [(at, _number(value)) for at, value in course],
        "flow": flow,
    }


def has_diverged(losses: Iterable[float], baseline: float) -> bool:
    """Whether one of the losses of a training is not finite, or above ten times the baseline.

    The last one alone does not tell: a network whose states are bounded comes back when its learning rate falls to 0.

    Example:

    >>> has_diverged([0.16, 2.1, 0.17], baseline=0.2), has_diverged([0.16, 1.9], baseline=0.2)
    (True, False)
    """
    return not all(loss <= WORSE * baseline for loss in losses)


def _optimizer(config: Config) -> Any:
    """With a learning rate that falls to 0 along a cosine."""
    if config.optimizer == "adam":
        options = TaskConfig(learning_rate=config.learning_rate, clip_norm=config.clip_norm)
        return training.make_optimizer(options, config.max_steps)
    rate = training.WarmupSchedule(config.learning_rate, 0, config.max_steps, "cosine")
    return DenseDescent(rate, global_clipnorm=config.clip_norm)


def _compiled(network: Network, optimizer: Any, steps: int) -> tuple[Callable, Callable]:
    """A training step, and the losses of a batch, of sequences of so many steps."""
    problem = network.problem
    inputs = tf.TensorSpec([None, steps, problem.features], tf.float32)
    shape = [None, steps] if problem.every_step else [None]
    signature = [inputs, tf.TensorSpec(shape, tf.int32 if problem.classes else tf.float32)]

    @tf.function(input_signature=signature)
    def step(inputs: tf.Tensor, targets: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network.losses(inputs, targets, training=True))
        optimizer.apply(tape.gradient(loss, [weight.value for weight in network.weights]), network.weights)

    return step, tf.function(network.losses, input_signature=signature)


def _fixed(name: str, trial: Trial, stream: int, rows: int) -> list[problems.Batch]:
    """Sequences of another stream than those that are trained on, in batches."""
    drawn = problems.batches(name, trial.lag, TEST_BATCH, trial.seed, stream)
    return [next(drawn) for _ in range(rows // TEST_BATCH)]


def _mean(measure: Callable, batches: list[problems.Batch]) -> float:
    return float(np.mean([measure(inputs, targets).numpy().mean() for inputs, targets in batches]))


def _number(value: float) -> float | None:
    """As JSON can hold it."""
    return value if math.isfinite(value) else None


def _flow(network: Network, name: str, trial: Trial) -> dict[str, list[float | None]]:
    """Norms by lag of the gradient with respect to the states of every layer, without truncation."""
    inputs, targets = next(problems.batches(name, trial.lag, FLOW_ROWS, trial.seed, problems.VALIDATION))
    truncation, network.truncation = network.truncation, None
    flow = gradient_flow(network.stack, lambda: network.losses(tf.constant(inputs), targets))
    network.truncation = truncation
    several = len(network.stack.recurrent_layers) > 1
    return {
        f"layer {curve.layer + 1}, {curve.state}" if several else curve.state: [_number(norm) for norm in curve.norms]
        for curve in flow.curves
        if curve.state != "input"
    }
