"""Figures and sections of the report on speech."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure

from seqapps import report
from seqapps.audio.sounds import Sounds
from seqapps.classification import temperature
from seqapps.classification.scores import LOWER_IS_BETTER
from seqapps.tasks.speech.baselines.linear import spectra_of
from seqapps.tasks.speech.config import Config
from seqapps.tasks.speech.evaluation import MODEL, Evaluation, metrics_of, wins
from seqapps.tasks.speech.model import BLANK
from seqapps.tasks.speech.preprocessing import Preprocessing

SHOWN = 6  # recordings of a kind
MOST_CLASSES = 20  # in the figure of the confusion matrix
MOST_SPEAKERS = 50  # in the table
LONGEST_LABEL = 60  # characters above a spectrogram
SMALLER = ("word_error_rate", "character_error_rate", *LOWER_IS_BETTER)


def write_report(
    path: Path,
    config: Config,
    result: Evaluation,
    model: keras.Model,
    prepared: Preprocessing,
    sounds: Sounds,
    history: Sequence[Mapping[str, float]],
    best_epoch: int,
) -> None:
    """Write `report.html`: verdict and table first, then words, speakers, spectrograms with answers, training."""
    sections = [_score_section(result)]
    if not prepared.transcribes:
        sections += [_word_section(result, prepared.classes), _calibration_section(result, prepared.classes)]
    if result.metrics["by_speaker"]:
        sections.append(_speaker_section(result))
    sections += _sound_sections(result, model, prepared, sounds)
    curves = report.curves(history, best_epoch, averaged=config.average_weights > 0)
    training = report.Section("Training").figure(curves, "Training and validation loss")
    options = {name: value for name, value in config.to_dict().items() if value is not None}
    training.paragraph("Options: " + ", ".join(f"{name} {value}" for name, value in options.items()), "note")
    words = "transcripts" if prepared.transcribes else ", ".join(prepared.classes[:6])
    title = f"Speech: {words}" + (" …" if len(prepared.classes) > 6 else "")
    report.write(path, title, [*sections, training])


def _score_section(result: Evaluation) -> report.Section:
    metrics = result.metrics
    names = metrics_of(metrics["mode"])
    section = report.Section(f"Scores on the {metrics['split']} part")
    section.paragraph(metrics["verdict"], "verdict" if wins(metrics) else "verdict loses")
    goals = {name: 1.0 for name in names if name not in SMALLER}
    best = report.best_rows(metrics["methods"], names, goals)
    section.table(*report.score_table(metrics["methods"], names), best=best, own=0)
    low, high = metrics["interval"][MODEL]
    if metrics["mode"] == "classify":
        told = "Log loss (nats) and calibration error are better when lower, the others when higher."
        first = "accuracy"
    else:
        told = f"Errors are counted per word ({metrics['words']}) and character of what was said; lower is better."
        first = "word error rate"
    section.paragraph(
        f"{metrics['recordings']} recordings. The model's {first} lies between {low:.4g} and {high:.4g} with 95 % "
        f"confidence (bootstrap over recordings). {told}",
        "note",
    )
    for note in metrics["notes"]:
        section.paragraph(f"Note: {note}")
    return section


def _word_section(result: Evaluation, classes: Sequence[str]) -> report.Section:
    section = report.Section("Words")
    header = ["", "precision", "recall", "F1", "recordings"]
    rows = [
        [name, *(report.number(each[key]) for key in ("precision", "recall", "f1")), str(each["texts"])]
        for name, each in result.metrics["by_class"].items()
    ]
    section.table(header, rows)
    counts = np.array(result.metrics["confusion"])
    if len(classes) > MOST_CLASSES:
        return section
    told = "Recordings by what is said and what was heard; the colour is the share of the word."
    section.paragraph(told, "note")
    return section.figure(report.confusion(counts, classes), "Recordings by true word and answer")


def _calibration_section(result: Evaluation, classes: Sequence[str]) -> report.Section:
    targets = np.array([classes.index(answer) for answer in result.references])
    sure = temperature.certainties(result.probabilities[MODEL], targets, multi_label=False)
    figure = report.calibration(temperature.bins(*sure))
    section = report.Section("Calibration").figure(figure, "Certainty of answers against the share that is right")
    before = result.metrics["calibration_error_before"]
    after = result.metrics["methods"][MODEL]["calibration_error"]
    return section.paragraph(
        f"Calibration error {before:.4f} before the temperature that was fitted on validation, {after:.4f} with it. "
        "The area of a point is its share of the answers.",
        "note",
    )


def _speaker_section(result: Evaluation) -> report.Section:
    by_speaker = result.metrics["by_speaker"]
    methods = list(result.answers)
    rows = [
        [name, f"{each['recordings']:.0f}", *(report.number(each[method]) for method in methods)]
        for name, each in islice(by_speaker.items(), MOST_SPEAKERS)
    ]
    what = "Accuracy" if result.metrics["mode"] == "classify" else "Word error rate"
    section = report.Section("Speakers").table(["", "recordings", *methods], rows)
    left_out = len(by_speaker) - len(rows)
    more = f" {left_out} more speakers stand in metrics.json." if left_out else ""
    return section.paragraph(f"{what} by speaker, the hardest one first.{more}", "note")


def _sound_sections(
    result: Evaluation, model: keras.Model, prepared: Preprocessing, sounds: Sounds
) -> list[report.Section]:
    """Spectrograms of the recordings that went most wrong, and of some that are as they come."""
    order = np.argsort(-result.losses, kind="stable")
    wrong = [row for row in order if result.answers[MODEL][row] != result.references[row]][:SHOWN]
    usual = [row for row in np.linspace(0, len(sounds) - 1, SHOWN).astype(int).tolist() if row not in wrong]
    sections = []
    for heading, rows in (("Most wrong recordings", wrong), ("Recordings as they come", sorted(set(usual)))):
        if not rows:
            continue
        section = report.Section(heading)
        section.figure(_spectrograms(rows, result, model, prepared, sounds), f"Spectrograms: {heading.lower()}")
        told = "Time goes to the right, pitch upwards (mel scale); bright is loud."
        if prepared.transcribes:
            told += " Below each, how likely the likeliest token is that is no blank, and where it is written."
        sections.append(section.paragraph(told, "note"))
    return sections


def _spectrograms(
    rows: Sequence[int], result: Evaluation, model: keras.Model, prepared: Preprocessing, sounds: Sounds
) -> Figure:
    columns = 1 if prepared.transcribes else 3
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(9, 2.3 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(rows) :]:
        axes.set_visible(False)
    for axes, row in zip(grid, rows, strict=False):
        waveform = sounds.samples[sounds.starts[row] : sounds.starts[row + 1]]
        (spectrum,) = spectra_of([waveform], prepared.frames)
        bands, frames = prepared.frames.mel_bins, prepared.frames
        image = spectrum.reshape(-1, bands).T  # (bands, spectra)
        seconds = image.shape[1] * frames.step / frames.sample_rate
        axes.imshow(image, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, bands))
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.set_title(_caption(result, row), fontsize=8, loc="left")
        if prepared.transcribes:
            _draw_tokens(axes, model, prepared, waveform, bands)
    for axes in grid[: len(rows)][-columns:]:
        axes.set_xlabel("seconds", fontsize=8)
    return figure


def _caption(result: Evaluation, row: int) -> str:
    """What is said and what was heard, cut where it is long; a dollar would be a formula."""
    said, heard = result.references[row], result.answers[MODEL][row]
    certainty = f" ({result.probabilities[MODEL][row].max():.0%})" if result.probabilities else ""
    texts = [each if len(each) <= LONGEST_LABEL else each[:LONGEST_LABEL] + "…" for each in (said, heard)]
    mark = "right" if said == heard else "WRONG"
    return f"said: {texts[0]}\nheard: {texts[1]}{certainty}, {mark}".replace("$", r"\$")


def _draw_tokens(axes, model: keras.Model, prepared: Preprocessing, waveform: np.ndarray, bands: int) -> None:
    """The probability of the likeliest token of every step, over the spectrogram, and the token where it is written."""
    assert prepared.tokenizer is not None
    logits = model([waveform[None], np.array([len(waveform)], "int32")], training=False)
    probability = keras.ops.convert_to_numpy(keras.ops.softmax(logits))[0]  # (steps, vocabulary)
    others = np.delete(probability, BLANK, axis=1)
    frames = prepared.frames
    times = (np.arange(len(probability)) * frames.hop + frames.span / 2) / frames.sample_rate
    axes.plot(times, bands * 0.25 * others.max(axis=1), color="white", linewidth=1)
    path = probability.argmax(axis=1)
    names = [name.decode() for name in prepared.tokenizer.tokens(path).numpy()]
    for step, (token, name) in enumerate(zip(path, names, strict=True)):
        if token != BLANK and (step == 0 or path[step - 1] != token) and name.isascii():
            text = name.replace(" ", "␣").replace("$", r"\$")
            axes.text(times[step], bands * 0.3, text, color="white", fontsize=8, ha="center")
