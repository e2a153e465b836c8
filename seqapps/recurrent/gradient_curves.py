"""What `gradient_flow` measures: norms of gradients by lag, and what the gates let through."""

import math
from dataclasses import dataclass
from typing import Any

VANISHED = 0.01  # of the norm where the loss is taken, below which a gradient counts as gone


@dataclass(frozen=True)
class Curve:
    """The norm of the loss gradient with respect to one state of one direction of one layer, lag by lag.

    Attributes:
        layer: Counted from 0, the one that reads the inputs.
        direction: `"forward"` or `"backward"`.
        state: `"h"`, `"c"` (LSTM) or `"input"`, what the layer read at the step.
        norms: At every lag: real steps before the one where the direction ends. Euclidean norm over the units of a
            row, then the arithmetic mean over the rows that are long enough to have the lag.
        rows: At every lag, how many these are.
        starts: At every lag, the mean norm of these rows at lag 0: rows have losses of different size, so a mean over
            long rows is only comparable with what the same rows began with.
    """

    layer: int
    direction: str
    state: str
    norms: tuple[float, ...]
    rows: tuple[int, ...]
    starts: tuple[float, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """At every lag, the norm as a multiple of what the same rows have at lag 0; NaN where that is zero.

        Example:

        >>> Curve(0, "forward", "h", norms=(2.0, 0.5, 1.5), rows=(3, 3, 1), starts=(2.0, 2.0, 6.0)).shares
        (1.0, 0.25, 0.25)
        """
        pairs = zip(self.norms, self.starts, strict=True)
        return tuple(norm / start if start else math.nan for norm, start in pairs)

    @property
    def is_finite(self) -> bool:
        """Whether all norms are finite numbers."""
        return all(map(math.isfinite, self.norms))

    @property
    def vanishes_at(self) -> int | None:
        """The first lag whose share is below 1 %; 0 if lag 0 has no gradient; `None` if none is, or norms are not
        finite.

        Example:

        >>> Curve(0, "forward", "h", norms=(2.0, 0.1, 0.01), rows=(3, 3, 1), starts=(2.0, 2.0, 2.0)).vanishes_at
        2
        """
        if not self.is_finite:
            return None
        if not self.norms[0]:
            return 0
        return next((lag for lag, share in enumerate(self.shares) if share < VANISHED), None)

    @property
    def peak(self) -> int:
        """The lag with the largest share; the first one whose norm is not finite, if there is one."""
        if not self.is_finite:
            return next(lag for lag, norm in enumerate(self.norms) if not math.isfinite(norm))
        shares = [-1.0 if math.isnan(share) else share for share in self.shares]
        return shares.index(max(shares))

    @property
    def growth(self) -> float:
        """The largest share; 0 if lag 0 has no gradient, infinity if norms are not finite."""
        if not self.is_finite:
            return math.inf
        return self.shares[self.peak] if self.norms[0] else 0.0


@dataclass(frozen=True)
class Gate:
    """What a gate let through at every step.

    Attributes:
        layer: Counted from 0.
        direction: `"forward"` or `"backward"`.
        name: `"input"`, `"forget"` and `"output"` of an LSTM, `"update"` and `"reset"` of a GRU. As in Keras, an open
            `update` (1) keeps the old state and an open `forget` the old `c`.
        values: `(batch, time, units)` between 0 and 1, in the order of time; NaN at padding.
    """

    layer: int
    direction: str
    name: str
    values: Any


@dataclass(frozen=True)
class GradientFlow:
    """What `gradient_flow` measures.

    Attributes:
        curves: Layer by layer, forward then backward, `h`, `c` and `input`.
        gates: In the same order; empty for `simple_rnn`, which has none.
    """

    curves: tuple[Curve, ...]
    gates: tuple[Gate, ...]

    def curve(self, layer: int, direction: str, state: str) -> Curve:
        """One of the curves."""
        return next(
            each for each in self.curves if (each.layer, each.direction, each.state) == (layer, direction, state)
        )
