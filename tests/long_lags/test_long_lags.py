"""The comparison of cells on long-lag problems: truncated gradients, what is solved, and trainings that are kept."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from refusals import refusal

from seqapps import problems
from seqapps.long_lags import results, runner
from seqapps.long_lags import training as long_training
from seqapps.long_lags.config import Config
from seqapps.long_lags.training import DenseDescent, Network, Trial
from seqapps.problems import PROBLEMS

LAG, UNITS, ROWS = 8, 7, 3
TINY = {"units": UNITS, "max_steps": 2, "batch_size": 5}


# --- one training ---


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
def test_truncated_gradients_end_where_windows_begin_and_answers_stay_the_same(name, cell):
    problem, config = PROBLEMS[name], Config(units=UNITS, num_layers=2)
    tf.random.set_seed(0)
    network = Network(problem, config, Trial(cell, LAG, 0))
    inputs, targets = next(problems.batches(name, LAG, ROWS, seed=0))
    inputs, steps = tf.constant(inputs), inputs.shape[1]

    def losses_and_reached(truncation):
        network.truncation = truncation
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            losses = network.losses(inputs, targets)
            last = losses[:, -1] if problem.every_step else losses
        return losses, tf.reduce_any(tape.gradient(last, inputs) != 0, axis=[0, 2]).numpy()

    whole, reached = losses_and_reached(None)
    assert reached.all()
    for truncation in (1, 3, steps - 1):
        losses, reached = losses_and_reached(truncation)
        np.testing.assert_allclose(losses, whole, rtol=1e-5)
        assert reached.tolist() == [False] * (steps - truncation) + [True] * truncation
    assert losses_and_reached(steps)[1].all()


def test_the_recurrent_weights_start_with_the_gain():
    config = Config(units=UNITS, recurrent_gain=1.5)
    recurrent = Network(PROBLEMS["adding"], config, Trial("simple_rnn", LAG, 0)).stack.get_weights()[1]
    np.testing.assert_allclose(recurrent @ recurrent.T, 2.25 * np.eye(UNITS), atol=1e-5)


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_reset_gate_acts_where_it_is_told(reset_after):
    config = Config(cells=("gru",), units=UNITS, reset_after=reset_after)
    bias = Network(PROBLEMS["adding"], config, Trial("gru", LAG, 0)).stack.get_weights()[2]
    assert bias.shape == ((2, 3 * UNITS) if reset_after else (3 * UNITS,))


def test_a_training_that_solves_its_problem_ends_and_is_the_same_again():
    config = Config(units=UNITS, max_steps=900, learning_rate=0.03)
    first = long_training.train("temporal_order", config, Trial("gru", LAG, 0))
    assert first["solved"]
    assert not first["diverged"]
    assert first["steps"] < 900
    assert first["loss"] <= 0.1 * math.log(4)
    assert first["course"][-1][0] == first["steps"]
    assert first["course"][-1][1] <= 0.05 * math.log(4)
    assert list(first["flow"]["end"]) == ["h"]
    assert len(first["flow"]["end"]["h"]) == PROBLEMS["temporal_order"].steps(LAG)
    again = long_training.train("temporal_order", config, Trial("gru", LAG, 0))
    assert again | {"seconds": 0} == first | {"seconds": 0}


def test_a_training_that_explodes_is_said_to_diverge_and_ends():
    config = Config(units=UNITS, optimizer="sgd", clip_norm=None, learning_rate=1e6, max_steps=900)
    told = long_training.train("adding", config, Trial("simple_rnn", LAG, 0))
    assert (told["loss"], told["solved"], told["diverged"]) == (None, False, True)
    assert told["steps"] == 100
    json.dumps(told, allow_nan=False)


def test_a_training_that_blew_up_and_came_back_has_diverged():
    """The states of a simple_rnn are bounded, and the learning rate falls to 0: at the end nothing is to be seen."""
    config = Config(units=UNITS, learning_rate=3.0, max_steps=300)
    told = long_training.train("adding", config, Trial("simple_rnn", LAG, 0))
    assert told["course"][0][1] > 10 * PROBLEMS["adding"].baseline(LAG) > 5 * told["loss"]
    assert told["diverged"]


def test_clipping_holds_a_simple_rnn_whose_gain_makes_it_explode():
    options = {"units": 16, "optimizer": "sgd", "learning_rate": 0.3, "recurrent_gain": 1.5, "max_steps": 200}
    free, held = (
        long_training.train("adding", Config(clip_norm=limit, **options), Trial("simple_rnn", LAG, 0))
        for limit in (None, 1.0)
    )
    assert (free["diverged"], free["loss"], free["clipped_share"]) == (True, None, 0)
    assert not held["diverged"]
    assert held["loss"] < 1.2 * PROBLEMS["adding"].baseline(LAG)
    assert held["clipped_share"] > 0


def test_a_training_ends_with_its_minutes():
    config = Config(units=UNITS, max_minutes=1e-9)
    told = long_training.train("parity", config, Trial("lstm", LAG, 0))
    assert told["steps"] == 1
    assert (told["cell"], told["lag"], told["seed"], told["truncation"]) == ("lstm", LAG, 0, None)


def test_the_gradients_of_every_layer_are_kept():
    config = Config(units=UNITS, num_layers=2, max_steps=1)
    flow = long_training.train("parity", config, Trial("lstm", LAG, 0))["flow"]
    for moment in ("start", "end"):
        assert list(flow[moment]) == ["layer 1, h", "layer 1, c", "layer 2, h", "layer 2, c"]


def test_plain_descent_goes_against_the_clipped_gradient_and_counts_norms():
    optimizer = DenseDescent(0.5, global_clipnorm=1.0)
    weight = keras.Variable([1.0, 1.0])
    optimizer.apply([tf.constant([3.0, 4.0])], [weight])
    np.testing.assert_allclose(weight, [1 - 0.5 * 0.6, 1 - 0.5 * 0.8])
    assert optimizer.norms.read()["gradient_norm"] == 5


# --- what trainings add up to ---


def told(loss, diverged=False):
    return {"loss": loss, "solved": loss is not None and loss <= 0.01, "diverged": diverged}


def keyed(cell, lag, losses, truncation=None):
    return {Trial(cell, lag, seed, truncation).key: told(loss, loss is None) for seed, loss in enumerate(losses)}


def test_the_longest_solved_lag_is_that_whose_mean_loss_is_a_tenth_of_the_baseline():
    config = Config(cells=("gru", "lstm"), lags=(20, 10, 40), seeds=(0, 1), truncations=(15,))
    trials = {
        **keyed("gru", 10, [0.001, 0.032]),  # mean 0.0165 <= 0.0167
        **keyed("gru", 20, [0.001, 0.033]),  # mean 0.0170
        **keyed("gru", 40, [0.16, 0.17]),
        **keyed("lstm", 10, [0.001, None]),
        **keyed("gru", 10, [0.0, 0.0], 15),
        **keyed("lstm", 10, [0.16, 0.16], 15),
    }
    summed = results.summary("adding", config, trials)
    assert summed["none"]["gru"]["longest_solved_lag"] == 10
    assert summed["none"]["gru"]["mean_loss"] == pytest.approx({"10": 0.0165, "20": 0.017, "40": 0.165})
    assert summed["none"]["lstm"] == {
        "longest_solved_lag": None,
        "mean_loss": {"10": None},
        "trained": 2,
        "solved": 1,
        "diverged": 1,
    }
    assert [summed["15"][cell]["longest_solved_lag"] for cell in config.cells] == [10, None]
    assert results.verdict("adding", config, summed) == (
        "On the adding problem gru solves lags up to 10; lstm solves none of the lags."
    )
    assert results.truncation_rows(config, summed)[1] == [["through all steps", "10", "–"], ["15 steps", "10", "–"]]
    assert results.loss_rows("adding", config, summed)[1] == [
        ["best fixed answer", "0.1667", "0.1667", "0.1667", "–"],
        ["gru", "0.0165", "0.0170", "0.1650", "10"],
        ["lstm", "not finite", "–", "–", "–"],
    ]


def test_a_lag_counts_as_solved_only_if_all_shorter_ones_are():
    """A cell is tried on a longer lag where one seed of several solved; that one may be solved again."""
    config = Config(cells=("gru",), lags=(10, 20, 40), seeds=(0, 1))
    solved = [0.001, 0.001]
    trials = {**keyed("gru", 10, solved), **keyed("gru", 20, [0.001, 0.16]), **keyed("gru", 40, solved)}
    summed = results.summary("adding", config, trials)
    assert summed["none"]["gru"]["longest_solved_lag"] == 10
    assert results.verdict("adding", config, summed) == "On the adding problem gru solves lags up to 10."


@pytest.mark.parametrize(
    ("loss", "solved", "diverged", "expected"),
    [
        (0.01, True, False, "loss 0.0100 (best fixed answer 0.1667): solved after 300 steps, 7 s"),
        (0.2, False, False, "loss 0.2000 (best fixed answer 0.1667): not solved after 300 steps, 7 s"),
        (0.01, True, True, "loss 0.0100 (best fixed answer 0.1667): diverged, then solved after 300 steps, 7 s"),
        (None, False, True, "loss not finite (best fixed answer 0.1667): diverged after 300 steps, 7 s"),
    ],
)
def test_a_finished_training_is_told_in_a_line(loss, solved, diverged, expected):
    result = {"loss": loss, "solved": solved, "diverged": diverged, "steps": 300, "seconds": 7.2}
    assert results.told("adding", LAG, result) == expected


def test_a_truncation_of_all_steps_is_none():
    steps = PROBLEMS["adding"].steps(LAG)
    assert results.trial_of("adding", "gru", LAG, 0, steps).truncation is None
    assert results.trial_of("adding", "gru", LAG, 0, steps - 1).truncation == steps - 1


# --- the folder ---


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Two cells that solve nothing in two steps."""
    folder = tmp_path_factory.mktemp("long") / "lags"
    runner.compare("adding", Config(cells=("simple_rnn", "lstm"), lags=(5, 3), seeds=(0,), **TINY), folder)
    return folder


def test_a_cell_that_solves_nothing_is_not_trained_on_longer_lags(compared):
    stored = json.loads((compared / "problems.json").read_text())
    assert list(stored["trials"]) == [f"{cell}, lag 3, seed 0, truncation none" for cell in ("simple_rnn", "lstm")]
    assert sorted(path.name for path in compared.iterdir()) == ["problems.html", "problems.json"]
    assert list(stored["trials"]["lstm, lag 3, seed 0, truncation none"]["flow"]["start"]) == ["h", "c"]
    page = (compared / "problems.html").read_text()
    assert "On the adding problem simple_rnn solves none of the lags; lstm solves none of the lags." in page
    assert page.count("<img") == 3
    assert "Gradients through time, lag 3, seed 0" in page


def test_a_comparison_goes_on_without_training_again_what_is_finished(compared, tmp_path, capsys):
    stored = json.loads((compared / "problems.json").read_text())
    for trial in stored["trials"].values():
        trial["solved"], trial["marked"] = True, "kept"
    assert stored["options"].pop("reset_after") is True  # as if it had begun before that option existed
    (tmp_path / "problems.json").write_text(json.dumps(stored))
    config = Config(cells=("lstm", "gru"), lags=(3, 5), seeds=(0,), truncations=(2, 99), **TINY)
    after = runner.compare("adding", config, tmp_path, resume=True)
    assert {key for key, trial in after["trials"].items() if "marked" in trial} == {*stored["trials"]}
    new = [key for key in after["trials"] if key not in stored["trials"]]
    assert new == [
        *("lstm, lag 5, seed 0, truncation none", "gru, lag 3, seed 0, truncation none"),
        *("lstm, lag 3, seed 0, truncation 2", "gru, lag 3, seed 0, truncation 2"),
    ]
    assert [line for line in capsys.readouterr().out.splitlines() if line.endswith("…")] == [f"{key} …" for key in new]
    page = (tmp_path / "problems.html").read_text()
    assert "Longest solved lag by truncation" in page
    assert page.count("<img") == 4


def test_folders_that_cannot_be_used_are_refused_before_anything_is_trained(compared, tmp_path):
    config = Config(cells=("lstm",), lags=(3,), seeds=(0,), **TINY)
    (tmp_path / "notes.txt").write_text("mine")
    before = (compared / "problems.json").read_bytes()
    holds = f"{str(compared)!r} holds a comparison. Pass --resume to go on with it or --overwrite to replace it."
    cases = [
        (compared, {}, holds),
        (tmp_path, {}, f"{str(tmp_path)!r} is not empty and holds no comparison. Choose another folder."),
        (tmp_path / "notes.txt", {}, f"{str(tmp_path / 'notes.txt')!r} is a file; a comparison needs a folder."),
        (
            compared,
            {"resume": True, "overwrite": True},
            "`resume` and `overwrite` cannot both be given. Received: resume=True, overwrite=True.",
        ),
    ]
    for folder, options, message in cases:
        with refusal(message):
            runner.compare("adding", config, folder, **options)
    message = f"There is no comparison to resume in {str(tmp_path / 'no')!r}. Leave out --resume."
    with refusal(message, FileNotFoundError):
        runner.compare("adding", config, tmp_path / "no", resume=True)
    other = Config(cells=("lstm",), lags=(3,), seeds=(0,), **TINY | {"units": 5})
    message = (
        f"`units` must be 7 to resume the comparison in {str(compared)!r}. Received: units=5. "
        "Leave the option out, or compare in another folder."
    )
    with refusal(message):
        runner.compare("adding", other, compared, resume=True)
    with refusal(
        message.replace("`units` must be 7", "`problem` must be 'adding'").replace("units=5", "problem='parity'")
    ):
        runner.compare("parity", config, compared, resume=True)
    with refusal(
        "`lags` must be an integer of at least 8. Received: lags=3. The temporal order needs that many steps."
    ):
        runner.compare("temporal_order", config, tmp_path / "new")
    assert (compared / "problems.json").read_bytes() == before
    assert not (tmp_path / "new").exists()
