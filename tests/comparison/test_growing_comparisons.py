"""Comparisons whose parts of the rows have other vocabularies, that match parameters, or start from another model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

import seqapps
from seqapps import run_folder
from seqapps.comparison.matching import TOLERANCE
from seqapps.tasks.generation.config import Config as Generation
from seqapps.tasks.sentiment.config import Config as Sentiment


def songs():
    """Three letters over and over; a fourth one stands in the earliest and in the last songs alone."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(20, 41, 80)
    texts = [("abc" * 20)[:length] for length in lengths]
    rare = [text[:10] + "z" + text[10:] if number < 8 or number > 70 else text for number, text in enumerate(texts)]
    return pd.DataFrame({"text": rare})


@pytest.mark.slow
def test_parts_of_a_text_have_other_tokens_and_are_compared_each_by_itself(toys, tmp_path):
    options = toys["generation"].options | {"tokenizer": "character", "test_fraction": 0.3, "baselines": "none"}
    del options["epochs"]
    plan = {"cells": ("gru", "simple_rnn"), "seeds": (0,), "max_epochs": 1, "data_fractions": (0.3, 1.0)}
    told = seqapps.compare("generation", songs(), tmp_path / "out", Generation(**options), **plan)
    references = []
    for share in ("-data-0.3", ""):
        run = tmp_path / "out" / "runs" / f"gru-one-1{share}-seed-0"
        references.append("".join(pd.read_csv(run / "predictions.csv.gz")["reference"]))
    assert ("z" in references[0], "z" in references[1]) == (False, True)
    for part in told["parts"]:
        assert [test["p_values"][0] is not None for test in part["tests"]] == [True]
        for row in part["rows"]:
            metrics = run_folder.read_json(Path(row["runs"]["0"]) / "metrics.json")
            assert row["by_part"] == metrics["methods"]["model"]["bits_per_byte"]
    assert (told["score_name"], told["by_part_name"]) == ("perplexity", "bits per byte")


@pytest.mark.slow
def test_widths_that_match_parameters_stay_whichever_seed_a_repeat_names_first(toys, tmp_path):
    toy = toys["sentiment"]
    options = toy.options | {"baselines": "none", "units": 31}
    del options["epochs"]
    config, out = Sentiment(**options), tmp_path / "out"
    plan = {"cells": ("lstm", "gru"), "max_epochs": 1, "match": "parameters", "data_fractions": (0.5,)}
    first = seqapps.compare("sentiment", toy.data, out, config, seeds=(0,), **plan)
    second = seqapps.compare("sentiment", toy.data, out, config, seeds=(1, 0), **plan)
    (lstm, gru), again = first["parts"][0]["rows"], second["parts"][0]["rows"]
    assert (lstm["units"], again[0]["units"]) == (31, 31)
    assert gru["units"] > 31
    assert abs(gru["parameters"] - lstm["parameters"]) <= TOLERANCE * lstm["parameters"]
    for seed in (0, 1):
        options = run_folder.read_options(out / "runs" / f"gru-one-1-data-0.5-seed-{seed}")
        assert options["units"] == gru["units"]
    assert again[1]["scores"]["0"] == gru["score"]
    assert first["parts"][0]["choice"]["cost"] == "seconds_per_epoch"
    with refusal(
        f"The first cell, direction and depth must be those of 'lstm', whose parameters the others match, to go on "
        f"with the comparison in {str(out)!r}. Received: those of 'gru'. Name them first, or compare into another "
        "folder."
    ):
        seqapps.compare("sentiment", toy.data, out, config, seeds=(0,), **plan | {"cells": ("gru", "lstm")})


def test_cells_that_a_language_model_does_not_have_are_refused(trained_run, toys, tmp_path):
    toy = toys["sentiment"]
    options = {"max_tokens": 11, "batch_size": 16, "baselines": "none"}
    config = Sentiment(pretrained=str(trained_run("generation", "lstm")), gradual_unfreezing=False, **options)
    with refusal(
        "'gru' cannot be compared with these options, which make it 'lstm'. Leave it out of cells, directions or "
        "depths."
    ):
        seqapps.compare("sentiment", toy.data, tmp_path / "out", config, cells=("lstm", "gru"), max_epochs=1)
    assert not (tmp_path / "out").exists()
