"""What a run says of itself: on the terminal and in its model card."""

from typing import Any

from seqapps import report
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.data import SPLITS, Splits
from seqapps.tasks.speech.evaluation import metrics_of
from seqapps.tasks.speech.preprocessing import Preprocessing

MOST_NAMED = 12  # words


def summary(metrics: dict[str, Any]) -> str:
    """The score table and the verdict, for the terminal."""
    header, rows = report.score_table(metrics["methods"], metrics_of(metrics["mode"]))
    heading = f"Scores on the {metrics['split']} part ({metrics['recordings']} recordings):"
    return "\n".join([heading, report.text_table(header, rows), metrics["verdict"]])


def say(splits: Splits, config: Config, prepared: Preprocessing) -> None:
    """What is about to be trained, on what."""
    counts = ", ".join(f"{split} {len(splits.parts[split])}" for split in SPLITS)
    print(
        f"{sum(map(len, splits.parts.values()))} recordings at {splits.sample_rate} Hz: {counts}; {_told(prepared)}; "
        f"{_speakers(splits)}."
    )
    for note in splits.notes:
        print(f"Note: {note}")
    direction = "two directions" if config.bidirectional else "one direction"
    print(
        f"Training {report.in_brief(config)}, {direction}, mode {config.mode}.",
        flush=True,
    )


def _told(prepared: Preprocessing) -> str:
    """What a model tells apart."""
    if prepared.tokenizer is not None:
        return f"{prepared.outputs} tokens ({prepared.tokenizer.kind})"
    return f"{len(prepared.classes)} words: {_named(prepared.classes)}"


def _named(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:MOST_NAMED]) + (", …" if len(classes) > MOST_NAMED else "")


def _speakers(splits: Splits) -> str:
    """How many speakers every part has, where they are known."""
    counts = []
    for split in SPLITS:
        names = {recording.speaker for recording in splits.parts[split].recordings}
        if None in names:
            return "speakers not known"
        counts.append(f"{split} {len(names)}")
    return f"speakers: {', '.join(counts)}"


def model_card(config: Config, splits: Splits, prepared: Preprocessing, metrics: dict[str, Any]) -> str:
    """The run in words, as `README.md` of its folder."""
    header, rows = report.score_table(metrics["methods"], metrics_of(config.mode))
    table = "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
    kind = "Transcriber of speech" if prepared.transcribes else f"Spoken words: {_named(prepared.classes)}"
    does = "writes what is said" if prepared.transcribes else "tells which word is said"
    streamed = "" if config.bidirectional else " `stream` reads a recording piece by piece."
    told = "".join(f"- {note}\n" for note in metrics["notes"])
    told = told and f"\n## To know\n\n{told}"
    return f"""# {kind}

{report.in_words(config)} reads log-mel spectra
({config.mel_bins} bands, every {prepared.frames.hop / prepared.frames.sample_rate * 1000:g} ms) and {does}. Trained on
{len(splits.parts["train"])} recordings ({_speakers(splits)}). Of a recording it reads {prepared.max_seconds:g} seconds.
{told}
## Scores on the {metrics["split"]} part

{metrics["verdict"]}

{table}

## Use

`export/` holds a SavedModel that takes sound of one channel at {prepared.frames.sample_rate} Hz: 16-bit samples as
bytes (`serving_default`) or numbers between -1 and 1 (`waveform`).{streamed} `export/1/assets.extra/` describes its
signatures and holds sample requests. It knows voices, rooms and microphones like those of its training part; of others
it is as sure and not as often right.
"""
