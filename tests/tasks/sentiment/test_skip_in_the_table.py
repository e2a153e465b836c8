"""A linear skip stands in the table without the network, whatever the labels, and the model must beat it too."""

import numpy as np
import pandas as pd
import pytest

from seqapps.classification import temperature
from seqapps.tasks.sentiment import data, evaluation
from seqapps.tasks.sentiment.baselines import MAJORITY, Baselines
from seqapps.tasks.sentiment.config import Config

NAMES = ("bad", "fine", "good")
SHARES = np.array([0.3, 0.2, 0.5])
ALONE = {"a": (3.0, -1.0, -2.0), "b": (2.0, 1.0, -1.0), "c": (-1.0, -2.0, -3.0)}  # logits of the skip


class WithSkip:
    """A served model that always answers the last class, whose skip knows better."""

    temperature = 1.0

    def logits(self, texts):
        return np.tile([-5.0, -5.0, 5.0], (len(texts), 1))

    def skip_logits(self, texts):
        return np.array([ALONE[text] for text in texts])


@pytest.mark.parametrize(
    ("labels", "separator", "right"), [(["bad", "fine", "bad"], None, 2 / 3), (["bad", "bad;fine", ""], ";", 1.0)]
)
def test_the_skip_is_judged_like_the_model_and_is_what_it_must_beat(labels, separator, right):
    frame = pd.DataFrame({"text": list(ALONE), "label": labels})
    splits = data.load_whole(frame, Config(label_separator=separator), NAMES)
    found = evaluation.evaluate(WithSkip(), splits, "all", Baselines(SHARES))
    methods, skip = found.metrics["methods"], evaluation.SKIP
    assert list(methods) == ["model", MAJORITY, skip]
    expected = temperature.probabilities(np.array(list(ALONE.values())), separator is not None)
    np.testing.assert_allclose(found.probabilities[skip], expected)
    assert methods[skip]["accuracy"] == pytest.approx(right)
    assert found.metrics["verdict"].startswith(
        f"The model does NOT beat the best baseline, {skip}: accuracy 0 against "
    )
    assert skip in evaluation.prediction_table(found, splits, "all")
