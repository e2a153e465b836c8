"""What a run says of itself: on the terminal and in its model card."""

from typing import Any

from seqapps import report
from seqapps.tasks.sentiment import baselines, linear
from seqapps.tasks.sentiment.config import Config
from seqapps.tasks.sentiment.data import SPLITS, Splits
from seqapps.tasks.sentiment.evaluation import METRICS
from seqapps.tasks.sentiment.preprocessing import Preprocessing, sample_note

MOST_NAMED = 12  # classes


def summary(metrics: dict[str, Any]) -> str:
    """The score table and the verdict, for the terminal."""
    header, rows = report.score_table(metrics["methods"], METRICS)
    heading = f"Scores on the {metrics['split']} part ({metrics['texts']} texts):"
    return "\n".join([heading, report.text_table(header, rows), metrics["verdict"]])


def notes(splits: Splits, config: Config, coverage: str) -> tuple[str, ...]:
    """What a person should know of the data and of what is fitted on them.

    Args:
        splits: With notes of their own.
        config: The options.
        coverage: What a file of vectors covers, empty without one.
    """
    fitted_anew = config.initialize_from is None and config.pretrained is None
    tokenizer = sample_note(splits) if fitted_anew else ""
    skip = linear.sample_note(splits) if config.linear_skip != "none" else ""
    frozen = ""
    if config.pretrained is not None and config.gradual_unfreezing and config.epochs <= len(config.widths) + 1:
        frozen = (
            f"Only the upper layers were trained: {config.epochs} epochs are too few for the head, "
            f"{len(config.widths)} recurrent layer(s) and the token vectors to thaw one after the other."
        )
    fitted = baselines.sample_notes(splits) if config.baselines != "none" else []
    return (*splits.notes, *filter(None, [tokenizer, skip, *fitted, coverage, frozen]))


def say(splits: Splits, config: Config, preprocessing: Preprocessing) -> None:
    """What is about to be trained, on what."""
    counts = ", ".join(f"{split} {splits.count(split)}" for split in SPLITS)
    print(
        f"{sum(splits.count(split) for split in SPLITS)} texts: {counts}; {len(splits.classes)} classes: "
        f"{_named(splits)}; {preprocessing.tokenizer.vocabulary_size} tokens."
    )
    for note in splits.notes:
        print(f"Note: {note}")
    print(f"Training {report.in_brief(config)}.", flush=True)


def _named(splits: Splits) -> str:
    return ", ".join(splits.classes[:MOST_NAMED]) + (", …" if len(splits.classes) > MOST_NAMED else "")


def model_card(config: Config, splits: Splits, metrics: dict[str, Any]) -> str:
    """The run in words, as `README.md` of its folder."""
    header, rows = report.score_table(metrics["methods"], METRICS)
    table = "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
    many = "any number of" if splits.multi_label else "one of"
    beside = ", beside logistic regression weighted by naive Bayes," if config.linear_skip != "none" else ","
    told = "".join(f"- {note}\n" for note in metrics["notes"])
    told = told and f"\n## To know\n\n{told}"
    return f"""# Classifier of texts: {_named(splits)}

{report.in_words(config)}, pooling {config.pooling}{beside}
gives a text {many} {len(splits.classes)} classes. Trained on {splits.count("train")} texts. Of a text it reads
{config.max_tokens} tokens ({config.tokenizer}) at most, from its start and its end.
{told}
## Scores on the {metrics["split"]} part

{metrics["verdict"]}

{table}

## Use

`export/` holds a SavedModel that takes raw texts and answers with labels and calibrated probabilities;
`export/1/assets.extra/` describes its signatures and holds sample requests. It knows the words of its training texts:
texts of another kind are answered too, and not as well.
"""
