"""A table reads the same from CSV, gzip, Parquet, a stream or a DataFrame, and knows where each row came from."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.series import reading, time_stamps

ROWS = 5
FRAME = pd.DataFrame({"step": range(ROWS), "load": [2.5, np.nan, -7.0, 1e-3, 11.0]})
TEXT = FRAME.to_csv(index=False)


def read_text(text):
    return reading.read_table(io.StringIO(text, newline=""))


# --- kinds of sources ---


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.txt", "a.parquet", "a.pq"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name):
    path = tmp_path / name
    if path.suffix in (".parquet", ".pq"):
        FRAME.to_parquet(path)
    else:
        path.write_bytes(gzip.compress(TEXT.encode()) if path.suffix == ".gz" else TEXT.encode())
    for source in (path, str(path)):
        table = reading.read_table(source)
        pd.testing.assert_frame_equal(table.frame, FRAME)
        place = "row 3" if path.suffix in (".parquet", ".pq") else "line 5"
        assert table.place(3) == f"{path}, {place}"


def test_a_stream_gives_the_same_rows(tmp_path):
    table = read_text(TEXT)
    pd.testing.assert_frame_equal(table.frame, FRAME)
    assert table.place(0) == "the stream, line 2"
    path = tmp_path / "a.csv"
    path.write_text(TEXT, encoding="utf-8")
    with path.open(encoding="utf-8") as stream:
        assert reading.read_table(stream).place(0) == f"{path}, line 2"


def test_standard_input_is_called_stdin():
    class StandardInput(io.StringIO):
        name = "<stdin>"

    assert reading.read_table(StandardInput(TEXT)).source == "stdin"


def test_a_data_frame_gives_the_same_rows_and_stays_as_it_is():
    frame = FRAME.copy()
    table = reading.read_table(frame)
    pd.testing.assert_frame_equal(table.frame, FRAME)
    assert table.place(3) == "the DataFrame, row 3"
    table.frame.loc[0, "load"] = 13.0
    pd.testing.assert_frame_equal(frame, FRAME)


@pytest.mark.parametrize("through_parquet", [False, True])
def test_an_index_is_a_column_unless_it_only_numbers_the_rows(tmp_path, through_parquet):
    def columns(frame):
        if through_parquet:
            frame.to_parquet(tmp_path / "a.parquet")
        return list(reading.read_table(tmp_path / "a.parquet" if through_parquet else frame).frame)

    dates = pd.date_range("2024-01-01", periods=ROWS)
    assert columns(FRAME[FRAME["step"] > 1]) == ["step", "load"]
    assert columns(FRAME.set_index("step")) == ["step", "load"]
    assert columns(FRAME.set_index(["step", "load"]).assign(wind=3)) == ["step", "load", "wind"]
    assert columns(FRAME.set_index("step", drop=False)) == ["step", "load"]
    assert columns(FRAME.set_index(dates)) == ["index", "step", "load"]
    assert columns(FRAME.set_index(dates.rename("date"))) == ["date", "step", "load"]


def test_rows_of_a_filtered_data_frame_are_counted_anew():
    table = reading.read_table(FRAME[FRAME["step"] > 1])
    assert table.place(0) == "the DataFrame, row 0"
    assert table.frame["step"].tolist() == [2, 3, 4]


def test_names_that_are_numbers_become_texts():
    table = reading.read_table(pd.DataFrame(np.arange(6.0).reshape(3, 2)))
    reading.check_columns(table, ("0", "1"), "target_columns")
    assert reading.number_column(table, "1").tolist() == [1.0, 3.0, 5.0]


# --- kinds of CSV ---


@pytest.mark.parametrize(
    "text",
    [
        "date,load MW\n2024-01-01,2.5\n2024-01-02,3\n",
        "\ufeffdate,load MW\n2024-01-01,2.5\n2024-01-02,3\n",
        "date,load MW\r\n2024-01-01,2.5\r\n2024-01-02,3\r\n",
        "date,load MW\r2024-01-01,2.5\r2024-01-02,3",
        "date;load MW\n2024-01-01;2.5\n2024-01-02;3\n",
        "date\tload MW\n2024-01-01\t2.5\n2024-01-02\t3\n",
        '"date","load MW"\n"2024-01-01","2.5"\n"2024-01-02","3"\n',
        '"date";"load MW"\n"2024-01-01";2.5\n"2024-01-02";3\n',
        ' date , "load MW"\n2024-01-01, "2.5"\n2024-01-02, 3 \n',
    ],
    ids=["plain", "byte order mark", "CRLF", "CR", "semicolons", "tabs", "quotes", "quotes, semicolons", "spaces"],
)
def test_every_dialect_of_csv_gives_the_same_columns(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    for table in (reading.read_table(path), read_text(text)):
        assert list(table.frame) == ["date", "load MW"]
        assert table.frame["date"].tolist() == ["2024-01-01", "2024-01-02"]
        assert reading.number_column(table, "load MW").tolist() == [2.5, 3.0]
        assert table.lines.tolist() == [2, 3]


def test_a_quoted_delimiter_is_a_part_of_its_field():
    table = read_text('"load, MW, net";step;"a ""b"""\n7;1;"x;y"\n')
    assert table.frame.to_dict("records") == [{"load, MW, net": 7, "step": 1, 'a "b"': "x;y"}]


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 97), st.lists(st.sampled_from(("", "  ", "\t", "BARE")), max_size=3))),
    above=st.lists(st.sampled_from(("", " ", "\t ")), max_size=3),
    below=st.integers(0, 3),
    newline=st.sampled_from(("\n", "\r\n")),
    delimiter=st.sampled_from(reading.DELIMITERS),
    mark=st.sampled_from(("", "\ufeff")),
)
def test_blank_lines_are_passed_over_and_counted(rows, above, below, newline, delimiter, mark):
    lines, expected, values = [*above, f"step{delimiter}load"], [0], [0]
    lines.append(f"0{delimiter}0")
    expected[0] = len(lines)
    for number, (value, blank) in enumerate(rows, 1):
        lines += [delimiter if line == "BARE" else line for line in blank]
        lines.append(f"{number}{delimiter}{value}")
        expected.append(len(lines))
        values.append(value)
    table = read_text(mark + newline.join([*lines, *[""] * below]))
    assert table.lines.tolist() == expected
    assert table.frame["step"].tolist() == list(range(len(values)))
    assert reading.number_column(table, "load").tolist() == values


@pytest.mark.parametrize("cell", ["", "NA", "NaN", "nan", "null", '""', " "])
def test_a_missing_cell_is_nan(cell):
    table = read_text(f"step,load\n0,7\n1,{cell}\n2,5\n")
    np.testing.assert_array_equal(reading.number_column(table, "load"), [7, np.nan, 5])


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_number_keeps_its_last_bit(values):
    table = read_text("load,step\n" + "".join(f"{value!r},7\n" for value in values))
    assert reading.number_column(table, "load").tolist() == values


def test_a_nullable_column_is_float_with_nan():
    table = reading.read_table(pd.DataFrame({"load": pd.array([7, None, 5], dtype="Int64")}))
    values = reading.number_column(table, "load")
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, [7, np.nan, 5])


@settings(deadline=None, max_examples=300)
@given(st.text() | st.text('ab,;\t"\n\r 12.-:\0\ufeff'))
def test_any_text_is_a_table_or_refused_in_one_line_that_names_the_source(text):
    problem = None
    try:
        table = read_text(text)
        time_stamps.time_column(table, time_stamps.find_time_column(table))
        for name in table.frame:
            reading.number_column(table, name)
    except ValueError as error:
        problem = str(error)
    assert problem is None or (problem.startswith("the stream") and "\n" not in problem)
