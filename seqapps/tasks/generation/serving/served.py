"""A run that writes on from prompts, all at once or piece by piece, and reads on through documents."""

import codecs
import io
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps import export, run_folder
from seqapps.tasks.generation.config import Config, PredictOptions
from seqapps.tasks.generation.preprocessing import Preprocessing
from seqapps.tasks.generation.serving.knobs import knobs_of
from seqapps.text import batches, reading
from seqapps.text.reading.lines import check_unicode, decoded_lines, ending_of

ROWS_AT_ONCE = 64
STREAMED_AT_ONCE = 8  # tokens


class Served:
    """The newest SavedModel of a run, answering for prompts.

    Args:
        folder: The run.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.config = Config.from_dict(run_folder.read_options(folder), str(folder))
        self.preprocessing = Preprocessing.from_dict(run_folder.read_json(folder / "preprocessing.json")["fitted"])
        calibration = folder / "calibration.json"  # which is found with the served model, and so not there before
        self.calibration = run_folder.read_json(calibration) if calibration.is_file() else {}
        self._loaded = tf.saved_model.load(str(export.newest_version(folder / "export")))

    def predict(self, data: Any, **options: Any) -> pd.DataFrame:
        """Write on from prompts.

        Args:
            data: Texts, an open text file or the path of a `.txt` file with one prompt per line, a DataFrame, or the
                path of a table with a column of texts.
            **options: Fields of `PredictOptions`.

        Returns:
            One row per prompt: `prompt`, `text`, `tokens`, `log_probability` in nats and `finish_reason`.
        """
        parts = list(self.predict_parts(data, **options))
        frame = pd.concat(parts, ignore_index=True)
        frame.attrs = dict(parts[-1].attrs)
        return frame

    def predict_parts(self, data: Any, **options: Any) -> Iterator[pd.DataFrame]:
        """As `predict`, some prompts at a time, as they come.

        What a part warns of, it warns of in all prompts up to its end.
        """
        knobs = knobs_of(PredictOptions(**options))._asdict()
        typed = isinstance(data, io.TextIOBase) and data.isatty()  # then every line waits for its answer
        count, warnings = 0, Counter[str]()
        for prompts in batches.chunks(_prompts_of(data, self.config), 1 if typed else ROWS_AT_ONCE):
            raw = [prompt.encode("utf-8", "surrogateescape") for prompt in prompts]
            answer = {name: value.numpy() for name, value in self._loaded.generate(tf.constant(raw), **knobs).items()}
            count += len(raw)
            warnings.update(warning.decode() for warning in answer["warning"])
            columns: dict[str, Any] = {"prompt": [each.decode("utf-8", "replace") for each in raw]}
            columns["text"] = [text.decode() for text in answer["text"]]
            columns |= {name: answer[name] for name in ("tokens", "log_probability")}
            columns["finish_reason"] = [reason.decode() for reason in answer["finish_reason"]]
            frame = pd.DataFrame(columns)
            frame.attrs["warning"] = " ".join(
                f"{times} of {count} prompts: {said}" for said, times in warnings.items() if said
            )
            yield frame
        if not count:
            raise ValueError("There is no prompt to write on from: the input is empty.")

    def stream(self, prompt: str, **options: Any) -> Generator[str, None, str]:
        """The text that `predict` gives, piece by piece as it is made; at its end what there is to warn of.

        Args:
            prompt: From which to go on.
            **options: Fields of `PredictOptions`.
        """
        chosen = PredictOptions(**options)
        begun = self._loaded.begin(tf.constant([_checked(prompt, "the prompt")]), *knobs_of(chosen))
        writing, stop = begun["writing"], chosen.stop.encode()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        made, given, going = b"", 0, bool(writing["going"][0])
        while going:
            told = self._loaded.go_on(writing, begun["knobs"], tf.constant(STREAMED_AT_ONCE))
            writing = told["writing"]
            made, going = made + told["piece"].numpy()[0], bool(writing["going"][0])
            safe = len(made) - max(len(stop) - 1, 0)  # what follows may turn out to be the beginning of `stop`
            if not going:
                safe = int(writing["written"][0]) if stop else len(made)
            piece = decoder.decode(made[given : max(safe, given)], final=not going)
            given = max(safe, given)
            if piece:
                yield piece
        return begun["warning"].numpy()[0].decode()

    def advance(self, token_ids: np.ndarray, states: list | None) -> dict[str, Any]:
        """`(batch, time + 1)` ids and states before them → as `Writer.advance`; zeros are the states of a beginning."""
        if states is None:
            sizes = [spec.shape[1] for spec in self._state_specs()]
            states = [tf.zeros([len(token_ids), size]) for size in sizes]
        return self._loaded.advance(tf.constant(token_ids), states)

    def _state_specs(self) -> Sequence[tf.TensorSpec]:
        (concrete,) = self._loaded.advance.concrete_functions
        return concrete.structured_input_signature[0][1]

    def generate(self, prompts: Sequence[str], **options: Any) -> list[str]:
        """The texts that follow prompts, all in one batch; the seed of every row is its number."""
        knobs = knobs_of(PredictOptions(**options))._asdict() | {"seed": tf.range(len(prompts), dtype=tf.int64)}
        answer = self._loaded.generate(tf.constant(list(prompts)), **knobs)
        return [text.decode() for text in answer["text"].numpy()]


def _prompts_of(data: Any, config: Config) -> Iterator[str]:
    if isinstance(data, (str, Path)) and ending_of(Path(data)) == ".txt" and not Path(data).is_dir():
        if not Path(data).is_file():
            raise FileNotFoundError(f"There is no file or folder {str(data)!r}.")
        yield from (row.text for row in reading.text_rows(decoded_lines(Path(data), Path(data).name)))
    elif isinstance(data, (str, Path, pd.DataFrame)):
        yield from (row.text for row in _table(data, config).read())  # of which any may be empty
    elif isinstance(data, io.TextIOBase):
        yield from (row.text for row in reading.text_rows(data))
    else:
        yield from (_checked(text, f"prompt {number}") for number, text in enumerate(data))


def _table(data: str | Path | pd.DataFrame, config: Config) -> reading.Source:
    """A table of prompts: the run's column, one that is called prompt, or one with a usual name for texts."""
    for column in (config.text_column, "prompt"):
        with suppress(ValueError):
            return reading.open_source(data, column, labelled=False)
    return reading.open_source(data, labelled=False)


def _checked(text: Any, place: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{place}: a prompt must be a string. Received: {text!r}.")
    return check_unicode(text, place)
