"""From splits to a trained, calibrated and exported translator in a folder."""

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import keras

from seqapps import checks, export, run_folder, training
from seqapps.decoding.bounds import LONGEST_SOURCE
from seqapps.tasks.translation import baselines as simple_methods
from seqapps.tasks.translation import preprocessing, serving
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.data import Splits
from seqapps.tasks.translation.evaluation import Validation
from seqapps.tasks.translation.model import SmoothedCrossEntropy, build_model
from seqapps.tasks.translation.preprocessing import Preprocessing
from seqapps.tasks.translation.scores import rules_of
from seqapps.text import pair_batches
from seqapps.text.pair_batches import EncodedPairs

TASK = "translation"
INITIAL_WEIGHTS = "initial.weights.h5"
CACHE = "cache"
ALIKE = "tokenizers, vocabularies, embedding, cell, units, layers, directions and attention"
KEPT_OPTIONS = ("tokenizer", "vocabulary_size", "shared_vocabulary", "lowercase", "tie_embeddings")


def fitted(splits: Splits, config: Config) -> Preprocessing:
    """What is fitted before training: the tokenizers, or with `initialize_from` those of that run.

    Raises:
        ValueError: If an option contradicts that run's.
    """
    if config.initialize_from is None:
        return preprocessing.fit(splits, config)
    run = Path(config.initialize_from)
    stored = run_folder.read_json(run / "config.json")
    if stored.get("task") != TASK:
        raise ValueError(
            f"`initialize_from` must be a run of the task {TASK!r}. "
            f"Received: {str(run)!r} of the task {stored.get('task')!r}."
        )
    for name in KEPT_OPTIONS:
        if stored.get(name) != getattr(config, name):
            advice = f"The run {str(run)!r} goes on with its own."
            checks.fail(name, f"{stored.get(name)!r} with this `initialize_from`", getattr(config, name), advice)
    return Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])


@contextmanager
def encoded_training(splits: Splits, prepared: Preprocessing) -> Iterator[EncodedPairs]:
    """The training part as ids, in a temporary folder that lasts as long as the block: the run may not be there yet."""
    with tempfile.TemporaryDirectory() as folder:
        yield prepared.encode(splits.parts["train"], Path(folder), "train")


def check_steps(config: Config, whole: EncodedPairs) -> None:
    """Refuse what only the lengths of texts tell: a limit that leaves no pair, a warm-up as long as the training."""
    pairs, _ = _short(whole, config)
    if not len(pairs):
        advice = "So many has the shortest pair of the training part on its longer side."
        checks.fail("max_tokens", f"at least {whole.lengths.min() - 1}", config.max_tokens, advice)
    training.make_optimizer(config, config.epochs * _steps(pairs, config))


def in_cache(whole: EncodedPairs, cache: Path, config: Config, splits: Splits, prepared: Preprocessing) -> EncodedPairs:
    """The training part in a folder of the run, with its texts where they are cut anew in every epoch."""
    cache.mkdir(exist_ok=True)
    whole = whole.copied(cache, "train")
    if not config.byte_pair_dropout:
        return whole
    return prepared.cut_anew(whole, splits.parts["train"], cache, "train", config.byte_pair_dropout)


def new_model(config: Config, prepared: Preprocessing, stored_start: Path | None) -> keras.Model:
    """The model with its first weights: those of `initialize_from`, or of the start that a resumed run has stored."""
    model = build_model(config, prepared.source.vocabulary_size, prepared.target.vocabulary_size)
    if stored_start is not None and stored_start.is_file():
        model.load_weights(stored_start)
    elif config.initialize_from is not None:
        training.start_from(model, config, ALIKE)
    return model


def fit_and_export(
    folder: Path,
    model: keras.Model,
    config: Config,
    splits: Splits,
    prepared: Preprocessing,
    whole: EncodedPairs,
) -> tuple[training.Progress, simple_methods.Baselines | None, str]:
    """Train a model, or go on with it, choose its length penalty, and write what is left of it.

    Args:
        folder: The run.
        model: With its first weights.
        config: The options.
        splits: The data.
        prepared: The tokenizers.
        whole: The training part, from `in_cache`.

    Returns:
        The course of the training, what the baselines know, and a sentence on pairs that were too long, or nothing.
    """
    run_folder.write_with(folder / INITIAL_WEIGHTS, model.save_weights)
    pairs, too_long = _short(whole, config)
    part = splits.parts["validation"]
    encoded = prepared.encode(part, folder / CACHE, "validation", most=LONGEST_SOURCE)  # as served
    validation = Validation([model], prepared, part, encoded, rules_of(config))
    progress = _fit(model, config, pairs, encoded, validation, folder / "checkpoints")
    run_folder.write_with(folder / "model.keras", model.save)
    run_folder.write_history(folder / "history.csv", progress.history)
    calibration = validation.best_penalty()
    run_folder.write_json(folder / "calibration.json", calibration)
    if not export.has_version(folder / "export"):
        bundle = serving.bundle([model], prepared, calibration["length_penalty"])
        requests = serving.example_requests(*examples(splits), config.attention != "none")
        export.save(bundle, folder / "export", requests, serving.facts(prepared, config))
    known = None
    if config.baselines != "none":
        known = simple_methods.fit(splits.parts["train"], splits.parts["validation"], config)
        known.save(folder / "baselines.npz")
    return progress, known, too_long


def examples(splits: Splits) -> tuple[list[str], list[str]]:
    """The first two sources of the validation part and their targets, for requests that show how to ask."""
    rows = [*islice(splits.parts["validation"].rows(), 2)] * 2
    return [row.text for row in rows[:2]], [row.label or "" for row in rows[:2]]


def _short(pairs: EncodedPairs, config: Config) -> tuple[EncodedPairs, str]:
    """The pairs that are not too long to be trained on, and a sentence on the others."""
    fits = pairs.lengths <= config.max_tokens + 1  # and the end
    count = len(fits) - int(fits.sum())
    told = f"Not trained on: {count} pair{'s' * (count > 1)} with more than {config.max_tokens} tokens on a side."
    return dataclasses.replace(pairs, rows=pairs.rows[fits]), told * (count > 0)


def _steps(pairs: EncodedPairs, config: Config) -> int:
    return len(pair_batches.by_tokens(pairs.lengths, config.tokens_per_batch, config.batch_size, config.seed, 0))


def _fit(
    model: keras.Model,
    config: Config,
    pairs: EncodedPairs,
    encoded: EncodedPairs,
    validation: Validation,
    checkpoints: Path,
) -> training.Progress:
    limits, steps = (config.tokens_per_batch, config.batch_size), _steps(pairs, config)
    optimizer = training.make_optimizer(config, config.epochs * steps)
    model.compile(optimizer, SmoothedCrossEntropy(config.label_smoothing), jit_compile=False)
    return training.fit(
        model,
        lambda epoch: pair_batches.training_batches(pairs, *limits, config.seed, epoch),
        steps,
        pair_batches.evaluation_batches(encoded, *limits),
        config,
        checkpoints,
        score=training.Score("bleu", validation.bleu),
    )
