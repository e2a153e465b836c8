"""Options of models that listen. Imports no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from seqapps import checks
from seqapps.config import TaskConfig, option

MODES = ("classify", "transcribe")
POOLINGS = ("last", "mean", "max", "mean_max")
TOKENIZERS = ("character", "word", "whitespace")
LEVELS = ("whole", "past", "none")
SPLIT_RULES = ("speaker", "random")
WIDEST_BEAM = 64
LONGEST_SECONDS = 120.0  # that a model reads, whatever is asked of it
DATA_HELP = (
    "folder with a sub-folder of recordings per word, table of files with labels or transcripts (CSV, TSV, JSON lines, "
    "Parquet), or a folder of train, validation and test"
)


@dataclass(frozen=True)
class Config(TaskConfig):
    """Options of a model that listens; `None` means that the data decide."""

    refused_controls: ClassVar[Mapping[str, str]] = {
        "memoryless": "A transcript is written in the order of what is heard; what the spectra of a word tell without "
        "a memory, the linear baseline shows.",
        "shuffled": "A transcript is written in the order of what is heard; a word is told while it is heard, from "
        "spectra that are measured by what was loudest before.",
    }

    units: int | tuple[int, ...] = option(128, "width of every layer, or one width per layer: 128,64", minimum=1)
    mode: str = option("classify", "one word per recording, or all that is said", choices=MODES)
    file_column: str | None = option(None, "column of files; by default file, path, filename, audio, …")
    label_column: str | None = option(None, "classify: column of words; by default label, word, class, …")
    transcript_column: str | None = option(
        None, "transcribe: column of what is said; by default transcript, text, sentence, …"
    )
    speaker_column: str | None = option(None, "column of speakers; by default speaker, speaker_id, voice, …")
    split_column: str | None = option(
        None, "column of train, validation and test; by default split, if there is one and no other rule is given"
    )
    split_by: str | None = option(
        None, "what stays together when parts are cut; by default speaker, where at least three are known",
        choices=SPLIT_RULES,
    )  # fmt: skip
    holdout_speaker: str | None = option(None, "speaker whose recordings are the test part")
    sample_rate: int | None = option(
        None, "samples per second that the model reads; by default as the training recordings have, 16000 at most",
        minimum=1000,
    )  # fmt: skip
    frame_milliseconds: float = option(25.0, "length of the window of a spectrum", above=0)
    step_milliseconds: float = option(10.0, "time from one spectrum to the next", above=0)
    mel_bins: int = option(40, "bands of the spectrum, equally wide on the mel scale", minimum=2)
    stack_frames: int = option(1, "neighbouring spectra that make one step of the network", minimum=1)
    level: str | None = option(
        None,
        "loudest moment that recordings are measured by: of the whole recording, of what was heard so far (past), or "
        "none; by default whole in two directions, past in one",
        choices=LEVELS,
    )
    max_seconds: float = option(20.0, "seconds that are read of a recording, from its start", above=0)
    augment: bool = option(
        True, "change voice, speed, pitch, loudness, place, microphone and noise of recordings while training"
    )
    pooling: str = option("mean_max", "classify: how the outputs of all steps become one vector", choices=POOLINGS)
    tokenizer: str = option("character", "transcribe: what a token is", choices=TOKENIZERS)
    vocabulary_size: int = option(1000, "transcribe: tokens that the model knows, at most", minimum=5)
    lowercase: bool = option(True, "transcribe: write small letters only")
    beam_width: int = option(
        1, "transcribe: texts that are followed side by side; 1 takes the likeliest path", minimum=1
    )
    streaming: bool = option(False, "insist on the signature `stream`, which reads a recording piece by piece")

    def __post_init__(self) -> None:
        super().__post_init__()
        only = {
            "classify": ("label_column", "pooling"),
            "transcribe": ("transcript_column", "tokenizer", "vocabulary_size", "lowercase", "beam_width"),
        }
        for mode, names in only.items():
            for name in names:
                default = type(self).__dataclass_fields__[name].default
                if mode != self.mode and getattr(self, name) != default:
                    checks.fail(name, f"left out with mode={self.mode!r}", getattr(self, name))
        if self.holdout_speaker is not None:
            self._check_holdout()
        if self.split_column is not None:
            self.check_default_fractions(("validation_fraction", "test_fraction"), "split_column")
            if self.split_by is not None:
                checks.fail("split_by", "left out with `split_column`", self.split_by)
        if self.step_milliseconds > self.frame_milliseconds:
            advice = "Sound between two windows would be lost."
            checks.fail("step_milliseconds", "at most frame_milliseconds", self.step_milliseconds, advice)
        for name, most in (("max_seconds", LONGEST_SECONDS), ("beam_width", WIDEST_BEAM)):
            if getattr(self, name) > most:
                checks.fail(name, f"at most {most:g}", getattr(self, name))
        if self.level == "whole" and not self.bidirectional:
            advice = "The loudest moment of the whole recording is not known to a stream."
            checks.fail("level", "'past' or 'none' in one direction", self.level, advice)
        if self.streaming and self.bidirectional:
            advice = "The second direction begins at the end, which a stream does not know."
            checks.fail("streaming", "False with bidirectional=True", True, advice)
        if self.streaming and self.beam_width > 1:
            advice = "A beam takes back what it has written; a stream cannot."
            checks.fail("streaming", "False with a beam_width above 1", True, advice)

    @property
    def measured_level(self) -> str:
        """What recordings are measured by."""
        return self.level or ("whole" if self.bidirectional else "past")

    def _check_holdout(self) -> None:
        """Refuse rules that a speaker who is held out leaves without effect."""
        for name in ("test_data", "split_column"):
            if getattr(self, name) is not None:
                checks.fail(name, "left out with `holdout_speaker`", getattr(self, name))
        self.check_default_fractions(("test_fraction",), "holdout_speaker")
