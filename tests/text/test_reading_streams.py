"""Rows come one at a time, from files larger than memory and from lines that are still being written."""

import gzip
import io
import itertools
import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from refusals import refusal

from seqapps.text import reading
from seqapps.text.reading import Row

MANY = 200_000

# --- one row at a time ---


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_the_first_rows_come_before_the_file_is_read(tmp_path, name):
    row, header = (b'{"text": "good %d", "label": 1}\n', b"") if "n" in name else (b"good %d,1\n", b"text,label\n")
    content = header + b"".join(row % number for number in range(MANY))
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(content, 1)[:-1013])  # an iteration to the end would fail
    source = reading.open_source(path)
    for _ in range(2):
        assert [found.text for found in itertools.islice(source, 3)] == ["good 0", "good 1", "good 2"]
    if name == "a.csv":
        ended = "Compressed file ended before the end-of-stream marker was reached"
        with refusal(f"a.csv.gz cannot be decompressed: {ended}."):
            list(source)


def test_the_first_rows_of_parquet_come_before_the_file_is_read(tmp_path):
    path = tmp_path / "a.parquet"
    rows = MANY // 10
    frame = pd.DataFrame({"text": np.arange(rows).astype(str), "label": 1})
    frame.to_parquet(path, row_group_size=rows // 4)
    last = pq.ParquetFile(path).metadata.row_group(3).column(0)
    content = bytearray(path.read_bytes())
    content[last.data_page_offset : last.data_page_offset + 31] = bytes(31)
    path.write_bytes(content)
    source = reading.open_source(path)
    assert [row.text for row in itertools.islice(source, rows // 2)][-1] == str(rows // 2 - 1)
    with pytest.raises(ValueError, match=r"\Aa\.parquet cannot be read as Parquet: [^\n]+\Z"):
        list(source)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_file_is_never_held_in_memory(tmp_path, name):
    line = json.dumps({"text": "good " * 200, "label": 1}) if name.endswith("l") else f'{"good " * 200}"\t1'
    header = "" if name.endswith("l") else "text\tlabel\n"
    path = tmp_path / name
    path.write_text(header + f"{line}\n" * 5_003)
    tracemalloc.start()
    try:
        assert sum(1 for _ in reading.open_source(path)) == 5_003
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 5


def test_two_iterations_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"good {number},{number}\n" for number in range(7)))
    source = reading.open_source(path)
    for one, other in zip(source, source, strict=True):
        assert one == other


def test_no_tensorflow_is_needed():
    program = "import sys, seqapps.text.reading\nprint(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- lines of a stream ---


def test_every_line_of_a_stream_is_a_text():
    stream = io.StringIO('\ufeffa, "b"\r\n\n c \ud7ff\x85\nd', newline="")
    assert list(reading.text_rows(stream)) == [
        Row('a, "b"', None, "the stream, line 1"),
        Row("", None, "the stream, line 2"),
        Row(" c \ud7ff\x85", None, "the stream, line 3"),
        Row("d", None, "the stream, line 4"),
    ]


def test_a_line_of_a_stream_that_is_no_utf8_keeps_its_place_among_the_others(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfgood\ncaf\xe9\r\na\0b\n\xf0\x9f\nd")
    with path.open(encoding="latin-1") as stream:
        assert list(reading.text_rows(stream)) == [
            Row("good", None, "a.txt, line 1"),
            Row("caf\udce9", None, "a.txt, line 2"),
            Row("a\0b", None, "a.txt, line 3"),
            Row("\udcf0\udc9f", None, "a.txt, line 4"),
            Row("d", None, "a.txt, line 5"),
        ]


def test_a_stream_is_read_as_it_comes():
    seen = []

    def endless():
        for number in itertools.count():
            seen.append(number)
            yield f"text {number}\n"

    rows = list(itertools.islice(reading.text_rows(endless()), 3))
    assert [row.text for row in rows] == ["text 0", "text 1", "text 2"]
    assert seen == [0, 1, 2]


def test_standard_input_is_utf8_whatever_the_machine_says():
    program = (
        "import sys\nfrom seqapps.text.reading import text_rows\n"
        "for row in text_rows(sys.stdin): print(ascii((row.text, row.place)))\n"
    )
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input="\ufeffé\r\n😀\n".encode(), capture_output=True, check=True, env=environment)
    assert done.stdout.split(b"\n") == [b"('\\xe9', 'stdin, line 1')", b"('\\U0001f600', 'stdin, line 2')", b""]
