"""Scores of translations with sacrebleu, and what chance explains of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from seqapps.significance import SIGNIFICANT
from seqapps.tasks.translation.config import Config

MODEL = "model"
METRICS = {"bleu": "BLEU", "bleu_lowercased": "BLEU, lower case", "chrf": "chrF", "exact_match": "exact match"}
GROUPS = 4  # of sources, by their length


class Rules(NamedTuple):
    """What counts when texts are compared.

    Attributes:
        lowercase: Whether case does not.
        tokenizer: What BLEU counts, as sacrebleu calls it.
    """

    lowercase: bool = False
    tokenizer: str = "13a"

    @property
    def bleu(self) -> BLEU:
        """The metric."""
        # `force` silences a warning about answers that end in " .": what they look like is what is measured.
        return BLEU(lowercase=self.lowercase, tokenize=self.tokenizer, force=True)

    @property
    def chrf(self) -> CHRF:
        """The metric."""
        return CHRF(lowercase=self.lowercase)


def rules_of(config: Config) -> Rules:
    """The rules by which a run is measured."""
    return Rules(config.lowercase, config.bleu_tokenizer)


def corpus_bleu(answers: Sequence[str], references: Sequence[str], rules: Rules) -> float:
    """BLEU of 0 to 100 (Papineni et al. 2002) as sacrebleu computes it. Higher is better.

    Example:

    >>> round(corpus_bleu(["the cat sat on a mat"], ["the cat sat on the mat"], Rules()), 2)
    53.73
    """
    return rules.bleu.corpus_score(list(answers), [list(references)]).score


def scores(answers: Sequence[str], references: Sequence[str], rules: Rules) -> dict[str, float]:
    """Metrics of one method; all are better when higher.

    Args:
        answers: Translations.
        references: As good as any.
        rules: What counts.

    Returns:
        `bleu` and `chrf` (Popović 2015) of 0 to 100, `exact_match` of 0 to 1.
    """
    fold = str.lower if rules.lowercase else str
    pairs = zip(answers, references, strict=True)
    equal = [fold(answer).strip() == fold(reference).strip() for answer, reference in pairs]
    return {
        "bleu": corpus_bleu(answers, references, rules),
        "bleu_lowercased": corpus_bleu(answers, references, rules._replace(lowercase=True)),
        "chrf": rules.chrf.corpus_score(list(answers), [list(references)]).score,
        "exact_match": float(np.mean(equal)),
    }


def signatures(answers: Sequence[str], references: Sequence[str], rules: Rules) -> dict[str, str]:
    """What sacrebleu says of how a score was computed, so that others can compute the same."""
    told = {}
    for name, metric in (("bleu", rules.bleu), ("chrf", rules.chrf)):
        metric.corpus_score(list(answers), [list(references)])
        told[name] = str(metric.get_signature())
    return told


def sentence_chrf(answers: Sequence[str], references: Sequence[str], rules: Rules) -> np.ndarray:
    """chrF of every translation by itself: `(texts,)`."""
    metric = rules.chrf
    pairs = zip(answers, references, strict=True)
    return np.array([metric.sentence_score(answer, [reference]).score for answer, reference in pairs])


def chance(answers: dict[str, Sequence[str]], references: Sequence[str], rules: Rules) -> dict[str, float]:
    """For every other method the p-value of a paired bootstrap test of BLEU against the model (Koehn 2004)."""
    systems = [(method, list(each)) for method, each in answers.items()]
    if len(systems) < 2:
        return {}
    _, told = PairedTest(systems, {"BLEU": rules.bleu}, [list(references)], test_type="bs")()
    own, others = told["BLEU"][0].score, zip(told["System"][1:], told["BLEU"][1:], strict=True)
    # sacrebleu counts resamples that differ by more than the systems do: of equal ones none does.
    return {name: 1.0 if result.score == own else float(result.p_value) for name, result in others}


def by_length(
    answers: dict[str, Sequence[str]], sources: Sequence[str], references: Sequence[str], rules: Rules
) -> list[dict[str, Any]]:
    """BLEU of groups of about equal size, from the shortest sources to the longest."""
    order = np.argsort([len(source) for source in sources], kind="stable")
    told = []
    for rows in np.array_split(order, min(GROUPS, len(order))):
        lengths = [len(sources[row]) for row in rows]
        group: dict[str, Any] = {"from": min(lengths), "to": max(lengths), "pairs": len(rows)}
        group["bleu"] = {
            method: corpus_bleu([each[row] for row in rows], [references[row] for row in rows], rules)
            for method, each in answers.items()
        }
        told.append(group)
    return told


def verdict(methods: dict[str, dict[str, float]], chances: dict[str, float]) -> str:
    """Whether the model beats the best baseline, by BLEU, in plain words. A win that chance explains is none."""
    others = {method: each["bleu"] for method, each in methods.items() if not method.startswith(MODEL)}
    if not others:
        return "No baseline was run, so this table does not tell whether the model is any good."
    best = max(others, key=others.__getitem__)
    numbers = f"BLEU {methods[MODEL]['bleu']:.4g} against {others[best]:.4g}"
    test = f"paired bootstrap, p = {chances[best]:.2g}"
    if not methods[MODEL]["bleu"] > others[best]:
        return f"The model does NOT beat the best baseline, {best}: {numbers} ({test})."
    if chances[best] >= SIGNIFICANT:
        return f"The model does NOT beat the best baseline, {best}, beyond chance: {numbers} ({test})."
    return f"The model beats the best baseline, {best}: {numbers} ({test})."
