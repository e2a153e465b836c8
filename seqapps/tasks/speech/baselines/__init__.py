"""The honest simple methods: the commonest answer, and logistic regression on the averaged spectra of words."""

from seqapps.audio.sounds import Sounds
from seqapps.tasks.speech.baselines.linear import LinearWords
from seqapps.tasks.speech.baselines.methods import COMMONEST, LINEAR, SEGMENTED, Baselines, fit_transcripts, fit_words
from seqapps.tasks.speech.preprocessing import Preprocessing

__all__ = ["COMMONEST", "LINEAR", "SEGMENTED", "Baselines", "LinearWords", "fit"]


def fit(parts: dict[str, tuple[Sounds, list[str]]], prepared: Preprocessing) -> Baselines:
    """Fit on the training part, and choose on validation.

    Args:
        parts: For `train` and `validation` the waveforms and what is said in them.
        prepared: Says how waveforms are cut and what the words are.
    """
    return (fit_transcripts if prepared.transcribes else fit_words)(parts, prepared)
