"""A run that translates texts and tables."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps import checks, export, run_folder
from seqapps.tasks.translation.config import Config, PredictOptions
from seqapps.tasks.translation.serving.knobs import knobs_of
from seqapps.text import batches, reading
from seqapps.text.reading.lines import check_unicode, decoded_lines
from seqapps.text.reading.pairs import TABLES, ending_of, open_pairs

ROWS_AT_ONCE = 64


class Served:
    """The newest SavedModel of a run, answering for sources.

    Args:
        folder: The run.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        self.config = Config.from_dict(run_folder.read_options(folder), str(folder))
        self.calibration = run_folder.read_json(folder / "calibration.json")
        self._loaded = tf.saved_model.load(str(export.newest_version(folder / "export")))

    def predict(self, data: Any, **options: Any) -> pd.DataFrame:
        """Translate.

        Args:
            data: Texts, an open text file or the path of a file with one source per line, a DataFrame, or the path of
                a table with a column of sources.
            **options: Fields of `PredictOptions`.

        Returns:
            One row per source and translation: `source`, `target` and `score`; with `n_best` above 1 also `rank`.
        """
        parts = list(self.predict_parts(data, **options))
        frame = pd.concat(parts, ignore_index=True)
        frame.attrs = dict(parts[-1].attrs)
        return frame

    def predict_parts(self, data: Any, **options: Any) -> Iterator[pd.DataFrame]:
        """As `predict`, some sources at a time, as they come.

        What a part warns of, it warns of in all sources up to its end.
        """
        chosen = PredictOptions(**options)
        typed = isinstance(data, io.TextIOBase) and data.isatty()  # then every line waits for its answer
        count, warnings = 0, Counter[str]()
        for sources in batches.chunks(_sources_of(data, self.config), 1 if typed else ROWS_AT_ONCE):
            raw = [source.encode("utf-8", "surrogateescape") for source in sources]
            answer = self._translate(raw, chosen)
            count += len(raw)
            warnings.update(warning.decode() for warning in answer["warning"])
            frame = _frame([each.decode("utf-8", "replace") for each in raw], answer, chosen.n_best)
            frame.attrs["warning"] = " ".join(
                f"{times} of {count} sources: {said}" for said, times in warnings.items() if said
            )
            yield frame
        if not count:
            raise ValueError("There is no source to translate: the input is empty.")

    def translate(self, sources: Sequence[str], **options: Any) -> list[str]:
        """The best translation of every source, those of about equal length side by side."""
        chosen, answers = PredictOptions(**options), [""] * len(sources)
        order = np.argsort([len(source) for source in sources], kind="stable")
        for start in range(0, len(order), ROWS_AT_ONCE):
            rows = order[start : start + ROWS_AT_ONCE]
            answer = self._translate([sources[row] for row in rows], chosen)["target"]
            for row, target in zip(rows, answer, strict=True):
                answers[row] = target.decode()
        return answers

    def log_probabilities(self, sources: Sequence[str], targets: Sequence[str]) -> np.ndarray:
        """Nats of every target with its end: `(texts,)`."""
        told = []
        for start in range(0, len(sources), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            answer = self._loaded.score(tf.constant(sources[part], tf.string), tf.constant(targets[part], tf.string))
            told.append(answer["log_probability"].numpy())
        return np.concatenate(told)

    def align(self, source: str, target: str) -> tuple[list[str], list[str], np.ndarray]:
        """Tokens of a source and of a target, and the attention between them: `(target tokens, source tokens)`."""
        answer = {name: each.numpy()[0] for name, each in self._loaded.align([source], [target]).items()}
        tokens = [[token.decode() for token in answer[f"{side}_tokens"]] for side in ("source", "target")]
        return tokens[0], tokens[1], answer["attention"]

    def search_options(self, options: PredictOptions) -> dict[str, Any]:
        """How translations are searched for, with the run's length penalty where none is asked for."""
        told = {name: value for name, value in vars(options).items() if name != "n_best"}
        if options.length_penalty is None:
            told["length_penalty"] = self.calibration["length_penalty"]
        return told

    def _translate(self, sources: Sequence[str | bytes], options: PredictOptions) -> dict[str, np.ndarray]:
        if options.coverage_penalty and self.config.attention == "none":
            advice = "The run has attention='none'."
            checks.fail("coverage_penalty", "0 without attention", options.coverage_penalty, advice)
        knobs = knobs_of(options, self.calibration["length_penalty"])._asdict()
        answer = self._loaded.translate(tf.constant(list(sources), tf.string), **knobs)
        return {name: value.numpy() for name, value in answer.items()}


def _frame(sources: list[str], answer: dict[str, np.ndarray], n_best: int) -> pd.DataFrame:
    if n_best == 1:
        columns = {"source": sources, "target": [target.decode() for target in answer["target"]]}
        return pd.DataFrame(columns | {"score": answer["scores"][:, 0]})
    rows = [
        {"source": source, "rank": rank, "target": target.decode(), "score": score}
        for source, targets, scores in zip(sources, answer["targets"], answer["scores"], strict=True)
        for rank, (target, score) in enumerate(zip(targets, scores, strict=True), start=1)
        if rank == 1 or target or score
    ]
    return pd.DataFrame(rows)


def _sources_of(data: Any, config: Config) -> Iterator[str]:
    if isinstance(data, (str, Path)):
        path = Path(data)
        if ending_of(path) in TABLES:
            yield from _of_table(path, config)
        elif not path.is_file():
            raise FileNotFoundError(f"There is no file {str(path)!r}.")
        else:
            # As in training: what follows a tab is a translation, or says where the pair comes from.
            yield from (row.text.split("\t")[0] for row in reading.text_rows(decoded_lines(path, path.name)))
    elif isinstance(data, pd.DataFrame):
        yield from _of_table(data, config)
    elif isinstance(data, io.TextIOBase):
        yield from (row.text for row in reading.text_rows(data))
    else:
        yield from (_checked(text, f"source {number}") for number, text in enumerate(data))


def _of_table(data: Path | pd.DataFrame, config: Config) -> Iterator[str]:
    """The column of the run, or the one that is found as in training."""
    try:
        source = open_pairs(data, config.source_column, paired=False)
    except ValueError:
        source = open_pairs(data, paired=False)
    return (row.text for row in source.read())  # of which any may be empty


def _checked(text: Any, place: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{place}: a source must be a string. Received: {text!r}.")
    return check_unicode(text, place)
