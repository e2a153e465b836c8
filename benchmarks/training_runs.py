"""What the benchmarks share: trainings through the command line, timed, on files that are checked first."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        folder: The run.
        minutes: From the command to its end: training, export, evaluation, report.
        metrics: What its `metrics.json` holds.
        manifest: What its `manifest.json` holds.
    """

    folder: Path
    minutes: float
    metrics: dict[str, Any]
    manifest: dict[str, Any]


def command(task: str, data: Path, out: Path, options: str) -> list[str]:
    """The command line of one training."""
    app = HERE.parent / "apps" / f"{task}.py"
    return [sys.executable, str(app), "train", str(data), str(out), *options.split()]


def train(task: str, data: Path, out: Path, options: str) -> Run:
    """Train, and read what the run says of itself."""
    began = time.monotonic()
    subprocess.run(command(task, data, out, options), check=True)
    minutes = round((time.monotonic() - began) / 60, 1)
    metrics, manifest = (
        json.loads((out / name).read_text(encoding="utf-8")) for name in ("metrics.json", "manifest.json")
    )
    return Run(out, minutes, metrics, manifest)


def check_data(path: Path, expected: str) -> None:
    """Refuse a file that is not the one that the numbers stand for."""
    received = hashlib.sha256(path.read_bytes()).hexdigest()
    if received != expected:
        sys.exit(f"{path} must have the SHA-256 {expected}. Received: {received}.")


def check_score(method: str, metric: str, known: float, received: float, rounding: float) -> str:
    """Refuse a baseline that does not reproduce what is known of it; say what it reproduces."""
    if abs(received - known) > rounding:
        sys.exit(f"{method} must reproduce the known {metric} of {known}. Received: {received:.4f}.")
    return f"{method} reproduces the known {metric} of {known} ({received:.4f})"


def heading(row: str, result: Mapping[str, Any], items: str) -> list[str]:
    """A row's name and command, how many `items` were tested, and how long it took, as Markdown."""
    seeds = result["seeds"]
    first = next(iter(seeds.values()))
    minutes = ", ".join(str(each["minutes"]) for each in seeds.values())
    told = (
        f"{first[items]} test {items}; seed {', '.join(seeds)}: {minutes} minutes on {first['machine']}. "
        "Numbers of the model are means over seeds, with the range where there is more than one."
    )
    return [f"## {row}", "", f"`{result['command']}`", "", told, ""]


def score_table(seeds: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    """The scores of every method as Markdown: means over seeds, with the range where seeds differ in four digits."""
    first = next(iter(seeds.values()))
    shown = [name for name in columns if first["methods"]["model"].get(name) is not None]
    lines = ["| | " + " | ".join(columns[name] for name in shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for method in first["methods"]:
        cells = []
        for name in shown:
            values = [each["methods"][method][name] for each in seeds.values()]
            low, mean, high = (f"{value:.4g}" for value in (min(values), sum(values) / len(values), max(values)))
            cells.append(f"{mean} ({low}-{high})" if low != high else mean)
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def read_results() -> dict[str, Any]:
    """Every measured row by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}


def write_result(row: str, result: Mapping[str, Any]) -> None:
    """Keep a row."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{row}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def with_seeds(row: str, told: str, seeds: list[int], measure: Any) -> None:
    """Measure a row with some seeds; those that the same command was measured with before stay."""
    before = read_results().get(row, {})
    result = before if before.get("command") == told else {"command": told, "seeds": {}}
    for seed in seeds:
        result["seeds"][str(seed)] = measure(seed)
        write_result(row, result)
