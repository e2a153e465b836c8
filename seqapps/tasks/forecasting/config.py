"""Options of forecasting. Imports no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from seqapps import checks
from seqapps.config import TaskConfig, option

LAYOUTS = ("auto", "wide", "long", "rows")

DATA_HELP = "CSV (also .gz) or Parquet, wide, long or one row per series, or a folder with train, validation and test"


@dataclass(frozen=True)
class Config(TaskConfig):
    """Options of a forecasting run; `None` means that the data decide."""

    refused_controls: ClassVar[Mapping[str, str]] = {}

    layout: str = option("auto", "a column per target, a column of ids, or a row per series", choices=LAYOUTS)
    time_column: str | None = option(None, "column of time stamps; by default found by its name or values")
    id_column: str | None = option(None, "column of ids of a long table; by default unique_id, series_id or item_id")
    target_columns: tuple[str, ...] | None = option(
        None, "columns to forecast; by default y of a long table, else all that have no other role"
    )
    past_columns: tuple[str, ...] = option((), "covariates that are known up to now")
    future_columns: tuple[str, ...] = option((), "covariates that are known over the horizon too")
    static_columns: tuple[str, ...] = option((), "numbers or texts that belong to a series of a long table")
    calendar: bool = option(False, "let the model see the place of every step in day, week and year")
    frequency: str | None = option(None, "step between rows, such as h, D, B, W, MS, QS; by default what fits")
    window: int | None = option(
        None, "steps that the model sees; by default three seasons or horizons, at most 512", minimum=1
    )
    horizon: int | None = option(None, "steps to forecast; by default one season, between 6 and 96", minimum=1)
    season_length: int | None = option(None, "steps of a season; by default from the frequency", minimum=1)
    head: str = option(
        "direct", "all steps at once, segments in parallel, or step by step", choices=("direct", "segment", "recursive")
    )
    segment_length: int | None = option(
        None, "steps of a segment; by default half of window or horizon, at most two seasons", minimum=1
    )
    linear_skip: str = option(
        "none",
        "add a linear map of the window to the forecast: trained with the network, or ridge regression as it is",
        choices=("none", "trained", "ridge"),
    )
    members: int = option(
        1, "networks trained side by side, each from its own first weights; their mean is the forecast", minimum=1
    )
    skip_members: int | None = option(
        None, "so many of the members, the first ones, have the linear map beside them; by default all", minimum=1
    )
    lags: tuple[int, ...] = option((), "steps back whose values are inputs too, such as 24,168", minimum=1)
    normalization: str = option("last", "level and scale taken from each window", choices=("last", "standard", "none"))
    transform: str = option("none", "change of the values before the model sees them", choices=("none", "log"))
    channels: str = option(
        "independent", "one map for every column, or all columns at once", choices=("independent", "joint")
    )
    quantiles: tuple[float, ...] = option(
        (0.1, 0.5, 0.9), "levels to forecast; 0.5 is always among them", fraction=True, above=0
    )
    interval_level: float = option(0.8, "level of the interval in the report and its metrics", fraction=True, above=0)
    split_rows: tuple[int, ...] | None = option(
        None, "rows a,b,c: train up to a, validation up to b, test up to c", minimum=1
    )
    split_dates: tuple[str, ...] | None = option(None, "time stamps a,b: validation starts at a, test at b")
    windows: int | None = option(None, "test the last so many windows, and validate on as many steps before", minimum=1)
    step_size: int = option(1, "steps from one window of the test part to the next", minimum=1)
    refit: bool = option(False, "train anew for every window of the test part, on all that came before it")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target_columns == ():
            checks.fail("target_columns", "at least one column", (), "Leave it out for all columns.")
        self._check_columns()
        self._check_head()
        self._check_order()
        self._check_splits()

    def _check_columns(self) -> None:
        """Refuse a column in two roles, and roles that a layout does not have."""
        seen: dict[str, str] = {}
        for role in ("target_columns", "past_columns", "future_columns", "static_columns"):
            names = getattr(self, role) or ()
            if len(set(names)) < len(names):
                checks.fail(role, "different columns", names)
            for name in names:
                if name in seen:
                    raise ValueError(f"Column {name!r} must have one role. Received: {seen[name]} and {role}.")
                seen[name] = role
        if self.layout == "wide":
            for role in ("id_column", "static_columns"):
                if getattr(self, role):
                    checks.fail(role, "left out with layout='wide'", getattr(self, role), "A wide table is one series.")
        roles = ("time_column", "id_column", "target_columns", "past_columns", "future_columns", "static_columns")
        for role in roles if self.layout == "rows" else ():
            if getattr(self, role):
                advice = "Its first column names the series, all others are values."
                checks.fail(role, "left out with layout='rows'", getattr(self, role), advice)
        if self.layout == "rows" and self.calendar:
            checks.fail("calendar", "False with layout='rows', whose steps have no time stamps", True)

    def _check_head(self) -> None:
        if self.segment_length is not None and self.head != "segment":
            checks.fail("segment_length", f"left out with head={self.head!r}", self.segment_length)
        if self.head == "recursive" and self.bidirectional:
            advice = "The backward direction cannot go on step by step."
            checks.fail("bidirectional", "False with head='recursive'", True, advice)
        if self.head == "recursive" and self.linear_skip != "none":
            advice = "What is added after the last step would never come back as an input."
            checks.fail("linear_skip", "'none' with head='recursive'", self.linear_skip, advice)
        if self.linear_skip == "ridge" and self.normalization != "last":
            advice = "Ridge regression maps differences from a window's last value."
            checks.fail("normalization", "'last' with linear_skip='ridge'", self.normalization, advice)
        if self.skip_members is not None and self.linear_skip == "none":
            checks.fail("skip_members", "left out without a linear_skip", self.skip_members)
        if self.skip_members is not None and self.skip_members >= self.members:
            advice = "Leave it out, and the linear map stands beside all of them."
            checks.fail("skip_members", f"below `members`, {self.members}", self.skip_members, advice)
        if self.head == "recursive" and self.past_columns:
            advice = "It would need their values over the horizon: name what is known there in future_columns."
            checks.fail("past_columns", "left out with head='recursive'", self.past_columns, advice)

    def _check_order(self) -> None:
        """Refuse what would tell a control the order that it must not know."""
        if self.control == "none":
            return
        if self.lags:
            checks.fail("lags", "left out with a control", self.lags, "They tell what came before what.")
        linear = ("none",) if self.control == "memoryless" else ("none", "trained")
        if self.linear_skip not in linear:
            advice = "It has a weight for every step of the window."
            checks.fail("linear_skip", f"{checks.listing(linear)} with this control", self.linear_skip, advice)
        heads = ("direct",) if self.control == "memoryless" else ("direct", "segment")
        if self.head not in heads:
            advice = "It decodes with the recurrence, from the last step on."
            checks.fail("head", f"{checks.listing(heads)} with control={self.control!r}", self.head, advice)

    def _check_splits(self) -> None:
        rows = self.split_rows
        if rows is not None and (len(rows) != 3 or not rows[0] < rows[1] < rows[2]):
            advice = "Example: 8640,11520,14400."
            checks.fail("split_rows", "three rising row numbers", rows, advice)
        if self.split_dates is not None and len(self.split_dates) != 2:
            checks.fail("split_dates", "two time stamps", self.split_dates, "Example: 2020-01-01,2021-01-01.")
        given = [
            name for name in ("split_rows", "split_dates", "windows", "test_data") if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise ValueError(
                f"Only one rule can split the data. Received: {' and '.join(given)}. Leave out all but one."
            )
        if self.refit and self.windows is None:
            checks.fail("refit", "False without `windows`, which says how many trainings there are", True)
        if given:
            unused = ("validation_fraction", "test_fraction")
            alone = given == ["test_data"] and self.validation_data is None  # then the end of DATA validates
            self.check_default_fractions(unused[1:] if alone else unused, given[0])

    @property
    def steps(self) -> tuple[int, int]:
        """Window and horizon, once the data or the user have set them."""
        if self.window is None or self.horizon is None:
            name = "window" if self.window is None else "horizon"
            checks.fail(
                name, "an integer here", None, "Set it, or take the config of a run: there the data have set it."
            )
        return self.window, self.horizon

    @property
    def segment_steps(self) -> int:
        """Steps of a segment, once the data or the user have set them."""
        if self.segment_length is None:
            checks.fail("segment_length", "an integer here", None, "Set it, or take the config of a run.")
        return self.segment_length

    @property
    def of_members(self) -> tuple["Config", ...]:
        """What each of the networks is alone."""
        beside = self.members if self.skip_members is None else self.skip_members
        alone = dataclasses.replace(self, members=1, skip_members=None)
        without = dataclasses.replace(alone, linear_skip="none")
        return (alone,) * beside + (without,) * (self.members - beside)

    @property
    def interval(self) -> tuple[float, float]:
        """The levels of the interval's lower and upper end."""
        return round(0.5 - self.interval_level / 2, 6), round(0.5 + self.interval_level / 2, 6)

    @property
    def levels(self) -> tuple[float, ...]:
        """The rising quantile levels that the model forecasts."""
        return tuple(sorted({*self.quantiles, 0.5, *self.interval}))
