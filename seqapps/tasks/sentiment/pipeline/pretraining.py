"""A classifier that starts from a language model: its tokenizer, token vectors and recurrent weights.

Source of the method: Howard & Ruder 2018 (ULMFiT): layers thaw one after the other from the head on, and every layer
learns 2.6 times as slowly as the one above.
"""

import dataclasses
from typing import Any

from seqapps import checks
from seqapps.tasks.sentiment.config import Config
from seqapps.text.encoders import TextEncoder, read_text_encoder

TASK = "generation"
SLOWER = 2.6  # than the layer above


def read(config: Config) -> TextEncoder:
    """What the language model of `pretrained` gives."""
    return read_text_encoder(str(config.pretrained), TASK)


def resolved(config: Config) -> Config:
    """The config with the tokenizer, cell, widths and depth of the language model.

    Raises:
        FileNotFoundError: If `pretrained` is no finished run.
        ValueError: If it is a run of another task, or an option contradicts it.
    """
    options = read(config).options
    widths = tuple(options["units"])
    # As they may be given: any one of these is the language model's own.
    same = {"units": (widths, widths[0] if len(set(widths)) == 1 else widths), "num_layers": (len(widths),)}
    defaults = type(config).__dataclass_fields__
    for name, value in options.items():
        given = getattr(config, name)
        if given not in (value, defaults[name].default, *same.get(name, ())):
            shown: Any = list(widths) if name == "units" else value
            shown = len(widths) if name == "num_layers" else shown
            advice = f"Leave it out: it is that of the language model {config.pretrained!r}."
            checks.fail(name, f"{shown!r} with this `pretrained`", given, advice)
    return dataclasses.replace(config, **options)


def layer_rates(config: Config, steps_per_epoch: int) -> dict[str, tuple[float, int]]:
    """For every layer but the head the factor of its learning rate and the step at which it thaws, from the top on."""
    names = [f"stack/forward_{layer}" for layer in reversed(range(len(config.widths)))]
    return {
        name: (SLOWER**-below, below * steps_per_epoch) for below, name in enumerate([*names, "embedding"], start=1)
    }
