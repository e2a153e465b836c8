"""The report page and the tables of scores."""

import re

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from seqapps import config, report
from seqapps.recurrent.stack import CELLS, MERGES
from seqapps.tasks.sentiment.config import Config

METHODS = {
    "model": {"error": 1.0, "coverage": 0.95, "undefined": None},
    "naive": {"error": 2.0, "coverage": 0.81, "undefined": None},
}
NAMES = {"error": "Error", "coverage": "Coverage", "undefined": "Undefined"}


def test_the_smallest_error_and_the_nearest_coverage_win():
    assert report.best_rows(METHODS, NAMES, {"coverage": 0.8}) == [None, 0, 1, None]


def test_one_method_alone_wins_nothing():
    alone = {"model": METHODS["model"]}
    assert report.best_rows(alone, NAMES, {"coverage": 0.8}) == [None, None, None, None]


def test_a_table_shows_every_metric_and_a_dash_where_it_is_not_defined():
    assert report.score_table(METHODS, NAMES) == (
        ["", "Error", "Coverage", "Undefined"],
        [["model", "1", "0.95", "–"], ["naive", "2", "0.81", "–"]],
    )


def test_the_page_is_one_file_that_loads_nothing_and_escapes_what_users_wrote(tmp_path):
    figure = Figure()
    figure.subplots().plot(np.arange(3))
    section = report.Section("A < B").paragraph("<script>").figure(figure, 'a "curve"')
    section.table(["", "x"], [["<b>", "1"], ["c", "2"]], best=[None, 1], own=0)
    report.write(tmp_path / "report.html", "Title & more", [section])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<h1>Title &amp; more</h1>" in page
    assert '<tr class="own"><td>&lt;b&gt;</td><td>1</td></tr><tr><td>c</td><td class="best">2</td></tr>' in page
    assert 'alt="a &quot;curve&quot;"' in page
    assert [source[:22] for source in re.findall(r'(?:src|href)="([^"]*)"', page)] == ["data:image/png;base64,"]


@pytest.fixture
def toy_font(tmp_path, monkeypatch):
    """A font that has 日 and nothing else, beside those that matplotlib brings along."""
    manager = font_manager.fontManager
    own = [entry for entry in manager.ttflist if "DejaVu" in entry.name or "Last Resort" in entry.name]
    monkeypatch.setattr(manager, "ttflist", own)
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0)), pen.lineTo((0, 900)), pen.lineTo((900, 0)), pen.closePath()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "sun"])
    builder.setupCharacterMap({ord("日"): "sun"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "sun": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "sun": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Toy Sun", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=900, usWinAscent=900, usWinDescent=100)
    builder.setupPost()
    builder.save(tmp_path / "toy.ttf")
    manager.addfont(str(tmp_path / "toy.ttf"))
    return "Toy Sun"


def drawn(texts):
    """A section with a figure whose ticks have these texts, and the fonts that they were given."""
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(texts)), texts)
    section = report.Section("Texts").figure(figure, "texts")
    return section, [label.get_fontfamily() for label in axes.get_yticklabels()]


def test_a_text_in_another_script_is_drawn_with_a_font_that_has_it(toy_font):
    section, families = drawn(["so", "日", "a日·"])
    assert families[0] == font_manager.FontProperties().get_family()
    assert families[1] == families[2] == [*families[0], toy_font]
    assert len(section.blocks) == 1


def test_what_no_font_has_is_said_below_the_figure(toy_font):
    section, _ = drawn(["日本", "\x07", "ไท", "\ue000", "日"])
    assert section.blocks[1:] == [
        '<p class="note">Shown as boxes, because no installed font has them: U+0007, ท, ไ, 本, U+E000.</p>'
    ]


def test_text_that_is_read_from_the_right_is_drawn():
    section, _ = drawn(["مرحبا", "·שלום", "abc שלום 12"])
    assert len(section.blocks) == 1


def test_the_curves_show_both_losses_and_the_kept_epoch():
    history = [{"epoch": 1, "loss": 3.0, "val_loss": 5.0}, {"epoch": 2, "loss": 2.0, "val_loss": 4.0}]
    (axes,) = report.curves(history, best_epoch=2).axes
    training, validation, kept = axes.lines
    assert list(training.get_ydata()) == [3.0, 2.0]
    assert list(validation.get_ydata()) == [5.0, 4.0]
    assert set(kept.get_xdata()) == {2}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "validation", "kept: epoch 2"]
    (axes,) = report.curves(history, best_epoch=2, averaged=True).axes
    assert axes.get_legend().get_texts()[1].get_text() == "validation, averaged weights"


def test_the_config_offers_what_the_factory_builds():
    # config.py spells the names out, because it must not import Keras.
    assert tuple(CELLS) == config.CELL_NAMES
    assert tuple(MERGES) == config.MERGE_MODES


@pytest.mark.parametrize(
    ("options", "brief", "words"),
    [
        (
            {"cell": "lstm", "units": (7, 5), "bidirectional": True},
            "lstm, 2 layer(s), units [7, 5]",
            "A lstm with 2 layer(s) of 7, 5 units in two directions",
        ),
        (
            {"units": 7, "control": "shuffled"},
            "gru, 1 layer(s), units [7], on shuffled steps",
            "A gru with 1 layer(s) of 7 units in one direction, on steps in an order that tells nothing",
        ),
        ({"control": "memoryless"}, "a model without a recurrence", "A model without a recurrence"),
    ],
)
def test_a_run_says_what_recurrence_it_has(options, brief, words):
    told = Config(**options)
    assert (report.in_brief(told), report.in_words(told)) == (brief, words)
