"""What must be known of covariates before a table is answered."""

import numpy as np

from seqapps.series import windows
from seqapps.series.panel import Panel


def check_known(panel: Panel, at: windows.Origins, window: int, horizon: int) -> None:
    """Refuse covariates that are missing where the model reads them: it would take their mean.

    A row that is absent, or wholly empty, is a missing step as in training; before an origin nothing is asked of it.

    Raises:
        ValueError: With file, series and column.
    """
    for number, position in np.argwhere(panel.static == "")[:1]:
        called = f"{panel.name(number)}, column {panel.roles.static[position]!r}"
        raise ValueError(f"{called}: the series must have a value. Received: nothing. Fill it in.")
    if not (panel.roles.past or panel.roles.future):
        return
    for row, first, number in zip(at.rows, at.firsts, at.series, strict=True):
        _check_horizon(panel, int(row), int(number), horizon)
        _check_window(panel, np.arange(max(first, row - window), row), int(number), window)


def _check_horizon(panel: Panel, row: int, number: int, horizon: int) -> None:
    known = panel.future[row : min(row + horizon, panel.starts[number + 1])]
    for position, name in enumerate(panel.roles.future):
        steps = int((~np.isnan(known[:, position])).sum())
        if steps < horizon:
            raise ValueError(
                f"{panel.name(number)}, column {name!r}: the covariate must be known for the {horizon} steps after "
                f"{panel.stamps[max(row - 1, int(panel.starts[number]))]}. Received: {steps} of them. Add rows with "
                f"the time stamps to come, {name!r} filled in and the targets left empty."
            )


def _check_window(panel: Panel, rows: np.ndarray, number: int, window: int) -> None:
    present = ~np.isnan(np.concatenate([each[rows] for each in (panel.values, panel.past, panel.future)], axis=1))
    for position, name in enumerate(panel.roles.past):
        if len(rows) and np.isnan(panel.past[rows, position]).all():
            raise ValueError(
                f"{panel.name(number)}, column {name!r}: the covariate must have values in the window of {window} "
                f"steps up to {panel.stamps[rows[-1]]}. Received: none. Fill it in."
            )
    for position, name in enumerate(panel.roles.future):
        holes = rows[np.isnan(panel.future[rows, position]) & present.any(axis=1)]
        if len(holes):
            raise ValueError(
                f"{panel.name(number)}, column {name!r}: the covariate must be known in the window of {window} steps "
                f"up to {panel.stamps[rows[-1]]}. Received: nothing at {panel.stamps[holes[0]]}. Fill it in."
            )
