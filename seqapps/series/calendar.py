"""The calendar as numbers, inside the graph: where in the day, the week and the year a step lies."""

import math

import pandas as pd
import tensorflow as tf

from seqapps.series import grid

DAY = 86_400.0  # seconds
WEEK, YEAR = 7 * DAY, 365.2425 * DAY
MONDAY = 4 * DAY  # 1970-01-05, from which weeks count
MOST_OF_CYCLE = 0.5  # a cycle of fewer than two steps cannot be seen
FEWEST_CYCLES = 2  # what came round once may as well not come again


def step_seconds(frequency: str) -> float:
    """Mean seconds of a step; 0 for steps that are only counted.

    Example:

    >>> step_seconds("h"), step_seconds("2D"), round(step_seconds("MS") / 86400, 3)
    (3600.0, 172800.0, 30.437)
    """
    if frequency.isdigit():
        return 0.0
    offset = pd.tseries.frequencies.to_offset(frequency)
    days = grid.CALENDAR.get(offset.name.split("-")[0].lstrip("0123456789"))
    if days is not None:
        return days * offset.n * DAY
    try:
        return pd.Timedelta(offset).total_seconds()  # type: ignore[arg-type]
    except ValueError:  # an offset without a mean length
        return 0.0


def cycles(frequency: str) -> tuple[float, ...]:
    """Seconds of the cycles that a step of this frequency can show: day, week, year.

    Example:

    >>> [cycle / 86400 for cycle in cycles("h")], len(cycles("MS")), len(cycles("YS"))
    ([1.0, 7.0, 365.2425], 1, 0)
    """
    step = step_seconds(frequency)
    uneven = not frequency.isdigit() and pd.tseries.frequencies.to_offset(frequency).name == "B"
    seen = (DAY, YEAR) if uneven else (DAY, WEEK, YEAR)  # working days skip a part of the week
    return tuple(cycle for cycle in seen if 0 < step <= MOST_OF_CYCLE * cycle)


def recurring(frequency: str, steps: int) -> tuple[float, ...]:
    """The cycles that come round twice at least in so many steps.

    Of less no model could learn a cycle: a year of training has a spring, and nothing that tells its weather from
    that of springs.

    Example:

    >>> [cycle / 86400 for cycle in recurring("h", steps=24 * 365)], recurring("h", steps=47)
    ([1.0, 7.0], ())
    """
    return tuple(cycle for cycle in cycles(frequency) if FEWEST_CYCLES * cycle <= steps * step_seconds(frequency))


def features(last_time: tf.Tensor, frequency: str, seen: tuple[float, ...], window: int, horizon: int) -> tf.Tensor:
    """Sine and cosine of the place in every cycle, for the steps of window and horizon.

    Calendar steps such as months count with their mean length, which is a few days off.

    Args:
        last_time: `(batch,)` int64, seconds since 1970 of the window's last step.
        frequency: The grid's step.
        seen: Seconds of the cycles.
        window: Steps up to `last_time`.
        horizon: Steps after it.

    Returns:
        `(batch, window + horizon, 2 * cycles)` float32.
    """
    steps = tf.range(1 - window, horizon + 1, dtype=tf.float64) * step_seconds(frequency)
    seconds = tf.cast(last_time, tf.float64)[:, None] - MONDAY + steps  # (batch, window + horizon)
    parts = []
    for cycle in seen:
        angle = 2 * math.pi * tf.math.floormod(seconds, tf.constant(cycle, tf.float64)) / cycle
        parts += [tf.sin(angle), tf.cos(angle)]
    return tf.cast(tf.stack(parts, axis=-1), tf.float32)
