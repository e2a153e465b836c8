"""Widths that give as many parameters as a reference has."""

from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refusal

from seqapps import training
from seqapps.comparison.matching import TOLERANCE, matched, nearest_width
from seqapps.comparison.plan import Plan, variants
from seqapps.tasks import TASKS


@given(st.integers(2000, 10**7), st.integers(1, 4), st.integers(0, 50))
def test_no_width_is_nearer(target, square, linear):
    def count(width):
        return square * width * width + linear * width + 17

    try:
        best = nearest_width(count, target, "gru", "lstm")
    except ValueError:
        assert min(abs(count(width) - target) for width in range(1, 4000)) > TOLERANCE * target
        return
    assert abs(count(best) - target) == min(abs(count(width) - target) for width in range(max(1, best - 2), best + 3))


def test_a_number_that_no_width_has_is_refused_with_the_nearest():
    with refusal(
        "`match` must be 'units' here: lstm has 150 parameters, and the nearest number that gru can have is 160, with "
        "units=4, more than 2 % away. Received: match='parameters'. Choose larger units."
    ):
        nearest_width(lambda width: 10 * width * width, 150, "gru", "lstm")


@pytest.mark.parametrize("task", TASKS)
def test_what_is_counted_is_what_would_be_trained(task, toys, tmp_path):
    module, toy = import_module(f"seqapps.tasks.{task}"), toys[task]
    config = module.Config(**toy.options)
    looked = training.look(lambda: module.train(config, toy.data, tmp_path / "run"), 0)
    assert import_module(f"seqapps.tasks.{task}.comparing").parameters(config, toy.data)(config) == looked.parameters


@pytest.mark.parametrize("task", TASKS)
def test_variants_of_every_task_get_as_many_parameters_as_the_first_one(task, toys):
    config_class = import_module(f"seqapps.tasks.{task}.config").Config
    controls = ("memoryless", "shuffled") if not config_class.refused_controls else ()
    directions = ("one",) if task == "generation" else ("one", "two")
    options = toys[task].options | {"units": 61, "bidirectional": "two" in directions}
    plan = Plan(cells=("lstm", "simple_rnn"), directions=directions, depths=(1,), controls=controls)
    made = matched(variants(plan, config_class(**options)), task, toys[task].data, seed=0)
    count = import_module(f"seqapps.tasks.{task}.comparing").parameters(made[0].config, toys[task].data)
    target = count(made[0].config)
    assert made[0].config.units == 61
    widths = {each.name: each.config.units for each in made}
    assert widths["simple_rnn"] > 61
    for each in made:
        if each.name != "memoryless":
            assert abs(count(each.config) - target) <= TOLERANCE * target
            assert not each.twins or each.config.units == widths[each.twins[0]]
