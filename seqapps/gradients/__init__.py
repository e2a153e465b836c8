"""How far back the gradients of a run reach, at the start and at the end of its training, and what follows from it."""

import csv
import math
from importlib import import_module
from pathlib import Path
from typing import Any

from seqapps import checks, report, run_folder, training
from seqapps.gradients import page
from seqapps.gradients.advice import Facts, advise
from seqapps.recurrent.gradient_curves import Curve, GradientFlow
from seqapps.recurrent.gradient_flow import gradient_flow
from seqapps.tasks import TASKS
from seqapps.training.norms import COLUMNS

MODEL_FILE, START_FILE = "model.keras", "initial.weights.h5"
RESULT_FILE, PAGE_FILE = "gradients.json", "gradients.html"
SPLITS = ("validation", "test", "all")
ROWS = 32


def measure(
    run: str | Path, data: Any, split: str = "validation", rows: int = ROWS, output: str | Path | None = None
) -> dict[str, Any]:
    """Norms of gradients by lag and gates by step, with the weights before and after training.

    Args:
        run: The folder of a finished run.
        data: As for training: a run does not keep its data.
        split: `"validation"`, `"test"` or `"all"`, which is every row of `data`.
        rows: That are measured, spread evenly over the split.
        output: Folder of `gradients.json` and `gradients.html`; by default the run.

    Returns:
        What `gradients.json` holds.

    Raises:
        FileNotFoundError: If the folder is no finished run, or weights or the data are missing.
        ValueError: If the data cannot be used.
    """
    checks.check_choice("split", split, SPLITS)
    checks.check_integer("rows", rows, 1)
    folder = Path(run)
    config = run_folder.read_json(folder / "config.json")
    checks.check_choice("task", config.get("task"), TASKS)
    _check_weights(folder)
    task = import_module(f"seqapps.tasks.{config['task']}.gradients")
    model = training.stored_model(folder)
    probe = task.gradient_batch(model, folder, data, split, rows)
    end = gradient_flow(probe.stack, probe.losses)
    model.load_weights(folder / START_FILE)
    start = gradient_flow(probe.stack, probe.losses)
    history = _history(folder / "history.csv")
    facts = Facts(
        cell=config["cell"],
        residual=config["residual"],
        bidirectional=probe.stack.bidirectional,
        reads_all=probe.reads_all,
        clip_norm=config["clip_norm"],
        limit=probe.limit,
        curves=end.curves,
        history=history,
    )
    told = {
        "task": config["task"],
        "split": split,
        "rows": len(probe.names),
        "steps": max(map(len, probe.names)),
        "truncation_steps": probe.limit,
        "clip_norm": config["clip_norm"],
        "curves": {"start": _stored(start), "end": _stored(end)},
        "history": history,
        "advice": [*filter(None, [probe.about]), *advise(facts)],
    }
    target = folder if output is None else Path(output)
    target.mkdir(parents=True, exist_ok=True)
    run_folder.write_json(target / RESULT_FILE, told)
    page.write(target / PAGE_FILE, folder.name, told, (start, end), probe)
    print(summary(told), f"\nReport: {target / PAGE_FILE}", sep="")
    return told


def _check_weights(folder: Path) -> None:
    """Refuse a folder without the weights before and after training."""
    if not (folder / MODEL_FILE).is_file():
        raise FileNotFoundError(f"{str(folder)!r} is not a finished run: it has no {MODEL_FILE}.")
    if not (folder / START_FILE).is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} has no {START_FILE}, the weights before training: train it anew to compare with them."
        )


def summary(told: dict[str, Any]) -> str:
    """The table of lags and the advice, for the terminal."""
    heading = f"Lag at which the gradient falls below 1 % of its start ({told['rows']} rows, {told['split']}):"
    return "\n".join([heading, report.text_table(*page.lag_table(told)), *told["advice"]])


def _stored(flow: GradientFlow) -> list[dict[str, Any]]:
    """Curves as JSON holds them; a norm that is not finite is `None`."""
    return [_stored_curve(curve) for curve in flow.curves]


def _stored_curve(curve: Curve) -> dict[str, Any]:
    norms = [norm if math.isfinite(norm) else None for norm in curve.norms]
    growth = curve.growth if math.isfinite(curve.growth) else None
    own = {"layer": curve.layer, "direction": curve.direction, "state": curve.state}
    told = {"vanishes_at": curve.vanishes_at, "growth": growth}
    starts = [start if math.isfinite(start) else None for start in curve.starts]
    return own | told | {"norms": norms, "rows": list(curve.rows), "starts": starts}


def _history(path: Path) -> list[dict[str, float]]:
    """Of every epoch that tells them the norms of its gradients."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get(COLUMNS[0])]
    return [{"epoch": int(row["epoch"])} | {name: float(row[name]) for name in COLUMNS} for row in rows]
