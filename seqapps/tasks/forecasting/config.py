"""Options of forecasting. Imports no TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass

from seqapps import checks
from seqapps.config import TaskConfig, option

DATA_HELP = (
    "CSV (also .gz) or Parquet with a time column and value columns, or a folder with train, validation and test"
)


@dataclass(frozen=True)
class Config(TaskConfig):
    """Options of a forecasting run; `None` means that the data decide."""

    time_column: str | None = option(None, "column of time stamps; by default found by its name or values")
    target_columns: tuple[str, ...] | None = option(None, "columns to forecast; by default all but the time column")
    frequency: str | None = option(None, "step between rows, such as h, D, B, W, MS, QS; by default what fits")
    window: int | None = option(
        None, "steps that the model sees; by default three seasons or horizons, at most 512", minimum=1
    )
    horizon: int | None = option(None, "steps to forecast; by default one season, between 6 and 96", minimum=1)
    season_length: int | None = option(None, "steps of a season; by default from the frequency", minimum=1)
    head: str = option("direct", "how the last state becomes the forecast: all steps at once", choices=("direct",))
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target_columns == ():
            checks.fail("target_columns", "at least one column", (), "Leave it out for all columns.")
        if self.target_columns and len(set(self.target_columns)) < len(self.target_columns):
            checks.fail("target_columns", "different columns", self.target_columns)
        self._check_splits()

    def _check_splits(self) -> None:
        rows = self.split_rows
        if rows is not None and (len(rows) != 3 or not rows[0] < rows[1] < rows[2]):
            advice = "Example: 8640,11520,14400."
            checks.fail("split_rows", "three rising row numbers", rows, advice)
        if self.split_dates is not None and len(self.split_dates) != 2:
            checks.fail("split_dates", "two time stamps", self.split_dates, "Example: 2020-01-01,2021-01-01.")
        given = [name for name in ("split_rows", "split_dates", "test_data") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(
                f"Only one rule can split the data. Received: {' and '.join(given)}. Leave out all but one."
            )
        if given:
            unused = ("validation_fraction", "test_fraction")
            alone = given == ["test_data"] and self.validation_data is None  # then the end of DATA validates
            self.check_default_fractions(unused[1:] if alone else unused, given[0])

    def check_default_fractions(self, names: Sequence[str], rule: str) -> None:
        """Refuse fractions that `rule`, which splits the data, leaves without effect."""
        for name in names:
            default = type(self).__dataclass_fields__[name].default
            if getattr(self, name) != default:
                advice = "Leave it out, or leave out the other rule."
                checks.fail(
                    name, f"left at {default}, because the data are split by {rule}", getattr(self, name), advice
                )

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
    def interval(self) -> tuple[float, float]:
        """The levels of the interval's lower and upper end."""
        return round(0.5 - self.interval_level / 2, 6), round(0.5 + self.interval_level / 2, 6)

    @property
    def levels(self) -> tuple[float, ...]:
        """The rising quantile levels that the model forecasts."""
        return tuple(sorted({*self.quantiles, 0.5, *self.interval}))
