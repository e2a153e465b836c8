"""Measures a training step of `RecurrentStack` beside a stack of stock layers; writes `benchmarks/recurrence.md`.

    python benchmarks/recurrence.py          all rows, two minutes

The two run in turn, so that a slow moment of the machine slows both; the ratio is the median over turns. TensorFlow is
set as the command line sets it for a training that resumes bit for bit: one operation at a time, without oneDNN.
"""

import os

os.environ |= {"TF_NUM_INTEROP_THREADS": "1", "TF_ENABLE_ONEDNN_OPTS": "0"}  # before anything imports TensorFlow

import argparse
import platform
import statistics
import time
from pathlib import Path

import tensorflow as tf
import training_runs

from seqapps import training
from seqapps.recurrent import loops
from seqapps.recurrent.stack import RecurrentStack

HERE = Path(__file__).parent
TURNS = 7
# Cell, layers, units, rows, steps, features.
ROWS = (
    ("lstm", 1, 512, 32, 128, 64),
    ("lstm", 2, 512, 32, 64, 64),
    ("lstm", 2, 256, 32, 64, 64),
    ("lstm", 1, 128, 32, 100, 64),
    ("gru", 1, 512, 32, 64, 64),
    ("gru", 1, 64, 64, 50, 64),
    ("simple_rnn", 1, 512, 32, 64, 64),
)


def step_of(stack: RecurrentStack, inputs: tf.Tensor):
    """A function that computes outputs and the gradients of all weights."""
    weights = [weight.value for weight in stack.trainable_weights]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(stack(inputs, training=True)))
        return tape.gradient(loss, weights)

    step()  # traced while `loops.usable` says what it says
    return step


def measure(cell: str, layers: int, units: int, rows: int, steps: int, features: int) -> dict[str, list[float]]:
    """Seconds of a step of both ways, turn by turn."""
    inputs = tf.random.stateless_normal((rows, steps, features), (0, 0))
    stack = RecurrentStack(units, cell, num_layers=layers, return_sequences=True)
    stack.build(inputs.shape)
    usable, ways = loops.usable, {}
    ways["loops"] = step_of(stack, inputs)
    loops.usable = lambda layer, training: False
    ways["stock layers"] = step_of(stack, inputs)
    loops.usable = usable
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(-1, TURNS):  # the first turn warms up
        for way, step in ways.items():
            began = time.perf_counter()
            step()[0].numpy()
            if turn >= 0:
                seconds[way].append(time.perf_counter() - began)
    return seconds


def table() -> str:
    """The result as Markdown."""
    result = training_runs.read_results()["recurrence"]
    lines = ["# A training step of the factory, measured", "", f"`{result['command']}`", ""]
    lines += [f"Milliseconds on {result['machine']}, median of {TURNS} turns.", ""]
    lines += ["| cell, layers × units, rows × steps | loops | stock layers | ratio |", "|---|---|---|---|"]
    for row in result["rows"]:
        own, other = (row["seconds"][way] for way in ("loops", "stock layers"))
        ratio = statistics.median(slow / fast for fast, slow in zip(own, other, strict=True))
        times = " | ".join(f"{1000 * statistics.median(each):.0f}" for each in (own, other))
        lines.append(f"| {row['name']} | {times} | {ratio:.2f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    training.keep_memory()
    rows = []
    for cell, layers, units, batch, steps, features in ROWS:
        name = f"{cell}, {layers} × {units}, {batch} × {steps}"
        rows.append({"name": name, "seconds": measure(cell, layers, units, batch, steps, features)})
    machine = f"{platform.system()} on {platform.machine()}"
    training_runs.write_result(
        "recurrence", {"command": "python benchmarks/recurrence.py", "machine": machine, "rows": rows}
    )
    (HERE / "recurrence.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
