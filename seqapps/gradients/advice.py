"""What gradients through time and their norms in training tell a person to do, in plain words.

Every rule has one threshold, chosen so that it speaks where a factor between two numbers is beyond what chance or a
single batch explains: tens for what grows, half for what is cut off.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from seqapps import report
from seqapps.recurrent.gradient_curves import Curve

GROWS = 10.0  # times its start: a gradient that is so much larger at some lag explodes
PEAK = 100.0  # times the median of the epochs' means: a step whose gradient is so large breaks a training
CLIPPED = 0.5  # of all steps: beyond it the limit acts on usual steps and no longer on outliers
ROOM = 5.0  # times the usual norm: a limit that leaves usual steps alone
FORGOTTEN = 0.5  # of the steps that are read: a gradient that is gone before has not seen most of them
LOST = 0.01  # of the top layer's gradient: a layer below that gets less hardly learns
NOTHING = "Nothing stands out: gradients reach back far enough, do not explode and are seldom clipped."
GATED = "A gated cell (gru, lstm)"


@dataclass(frozen=True)
class Facts:
    """What advice follows from.

    Attributes:
        cell: Of the stack.
        residual: Whether layers add their inputs to their outputs.
        bidirectional: Whether the stack reads in both directions.
        reads_all: Whether the loss reads the outputs of all steps.
        clip_norm: The limit on norms, or `None`.
        limit: Steps through which training sends gradients back, or `None` for all.
        curves: At the end of the training.
        history: Of every epoch the columns of norms; empty where a run has none.
    """

    cell: str
    residual: bool
    bidirectional: bool
    reads_all: bool
    clip_norm: float | None
    limit: int | None
    curves: Sequence[Curve]
    history: Sequence[Mapping[str, float]]


def advise(facts: Facts) -> list[str]:
    """Sentences, the most pressing first; one that says that there is none where no rule speaks."""
    rules = (_exploding, _peaks, _clipped, _forgotten, _layers)
    return [told for rule in rules if (told := rule(facts))] or [NOTHING]


def _exploding(facts: Facts) -> str:
    """Somewhere back in time a gradient is ten times as large as where the loss is taken, or not finite."""
    growing = [each for each in facts.curves if each.state != "input" and _grows(each, facts.curves)]
    if not growing:
        return ""
    worst = max(growing, key=lambda each: each.growth)
    times = f"{worst.growth:.3g} times as large at lag {worst.peak} as at lag 0"
    size = times if worst.is_finite else f"not a finite number at lag {worst.peak}"
    place = f"In layer {worst.layer + 1}, {worst.direction},"
    gated = f" {GATED} keeps it from growing." if facts.cell == "simple_rnn" else ""
    return f"{place} the gradient of {worst.state} is {size}: it explodes{_held(facts)}{_cut(facts, worst)}{gated}"


def _grows(curve: Curve, curves: Sequence[Curve]) -> bool:
    """Whether a gradient explodes. That of `c` must also be large beside `h` at lag 0: there `c` only goes through an
    output gate, and what is small because that gate is shut has not grown behind it."""
    if curve.growth < GROWS or not curve.is_finite or curve.state != "c":
        return curve.growth >= GROWS
    beside = next(e for e in curves if (e.layer, e.direction, e.state) == (curve.layer, curve.direction, "h"))
    return curve.norms[curve.peak] >= GROWS * beside.starts[curve.peak]


def _held(facts: Facts) -> str:
    """What a limit does about a gradient that explodes."""
    if facts.clip_norm is None:
        return ". Set clip_norm, to 1 for a start."
    limit = f"clip_norm {facts.clip_norm:g}"
    if not facts.history:
        return f", and only {limit} can hold it."
    clipped = any(row["clipped_share"] for row in facts.history)
    return f", and only {limit} holds it." if clipped else f", although no step of the training reached {limit}."


def _cut(facts: Facts, curve: Curve) -> str:
    """The truncation that ends before a gradient has grown tenfold, where there is one to shorten."""
    if facts.limit is None or not curve.is_finite:
        return ""
    first = next(lag for lag, share in enumerate(curve.shares) if share >= GROWS)
    return f" With truncation_steps {first} it would end before it has grown tenfold."


def _peaks(facts: Facts) -> str:
    """A step had a gradient a hundred times as large as is usual, and nothing held it."""
    if facts.clip_norm is not None or not facts.history:
        return ""
    usual = median(row["gradient_norm"] for row in facts.history)
    peak = max(row["largest_gradient_norm"] for row in facts.history)
    if not usual or peak < PEAK * usual:
        return ""
    return (
        f"The largest gradient of the training had a norm of {report.number(peak)}, {report.number(peak / usual)} "
        f"times what is usual: set clip_norm, to about {report.number(ROOM * usual)}, which leaves usual steps alone."
    )


def _clipped(facts: Facts) -> str:
    """More than half of the steps were clipped."""
    if not facts.history:
        return ""
    share = sum(row["clipped_share"] for row in facts.history) / len(facts.history)
    if share <= CLIPPED:
        return ""
    usual = median(row["gradient_norm"] for row in facts.history)
    return (
        f"{share:.0%} of the steps were clipped: clip_norm {facts.clip_norm:g} acts on usual steps and not only on "
        f"outliers, so all batches count alike. Raise it, to about {report.number(ROOM * usual)}: the usual norm is "
        f"{report.number(usual)}."
    )


def _forgotten(facts: Facts) -> str:
    """In the first layer every gradient is gone before half of what is read."""
    first = [each for each in facts.curves if each.layer == 0 and each.state != "input"]
    steps = max(len(each.norms) for each in first)
    reach = max(steps if each.vanishes_at is None else each.vanishes_at for each in first)
    if reach >= FORGOTTEN * steps:
        return ""
    told = _reach(facts, reach, steps)
    if facts.cell == "simple_rnn":
        return f"{told} {GATED} reaches further."
    if facts.limit is not None:
        return f"{told} If scores are good, a shorter truncation loses nothing: truncation_steps {max(2 * reach, 1)}."
    if facts.reads_all or facts.bidirectional:
        return f"{told} If scores are good, that is enough; if not, what belongs together must stand nearer."
    return f"{told} If scores are good, shorter inputs lose little; if not, what matters must stand nearer to the end."


def _reach(facts: Facts, reach: int, steps: int) -> str:
    """How far the gradient goes, and what that means where the loss or the other direction meets earlier steps."""
    if facts.reads_all:
        told = f"Through the recurrence no gradient reaches further than {reach} of {steps} steps"
        return f"{told}: the loss reads every step, but learns of nothing that stands further from it."
    if facts.bidirectional:
        told = f"No gradient reaches further than {reach} of {steps} steps from where a direction ends"
        return f"{told}: what stands between is not learned from."
    return f"No gradient reaches further back than {reach} of {steps} steps: what was read before is not learned from."


def _layers(facts: Facts) -> str:
    """The lowest layer gets less than a hundredth of the top layer's gradient."""
    top = max(each.layer for each in facts.curves)
    sums = [sum(sum(each.norms) for each in facts.curves if (each.layer, each.state) == (n, "h")) for n in (0, top)]
    if top == 0 or not all(map(math.isfinite, sums)) or sums[0] >= LOST * sums[1]:
        return ""
    cure = "fewer layers" if facts.residual else "fewer layers, or residual"
    return f"The first layer gets {sums[0] / sums[1]:.2%} of the gradient of layer {top + 1}: take {cure}."
