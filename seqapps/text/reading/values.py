"""Texts and labels from cells that have a type: those of JSON, Parquet and DataFrames."""

from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from seqapps.text.reading.lines import check_unicode
from seqapps.text.reading.rows import shown


class Number(str):
    """A number as it is written, which is no text: `1.0` is not `1`."""

    __slots__ = ()
    __repr__ = str.__str__


def text_of(value: Any, column: str, place: str) -> str:
    """The text of a cell; a missing one is empty.

    Raises:
        ValueError: If the cell holds something else than a string.
    """
    if _is_missing(value):
        return ""
    if not isinstance(value, str) or isinstance(value, Number):
        raise ValueError(f"{place}, column {column!r}: the text must be a string. Received: {shown(value)}.")
    return check_unicode(value, f"{place}, column {column!r}")


def label_of(value: Any, column: str, place: str, separator: str | None) -> str:
    """The label of a cell as text, a list of labels joined with `separator`; a missing one is empty.

    Raises:
        ValueError: If the cell holds no label, a list without a separator, or a label that holds the separator.

    Example:

    >>> [label_of(value, "label", "row 7", "|") for value in ("good", 1, 1.0, 0.5, True, None, ["good", "long"])]
    ['good', '1', '1', '0.5', 'true', '', 'good|long']
    """
    place = f"{place}, column {column!r}"
    if not isinstance(value, (list, tuple, np.ndarray)):
        return _single(value, place)
    items = value.tolist() if isinstance(value, np.ndarray) else list(value)
    if separator is None:
        raise ValueError(
            f"{place}: the label must be one label. Received: {shown(items)}. "
            "Set `label_separator`, such as '|', for several labels per text."
        )
    labels = [_single(item, place) for item in items]
    for label in labels:
        if not label.strip() or separator in label:
            raise ValueError(
                f"{place}: a label of a list must be a text without {separator!r}. Received: {shown(label)}. "
                "Rename it, or choose another `label_separator`."
            )
    return separator.join(labels)


def _single(value: Any, place: str) -> str:
    if _is_missing(value):
        return ""
    if isinstance(value, str):
        return check_unicode(str(value), place)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, (Real, Decimal)):
        number = float(value)
        return str(int(number)) if number.is_integer() else str(value)
    raise ValueError(f"{place}: the label must be a string, a number or a boolean. Received: {shown(value)}.")


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, (Real, Decimal)) and value != value)
