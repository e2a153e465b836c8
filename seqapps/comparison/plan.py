"""What is compared: the variants of a plan, each with the config of its training. Imports no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqapps import checks
from seqapps.config import CELL_NAMES, CONTROLS, Options, TaskConfig, option

DIRECTIONS = {"one": False, "two": True}
MATCHES = ("units", "parameters")
# Options of a config that a comparison sets itself, and what sets them.
VARIED = {
    "cell": "cells",
    "bidirectional": "directions",
    "num_layers": "depths",
    "seed": "seeds",
    "epochs": "max_epochs",
    "data_fraction": "data_fractions",
    "control": "controls",
}


@dataclass(frozen=True)
class Plan(Options):
    """What is compared: every cell in every direction and depth, each with every seed."""

    cells: tuple[str, ...] = option(CELL_NAMES, "recurrent cells", choices=CELL_NAMES)
    directions: tuple[str, ...] = option(("one",), "directions in which a sequence is read", choices=tuple(DIRECTIONS))
    depths: tuple[int, ...] = option((1,), "numbers of stacked layers", minimum=1)
    seeds: tuple[int, ...] = option((0, 1, 2), "seeds of weights, order, dropout and the training rows", minimum=0)
    match: str = option(
        "units", "equal width, or as many parameters of the whole model as the first variant has", choices=MATCHES
    )
    max_epochs: int | None = option(
        None, "passes over the training data, at most; by default the task's epochs", minimum=1
    )
    data_fractions: tuple[float, ...] = option((1.0,), "parts of the training rows, such as 0.1,0.3,1", above=0)
    controls: tuple[str, ...] = option(
        (), "models that cannot use order, beside the others: memoryless, shuffled", choices=CONTROLS[1:]
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in vars(self).items():
            if not isinstance(values, tuple):
                continue
            if not values and name != "controls":
                checks.fail(name, "at least one value", values)
            if len(set(values)) < len(values):
                checks.fail(name, "different values", values)
        for fraction in self.data_fractions:
            if fraction > 1:
                checks.fail("data_fractions", "numbers above 0, up to 1", self.data_fractions)


@dataclass(frozen=True)
class Variant:
    """A model that is compared, at one part of the training rows.

    Attributes:
        name: What a reader sees.
        folder: The same as part of the name of a folder.
        config: Of its training, with the first seed.
        twins: Names of the variants that a control is the control of; none of others.
    """

    name: str
    folder: str
    config: TaskConfig
    twins: tuple[str, ...] = ()


def variants(plan: Plan, config: TaskConfig) -> list[Variant]:
    """The variants of a plan, for every part of the training rows; the first one of each is the reference.

    Args:
        plan: What varies.
        config: What they have in common; the options that a plan sets do not matter in it.

    Raises:
        ValueError: If options cannot be compared, or one of the variants is none that the task can have.
    """
    if isinstance(config.units, tuple):
        advice = "A comparison sets the depth itself: give one width for all layers."
        checks.fail("units", "one integer", list(config.units), advice)
    if config.merge_mode != "concat" and not any(DIRECTIONS[name] for name in plan.directions):
        advice = "One direction has nothing to merge: compare two directions too, or leave it out."
        checks.fail("merge_mode", f"'concat' with directions={plan.directions!r}", config.merge_mode, advice)
    made = []
    for fraction in plan.data_fractions:
        common: dict[str, Any] = {
            "seed": plan.seeds[0],
            "epochs": plan.max_epochs or config.epochs,
            "data_fraction": fraction,
        }
        share = "" if fraction == 1 else f"-data-{fraction:g}"  # whatever other parts a repeat has
        for depth in plan.depths:
            for direction in plan.directions:
                for cell in plan.cells:
                    own = _of_kind(config, cell, direction, depth, common)
                    made.append(Variant(name_of(own), f"{cell}-{direction}-{depth}{share}", own))
        names = tuple(variant.name for variant in made if variant.config.data_fraction == fraction)
        made += _controls(plan, config, common, share, names)
    return made


def _of_kind(config: TaskConfig, cell: str, direction: str, depth: int, common: Mapping[str, Any]) -> TaskConfig:
    two = DIRECTIONS[direction]
    own: dict[str, Any] = {"cell": cell, "bidirectional": two, "num_layers": depth, "control": "none"}
    # One direction has nothing to merge; the refusal of the option is for those who ask for one direction alone.
    merge_mode = config.merge_mode if two else "concat"
    return dataclasses.replace(config, **own, **common, merge_mode=merge_mode)


def _controls(
    plan: Plan, config: TaskConfig, common: Mapping[str, Any], share: str, names: tuple[str, ...]
) -> list[Variant]:
    """The controls: one without memory for all variants, whose `names` are given, and of every cell one that reads
    shuffled steps, in the first direction and depth of the plan."""
    made = []
    for control in plan.controls:
        first = [_of_kind(config, cell, plan.directions[0], plan.depths[0], common) for cell in plan.cells]
        if control == "memoryless":
            made.append(Variant(control, f"{control}{share}", first[0].as_memoryless(), names))
            continue
        for own in first:
            folder = f"{own.cell}-{plan.directions[0]}-{plan.depths[0]}-{control}{share}"
            shuffled = dataclasses.replace(own, control=control)
            made.append(Variant(name_of(shuffled), folder, shuffled, (name_of(own),)))
    return made


def name_of(config: TaskConfig | Any) -> str:
    """What a reader sees of a config's recurrence.

    Example:

    >>> name_of(TaskConfig(cell="lstm", num_layers=2, bidirectional=True))
    'lstm, two directions, 2 layers'
    """
    if config.control == "memoryless":
        return "memoryless"
    depth = len(config.widths)
    parts = [config.cell, "two directions" if config.bidirectional else "", f"{depth} layers" if depth > 1 else ""]
    return ", ".join(filter(None, [*parts, "" if config.control == "none" else config.control]))


def seeded(config: TaskConfig, seed: int) -> TaskConfig:
    """The same with another seed."""
    return dataclasses.replace(config, seed=seed)
