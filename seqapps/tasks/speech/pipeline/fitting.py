"""From splits to a trained, calibrated and exported listener in a folder."""

import dataclasses
import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import checks, export, run_folder, training
from seqapps.audio import sounds as audio_sounds
from seqapps.audio.augmentation import Augmentation
from seqapps.audio.reading import seconds_of
from seqapps.audio.sounds import Sounds
from seqapps.tasks.speech import baselines as simple_methods
from seqapps.tasks.speech import batches, evaluation, preprocessing, serving
from seqapps.tasks.speech.batches import Examples
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.data import SPLITS, Part, Splits
from seqapps.tasks.speech.model import build_model, loss_of
from seqapps.tasks.speech.preprocessing import Preprocessing
from seqapps.text.kinds import UNKNOWN

TASK = "speech"
INITIAL_WEIGHTS = "initial.weights.h5"
LONGEST_CUT = {"classify": 0.12, "transcribe": 0.03}  # seconds; a word is told from less of it than a text
ALIKE = "words or tokens, bands, stacked frames, cell, units, layers and directions"
KEPT_OPTIONS = (
    *("mode", "frame_milliseconds", "step_milliseconds", "mel_bins", "stack_frames", "level"),
    *("sample_rate", "tokenizer", "vocabulary_size", "lowercase"),
)


def read(splits: Splits, config: Config, folder: Path) -> dict[str, Sounds]:
    """The waveforms of every part, read once into files of `folder`.

    Raises:
        ValueError: If a recording cannot be read, or nothing can be heard in it.
    """
    return {
        split: audio_sounds.write(
            [recording.path for recording in part.recordings], splits.sample_rate, config.max_seconds, folder / split
        )
        for split, part in splits.parts.items()
    }


def fitted(sounds: dict[str, Sounds], splits: Splits, config: Config) -> Preprocessing:
    """What is fitted before training: the scale of spectra and the tokens, or with `initialize_from` those of that run.

    Raises:
        ValueError: If an option or the words contradict that run's.
    """
    if config.initialize_from is None:
        answers = splits.parts["train"].answers
        return preprocessing.fit(sounds["train"], answers, splits.classes, splits.sample_rate, config)
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
    theirs = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    if theirs.classes != splits.classes:
        raise ValueError(
            f"`initialize_from` must be a run with the same words. Received: {str(run)!r} with "
            f"{checks.listing(theirs.classes)}, where the data have {checks.listing(splits.classes)}."
        )
    return dataclasses.replace(theirs, max_seconds=config.max_seconds)


def examples(sounds: Sounds, part: Part, prepared: Preprocessing, use: str) -> tuple[Examples, list[str]]:
    """The recordings of a part that can be learned from, and sentences on those that cannot.

    The sentences begin with `use`, such as "Not trained on".

    A transcript is learned from if it has a token and none that is unknown, if its recording was read to its end, and
    if there is a step for every token and one for a blank between equal ones.
    """
    if prepared.tokenizer is None:
        answers = np.array([prepared.classes.index(answer) for answer in part.answers], "int32")
        return Examples(sounds, np.arange(len(part)), answers, prepared.most_samples), []
    ids = prepared.tokenizer.encode(tf.constant(part.answers, tf.string)).to_tensor().numpy()
    ids = np.pad(ids, ((0, 0), (0, max(1 - ids.shape[1], 0))))
    tokens = (ids != 0).sum(axis=1)
    blanks = ((ids[:, 1:] == ids[:, :-1]) & (ids[:, 1:] != 0)).sum(axis=1)
    whole = np.array([seconds_of(each.path) for each in part.recordings]) <= prepared.max_seconds
    steps = np.maximum(prepared.frames.count(sounds.lengths), 1)
    reasons = {
        "without a word": tokens == 0,
        "with a token outside the vocabulary": (ids == UNKNOWN).any(axis=1),  # no path spells it
        f"longer than {prepared.max_seconds:g} seconds": ~whole,
        "too short for what is said": tokens + blanks > steps,
    }
    bad, told = np.zeros(len(part), bool), []
    for why, which in reasons.items():
        if (which & ~bad).any():
            told.append(f"{use}: {_count(int((which & ~bad).sum()))} {why}.")
        bad |= which
    frames = prepared.frames
    fewest = np.where(tokens + blanks > 1, frames.span + frames.hop * (tokens + blanks - 1), 0)
    return Examples(sounds, np.flatnonzero(~bad), ids, prepared.most_samples, fewest), told


def _count(number: int) -> str:
    return "1 recording" if number == 1 else f"{number} recordings"


def compiled_model(
    config: Config, training_examples: Examples, prepared: Preprocessing, stored_start: Path | None = None
) -> keras.Model:
    """The model with its first weights: those of `initialize_from`, or of the start that a resumed run has stored."""
    model = build_model(config, prepared)
    if stored_start is not None and stored_start.is_file():
        model.load_weights(stored_start)
    elif config.initialize_from is not None:
        training.start_from(model, config, ALIKE)
    steps = math.ceil(len(training_examples) / config.batch_size)
    optimizer = training.make_optimizer(config, config.epochs * steps)
    model.compile(optimizer, loss_of(prepared), jit_compile=False)
    return model


def fit_and_export(
    folder: Path,
    model: keras.Model,
    config: Config,
    splits: Splits,
    sounds: dict[str, Sounds],
    learned: dict[str, Examples],
    prepared: Preprocessing,
) -> tuple[training.Progress, simple_methods.Baselines | None]:
    """Train a compiled model, or go on with it, calibrate it on validation, and write what is left of it."""
    progress = _fit(model, config, learned, prepared, folder)
    run_folder.write_with(folder / "model.keras", model.save)
    run_folder.write_history(folder / "history.csv", progress.history)
    calibration = evaluation.calibrate(model, learned["validation"], prepared)
    run_folder.write_json(folder / "calibration.json", calibration)
    if not export.has_version(folder / "export"):
        bundle = serving.bundle(model, prepared, config, calibration["temperature"])
        requests = serving.example_requests(sounds["validation"], prepared, config)
        export.save(bundle, folder / "export", requests, serving.facts(prepared, config))
    fitted_baselines = None
    if config.baselines != "none":
        pairs = {split: (sounds[split], splits.parts[split].answers) for split in SPLITS[:2]}
        fitted_baselines = simple_methods.fit(pairs, prepared)
        fitted_baselines.save(folder / "baselines.npz")
    return progress, fitted_baselines


def _fit(
    model: keras.Model, config: Config, learned: dict[str, Examples], prepared: Preprocessing, folder: Path
) -> training.Progress:
    """Train; `initial.weights.h5` keeps where the training started."""
    run_folder.write_with(folder / INITIAL_WEIGHTS, model.save_weights)
    augmentation = Augmentation(prepared.frames.sample_rate, LONGEST_CUT[config.mode]) if config.augment else None
    return training.fit(
        model,
        lambda epoch: batches.training_batches(learned["train"], augmentation, config.batch_size, config.seed, epoch),
        math.ceil(len(learned["train"]) / config.batch_size),
        batches.evaluation_batches(learned["validation"], config.batch_size),
        config,
        folder / "checkpoints",
    )
