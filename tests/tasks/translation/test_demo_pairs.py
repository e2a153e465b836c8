"""The demo data are what the README says: by hand where they are judged, and correct where a rule can tell."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from seqapps.tasks.translation import baselines, data
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.scores import Rules, corpus_bleu

FOLDER = Path(__file__).parents[3] / "data" / "translation"
PAIRS = FOLDER / "english_french"
VOWEL = "[aàâeéèêiîoôuùy]"
ELIDED = r"je|le|de|ne|me|te|se|que"  # before a vowel their last letter gives way to '


@pytest.fixture(scope="module")
def parts():
    return {split: pd.read_csv(PAIRS / f"{split}.tsv", sep="\t", quoting=3) for split in data.SPLITS}


def test_there_are_enough_pairs_and_what_is_judged_is_written_by_hand(parts):
    counts = {split: part["origin"].value_counts().to_dict() for split, part in parts.items()}
    assert counts == {"train": {"grammar": 2600, "hand": 713}, "validation": {"hand": 160}, "test": {"hand": 160}}
    english = pd.concat(parts.values())["english"]
    assert english.is_unique


def test_nothing_is_left_out_when_the_pairs_are_read():
    splits = data.load(PAIRS, Config(source_column="english", target_column="french"))
    assert [len(part) for part in splits.parts.values()] == [3313, 160, 160]
    assert splits.notes == ()


def test_the_grammar_makes_its_share_again(parts, tmp_path):
    out = tmp_path / "made.tsv"
    command = [sys.executable, str(FOLDER / "grammar.py"), str(out), "--count", "2600", "--seed", "0"]
    subprocess.run(command, check=True, capture_output=True)
    made = [tuple(line.split("\t")) for line in out.read_text(encoding="utf-8").splitlines()]
    kept = parts["train"].query("origin == 'grammar'")
    assert made == list(zip(kept["english"], kept["french"], strict=True))


def test_sentences_end_and_french_marks_stand_apart(parts):
    for part in parts.values():
        assert part["english"].str.contains(r"[.?!]$").all()
        assert not part["french"].str.contains(r"\S[?!;:]").any()
        assert (part["english"].str[-1] == part["french"].str[-1]).mean() > 0.99
        assert not part["french"].str.contains("’").any()


def test_words_are_elided_before_vowels(parts):
    wrong = re.compile(rf"\b(?:{ELIDED}) {VOWEL}\w*", re.IGNORECASE)
    texts = (text.replace("de un à dix", "") for part in parts.values() for text in part["french"])  # the number one
    found = [match for text in texts for match in wrong.findall(text)]
    allowed = {"oui", "onze", "onzième", "yaourt", "yaourts"}
    assert [each for each in found if each.split()[1].lower() not in allowed] == []


def test_the_nearest_source_finds_them_neither_easy_nor_hopeless(parts):
    splits = data.load(PAIRS, Config(source_column="english", target_column="french"))
    known = baselines.fit(splits.parts["train"], splits.parts["validation"], Config())
    answers = known.nearest(parts["test"]["english"].tolist())
    assert 5 < corpus_bleu(answers, parts["test"]["french"].tolist(), Rules()) < 30
