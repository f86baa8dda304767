"""Frames and values survive the way to bytes and back exactly."""

from __future__ import annotations

import collections
import enum
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
    FrameReader,
    FrameWriter,
    dump_frame,
    dump_records,
    iter_frames,
)
from minispark.storage.values import dump_value, load_value

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
    assert FrameReader().load(dump_frame(values)) == values
    block = joined(dump_records(values))
    assert [r for frame in iter_frames(block) for r in frame] == values
    assert load_value(joined(dump_value(values))) == values


@given(st.lists(st.tuples(records, records)))
@settings(max_examples=40, deadline=None)
def test_pairs_round_trip(pairs):
    keys, values = [k for k, _ in pairs], [v for _, v in pairs]
    assert FrameReader().load(FrameWriter().pairs(keys, values)) == pairs


@given(st.lists(records))
@settings(max_examples=40, deadline=None)
def test_keys_round_trip(keys):
    assert FrameReader().load(FrameWriter().keys(keys)) == [(k, None) for k in keys]


def test_keys_of_local_classes_in_a_stream():
    cls = local_class("Key")
    writer, reader = FrameWriter(), FrameReader()
    for _ in range(2):
        (key, none), (one, _) = reader.load(writer.keys([cls(7), 1]))
        assert (key.x, none, one) == (7, None, 1)
    with pytest.raises(PySparkPicklingError, match="lock"):
        writer.keys([1, threading.Lock()])


def test_types_of_records_are_kept():
    odd = [Point(1, 2), (1, 2), [1, 2], True, 1, 1.0, -0.0, (1,), "a\ud800", np.float64(1)]
    again = FrameReader().load(dump_frame(odd))
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
        FrameReader().load(block + b"x")


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

    again = FrameReader().load(dump_frame([Local(3), lambda: 4]))
    assert again[0].x == 3
    assert again[1]() == 4


_MAIN = """
import sys
from minispark.storage.serializer import dump_frame
from minispark.storage.values import dump_value
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
        thing, twice = FrameReader().load(data)
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


def test_a_list_of_large_arrays_goes_out_of_band():
    value = [np.full(1000, i) for i in range(200)]
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
        FrameReader().load(dump_frame([1]))
        with pytest.raises(PySparkPicklingError):
            dump_frame([threading.Lock()])
        with pytest.raises((pickle.UnpicklingError, EOFError)):
            load_value(b"P" + bytes(16))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def local_class(name, **attributes):
    def init(self, x):
        self.x = x

    return type(name, (), {"__init__": init, **attributes})


def test_a_stream_brings_each_class_once():
    first, second = local_class("First"), local_class("Second")
    writer = FrameWriter()
    plain = writer.rows([1])
    frames = [
        writer.rows([first(1), first(2)]),
        writer.pairs([first(3)], [second(4)]),
        writer.rows([second(5), first]),
        writer.rows([6]),
    ]
    assert [frame.count(b"First") for frame in (plain, *frames)] == [0, 1, 0, 0, 0]
    assert [frame.count(b"Second") for frame in frames] == [0, 1, 0, 0]
    reader = FrameReader()
    loaded = [reader.load(frame) for frame in (plain, *frames)]
    assert [type(x) for x in loaded[1]] == [first, first]
    assert [(k.x, v.x) for k, v in loaded[2]] == [(3, 4)]
    assert loaded[3][0].x == 5
    assert loaded[3][1] is first
    assert loaded[4] == [6]
    assert [x.x for frame in iter_frames(b"".join(frames[:1])) for x in frame] == [1, 2]


_READ = """
import pickle, sys
from minispark.storage.serializer import FrameReader, iter_frames
streams = pickle.load(sys.stdin.buffer)
records = [r for stream in streams for frame in iter_frames(stream) for r in frame]
assert len({type(r) for r in records}) == 1, "one class in all streams"
print(sum(r.x for r in records), records[0].twice(), type(records[0]).__module__)
"""


def test_classes_arrive_in_a_process_that_does_not_know_them():
    cls = local_class("Thing", twice=lambda self: 2 * self.x)
    streams = [b"".join(dump_records([cls(i) for i in range(n)])) for n in (3000, 2000)]
    assert [stream.count(b"twice") for stream in streams] == [1, 1]
    answer = subprocess.run(
        [sys.executable, "-c", _READ], input=pickle.dumps(streams), capture_output=True, check=True
    ).stdout.split()
    assert answer[:2] == [str(sum(range(3000)) + sum(range(2000))).encode(), b"0"]


def test_a_frame_that_cannot_be_pickled_brings_no_class():
    cls = local_class("Thing")
    writer = FrameWriter()
    with pytest.raises(PySparkPicklingError, match="lock"):
        writer.rows([cls(1), threading.Lock()])
    frame = writer.rows([cls(2)])
    assert FrameReader().load(frame)[0].x == 2
    assert frame.count(b"Thing") == 1


def test_a_class_that_changes_travels_as_it_is():
    cls = local_class("Thing", factor=1)
    before = dump_frame([cls(1)])
    cls.factor = 2
    after = dump_frame([cls(1)])
    assert before != after
    assert FrameReader().load(after)[0].factor == 2


def test_odd_classes_in_a_stream():
    kind = enum.Enum("kind", ["A", "B"], module="__main__")
    pair = collections.namedtuple("pair", "a b")
    base = local_class("Base")
    derived = type("Derived", (base, dict), {})
    error = type("Odd", (ValueError,), {})
    writer, reader = FrameWriter(), FrameReader()
    for _ in range(3):
        row = [kind.A, pair(1, 2), derived(3), error("x"), type(None), NotImplemented, lambda: 4]
        a, b, c, d, none, missing, four = reader.load(writer.rows(row))
        assert (a, b) == (kind.A, pair(1, 2))
        assert type(a) is kind
        assert (type(b), type(c), type(d)) == (pair, derived, error)
        assert isinstance(c, base)
        assert (c.x, d.args, none, missing, four()) == (3, ("x",), type(None), NotImplemented, 4)
