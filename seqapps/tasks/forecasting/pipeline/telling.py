"""What a run says of itself: on the terminal and in its model card."""

from collections.abc import Mapping
from typing import Any

from seqapps import report
from seqapps.tasks.forecasting import data as data_module
from seqapps.tasks.forecasting import evaluation
from seqapps.tasks.forecasting.config import Config
from seqapps.tasks.forecasting.data import Splits


def summary(metrics: dict[str, Any]) -> str:
    """The score table, the verdict and notes, for the terminal."""
    header, rows = report.score_table(metrics["methods"], evaluation.METRICS)
    stride = metrics["every_nth_origin"]
    thinned = "" if stride == 1 else f", every {stride}th origin"
    windows_said = f"{metrics['windows']} window{'' if metrics['windows'] == 1 else 's'}{thinned}"
    lines = [f"Scores on the {metrics['split']} part ({windows_said}):", report.text_table(header, rows)]
    notes = [f"Note: {note}" for note in metrics["notes"]]
    return "\n".join([*lines, metrics["verdict"], *filter(None, [metrics["lag_check"]["message"]]), *notes])


def say(splits: Splits, config: Config) -> None:
    """What is about to be trained, on what."""
    train, validation, test = (splits.steps(split) for split in data_module.SPLITS)
    panel = splits.panel
    series = f"{len(panel.ids)} series, " if len(panel.ids) > 1 else ""
    print(
        f"{series}{len(panel.values)} steps ({panel.frequency}), {len(panel.columns)} columns: "
        f"train {train}, validation {validation}, test {test}; "
        f"window {splits.window}, horizon {splits.horizon}, season {splits.season_length}."
    )
    for note in splits.notes:
        print(f"Note: {note}")
    print(f"Training {report.in_brief(config)}{_networks(config)}.", flush=True)


def note_of_members(config: Config, calibration: Mapping[str, Any]) -> str:
    """How much the members are better together than alone, from what `calibration.json` holds."""
    alone = ", ".join(f"{loss:.4f}" for loss in calibration["validation_loss_of_members"])
    return (
        f"The validation loss of the {config.members} members together is {calibration['validation_loss']:.4f}; "
        f"alone they have {alone}."
    )


def _networks(config: Config) -> str:
    """What the model is beside its recurrence: the linear map, and how many networks."""
    count, beside = config.members, config.skip_members
    told = f", the mean of {count} networks" if count > 1 else ""
    if config.linear_skip != "none":
        skip = {"trained": "a linear map", "ridge": "ridge regression"}[config.linear_skip]
        some = "the first" if beside == 1 else f"the first {beside}"
        told += f", {skip} beside " + ("it" if count == 1 else "each" if beside is None else some)
    return told


def model_card(config: Config, splits: Splits, metrics: dict[str, Any]) -> str:
    """The run in words, as `README.md` of its folder.

    Args:
        config: The run's options.
        splits: What the served model was trained on.
        metrics: As `metrics.json`.
    """
    notes = "".join(f"- {note}\n" for note in metrics["notes"])
    notes = notes and f"\n{notes}"
    header, rows = report.score_table(metrics["methods"], evaluation.METRICS)
    table = "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
    panel = splits.panel
    trained = splits.ends[:, 0] > panel.starts[:-1]
    last = panel.stamps[splits.ends[trained, 0] - 1].max()
    of = f"{len(panel.ids)} series" if len(panel.ids) > 1 else ", ".join(panel.columns)
    return f"""# Forecaster of {of}

{report.in_words(config)}, head {config.head}{_networks(config)}, forecasts
{splits.horizon} steps ({panel.frequency}) from the last {splits.window}. Trained on {splits.steps("train")} steps up to
{last}.

## Scores on the {metrics["split"]} part

{metrics["verdict"]}

{table}
{notes}
## Use

`export/` holds a SavedModel that takes raw history (`NaN` = missing) and answers in raw units; `export/1/assets.extra/`
describes its signatures and holds sample requests. The forecast is only as good as the future is like the past: values
far outside the training range are answered with a warning.
"""
