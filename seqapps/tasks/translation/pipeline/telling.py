"""What a run says of itself: on the terminal and in its model card."""

from pathlib import Path
from typing import Any

from seqapps import report, run_folder
from seqapps.tasks.translation import baselines as simple_methods
from seqapps.tasks.translation import serving
from seqapps.tasks.translation.config import Config
from seqapps.tasks.translation.data import SPLITS, Splits
from seqapps.tasks.translation.evaluation import METRICS, MODEL, OTHER
from seqapps.tasks.translation.preprocessing import Preprocessing, sample_note


def summary(metrics: dict[str, Any]) -> str:
    """The score table and the verdict, for the terminal."""
    header, rows = report.score_table(metrics["methods"], METRICS)
    whose = f" of {len(metrics['together'])} runs together" if "together" in metrics else ""
    part = f"{metrics['split']} part ({metrics['pairs']} pairs, length penalty {penalty(metrics)})"
    heading = f"Scores{whose} on the {part}:"
    return "\n".join([heading, report.text_table(header, rows), metrics["verdict"], *_compared(metrics)])


def _compared(metrics: dict[str, Any]) -> list[str]:
    """A sentence on a second run that was tested against."""
    if OTHER not in metrics["methods"]:
        return []
    own, other = (metrics["methods"][method]["bleu"] for method in (MODEL, OTHER))
    chance = metrics["paired_bootstrap"][OTHER]
    return [f"Against the other run: BLEU {own:.4g} against {other:.4g} (paired bootstrap, p = {chance:.2g})."]


def penalty(metrics: dict[str, Any]) -> str:
    """The length penalty that was used."""
    return f"{metrics['decoding']['length_penalty']:g}"


def notes(splits: Splits, config: Config) -> tuple[str, ...]:
    """What a person should know of the data and of what is fitted on them."""
    sampled = sample_note(splits) if config.initialize_from is None else ""
    return (*splits.notes, *splits.overlaps.values(), *filter(None, [sampled]))


def notes_of_measured(
    splits: Splits, split: str, folder: str | Path, known: simple_methods.Baselines | None
) -> tuple[str, ...]:
    """What a person should know of what a run is measured on and beside: nothing of what is trained on alone.

    Args:
        splits: The data.
        split: What is measured.
        folder: The run, which may have been trained on other data.
        known: Its baselines, if they are measured too.
    """
    trained_on = run_folder.read_json(Path(folder) / "manifest.json")["fingerprints"]["train"]
    overlap = splits.overlaps.get(split, "") if splits.fingerprints.get("train") == trained_on else ""
    return tuple(filter(None, [overlap, known.note() if known else ""]))


def say(splits: Splits, config: Config, prepared: Preprocessing) -> None:
    """What is about to be trained, on what."""
    parts = ", ".join(f"{split} {len(splits.parts[split])}" for split in SPLITS)
    sizes = [prepared.source.vocabulary_size, prepared.target.vocabulary_size]
    sizes = sizes[:1] if prepared.shared else sizes
    print(
        f"{sum(len(splits.parts[split]) for split in SPLITS)} pairs: {parts}; "
        f"{' and '.join(map(str, sizes))} tokens ({config.tokenizer})."
    )
    if config.source_column is not None:
        print(f"Columns: {config.source_column!r} → {config.target_column!r}.")
    for note in splits.notes:
        print(f"Note: {note}")
    directions = "two directions" if config.bidirectional else "one direction"
    print(
        f"Training {report.in_brief(config)}, encoder in {directions}, attention {config.attention}.",
        flush=True,
    )


def other_run(run: str, folder: str | Path, config: Config, split: str) -> serving.Served:
    """A second run to test against.

    Args:
        run: Its folder.
        folder: That of the first.
        config: Of the first.
        split: What is measured.

    Raises:
        ValueError: If it is of another task, differs in whether case counts, or was trained on other parts.
    """
    task = run_folder.read_json(f"{run}/config.json").get("task")
    if task != "translation":
        raise ValueError(f"`against` must be a run of the task 'translation'. Received: {run!r} of the task {task!r}.")
    other = serving.Served(run)
    if other.config.lowercase != config.lowercase:
        raise ValueError(
            f"`against` must be a run with lowercase={config.lowercase}, as this one. Received: {run!r} with "
            f"lowercase={other.config.lowercase}."
        )
    check_same_part("against", run, folder, split)
    return other


def check_same_part(option: str, run: str | Path, folder: str | Path, split: str) -> None:
    """Refuse a run that may have been trained on what is measured.

    Args:
        option: That names the run.
        run: Its folder.
        folder: That of the run whose rule splits the data.
        split: What is measured.
    """
    parts = [
        run_folder.read_json(f"{each}/manifest.json")["fingerprints"][split] for each in (run, folder) if split != "all"
    ]
    if len(set(parts)) > 1:
        raise ValueError(
            f"`{option}` must be a run with the same {split} part. Received: {str(run)!r} with another one, of which "
            "it may have been trained on. Split both by the same rule, or measure on new data with --split all."
        )


def model_card(config: Config, splits: Splits, metrics: dict[str, Any]) -> str:
    """The run in words, as `README.md` of its folder."""
    header, rows = report.score_table(metrics["methods"], METRICS)
    table = "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
    widths = ", ".join(str(width) for width in config.widths)
    told = "".join(f"- {note}\n" for note in metrics["notes"])
    told = told and f"\n## To know\n\n{told}"
    directions = "two directions" if config.bidirectional else "one direction"
    return f"""# Translator of {splits.parts["train"].source.name}

A {config.cell} with {len(config.widths)} layer(s) of {widths} units that reads the source in {directions}, and one that
writes the target ({config.tokenizer} tokens, attention {config.attention}). Trained on {len(splits.parts["train"])}
pairs.
{told}
## Scores on the {metrics["split"]} part

{metrics["verdict"]}

{table}

All are better when higher. sacrebleu: `{metrics["signatures"]["bleu"]}`, `{metrics["signatures"]["chrf"]}`.

## Use

`export/` holds a SavedModel that translates texts, scores translations and shows where attention looks;
`export/1/assets.extra/` describes its signatures and holds sample requests. It translates what is like its training
pairs; of anything else it may make fluent sentences that are wrong.
"""
