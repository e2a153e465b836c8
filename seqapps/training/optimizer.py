"""Adam with a schedule, an average of the weights, and layers that change later and less than others."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from seqapps import checks
from seqapps.config import TaskConfig
from seqapps.training.norms import GradientNorms

RISE = 9  # steps after which the momentum of an average of weights is a half


@keras.saving.register_keras_serializable("seqapps")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0, then constant, linear or cosine to 0, or falling with the inverse square root of the step.

    Sources: cosine Loshchilov & Hutter 2017, inverse square root Vaswani et al. 2017.

    Args:
        peak: Highest learning rate.
        warmup_steps: Steps of the rise.
        total_steps: Steps of the whole training; `linear` and `cosine` reach 0 there.
        shape: `"constant"`, `"linear"`, `"cosine"` or `"inverse_sqrt"`.

    Example:

    >>> schedule = WarmupSchedule(peak=0.1, warmup_steps=10, total_steps=110, shape="linear")
    >>> [round(float(schedule(step)), 3) for step in (0, 4, 10, 60, 110)]
    [0.01, 0.05, 0.1, 0.05, 0.0]
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int, shape: str) -> None:
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.shape = shape

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = (step + 1) / max(self.warmup_steps, 1)
        done = (step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1)
        done = ops.clip(done, 0.0, 1.0)
        after = {
            "constant": lambda: ops.ones_like(step),
            "linear": lambda: 1 - done,
            "cosine": lambda: 0.5 * (1 + ops.cos(math.pi * done)),
            "inverse_sqrt": lambda: ops.rsqrt(
                ops.maximum(step + 1, max(self.warmup_steps, 1)) / max(self.warmup_steps, 1)
            ),
        }[self.shape]()
        return self.peak * ops.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        return vars(self).copy()


@keras.saving.register_keras_serializable("seqapps")
class DenseAdam(keras.optimizers.Adam):
    """Adam that sums the rows of an embedding's gradient first, and may change some layers later and less than others.

    Keras takes the norm of such a gradient without summing the rows of a token that occurs more than once, and so
    clips to another limit than was asked for. `norms` tells how large gradients are before they are clipped.

    With `use_ema` the average forgets faster at first: after n steps its momentum is n / (n + 9), until that exceeds
    `ema_momentum`. So the weights in a short average are a tenth of the training old in the mean, where a momentum of
    0.999 alone would leave it near the first ones. Source of the formula: `num_updates` of
    `tf.train.ExponentialMovingAverage`, here from 0 on.

    Args:
        *args: As for `keras.optimizers.Adam`.
        layer_rates: For some layers the factor of their learning rate, and the step at which they begin to change; a
            variable belongs to the layer whose name stands first in its path. Others change by the whole rate.
        **kwargs: As for `keras.optimizers.Adam`.
    """

    def __init__(self, *args: Any, layer_rates: Mapping[str, Sequence[float]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.layer_rates = dict(layer_rates or {})
        self.norms = GradientNorms()

    def update_step(self, gradient, variable, learning_rate):
        """Change one variable; as in Keras."""
        path = self._trainable_variables[self._get_variable_index(variable)].path
        if self.layer_rates:
            learning_rate = learning_rate * self._rate_of(path)[0] * self._thawed(path)
        super().update_step(gradient, variable, learning_rate)

    def _update_model_variables_moving_average(self, trainable_variables):
        """Let the average follow the weights; as in Keras, but for the rise of the momentum from 0."""
        if not self.use_ema:
            return
        done = ops.cast(self.iterations, "float32")
        momentum = ops.minimum(self.ema_momentum, done / (done + RISE))
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                average.assign(momentum * average + (1 - momentum) * variable)

    def _rate_of(self, path: str) -> tuple[float, int]:
        """Factor and first step of the layer that a variable belongs to."""
        name = next((name for name in self.layer_rates if path.startswith(f"{name}/")), None)
        factor, first_step = self.layer_rates[name] if name is not None else (1.0, 0)
        return float(factor), int(first_step)

    def _thawed(self, path: str) -> Any:
        """1 where a variable changes, 0 where it does not yet."""
        return ops.cast(self.iterations >= self._rate_of(path)[1], "float32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"layer_rates": {name: list(rate) for name, rate in self.layer_rates.items()}}

    def apply(self, grads, trainable_variables=None):
        """Change the variables; as in Keras."""
        dense = [gradient if gradient is None else tf.convert_to_tensor(gradient) for gradient in grads]
        if self.layer_rates:  # what does not change yet must not count in the norm either
            paths = [variable.path for variable in trainable_variables or self._trainable_variables]
            dense = [
                each if each is None else each * self._thawed(path) for each, path in zip(dense, paths, strict=True)
            ]
        self.norms.record(tf.linalg.global_norm(dense), self.global_clipnorm)
        return super().apply(dense, trainable_variables)


def make_optimizer(
    config: TaskConfig, total_steps: int, layer_rates: Mapping[str, Sequence[float]] | None = None
) -> keras.optimizers.Optimizer:
    """Adam with the config's schedule, decoupled weight decay, limit on the gradient's global norm and average.

    Args:
        config: The options.
        total_steps: Of the whole training.
        layer_rates: As for `DenseAdam`.
    """
    if config.warmup_steps >= total_steps:
        advice = f"Training takes {total_steps} steps: epochs × batches."
        checks.fail("warmup_steps", f"below {total_steps}", config.warmup_steps, advice)
    rate = WarmupSchedule(config.learning_rate, config.warmup_steps, total_steps, config.schedule)
    return DenseAdam(
        rate,
        weight_decay=config.weight_decay or None,
        global_clipnorm=config.clip_norm,
        use_ema=config.average_weights > 0,
        ema_momentum=config.average_weights or 0.99,
        layer_rates=layer_rates,
    )
