"""As many parameters of the whole model as a reference has: the width that gives them."""

import dataclasses
import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any

from seqapps.comparison.plan import Variant, seeded
from seqapps.config import TaskConfig

TOLERANCE = 0.02  # of the reference's parameters


def matched(variants: list[Variant], task: str, data: Any, seed: int) -> list[Variant]:
    """The variants with the widths that give as many parameters as the first one of their part of the rows has.

    A control that reads shuffled steps gets the width of its twin; one without memory has no width to choose.

    Args:
        variants: Of a plan.
        task: Name of the task.
        data: As for training.
        seed: Whose rows are counted, where only a part of them is trained on: the vocabulary depends on it.

    Raises:
        ValueError: If no width comes within 2 %.
    """
    counting = import_module(f"seqapps.tasks.{task}.comparing").parameters
    by_fraction: dict[float, tuple[Callable[[TaskConfig], int], Variant, int]] = {}
    widths: dict[tuple[float, str], int] = {}
    made = []
    for variant in variants:
        config, fraction = variant.config, variant.config.data_fraction
        if fraction not in by_fraction:
            count = counting(seeded(config, seed), data)
            by_fraction[fraction] = (count, variant, count(config))
        if config.control == "memoryless":
            made.append(variant)
            continue
        count, reference, target = by_fraction[fraction]
        if variant.twins:
            width = widths[fraction, variant.twins[0]]
        else:
            width = nearest_width(functools.partial(_count_at, count, config), target, variant.name, reference.name)
        widths[fraction, variant.name] = width
        made.append(dataclasses.replace(variant, config=dataclasses.replace(config, units=width)))
    return made


def _count_at(count: Callable[[TaskConfig], int], config: TaskConfig, width: int) -> int:
    return count(dataclasses.replace(config, units=width))


def nearest_width(count: Callable[[int], int], target: int, name: str, reference: str) -> int:
    """The width whose parameters come nearest to a number.

    Args:
        count: Parameters at a width, which rise with it.
        target: The number.
        name: Of the variant, for the message.
        reference: Of the one that has `target` parameters.

    Raises:
        ValueError: If the nearest number is more than 2 % away.

    Example:

    >>> nearest_width(lambda width: 3 * width * width, target=301, name="gru", reference="lstm")
    10
    """
    count = functools.cache(count)
    low, high = 0, 1
    while count(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) >= target else (middle, high)
    best = min((width for width in (low, high) if width), key=lambda width: abs(count(width) - target))
    if abs(count(best) - target) > TOLERANCE * target:
        raise ValueError(
            f"`match` must be 'units' here: {reference} has {target} parameters, and the nearest number that {name} "
            f"can have is {count(best)}, with units={best}, more than {100 * TOLERANCE:g} % away. Received: "
            "match='parameters'. Choose larger units."
        )
    return best
