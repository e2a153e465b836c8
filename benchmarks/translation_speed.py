"""How many sentences a run translates in a second, beside a loop that calls `model.predict` for every token.

Both search in the same way with the same weights; every turn runs each once, one after the other, and the ratio is the
median over turns. Ours goes from text to text, the loop from ids to ids.
"""

import statistics
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import export, run_folder
from seqapps.tasks.translation.preprocessing import Preprocessing
from seqapps.tasks.translation.serving.translator import MORE, TIMES, Member
from seqapps.text.kinds import END, PAD, START, UNKNOWN

BATCHES, WIDTHS = (1, 64), (1, 5)
SENTENCES, PREDICTED = {1: 200, 64: 1000}, {1: 8, 64: 64}  # per turn, of ours and of the loop
TURNS = 5
NEVER = -1e9


def measure(run: Path, sources: list[str]) -> dict:
    """Sentences per second of both at every batch size and beam width, turn by turn."""
    served = tf.saved_model.load(str(export.newest_version(run / "export")))
    model = keras.models.load_model(run / "model.keras", compile=False)
    prepared = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    ids = prepared.source.encode(tf.constant(sources))
    loop = Loop(model)
    speeds: dict[str, dict[str, list[float]]] = {}
    for batch in BATCHES:
        for width in WIDTHS:
            told: dict[str, list[float]] = {"seqapps": [], "model.predict": []}
            for turn in range(-1, TURNS):  # the first turn warms up
                first = max(turn, 0) * PREDICTED[batch]
                some = [ids[first + start : first + start + batch] for start in range(0, PREDICTED[batch], batch)]
                took = ours(served, sources[: SENTENCES[batch]], batch, width), loop.translate(some, width)
                if turn >= 0:
                    told["seqapps"].append(SENTENCES[batch] / took[0])
                    told["model.predict"].append(PREDICTED[batch] / took[1])
            speeds[f"batch {batch}, beam {width}"] = told
    return {"command": "python benchmarks/translation.py speed --data DIR --run RUN", "speeds": speeds}


def ours(served, sources: list[str], batch: int, width: int) -> float:
    """Seconds of the signature `translate`."""
    began = time.perf_counter()
    for start in range(0, len(sources), batch):
        served.translate(tf.constant(sources[start : start + batch]), beam_width=tf.constant([width]))["target"].numpy()
    return time.perf_counter() - began


class Loop:
    """Beam search in NumPy around two Keras models: one reads, one makes a step.

    Args:
        model: A trained translator.
    """

    def __init__(self, model: keras.Model) -> None:
        member, decoder = Member(model), model.get_layer("decoder")
        source = keras.Input((None,), dtype="int32")
        self.reader = keras.Model(source, Reader(member)(source))
        token = keras.Input((1,), dtype="int32")
        states = [keras.Input((size,)) for size in decoder.stack.state_sizes]
        memory, keys = keras.Input((None, model.get_layer("encoder").output_size)), keras.Input((None, None))
        mask = keras.Input((None,), dtype="bool")
        self.stepper = keras.Model(
            [token, *states, memory, keys, mask], Step(member)(token, states, memory, keys, mask)
        )

    def translate(self, some: list, width: int) -> float:
        """Seconds for batches of ids."""
        began = time.perf_counter()
        for ids in some:
            source = np.array(ids.to_tensor(PAD))
            ended = np.pad(source, [[0, 0], [0, 1]])
            ended[np.arange(len(source)), np.array(ids.row_lengths())] = END
            self.search(ended, width, TIMES * source.shape[1] + MORE)
        return time.perf_counter() - began

    def search(self, source: np.ndarray, width: int, most: int) -> None:
        """As `decoding.beam`, without its ranking."""
        rows = len(source)
        memory, keys, mask, *states = self.reader.predict(source, verbose=0, batch_size=rows)
        memory, keys, mask, *states = (np.repeat(each, width, axis=0) for each in (memory, keys, mask, *states))
        values = np.where(np.arange(width) == 0, 0.0, NEVER) * np.ones((rows, 1))
        ended, tokens = np.zeros((rows, width), bool), np.full((rows * width, 1), START, "int32")
        for _ in range(most):
            inputs = [tokens, *states, memory, keys, mask]
            told, *states = self.stepper.predict(inputs, verbose=0, batch_size=rows * width)
            told = told.reshape(rows, width, -1)
            told[:, :, [PAD, UNKNOWN, START]] = NEVER
            total = np.where(ended[:, :, None], NEVER, values[:, :, None] + told)
            total[:, :, PAD] = np.where(ended, values, NEVER)  # an ended one stays what it is
            flat = total.reshape(rows, -1)
            chosen = np.argpartition(-flat, width - 1, axis=1)[:, :width]
            parent, token = np.divmod(chosen, told.shape[2])
            values = np.take_along_axis(flat, chosen, axis=1)
            ended = np.take_along_axis(ended, parent, axis=1) | (token == END)
            place = (np.arange(rows)[:, None] * width + parent).ravel()
            states, tokens = [state[place] for state in states], token.reshape(-1, 1).astype("int32")
            if ended.all():
                return


class Reader(keras.layers.Layer):
    """Ids → memory, keys, mask and states."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member

    def call(self, source):
        reading = self.member.read(source)
        return reading.memory, reading.keys, reading.mask, *reading.states


class Step(keras.layers.Layer):
    """Token and states → log-probabilities and states."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member

    def call(self, token, states, memory, keys, mask):
        embedded = self.member.target_embedding(token)
        states = [state[:, None] for state in states]
        outputs, states, _ = self.member.decoder.advance(embedded, states, memory, keys, mask)
        return tf.nn.log_softmax(self.member.head(outputs))[:, 0], *(state[:, 0] for state in states)


def table(result: dict) -> list[str]:
    """The result as Markdown."""
    lines = ["## speed", "", f"`{result['command']}`", ""]
    lines += ["Sentences per second, median of turns; the ratio is the median over turns.", ""]
    lines += ["| | seqapps, text to text | model.predict loop, ids to ids | ratio |", "|---|---|---|---|"]
    for name, speeds in result["speeds"].items():
        own, loop = speeds["seqapps"], speeds["model.predict"]
        ratio = statistics.median(a / b for a, b in zip(own, loop, strict=True))
        lines.append(f"| {name} | {statistics.median(own):.1f} | {statistics.median(loop):.2f} | {ratio:.0f} |")
    return [*lines, ""]
