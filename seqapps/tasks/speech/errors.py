"""Word and character errors of transcripts, recording by recording, counted by jiwer."""

from collections.abc import Sequence

import jiwer
import numpy as np


def plain(texts: Sequence[str], lowercase: bool) -> list[str]:
    """Texts with single blanks, as white space separates words and nothing more, and in small letters if asked for.

    Example:

    >>> plain(["Three  ONE ", ""], lowercase=True)
    ['three one', '']
    """
    single = [" ".join(text.split()) for text in texts]
    return [text.lower() for text in single] if lowercase else single


def word_errors(references: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """Words that must be put in, left out or exchanged to make each answer its reference: `(recordings,)`.

    Example:

    >>> word_errors(["three one four", ""], ["three four four", "one"]).tolist()
    [1, 1]
    """
    return _errors(references, answers, jiwer.process_words, lambda text: len(text.split()))


def character_errors(references: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """As `word_errors`, of characters, blanks included."""
    return _errors(references, answers, jiwer.process_characters, len)


def words_of(references: Sequence[str]) -> np.ndarray:
    """`(recordings,)` words of every reference."""
    return np.array([len(text.split()) for text in references])


def rate(errors: np.ndarray, lengths: np.ndarray) -> float:
    """Errors per word or character of the references; where these have none, per recording."""
    return float(errors.sum() / (lengths.sum() or len(lengths)))


def _errors(references: Sequence[str], answers: Sequence[str], process, length) -> np.ndarray:
    counts = []
    for reference, answer in zip(references, answers, strict=True):
        if not reference.strip():  # of which jiwer counts nothing: all that is written is too much
            counts.append(length(answer))
            continue
        found = process(reference, answer)
        counts.append(found.substitutions + found.deletions + found.insertions)
    return np.array(counts)
