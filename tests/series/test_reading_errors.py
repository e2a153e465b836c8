"""Whatever is wrong with a table is said in one sentence with file, line and column."""

import gzip
import io
import re
import zlib

import numpy as np
import pandas as pd
import pytest
from refusals import refusal

from seqapps.series import reading

FULL = "Name every column, and quote what holds a ','."


def read_text(text):
    return reading.read_table(io.StringIO(text, newline=""))


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "a.csv", tmp_path):
        with refusal(f"There is no file {str(path)!r}.", FileNotFoundError):
            reading.read_table(path)


@pytest.mark.parametrize("text", ["", "\n", " \n\r\n\t\n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    with refusal(f"{path} is empty: it needs a header line and rows."):
        reading.read_table(path)


@pytest.mark.parametrize("text", ["step,load", "step,load\n", "step,load\n\n", "step,load\n,\n"])
def test_a_header_without_rows_is_refused(text):
    with refusal("the stream is empty: it has a header but no rows."):
        read_text(text)


def test_a_data_frame_without_rows_is_refused():
    with refusal("the DataFrame is empty: it has a header but no rows."):
        reading.read_table(pd.DataFrame({"step": [], "load": []}))


@pytest.mark.parametrize("header", ["step,load,load", "step,load, load", 'step,"load",load', "load,step,wind,load"])
def test_a_doubled_column_is_refused(header):
    with refusal("the stream: column 'load' occurs twice. Give every column its own name."):
        read_text(f"{header}\n1,2,3\n")


def test_a_doubled_column_of_a_data_frame_is_refused():
    with refusal("the DataFrame: column '7' occurs twice. Give every column its own name."):
        reading.read_table(pd.DataFrame([[1, 2, 3]], columns=["step", 7, "7"]))


@pytest.mark.parametrize(
    ("text", "line", "fields"),
    [
        ("step,load\n1,2,3\n4,5,6\n", 2, 3),
        ("step,load\n1,2,3\n4,5\n", 2, 3),
        ("step,load\n1,2\n\n4,5,6,7\n", 4, 4),
        ("\nstep,load\r\n1,2\r\n4,5,6\r\n", 4, 3),
        ('step,load\n1,"2\n2"\n4,"5,5",6\n', 4, 3),
    ],
)
def test_a_row_with_more_fields_than_the_header_is_refused_with_its_line(text, line, fields):
    with refusal(f"the stream, line {line}: expected 2 fields, as in the header. Received: {fields}. {FULL}"):
        read_text(text)


def test_a_quote_that_never_ends_is_refused():
    with refusal("the stream cannot be read as CSV: EOF inside string starting at row 1."):
        read_text('step,load\n1,"2\n3,4\n')


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(("content", "line"), [(b"\xff", 1), (b"a\n\xff", 2), (b"step,load\n1,2\n\n3,\xe4\n", 4)])
def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path, mark, content, line):
    for name in ("a.csv", "a.csv.gz"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(mark + content) if name.endswith(".gz") else mark + content)
        with refusal(f"{path}, line {line}: the text is not UTF-8. Save the file as UTF-8."):
            reading.read_table(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_unicode_is_refused(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("step,load\n1,2\n".encode(encoding))
    with refusal(f"{path}, line 1: the text is not UTF-8. Save the file as UTF-8."):
        reading.read_table(path)


def test_a_damaged_gzip_file_is_refused_with_the_reason(tmp_path):
    whole = gzip.compress(b"step,load\n" + b"".join(b"%d,%d\n" % (row, row * row) for row in range(97)), mtime=0)
    header, checksum = whole[:10], whole[-8:-4]
    damaged = {
        "Not a gzipped file": b"step,load\n1,2\n",
        "Compressed file ended before the end-of-stream marker was reached": whole[:-11],
        "Error -3 while decompressing data": header + b"\xff" * 31,
        "CRC check failed": whole.replace(checksum, bytes(byte ^ 1 for byte in checksum)),
    }
    path = tmp_path / "a.csv.gz"
    for start, content in damaged.items():
        with pytest.raises((OSError, EOFError, zlib.error), match=rf"\A{re.escape(start)}") as reason:
            gzip.decompress(content)
        path.write_bytes(content)
        with refusal(f"{path} cannot be decompressed: {str(reason.value).rstrip('.')}."):
            reading.read_table(path)


def test_a_damaged_parquet_file_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"step,load\n1,2\n")
    start = re.escape(f"{path} cannot be read as Parquet: ")
    with pytest.raises(ValueError, match=rf"\A{start}.*Parquet magic bytes not found"):
        reading.read_table(path)


def test_an_unknown_column_is_refused_with_a_suggestion_and_all_columns():
    table = read_text("step,load,wind\n1,2,3\n")
    reading.check_columns(table, ("wind", "load"), "target_columns")
    with refusal(
        "the stream has no column 'Lod' (`target_columns`). Did you mean 'load'? It has 'step', 'load', 'wind'."
    ):
        reading.check_columns(table, ("wind", "Lod"), "target_columns")
    with refusal("the stream has no column 'qqq' (`time_column`). It has 'step', 'load', 'wind'."):
        reading.check_columns(table, ("qqq",), "time_column")


@pytest.mark.parametrize("cell", ["high", "1,5", "7 MW", "2024-01-01", "-"])
def test_text_in_a_column_of_numbers_is_refused_with_its_line(cell):
    table = read_text(f"step;load\n1;2\n\n3;\n4;{cell}\n5;low\n")
    with refusal(
        f"the stream, line 5, column 'load': expected a number. Received: {cell!r}. Leave a missing value empty."
    ):
        reading.number_column(table, "load")


def test_text_late_in_a_large_file_is_refused_without_a_warning():
    columns, rows = 2003, 1051  # pandas reads such a file in pieces, unless it is told not to
    names = ",".join(f"c{number}" for number in range(columns))
    row = ",".join("7" * columns)
    table = read_text("\n".join([names, *[row] * rows, row[:-1] + "x"]))
    last = f"c{columns - 1}"
    with refusal(
        f"the stream, line {rows + 2}, column {last!r}: expected a number. Received: 'x'. Leave a missing value empty."
    ):
        reading.number_column(table, last)


def test_time_stamps_are_no_numbers():
    table = reading.read_table(pd.DataFrame({"seen": pd.date_range("2024-01-01", periods=3)}))
    with refusal(
        "the DataFrame, row 0, column 'seen': expected a number. Received: '2024-01-01'. Leave a missing value empty."
    ):
        reading.number_column(table, "seen")


@pytest.mark.parametrize(("cell", "received"), [("inf", "inf"), ("-inf", "-inf"), ("-Infinity", "-inf")])
def test_an_infinite_value_is_refused_with_its_line(cell, received):
    table = read_text(f"step,load\n1,2\n3,{cell}\n")
    with refusal(f"the stream, line 3, column 'load': the value must be finite. Received: {received}."):
        reading.number_column(table, "load")


def test_an_infinite_value_of_a_data_frame_is_refused_with_its_row():
    table = reading.read_table(pd.DataFrame({"load": [7.0, 5.0, -np.inf]}))
    with refusal("the DataFrame, row 2, column 'load': the value must be finite. Received: -inf."):
        reading.number_column(table, "load")
