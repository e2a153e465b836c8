"""Measures how fast texts are written, beside PyTorch and a loop of `model.predict`; writes `generation_speed.md`.

    python benchmarks/generation_speed.py --torch PYTHON    all rows; PYTHON is one that has torch 2.13

Every turn runs each way once, one after the other, so that a slow moment of the machine slows all of them; the ratio is
the median over turns. Weights are random: they do not change how long a step takes. Seqapps writes through its
SavedModel, from prompt to text; PyTorch and `model.predict` make token ids only. One loop of `model.predict` hands the
states on and reads one token per call; the other reads the last 40 tokens for each new one, as textgenrnn 2.0.0 does.
"""

import argparse
import json
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import training_runs

from seqapps import export
from seqapps.recurrent.masking import NEVER
from seqapps.tasks.generation import serving
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.model import build_model
from seqapps.tasks.generation.preprocessing import Preprocessing
from seqapps.text import tokenizers
from seqapps.text.kinds import END

HERE = Path(__file__).parent
CHARACTERS = "".join(chr(code) for code in range(32, 97))  # as many as Tiny Shakespeare has
EMBEDDING, LAYERS, THREADS = 64, 2, 2
UNITS, BATCHES = (128, 512), (1, 64)
TURNS, TOKENS, PREDICTED = 9, 300, 30  # a `model.predict` loop is too slow for as many tokens
OURS, PREDICT, REREAD = "seqapps, SavedModel", "model.predict loop", "model.predict loop that reads 40 tokens again"
READ = 40  # tokens, as the name above says
TORCH = ("nn.LSTM", "nn.LSTM without oneDNN", "nn.LSTMCell")


def measure(units: int, python: str) -> dict:
    """Tokens per second of every way at every batch size, turn by turn."""
    config = Config(cell="lstm", units=units, num_layers=LAYERS, embedding_size=EMBEDDING)
    tokenizer = tokenizers.fit("character", [CHARACTERS], 99)
    model = build_model(config, tokenizer.vocabulary_size)
    bias = np.zeros(tokenizer.vocabulary_size, "float32")
    bias[END] = NEVER  # or texts of random weights would end early, and as a batch goes on until its last row has ended
    model.get_layer("head").bias.assign(bias)
    with tempfile.TemporaryDirectory() as folder:
        scaling = Preprocessing(tokenizer)
        bundle = serving.bundle(model, scaling)
        version = export.save(bundle, folder, serving.example_requests(), serving.facts(scaling, config))
        served = tf.saved_model.load(str(version))
    sizes = [tokenizer.vocabulary_size, EMBEDDING, units, LAYERS, THREADS]
    command = [python, str(HERE / "torch_generation.py"), *map(str, sizes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as torch:
        found = {str(batch): turns(served, model, torch, batch) for batch in BATCHES}
        torch.stdin.close()
    return found


def turns(served, model: keras.Model, torch: subprocess.Popen, batch: int) -> dict[str, list[float]]:
    """Tokens per second of every way, `TURNS` times each in turn."""
    stepwise, windowed = one_step_model(model, batch), window_model(model, batch)
    speeds: dict[str, list[float]] = {way: [] for way in (OURS, *TORCH, PREDICT, REREAD)}
    for turn in range(-1, TURNS):  # the first turn warms up
        took = {OURS: (batch * TOKENS, written_by_us(served, batch))}
        for way in TORCH:
            torch.stdin.write(json.dumps({"way": way, "batch": batch, "tokens": TOKENS}) + "\n")
            torch.stdin.flush()
            took[way] = (batch * TOKENS, json.loads(torch.stdout.readline()))
        took[PREDICT] = (batch * PREDICTED, written_by_predict(stepwise, batch))
        took[REREAD] = (batch * PREDICTED, written_by_reading_again(windowed, batch))
        if turn >= 0:
            for way, (tokens, seconds) in took.items():
                speeds[way].append(tokens / seconds)
    return speeds


def written_by_us(served, batch: int) -> float:
    """Seconds of the signature `generate` for texts of `TOKENS` tokens."""
    began = time.perf_counter()
    answer = served.generate(
        tf.fill([batch], "A"), max_new_tokens=tf.constant([TOKENS]), temperature=tf.constant([1.0]),
        seed=tf.range(batch, dtype=tf.int64),
    )  # fmt: skip
    answer["text"].numpy()
    seconds = time.perf_counter() - began
    if set(answer["tokens"].numpy()) != {TOKENS}:
        raise ValueError(f"Every text must have {TOKENS} tokens. Received: {answer['tokens'].numpy()}.")
    return seconds


def one_step_model(model: keras.Model, batch: int) -> keras.Model:
    """Token and states → logits and states: what a loop around `model.predict` calls for every token."""
    layers = {layer.name: layer for layer in model.layers}
    stack = layers["stack"]
    token = keras.Input((1,), batch_size=batch, dtype="int32")
    states = [keras.Input((size,), batch_size=batch) for size in stack.state_sizes]
    outputs, after = stack(layers["embedding"](token), initial_state=states)
    return keras.Model([token, *states], [layers["head"](layers["projection"](outputs[:, 0])), *after])


def written_by_predict(model: keras.Model, batch: int) -> float:
    """Seconds of a loop that calls `model.predict` for every token and draws the next one in NumPy."""
    generator = np.random.default_rng(0)
    token = np.full((batch, 1), 4, "int32")
    states = [np.zeros(tensor.shape, "float32") for tensor in model.inputs[1:]]
    began = time.perf_counter()
    for _ in range(PREDICTED):
        logits, *states = model.predict([token, *states], verbose=0, batch_size=batch)
        token = drawn(logits, generator)
    return time.perf_counter() - began


def drawn(logits: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The next token of every row, `(batch, 1)`, by the probabilities of its `(batch, tokens)` logits."""
    return np.argmax(logits + generator.gumbel(size=logits.shape), axis=1)[:, None].astype("int32")


def window_model(model: keras.Model, batch: int) -> keras.Model:
    """The last tokens → logits of the next: what a loop without states calls for every token."""
    layers = {layer.name: layer for layer in model.layers}
    tokens = keras.Input((READ,), batch_size=batch, dtype="int32")
    outputs, _ = layers["stack"](layers["embedding"](tokens))
    return keras.Model(tokens, layers["head"](layers["projection"](outputs[:, -1])))


def written_by_reading_again(model: keras.Model, batch: int) -> float:
    """Seconds of a loop that gives `model.predict` the last tokens for every new one."""
    generator = np.random.default_rng(0)
    tokens = np.full((batch, READ), 4, "int32")
    began = time.perf_counter()
    for _ in range(PREDICTED):
        logits = model.predict(tokens, verbose=0, batch_size=batch)
        tokens = np.concatenate([tokens[:, 1:], drawn(logits, generator)], axis=1)
    return time.perf_counter() - began


def table() -> str:
    """The result as Markdown."""
    result = training_runs.read_results()["generation-speed"]
    lines = [
        "# Speed of writing, measured",
        "",
        f"`{result['command']}`",
        "",
        f"Characters, {LAYERS} LSTM layers, temperature 1, {TOKENS} tokens per text, {THREADS} threads, "
        f"{result['machine']}. "
        f"Tokens per second, median of {TURNS} turns; in brackets the median ratio of our speed to it, turn by turn.",
        "",
        "| units, batch | " + " | ".join((OURS, *TORCH, PREDICT, REREAD)) + " |",
        "|---" * (len(TORCH) + 4) + "|",
    ]
    for units, batches in result["speeds"].items():
        for batch, speeds in batches.items():
            cells = [f"{statistics.median(speeds[OURS]):.0f}"]
            for way in (*TORCH, PREDICT, REREAD):
                ratio = statistics.median(own / other for own, other in zip(speeds[OURS], speeds[way], strict=True))
                cells.append(f"{statistics.median(speeds[way]):.0f} ({ratio:.2f})")
            lines.append(f"| {LAYERS} × {units}, {batch} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", metavar="PYTHON", help="a Python with torch; without, the table is written again")
    words = parser.parse_args()
    if words.torch:
        result = {
            "command": "python benchmarks/generation_speed.py --torch PYTHON",
            "machine": f"{platform.system()} on {platform.machine()}",
            "speeds": {str(units): measure(units, words.torch) for units in UNITS},
        }
        training_runs.write_result("generation-speed", result)
    (HERE / "generation_speed.md").write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
