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
    kept = Baselines(("a\nb", "", "日本"), ("", "é ", "x"), analyzer, 3)
    kept.save(tmp_path / "baselines.npz")
    assert Baselines.load(tmp_path / "baselines.npz") == kept
    assert kept.note() == "The baseline searches one of 3 training pairs, evenly spread."
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
    full = baselines.fit(made["train"], made["validation"], Config(baselines="full"))
    assert full.analyzer == "characters"
    assert baselines.fit(made["train"], made["validation"], Config(baselines="fast")).analyzer == "words"
