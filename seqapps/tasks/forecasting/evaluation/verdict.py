"""The sentences that say whether the model is any good."""

from seqapps.significance import SIGNIFICANT
from seqapps.tasks.forecasting.baselines import LAST
from seqapps.tasks.forecasting.evaluation.scores import METRICS, MODEL

Methods = dict[str, dict[str, float | None]]


def verdict(methods: Methods, chances: Methods) -> str:
    """Whether the model beats the best baseline, by MASE (by MAE where MASE is not defined), in plain words.

    A lower error that chance explains does not count as a win, nor one that nothing was tested on.

    Args:
        methods: For every method its metrics.
        chances: As `chance` tells.
    """
    if len(methods) == 1:
        return "No baseline was run, so this table does not tell whether the model is any good."
    name = "mase" if methods[MODEL]["mase"] is not None else "mae"
    scores = {method: score for method, metrics in methods.items() if (score := metrics[name]) is not None}
    model = scores.pop(MODEL, None)
    if model is None or not scores:
        return "Nothing could be compared: the split has no observed values."
    best = min(scores, key=lambda method: scores[method])
    gain = 100 * (1 - model / scores[best]) if scores[best] else 0.0
    numbers = f"{METRICS[name]} {model:.4g} against {scores[best]:.4g}"
    if model >= scores[best]:
        told = f"The model does NOT beat the best baseline, {best}: {numbers} ({abs(gain):.1f} % more)."
        return told + _against_last(chances)
    p_value, count = chances[best]["p_value"], chances[best]["windows"]
    if p_value is not None and p_value < SIGNIFICANT:
        return f"The model beats the best baseline, {best}: {numbers} ({gain:.1f} % less).{_losses(methods, name)}"
    which = "a single window is" if count == 1 else f"{count} windows that do not overlap are"
    test = f"; {which} too few to tell"
    if p_value is not None:
        test = f", p = {p_value:.2g} in a paired t-test over {count} windows that do not overlap"
    told = f"The model does NOT beat the best baseline, {best}, beyond chance: {numbers} ({gain:.1f} % less{test})."
    return told + (_against_last(chances) or _nor_last(chances, best))


def _against_last(chances: Methods) -> str:
    """A sentence where tests found no method that is better than the last value.

    Of several methods one is easily lucky, so they share the error of one test (Bonferroni).
    """
    if LAST not in chances or chances[LAST]["p_value"] is None:
        return ""
    others = [told["p_value_against_last"] for method, told in chances.items() if method != LAST]
    leads = [lead for lead in (chances[LAST]["p_value"], *others) if lead is not None]
    nobody = min(leads) >= SIGNIFICANT / len(leads)
    return " No method beats the last value beyond chance." if nobody else ""


def _nor_last(chances: Methods, best: str) -> str:
    """A sentence where a baseline may be better than the last value, and the model is not."""
    p_value = chances[LAST]["p_value"] if LAST in chances else None
    if best == LAST or p_value is None or p_value < SIGNIFICANT:
        return ""
    return f" Nor does it beat {LAST} beyond chance (p = {p_value:.2g})."


def _losses(methods: Methods, decided: str) -> str:
    """A sentence that names the metrics by which a winner still loses."""
    lost = []
    for name in ("mase", "scaled_mse", "smape", "weighted_quantile_loss"):
        scores = {method: score for method, metrics in methods.items() if (score := metrics[name]) is not None}
        if name == decided or MODEL not in scores:
            continue
        best = min(scores, key=lambda method: scores[method])
        if best != MODEL:
            lost.append(f"{METRICS[name].removesuffix(' %')} ({best} {scores[best]:.4g}, model {scores[MODEL]:.4g})")
    return f" It does not by {', '.join(lost)}." if lost else ""
