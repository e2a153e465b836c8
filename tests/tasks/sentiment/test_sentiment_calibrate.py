"""The temperature of a model is fitted on validation."""

import keras
import numpy as np
import pytest
from scipy.special import softmax
from test_sentiment_evaluation import CLASSES, TEXTS

from seqapps.classification import temperature
from seqapps.tasks.sentiment import evaluation
from seqapps.text.batches import Encoded

# --- the temperature of a model ---


def test_the_temperature_is_fitted_on_logits_of_validation():
    generator = np.random.default_rng(0)
    table = generator.normal(0, 3, (TEXTS, CLASSES)).astype("float32")
    # A model whose logits for a text are the row of the table that its only token names.
    model = keras.Sequential([keras.layers.Embedding(TEXTS + 1, CLASSES), keras.layers.Lambda(lambda rows: rows[:, 0])])
    model.build((None, 1))
    model.layers[0].set_weights([np.concatenate([np.zeros((1, CLASSES)), table])])
    texts = Encoded(np.arange(1, TEXTS + 1, dtype="int32"), np.arange(TEXTS + 1))
    targets = np.array([generator.choice(CLASSES, p=row) for row in softmax(table / 2.5, axis=1)])
    found = evaluation.calibrate(model, texts, targets, False)
    assert list(found) == ["temperature", "before", "after"]
    assert found["temperature"] == pytest.approx(temperature.fit(table.astype(float), targets, False), rel=1e-5)
    for name, divisor in (("before", 1), ("after", found["temperature"])):
        assert found[name] == pytest.approx(
            {
                "log_loss": temperature.log_loss(table.astype(float) / divisor, targets, False),
                "calibration_error": temperature.calibration_error(
                    softmax(table.astype(float) / divisor, axis=1), targets, False
                ),
            },
            rel=1e-5,
        )
    assert found["after"]["log_loss"] < found["before"]["log_loss"]
