"""Several networks side by side, each with a loss of its own; their mean is the forecast."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("seqapps")
class MeanOfMembers(keras.layers.Layer):
    """The mean of every quantile over the members; while they are trained, all of theirs.

    The mean of quantiles keeps the members' shape and width, where a mixture of their distributions would be wider by
    all that they differ. Source: Lichtendahl et al. 2013, "Is it better to average probabilities or quantiles?".

    Call arguments:
        forecasts: Of every member `(batch, horizon, targets, levels)`.

    Returns:
        As each of them. With `training=True` `(batch, members, horizon, targets, levels)`, of which `output_shape` does
        not tell, so that a loss sees what each member says. Were the mean trained, members would learn to make up for
        each other and soon be one network.
    """

    def call(self, forecasts, training=None):
        together = ops.stack(forecasts, axis=1)
        return together if training else ops.mean(together, axis=1)

    def compute_output_shape(self, shapes):
        return tuple(shapes[0])


def members(model: keras.Model) -> list[keras.Model]:
    """The networks of a forecaster, each with its layers: the model itself, if it is one network."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)] or [model]
