"""The whole story of a translator: pairs, model, training, export, evaluation, report."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqapps import checks, run_folder, training
from seqapps.tasks.translation import baselines as simple_methods
from seqapps.tasks.translation import data as data_module
from seqapps.tasks.translation import evaluation, plots, serving
from seqapps.tasks.translation.config import Config, check_languages
from seqapps.tasks.translation.data import Data
from seqapps.tasks.translation.pipeline import fitting, telling
from seqapps.tasks.translation.pipeline.ensemble import export_together, served_together
from seqapps.tasks.translation.pipeline.telling import summary
from seqapps.text.reading.pairs import Languages

__all__ = ["evaluate", "export_together", "summary", "train"]


def train(
    config: Config, data: Data, out: str | Path, *, resume: bool = False, overwrite: bool = False
) -> dict[str, Any]:
    """Train, export, verify, evaluate and report; the run is the folder `out`.

    Args:
        config: The options.
        data: A table with a column of sources and one of targets (CSV, TSV, JSON lines, Parquet), a `.txt` file with
            tabs, also `.gz`; a DataFrame; a folder with train, validation and test; with `source_language` and
            `target_language` a folder of parallel files, or what the names of two have in common.
        out: Folder of the run.
        resume: Go on with the run in `out`; the result equals that of a run that was never interrupted.
        overwrite: Replace the run in `out`.

    Returns:
        What `metrics.json` holds.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If data, options or the folder cannot be used.
    """
    splits = data_module.load(data, config)
    config = data_module.resolved(config, splits)
    prepared = fitting.fitted(splits, config)
    if resume:  # before the model, whose stored start may not fit it
        run_folder.check_fitted(out, prepared.to_dict(), splits.fingerprints)
    with fitting.encoded_training(splits, prepared) as whole:
        fitting.check_steps(config, whole)
        training.set_seed(config.seed)
        model = fitting.new_model(config, prepared, Path(out) / fitting.INITIAL_WEIGHTS if resume else None)
        # Only now, when nothing in data or options can fail, may the folder change.
        options, defaults = {"task": fitting.TASK, **config.to_dict()}, Config().to_dict()
        folder = run_folder.prepare(out, options, resume=resume, overwrite=overwrite, defaults=defaults)
        run_folder.write_fitted(folder, prepared.to_dict(), splits.fingerprints, resume)
        whole = fitting.in_cache(whole, folder / fitting.CACHE, config, splits, prepared)
    splits = dataclasses.replace(splits, notes=telling.notes(splits, config))
    telling.say(splits, config, prepared)

    progress, known, too_long = fitting.fit_and_export(folder, model, config, splits, prepared, whole)
    del whole  # before the files that it maps
    shutil.rmtree(folder / fitting.CACHE)
    notes = (*splits.notes, *filter(None, [too_long, known.note() if known else ""]))
    served = serving.Served(folder)
    result = evaluation.evaluate(served, dataclasses.replace(splits, notes=notes), "test", known)
    run_folder.write_json(folder / "metrics.json", result.metrics)
    table = evaluation.prediction_table(result, evaluation.rules_of(config))
    run_folder.write_with(
        folder / "predictions.csv.gz", lambda path: table.to_csv(path, index=False, float_format="%.7g")
    )
    plots.write_report(folder / "report.html", config, result, table, progress, served)
    run_folder.write_text(folder / "README.md", telling.model_card(config, splits, result.metrics))
    facts = {"seed": config.seed, "best_epoch": progress.best_epoch}
    run_folder.write_manifest(folder, splits.fingerprints, progress.seconds, **facts)
    print(summary(result.metrics), f"\nReport: {folder / 'report.html'}\nSavedModel: {folder / 'export'}", sep="")
    return result.metrics


def evaluate(
    served: serving.Served,
    folder: str | Path,
    data: Data,
    split: str,
    baselines: str | None,
    against: str | None = None,
    together: Sequence[str | Path] = (),
    source_language: str | None = None,
    target_language: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Metrics of a run on data that its own split rule cuts.

    Args:
        served: The run's SavedModel.
        folder: The run.
        data: As for training.
        split: `"test"`, `"validation"` or `"all"`, which is every pair of `data`.
        baselines: `"none"`, `"fast"` or `"full"`; `None` means those with which the run was trained.
        against: A second run, whose translations stand in the table too and are tested against.
        together: Runs that decide together with this one: what is measured is the SavedModel that `export_together`
            makes of them, with the options of this one.
        source_language: Ending of the file of sources, of parallel files with other endings than those of the training.
        target_language: Ending of the file of targets.
        **options: How translations are searched for.

    Returns:
        As `metrics.json`; with `together` also the runs.
    """
    if isinstance(together, str):
        checks.fail("together", "a list of runs", together)
    checks.check_choice("split", split, ("test", "validation", "all"))
    check_languages(source_language, target_language)
    known = _known(Path(folder) / "baselines.npz", served.config.baselines, baselines)
    languages = Languages(source_language, target_language) if source_language and target_language else None
    config = data_module.as_measured(data, served.config, languages)
    splits = data_module.load_whole(data, config) if split == "all" else data_module.load_as_trained(data, config)
    other = None if against is None else telling.other_run(against, folder, served.config, split)
    splits = dataclasses.replace(splits, notes=telling.notes_of_measured(splits, split, folder, known))
    if not together:
        return evaluation.evaluate(served, splits, split, known, other, **options).metrics
    with served_together(folder, together, split) as all_of_them:
        metrics = evaluation.evaluate(all_of_them, splits, split, known, other, **options).metrics
    return metrics | {"together": [str(run) for run in (folder, *together)]}


def _known(path: Path, own: str, baselines: str | None) -> simple_methods.Baselines | None:
    """The baselines of a run.

    Args:
        path: Their file.
        own: Those with which the run was trained.
        baselines: Those that are asked for; `None` means its own.
    """
    if baselines is not None:
        checks.check_choice("baselines", baselines, ("none", "fast", "full"))
        if own == "none" and baselines != "none":
            checks.fail("baselines", "'none' for a run that was trained without baselines", baselines)
        if baselines not in ("none", own):
            checks.fail("baselines", f"'none' or {own!r}, with which the run was trained", baselines)
    return simple_methods.Baselines.load(path) if baselines != "none" and path.is_file() else None
