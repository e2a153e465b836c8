"""Tables of one or many series become one panel: found by their layout, each on its own part of one grid."""

from io import StringIO
from math import nan

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps.series.panel import Roles, read_panel

SIX = pd.date_range("2024-01-01", periods=6)


def write(path, text):
    path.write_text(text)
    return path


def read(*parts, frequency=None, **roles):
    return read_panel([StringIO(part) if isinstance(part, str) else part for part in parts], Roles(**roles), frequency)


def panel_of(*parts, **options):
    return read(*parts, **options)[0]


def stamps_of(panel, series):
    return panel.stamps[panel.starts[series] : panel.starts[series + 1]].tolist()


def values_of(panel, series):
    return panel.values[panel.starts[series] : panel.starts[series + 1], 0].tolist()


def long_table(name="a", stamps=SIX, first=0, **columns):
    """One series of a long table whose values count from `first`."""
    return pd.DataFrame({"unique_id": name, "ds": stamps, "y": np.arange(first, first + len(stamps)) + 0.5, **columns})


def two_series(**columns):
    return pd.concat([long_table("a", **columns), long_table("b", **columns)], ignore_index=True)


# --- long tables ---


def test_interleaved_series_of_different_lengths_and_starts_come_one_after_the_other():
    panel = panel_of(
        "unique_id,ds,y\nnorth,2024-01-03,1\nsouth,2024-01-01,10\nsouth,2024-01-02,11\nnorth,2024-01-04,2\n"
        "south,2024-01-03,12\neast,2024-01-02,7\nsouth,2024-01-04,13\n"
    )
    assert (panel.ids, panel.starts.tolist()) == (("north", "south", "east"), [0, 2, 6, 7])
    assert panel.lengths().tolist() == [2, 4, 1]
    assert [values_of(panel, series) for series in range(3)] == [[1, 2], [10, 11, 12, 13], [7]]
    days = [[3, 4], [1, 2, 3, 4], [2]]
    assert [stamps_of(panel, series) for series in range(3)] == [
        [pd.Timestamp(2024, 1, day) for day in each] for each in days
    ]
    assert (panel.frequency, panel.missing_steps, panel.columns, panel.time_column) == ("D", 0, ("y",), "ds")
    assert (panel.roles.layout, panel.roles.id, panel.name(1)) == ("long", "unique_id", "the stream, series 'south'")


@pytest.mark.parametrize("later", ["2024-01-01", "2024-01-02"])
def test_a_series_that_is_not_sorted_is_refused_with_its_line(tmp_path, later):
    path = write(
        tmp_path / "long.csv", f"unique_id,ds,y\na,2024-01-03,1\nb,2024-01-02,1\n\na,2024-01-04,1\nb,{later},2\n"
    )
    problem = {
        "2024-01-01": "2024-01-01 00:00:00 comes after 2024-01-02 00:00:00. Sort the rows by time.",
        "2024-01-02": "the time stamp 2024-01-02 00:00:00 occurs twice. Keep one row per time stamp.",
    }
    with refusal(f"{path}, line 6, column 'ds': {problem[later]}"):
        panel_of(path)


def test_steps_are_missing_per_series():
    table = pd.concat([long_table("a"), long_table("b", SIX[2:], 10)], ignore_index=True).drop(index=[1, 2, 8])
    panel = panel_of(table)
    assert (panel.missing_steps, panel.lengths().tolist()) == (3, [6, 4])
    np.testing.assert_array_equal(values_of(panel, 0), [0.5, nan, nan, 3.5, 4.5, 5.5])
    np.testing.assert_array_equal(values_of(panel, 1), [10.5, 11.5, nan, 13.5])


def test_the_frequency_is_that_of_the_longest_series():
    rare = long_table("rare", pd.DatetimeIndex(["2024-01-01", "2024-01-04", "2024-01-05"]), 10)
    panel = panel_of(pd.concat([rare, long_table("daily")]))
    assert (panel.frequency, panel.missing_steps) == ("D", 2)
    np.testing.assert_array_equal(values_of(panel, 0), [10.5, nan, nan, 11.5, 12.5])


def test_a_series_off_the_grid_is_named():
    off = long_table("off", SIX[:2].append(pd.DatetimeIndex(["2024-01-03 07:00"])))
    with refusal(
        "the DataFrame, series 'off': 2024-01-03 07:00:00 does not lie on the grid of `frequency` 'D' that starts at "
        "2024-01-01 00:00:00. Correct the time stamp or choose another frequency."
    ):
        panel_of(pd.concat([long_table("on"), off]))


def test_ids_that_look_like_numbers_are_names():
    text = "unique_id,ds,y\n" + "".join(f"{name},{step},{step}\n" for name in (12, 7) for step in (1, 2, 3))
    later = "unique_id,ds,y\n7,4,4\n12,4,4\n"
    assert panel_of(text).ids == ("12", "7")
    assert [values_of(panel_of(text, later), series) for series in (0, 1)] == [[1, 2, 3, 4]] * 2
    numbers = pd.read_csv(StringIO(text))
    assert panel_of(numbers).ids == panel_of(numbers.astype({"unique_id": str})).ids == ("12", "7")


def test_ids_of_a_file_keep_their_leading_zeros():
    text = "unique_id,ds,y\n" + "".join(f"{name},{step},{step}\n" for name in ("007", "07") for step in (1, 2, 3))
    assert panel_of(text).ids == ("007", "07")


def test_an_empty_id_is_refused_with_its_line(tmp_path):
    path = write(tmp_path / "long.csv", "unique_id,ds,y\na,2024-01-01,1\n,2024-01-02,2\n")
    with refusal(f"{path}, line 3, column 'unique_id': expected a name. Received: nothing."):
        panel_of(path)


@pytest.mark.parametrize("name", ["unique_id", "series_id", "item_id", "Unique_ID"])
def test_usual_names_of_ids_tell_a_long_table(name):
    panel = panel_of(two_series().rename(columns={"unique_id": name}))
    assert (panel.ids, panel.roles.id) == (("a", "b"), name)


def test_a_long_table_with_an_id_of_another_name_needs_to_be_told():
    table = two_series().rename(columns={"unique_id": "shop"})
    assert panel_of(table, id="shop").ids == panel_of(table, id="shop", layout="long").ids == ("a", "b")
    with refusal("the DataFrame has no column of ids. Name it with `id_column`. It has 'shop', 'ds', 'y'."):
        panel_of(table, layout="long")
    with refusal("the DataFrame has no column 'shpo' (`id_column`). Did you mean 'shop'? It has 'shop', 'ds', 'y'."):
        panel_of(table, id="shpo")


def test_targets_of_a_long_table_are_y_or_all_that_have_no_other_role():
    table = two_series(price=1.5, size=3)
    assert panel_of(table).columns == ("y",)
    renamed = table.rename(columns={"y": "sales"})
    assert panel_of(renamed).columns == ("sales", "price", "size")
    assert panel_of(renamed, past=("price",), static=("size",)).columns == ("sales",)
    assert panel_of(table, targets=("price", "y")).columns == ("price", "y")


def test_a_covariate_may_be_called_y_where_the_target_is_named():
    assert panel_of(two_series(sales=1.5), past=("y",), targets=("sales",)).columns == ("sales",)


# --- covariates ---


def test_covariates_lie_beside_the_values_and_are_missing_where_a_step_is():
    table = two_series().assign(
        open=np.arange(12.0), price=np.arange(12.0) + 100, size=np.repeat([3.0, 7.0], 6), kind=np.repeat(["x", "z"], 6)
    )
    panel = panel_of(table.drop(index=[2, 9]), past=("open",), future=("price",), static=("kind", "size"))
    expected = np.arange(12.0)
    expected[[2, 9]] = nan
    np.testing.assert_array_equal(panel.past[:, 0], expected)
    np.testing.assert_array_equal(panel.future[:, 0], expected + 100)
    assert panel.static.tolist() == [["x", "3"], ["z", "7"]]
    assert (panel.roles.static, panel.columns) == (("kind", "size"), ("y",))


def test_unknown_covariates_are_refused_with_their_option():
    has = "It has 'unique_id', 'ds', 'y', 'price'."
    for option in ("past", "future", "static"):
        with refusal(f"the DataFrame has no column 'prize' (`{option}_columns`). Did you mean 'price'? {has}"):
            panel_of(two_series(price=1.0), **{option: ("prize",)})


@pytest.mark.parametrize("values", [[1, 1, 1, 1, 1, 2], ["x"] * 5 + ["z"], [1.0, nan, nan, 1.0, 1.0, 2.0]])
def test_a_static_column_that_changes_within_a_series_is_refused(values):
    table = pd.concat([long_table("a", size=[values[0]] * 6), long_table("b", size=values)])
    with refusal(
        "the DataFrame, column 'size': a static column must hold one value per series. Received: more than one for "
        "series 'b'. Name it in past_columns or future_columns."
    ):
        panel_of(table, static=("size",))


# --- a row per series ---


ROWS = '"V1","V2","V3","V4","V5"\n"H1","1","2","3","4"\n"H2","5","6","",""\n"H3","7","","9",""\n'


def test_a_table_of_a_row_per_series_is_known_by_its_first_column():
    panel = panel_of(ROWS)
    assert (panel.ids, panel.lengths().tolist(), panel.frequency) == (("H1", "H2", "H3"), [4, 2, 3], "1")
    assert [values_of(panel, series) for series in (0, 1)] == [[1, 2, 3, 4], [5, 6]]
    np.testing.assert_array_equal(values_of(panel, 2), [7, nan, 9])  # only what is empty at the end is padding
    assert [stamps_of(panel, series) for series in range(3)] == [[1, 2, 3, 4], [1, 2], [1, 2, 3]]
    assert (panel.columns, panel.time_column, panel.missing_steps) == (("value",), "step", 0)


def test_a_test_file_of_rows_counts_on_from_where_each_series_ended(tmp_path):
    train = write(tmp_path / "train.csv", ROWS)
    test = write(tmp_path / "test.csv", "V1,V2,V3\nH3,30,31\nH1,10,11\nH2,20,\n")
    panel, begins = read(train, test)
    np.testing.assert_array_equal(panel.values[:, 0], [1, 2, 3, 4, 10, 11, 5, 6, 20, 7, nan, 9, 30, 31])
    assert panel.starts.tolist() == [0, 6, 9, 14]
    assert [stamps_of(panel, series) for series in range(3)] == [list(range(1, 7)), [1, 2, 3], list(range(1, 6))]
    assert [each.to_dict() for each in begins] == [{"H1": 5, "H2": 3, "H3": 4}]
    assert panel.source == f"{train} with {test}"


def test_a_doubled_series_is_refused_with_its_line(tmp_path):
    path = write(tmp_path / "rows.csv", "id,1,2\na,1,2\nb,1,2\n\na,3,4\n")
    with refusal(f"{path}, line 5: the series 'a' occurs twice."):
        panel_of(path, layout="rows")


def test_a_series_without_values_is_refused_with_its_line(tmp_path):
    path = write(tmp_path / "rows.csv", "id,1,2\na,1,2\nb,,\n")
    with refusal(f"{path}, line 3: the series 'b' has no values."):
        panel_of(path)


def test_ids_that_look_like_numbers_need_the_layout():
    text = "id,1,2,3\n12,1,2,3\n7,4,5,6\n"
    assert panel_of(text, layout="rows").ids == ("12", "7")
    with refusal(
        "the stream has no column that reads as time stamps. Name it with `time_column`, or say --layout rows if every "
        "row is a series. It has 'id', '1', '2', '3'."
    ):
        panel_of(text)


def test_text_among_the_values_of_a_row_is_refused_with_its_line(tmp_path):
    path = write(tmp_path / "rows.csv", "id,1,2\na,1,2\nb,1,two\n")
    with refusal(f"{path}, line 3, column '2': expected a number. Received: 'two'. Leave a missing value empty."):
        panel_of(path, layout="rows")


# --- detection ---


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("date,load\n2024-01-01,1\n2024-01-02,2\n", "wide"),
        ("load,day\n1,2024-01-01\n2,2024-01-02\n", "wide"),
        ("year,load\n2001,1\n2002,2\n", "wide"),
        ("seen,load\n2024-01-01,1\n2024-01-02,2\n", "wide"),
        ("item_id,ds,y\na,2024-01-01,1\na,2024-01-02,2\n", "long"),
        ("name,1,2\nM1,1,2\nQ2,3,4\n", "rows"),
        ("V1,V2,V3,V4\nH1,1,2,\n", "rows"),
    ],
)
def test_the_layout_shows_in_the_table(text, layout):
    found, told = panel_of(text), panel_of(text, layout=layout)
    assert found.roles == told.roles
    assert found.roles.layout == layout
    np.testing.assert_array_equal(found.values, told.values)


# --- several files ---


def test_files_of_a_long_table_follow_each_other_per_series():
    first = pd.concat([long_table("a", SIX[:3]), long_table("b", SIX[:2], 10)])
    second = pd.concat([long_table("b", SIX[3:5], 20), long_table("a", SIX[4:], 30)])
    panel, begins = read(first, second)
    np.testing.assert_array_equal(values_of(panel, 0), [0.5, 1.5, 2.5, nan, 30.5, 31.5])
    np.testing.assert_array_equal(values_of(panel, 1), [10.5, 11.5, nan, 20.5, 21.5])
    assert (panel.missing_steps, begins[0].to_dict()) == (2, {"b": SIX[3], "a": SIX[4]})


def test_a_series_that_only_a_later_file_has_is_refused(tmp_path):
    test = tmp_path / "test.csv"
    long_table("c", SIX + pd.Timedelta(days=6)).to_csv(test, index=False)
    with refusal(f"{test}: the series 'c' does not occur in the DataFrame."):
        read(two_series(), test)
    rows = write(tmp_path / "rows.csv", "V1,V2\nH1,5\nH7,6\n")
    with refusal(f"{rows}: the series 'H7' does not occur in the stream."):
        read(ROWS, rows)


def test_a_series_must_start_after_its_own_end(tmp_path):
    test = tmp_path / "test.csv"
    pd.concat([long_table("a", SIX + pd.Timedelta(days=6)), long_table("b", SIX[5:])]).to_csv(test, index=False)
    with refusal(
        f"{test}, series 'b', must start after the DataFrame ends (2024-01-06 00:00:00). Received: 2024-01-06 00:00:00."
    ):
        read(two_series(), test)


@pytest.mark.parametrize("ids", [{}, {"unique_id": "a"}])
def test_a_later_file_counts_steps_as_the_first_one_does(ids):
    steps = np.arange(1, 1901)  # the first file counts from 1; the second, from 1801 on, would pass for years
    table = pd.DataFrame({**ids, "time": steps, "y": steps + 0.5})
    panel = panel_of(table.iloc[:1800], table.iloc[1800:])
    assert (panel.stamps.tolist(), panel.frequency, panel.missing_steps) == (steps.tolist(), "1", 0)
    np.testing.assert_array_equal(panel.values[:, 0], steps + 0.5)
