"""What every kind of data becomes: rows of a text and its label that know where they stand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Row:
    """A text with its label.

    Attributes:
        text: The text as it stands; empty where the cell is empty or missing.
        label: The label as it is written, empty where there is none; `None` where no label is wanted.
        place: Where the row stands, as messages say it: `"reviews.csv, line 17"` (the first line of the row),
            `"reviews.parquet, row 12"` and `"row 12"` of a DataFrame (from 0), `"train/pos/0_9.txt"`.
    """

    text: str
    label: str | None
    place: str


@dataclass(frozen=True)
class Source:
    """Rows that are read from the start by each iteration, one after the other.

    An iteration that comes to its end without a row, or with blank texts only, ends with an error.

    Attributes:
        name: What messages call the data.
        text_column: Where the texts come from.
        label_column: Where the labels come from; `None` where none are wanted.
        read: Begins to read from the start.
        content: What holds the texts, as messages say it.
    """

    name: str
    text_column: str
    label_column: str | None
    read: Callable[[], Iterator[Row]] = field(repr=False)
    content: str = field(repr=False)

    def __iter__(self) -> Iterator[Row]:
        """The rows from the start.

        Raises:
            ValueError: If a row is wrong; at the end, if there was no row or every text was blank.
        """
        count, blank = 0, True
        for row in self.read():
            count += 1
            blank = blank and not row.text.strip()
            yield row
        if not count:
            raise ValueError(f"{self.name} is empty" + (": it has columns but no rows." if self.text_column else "."))
        if blank:
            rows = f"{count} row{'s' * (count > 1)}"
            raise ValueError(f"{self.name}: {self.content} must hold texts. Received: {rows}, all empty.")


def shown(value: Any) -> str:
    """A value as messages show it, cut where it is long.

    Example:

    >>> shown("good"), shown("so " * 30)
    ("'good'", "'so so so so so so so so so so so so so so so so so so so so …'")
    """
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "…")
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
