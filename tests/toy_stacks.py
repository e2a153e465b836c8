"""Small stacks whose weights are known, and a mask whose rows have 5, 3 and 2 real steps."""

import numpy as np

from seqapps.recurrent.stack import RecurrentStack

BATCH, TIME, FEATURES, UNITS = 3, 5, 2, 7
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 0]], bool)  # (batch, time)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(units=UNITS, cell="gru", features=FEATURES, **options):
    stack = RecurrentStack(units, cell, **options)
    stack.build((None, None, features))
    stack.set_weights([0.6 * normal(*weight.shape, seed=number) for number, weight in enumerate(stack.weights)])
    return stack
