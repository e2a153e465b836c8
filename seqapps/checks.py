"""The error grammar, once: what was expected, what was received, and what to do about it. Standard library only.

Every message reads `` `name` must be <constraint>. Received: name=<value>. <what to do> ``.
"""

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, NoReturn


def listing(names: Iterable[Any]) -> str:
    """Names in quotes, separated by commas.

    Example:

    >>> listing(["lstm", "gru"])
    "'lstm', 'gru'"
    """
    return ", ".join(repr(name) for name in names)


def suggestion(value: Any, choices: Iterable[Any]) -> str:
    """A sentence that names the choice most like `value`, or nothing.

    Example:

    >>> suggestion("ltsm", ["simple_rnn", "lstm", "gru"])
    " Did you mean 'lstm'?"
    >>> suggestion("transformer", ["simple_rnn", "lstm", "gru"])
    ''
    """
    by_lower = {str(choice).lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(value).lower(), list(by_lower), n=1, cutoff=0.6)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""


def fail(name: str, constraint: str, value: Any, advice: str = "") -> NoReturn:
    """Raise the `ValueError` of the grammar."""
    tail = f" {advice}" if advice else ""
    raise ValueError(f"`{name}` must be {constraint}. Received: {name}={value!r}.{tail}")


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Refuse a `value` that is not one of `choices`, with the closest choice as a suggestion."""
    if value not in choices:
        one_of = f"one of {listing(choices)}" if len(choices) > 1 else listing(choices)
        fail(name, one_of, value, suggestion(value, choices).strip())


def check_integer(name: str, value: Any, minimum: int, advice: str = "") -> None:
    """Refuse anything but an integer of at least `minimum` (`True` and `False` are no integers here)."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        fail(name, f"an integer of at least {minimum}", value, advice)


def check_number(name: str, value: Any, minimum: float, advice: str = "", *, exclusive: bool = False) -> None:
    """Refuse anything but a finite number of at least (or, if `exclusive`, above) `minimum`."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not value < float("inf") or value < minimum or (exclusive and value == minimum):
        bound = f"above {minimum:g}" if exclusive else f"of at least {minimum:g}"
        fail(name, f"a number {bound}", value, advice)


def check_fraction(name: str, value: Any, advice: str = "", *, exclusive: bool = False) -> None:
    """Refuse anything but a number of [0, 1), or of (0, 1) if `exclusive`."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < 1 or (exclusive and value == 0):
        low = "above 0" if exclusive else "of at least 0"
        fail(name, f"a number {low} and below 1", value, advice)


def check_boolean(name: str, value: Any) -> None:
    """Refuse anything but `True` and `False`."""
    if not isinstance(value, bool):
        fail(name, "True or False", value)


def layer_widths(units: int | Sequence[int], num_layers: int | None) -> tuple[int, ...]:
    """One width per layer, from one for all or one for each.

    Raises:
        ValueError: If a width is no positive integer, or there is not one for every layer.
    """
    if num_layers is not None:
        check_integer("num_layers", num_layers, minimum=1)
    widths: tuple = tuple(units) if isinstance(units, Sequence) else (units,) * (num_layers or 1)
    if not widths:
        fail("units", "an integer or one integer per layer", units)
    for width in widths:
        check_integer("units", width, minimum=1)
    if num_layers is not None and len(widths) != num_layers:
        advice = f"There are {len(widths)} widths in units={list(widths)}: leave num_layers out, or match it."
        fail("num_layers", f"{len(widths)}, one layer per entry of `units`", num_layers, advice)
    return tuple(int(width) for width in widths)  # an integer of NumPy has no place in JSON


def check_recurrent_options(
    cell: str, units: tuple[int, ...], bidirectional: bool, merge_mode: str, residual: bool, reset_after: bool = True
) -> None:
    """Refuse options that are valid alone and have no effect, or no meaning, together.

    Raises:
        ValueError: With the reason.
    """
    if not reset_after and cell != "gru":
        advice = "Only the GRU has a reset gate: leave it at its default or choose cell='gru'."
        fail("reset_after", f"True for cell={cell!r}", reset_after, advice)
    if merge_mode != "concat" and not bidirectional:
        advice = "One direction has nothing to merge: set bidirectional=True or leave merge_mode at its default."
        fail("merge_mode", "'concat' with bidirectional=False", merge_mode, advice)
    if residual and len(set(units)) > 1:
        advice = "A layer adds its input to its output, so both need the same width."
        fail("units", "equal in all layers with residual=True", list(units), advice)
