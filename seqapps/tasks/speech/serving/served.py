"""A run that listens to files, tables and waveforms."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps import export, run_folder
from seqapps.audio import reading
from seqapps.audio.sounds import Sounds
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.data.listing import is_recording, listed
from seqapps.tasks.speech.preprocessing import Preprocessing

ROWS_AT_ONCE = 32


class Served:
    """The newest SavedModel of a run, answering for recordings.

    Args:
        folder: The run.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.config = Config.from_dict(run_folder.read_options(folder), str(folder))
        self.preprocessing = Preprocessing.from_dict(run_folder.read_json(folder / "preprocessing.json")["fitted"])
        self.temperature = float(run_folder.read_json(folder / "calibration.json")["temperature"])
        self._loaded = tf.saved_model.load(str(export.newest_version(folder / "export")))

    def answers(self, sounds: Sounds) -> dict[str, Any]:
        """What the signature `waveform` tells of every recording, those of about equal length side by side.

        Returns:
            `probabilities (recordings, words)` float64, or `text`, a list, and `log_probability (recordings,)`.
        """
        order = np.argsort(sounds.lengths, kind="stable")
        parts = []
        for start in range(0, len(order), ROWS_AT_ONCE):
            parts.append(self._heard(*sounds.padded(order[start : start + ROWS_AT_ONCE])))
        back = np.argsort(order)
        told = {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}
        if not self.preprocessing.transcribes:
            return {"probabilities": told["probabilities"].astype("float64")}
        return {"text": [text.decode() for text in told["text"]], "log_probability": told["log_probability"]}

    def _heard(self, waveforms: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
        answer = self._loaded.waveform(waveform=tf.constant(waveforms), length=tf.constant(lengths))
        return {name: value.numpy() for name, value in answer.items()}

    def predict(self, data: Any) -> pd.DataFrame:
        """Listen to recordings.

        Args:
            data: Paths of recordings; the path of one, of a folder of them, or of a table as for training, whose
                labels are not needed; a DataFrame; or an open text file with one path per line.

        Returns:
            One row per recording: `file`, and `label`, `probability` and the probability of every word, or `text` and
            `log_probability`.
        """
        return pd.concat(list(self.predict_parts(data)), ignore_index=True)

    def predict_parts(self, data: Any) -> Iterator[pd.DataFrame]:
        """As `predict`, some recordings at a time, as they come."""
        files, count = iter(_files_of(data, self.config)), 0
        typed = hasattr(data, "isatty") and data.isatty()  # then every line waits for its answer
        while some := list(islice(files, 1 if typed else ROWS_AT_ONCE)):
            yield self._predicted(some)
            count += len(some)
        if not count:
            raise ValueError("There is no recording to listen to: the input is empty.")

    def _predicted(self, files: list[tuple[str, Path]]) -> pd.DataFrame:
        prepared = self.preprocessing
        read = [reading.read(path, prepared.frames.sample_rate, prepared.max_seconds) for _, path in files]
        samples, lengths = np.concatenate(read), [len(each) for each in read]
        told = self.answers(Sounds(samples, np.cumsum([0, *lengths])))
        columns: dict[str, Any] = {"file": [name for name, _ in files]}
        if prepared.transcribes:
            return pd.DataFrame(columns | told)
        probabilities = told["probabilities"]
        columns["label"] = [prepared.classes[row] for row in probabilities.argmax(axis=1)]
        columns["probability"] = probabilities.max(axis=1)
        columns |= {f"probability_{word}": probabilities[:, row] for row, word in enumerate(prepared.classes)}
        return pd.DataFrame(columns)


def _files_of(data: Any, config: Config) -> Iterable[tuple[str, Path]]:
    """The name and the path of every recording."""
    if isinstance(data, (str, Path)) and (is_recording(Path(data)) or Path(data).suffix.lower() in reading.ENDINGS):
        return [(str(data), Path(data))]
    if isinstance(data, (str, Path, pd.DataFrame)):
        own, any_name = _without_answers(config, config.file_column), _without_answers(config, None)
        try:
            recordings = listed(data, own, answered=False, cut=False).recordings
        except ValueError:  # a table may call its column of files otherwise than that of the training
            recordings = listed(data, any_name, answered=False, cut=False).recordings
        return ((recording.name, recording.path) for recording in recordings)
    lines = (str(line).rstrip("\r\n") for line in data)
    return ((line, Path(line)) for line in lines if line.strip())


def _without_answers(config: Config, file_column: str | None) -> Config:
    """The config for a table that need not have the run's columns of answers, speakers and parts."""
    names = ("label_column", "transcript_column", "speaker_column", "split_column")
    return Config.from_dict(config.to_dict() | dict.fromkeys(names) | {"file_column": file_column})
