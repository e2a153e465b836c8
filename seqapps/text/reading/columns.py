"""Which column holds the texts and which one the labels."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seqapps import checks
from seqapps.text.reading.rows import shown

TEXT_NAMES = ("text", "review", "sentence", "content", "comment", "message", "tweet", "body", "document")
LABEL_NAMES = ("label", "labels", "sentiment", "class", "category", "target", "rating", "stars")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a table.

    Attributes:
        text: Column of texts; `None` means that the table decides.
        label: Column of labels; `None` means that the table decides.
        labelled: Whether labels are wanted.
        separator: What joins a list of labels; `None` means that a list is an error.
    """

    text: str | None = None
    label: str | None = None
    labelled: bool = True
    separator: str | None = None

    def __post_init__(self) -> None:
        checks.check_boolean("labelled", self.labelled)
        if self.text is not None and self.text == self.label:
            checks.fail("label_column", "another column than `text_column`", self.label)
        if self.separator == "":
            checks.fail("label_separator", "a text such as '|'", self.separator)


def find_columns(columns: Sequence[str], name: str, wanted: Wanted, advice: str = "") -> tuple[str, str | None]:
    """The column of texts and, if labels are wanted, that of labels.

    A column is found by its usual name, in small or capital letters; of two columns, the other one is the other.

    Args:
        columns: The names; an empty one, such as that of a written index, is no candidate.
        name: What messages call the table.
        wanted: What is asked of it.
        advice: A sentence for a table whose columns cannot be told.

    Raises:
        ValueError: If a name occurs twice, a wanted column is missing, or the columns cannot be told.

    Example:

    >>> find_columns(["id", "Stars", "Review"], "reviews.csv", Wanted())
    ('Review', 'Stars')
    """
    names = [column for column in columns if column]
    doubled = next((column for column, count in Counter(names).items() if count > 1), None)
    if doubled is not None:
        raise ValueError(f"{name}: column {shown(doubled)} occurs twice. Give every column its own name.")
    for option, column in (("text_column", wanted.text), ("label_column", wanted.label if wanted.labelled else None)):
        if column is not None and column not in names:
            close = checks.suggestion(column, names)
            raise ValueError(f"{name} has no column {column!r} (`{option}`).{close} It has {_listing(names)}.")
    text = wanted.text or _usual(TEXT_NAMES, (column for column in names if column != wanted.label))
    label = wanted.label or _usual(LABEL_NAMES, (column for column in names if column != text))
    if len(names) == 2 and text is None and label in names:
        text = names[1 - names.index(label)]
    elif len(names) == 2 and label is None and text is not None:
        label = names[1 - names.index(text)]
    missing = [
        f"{what} (`{option}`)"
        for what, option, column in (("texts", "text_column", text), ("labels", "label_column", label))
        if column is None and (wanted.labelled or option == "text_column")
    ]
    if text is None or missing:
        raise ValueError(
            f"{name}: the column of {' and that of '.join(missing)} must be named, or be called as usual, "
            f"such as 'text' and 'label'. Received: {_listing(names)}.{advice and f' {advice}'}"
        )
    return text, label if wanted.labelled else None


def _usual(usual: tuple[str, ...], columns: Iterable[str]) -> str | None:
    """The column with the most telling of the usual names."""
    by_name = {column.lower(): column for column in reversed([*columns])}  # of `Text` and `text`, the first
    return next((by_name[name] for name in usual if name in by_name), None)


def _listing(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names)) or "no column"
