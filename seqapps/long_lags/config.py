"""Options of a comparison on long-lag problems. Imports no TensorFlow."""

from dataclasses import dataclass

from seqapps import checks
from seqapps.config import CELL_NAMES, Options, option

PROBLEM_NAMES = ("adding", "copy_memory", "parity", "temporal_order")  # of `seqapps.problems`, which needs NumPy
LISTS = ("cells", "lags", "seeds", "truncations")  # what may grow when a comparison goes on


@dataclass(frozen=True)
class Config(Options):
    """Which networks are trained on which lags, and how."""

    cells: tuple[str, ...] = option(CELL_NAMES, "recurrent cells", choices=CELL_NAMES)
    lags: tuple[int, ...] = option((10, 20, 50, 100, 200), "steps to remember", minimum=1)
    seeds: tuple[int, ...] = option(
        (0, 1, 2), "seeds of weights and data; every lag is trained once with each", minimum=0
    )
    truncations: tuple[int, ...] = option(
        (), "steps through which gradients go back, beside all of them; states go on through all", minimum=1
    )
    units: int | tuple[int, ...] = option(64, "width of every layer, or one width per layer: 64,32", minimum=1)
    num_layers: int | None = option(None, "stacked layers; by default one per width", minimum=1)
    reset_after: bool = option(
        True, "gru: apply the reset gate after the matrix product, as cuDNN does, or before it, as first published"
    )
    recurrent_gain: float = option(1.0, "of the orthogonal recurrent weights at the start", above=0)
    optimizer: str = option("adam", "adam, or sgd: gradient descent without momentum", choices=("adam", "sgd"))
    learning_rate: float = option(0.01, "of the optimizer, falling to 0 along a cosine", above=0)
    clip_norm: float | None = option(1.0, "limit on the gradient's norm over all weights; none for no limit", above=0)
    batch_size: int = option(32, "fresh sequences per step", minimum=1)
    max_steps: int = option(4000, "steps of one training, at most", minimum=1)
    max_minutes: float | None = option(None, "minutes of one training, at most", above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in LISTS:
            values = getattr(self, name)
            if not values and name != "truncations":
                checks.fail(name, "a list of one at least", list(values))
            if len(set(values)) < len(values):
                checks.fail(name, "a list without the same twice", list(values))
        checks.layer_widths(self.units, self.num_layers)
        if not self.reset_after and self.cells != ("gru",):
            advice = "Only the GRU has a reset gate: compare it alone."
            checks.fail("reset_after", f"True with cells={list(self.cells)}", self.reset_after, advice)
