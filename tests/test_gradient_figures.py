"""What the figures of gradients and gates show."""

import numpy as np
import pytest

from seqapps import gradient_figures as figures
from seqapps import report


def drawn(figure, path):
    """Writes a figure into a page, so that it is rendered."""
    report.write(path, "figures", [report.Section("one").figure(figure, "it")])
    return figure


def test_curves_are_shares_of_lag_0_on_a_logarithmic_scale(tmp_path):
    curves = {"lstm": (2.0, 1.0, 4.0), "simple_rnn": (5.0, 0.05, 0.0)}
    (axes,) = drawn(figures.flow_figure(curves), tmp_path / "page.html").axes
    assert axes.get_yscale() == "log"
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert lines["lstm"] == [1, 0.5, 2]
    assert lines["simple_rnn"] == [1, 0.01, figures.LOWEST]
    assert lines["1%"] == [0.01, 0.01]
    assert axes.get_ylim()[0] == pytest.approx(figures.LOWEST / 2)


def test_a_curve_of_one_step_is_a_point_that_can_be_seen(tmp_path):
    (axes,) = drawn(figures.flow_figure({"one": (2.0,), "two": (2.0, 1.0)}), tmp_path / "page.html").axes
    assert {line.get_label(): line.get_marker() for line in axes.lines} == {"one": "o", "two": "None", "1%": "None"}


def test_curves_without_shares_say_why(tmp_path):
    curves = {"dead": (0.0, 0.0), "broken": (np.inf, 1.0), "later": (1.0, np.nan, 0.5)}
    (axes,) = drawn(figures.flow_figure(curves, "tokens"), tmp_path / "page.html").axes
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert lines["dead (no gradient)"] == lines["broken (not finite)"] == []
    np.testing.assert_array_equal(lines["later"], [1, np.nan, 0.5])
    assert axes.get_xlabel() == "lag (tokens before the loss)"


def test_a_heat_map_shows_every_gate_over_the_words(tmp_path):
    gates = {name: np.linspace(0, 1, 3 * 7).reshape(3, 7) for name in ("update", "reset")}
    figure = drawn(figures.gate_figure(gates, ["cost", "$5 $6", "a\nb"]), tmp_path / "page.html")
    first, second = [axes for axes in figure.axes if axes.images and axes.get_ylabel()]
    np.testing.assert_allclose(first.images[0].get_array(), gates["update"].T)
    assert [label.get_text() for label in second.get_xticklabels()] == ["cost", r"\$5␣\$6", "a⏎b"]
    assert first.images[0].get_clim() == (0, 1)


def test_of_many_units_those_that_change_are_shown_and_of_many_steps_the_numbers(tmp_path):
    steps, units = figures.NAMED_STEPS + 1, figures.MOST_UNITS + 5
    values = np.full((steps, units), 0.5)
    values[::2, 3:-2] = np.random.default_rng(0).random(units - 5)
    figure = drawn(figures.gate_figure({"update": values}, [f"w{n}" for n in range(steps)]), tmp_path / "page.html")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), values[:, 3:-2].T)
    assert not any(label.get_text().startswith("w") for label in figure.axes[0].get_xticklabels())
    labels = zip(figure.axes[0].get_yticks(), figure.axes[0].get_yticklabels(), strict=True)
    numbers = {round(row): label.get_text() for row, label in labels if 0 <= row < figures.MOST_UNITS}
    assert numbers == {row: str(row + 3) for row in numbers}
    assert len(numbers) > 3


@pytest.mark.parametrize(("clip_norm", "lines"), [(None, 2), (0.5, 3)])
def test_the_norms_of_a_training_stand_beside_their_limit(clip_norm, lines, tmp_path):
    history = [{"epoch": n, "gradient_norm": 0.1 * n, "largest_gradient_norm": 10.0 * n} for n in (1, 2, 3)]
    (axes,) = drawn(figures.norm_figure(history, clip_norm), tmp_path / "page.html").axes
    assert len(axes.lines) == lines
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [10, 20, 30])
    assert axes.get_yscale() == "log"


def test_norms_that_are_all_zero_are_drawn_too(tmp_path):
    history = [{"epoch": 1, "gradient_norm": 0.0, "largest_gradient_norm": 0.0}]
    (axes,) = drawn(figures.norm_figure(history, None), tmp_path / "page.html").axes
    assert axes.get_yscale() == "linear"
