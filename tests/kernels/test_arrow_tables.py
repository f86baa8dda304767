"""Tables do not depend on where partitions were cut, and no value changes unseen."""

from __future__ import annotations

import datetime as dt
import random
from collections import namedtuple
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from minispark.compat.row import Row
from minispark.errors import PySparkException, PySparkTypeError, PySparkValueError
from minispark.kernels import arrow_tables
from minispark.kernels.arrow_kinds import first_failing
from minispark.kernels.arrow_tables import join_tables, read_streams, table_stream

UTC = dt.timezone.utc
Point = namedtuple("Point", "x y")


@dataclass
class Sized:
    name: str
    size: int = 0
    tags: list = field(default_factory=list)


def table(*partitions, names=None, schema=None):
    streams = [table_stream(names, schema, i, records) for i, records in enumerate(partitions)]
    return join_tables(read_streams(streams), names, schema)


# -- records -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "records",
    [
        [{"x": 1, "y": 2}, {"x": 3, "y": 4}],
        [Point(1, 2), Point(3, 4)],
        [Row(x=1, y=2), Row(x=3, y=4)],
        [Point(1, 2), {"x": 3, "y": 4}],
        [Row(x=1, y=2), Row(y=4, x=3)],
    ],
    ids=["dicts", "namedtuples", "rows", "mixed", "rows in another order"],
)
def test_records_with_names(records):
    assert table(records).to_pydict() == {"x": [1, 3], "y": [2, 4]}
    assert table(records[:1], records[1:]).to_pydict() == {"x": [1, 3], "y": [2, 4]}


def test_dataclasses():
    found = table([Sized("a", 1, ["t"])], [Sized("b")])
    assert found.to_pylist() == [
        {"name": "a", "size": 1, "tags": ["t"]},
        {"name": "b", "size": 0, "tags": []},
    ]


@pytest.mark.parametrize("kind", [tuple, list, lambda r: Point(*r)])
def test_names_by_position(kind):
    assert table([kind((1, "a")), kind((2, "b"))], names=("n", "s")).to_pydict() == {
        "n": [1, 2],
        "s": ["a", "b"],
    }


def test_names_choose_fields_of_dicts():
    assert table([{"a": 1, "b": 2, "c": 3}, {"c": 4}], names=("c", "a")).to_pydict() == {
        "c": [3, 4],
        "a": [1, None],
    }


def test_columns_come_in_order_of_appearance():
    found = table([{"b": 1}, {"a": 1, "b": 2}], [], [{"c": 1, "a": 3}])
    assert found.column_names == ["b", "a", "c"]
    assert found.to_pydict() == {"b": [1, 2, None], "a": [None, 1, 3], "c": [None, None, 1]}


@pytest.mark.parametrize("record", [1, "ab", None, (1, 2), [1], object()])
def test_records_without_names_are_refused(record):
    with pytest.raises(PySparkTypeError, match="names"):
        table([record])


def test_records_of_other_lengths_are_named():
    with pytest.raises(PySparkValueError, match=r"\(3,\).* has 1 fields; the columns are 2"):
        table([(1, 2), (3,)], names=("a", "b"))
    with pytest.raises(PySparkTypeError, match="names of columns"):
        table([{1: 2}])


def test_nothing():
    assert table().num_columns == 0
    assert table([], []).num_columns == 0
    assert table([], [], names=("a",)).to_pydict() == {"a": []}
    schema = pa.schema([("a", pa.int32())])
    assert table([], schema=schema).schema == schema
    assert table(schema=schema).schema == schema


# -- types ---------------------------------------------------------------------------------

TOGETHER = [
    ([1, 2.5], pa.float64()),
    ([None, 1], pa.int64()),
    ([None, None], pa.null()),
    ([1, Decimal("2.5")], pa.decimal128(38, 1)),
    ([Decimal("1.25"), Decimal("1e3")], pa.decimal128(38, 2)),
    ([[1], [2.5], []], pa.list_(pa.float64())),
    ([{"a": 1}, {"b": [None]}, {"b": [2.5]}], None),
    ([np.int8(1), 2**40], pa.int64()),
    ([b"a", bytearray(b"b")], pa.binary()),
    ([dt.datetime(2020, 1, 1, 5), None], pa.timestamp("us")),
    ([dt.date(2020, 1, 1)], pa.date32()),
    ([True, None, False], pa.bool_()),
    ([float("nan"), -0.0, 1], pa.float64()),
    ([-(2**63), 2**63 - 1], pa.int64()),
]


@pytest.mark.parametrize(("values", "kind"), TOGETHER, ids=repr)
def test_types_do_not_depend_on_partitions(values, kind):
    records = [{"c": v} for v in values]
    together = table(records)
    assert kind is None or together.schema.field("c").type == kind
    for apart in (table(*[[r] for r in records]), table(records[:1], [], records[1:])):
        assert apart.schema == together.schema
        assert repr(apart.to_pylist()) == repr(together.to_pylist())


APART = [
    [1, "a"],
    [True, 1],
    [1.5, True],
    [np.bool_(True), 1],
    ["a", b"a"],
    [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5)],
    [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=UTC)],
    [1.5, Decimal("1.5")],
    [2**53 + 1, 0.5],
    [[1], ["a"]],
    [[1.5], [True]],
    [{"a": 1}, {"a": "x"}],
    [{"a": [dt.date(2020, 1, 1)]}, {"a": [dt.datetime(2020, 1, 1, 5)]}],
    [1, [1]],
    [{"a": 1}, [1]],
    [Decimal("1e37"), Decimal("1e-30")],
]


@pytest.mark.parametrize("values", APART, ids=repr)
@pytest.mark.parametrize("reverse", [False, True])
def test_what_would_change_is_an_error_wherever_it_is(values, reverse):
    records = [{"ok": 1, "c": v} for v in (reversed(values) if reverse else values)]
    for partitions in ([records], [[r] for r in records]):
        with pytest.raises(PySparkTypeError, match="Column 'c'"):
            table(*partitions)


@pytest.mark.parametrize("value", [{1, 2}, 1j, object(), 2**63, {1: 2}, "a\ud800", Decimal("NaN")])
def test_what_arrow_cannot_hold_is_an_error_that_names_the_record(value):
    with pytest.raises(PySparkTypeError, match=r"Column 'c' .* number 2 after record 0"):
        table([{"c": None}, {"c": None}, {"c": value}])


def test_the_record_that_does_not_fit_is_found(monkeypatch):
    monkeypatch.setattr(arrow_tables, "_BATCH", 100)
    records = [{"c": n} for n in range(1000)]
    records[777] = {"c": "seven"}
    with pytest.raises(PySparkTypeError, match=r"number 77 after record 700 .*seven"):
        table([], records)
    assert first_failing([0, 1, 2], lambda some: 1 / (2 not in some)) == 2


def test_a_schema_is_demanded():
    schema = pa.schema([pa.field("a", pa.int32(), nullable=False), ("b", pa.string())])
    found = table([(1, "x")], [(2, None)], schema=schema)
    assert found.schema == schema
    assert found.to_pydict() == {"a": [1, 2], "b": ["x", None]}
    assert table([{"a": 1, "other": 2}], schema=schema).to_pydict() == {"a": [1], "b": [None]}
    for bad in ((None, "x"), (2**40, "x"), (1.5, "x"), ("1", "x"), (1, 2)):
        with pytest.raises(PySparkTypeError, match=r"Column '[ab]' .* number 1 after"):
            table([(1, "x"), bad], schema=schema)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.int64(), 1.5),
        (pa.int64(), 1.0),
        (pa.list_(pa.int8()), [1.5]),
        (pa.struct([("x", pa.int8())]), {"x": 1.5}),
        (pa.date32(), dt.datetime(2020, 1, 1, 5)),
        (pa.timestamp("s"), dt.datetime(2020, 1, 1, 5, 0, 0, 7)),
        (pa.string(), b"x"),
        (pa.binary(), "x"),
        (pa.float32(), 2**24 + 1),
        (pa.int8(), 200),
        (pa.bool_(), 1),
    ],
    ids=repr,
)
def test_a_schema_cuts_nothing(kind, value):
    with pytest.raises(PySparkTypeError, match="Column 'c'"):
        table([{"c": value}], schema=pa.schema([("c", kind)]))


def test_random_records_in_random_partitions(monkeypatch):
    monkeypatch.setattr(arrow_tables, "_BATCH", 3)
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    values = [None, 1, 2.5, -1, [1], [None, 2.5], {"k": 1}, {"k": 2.5, "l": None}, "s", "", True]
    for _ in range(300):
        pool = rng.sample(values, rng.randrange(1, 4))
        records = [
            {name: rng.choice(pool) for name in "abc" if rng.random() < 0.7}
            for _ in range(rng.randrange(1, 12))
        ]
        cuts = sorted(rng.randrange(len(records) + 1) for _ in range(3))
        bounds = [0, *cuts, len(records)]
        cut = [records[a:b] for a, b in pairwise(bounds)]
        assert outcome(partial(table, records)) == outcome(partial(table, *cut))


def outcome(make):
    try:
        made = make()
    except PySparkException as e:
        return type(e)
    return made.schema, repr(made.to_pylist())
