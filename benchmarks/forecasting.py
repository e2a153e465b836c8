"""Measures what the README claims about forecasting, and writes `benchmarks/forecasting.md`.

    python benchmarks/forecasting.py etth1-gru-segment --data DIR --seeds 0 1 2      one row; see ROWS for the others
    python benchmarks/forecasting.py resume                   needs no data
    python benchmarks/forecasting.py table                    the table again, from the results

DIR holds the files that `benchmarks/README.md` lists; the environment variable SEQAPPS_DATA can name it too.
Options were chosen on the validation part; a row touches the test part once, at its end.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path

import forecasting_checks
import training_runs

HERE = Path(__file__).parent
DEMO = HERE.parent / "data" / "forecasting" / "sea_surface_temperature.csv"

ETTH1 = "--split-rows 8640,11520,14400 --max-minutes 18"
SHORT = f"{ETTH1} --window 96 --horizon 96"
STEPWISE = f"{SHORT} --normalization standard --units 64 --dropout 0.3 --batch-size 32"
SEGMENT = "--head segment --segment-length 48 --units 256 --dropout 0.5 --batch-size 32"
FAR = (  # options that SegRNN was published with
    "--head segment --units 512 --dropout 0.5 --batch-size 256 --learning-rate 0.001 --normalization last "
    "--patience none"
)
RATES = {"simple_rnn": 0.001, "lstm": 0.003, "gru": 0.003}
AIRLINE = (
    "--cell simple_rnn --head recursive --units 32 --transform log --batch-size 8 --epochs 150 --patience 25 "
    "--learning-rate 0.003 --lags 12 --baselines full"
)
M4 = (
    "--test-data DIR/m4_hourly_test.csv.gz --horizon 48 --season-length 24 --window 336 --head segment "
    "--segment-length 24 --lags 24,168 --transform log --units 128 --dropout 0.2 --batch-size 512 "
    "--learning-rate 0.003 --quantiles 0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9 --epochs 6 --max-minutes 16"
)
ROWS = {
    **{
        f"etth1-{cell}-{head}": (
            "ETTh1.csv.gz",
            f"--cell {cell} --head {head} --learning-rate {rate} {STEPWISE} --epochs {epochs}",
        )
        for cell, rate in RATES.items()
        for head, epochs in (("direct", 8), ("recursive", 3))
    },
    **{
        f"etth1-{cell}-segment": ("ETTh1.csv.gz", f"--cell {cell} {SHORT} {SEGMENT} --linear-skip trained --epochs 6")
        for cell in RATES
    },
    "etth1-336": (
        "ETTh1.csv.gz",
        f"{ETTH1} --window 96 --horizon 336 {FAR} --segment-length 48 --members 2 --linear-skip ridge "
        "--skip-members 1 --calendar --epochs 12",
    ),
    "etth1-long-96": ("ETTh1.csv.gz", f"{ETTH1} --window 336 --horizon 96 {SEGMENT} --linear-skip trained --epochs 5"),
    "etth1-long-336": (
        "ETTh1.csv.gz",
        f"{ETTH1} --window 504 --horizon 336 --head segment --segment-length 48 --units 256 --members 2 "
        "--linear-skip ridge --calendar --normalization last --dropout 0.5 --batch-size 256 --learning-rate 0.002 "
        "--average-weights 0.98 --epochs 7 --patience none",
    ),
    "m4-hourly": ("m4_hourly_train.csv.gz", M4),
    "airline": ("airline_passengers.csv", f"--split-rows 96,120,144 --window 36 --horizon 24 {AIRLINE}"),
    "airline-13": ("airline_passengers.csv", f"--split-rows 96,120,144 --window 36 --horizon 12 {AIRLINE}"),
}
SHA256 = {
    "ETTh1.csv.gz": "7b754123e3c73a0d8ab1d95fc04975abaf3beb54300ccdd1d468da6f1b0de8f3",
    "airline_passengers.csv": "5f8b316b84545d9cfb05612298df8415ce4c44421c7012d109465564b07ebc06",
    "m4_hourly_train.csv.gz": "328fd89a3a5ecf549bcdb6633f8fae821de37c2c5458e8ecb45e473fbeb09b2e",
    "m4_hourly_test.csv.gz": "fc49be955deaf777dce2858459e9439223e3c33b6b5235e5ae3036784cfe7fc1",
}
RESUME = "--window 24 --horizon 6 --units 16 --dropout 0.2 --recurrent-dropout 0.1 --epochs 12 --patience 6"
KILLS = 20


def measure(row: str, data: Path, seed: int) -> dict:
    """Train one row and keep its metrics."""
    name, options = ROWS[row]
    training_runs.check_data(data / name, SHA256[name])
    known = []
    if row == "m4-hourly":
        training_runs.check_data(data / "m4_hourly_test.csv.gz", SHA256["m4_hourly_test.csv.gz"])
        known += [forecasting_checks.check_naive2(data), forecasting_checks.check_seasonal_naive(data)]
    if row.startswith("etth1-long"):
        known.append(forecasting_checks.check_ridge(data / name, int(row.rsplit("-", 1)[1])))
    words = options.replace("DIR/", f"{data}/") + f" --seed {seed}"
    with tempfile.TemporaryDirectory() as folder:
        run = training_runs.train("forecasting", data / name, Path(folder) / "run", words)
    methods = run.metrics["methods"]
    for method, pooled in run.metrics["pooled_weighted_quantile_loss"].items():
        methods[method]["pooled_wql"] = pooled
        of_naive2 = [methods[method][metric] / known for metric, known in forecasting_checks.NAIVE2.items()]
        methods[method]["owa"] = sum(of_naive2) / 2 if row == "m4-hourly" else None
    return {
        "minutes": run.minutes,
        "windows": run.metrics["windows"],
        "methods": methods,
        "by_horizon_third": run.metrics["by_horizon_third"]["model"],
        "known": [*known, *forecasting_checks.check_known(row, methods)],
        "verdict": run.metrics["verdict"],
        "versions": run.manifest["versions"],
        "machine": run.manifest["machine"],
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
        subprocess.run(training_runs.command("forecasting", DEMO, whole, RESUME), check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        while len(places) < kills:
            out = Path(folder) / "killed"
            shutil.rmtree(out, ignore_errors=True)
            process = subprocess.Popen(
                training_runs.command("forecasting", DEMO, out, RESUME), stdout=subprocess.DEVNULL
            )
            time.sleep(moments.uniform(0.1, 1) * seconds)
            process.send_signal(signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                too_late += 1
                continue
            places.append(progress(out))
            again = training_runs.command(
                "forecasting", DEMO, out, "--resume" if (out / "config.json").is_file() else RESUME
            )
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


def row_lines(row: str, result: dict) -> list[str]:
    """One row: its command, the mean over seeds of every method, and what was checked."""
    seeds = result["seeds"]
    first = next(iter(seeds.values()))
    lines = training_runs.heading(row, result, "windows") + training_runs.score_table(seeds, COLUMNS)
    if "by_horizon_third" in first:
        thirds = ", ".join(f"{value:.3f}" for value in first["by_horizon_third"]["coverage"])
        lines += ["", f"Coverage of the model's 80 % interval in the thirds of the horizon, first seed: {thirds}."]
    if "remark" in first:
        lines += ["", f"This row was {first['remark']}."]
    return [*lines, "", first["verdict"], "", *(f"Check: {sentence}." for sentence in first["known"]), ""]


def progress(run: Path) -> str:
    """How far a killed run had come."""
    for name, place in (("metrics.json", "report"), ("export/1", "evaluation"), ("model.keras", "export")):
        if (run / name).exists():
            return place
    if (run / "checkpoints" / "state.npz").is_file():
        return "training, after an epoch"
    return "training, first epoch" if (run / "initial.weights.h5").is_file() else "start"


COLUMNS = {
    "scaled_mse": "MSE of z-scores",
    "scaled_mae": "MAE of z-scores",
    "mase": "MASE",
    "smape": "sMAPE %",
    "owa": "OWA",
    "weighted_quantile_loss": "WQL, mean over series",
    "pooled_wql": "WQL, pooled",
    "coverage": "coverage",
}


def table() -> str:
    """The results as Markdown."""
    results = training_runs.read_results()
    lines = ["# Forecasting, measured", "", "Written by `python benchmarks/forecasting.py ROW --data DIR`.", ""]
    for row in ROWS:
        if row in results:
            lines += row_lines(row, results[row])
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    words = parser.parse_args()
    if words.row in ROWS:
        if words.data is None:
            parser.error("--data DIR or SEQAPPS_DATA is needed")
        data = words.data / "forecasting" if (words.data / "forecasting").is_dir() else words.data
        name, options = ROWS[words.row]
        told = f"python apps/forecasting.py train DIR/{name} RUN {options}"
        training_runs.with_seeds(words.row, told, words.seeds, lambda seed: measure(words.row, data, seed))
    elif words.row == "resume":
        training_runs.write_result("resume", measure_resume())
    (HERE / "forecasting.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
