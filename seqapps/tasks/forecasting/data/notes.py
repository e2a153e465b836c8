"""What a user must mend in data that are cut, and what need only be known."""

from collections.abc import Sequence

import numpy as np

from seqapps import fractions
from seqapps.tasks.forecasting.data.splits import SPLITS, Splits

MOST_NAMES = 5


def few(names: Sequence[str]) -> str:
    """The first names, and a sign that there are more."""
    return ", ".join(names[:MOST_NAMES]) + (" …" if len(names) > MOST_NAMES else "")


def need_of_one(splits: Splits, padded: bool = False) -> str:
    """The steps of one example, as messages say them; a window that may be padded needs a single one."""
    window, horizon = splits.window, splits.horizon
    if padded:
        return f"one example needs horizon = {horizon} and a step before"
    return f"one example needs window + horizon = {window} + {horizon} = {window + horizon}"


def check_parts(splits: Splits, other_rule: bool) -> None:
    """Refuse parts in which no series has an example.

    Args:
        splits: The data, cut.
        other_rule: Whether `windows=1` could cut them instead.

    Raises:
        ValueError: If a part is too short for one example, or empty of values.
    """
    many = "longest " if len(splits.panel.ids) > 1 else ""
    longest = splits.panel.lengths().max()
    if longest < splits.window + splits.horizon:
        raise ValueError(
            f"The {many}series has {longest} steps; {need_of_one(splits)}. "
            "Shorten window or horizon, or supply more data."
        )
    for split in SPLITS:
        start, stop = splits.rows(split)
        if not len(splits.origins(split)):
            whole = need_of_one(splits, padded=bool(many))
            what = whole if split == "train" else f"one example needs horizon = {splits.horizon}"
            raise ValueError(
                f"The {many}{split} part has {(stop - start).max()} steps; {what}. "
                f"Shorten window or horizon, {_other_split(splits, other_rule)}, or supply more data."
            )
        pairs = zip(start, stop, strict=True)
        if all(np.isnan(splits.panel.values[first:after]).all() for first, after in pairs):
            raise ValueError(f"Every value of the {split} part is missing. Change the split, or supply more data.")


def _other_split(splits: Splits, other_rule: bool) -> str:
    """The advice to change the split; where the least one fits, to that one."""
    window, horizon = splits.window, splits.horizon
    # Validation and test of one horizon each, and one example before them.
    least = max(window + horizon, 3 * horizon + 1) if len(splits.panel.ids) > 1 else window + 3 * horizon
    fits = other_rule and least <= splits.panel.lengths().max()
    return f"take --windows 1, for which {least} steps are enough" if fits else "change the split"


def notes_on(splits: Splits) -> tuple[str, ...]:
    """What a user should know about the data and need not mend."""
    trained_on = (splits.data_fraction, splits.steps("train"), int(splits.training_steps.sum()))
    return (*fractions.note(*trained_on, "steps"), *_gaps(splits), *_flat(splits), *_without_windows(splits))


def _gaps(splits: Splits) -> list[str]:
    """Missing steps and values, of targets and covariates."""
    panel, notes = splits.panel, []
    if panel.missing_steps:
        notes.append(f"{panel.missing_steps} time steps are missing; their values are treated as missing.")
    roles = panel.roles
    for names, values in ((panel.columns, panel.values), (roles.past, panel.past), (roles.future, panel.future)):
        for name, count in zip(names, np.isnan(values).sum(axis=0), strict=True):
            if count > panel.missing_steps:
                notes.append(f"Column {name!r}: {count} of {len(values)} values are missing.")
    for name, count in zip(roles.static, (panel.static == "").sum(axis=0), strict=True):
        if count:
            notes.append(f"Column {name!r}: {count} of {len(panel.ids)} series have no value.")
    return notes


def _flat(splits: Splits) -> list[str]:
    """Series and columns without values, or with a single one, in the training part.

    Raises:
        ValueError: If a column of the only series has no values there.
    """
    panel = splits.panel
    many = len(panel.ids) > 1
    constant, unused = [], []
    for series, (start, stop) in enumerate(zip(*splits.rows("train"), strict=True)):
        for position, name in enumerate(panel.columns):
            observed = panel.values[start:stop, position]
            observed = observed[~np.isnan(observed)]
            if not observed.size and not many:
                raise ValueError(f"{panel.source}, column {name!r}: every value of the training part is missing.")
            if not observed.size:
                unused.append(panel.ids[series])
            elif (observed == observed[0]).all():
                constant.append(
                    panel.ids[series] if many else f"{name!r} is constant in the training part ({observed[0]:g})"
                )
    if not many:
        return [f"Column {text}." for text in constant]
    told = ((constant, "constant in the training part"), (unused, "without values in the training part"))
    counted = [(list(dict.fromkeys(names)), what) for names, what in told]
    return [f"{len(names)} series are {what}: {few(names)}." for names, what in counted if names]


def _without_windows(splits: Splits) -> list[str]:
    """How many of many series have no window in a part."""
    ids, notes = splits.panel.ids, []
    for split in SPLITS if len(ids) > 1 else ():
        without = [ids[number] for number in np.setdiff1d(np.arange(len(ids)), splits.origins(split).series)]
        if without:
            are = "series are" if len(without) > 1 else "series is"
            notes.append(
                f"{len(without)} of {len(ids)} {are} too short for a window of the {split} part: {few(without)}."
            )
    return notes
