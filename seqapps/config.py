"""Options of a task: one frozen dataclass whose fields are the command-line flags and the keys of `config.json`.

Imports no TensorFlow, so that `--help` answers at once.
"""

import argparse
import dataclasses
import functools
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from seqapps import checks

CELL_NAMES = ("simple_rnn", "lstm", "gru")
MERGE_MODES = ("concat", "sum", "ave", "mul")
RECURRENT_OPTIONS = (
    *("units", "cell", "num_layers", "bidirectional", "merge_mode"),
    *("dropout", "recurrent_dropout", "residual"),
)
CONTROLS = ("none", "memoryless", "shuffled")
# What a model without a recurrence has no use for.
OPTIONS_OF_MEMORY = ("cell", "units", "num_layers", "bidirectional", "merge_mode", "recurrent_dropout", "residual")
SCHEDULES = ("constant", "linear", "cosine", "inverse_sqrt")


def option(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] = (),
    minimum: float | None = None,
    above: float | None = None,
    fraction: bool = False,
) -> Any:
    """A field of a `TaskConfig`: its default, its line in `--help` and the values that it takes.

    Args:
        default: The value where none is given.
        help: What the option does, with its unit.
        choices: The names that it takes.
        minimum: The least value of a number, or of every number of a list.
        above: A bound that a number must lie above.
        fraction: Whether numbers must lie in [0, 1), or in (0, 1) with `above=0`.
    """
    limits = {"choices": tuple(choices), "minimum": minimum, "above": above, "fraction": fraction}
    return dataclasses.field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Options:
    """Fields of `option`. Values are checked when the object is made."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _coerced(getattr(self, field.name), field_type(type(self), field.name))
            object.__setattr__(self, field.name, value)
            _check_value(field.name, value, field_type(type(self), field.name), field.metadata)

    def to_dict(self) -> dict[str, Any]:
        """Every option, as JSON can hold it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, options: Mapping[str, Any], source: str = "the config") -> Self:
        """The options of a mapping; an unknown key is an error that names the closest option."""
        check_names(cls, options, source)
        return cls(**options)


@dataclass(frozen=True)
class TaskConfig(Options):
    """The options that every task shares.

    Attributes:
        refused_controls: For every control that a task cannot have, the reason; stated by every task.
    """

    refused_controls: ClassVar[Mapping[str, str]]

    validation_data: str | None = option(None, "file that validates, instead of a part of DATA")
    test_data: str | None = option(None, "file that tests, instead of a part of DATA")
    validation_fraction: float = option(0.1, "part of DATA that validates", fraction=True)
    test_fraction: float = option(0.2, "part of DATA that tests", fraction=True)
    cell: str = option("gru", "recurrent cell", choices=CELL_NAMES)
    units: int | tuple[int, ...] = option(64, "width of every layer, or one width per layer: 64,32", minimum=1)
    num_layers: int | None = option(None, "stacked layers; by default one per width", minimum=1)
    bidirectional: bool = option(False, "also read the sequence from its end")
    merge_mode: str = option("concat", "how the two directions are joined", choices=MERGE_MODES)
    dropout: float = option(0.0, "part of the features dropped between layers and before the head", fraction=True)
    recurrent_dropout: float = option(0.0, "part of the state dropped from step to step", fraction=True)
    residual: bool = option(False, "add every layer's input to its output, from the second layer on")
    epochs: int = option(30, "passes over the training data, at most", minimum=1)
    max_minutes: float | None = option(None, "minutes of training, at most", above=0)
    batch_size: int = option(64, "examples per step", minimum=1)
    learning_rate: float = option(1e-3, "highest learning rate of Adam", above=0)
    schedule: str = option("cosine", "course of the learning rate after the warm-up", choices=SCHEDULES)
    warmup_steps: int = option(0, "steps over which the learning rate rises from 0", minimum=0)
    weight_decay: float = option(0.0, "decoupled weight decay (AdamW)", minimum=0)
    clip_norm: float | None = option(1.0, "limit on the gradient's norm over all weights; none for no limit", above=0)
    average_weights: float = option(
        0.0,
        "decay per step, lower at first, of the moving average of weights that is evaluated and kept; 0 for none",
        fraction=True,
    )
    patience: int | None = option(8, "epochs without improvement before training stops; none to go on", minimum=1)
    seed: int = option(0, "seed of weights, order and dropout", minimum=0)
    baselines: str = option("fast", "simple methods to compare with", choices=("none", "fast", "full"))
    initialize_from: str | None = option(None, "run of the same task whose weights are the start")
    data_fraction: float = option(1.0, "part of the training rows that is trained on", above=0)
    control: str = option(
        "none",
        "a model that cannot use order, to see whether it matters: memoryless pools inputs and has no recurrence; "
        "shuffled reads the steps of every sequence in an order that tells nothing",
        choices=CONTROLS,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.check_recurrent_options(self.cell, self.widths, self.bidirectional, self.merge_mode, self.residual)
        if self.data_fraction > 1:
            checks.fail("data_fraction", "a number above 0, up to 1", self.data_fraction)
        self._check_control()

    def _check_control(self) -> None:
        """Refuse a control that the task cannot have, and options that it leaves without effect."""
        if self.control == "none":
            return
        if self.control in self.refused_controls:
            able = [name for name in CONTROLS if name not in self.refused_controls]
            checks.fail("control", " or ".join(map(repr, able)), self.control, self.refused_controls[self.control])
        for name in OPTIONS_OF_MEMORY if self.control == "memoryless" else ():
            default = type(self).__dataclass_fields__[name].default
            if getattr(self, name) != default:
                advice = "Without a recurrence it has no effect."
                checks.fail(name, f"left at {default!r} with control='memoryless'", getattr(self, name), advice)

    def as_memoryless(self) -> Self:
        """The same without a recurrence: its options are left at their defaults."""
        defaults: dict[str, Any] = {name: type(self).__dataclass_fields__[name].default for name in OPTIONS_OF_MEMORY}
        return dataclasses.replace(self, control="memoryless", **defaults)

    def check_has_lags(self) -> None:
        """Refuse a control where gradients are told by lag."""
        if self.control != "none":
            advice = "Without a recurrence, or with steps in an order that tells nothing, there is no lag."
            checks.fail("control", "'none' to measure gradients", self.control, advice)

    @property
    def widths(self) -> tuple[int, ...]:
        """One width per layer."""
        return checks.layer_widths(self.units, self.num_layers)

    @property
    def recurrent_options(self) -> dict[str, Any]:
        """What a `RecurrentStack` takes of the options."""
        return {name: getattr(self, name) for name in RECURRENT_OPTIONS}

    def with_own_files(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What holds each part of the data: what DATA gives, and the files that options name.

        Raises:
            ValueError: If an option is left without effect by DATA or by another option.
        """
        parts = dict(given)
        for split in ("validation", "test"):
            own = getattr(self, f"{split}_data")
            if own is not None and split in given:
                checks.fail(f"{split}_data", "None, because DATA is a folder with its own files", own)
            if own is not None or split in given:
                rule = "the files of the folder DATA" if own is None else f"{split}_data"
                self.check_default_fractions((f"{split}_fraction",), rule)
            if own is not None:
                parts[split] = Path(own)
        return parts

    def explained(self, missing: FileNotFoundError) -> FileNotFoundError:
        """The error of a missing file, with advice where an option of the run that is measured names the file."""
        for name in ("test_data", "validation_data"):
            own = getattr(self, name)
            if own is not None and own in str(missing):
                advice = f"The run was split by `{name}` {own!r}; for other data use --split all."
                return FileNotFoundError(f"{missing} {advice}")
        return missing

    def check_default_fractions(self, names: Sequence[str], rule: str) -> None:
        """Refuse fractions that `rule`, which splits the data, leaves without effect."""
        for name in names:
            default = type(self).__dataclass_fields__[name].default
            if getattr(self, name) != default:
                advice = "Leave it out, or leave out the other rule."
                checks.fail(
                    name, f"left at {default}, because the data are split by {rule}", getattr(self, name), advice
                )


def check_names(config_class: type[Options], options: Iterable[str], source: str) -> None:
    """Refuse names that are no options of `config_class`."""
    names = [field.name for field in dataclasses.fields(config_class)]
    for name in options:
        if name not in names:
            raise ValueError(f"{source}: {name!r} is not an option.{checks.suggestion(name, names)}")


def field_type(config_class: type, name: str) -> Any:
    """The resolved type of a field."""
    return _field_types(config_class)[name]


@functools.cache
def _field_types(config_class: type) -> dict[str, Any]:
    return typing.get_type_hints(config_class)


def _members(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)


def _coerced(value: Any, kind: Any) -> Any:
    """JSON has lists for tuples and whole numbers for floats; NumPy's numbers become Python's."""
    members = _members(kind)
    if hasattr(value, "item") and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        value = tuple(item.item() if hasattr(item, "item") else item for item in value)
    if float in members and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if tuple[float, ...] in members and isinstance(value, tuple):
        return tuple(float(item) if isinstance(item, int) else item for item in value)
    return value


def _check_value(name: str, value: Any, kind: Any, limits: Mapping[str, Any]) -> None:
    members = _members(kind)
    if value is None and type(None) in members:
        return
    sequence = next((member for member in members if typing.get_origin(member) is tuple), None)
    if isinstance(value, tuple) and sequence:
        for item in value:
            _check_scalar(name, item, typing.get_args(sequence)[:1], limits)
    elif sequence and not {int, float, str} & set(members):
        words = {int: "integers", float: "numbers", str: "texts"}
        checks.fail(name, f"a list of {words[typing.get_args(sequence)[0]]}", value)
    else:
        _check_scalar(name, value, members, limits)


def _check_scalar(name: str, value: Any, members: tuple[Any, ...], limits: Mapping[str, Any]) -> None:
    if limits["choices"]:
        checks.check_choice(name, value, limits["choices"])
    elif bool in members:
        checks.check_boolean(name, value)
    elif int in members:
        checks.check_integer(name, value, minimum=limits["minimum"] or 0)
    elif float in members and limits["fraction"]:
        checks.check_fraction(name, value, exclusive=limits["above"] is not None)
    elif float in members:
        bound = limits["minimum"] if limits["above"] is None else limits["above"]
        checks.check_number(name, value, bound or 0.0, exclusive=limits["above"] is not None)
    elif not isinstance(value, str):
        checks.fail(name, "a text", value)


def add_flags(parser: argparse._ActionsContainer, config_class: type[Options], without: Collection[str] = ()) -> None:
    """One flag per field. A flag that is not given leaves no value, so that a config file can set it."""
    for field in dataclasses.fields(config_class):
        if field.name in without:
            continue
        flag = "--" + field.name.replace("_", "-")
        kind = field_type(config_class, field.name)
        text = f"{field.metadata['help']} (default: {_shown(field.default)})".replace("%", "%%")
        if kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        else:
            choices = "|".join(field.metadata["choices"])
            name = f"{{{choices}}}" if choices else _placeholder(kind)
            parse = _parser_of(field.name, kind)
            parser.add_argument(flag, type=parse, default=argparse.SUPPRESS, metavar=name, help=text)


def flag_names(config_class: type[Options]) -> list[str]:
    """The flags of `add_flags`."""
    return ["--" + field.name.replace("_", "-") for field in dataclasses.fields(config_class)]


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _placeholder(kind: Any) -> str:
    names = {int: "N", float: "X", str: "NAME", tuple[int, ...]: "N,N", tuple[float, ...]: "X,X"}
    return next(names.get(member, "NAME,NAME") for member in _members(kind) if member is not type(None))


def _parser_of(name: str, kind: Any) -> typing.Callable[[str], Any]:
    """Text from the command line as a value of the field's type; what it must look like is said once, here."""
    members = _members(kind)

    def parse(text: str) -> Any:
        if type(None) in members and text.lower() == "none":
            return None
        for member in members:
            if member in (int, float, str):
                convert, items = member, None
            elif typing.get_origin(member) is tuple:
                convert, items = typing.get_args(member)[0], [item.strip() for item in text.split(",") if item.strip()]
            else:
                continue
            try:
                return convert(text) if items is None else tuple(convert(item) for item in items)
            except ValueError:
                continue
        raise argparse.ArgumentTypeError(f"`{name}` cannot be read from {text!r}")

    return parse
