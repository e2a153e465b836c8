"""What the verbs do."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

from seqapps import config_files
from seqapps.cli.starting import given, load, quiet_import, refused


def train(words: argparse.Namespace) -> None:
    """Train a run."""
    task_config = import_module(f"seqapps.tasks.{words.task}.config").Config
    names = [field for field in vars(words) if field in task_config.__dataclass_fields__]
    options: dict[str, Any] = {}
    stored = Path(words.out) / "config.json"
    for path in [Path(words.config)] if words.config else [stored] if words.resume and stored.is_file() else []:
        options |= config_files.read_task_options(path, words.task, task_config)
    options |= {name: getattr(words, name) for name in names}
    with refused(words):
        config = task_config(**options)
    pipeline = quiet_import(f"seqapps.tasks.{words.task}.pipeline")
    import_module("seqapps.training").keep_memory()
    pipeline.train(config, words.data, words.out, resume=words.resume, overwrite=words.overwrite)


def evaluate(words: argparse.Namespace) -> None:
    """Measure a run."""
    options = given(words, getattr(import_module(f"seqapps.tasks.{words.task}.config"), "EvaluateOptions", None))
    run = load(words)
    metrics = run.evaluate(words.data, split=words.split, baselines=words.baselines, **options)
    print(import_module(f"seqapps.tasks.{words.task}.pipeline").summary(metrics))
    if words.output:
        import_module("seqapps.run_folder").write_json(words.output, metrics)


def export(words: argparse.Namespace) -> None:
    """Put a run, or several that decide together, into a model folder."""
    for run in words.runs:
        stored = import_module("seqapps.run_folder").read_json(Path(run) / "config.json").get("task")
        if stored != words.task:
            raise ValueError(f"{run!r} is a run of the task {stored!r}, not of {words.task!r}.")
    module = quiet_import("seqapps.export")
    if len(words.runs) == 1:
        source = module.newest_version(Path(words.runs[0]) / "export")
        written = module.copy_version(source, words.directory, words.version)
    else:
        pipeline = import_module(f"seqapps.tasks.{words.task}.pipeline")
        if not hasattr(pipeline, "export_together"):
            raise ValueError(f"`export` takes one run of the task {words.task!r}. Received: {len(words.runs)} runs.")
        written = pipeline.export_together(words.runs, words.directory, words.version)
    print(f"Verified and written: {written}")
