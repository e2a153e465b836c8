"""What a translation costs nothing."""

import pandas as pd
import pytest

from seqapps.tasks.translation import baselines, data
from seqapps.tasks.translation.baselines import COPY, NEAREST, Baselines
from seqapps.tasks.translation.config import Config

KNOWN = Baselines(
    ("a red house", "the blue sea", "two dogs run"), ("une maison rouge", "la mer bleue", "deux chiens"), "words"
)


def test_the_nearest_source_gives_its_translation_and_the_source_stays_what_it_is():
    told = KNOWN.translations(["the red house", "a blue sea", "DOGS"])
    assert told == {
        NEAREST: ["une maison rouge", "la mer bleue", "deux chiens"],
        COPY: ["the red house", "a blue sea", "DOGS"],
    }


def test_a_source_that_is_like_none_gets_some_answer():
    assert KNOWN.nearest(["", "日本", "zzz"])[0] in KNOWN.targets


def test_sources_without_a_word_are_no_error():
    assert Baselines(("  ", " \t"), ("x", "y"), "words").nearest(["anything"]) == ["x"]


@pytest.mark.parametrize("analyzer", baselines.ANALYZERS)
def test_what_was_saved_is_loaded(analyzer, tmp_path):
    kept = Baselines(("a\nb", "", "日本\0"), ("", "é ", "x\0y"), analyzer, 9)
    kept.save(tmp_path / "baselines.npz")
    assert Baselines.load(tmp_path / "baselines.npz") == kept
    assert kept.note() == "The baseline searches 3 of the 9 training pairs, evenly spread."
    assert KNOWN.note() == ""


def test_how_sources_are_compared_is_chosen_on_validation():
    # Only parts of words tell: every validation source is a new form of a known one.
    train = [
        (f"{stem}ation number", f"{stem} told once again") for stem in ("nego", "situ", "forma", "comple", "varia")
    ]
    held_out = [
        (f"{stem}ating", target) for (source, target) in train for stem in [source.removesuffix("ation number")]
    ]
    columns = ["source", "target"]
    parts = {"train": pd.DataFrame(train, columns=columns), "validation": pd.DataFrame(held_out, columns=columns)}
    made = {name: data.load_whole(part, Config()).parts["all"] for name, part in parts.items()}
    assert baselines.fit(made["train"], made["validation"], Config()).analyzer == "characters"
    same = baselines.fit(made["train"], made["train"], Config())
    assert (same.analyzer, same.count) == ("words", 5)


def test_of_a_large_part_some_pairs_are_known_unless_all_are_asked_for(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_PAIRS", 3)
    pairs = pd.DataFrame({"source": [f"word {n}" for n in range(7)], "target": [f"wort {n}" for n in range(7)]})
    part = data.load_whole(pairs, Config()).parts["all"]
    assert baselines.fit(part, part, Config()).sources == ("word 0", "word 2", "word 4")
    assert len(baselines.fit(part, part, Config(baselines="full")).sources) == 7
