"""Measures what the README claims about forecasting, and writes `benchmarks/forecasting.md`.

    python benchmarks/forecasting.py etth1-gru --data DIR     one row; see ROWS for the others
    python benchmarks/forecasting.py resume                   needs no data
    python benchmarks/forecasting.py table                    the table again, from the results

DIR holds the files that `benchmarks/README.md` lists; the environment variable SEQAPPS_DATA can name it too.
Options were chosen on the validation part; a row touches the test part once, at its end.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
APP = HERE.parent / "apps" / "forecasting.py"
DEMO = HERE.parent / "data" / "forecasting" / "sea_surface_temperature.csv"

ETTH1 = (
    "--split-rows 8640,11520,14400 --window 96 --horizon 96 --normalization standard --units 64 --dropout 0.3 "
    "--batch-size 32 --epochs 8 --max-minutes 18"
)
AIRLINE = (
    "--split-rows 96,120,144 --window 36 --horizon 24 --transform log --units 64 --batch-size 4 --epochs 60 "
    "--patience 30 --learning-rate 0.003"
)
ROWS = {
    "etth1-simple_rnn": ("ETTh1.csv.gz", f"--cell simple_rnn --learning-rate 0.001 {ETTH1}"),
    "etth1-lstm": ("ETTh1.csv.gz", f"--cell lstm --learning-rate 0.003 {ETTH1}"),
    "etth1-gru": ("ETTh1.csv.gz", f"--cell gru --learning-rate 0.003 {ETTH1}"),
    "airline": ("airline_passengers.csv", AIRLINE),
}
SHA256 = {
    "ETTh1.csv.gz": "7b754123e3c73a0d8ab1d95fc04975abaf3beb54300ccdd1d468da6f1b0de8f3",
    "airline_passengers.csv": "5f8b316b84545d9cfb05612298df8415ce4c44421c7012d109465564b07ebc06",
}
# What is known of a baseline on the same windows, from outside: (method, metric, value, distance that is rounding).
# ETTh1: Zeng et al. 2023, Table 2, whose batches leave out the last 33 windows. Airline: the last 12 months repeated.
KNOWN = {
    "etth1": [("repeat last value", "scaled_mse", 1.295, 0.002), ("repeat last value", "scaled_mae", 0.713, 0.001)],
    "airline": [("seasonal naive", "mase", 2.494, 0.001)],
}
RESUME = "--window 24 --horizon 6 --units 16 --dropout 0.2 --recurrent-dropout 0.1 --epochs 12 --patience 6"
KILLS = 20


def command(data: Path, out: Path, options: str) -> list[str]:
    """The command line of one training."""
    return [sys.executable, str(APP), "train", str(data), str(out), *options.split()]


def check_data(path: Path) -> None:
    """Refuse a file that is not the one that the numbers stand for."""
    received = hashlib.sha256(path.read_bytes()).hexdigest()
    if received != SHA256[path.name]:
        sys.exit(f"{path} must have the SHA-256 {SHA256[path.name]}. Received: {received}.")


def check_known(row: str, methods: dict) -> list[str]:
    """Refuse a row whose baselines do not reproduce what is known of them; say what they reproduce."""
    sentences = []
    for method, metric, known, rounding in KNOWN[row.split("-")[0]]:
        received = methods[method][metric]
        if abs(received - known) > rounding:
            sys.exit(f"{method} must reproduce the known {metric} of {known}. Received: {received:.4f}.")
        sentences.append(f"{method} reproduces the known {metric} of {known} ({received:.4f})")
    return sentences


def measure(row: str, data: Path) -> dict:
    """Train one row and keep its metrics."""
    name, options = ROWS[row]
    check_data(data / name)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        began = time.monotonic()
        subprocess.run(command(data / name, out, options), check=True)
        seconds = time.monotonic() - began
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return {
        "command": f"python apps/forecasting.py train DIR/{name} RUN {options}",
        "minutes": round(seconds / 60, 1),
        "windows": metrics["windows"],
        "methods": metrics["methods"],
        "known": check_known(row, metrics["methods"]),
        "verdict": metrics["verdict"],
        "versions": manifest["versions"],
        "machine": manifest["machine"],
    }


def weights(run: Path) -> bytes:
    """The trained weights, byte for byte."""
    with zipfile.ZipFile(run / "model.keras") as archive:
        return archive.read("model.weights.h5")


def outcome(run: Path) -> dict:
    """All that must not depend on interruptions: weights, losses and metrics."""
    history = [line.rsplit(",", 1)[0] for line in (run / "history.csv").read_text(encoding="utf-8").splitlines()]
    return {"weights": weights(run), "history": history, "metrics": (run / "metrics.json").read_text(encoding="utf-8")}


def measure_resume(kills: int = KILLS) -> dict:
    """Kill a training at random moments, go on with it, and compare with one that was left alone.

    A moment is drawn from the duration of the training that was left alone. If the training ended before the moment
    came, nothing was killed and another moment is drawn.
    """
    moments = random.Random(0)
    equal, places, too_late = 0, [], 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        began = time.monotonic()
        subprocess.run(command(DEMO, whole, RESUME), check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        while len(places) < kills:
            out = Path(folder) / "killed"
            shutil.rmtree(out, ignore_errors=True)
            process = subprocess.Popen(command(DEMO, out, RESUME), stdout=subprocess.DEVNULL)
            time.sleep(moments.uniform(0.1, 1) * seconds)
            process.send_signal(signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                too_late += 1
                continue
            places.append(progress(out))
            resume = ["--resume"] if (out / "config.json").is_file() else []
            again = [sys.executable, str(APP), "train", str(DEMO), str(out), *(resume or RESUME.split())]
            subprocess.run(again, check=True, stdout=subprocess.DEVNULL)
            same = outcome(out) == outcome(whole)
            equal += same
            print(f"kill {len(places)}: {places[-1]}; {'equal' if same else 'DIFFERENT'}", flush=True)
    return {
        "command": "python benchmarks/forecasting.py resume",
        "equal": equal,
        "kills": kills,
        "killed at": places,
        "drawn again": too_late,
    }


def progress(run: Path) -> str:
    """How far a killed run had come."""
    for name, place in (("metrics.json", "report"), ("export/1", "evaluation"), ("model.keras", "export")):
        if (run / name).exists():
            return place
    if (run / "checkpoints" / "state.npz").is_file():
        return "training, after an epoch"
    return "training, first epoch" if (run / "initial.weights.h5").is_file() else "start"


def table() -> str:
    """The results as Markdown."""
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    lines = ["# Forecasting, measured", "", "Written by `python benchmarks/forecasting.py ROW --data DIR`.", ""]
    for row in ROWS:
        if row not in results:
            continue
        result = results[row]
        lines += [f"## {row}", "", f"`{result['command']}`", ""]
        lines += [f"{result['windows']} test windows, {result['minutes']} minutes on {result['machine']}.", ""]
        lines += [
            "| | MSE of z-scores | MAE of z-scores | MASE | weighted quantile loss | coverage |",
            "|---|---|---|---|---|---|",
        ]
        for method, scores in result["methods"].items():
            names = ("scaled_mse", "scaled_mae", "mase", "weighted_quantile_loss", "coverage")
            lines.append(f"| {method} | " + " | ".join(f"{scores[name]:.4g}" for name in names) + " |")
        lines += ["", result["verdict"], "", *(f"Check: {sentence}." for sentence in result["known"]), ""]
    if "resume" in results:
        result = results["resume"]
        lines += ["## resume", "", f"`{result['command']}`", ""]
        places = ", ".join(f"{place} {result['killed at'].count(place)}" for place in sorted(set(result["killed at"])))
        lines += [
            f"{result['equal']} of {result['kills']} runs that were killed (`kill -9`) at a random moment and resumed "
            "have the weights, losses and metrics of a run that was left alone, bit for bit.",
            f"Killed at: {places}. In {result['drawn again']} more the training ended before its moment came.",
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=[*ROWS, "resume", "table"])
    parser.add_argument("--data", type=Path, default=os.environ.get("SEQAPPS_DATA"), metavar="DIR")
    words = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if words.row in ROWS:
        if words.data is None:
            parser.error("--data DIR or SEQAPPS_DATA is needed")
        data = words.data / "forecasting" if (words.data / "forecasting").is_dir() else words.data
        result = measure(words.row, data)
    elif words.row == "resume":
        result = measure_resume()
    if words.row != "table":
        (RESULTS / f"{words.row}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (HERE / "forecasting.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
