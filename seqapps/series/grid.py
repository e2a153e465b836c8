"""The regular time grid of a series: its frequency, its missing steps, its next steps."""

import warnings

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from seqapps import checks

MONTH = 365.2425 / 12
CALENDAR = {  # mean days of a step
    **dict.fromkeys(("MS", "ME"), MONTH),
    **dict.fromkeys(("QS", "QE"), 3 * MONTH),
    **dict.fromkeys(("YS", "YE"), 12 * MONTH),
    "B": 7 / 5,
    **dict.fromkeys(("BMS", "BME"), MONTH),
    **dict.fromkeys(("BQS", "BQE"), 3 * MONTH),
    **dict.fromkeys(("BYS", "BYE"), 12 * MONTH),
    "W": 7,
    "D": 1,
}
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
ANCHORED = {
    "W": DAYS,
    **dict.fromkeys(("QS", "QE", "BQS", "BQE"), MONTHS[:3]),
    **dict.fromkeys(("YS", "YE", "BYS", "BYE"), MONTHS),
}
LARGEST_GAP_SHARE = 0.5
DAY, WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)
SEASONS = {
    **dict.fromkeys(("MS", "ME", "BMS", "BME"), 12),
    **dict.fromkeys(("QS", "QE", "BQS", "BQE"), 4),
    **dict.fromkeys(("YS", "YE", "BYS", "BYE"), 1),
    "W": 52,
    "B": 5,
}


def regular_grid(stamps: pd.Index, frequency: str | None = None, source: str = "the series") -> tuple[pd.Index, str]:
    """The grid of equal steps on which all `stamps` lie.

    Args:
        stamps: Rising time stamps, or rising whole numbers.
        frequency: A pandas frequency such as `"h"`, `"MS"` or `"15min"`, or a whole number of steps; by default the one
            that needs the fewest additional steps.
        source: What messages call the series.

    Returns:
        The grid from the first stamp to the last, and its frequency.

    Raises:
        ValueError: If a stamp lies on no grid of that frequency, or no frequency fits.

    Example:

    >>> grid, frequency = regular_grid(pd.to_datetime(["2024-01-01", "2024-02-01", "2024-04-01"]))
    >>> frequency, len(grid)
    ('MS', 4)
    """
    if not len(stamps) or (len(stamps) == 1 and frequency is None):
        raise ValueError(
            f"{source} has {len(stamps)} time steps; the frequency shows from 2 on. Name it with `frequency`."
        )
    if frequency is not None:
        grid = _grid(stamps, _checked_frequency(frequency, stamps))
        off = ~stamps.isin(grid)
        if off.any():
            raise ValueError(
                f"{source}: {stamps[off][0]} does not lie on the grid of `frequency` {frequency!r} that starts at "
                f"{stamps[0]}. Correct the time stamp or choose another frequency."
            )
        return grid, frequency
    candidates = [(len(grid), order, name, grid) for order, (name, grid) in enumerate(_fitting_grids(stamps))]
    if not candidates:
        steps = (stamps[1:] - stamps[:-1]).unique()
        shown = ", ".join(str(step) for step in steps[:3])
        raise ValueError(
            f"{source}: no frequency fits the time stamps; the first steps are {shown}. "
            "Resample them to a regular grid, or name one with `frequency`."
        )
    _, _, name, grid = min(candidates, key=lambda candidate: candidate[:2])
    return grid, name


def _checked_frequency(frequency: str, stamps: pd.Index) -> str:
    if not isinstance(stamps, pd.DatetimeIndex):
        if not frequency.isdigit() or int(frequency) < 1:
            checks.fail("frequency", "a whole number of steps, because the time column counts steps", frequency)
        return frequency
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # names that pandas gives up, such as 'M'
            rises = to_offset(frequency).n > 0
    except (ValueError, FutureWarning):
        rises = False
    if not rises:
        advice = "Examples: 'h', 'D', 'B', 'W', 'MS', 'QS', '15min'."
        checks.fail("frequency", "a frequency of pandas", frequency, advice)
    return frequency


def _grid(stamps: pd.Index, frequency: str) -> pd.Index:
    if isinstance(stamps, pd.DatetimeIndex):
        return pd.date_range(stamps[0], stamps[-1], freq=frequency, name=stamps.name)
    return pd.RangeIndex(stamps[0], stamps[-1] + 1, int(frequency), name=stamps.name)


def _fitting_grids(stamps: pd.Index):
    """Every frequency whose grid holds all stamps and needs no more than half of its steps added."""
    numbers = stamps.to_numpy().astype("int64")
    smallest = int(np.gcd.reduce(np.diff(numbers)))
    span = int(numbers[-1]) - int(numbers[0])  # 292 years of nanoseconds fill an int64
    most = len(stamps) / (1 - LARGEST_GAP_SHARE)
    if span // smallest + 1 <= most:
        name = _fixed_frequency(stamps, smallest) if isinstance(stamps, pd.DatetimeIndex) else str(smallest)
        yield name, _grid(stamps, name)
    if not isinstance(stamps, pd.DatetimeIndex):
        return
    span_days = span / (DAY / pd.Timedelta(1, unit=stamps.unit))
    for base, days in CALENDAR.items():
        about = span_days / days + 1
        if not len(stamps) - 3 <= about <= most + 3:  # building its grid would only cost time
            continue
        for name in (base, *(f"{base}-{anchor}" for anchor in ANCHORED.get(base, ()))):
            grid = _grid(stamps, name)
            if len(grid) <= most and stamps.isin(grid).all():
                yield name, grid


def _fixed_frequency(stamps: pd.DatetimeIndex, smallest: int) -> str:
    """A step of equal length by its usual name: a week at midnight is `W-MON`, not `7D`."""
    step = pd.Timedelta(smallest, unit=stamps.unit)
    if step == WEEK and stamps[0] == stamps[0].normalize():
        return f"W-{DAYS[(stamps[0].dayofweek + 1) % 7]}"
    return to_offset(step).freqstr  # type: ignore[call-overload]


def future_stamps(last: pd.Timestamp | int, steps: int, frequency: str) -> pd.Index:
    """The `steps` time stamps after `last`."""
    if isinstance(last, pd.Timestamp):
        return pd.date_range(last, periods=steps + 1, freq=frequency)[1:]
    step = int(frequency)
    return pd.RangeIndex(last + step, last + step * (steps + 1), step)


def season_of(frequency: str) -> int:
    """Steps of the usual season: a day of minutes or hours, a week of days, a year of weeks, months or quarters.

    Example:

    >>> [season_of(frequency) for frequency in ("h", "15min", "D", "W-MON", "MS", "YS")]
    [24, 96, 7, 52, 12, 1]
    """
    if frequency.isdigit():
        return 1
    offset = to_offset(frequency)
    base = offset.name.split("-")[0].lstrip("0123456789")
    if base in SEASONS:
        return max(SEASONS[base] // offset.n, 1)
    try:
        step = pd.Timedelta(offset)  # type: ignore[arg-type]
    except ValueError:  # an offset without a fixed length
        return 1
    if step < DAY:
        return round(DAY / step)
    return {DAY: 7, WEEK: 52}.get(step, 1)
