"""The bundle: raw text → label and probabilities, as the interface of signatures fixes them."""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps import export, run_folder
from seqapps.tasks.sentiment import linear
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.linear import LinearSkip
from seqapps.tasks.sentiment.model import stack_of
from seqapps.tasks.sentiment.preprocessing import Preprocessing
from seqapps.text import batches, reading, tokenizers
from seqapps.text.reading.lines import check_unicode, decoded_lines, ending_of

TEXTS_AT_ONCE = 256
EXAMPLES = ("A lovely place, I would go again.", "", "Never again: cold, loud and dear.", "日本語 مرحبا 🙂 \x07")
HALF = 0.5
TEXT = tf.TensorSpec([None], tf.string, name="text")
THRESHOLD = tf.TensorSpec([None], tf.float32, name="threshold")
TOP_K = tf.TensorSpec([None], tf.int32, name="top_k")


def bundle(
    model: keras.Model, preprocessing: Preprocessing, temperature: float, skip: LinearSkip | None = None
) -> export.Bundle:
    """The signatures `serving_default` and `classify` of a trained model.

    Args:
        model: From `build_model`.
        preprocessing: Fitted with the model.
        temperature: Divides the logits.
        skip: Whose logits the model adds to those of the network.

    Returns:
        A bundle with
        `serving_default(text)` → `label (batch,)`, the likeliest class or with several labels per text all that are
        likelier than not, joined by the separator; `probability (batch,)` of the likeliest class; and
        `probabilities (batch, classes)`;
        `classify(text, threshold, top_k)` → `labels` and `scores (batch, K)` falling, K the largest `top_k`, padded
        with "" and 0; `accepted (batch, K)`, whether a score reaches the row's threshold; `logits (batch, classes)`
        and `warning (batch,)`.
    """
    if (stack := stack_of(model)) is not None:
        stack.use_cudnn = False  # a graph traced for cuDNN would not run on a CPU
    classes = tf.constant(preprocessing.classes)

    def answer(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        token_ids = preprocessing.tokenizer.encode(text)
        read = preprocessing.cut(token_ids)
        inputs = _dense(read) if skip is None else [_dense(read), skip.logits(read)]
        logits = model(inputs, training=False) / temperature  # (batch, classes)
        return token_ids, logits, tf.sigmoid(logits) if preprocessing.multi_label else tf.nn.softmax(logits)

    @tf.function(input_signature=[TEXT])
    def serving_default(text):
        _, _, probabilities = answer(text)
        label = _label(probabilities, classes, preprocessing.label_separator)
        probability = tf.reduce_max(probabilities, axis=1)
        return {"label": label, "probability": probability, "probabilities": probabilities}

    @tf.function(input_signature=[TEXT, THRESHOLD, TOP_K])
    def classify(text, threshold=tf.constant([0.0]), top_k=tf.constant([1])):  # noqa: B008
        token_ids, logits, probabilities = answer(text)
        ranked = _ranked(probabilities, classes, threshold, top_k)
        return ranked | {"logits": logits, "warning": _warnings(text, token_ids, preprocessing)}

    functions = {"serving_default": serving_default, "classify": classify}
    variables = [*(variable.value for variable in model.variables), *(skip.variables if skip else ())]
    return export.Bundle(variables, functions, preprocessing.tokenizer.tables)


def _label(probabilities: tf.Tensor, classes: tf.Tensor, separator: str | None) -> tf.Tensor:
    """The answer of every row: `(batch,)`, empty where no class of several is likelier than not."""
    if separator is None:
        return tf.gather(classes, tf.argmax(probabilities, axis=1))
    names = tf.broadcast_to(classes, tf.shape(probabilities))
    return tf.strings.reduce_join(tf.ragged.boolean_mask(names, probabilities > HALF), axis=1, separator=separator)


def _ranked(probabilities: tf.Tensor, classes: tf.Tensor, threshold: tf.Tensor, top_k: tf.Tensor) -> dict:
    """The classes of every row from the likeliest on, as many as the row asks for: `(batch, K)` each."""
    batch, count = tf.shape(probabilities)[:1], tf.shape(classes)[0]
    wanted = tf.clip_by_value(top_k, 1, count)
    scores, order = tf.math.top_k(probabilities, k=tf.maximum(tf.reduce_max(wanted), 1))
    wanted = tf.broadcast_to(wanted, batch)[:, None]
    inside = tf.range(tf.shape(scores)[1])[None] < wanted
    return {
        "labels": tf.where(inside, tf.gather(classes, order), ""),
        "scores": tf.where(inside, scores, 0.0),
        "accepted": inside & (scores >= tf.broadcast_to(threshold, batch)[:, None]),
    }


def _dense(token_ids: tf.RaggedTensor) -> tf.Tensor:
    """Ids padded with 0 to the longest row, of one step at least: `(batch, time)`."""
    padded = token_ids.to_tensor(tokenizers.PAD)
    return tf.pad(padded, [[0, 0], [0, tf.maximum(0, 1 - tf.shape(padded)[1])]])


def _warnings(text: tf.Tensor, token_ids: tf.RaggedTensor, preprocessing: Preprocessing) -> tf.Tensor:
    """What a caller should know about each row, its ids not yet cut: `(batch,)`, empty where nothing is to say."""
    lengths = tf.cast(token_ids.row_lengths(), tf.int32)
    unknown = tf.reduce_sum(tf.cast(token_ids == tokenizers.UNKNOWN, tf.int32), axis=1)
    valid = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    most = preprocessing.max_tokens
    sentences = [
        (lengths == 0, "The text has no token: the answer is the same for all such texts. "),
        (lengths > most, f"The text is long: {most} tokens were read, from its start and its end. "),
        ((2 * unknown > lengths) & (lengths > 0), "More than half of the tokens are not in the vocabulary. "),
        (valid != text, "Bytes that are not UTF-8 were replaced. "),
    ]
    return tf.strings.strip(tf.strings.join([tf.where(applies, said, "") for applies, said in sentences]))


def facts(preprocessing: Preprocessing, config: Config) -> dict[str, Any]:
    """What `signatures.json` tells beside shapes."""
    separator = preprocessing.label_separator
    several = f"all classes whose probability is above {HALF}, joined by {separator!r}; empty if there is none"
    return {
        "task": "sentiment",
        "classes": list(preprocessing.classes),
        "multi_label": preprocessing.multi_label,
        "label_separator": separator,
        "label": several if preprocessing.multi_label else "the class with the highest probability",
        "tokenizer": config.tokenizer,
        "vocabulary_size": preprocessing.tokenizer.vocabulary_size,
        "max_tokens": preprocessing.max_tokens,
        "ranges": {"threshold": [0, 1], "top_k": [1, len(preprocessing.classes)]},
    }


def example_requests() -> dict[str, dict[str, np.ndarray]]:
    """One golden request per signature: plain, empty, foreign and malformed texts, with and without knobs."""
    texts = np.array([text.encode() for text in EXAMPLES] + [b"\xff\xfe"], dtype=object)
    knobs = {"threshold": np.array([0.0, 0.5, 0.9, 0.0, 1.0], "float32"), "top_k": np.array([1, 2, 1, 9, 0], "int32")}
    return {"serving_default": {"text": texts}, "classify": {"text": texts} | knobs}


class Served:
    """The newest SavedModel of a run, answering for texts and tables.

    Args:
        folder: The run.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.config = Config.from_dict(run_folder.read_options(folder), str(folder))
        self.preprocessing = Preprocessing.from_dict(run_folder.read_json(folder / "preprocessing.json")["fitted"])
        self.temperature = float(run_folder.read_json(folder / "calibration.json")["temperature"])
        self._folder = folder
        self._loaded = tf.saved_model.load(str(export.newest_version(folder / "export")))

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Logits of the signature `classify`, divided by the temperature: `(texts, classes)` float64."""
        parts = [self._classify(texts[start : start + TEXTS_AT_ONCE]) for start in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([part["logits"] for part in parts]).astype("float64")

    def skip_logits(self, texts: Sequence[str]) -> np.ndarray | None:
        """Logits of the linear skip without the network: `(texts, classes)` float64; `None` of a run without one."""
        if self._skip is None:
            return None
        return self._skip(tf.constant(list(texts), tf.string)).numpy().astype("float64")

    @cached_property
    def _skip(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Texts → logits of the linear skip; read when it is first asked for, as it may be large."""
        if self.config.linear_skip == "none":
            return None
        skip = linear.stored(self._folder)
        if skip is None:
            raise FileNotFoundError(f"There is no file {str(self._folder / linear.FILE)!r} with the run's linear skip.")
        return tf.function(lambda texts: skip.logits(self.preprocessing.encode(texts)), input_signature=[TEXT])

    def _classify(self, texts: Sequence[str | bytes]) -> dict[str, np.ndarray]:
        answer = self._loaded.classify(text=tf.constant(list(texts), tf.string))
        return {name: value.numpy() for name, value in answer.items()}

    def predict(self, data: Any) -> pd.DataFrame:
        """Classify texts.

        Args:
            data: Texts, an open text file with one text per line, a DataFrame, or the path of a file or
                folder as for training; labels are not needed.

        Returns:
            One row per text: the text, its label (with several labels per text all that are likelier than not, joined
            by the separator), the probability of its likeliest class, and the probability of every class.
        """
        parts = list(self.predict_parts(data))
        frame = pd.concat(parts, ignore_index=True)
        frame.attrs = dict(parts[-1].attrs)
        return frame

    def predict_parts(self, data: Any) -> Iterator[pd.DataFrame]:
        """As `predict`, some texts at a time, as they come: neither they nor their answers are ever held together.

        What a part warns of, it warns of in all texts up to its end.
        """
        typed = isinstance(data, io.TextIOBase) and data.isatty()  # then every line waits for its answer
        count, warnings = 0, Counter[str]()
        for texts in batches.chunks(_texts_of(data, self.config), 1 if typed else TEXTS_AT_ONCE):
            raw = [text.encode("utf-8", "surrogateescape") for text in texts]  # what a stream had of invalid bytes
            answer = self._classify(raw)
            count += len(texts)
            warnings.update(warning.decode() for warning in answer["warning"])
            frame = self._answers([each.decode("utf-8", "replace") for each in raw], tf.constant(answer["logits"]))
            frame.attrs["warning"] = " ".join(
                f"{times} of {count} texts: {said}" for said, times in warnings.items() if said
            )
            yield frame
        if not count:
            raise ValueError("There is no text to classify: the input is empty.")

    def _answers(self, texts: Sequence[str], logits: tf.Tensor) -> pd.DataFrame:
        classes, separator = self.preprocessing.classes, self.preprocessing.label_separator
        probabilities = (tf.nn.softmax(logits) if separator is None else tf.sigmoid(logits)).numpy()
        labels = _label(tf.constant(probabilities), tf.constant(classes), separator).numpy()
        columns: dict[str, Any] = {"text": texts, "label": [label.decode() for label in labels]}
        columns["probability"] = probabilities.max(axis=1)
        columns |= {f"probability_{name}": probabilities[:, number] for number, name in enumerate(classes)}
        return pd.DataFrame(columns)


def with_columns_of(data: str | Path | pd.DataFrame, config: Config, labelled: bool = True) -> Config:
    """The config for a table that may call its columns otherwise than the run's: what it lacks is found as in training.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the data cannot be read, or have neither the run's columns nor others that can be told.
    """
    own = (config.text_column, config.label_column if labelled else None)
    try:
        reading.open_source(data, *own, labelled, config.label_separator)
    except ValueError:
        for text, label in product((own[0], None), (own[1], None)):
            with suppress(ValueError):
                reading.open_source(data, text, label, labelled, config.label_separator)
                return replace(config, text_column=text, label_column=label)
        raise
    return config


def _texts_of(data: Any, config: Config) -> Iterator[str]:
    if isinstance(data, (str, Path)) and ending_of(Path(data)) == ".txt" and not Path(data).is_dir():
        if not Path(data).is_file():
            raise FileNotFoundError(f"There is no file or folder {str(data)!r}.")
        yield from (row.text for row in reading.text_rows(decoded_lines(Path(data), Path(data).name)))
    elif isinstance(data, (str, Path, pd.DataFrame)):
        column = with_columns_of(data, config, labelled=False).text_column
        yield from (row.text for row in reading.open_source(data, column, labelled=False))
    elif isinstance(data, io.TextIOBase):
        yield from (row.text for row in reading.text_rows(data))
    else:
        yield from (_checked(text, f"text {number}") for number, text in enumerate(data))


def _checked(text: Any, place: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{place}: the text must be a string. Received: {text!r}.")
    return check_unicode(text, place)
