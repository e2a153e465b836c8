"""What a run says of itself: on the terminal and in its model card."""

from typing import Any

from seqapps import report
from seqapps.tasks.generation.config import Config
from seqapps.tasks.generation.data import SPLITS, Splits
from seqapps.tasks.generation.evaluation import METRICS
from seqapps.tasks.generation.preprocessing import Preprocessing, sample_note


def summary(metrics: dict[str, Any]) -> str:
    """The score table and the verdict, for the terminal."""
    header, rows = report.score_table(metrics["methods"], METRICS)
    heading = f"Scores on the {metrics['split']} part ({metrics['tokens']} tokens, {metrics['characters']} characters):"
    return "\n".join([heading, report.text_table(header, rows), metrics["verdict"]])


def notes(splits: Splits, config: Config) -> tuple[str, ...]:
    """What a person should know of the data and of what is fitted on them."""
    return (*splits.notes, *filter(None, [sample_note(splits) if config.initialize_from is None else ""]))


def say(splits: Splits, config: Config, prepared: Preprocessing) -> None:
    """What is about to be trained, on what."""
    parts = ", ".join(f"{split} {splits.parts[split].characters}" for split in SPLITS)
    print(
        f"{sum(splits.parts[split].characters for split in SPLITS)} characters: {parts}; "
        f"{prepared.tokenizer.vocabulary_size} tokens ({config.tokenizer})."
    )
    for note in splits.notes:
        print(f"Note: {note}")
    print(f"Training {report.in_brief(config)}.", flush=True)


def model_card(config: Config, splits: Splits, metrics: dict[str, Any]) -> str:
    """The run in words, as `README.md` of its folder."""
    header, rows = report.score_table(metrics["methods"], METRICS)
    table = "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
    widths = ", ".join(str(width) for width in config.widths)
    told = "".join(f"- {note}\n" for note in metrics["notes"])
    told = told and f"\n## To know\n\n{told}"
    return f"""# Language model of {splits.parts["train"].documents.name}

A {config.cell} with {len(config.widths)} layer(s) of {widths} units that predicts the next token ({config.tokenizer}).
Trained on {splits.parts["train"].characters} characters.
{told}
## Scores on the {metrics["split"]} part

{metrics["verdict"]}

{table}

All are better when lower. The model reads on through the part; `fresh windows` are read without what came before but
for one token, {metrics["window"]} tokens each.

## Use

`export/` holds a SavedModel that goes on from a prompt and scores texts; `export/1/assets.extra/` describes its
signatures and holds sample requests. It writes what its training text is like, true or not, and may repeat parts of it
word for word.
"""
