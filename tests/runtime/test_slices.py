"""Slices of the driver's data come back as they went, whatever they are of."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest

from minispark.errors import PySparkPicklingError
from minispark.runtime.slices import read_slice, sliced


def _back(records: list[Any], num_slices: int = 3) -> list[Any]:
    _, slices, _ = sliced(records, num_slices, 1024)
    assert len(slices) == num_slices
    return [record for chunks in slices for record in read_slice(b"".join(chunks))]


@pytest.mark.parametrize(
    "records",
    [
        [],
        [True, 1, 1.0, None, -0.0, 2**200, "", b"", (1, [2]), {3: {4}}],
        list(range(5_000)),
        [str(i) for i in range(200)] + [b"bytes", bytearray(b"mutable")],
    ],
)
def test_records_come_back(records: list[Any]) -> None:
    found = _back(records)
    assert found == records
    assert list(map(type, found)) == list(map(type, records))


@pytest.mark.parametrize("number", [3, 30, 300])
def test_arrays_are_not_copied_here_and_writable_there(number: int) -> None:
    arrays = [np.arange(i, i + 1_000) for i in range(number)]
    arrays.append(np.arange(10_000).reshape(100, 100)[:, ::2])
    _, slices, _ = sliced(arrays, 1, 1024)
    views = [chunk for chunk in slices[0] if isinstance(chunk, memoryview)]
    assert len(views) >= number, "the arrays' own memory"
    data = b"".join(slices[0])
    found, again = list(read_slice(data)), list(read_slice(data))
    for array, one, other in zip(arrays, found, again, strict=True):
        assert (array == one).all()
        one[...] = -1
        assert (array == other).all(), "what one reader changes another does not see"


def test_mixed_with_arrays() -> None:
    records = [None, np.float64(1.5), np.array([1]), "text", np.array(["a", None], dtype=object)]
    found = _back(records * 50, 2)
    assert pickle.dumps(found) == pickle.dumps(_back(records * 50, 2))
    assert [type(r) for r in found] == [type(r) for r in records * 50]
    assert found[4].tolist() == ["a", None]


@pytest.mark.parametrize("number", [3, 300])
def test_the_record_that_does_not_pickle_is_named(number: int) -> None:
    lock = threading.Lock()
    with pytest.raises(PySparkPicklingError, match="record <unlocked"):
        sliced([*range(number), lock], 1, 1024)
