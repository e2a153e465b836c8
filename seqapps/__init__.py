"""Recurrent networks for sequences: trained, judged beside honest baselines, and served.

The public names are imported on first use, so that `seqapps --help` never waits for TensorFlow:

- `seqapps.RecurrentStack`: one Keras layer for SimpleRNN, LSTM and GRU, one or two directions, any depth.
- `seqapps.load(run)`: a trained run that predicts and evaluates through its own SavedModel.
- `seqapps.compare`, `seqapps.compare_runs`: several models of one task, and which differences are real.
- `seqapps.forecasting`, `seqapps.sentiment`, `seqapps.generation`, `seqapps.translation`, `seqapps.speech`: `Config`
  and `train` of a task.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "RecurrentStack": ("seqapps.recurrent.stack", "RecurrentStack"),
    "load": ("seqapps.served_run", "load"),
    "compare": ("seqapps.comparison.comparing", "compare"),
    "compare_runs": ("seqapps.comparison.comparing", "compare_runs"),
    "forecasting": ("seqapps.tasks.forecasting", None),
    "sentiment": ("seqapps.tasks.sentiment", None),
    "generation": ("seqapps.tasks.generation", None),
    "translation": ("seqapps.tasks.translation", None),
    "speech": ("seqapps.tasks.speech", None),
}
__all__ = ["RecurrentStack", "__version__", "compare", "compare_runs", "forecasting", "generation", "load", "sentiment"]
__all__ += ["speech", "translation"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'seqapps' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    loaded = import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return sorted(__all__)
