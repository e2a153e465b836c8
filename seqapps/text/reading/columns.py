"""Which of the columns of a table hold what is read: texts and labels, or sources and targets."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seqapps import checks
from seqapps.text.reading.rows import shown
from seqapps.text.reading.values import label_of, text_of

TEXT_NAMES = ("text", "review", "sentence", "content", "comment", "message", "tweet", "body", "document")
LABEL_NAMES = ("label", "labels", "sentiment", "class", "category", "target", "rating", "stars")
SOURCE_NAMES = ("source", "src", "source_text", "input", "question", "article")
TARGET_NAMES = ("target", "tgt", "target_text", "translation", "output", "answer", "summary")


@dataclass(frozen=True)
class Naming:
    """How two columns are called.

    Attributes:
        options: That name them.
        words: For what they hold.
        usual: Their usual names, the most telling one first.
        ordered: Whether of two columns without usual names the first one is the first.
    """

    options: tuple[str, str]
    words: tuple[str, str]
    usual: tuple[tuple[str, ...], tuple[str, ...]]
    ordered: bool = False


LABELLED = Naming(("text_column", "label_column"), ("texts", "labels"), (TEXT_NAMES, LABEL_NAMES))
PAIRED = Naming(("source_column", "target_column"), ("sources", "targets"), (SOURCE_NAMES, TARGET_NAMES), ordered=True)


@dataclass(frozen=True)
class Wanted:
    """What is asked of a table.

    Attributes:
        text: Column of texts, or of sources; `None` means that the table decides.
        label: Column of labels, or of targets; `None` means that the table decides.
        labelled: Whether labels or targets are wanted.
        separator: What joins a list of labels; `None` means that a list is an error.
        naming: `LABELLED` or `PAIRED`.
    """

    text: str | None = None
    label: str | None = None
    labelled: bool = True
    separator: str | None = None
    naming: Naming = LABELLED

    def __post_init__(self) -> None:
        checks.check_boolean("labelled", self.labelled)
        if self.text is not None and self.text == self.label:
            first, second = self.naming.options
            checks.fail(second, f"another column than `{first}`", self.label)
        if self.separator == "":
            checks.fail("label_separator", "a text such as '|'", self.separator)

    def answer(self, value: Any, column: str, place: str) -> str:
        """The label or the target that a cell with a type holds."""
        if self.naming is PAIRED:
            return text_of(value, column, place)
        return label_of(value, column, place, self.separator)


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
    naming, chosen = wanted.naming, (wanted.text, wanted.label if wanted.labelled else None)
    for option, column in zip(naming.options, chosen, strict=True):
        if column is not None and column not in names:
            close = checks.suggestion(column, names)
            raise ValueError(f"{name} has no column {column!r} (`{option}`).{close} It has {_listing(names)}.")
    text = wanted.text or _usual(naming.usual[0], (column for column in names if column != wanted.label))
    label = wanted.label or _usual(naming.usual[1], (column for column in names if column != text))
    if len(names) == 2:
        text, label = _both(names, text, label, naming)
    missing = [
        f"{what} (`{option}`)"
        for what, option, column in zip(naming.words, naming.options, (text, label), strict=True)
        if column is None and (wanted.labelled or option == naming.options[0])
    ]
    if text is None or missing:
        usual = " and ".join(repr(each[0]) for each in naming.usual)
        raise ValueError(
            f"{name}: the column of {' and that of '.join(missing)} must be named, or be called as usual, "
            f"such as {usual}. Received: {_listing(names)}.{advice and f' {advice}'}"
        )
    return text, label if wanted.labelled else None


def _both(names: Sequence[str], text: str | None, label: str | None, naming: Naming) -> tuple[str | None, str | None]:
    """Of two columns, the other one is the other; where their order tells, the first one is the first."""
    if text is None and label is None and naming.ordered:
        return names[0], names[1]
    if text is None and label is not None:
        text = names[1 - names.index(label)]
    elif label is None and text is not None:
        label = names[1 - names.index(text)]
    return text, label


def _usual(usual: tuple[str, ...], columns: Iterable[str]) -> str | None:
    """The column with the most telling of the usual names."""
    by_name = {column.lower(): column for column in reversed([*columns])}  # of `Text` and `text`, the first
    return next((by_name[name] for name in usual if name in by_name), None)


def _listing(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names)) or "no column"
