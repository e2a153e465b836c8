"""What the contract test asks of every task: a batch, the answers of both models, and what has been learned."""

from importlib import import_module

import keras
import numpy as np
import tensorflow as tf

from seqapps import export, run_folder
from seqapps.audio import reading
from seqapps.series import windows
from seqapps.tasks import TASKS

BATCH = 3
LEAST = 1e-3  # probability below which float32 logits of a sure model leave less than five digits


def forecasting_batch():
    """Inputs and targets of one training step."""
    generator = np.random.default_rng(0)
    history = generator.normal(size=(BATCH, 13, 2)).astype("float32")
    history[0, 4, 1] = np.nan
    return {"history": history}, generator.normal(size=(BATCH, 5, 2)).astype("float32")


def forecasting_answers(run, data):
    """The answers of the Python model and of the SavedModel to the same windows."""
    served = import_module("seqapps.tasks.forecasting.serving").Served(run)
    panel = import_module("seqapps.tasks.forecasting.data").read(data, served.config)
    origins = np.array([31, 107, 337, len(panel.values)])  # after gaps and before them
    history = np.stack([panel.values[origin - 13 : origin] for origin in origins])
    model = keras.models.load_model(run / "model.keras")
    scaled = keras.ops.convert_to_numpy(model({"history": served.preprocessing.forward(history)}))
    calibration = run_folder.read_json(run / "calibration.json")
    median = scaled[..., 1:2]
    low, kept, high = np.moveaxis(
        median + (scaled - median) * np.array(calibration["factors"]) + np.array(calibration["shifts"]), -1, 0
    )
    corrected = (np.minimum(low, kept), kept, np.maximum(high, kept))
    python = np.stack([served.preprocessing.inverse(each).numpy() for each in corrected], axis=-1)
    (answer,) = served.answers(panel, windows.one_series(origins))
    return python, answer["quantiles"]


def forecasting_has_learned(methods):
    """Half the error of both naive methods, one of which believes in a wrong season."""
    naive = min(methods["repeat last value"]["mase"], methods["seasonal naive"]["mase"])
    return methods["model"]["mase"] < 0.5 * naive


def sentiment_batch():
    """Token ids, one row of them padded, and classes."""
    return np.array([[4, 5, 6, 7], [8, 9, 4, 0], [5, 4, 0, 0]], "int32"), np.array([0, 1, 1], "int32")


def sentiment_answers(run, data):
    """The probabilities of the Python model and of the SavedModel for texts of all kinds."""
    served = import_module("seqapps.tasks.sentiment.serving").Served(run)
    texts = [*data["text"][:5], "", "unheard-of words", "splendid " * 40, "日本 🙂"]
    model = keras.models.load_model(run / "model.keras")
    token_ids = served.preprocessing.encode(tf.constant(texts)).to_tensor()
    logits = (
        keras.ops.convert_to_numpy(model(token_ids)) / run_folder.read_json(run / "calibration.json")["temperature"]
    )
    loaded = tf.saved_model.load(str(export.newest_version(run / "export")))
    return keras.ops.convert_to_numpy(keras.ops.softmax(logits)), loaded.serving_default(texts)["probabilities"].numpy()


def sentiment_has_learned(methods):
    """At most a fifth of the errors of always naming the commonest class."""
    return 1 - methods["model"]["accuracy"] < 0.2 * (1 - methods["commonest class"]["accuracy"])


def generation_batch():
    """Token ids and those that come next, one row of them padded."""
    return np.array([[2, 5, 6, 4], [2, 4, 5, 6], [2, 6, 0, 0]], "int32"), np.array(
        [[5, 6, 4, 5], [4, 5, 6, 4], [6, 3, 0, 0]], "int32"
    )


def generation_answers(run, data):
    """How likely the Python model and the SavedModel find texts of all kinds."""
    served = import_module("seqapps.tasks.generation.serving").Served(run)
    texts = [*data["text"][:5], "", "unheard-of", "abc" * 99, "日本 🙂"]
    model = keras.models.load_model(run / "model.keras")
    python = []
    for text in texts:
        token_ids = [2, *served.preprocessing.tokenizer.encode(tf.constant([text])).to_list()[0]]
        logits = keras.ops.convert_to_numpy(model(np.array([token_ids[:-1] or [2]], "int32")))
        told = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[0]
        python.append(sum(told[place, token] for place, token in enumerate(token_ids[1:])))
    loaded = tf.saved_model.load(str(export.newest_version(run / "export")))
    return np.array(python), loaded.score(texts)["log_likelihood"].numpy()


def generation_has_learned(methods):
    """At most a fifth of the nats of a model that knows how frequent every letter is."""
    return methods["model"]["nats_per_token"] < 0.2 * methods["unigram"]["nats_per_token"]


def translation_batch():
    """Ids of sources, of targets so far and of targets, some rows of them padded."""
    so_far = np.array([[2, 5, 6, 4], [2, 4, 5, 0], [2, 6, 0, 0]], "int32")
    targets = np.array([[5, 6, 4, 3], [4, 5, 3, 0], [6, 3, 0, 0]], "int32")
    return [np.array([[4, 5, 6, 3], [6, 5, 3, 0], [7, 3, 0, 0]], "int32"), so_far], targets


def translation_answers(run, data):
    """How likely the Python model and the SavedModel find translations of all kinds."""
    sources = [*data["source"][:5], "", "a", "dcba" * 9, "日本 🙂"]
    targets = [*data["target"][:5], "A", "", "ABCD" * 9, "日本"]
    fitted = run_folder.read_json(run / "preprocessing.json")["fitted"]
    prepared = import_module("seqapps.tasks.translation.preprocessing").Preprocessing.from_dict(fitted)
    model = keras.models.load_model(run / "model.keras")
    python = []
    for source, target in zip(sources, targets, strict=True):
        read = [*prepared.source.encode(tf.constant([source])).to_list()[0], 3]
        written = [*prepared.target.encode(tf.constant([target])).to_list()[0], 3]
        logits = model([np.array([read], "int32"), np.array([[2, *written[:-1]]], "int32")])
        told = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[0]
        python.append(sum(told[place, token] for place, token in enumerate(written)))
    loaded = tf.saved_model.load(str(export.newest_version(run / "export")))
    return np.array(python), loaded.score(sources, targets)["log_probability"].numpy()


def translation_has_learned(methods):
    """At least seven words of ten reversed without a mistake."""
    return methods["model"]["exact_match"] >= 0.7


def speech_batch():
    """Waveforms, one of them padded, and words."""
    waveforms = np.random.default_rng(0).normal(scale=0.3, size=(BATCH, 700)).astype("float32")
    return [waveforms, np.array([700, 700, 431], "int32")], np.array([0, 1, 2], "int32")


def speech_answers(run, data):
    """The probabilities of the Python model and of the SavedModel for recordings of all kinds."""
    generator = np.random.default_rng(0)
    heard = [reading.read(path, 8000, 20.0) for path in data["file"][:5]]
    heard += [np.zeros(1, "float32"), np.zeros(900, "float32"), generator.normal(size=1700).astype("float32")]
    model = keras.models.load_model(run / "model.keras")
    temperature = run_folder.read_json(run / "calibration.json")["temperature"]
    logits = [keras.ops.convert_to_numpy(model([each[None], np.array([len(each)], "int32")])) for each in heard]
    loaded = tf.saved_model.load(str(export.newest_version(run / "export")))
    lengths = np.array([len(each) for each in heard], "int32")
    padded = np.stack([np.pad(each, (0, lengths.max() - len(each)), constant_values=0.5) for each in heard])
    python = keras.ops.convert_to_numpy(keras.ops.softmax(np.concatenate(logits) / temperature))
    served = loaded.waveform(padded, lengths)["probabilities"].numpy()
    return tuple(np.maximum(each, LEAST) for each in (python, served))


def speech_has_learned(methods):
    """At most a fifth of the errors of always naming the commonest word."""
    return 1 - methods["model"]["accuracy"] < 0.2 * (1 - methods["commonest answer"]["accuracy"])


def of_every_task(kind):
    """For every task its function of a kind."""
    return {task: globals()[f"{task}_{kind}"] for task in TASKS}


BATCHES, ANSWERS, HAS_LEARNED = map(of_every_task, ("batch", "answers", "has_learned"))
