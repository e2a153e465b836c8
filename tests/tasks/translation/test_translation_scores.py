"""Scores of translations, beside published examples and sacrebleu's own words."""

import math

import numpy as np
import pytest

from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.scores import (
    Rules,
    by_length,
    chance,
    corpus_bleu,
    rules_of,
    scores,
    sentence_chrf,
    signatures,
    verdict,
)

REFERENCES = ["the cat sat on the mat", "it is raining again today", "nobody knows where he went", "we eat bread"]


def test_bleu_is_the_geometric_mean_of_precisions():
    # 5 of 6 words, 3 of 5 pairs, 2 of 4 triples and 1 of 3 runs of four; as long as the reference.
    expected = 100 * math.exp(np.mean(np.log([5 / 6, 3 / 5, 2 / 4, 1 / 3])))
    assert corpus_bleu(["the cat sat on a mat"], ["the cat sat on the mat"], Rules()) == pytest.approx(expected)


def test_what_counts_is_decided_by_the_rules():
    shouted = [reference.upper() for reference in REFERENCES]
    assert corpus_bleu(shouted, REFERENCES, Rules()) == 0
    assert corpus_bleu(shouted, REFERENCES, Rules(lowercase=True)) == pytest.approx(100)
    assert corpus_bleu(["我爱北京"], ["我爱北京"], Rules()) == 0
    assert corpus_bleu(["我爱北京"], ["我爱北京"], Rules(tokenizer="zh")) == pytest.approx(100)
    assert rules_of(Config(lowercase=True, bleu_tokenizer="intl")) == Rules(True, "intl")


def test_a_perfect_translation_has_the_best_score_of_every_metric():
    assert scores(REFERENCES, REFERENCES, Rules()) == pytest.approx(
        {"bleu": 100, "bleu_lowercased": 100, "chrf": 100, "exact_match": 1}
    )
    told = scores([REFERENCES[0], "The cat", "Nobody knows where he went", ""], REFERENCES, Rules())
    assert told["exact_match"] == 0.25
    assert told["bleu"] < told["bleu_lowercased"] < 100
    assert scores([REFERENCES[0].upper(), *[""] * 3], REFERENCES, Rules(lowercase=True))["exact_match"] == 0.25


def test_signatures_say_how_scores_were_computed():
    told = signatures(REFERENCES, REFERENCES, Rules(lowercase=True, tokenizer="char"))
    assert told["bleu"].startswith("nrefs:1|case:lc|eff:no|tok:char|smooth:exp|version:")
    assert told["chrf"].startswith("nrefs:1|case:lc|eff:yes|nc:6|nw:0|space:no|version:")


def test_a_sentence_has_a_score_of_its_own():
    told = sentence_chrf([REFERENCES[0], "xyz", REFERENCES[2][:9], REFERENCES[3]], REFERENCES, Rules())
    assert told[[0, 3]] == pytest.approx([100, 100])
    assert told[1] < 5 < told[2] < 99


def test_equal_systems_differ_by_chance_and_better_ones_do_not():
    references = REFERENCES * 9
    answers = {"model": references, "same": list(references), "worse": [each[5:] for each in references]}
    told = chance(answers, references, Rules())
    assert told["same"] == 1
    assert told["worse"] < 0.01
    assert chance({"model": references}, references, Rules()) == {}


def test_groups_by_length_hold_every_pair_once_and_in_order():
    sources = ["x" * length for length in (9, 1, 5, 3, 8, 2, 7)]
    references = [f"{source} is a long word of all" for source in sources]
    groups = by_length({"model": references, "other": references[::-1]}, sources, references, Rules())
    assert [(group["from"], group["to"], group["pairs"]) for group in groups] == [
        (1, 2, 2),
        (3, 5, 2),
        (7, 8, 2),
        (9, 9, 1),
    ]
    assert all(group["bleu"]["model"] == pytest.approx(100) for group in groups)
    assert all(group["bleu"]["other"] < 100 for group in groups)


def test_a_verdict_says_whether_the_model_wins_beyond_chance():
    methods = {"model": {"bleu": 31.234}, "near": {"bleu": 21.0}, "copy": {"bleu": 1.0}}
    told = "BLEU 31.23 against 21 (paired bootstrap, p = 0.001)."
    assert verdict(methods, {"near": 0.001, "copy": 0.001}) == f"The model beats the best baseline, near: {told}"
    weak = told.replace("0.001", "0.2")
    assert verdict(methods, {"near": 0.2}) == f"The model does NOT beat the best baseline, near, beyond chance: {weak}"
    lost = verdict(methods | {"near": {"bleu": 40.0}}, {"near": 0.001})
    assert (
        lost == "The model does NOT beat the best baseline, near: BLEU 31.23 against 40 (paired bootstrap, p = 0.001)."
    )
    alone = "No baseline was run, so this table does not tell whether the model is any good."
    assert verdict({"model": {"bleu": 3.0}}, {}) == alone
