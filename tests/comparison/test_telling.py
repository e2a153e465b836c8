"""What a comparison says in words, from numbers that are given."""

import pytest

from seqapps import report
from seqapps.comparison import judging, telling
from seqapps.significance import Measured

ACCURACY = {
    "task": "sentiment",
    "score_name": "accuracy",
    "by_part_name": "accuracy",
    "test": "McNemar's exact test",
    "lower_is_better": False,
}
LOSS = ACCURACY | {"score_name": "MASE", "test": "Diebold-Mariano test", "lower_is_better": True}


def row(name, scores, parameters, control_of=()):
    return {
        "variant": name,
        "is_control": bool(control_of),
        "control_of": list(control_of),
        "runs": {},
        "scores": {str(seed): score for seed, score in enumerate(scores)},
        "score": sum(scores) / len(scores),
        "by_part": sum(scores) / len(scores),
        "interval": (scores[0] - 0.01, scores[0] + 0.01) if len(scores) > 1 else None,
        "units": None if name == "memoryless" else 7,
        "parameters": parameters,
        "seconds_per_epoch": parameters / 1000,
        "epochs_to_best": 3,
        "milliseconds_one": 1.5,
        "milliseconds_batch": 4.5,
        "megabytes": 0.25,
    }


def pair(first, second, corrected, kind="variants", lead=None):
    """A test; the one that leads is the first by default."""
    lead = None if corrected is None else lead or first
    return {
        "first": first,
        "second": second,
        "seeds": [[0, 0]],
        "p_values": [corrected],
        "leads": [lead],
        "p_value": corrected,
        "lead": lead,
        "corrected": corrected,
        "kind": kind,
    }


def part_of(rows, tests, facts=ACCURACY, baseline=("TF-IDF", 0.8), cost="parameters"):
    measured = Measured(("x",), {}, facts["lower_is_better"], "", {}, (), (), lambda *_: None)
    part = {"fraction": 1.0, "rows": rows, "tests": tests, "choice": judging.choice(rows, tests, measured, cost)}
    part["baseline"] = None if baseline is None else dict(zip(("method", "score"), baseline, strict=True))
    return part


def test_a_winner_beyond_chance_is_taken():
    rows = [row("gru", [0.8, 0.8], 300), row("lstm", [0.9, 0.9], 400), row("simple_rnn", [0.7, 0.7], 100)]
    tests = [pair("gru", "lstm", 0.03, lead="lstm"), pair("gru", "simple_rnn", 0.5), pair("lstm", "simple_rnn", 0.001)]
    assert telling.sentence(part_of(rows, tests), ACCURACY) == (
        "Take lstm: accuracy 0.9 (0.89 to 0.91 with 95 % confidence, 2 seeds). lstm is better than every other "
        "variant, "
        "and that is real: at most p = 0.03 (McNemar's exact test, corrected for 3 comparisons). The mean score "
        "of lstm "
        "is better than that of the best baseline, TF-IDF (0.8)."
    )


def test_of_those_that_no_test_tells_apart_the_cheapest_is_taken():
    rows = [row("gru", [0.89], 300), row("lstm", [0.9], 400), row("simple_rnn", [0.7], 100)]
    tests = [pair("gru", "lstm", 0.4), pair("gru", "simple_rnn", 0.03), pair("lstm", "simple_rnn", 0.01)]
    assert telling.sentence(part_of(rows, tests, baseline=("NB", 0.95)), ACCURACY) == (
        "Take gru: accuracy 0.89 (one seed). The best score is that of lstm, 0.9 (one seed), but no test tells "
        "that the "
        "difference is real: p = 0.4 (McNemar's exact test, corrected for 3 comparisons). Of the 2 that are as good as "
        "far as tests can tell, gru is the cheapest (300 parameters). lstm is better than 'simple_rnn', and that is "
        "real: at most p = 0.01 (McNemar's exact test, corrected for 3 comparisons). The mean score of gru is "
        "NOT better "
        "than that of the best baseline, NB (0.95)."
    )


def test_the_best_may_be_the_cheapest_too_and_few_items_tell_nothing():
    rows = [row("gru", [0.5], 300), row("lstm", [0.6], 400)]
    part = part_of(rows, [pair("gru", "lstm", None)], LOSS, None)
    assert telling.sentence(part, LOSS) == (
        "Take gru: MASE 0.5 (one seed). It has the best score and is the cheapest (300 parameters), but nothing could "
        "be tested against 'lstm': too few test items. No baseline was run, so nothing tells whether any of them is "
        "good."
    )
    assert telling.test_table(part)[1] == [["gru", "lstm", "–", "–", "–", "no"]]
    dear = part_of(rows, [pair("gru", "lstm", 0.4)], LOSS, None, cost="seconds_per_epoch")
    assert "'lstm' is not worse beyond chance, and it is the cheapest of them (0.3 seconds per epoch)." in (
        telling.sentence(dear, LOSS)
    )


def test_a_test_that_contradicts_the_score_makes_nothing_worse():
    """Means of scores and tests of losses may point to different sides."""
    rows = [row("gru", [0.6], 300), row("lstm", [0.5], 400), row("gru, shuffled", [0.7], 300, ["gru"])]
    tests = [pair("gru", "lstm", 0.01, lead="gru"), pair("gru", "gru, shuffled", 0.02, "controls", "gru, shuffled")]
    part = part_of(rows, tests, LOSS, None)
    assert part["choice"] == {
        "take": "gru",
        "best": "lstm",
        "cost": "parameters",
        "alike": ["lstm", "gru"],
        "worse": [],
    }
    told = telling.sentence(part, LOSS)
    assert "no test tells that the difference is real: p = 0.01 for gru (Diebold-Mariano test)." in told
    assert "No test tells that order matters: 0.6 for gru, 0.7 for gru, shuffled (p = 0.02 for gru, shuffled)." in told


def test_the_table_of_tests_says_which_seed_speaks_for_which():
    test = pair("gru", "lstm", 0.01, lead="lstm") | {"p_values": [0.001, 0.3, None], "leads": ["lstm", "gru", None]}
    rows = [row("gru", [0.5], 300), row("lstm", [0.6], 400)]
    assert telling.test_table(part_of(rows, [test]))[1] == [
        ["gru", "lstm", "−0.001, 0.3, –", "0.01", "0.01", "lstm is better"]
    ]


@pytest.mark.parametrize(
    ("scores", "corrected", "told"),
    [
        ((0.9, 0.8), 0.01, "Order matters: 0.9 for gru, 0.8 for gru, shuffled (p = 0.01)."),
        ((0.8, 0.9), 0.01, "A model does better without order: 0.8 for gru, 0.9 for gru, shuffled (p = 0.01)."),
        ((0.9, 0.8), 0.2, "No test tells that order matters: 0.9 for gru, 0.8 for gru, shuffled (p = 0.2)."),
    ],
)
def test_controls_say_whether_order_matters(scores, corrected, told):
    rows = [row("gru", scores[:1], 300), row("gru, shuffled", scores[1:], 300, ["gru"])]
    lead = "gru" if scores[0] > scores[1] else "gru, shuffled"
    part = part_of(rows, [pair("gru", "gru, shuffled", corrected, "controls", lead)])
    assert told in telling.sentence(part, ACCURACY)
    assert part["choice"]["take"] == "gru"  # a control is never taken


def test_the_control_without_memory_stands_against_the_variant_that_is_taken():
    rows = [row("gru", [0.9], 300), row("lstm", [0.7], 400), row("memoryless", [0.8], 50, ["gru", "lstm"])]
    tests = [pair("gru", "lstm", 0.01), pair("gru", "memoryless", 0.02, "controls")]
    tests.append(pair("lstm", "memoryless", 0.9, "controls"))
    told = telling.sentence(part_of(rows, tests), ACCURACY)
    assert "Memory matters: 0.9 for gru, 0.8 for memoryless (p = 0.02)." in told


def test_the_table_shows_scores_costs_and_the_baseline():
    part = part_of([row("gru", [0.8, 0.9], 1300)], [])
    header, cells = telling.table(part, ACCURACY)
    assert header[:6] == ["", "accuracy", "95 %", "seeds", "parameters", "s / epoch"]
    assert cells[0] == ["gru", "0.85", "0.79 to 0.81", "2", "1,300", "1.3", "3", "1.5", "4.5", "0.25"]
    assert cells[1] == ["baseline: TF-IDF", "0.8", *["–"] * 8]
    told = telling.sentence(part, ACCURACY)
    assert told.startswith("gru, the only variant, has accuracy 0.85 (0.79 to 0.81 with 95 % confidence, 2 seeds).")


def test_the_report_holds_every_part_of_the_rows(tmp_path):
    rows = [row("gru", [0.8, 0.9], 1300), row("lstm", [0.7, 0.9], 1400)]
    parts = [part_of(rows, [pair("gru", "lstm", 0.5)]) | {"fraction": fraction} for fraction in (0.1, 1.0)]
    parts = [part | {"verdict": f"verdict of {part['fraction']}"} for part in parts]
    telling.write_report(tmp_path / "report.html", ACCURACY | {"parts": parts, "notes": ["a <note>"]})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in ("verdict of 1.0", "a &lt;note&gt;", "10 % of the training rows", "More training rows", "1,300"):
        assert text in page
    assert page.count("<img") == 3
    assert report.number(0.5) in page


def test_widths_are_told_where_they_differ():
    rows = [row("lstm", [0.8], 1300), row("gru", [0.7], 1310) | {"units": [9, 9]}, row("memoryless", [0.6], 9, ["gru"])]
    header, cells = telling.table(part_of(rows, [pair("lstm", "gru", 0.5)]), ACCURACY)
    assert header[4] == "units"
    assert [line[4] for line in cells] == ["7", "9, 9", "–", "–"]


def test_a_curve_over_parts_of_the_rows_shows_what_means_the_same_for_all_of_them():
    rows = [row("gru", [9.0], 300) | {"by_part": by_part} for by_part in (2.5, 1.5)]
    parts = [part_of([each], [], LOSS) | {"fraction": part} for each, part in zip(rows, (0.1, 1.0), strict=True)]
    axes = telling.curves(LOSS | {"parts": parts, "by_part_name": "bits per byte"}).axes[0]
    assert axes.get_ylabel() == "bits per byte"
    assert axes.lines[0].get_xydata().tolist() == [[10.0, 2.5], [100.0, 1.5]]
