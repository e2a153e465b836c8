"""What is asked for, one value for all rows or one per row, becomes a value in range for every row."""

import numpy as np
import pytest
from toy_network import LAST, LONGEST, MOST, OFF, knobs

BATCH = 5


def assert_rows(received, name, expected):
    assert getattr(received, name).dtype == OFF[name][1]
    np.testing.assert_array_equal(getattr(received, name).numpy(), np.array(expected, OFF[name][1].as_numpy_dtype))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("max_new_tokens", [-1, 0, MOST, MOST + 1, 2**31 - 1], [0, 0, MOST, MOST, MOST]),
        ("temperature", [np.nan, -np.inf, -1.0, 0.0, 0.5], [0, 0, 0, 0, 0.5]),
        ("temperature", [1e-9, -0.0, 1e-5, 1.0, 7.0], [0, 0, 1e-5, 1, 7]),
        ("top_k", [-(2**31), -1, 0, 1, 2**31 - 1], [0, 0, 0, 1, 2**31 - 1]),
        ("top_p", [np.nan, -0.1, 0.0, 0.5, 1.0], [1, 1, 0, 0.5, 1]),
        ("top_p", [np.inf, -np.inf, 1.1, LAST, 0.1], [1, 1, 1, LAST, 0.1]),
        ("repetition_penalty", [np.nan, -2.0, 0.0, 1.3, 0.5], [1, 1, 1, 1.3, 0.5]),
        ("no_repeat_ngram", [-(2**31), -1, 0, 1, 5], [0, 0, 0, 1, 5]),
        ("stop", [b"", b"x" * LONGEST, b"x" * (LONGEST + 1), "é".encode() * 7, b"\0" * 99],
         [b"", b"x" * LONGEST, b"x" * LONGEST, b"\xc3\xa9" * 6 + b"\xc3", b"\0" * LONGEST]),
        ("seed", [-(2**63), -1, 0, 1, 2**63 - 1], [-(2**63), -1, 0, 1, 2**63 - 1]),
    ],
)  # fmt: skip
def test_values_out_of_range_mean_the_nearest_or_nothing(name, given, expected):
    received = knobs(BATCH, **{name: given})
    if name == "stop":
        assert received.stop.numpy().tolist() == expected
    else:
        assert_rows(received, name, expected)
    for other in OFF.keys() - {name, "stop"}:
        assert_rows(received, other, [OFF[other][0]] * BATCH)


@pytest.mark.parametrize("values", [{}, {"top_k": [3], "stop": ["."], "seed": [7], "temperature": [0.5]}])
@pytest.mark.parametrize("batch", [0, 1, BATCH])
def test_one_value_counts_for_all_rows(batch, values):
    for (name, (usual, _)), received in zip(OFF.items(), knobs(batch, **values), strict=True):
        (value,) = values.get(name, [usual])
        value = np.float32(value) if isinstance(value, float) else value
        assert received.numpy().tolist() == [value.encode() if name == "stop" else value] * batch
