"""What gradients through time and their norms in training tell a person to do, in plain words.

Every rule has one threshold, chosen so that it speaks where a factor between two numbers is beyond what chance or a
single batch explains: tens for what grows, half for what is cut off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from seqapps.recurrent.gradient_flow import Curve

GROWS = 10.0  # times its start: a gradient that is so much larger at some lag explodes
PEAK = 100.0  # times the median of the epochs' means: a step whose gradient is so large breaks a training
CLIPPED = 0.5  # of all steps: beyond it the limit, not the learning rate, says how far weights move
FORGOTTEN = 0.5  # of the steps that are read: a gradient that is gone before has not seen most of them
LOST = 0.01  # of the top layer's gradient: a layer below that gets less hardly learns
NOTHING = "Nothing stands out: gradients reach back far enough, do not explode and are seldom clipped."


@dataclass(frozen=True)
class Facts:
    """What advice follows from.

    Attributes:
        cell: Of the stack.
        residual: Whether layers add their inputs to their outputs.
        clip_norm: The limit on norms, or `None`.
        limit: Steps through which training sends gradients back, or `None` for all.
        curves: At the end of the training.
        history: Of every epoch the columns of norms; empty where a run has none.
    """

    cell: str
    residual: bool
    clip_norm: float | None
    limit: int | None
    curves: Sequence[Curve]
    history: Sequence[Mapping[str, float]]


def advise(facts: Facts) -> list[str]:
    """Sentences, the most pressing first; one that says that there is none where no rule speaks."""
    rules = (_exploding, _peaks, _clipped, _forgotten, _layers)
    return [told for rule in rules if (told := rule(facts))] or [NOTHING]


def _exploding(facts: Facts) -> str:
    """Somewhere back in time a gradient is ten times as large as where the loss is taken."""
    worst = max((each for each in facts.curves if each.state != "input"), key=lambda each: each.growth)
    if worst.growth < GROWS:
        return ""
    lag = worst.norms.index(max(worst.norms))
    place = f"In layer {worst.layer + 1}, {worst.direction},"
    told = f"{place} the gradient of {worst.state} is {worst.growth:.3g} times as large at lag {lag} as at lag 0"
    gated = "" if facts.cell != "simple_rnn" else " A gated cell (gru, lstm) keeps it from growing."
    if facts.clip_norm is None:
        return f"{told}: it explodes. Set clip_norm, to 1 for a start.{gated}"
    return f"{told}: it explodes, and only clip_norm {facts.clip_norm:g} holds it.{gated}"


def _peaks(facts: Facts) -> str:
    """A step had a gradient a hundred times as large as is usual, and nothing held it."""
    if facts.clip_norm is not None or not facts.history:
        return ""
    usual = median(row["gradient_norm"] for row in facts.history)
    peak = max(row["largest_gradient_norm"] for row in facts.history)
    if not usual or peak < PEAK * usual:
        return ""
    return (
        f"The largest gradient of the training had a norm of {peak:.3g}, {peak / usual:.3g} times what is usual: "
        f"set clip_norm, to about {usual:.1g}."
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
        f"{share:.0%} of the steps were clipped, so clip_norm {facts.clip_norm:g} and not learning_rate says how far "
        f"weights move: raise clip_norm towards the usual norm of {usual:.3g}, or lower learning_rate."
    )


def _forgotten(facts: Facts) -> str:
    """In the first layer every gradient is gone before half of what is read."""
    first = [each for each in facts.curves if each.layer == 0 and each.state != "input"]
    steps = max(len(each.norms) for each in first)
    reaches = [steps if each.vanishes_at is None else each.vanishes_at for each in first]
    reach = max(reaches)
    if reach >= FORGOTTEN * steps:
        return ""
    told = f"No gradient reaches further back than {reach} of {steps} steps: what was read before is not learned from."
    if facts.cell == "simple_rnn":
        return f"{told} A gated cell (gru, lstm) reaches further."
    if facts.limit is not None:
        return f"{told} If scores are good, a shorter truncation loses nothing: truncation_steps {max(2 * reach, 1)}."
    return f"{told} If scores are good, shorter inputs lose little; if not, what matters must stand nearer to the end."


def _layers(facts: Facts) -> str:
    """The lowest layer gets less than a hundredth of the top layer's gradient."""
    top = max(each.layer for each in facts.curves)
    sums = [sum(sum(each.norms) for each in facts.curves if (each.layer, each.state) == (n, "h")) for n in (0, top)]
    if top == 0 or sums[0] >= LOST * sums[1]:
        return ""
    cure = "fewer layers" if facts.residual else "fewer layers, or residual"
    return f"The first layer gets {sums[0] / sums[1]:.2%} of the gradient of layer {top + 1}: take {cure}."
