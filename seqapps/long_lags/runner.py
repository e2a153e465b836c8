"""The comparison of cells on a long-lag problem: every training once, however often it is interrupted."""

from pathlib import Path
from typing import Any

from seqapps import checks, problems, report, run_folder
from seqapps.long_lags import page, results, training
from seqapps.long_lags.config import LISTS, Config
from seqapps.problems import PROBLEMS

RESULTS_FILE, PAGE_FILE = "problems.json", "problems.html"


def compare(
    name: str, config: Config, out: str | Path, *, resume: bool = False, overwrite: bool = False
) -> dict[str, Any]:
    """Train every cell on every lag with every seed, and say at which lag each gives up.

    Lags are tried from the shortest on. Where a cell solves one with no seed, it is not trained on longer ones.

    Args:
        name: Of the problem.
        config: The options.
        out: Folder of `problems.json`, which holds every finished training, and `problems.html`.
        resume: Go on with the comparison in `out`: what is finished there is not trained again. Cells, lags, seeds and
            truncations may be others; all that makes a training must be the same.
        overwrite: Replace the comparison in `out`.

    Returns:
        What `problems.json` holds: the `problem`, its `options`, the `trials` and their `summary`.

    Raises:
        ValueError: If an option has no valid value, or the folder cannot be used.
        FileNotFoundError: If there is nothing to resume.
    """
    checks.check_choice("problem", name, tuple(PROBLEMS))
    for lag in config.lags:
        problems.check_lag(name, lag, "lags")
    folder = Path(out)
    trials = _found(folder, name, config, resume, overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    for truncation in (None, *sorted(config.truncations)):
        for cell in config.cells:
            _climb(folder, name, config, trials, cell, truncation)
    stored = _write(folder, name, config, trials)
    page.write(folder / PAGE_FILE, name, config, stored)
    print(report.text_table(*results.loss_rows(name, config, stored["summary"])))
    if config.truncations:
        print(report.text_table(*results.truncation_rows(config, stored["summary"])))
    print(results.verdict(name, config, stored["summary"]), f"\nReport: {folder / PAGE_FILE}", sep="")
    return stored


def _climb(folder: Path, name: str, config: Config, trials: dict[str, Any], cell: str, truncation: int | None) -> None:
    """Train a cell on one lag after the other until it gives up; every training is written when it is finished."""
    for lag in sorted(config.lags):
        group = [results.trial_of(name, cell, lag, seed, truncation) for seed in config.seeds]
        for trial in group:
            if trial.key not in trials:
                print(f"{trial.key} …", flush=True)
                trials[trial.key] = training.train(name, config, trial)
                _write(folder, name, config, trials)
                print(f"    {results.told(name, lag, trials[trial.key])}", flush=True)
        if not any(trials[trial.key]["solved"] for trial in group):
            return


def _found(folder: Path, name: str, config: Config, resume: bool, overwrite: bool) -> dict[str, Any]:
    """The finished trainings of the comparison in the folder that is to go on; the folder does not change."""
    if resume and overwrite:
        raise ValueError("`resume` and `overwrite` cannot both be given. Received: resume=True, overwrite=True.")
    path = folder / RESULTS_FILE
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is a file; a comparison needs a folder.")
    if resume and not path.is_file():
        raise FileNotFoundError(f"There is no comparison to resume in {str(folder)!r}. Leave out --resume.")
    if not path.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(f"{str(folder)!r} is not empty and holds no comparison. Choose another folder.")
        return {}
    if not resume and not overwrite:
        advice = "Pass --resume to go on with it or --overwrite to replace it."
        raise ValueError(f"{str(folder)!r} holds a comparison. {advice}")
    if overwrite:
        return {}
    stored = run_folder.read_json(path)
    given = {"problem": name} | config.to_dict()
    before = {"problem": stored["problem"]} | Config().to_dict() | stored["options"]  # it may know fewer options
    for option in given:
        if option not in LISTS and given[option] != before.get(option):
            advice = "Leave the option out, or compare in another folder."
            wanted = f"{before.get(option)!r} to resume the comparison in {str(folder)!r}"
            checks.fail(option, wanted, given[option], advice)
    return dict(stored["trials"])


def _write(folder: Path, name: str, config: Config, trials: dict[str, Any]) -> dict[str, Any]:
    """Keep what is finished, also trainings of other lists that a resumed comparison found."""
    stored = {"problem": name, "options": config.to_dict(), "summary": results.summary(name, config, trials)}
    stored["trials"] = trials
    run_folder.write_json(folder / RESULTS_FILE, stored)
    return stored
