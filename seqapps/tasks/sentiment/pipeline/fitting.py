"""From splits to a trained, calibrated and exported classifier in a folder."""

import dataclasses
import math
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import checks, export, run_folder, training
from seqapps.classification.temperature import indicators
from seqapps.tasks.sentiment import baselines as simple_methods
from seqapps.tasks.sentiment import data as data_module
from seqapps.tasks.sentiment import evaluation, linear, preprocessing, serving
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.data import Splits
from seqapps.tasks.sentiment.model import EMBEDDING_SIZE, build_model, loss_of, stack_of
from seqapps.tasks.sentiment.pipeline import pretraining
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import batches, embeddings, encoders
from seqapps.text.batches import Encoded
from seqapps.text.kinds import SPECIAL_TOKENS

TASK = "sentiment"
INITIAL_WEIGHTS = "initial.weights.h5"
CACHE = "cache"
SPREAD = 0.05  # of random token vectors, as in Keras
TEXTS_AT_ONCE = 512
ALIKE = "tokenizer, vocabulary, embedding, cell, units, layers, directions, pooling and classes"
KEPT_OPTIONS = {
    **dict.fromkeys(("tokenizer", "vocabulary_size", "lowercase"), "tokenizer"),
    "label_separator": "classes",
    "linear_skip": "choice of a linear skip",  # which is fitted anew
    **dict.fromkeys(("embeddings", "embedding_start"), "token vectors"),  # set where its config.json is used again
}


def fitted(splits: Splits, config: Config) -> Preprocessing:
    """What is fitted before training: the tokenizer and classes, or with `initialize_from` those of that run.

    Raises:
        ValueError: If an option or the classes contradict that run's.
    """
    if config.pretrained is not None:
        tokenizer = pretraining.read(config).tokenizer
        return Preprocessing(tokenizer, splits.classes, splits.separator, config.max_tokens)
    if config.initialize_from is None:
        return preprocessing.fit(splits, config)
    run = Path(config.initialize_from)
    stored = run_folder.read_json(run / "config.json")
    if stored.get("task") != TASK:
        raise ValueError(
            f"`initialize_from` must be a run of the task {TASK!r}. "
            f"Received: {str(run)!r} of the task {stored.get('task')!r}."
        )
    for name, kept in KEPT_OPTIONS.items():
        left_out = kept == "token vectors" and getattr(config, name) is None
        if stored.get(name) != getattr(config, name) and not left_out:
            advice = f"The run {str(run)!r} goes on with its own {kept}."
            checks.fail(name, f"{stored.get(name)!r} with this `initialize_from`", getattr(config, name), advice)
    theirs = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    if theirs.classes != splits.classes:
        raise ValueError(
            f"`initialize_from` must be a run with the same classes. Received: {str(run)!r} with "
            f"{checks.listing(theirs.classes)}, where the data have {checks.listing(splits.classes)}."
        )
    return dataclasses.replace(theirs, max_tokens=config.max_tokens)


def start_vectors(config: Config, splits: Splits, scaling: Preprocessing) -> tuple[Config, np.ndarray | None, str]:
    """The config with its embedding size, the vectors to start from, and a sentence on what a file of them covers.

    With `embedding_start="log_odds"` the first numbers of a vector are the token's log-odds of every class (of two
    classes, of the second): what naive Bayes knows of a word that was seen once, no gradient would tell.
    """
    if config.pretrained is not None:
        return config, pretraining.read(config).embedding, ""
    if config.initialize_from is not None:  # whose vectors it takes
        return dataclasses.replace(config, embedding_size=config.embedding_size or EMBEDDING_SIZE), None, ""
    if config.embeddings is None:
        width = config.embedding_size or EMBEDDING_SIZE
        start = config.embedding_start or ("log_odds" if config.linear_skip == "none" else "random")
        config = dataclasses.replace(config, embedding_size=width, embedding_start=start)
        if start == "random":
            return config, None, ""
        generator = np.random.default_rng(config.seed)
        table = generator.uniform(-SPREAD, SPREAD, (scaling.tokenizer.vocabulary_size, width))
        odds = log_odds(splits, scaling)[:, :width]
        table[:, : odds.shape[1]] = odds
        return config, table.astype("float32"), ""
    width = embeddings.width_of(config.embeddings)
    if config.embedding_size not in (None, width):
        checks.fail("embedding_size", f"{width}, as in `embeddings`, or left out", config.embedding_size)
    count = scaling.tokenizer.vocabulary_size
    tokens = [name.decode() for name in scaling.tokenizer.tokens(np.arange(count, dtype="int32")).numpy()]
    read = embeddings.read(config.embeddings, tokens, config.lowercase, config.seed, width)
    share = read.found / count
    told = f"{read.found} of {count} tokens ({share:.0%}) have a vector in {config.embeddings}."
    return dataclasses.replace(config, embedding_size=width), read.table, told


def log_odds(splits: Splits, scaling: Preprocessing) -> np.ndarray:
    """`(tokens, columns)`: how much likelier a text with the token is of a class, as naive Bayes counts it.

    Every token counts once per text and once more for smoothing; the reserved tokens have 0. Source: Wang & Manning
    2012. Two exclusive classes need one column, others one each.
    """
    classes, size = len(scaling.classes), scaling.tokenizer.vocabulary_size
    counts = np.ones((size, classes))
    targets = indicators(splits.targets("train"), classes)
    encode = tf.function(scaling.encode, input_signature=[tf.TensorSpec([None], tf.string)])
    row = 0
    for texts in batches.chunks(splits.texts("train"), TEXTS_AT_ONCE):
        for ids in encode(tf.constant(texts)).to_list():
            counts[np.unique(np.array(ids, int))] += targets[row]
            row += 1
    inside, outside = counts, counts.sum(axis=1, keepdims=True) - counts
    odds = np.log(inside / inside.sum(axis=0)) - np.log(outside / outside.sum(axis=0))
    odds[: len(SPECIAL_TOKENS)] = 0
    return odds[:, 1:] if classes == 2 and not scaling.multi_label else odds


def compiled_model(
    config: Config,
    splits: Splits,
    scaling: Preprocessing,
    vectors: np.ndarray | None,
    stored_start: Path | None = None,
) -> keras.Model:
    """The model with its first weights: those of `initialize_from`, or of the start that a resumed run has stored."""
    if config.linear_skip != "none":
        linear.check_vocabulary(scaling.tokenizer.vocabulary_size)
    model = build_model(config, scaling.tokenizer.vocabulary_size, len(scaling.classes), vectors)
    if config.pretrained is not None:
        model.get_layer("stack").set_weights(pretraining.read(config).stack)
    if stored_start is not None and stored_start.is_file():
        model.load_weights(stored_start)
    elif config.initialize_from is not None:
        training.start_from(model, config, ALIKE)
    steps = math.ceil(splits.count("train") / config.batch_size)
    rates = pretraining.layer_rates(config, steps) if config.pretrained and config.gradual_unfreezing else None
    optimizer = training.make_optimizer(config, config.epochs * steps, rates)
    model.compile(optimizer, loss_of(scaling.multi_label), jit_compile=False)
    return model


def fit_and_export(
    folder: Path, model: keras.Model, config: Config, splits: Splits, scaling: Preprocessing
) -> tuple[training.Progress, simple_methods.Baselines | None]:
    """Train a compiled model, or go on with it, scale its logits on validation, and write what is left of it."""
    cache = folder / CACHE
    cache.mkdir(exist_ok=True)
    encoded = {
        split: batches.encode(splits.texts(split), scaling.encode, cache / f"{split}.ids")
        for split in ("train", "validation")
    }
    skip = None
    if config.linear_skip != "none":
        skip, encoded = _with_skip(encoded, splits, scaling, folder / linear.FILE)
    progress = _fit(model, config, splits, encoded, folder)
    run_folder.write_with(folder / "model.keras", model.save)
    if (stack := stack_of(model)) is not None:
        encoders.write_text_encoder(folder / encoders.FILE, model.get_layer("embedding"), stack)
    run_folder.write_history(folder / "history.csv", progress.history)
    targets = splits.targets("validation")
    calibration = evaluation.calibrate(model, encoded["validation"], targets, splits.multi_label)
    run_folder.write_json(folder / "calibration.json", calibration)
    shutil.rmtree(cache)
    if not export.has_version(folder / "export"):
        bundle = serving.bundle(model, scaling, calibration["temperature"], skip)
        export.save(bundle, folder / "export", serving.example_requests(), serving.facts(scaling, config))
    fitted_baselines = simple_methods.fit(splits, config.baselines) if config.baselines != "none" else None
    if fitted_baselines:
        fitted_baselines.save(folder / "baselines.npz")
    return progress, fitted_baselines


def _with_skip(
    encoded: dict[str, Encoded], splits: Splits, scaling: Preprocessing, path: Path
) -> tuple[linear.LinearSkip, dict[str, Encoded]]:
    """The linear skip, and the texts with its logits beside them; a resumed run takes what it has stored."""
    if not path.is_file():
        targets = [splits.targets(split) for split in ("train", "validation")]
        known = (encoded["train"], targets[0], encoded["validation"], targets[1])
        print("Fitting logistic regression beside the network.", flush=True)
        fitted_skip, training_logits = linear.fit(*known, len(splits.classes), scaling.tokenizer.vocabulary_size)
        fitted_skip.save(path, training_logits)
    skip, training_logits = linear.LinearSkip.load(path)
    logits = {"train": training_logits, "validation": linear.logits_of(skip, encoded["validation"])}
    return skip, {split: dataclasses.replace(encoded[split], features=logits[split]) for split in encoded}


def _fit(
    model: keras.Model, config: Config, splits: Splits, encoded: dict[str, Encoded], folder: Path
) -> training.Progress:
    """Train on encoded texts; `initial.weights.h5` keeps where the training started."""
    run_folder.write_with(folder / INITIAL_WEIGHTS, model.save_weights)
    targets = {split: splits.targets(split) for split in encoded}
    weights = _weights(targets["train"], config, len(splits.classes))
    validation = batches.evaluation_batches(encoded["validation"], targets["validation"], config.batch_size)
    return training.fit(
        model,
        lambda epoch: batches.training_batches(
            encoded["train"], targets["train"], weights, config.batch_size, config.seed, epoch
        ),
        math.ceil(splits.count("train") / config.batch_size),
        validation,
        config,
        folder / "checkpoints",
    )


def _weights(targets: np.ndarray, config: Config, classes: int) -> np.ndarray:
    """`(texts,)` of the loss: 1, or what makes all classes count alike (texts / (classes × texts of the class))."""
    if config.class_weights == "none":
        return np.ones(len(targets), "float32")
    counts = np.bincount(targets, minlength=classes)
    return (len(targets) / (classes * np.maximum(counts, 1)))[targets].astype("float32")


def fingerprints(splits: Splits) -> dict[str, str]:
    """A fingerprint of the data of every split."""
    return {split: splits.fingerprint(split) for split in data_module.SPLITS}
