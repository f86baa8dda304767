"""`portable_hash` gives PySpark's values with and without PYTHONHASHSEED=0."""

from __future__ import annotations

import decimal
import enum
import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minispark.errors import PySparkTypeError
from minispark.kernels.hashing import HASH_PROBE, hash_is_seeded, portable_hash
from minispark.kernels.siphash import seed0_hash, siphash

NAMES = {"date": date, "datetime": datetime, "time": time, "timedelta": timedelta}
NAMES |= {"timezone": timezone, "decimal": decimal, "frozenset": frozenset, "inf": float("inf")}

needs_siphash13 = pytest.mark.skipif(
    sys.hash_info.algorithm != "siphash13", reason="recorded with SipHash13"
)


class Colour(enum.Enum):
    RED = 1


@dataclass(frozen=True)
class Point:
    x: object
    name: str


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __eq__(self, other):
        return (self.a, self.b) == (other.a, other.b)

    def __hash__(self):
        return hash((self.a, self.b))


class Caching:
    """Keeps its hash for dictionaries: that one must stay this process's."""

    def __init__(self, a):
        self.a = a

    def __hash__(self):
        if not hasattr(self, "kept"):
            self.kept = hash(self.a)
        return self.kept


@needs_siphash13
def test_values_are_pysparks(recorded):
    for text, expected in recorded["hash"]:
        assert portable_hash(eval(text, dict(NAMES))) == expected, text


SCRIPT = """
import json, sys, enum, uuid, decimal
from dataclasses import dataclass
from datetime import *
from pathlib import PurePosixPath
from minispark.kernels.hashing import HASH_PROBE, hash_is_seeded, portable_hash
class Colour(enum.Enum):
    RED = 1
@dataclass(frozen=True)
class Point:
    x: object
    name: str
class Pair:
    def __init__(self, a, b): self.a, self.b = a, b
    def __hash__(self): return hash((self.a, self.b))
keys = [eval(k) for k in json.loads(sys.stdin.read())]
print(json.dumps([hash_is_seeded(), HASH_PROBE, [portable_hash(k) for k in keys],
                  [hash(k) for k in keys[:int(sys.argv[1])]]]))
"""

#: Keys that CPython hashes alike in all seeded processes.
STABLE = [
    "''", "'a'", "'\\u65e5'", "'\\U0001f600'", "'\\udc80'", "b'x'", "12", "1.5", "frozenset('abc')",
    "frozenset([('a', 1), b'c'])", "frozenset(map(str, range(100)))", "frozenset()",
    "datetime(2020, 1, 2, fold=1)", "datetime(2020, 1, 2, tzinfo=timezone.utc)",
    "time(1, 2, tzinfo=timezone.utc)", "time(3)", "Colour.RED", "Point('a', 'b')",
    "Point(('k', 1.5), '')", "Pair('u', 2)", "uuid.UUID(int=7)", "decimal.Decimal('2.5')",
    "PurePosixPath('/a/b')", "memoryview(b'abc')", "range(2, 9)",
]  # fmt: skip
#: Keys whose own hash is an address somewhere inside.
REPLACED = [
    "None", "(None, 'a')", "float('nan')", "(1, float('nan'))", "frozenset([None, 'a'])",
    "Point(None, 'a')", "Point(float('nan'), 'a')", "Pair(None, 1)", "decimal.Decimal('sNaN')",
]  # fmt: skip


def run(seed):
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(len(STABLE))],
        input=json.dumps(STABLE + REPLACED),
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(out.stdout)


def test_seeded_and_unseeded_processes_agree():
    seeded, probe, values, plain = run("0")
    unseeded, other_probe, other_values, _ = run("5")
    assert (seeded, unseeded) == (True, False)
    assert probe == other_probe == HASH_PROBE
    assert values == other_values
    # Where hash() is right under seed 0, it is the value.
    assert values[: len(STABLE)] == plain


def test_nan_and_none_are_zero_wherever_they_are():
    nan = float("nan")
    assert portable_hash(None) == portable_hash(nan) == portable_hash(decimal.Decimal("nan")) == 0
    assert portable_hash((nan,)) == portable_hash((None,)) == portable_hash((0,))
    assert portable_hash(frozenset([None])) == portable_hash(frozenset([0]))


def test_equal_keys_hash_alike():
    numpy = pytest.importorskip("numpy")
    assert portable_hash(1) == portable_hash(1.0) == portable_hash(True)
    assert portable_hash(numpy.int64(7)) == portable_hash(7)
    assert portable_hash(numpy.float64(7.5)) == portable_hash(7.5)
    assert portable_hash(numpy.str_("key")) == portable_hash("key")
    assert portable_hash(numpy.float64("nan")) == 0


def test_a_kept_hash_is_left_alone():
    key = Caching("a")
    portable_hash(key)
    assert hash(key) == hash("a")


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ([1], "list"),
        ((1, [2]), "list"),
        ({}, "dict"),
        (object(), "object"),
        (("a", object()), "address"),
        (frozenset([object()]), "address"),
        (len, "address"),
        (int, "address"),
        (memoryview(bytearray(1)), "memoryview"),
    ],
)
def test_keys_that_have_no_place_are_refused(key, names):
    with pytest.raises(PySparkTypeError, match=names):
        portable_hash(key)


def test_the_error_shows_the_whole_key():
    with pytest.raises(PySparkTypeError, match=r"\('user', \[2\]\).*list"):
        portable_hash(("user", [2]))


def test_an_exception_of_the_keys_own_hash_passes():
    class Broken:
        def __hash__(self):
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        portable_hash(Broken())


@given(st.binary(max_size=40))
def test_siphash_in_python_is_the_interpreters(data):
    if data and sys.hash_info.algorithm in ("siphash13", "siphash24"):
        h = siphash(data, sys.hash_info.algorithm)
        assert seed0_hash(data) == (-2 if h == -1 else h)


ATOMS = st.none() | st.integers() | st.text() | st.binary() | st.floats()
PAIRS = st.tuples(ATOMS, st.frozensets(ATOMS, max_size=4))
KEYS = ATOMS | PAIRS | st.tuples(PAIRS, ATOMS)


@given(KEYS)
def test_any_key_has_a_place(key):
    assert portable_hash(key) == portable_hash(key)
    assert -(1 << 63) <= portable_hash(key) < 1 << 63


def test_these_types_exist_for_the_script():
    """The script's classes are this module's: keep both alike."""
    assert portable_hash(Point("a", "b")) == portable_hash(Point("a", "b"))
    assert portable_hash(Pair("a", 1)) == portable_hash(Pair("a", 1))
    assert portable_hash(Colour.RED) == portable_hash("RED")
    assert portable_hash(uuid.UUID(int=7)) == hash(uuid.UUID(int=7))
    assert portable_hash(PurePosixPath("/a")) == portable_hash(PurePosixPath("/a"))
    assert isinstance(hash_is_seeded(), bool)
