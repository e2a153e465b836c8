"""How many sentences a run translates in a second, beside a loop that calls `model.predict` for every token.

Both search in the same way with the same weights, and how many of their translations are equal is told; every turn runs
each once, one after the other, and the ratio is the median over turns. Ours goes from text to text over all sentences,
the loop from ids to ids over fewer, because it is slow.
"""

import platform
import statistics
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps import export, run_folder
from seqapps.decoding.beam import normalised
from seqapps.tasks.translation import model as translation_model  # whose layers a stored model is made of
from seqapps.tasks.translation.model import Remembered
from seqapps.tasks.translation.preprocessing import Preprocessing
from seqapps.tasks.translation.serving.translator import MORE, TIMES, Member
from seqapps.text.kinds import END, PAD, START, UNKNOWN

BATCHES, WIDTHS = (1, 64), (1, 5)
PREDICTED = {1: 16, 64: 128}  # sentences of the loop per turn
TURNS = 5
NEVER = -1e9


def measure(run: Path, sources: list[str]) -> dict:
    """Sentences per second of both at every batch size and beam width, turn by turn."""
    served = tf.saved_model.load(str(export.newest_version(run / "export")))
    model = keras.models.load_model(run / "model.keras", custom_objects=vars(translation_model), compile=False)
    prepared = Preprocessing.from_dict(run_folder.read_json(run / "preprocessing.json")["fitted"])
    ids = prepared.source.encode(tf.constant(sources))
    penalty = run_folder.read_json(run / "calibration.json")["length_penalty"]
    loop = Loop(model)
    speeds: dict[str, dict[str, list[float]]] = {}
    for batch in BATCHES:
        for width in WIDTHS:
            told: dict[str, list[float]] = {"seqapps": [], "model.predict": []}
            some = [ids[start : start + batch] for start in range(0, PREDICTED[batch], batch)]
            for turn in range(-1, TURNS):  # the first turn warms up
                seconds, answers = ours(served, sources, batch, width)
                taken, found = loop.translate(some, width, penalty)
                if turn >= 0:
                    told["seqapps"].append(len(sources) / seconds)
                    told["model.predict"].append(PREDICTED[batch] / taken)
            texts = [text.decode() for each in found for text in prepared.target.decode(tf.constant(each)).numpy()]
            told["equal"] = [float(np.mean([a == b for a, b in zip(texts, answers, strict=False)]))]
            speeds[f"batch {batch}, beam {width}"] = told
    command = "python benchmarks/translation.py speed --data DIR --run RUN"
    return {"command": command, "machine": f"{platform.system()} on {platform.machine()}", "speeds": speeds}


def ours(served, sources: list[str], batch: int, width: int) -> tuple[float, list[str]]:
    """Seconds of the signature `translate`, and its answers."""
    began, answers = time.perf_counter(), []
    for start in range(0, len(sources), batch):
        told = served.translate(tf.constant(sources[start : start + batch]), beam_width=tf.constant([width]))
        answers += told["target"].numpy().tolist()
    return time.perf_counter() - began, [answer.decode() for answer in answers]


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
        keys, values = keras.Input((None, decoder.attention.units)), keras.Input((None, decoder.width))
        mask = keras.Input((None,), dtype="bool")
        self.stepper = keras.Model(
            [token, *states, keys, values, mask], Step(member)(token, states, keys, values, mask)
        )

    def translate(self, some: list, width: int, penalty: float) -> tuple[float, list[np.ndarray]]:
        """Seconds for batches of ids, and the ids of the best translations."""
        began, found = time.perf_counter(), []
        for ids in some:
            source, sizes = np.array(ids.to_tensor(PAD)), np.array(ids.row_lengths())
            ended = np.pad(source, [[0, 0], [0, 1]])
            ended[np.arange(len(source)), sizes] = END
            found.append(self.search(ended, width, TIMES * sizes + MORE, penalty))
        return time.perf_counter() - began, found

    def search(self, source: np.ndarray, width: int, most: np.ndarray, penalty: float) -> np.ndarray:
        """As `decoding.beam`: the ids of the best translation of every row."""
        rows, own = len(source), np.arange(width)
        keys, places, mask, *states = (
            np.repeat(each, width, axis=0) for each in self.reader.predict(source, verbose=0, batch_size=rows)
        )
        values, sizes = np.where(own == 0, 0.0, NEVER) * np.ones((rows, 1)), np.zeros((rows, width), int)
        ended, texts = np.zeros((rows, width), bool), np.zeros((rows, width, 0), "int32")
        last = np.full((rows * width, 1), START, "int32")
        while ((values > NEVER / 2) & ~ended).any():
            inputs = [last, *states, keys, places, mask]
            told, *states = self.stepper.predict(inputs, verbose=0, batch_size=rows * width)
            told = told.reshape(rows, width, -1)
            told[:, :, [PAD, UNKNOWN, START]] = NEVER
            total = np.where(ended[:, :, None], NEVER, np.maximum(values[:, :, None] + told, NEVER)).reshape(rows, -1)
            some = np.argpartition(-total, width - 1, axis=1)[:, :width]
            order = np.argsort(-np.take_along_axis(total, some, axis=1), axis=1, kind="stable")
            chosen = np.take_along_axis(some, order, axis=1)
            parent, token = np.divmod(chosen, told.shape[2])
            new = np.take_along_axis(total, chosen, axis=1)
            taken = (own < width - ended.sum(axis=1)[:, None]) & (new > NEVER / 2)
            kept = np.concatenate([ended, taken], axis=1)
            place = np.argsort(~kept, axis=1, kind="stable")[:, :width]

            def of_both(old: np.ndarray, added: np.ndarray, place: np.ndarray = place) -> np.ndarray:
                return np.take_along_axis(np.concatenate([old, added], axis=1), place, axis=1)

            came, is_new = of_both(np.broadcast_to(own, parent.shape), parent), of_both(np.zeros_like(taken), taken)
            exists, token = np.take_along_axis(kept, place, axis=1), of_both(np.zeros_like(token), token)
            values = np.where(exists, of_both(values, new), NEVER)
            sizes = np.take_along_axis(sizes, came, axis=1) + is_new
            ended = exists & ((is_new & ((token == END) | (sizes >= most[:, None]))) | ~is_new)
            texts = np.take_along_axis(texts, came[:, :, None], axis=1)
            texts = np.concatenate([texts, np.where(token == END, PAD, token)[:, :, None]], axis=2)
            flat = (np.arange(rows)[:, None] * width + came).ravel()
            states, last = [state[flat] for state in states], token.reshape(-1, 1).astype("int32")
        best = normalised(values, sizes, penalty).argmax(axis=1)
        return texts[np.arange(rows), best]


class Reader(keras.layers.Layer):
    """Ids → keys, values, mask and states."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member

    def call(self, source):
        reading = self.member.read(source)
        return *reading.remembered, reading.mask, *reading.states


class Step(keras.layers.Layer):
    """Token and states → log-probabilities and states."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.member = member

    def call(self, token, states, keys, values, mask):
        embedded = self.member.target_embedding(token)
        states = [state[:, None] for state in states]
        outputs, states, _ = self.member.decoder.advance(embedded, states, Remembered(keys, values), mask)
        return tf.nn.log_softmax(self.member.head(outputs))[:, 0], *(state[:, 0] for state in states)


def table(result: dict) -> list[str]:
    """The result as Markdown."""
    lines = ["## speed", "", f"`{result['command']}`", ""]
    lines += ["Sentences per second, median of turns; the ratio is the median over turns.", ""]
    lines += ["| | seqapps, text to text | model.predict loop, ids to ids | ratio | equal translations |"]
    lines += ["|---|---|---|---|---|"]
    for name, speeds in result["speeds"].items():
        own, loop = speeds["seqapps"], speeds["model.predict"]
        ratio = statistics.median(a / b for a, b in zip(own, loop, strict=True))
        cells = f"{statistics.median(own):.1f} | {statistics.median(loop):.2f} | {ratio:.0f}"
        lines.append(f"| {name} | {cells} | {speeds['equal'][0]:.1%} |")
    return [*lines, ""]
