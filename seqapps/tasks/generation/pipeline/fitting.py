"""Encoding, training, export and calibration of a run, and what it writes into its folder."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from seqapps import checks, export, run_folder, training
from seqapps.tasks.generation import baselines as simple_methods
from seqapps.tasks.generation import evaluation, preprocessing, serving
from seqapps.tasks.generation.config import Config, PredictOptions
from seqapps.tasks.generation.data import Splits
from seqapps.tasks.generation.evaluation import TEMPERATURES
from seqapps.tasks.generation.model import CarriedTraining, build_model
from seqapps.tasks.generation.preprocessing import Preprocessing
from seqapps.text import encoders, streams
from seqapps.text.batches import Encoded

TASK = "generation"
INITIAL_WEIGHTS = "initial.weights.h5"
CACHE = "cache"
SAMPLES_FILE = "samples.jsonl"
SAMPLE_TOKENS = 200
ALIKE = "tokenizer, vocabulary, embedding, cell, units, layers and softmax"
KEPT_OPTIONS = ("tokenizer", "vocabulary_size", "lowercase", "tie_embeddings")


def fitted(splits: Splits, config: Config) -> Preprocessing:
    """What is fitted before training: the tokenizer, or with `initialize_from` that of the run.

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


def check_warmup(config: Config, splits: Splits, prepared: Preprocessing) -> None:
    """Refuse a warm-up that is as long as the training, which only the number of tokens tells."""
    if config.warmup_steps:
        with tempfile.TemporaryDirectory() as folder:
            encoded = prepared.encode(splits.parts["train"], Path(folder) / "train.ids")
            steps = streams.steps_per_epoch(encoded, config.batch_size, config.truncation_steps)
        training.make_optimizer(config, config.epochs * steps)


def new_model(config: Config, prepared: Preprocessing, stored_start: Path | None) -> keras.Model:
    """The model with its first weights: those of `initialize_from`, or of the start that a resumed run has stored."""
    model = build_model(config, prepared.tokenizer.vocabulary_size)
    if stored_start is not None and stored_start.is_file():
        model.load_weights(stored_start)
    elif config.initialize_from is not None:
        training.start_from(model, config, ALIKE)
    return model


def fit_and_export(
    folder: Path, model: keras.Model, config: Config, splits: Splits, prepared: Preprocessing
) -> tuple[training.Progress, simple_methods.Baselines | None]:
    """Train a model, or go on with it, and write what is left of it; the training model's carried states are not."""
    cache = folder / CACHE
    cache.mkdir(exist_ok=True)
    encoded = {split: prepared.encode(splits.parts[split], cache / f"{split}.ids") for split in ("train", "validation")}
    run_folder.write_with(folder / INITIAL_WEIGHTS, model.save_weights)
    progress = _fit(model, config, prepared, encoded, folder)
    run_folder.write_with(folder / "model.keras", model.save)
    encoders.write_text_encoder(folder / encoders.FILE, model.get_layer("embedding"), model.get_layer("stack"))
    run_folder.write_history(folder / "history.csv", progress.history)
    if not export.has_version(folder / "export"):
        bundle = serving.bundle(model, prepared)
        export.save(bundle, folder / "export", serving.example_requests(), serving.facts(prepared, config))
    served = serving.Served(folder)
    run_folder.write_json(folder / "calibration.json", evaluation.calibrate(served, encoded["validation"]))
    counted = None
    if config.baselines != "none":
        kinds = prepared.tokenizer.vocabulary_size, config.tokenizer, config.baselines
        counted = simple_methods.fit(encoded["train"], encoded["validation"], *kinds)
        counted.save(folder / "baselines.npz")
    shutil.rmtree(cache)
    return progress, counted


def _fit(
    model: keras.Model, config: Config, prepared: Preprocessing, encoded: dict[str, Encoded], folder: Path
) -> training.Progress:
    lanes, window = config.batch_size, config.truncation_steps
    steps = streams.steps_per_epoch(encoded["train"], lanes, window)
    carried = CarriedTraining(model, config)
    optimizer = training.make_optimizer(config, config.epochs * steps)
    carried.compile(optimizer, jit_compile=False)
    progress = training.fit(
        carried,
        lambda epoch: streams.training_windows(encoded["train"], lanes, window, steps, config.seed, epoch),
        steps,
        streams.evaluation_windows(encoded["validation"], lanes, window),
        config,
        folder / "checkpoints",
        Sampling(model, prepared, config, folder / SAMPLES_FILE) if config.sample_every else None,
    )
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    return progress


class Sampling:
    """Writes a text at every temperature after an epoch: on the terminal, and one line each of `samples.jsonl`.

    Args:
        model: While it is trained.
        prepared: Its preprocessing.
        config: The options.
        path: Of the file, which a resumed run goes on with.
    """

    def __init__(self, model: keras.Model, prepared: Preprocessing, config: Config, path: Path) -> None:
        self.every = config.sample_every
        self.path = path
        writer = serving.Writer(model, prepared)
        self._write = tf.function(lambda prompt, knobs: writer.write(prompt, knobs)["text"])

    def __call__(self, epoch: int) -> None:
        if (epoch + 1) % self.every:
            return
        rows = self._rows_before(epoch)
        for temperature in TEMPERATURES:
            options = PredictOptions(temperature=temperature, max_new_tokens=SAMPLE_TOKENS, seed=epoch)
            text = self._write(tf.constant([""]), serving.knobs_of(options)).numpy()[0].decode()
            rows.append({"epoch": epoch + 1, "temperature": temperature, "text": text})
            print(f"--- epoch {epoch + 1}, temperature {temperature}:\n{text}", flush=True)
        run_folder.write_text(self.path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def _rows_before(self, epoch: int) -> list[dict[str, Any]]:
        if not self.path.is_file():
            return []
        rows = [json.loads(line) for line in self.path.read_text(encoding="utf-8").split("\n") if line]
        return [row for row in rows if row["epoch"] <= epoch]
