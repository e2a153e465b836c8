"""Speech: recorded words and sentences, from files of sound to a served model that listens.

`Config` holds the options, `train(config, data, out)` trains a run from a path or a DataFrame.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {"Config": "config", "train": "pipeline"}
__all__ = ["Config", "train"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
