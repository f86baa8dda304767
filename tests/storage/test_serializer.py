"""Frames and values survive the way to bytes and back exactly."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import threading
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minispark.errors import PySparkPicklingError, PySparkRuntimeError
from minispark.storage.serializer import (
    FRAME_BYTES,
    FRAME_RECORDS,
    dump_frame,
    dump_pairs,
    dump_records,
    dump_value,
    iter_frames,
    load_frame,
    load_value,
)

Point = namedtuple("Point", "x y")

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
records = st.recursive(
    scalars | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(scalars, inner),
    max_leaves=8,
)


def joined(chunks):
    return b"".join(chunks)


@given(st.lists(records))
@settings(max_examples=60, deadline=None)
def test_frames_round_trip(values):
    assert load_frame(dump_frame(values)) == values
    block = joined(dump_records(values))
    assert [r for frame in iter_frames(block) for r in frame] == values
    assert load_value(joined(dump_value(values))) == values


@given(st.lists(st.tuples(records, records)))
@settings(max_examples=40, deadline=None)
def test_pairs_round_trip(pairs):
    keys, values = [k for k, _ in pairs], [v for _, v in pairs]
    assert load_frame(dump_pairs(keys, values)) == pairs


def test_types_of_records_are_kept():
    odd = [Point(1, 2), (1, 2), [1, 2], True, 1, 1.0, -0.0, (1,), "a\ud800", np.float64(1)]
    again = load_frame(dump_frame(odd))
    assert [type(x) for x in again] == [type(x) for x in odd]
    assert again == odd


def test_frames_shrink_for_large_records():
    big = ["x" * 300_000] * 40
    sizes = [len(f) for f in dump_records(list(map(str.upper, big)))]
    assert len(sizes) >= 4
    assert max(sizes[1:]) < 2 * FRAME_BYTES
    small = [len(f) for f in iter_frames(joined(dump_records(range(10_000))))]
    assert max(small) == FRAME_RECORDS


def test_cut_block_is_an_error():
    block = joined(dump_records(range(100)))
    for end in (len(block) - 1, 5):
        with pytest.raises(PySparkRuntimeError, match="inside a frame"):
            list(iter_frames(block[:end]))
    with pytest.raises(PySparkRuntimeError):
        load_frame(block + b"x")


def test_unpicklable_record_is_named():
    with pytest.raises(PySparkPicklingError, match="lock"):
        dump_frame([1, 2, threading.Lock()])
    with pytest.raises(PySparkPicklingError, match="lock"):
        joined(dump_value([1] * 1000 + [threading.Lock()]))
    with pytest.raises(PySparkPicklingError, match="lock"):
        joined(dump_value(threading.Lock()))


def test_functions_and_local_classes_travel_by_value():
    class Local:
        def __init__(self, x):
            self.x = x

    again = load_frame(dump_frame([Local(3), lambda: 4]))
    assert again[0].x == 3
    assert again[1]() == 4


_MAIN = """
import sys
from minispark.storage.serializer import dump_frame, dump_value
class Thing:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
def twice(x): return 2 * x
mode = sys.argv[1]
if mode == "frame":
    data = dump_frame([Thing(1), twice], by_value=True)
elif mode == "list":
    data = b"".join(dump_value([Thing(i) for i in range(500)], by_value=True))
else:
    data = b"".join(dump_value({"a": Thing(7)}, by_value=True))
sys.stdout.buffer.write(data)
"""


@pytest.mark.parametrize("mode", ["frame", "list", "value"])
def test_classes_of_main_travel_by_value(mode, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_MAIN)
    data = subprocess.run(
        [sys.executable, str(script), mode], capture_output=True, check=True
    ).stdout
    if mode == "frame":
        thing, twice = load_frame(data)
        assert (thing.x, twice(4)) == (1, 8)
    elif mode == "list":
        assert [t.x for t in load_value(data)] == list(range(500))
    else:
        assert load_value(data)["a"].x == 7


def test_by_value_keeps_plain_frames_plain():
    rows = [("a", 1), ("b", 2)]
    assert dump_frame(rows, by_value=True) == dump_frame(rows)


def test_arrays_are_not_copied_and_are_aligned():
    value = {"a": np.arange(1000), "b": [np.ones(3), np.zeros((2, 2))]}
    chunks = dump_value(value)
    assert any(isinstance(c, memoryview) and len(c) == 8000 for c in chunks)
    data = joined(chunks)
    again = load_value(data)
    assert np.array_equal(again["a"], value["a"])
    assert np.array_equal(again["b"][1], value["b"][1])
    assert not again["a"].flags.writeable
    own = load_value(data, copy=True)
    own["a"][0] = 5
    assert own["a"][0] == 5
    position = 0
    for chunk in chunks:
        if isinstance(chunk, memoryview):
            assert position % 64 == 0
        position += len(chunk)


def test_list_of_arrays_goes_out_of_band():
    value = [np.full(100, i) for i in range(200)]
    chunks = dump_value(value)
    assert sum(isinstance(c, memoryview) for c in chunks) == 200
    assert all(np.array_equal(a, b) for a, b in zip(load_value(joined(chunks)), value, strict=True))


@pytest.mark.parametrize("value", [None, 0, "", [], [1], (), {}, b"x", range(3), list(range(5000))])
def test_values_round_trip(value):
    again = load_value(joined(dump_value(value)))
    assert again == value
    assert type(again) is type(value)


def test_cut_value_is_an_error():
    data = joined(dump_value({"a": np.arange(1000)}))
    with pytest.raises(PySparkRuntimeError, match="buffers"):
        load_value(data[:-1])
    with pytest.raises(PySparkRuntimeError, match="not a value"):
        load_value(b"?" + data)


@pytest.mark.parametrize("enabled", [True, False])
def test_gc_is_as_before(enabled):
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        load_frame(dump_frame([1]))
        with pytest.raises(PySparkPicklingError):
            dump_frame([threading.Lock()])
        with pytest.raises((pickle.UnpicklingError, EOFError)):
            load_value(b"P" + bytes(16))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()
