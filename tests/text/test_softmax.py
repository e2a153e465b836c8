"""What a loop multiplies by at every step gives the logits that the layer gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.recurrent.masking import NEVER
from seqapps.text.kinds import PAD, START
from seqapps.text.softmax import Softmax, TiedSoftmax

WIDTH, MULTIPLE = 5, 64


def built(size, tied):
    """A softmax with a bias that is not 0."""
    embedding = keras.layers.Embedding(size, WIDTH)
    embedding.build((None,))
    head = TiedSoftmax(embedding) if tied else Softmax(size)
    head.build((None, WIDTH))
    head.bias.assign(np.random.default_rng(1).normal(size=size))
    return head


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("size", [11, MULTIPLE, 2 * MULTIPLE + 2])
def test_a_table_gives_the_logits_of_the_layer_and_never_an_id_beyond_them(size, tied):
    head, outputs = built(size, tied), np.random.default_rng(0).normal(size=(3, WIDTH)).astype("float32")
    kernel, bias = (keras.ops.convert_to_numpy(each) for each in head.table(MULTIPLE))
    assert kernel.shape[1] % MULTIPLE == 0
    logits = outputs @ kernel + bias
    np.testing.assert_allclose(logits[:, :size], head(outputs), rtol=1e-5, atol=1e-5)
    assert (logits[:, size:] == NEVER).all()
    assert np.flatnonzero((logits[:, :size] < NEVER / 2).all(axis=0)).tolist() == sorted((PAD, START))


@pytest.mark.parametrize("tied", [False, True])
def test_weights_of_what_never_comes_have_no_gradient(tied):
    """A loss that is read through a softmax cannot see them."""
    head, outputs = built(11, tied), tf.ones((3, WIDTH))
    kernel = head.embedding.embeddings if tied else head.kernel
    with tf.GradientTape() as tape:
        loss = -tf.reduce_sum(tf.nn.log_softmax(head(outputs))[:, 5])
    of_kernel, of_bias = (tf.convert_to_tensor(each) for each in tape.gradient(loss, [kernel.value, head.bias.value]))
    for gradient in (of_kernel, of_bias[:, None]):
        assert not np.any(gradient.numpy()[[PAD, START]])
        assert np.any(gradient.numpy()[5])
