"""Small arrays that are put together come apart as pickle would give them."""

from __future__ import annotations

import pickle
import random

import pytest

from minispark.storage.arrays import stacked
from minispark.storage.serializer import (
    FrameReader,
    FrameWriter,
    PairFrame,
    iter_frames,
    lazy_frames,
)
from minispark.storage.values import dump_value, load_value

np = pytest.importorskip("numpy")


class Own(np.ndarray):
    """A subclass."""


def arrays(count=50, shape=(5,), dtype="f8"):
    rng = np.random.default_rng(count)
    return [rng.integers(-100, 100, size=shape).astype(dtype) for _ in range(count)]


def readonly(array):
    array.flags.writeable = False
    return array


ODD_FLOATS = [np.array([float("nan"), -0.0, 0.0, float("inf"), 5e-324]) for _ in range(20)]
SIGNALLING = [np.array([0x7FF0000000000001, 1], "u8").view("f8") for _ in range(9)]
WHOLE = np.arange(300.0).reshape(60, 5)
SAME = np.zeros(3)
MAX_DIMENSIONS = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32

STACKED = {
    "floats": arrays(),
    "odd floats": ODD_FLOATS,
    "signalling NaNs": SIGNALLING,
    **{kind: arrays(dtype=kind) for kind in ("?", "i1", "u8", "f2", "f4", "c16", "g")},
    "matrices": arrays(shape=(3, 4)),
    "one number each": arrays(shape=(1,)),
    "rows of another": list(WHOLE),
    "one more than blocks": arrays(33),
}
AS_THEY_ARE = {
    "few": arrays(7),
    "none": [],
    "another length": [*arrays(), np.zeros(6)],
    "another type": [*arrays(), np.zeros(5, "f4")],
    "a number among them": [*arrays(), 1.0],
    "numbers first": [1.0, *arrays()],
    "a list": [*arrays(), [1.0] * 5],
    "a subclass": [*arrays(), np.zeros(5).view(Own)],
    "subclasses": [a.view(Own) for a in arrays()],
    "one twice": [*arrays(shape=(3,)), SAME, SAME],
    "read only": [*arrays(), readonly(np.zeros(5))],
    "columns": list(np.asfortranarray(WHOLE).T),
    "fortran": [np.asfortranarray(a) for a in arrays(shape=(3, 4))],
    "strided": [np.arange(10.0)[::2] for _ in range(20)],
    "big endian": arrays(dtype=">i4"),
    "objects": arrays(dtype="O"),
    "texts": arrays(dtype="U4"),
    "dates": arrays(dtype="i8") and [a.astype("M8[s]") for a in arrays(dtype="i8")],
    "records": [np.zeros(2, [("a", "i4"), ("b", "f8")]) for _ in range(20)],
    "with metadata": [np.zeros(2, np.dtype("f8", metadata={"a": 1})) for _ in range(20)],
    "no dimension": [np.array(1.0) for _ in range(20)],
    "no number": [np.zeros((0, 3)) for _ in range(20)],
    "large": arrays(shape=(300,)),
    "all dimensions that numpy has": arrays(shape=(1,) * MAX_DIMENSIONS),
}


def described(records):
    """All that tells records apart, bits of NaNs included, and which are one object."""
    known = {}
    return [
        (type(r), known.setdefault(id(r), i), *_array(r)) if isinstance(r, np.ndarray) else r
        for i, r in enumerate(records)
    ]


def _array(a):
    flags = (a.flags.c_contiguous, a.flags.f_contiguous, a.flags.writeable)
    content = a.tolist() if a.dtype.kind == "O" else a.tobytes()
    return a.dtype, a.dtype.str, a.shape, a.strides, flags, content


@pytest.mark.parametrize("name", [*STACKED, *AS_THEY_ARE])
def test_arrays_come_back_as_pickle_brings_them(name):
    records = {**STACKED, **AS_THEY_ARE}[name]
    assert (stacked(records) is not None) is (name in STACKED)
    expected = described(pickle.loads(pickle.dumps(records, 5)))
    assert described(FrameReader().load(FrameWriter().rows(records))) == expected
    (frame,) = lazy_frames(FrameWriter().pairs(list(range(len(records))), records))
    assert isinstance(frame, PairFrame)
    assert described(frame.values) == expected


@pytest.mark.parametrize("name", STACKED)
def test_what_comes_back_shares_nothing(name):
    records = STACKED[name]
    buf = FrameWriter().rows(records)
    before = described(records)
    first, second = FrameReader().load(buf), FrameReader().load(buf)
    order = list(range(len(first)))
    random.Random(1).shuffle(order)
    for i in order[::2]:
        first[i][...] = 1
    touched = set(order[::2])
    assert [d for i, d in enumerate(described(first)) if i not in touched] == [
        d for i, d in enumerate(described(second)) if i not in touched
    ]
    assert all((first[i] == 1).all() for i in touched)
    assert described(records) == before


def test_a_result_of_small_arrays_has_no_buffers_of_its_own():
    records = arrays(100)
    value = b"".join(dump_value(records))
    assert described(load_value(value)) == described(records)
    assert len(value) < 100 * records[0].nbytes + 1500
    # One that is not small: each is a buffer, as without the small ones.
    mixed = [*records, np.zeros(1000)]
    loaded = load_value(b"".join(map(bytes, dump_value(mixed))), copy=True)
    assert described(loaded) == described(mixed)


def test_a_row_keeps_few_others_in_memory():
    (kept, *_) = FrameReader().load(FrameWriter().rows(arrays(1000, (100,))))
    base = kept
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert base.nbytes <= 16 * kept.nbytes


def test_a_stream_may_change_its_kind():
    writer = FrameWriter()
    records = [arrays(20), arrays(20, (300,)), ["text"], arrays(9, (2, 2))]
    frames = list(iter_frames(b"".join(map(writer.rows, records))))
    assert list(map(described, frames)) == [
        described(pickle.loads(pickle.dumps(r, 5))) for r in records
    ]
