"""The calendar as numbers, inside the graph: where in the day, the week and the year a step lies."""

import math

import pandas as pd
import tensorflow as tf

from seqapps.series import grid

DAY = 86_400.0  # seconds
WEEK, YEAR = 7 * DAY, 365.2425 * DAY
MONDAY = 4 * DAY  # 1970-01-05, from which weeks count
WORKING_DAYS = 5  # of a week, from Monday on
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
    return tuple(cycle for cycle in (DAY, WEEK, YEAR) if 0 < step <= MOST_OF_CYCLE * cycle)


def recurring(frequency: str, steps: int) -> tuple[float, ...]:
    """The cycles that come round twice at least in so many steps.

    Of less no model could learn a cycle: a year of training has a spring, and nothing that tells its weather from
    that of springs.

    Example:

    >>> [cycle / 86400 for cycle in recurring("h", steps=24 * 365)], recurring("h", steps=47)
    ([1.0, 7.0], ())
    """
    span = steps * step_seconds(frequency) * (1 + 1e-9)  # ten working days of 7/5 days are two weeks but for rounding
    return tuple(cycle for cycle in cycles(frequency) if FEWEST_CYCLES * cycle <= span)


def features(last_time: tf.Tensor, frequency: str, seen: tuple[float, ...], window: int, horizon: int) -> tf.Tensor:
    """Sine and cosine of the place in every cycle, for the steps of window and horizon.

    Working days are counted from Monday to Friday, holidays among them. Other calendar steps such as months count with
    their mean length, which is a few days off.

    Args:
        last_time: `(batch,)` int64, seconds since 1970 of the window's last step.
        frequency: The grid's step.
        seen: Seconds of the cycles.
        window: Steps up to `last_time`.
        horizon: Steps after it.

    Returns:
        `(batch, window + horizon, 2 * cycles)` float32.
    """
    steps = tf.range(1 - window, horizon + 1, dtype=tf.float64)
    last = tf.cast(last_time, tf.float64)[:, None] - MONDAY
    if _working_days(frequency):
        seconds = _after_working_days(last, steps * _working_days(frequency))
    else:
        seconds = last + steps * step_seconds(frequency)  # (batch, window + horizon)
    parts = []
    for cycle in seen:
        angle = 2 * math.pi * tf.math.floormod(seconds, tf.constant(cycle, tf.float64)) / cycle
        parts += [tf.sin(angle), tf.cos(angle)]
    return tf.cast(tf.stack(parts, axis=-1), tf.float32)


def _working_days(frequency: str) -> int:
    """Working days of a step; 0 where they are not what it counts."""
    offset = None if frequency.isdigit() else pd.tseries.frequencies.to_offset(frequency)
    return offset.n if offset is not None and offset.name == "B" else 0


def _after_working_days(last: tf.Tensor, days: tf.Tensor) -> tf.Tensor:
    """`last`, seconds since a Monday, and so many working days later; a weekend counts as its Friday."""
    week, weekday = tf.math.floordiv(last, WEEK), tf.math.floordiv(tf.math.floormod(last, WEEK), DAY)
    place = tf.minimum(weekday, WORKING_DAYS - 1) + days  # working days since that week's Monday
    weeks = week + tf.math.floordiv(place, WORKING_DAYS)
    return weeks * WEEK + tf.math.floormod(place, WORKING_DAYS) * DAY + tf.math.floormod(last, DAY)
