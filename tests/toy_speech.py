"""Listeners that were never trained, where learning is not the point: small, quick and full of opinions."""

import functools

import keras
import numpy as np

from seqapps import training
from seqapps.tasks.speech import preprocessing, serving
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.model import build_model
from seqapps.tasks.speech.preprocessing import Preprocessing
from seqapps.text import tokenizers

RATE, BANDS, SECONDS, TEMPERATURE = 1000, 3, 1.0, 0.7
WORDS = ("no", "perhaps", "yes")
TEXTS = ("yes, no (yes) é", "no. yes")
SIZES = {
    "sample_rate": RATE,
    "frame_milliseconds": 20.0,  # 20 samples
    "step_milliseconds": 8.0,
    "mel_bins": BANDS,
    "max_seconds": SECONDS,
    "units": 5,
}


def config_of(**options):
    return Config(**SIZES | options)


def prepared_for(config):
    """As if fitted on recordings."""
    tokenizer = None
    if config.mode == "transcribe":
        tokenizer = tokenizers.fit(config.tokenizer, TEXTS, config.vocabulary_size, config.lowercase)
    classes = () if tokenizer else WORDS
    frames = preprocessing.frames_of(config, RATE)
    scale = ((-5.0, -4.0, -3.0), (1.0, 0.5, 1.5), config.measured_level, -9.0)
    return Preprocessing(frames, *scale, classes, tokenizer, SECONDS)


@functools.cache
def listener(**options):
    """A model with random weights whose answers differ from step to step, its config and its preprocessing."""
    config = config_of(**options)
    prepared = prepared_for(config)
    training.set_seed(3)
    model = build_model(config, prepared)
    generator = np.random.default_rng(0)
    for layer in ("stack", "head"):
        weights = model.get_layer(layer).weights
        for weight in weights:
            weight.assign(2 * keras.ops.convert_to_numpy(weight) + generator.normal(scale=0.3, size=weight.shape))
    return model, config, prepared


@functools.cache
def bundle(**options):
    """The signatures of a `listener`."""
    model, config, prepared = listener(**options)
    return serving.bundle(model, prepared, config, TEMPERATURE)


def noise(*shape, seed=0):
    """Sound that changes: `(…, samples)` in [-1, 1]."""
    generator = np.random.default_rng(seed)
    loudness = np.repeat(generator.uniform(0.001, 0.9, (*shape[:-1], shape[-1] // 50 + 1)), 50, axis=-1)
    return (generator.uniform(-1, 1, shape) * loudness[..., : shape[-1]]).astype("float32")


def whole(answers, waveforms, lengths):
    """What the signature `waveform` tells, as arrays."""
    told = answers.waveform(np.asarray(waveforms, "float32"), np.array(lengths, "int32"))
    return {name: value.numpy() for name, value in told.items()}
