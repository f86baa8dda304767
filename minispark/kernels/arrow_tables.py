"""Records with names as Arrow tables: built in pieces, joined under one schema.

Owns how records become columns and how the types of pieces are unified, so that the table
does not depend on where the partitions were cut. Must not know RDDs. pyarrow is imported
when it is used.

* Columns: the fields of the first record in their order, then those that later records add.
* A record without a field has null there. Ints and floats make floats, if no int loses
  digits; ints and Decimals Decimals. Everything else that differs is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any

from minispark.errors import (
    PySparkException,
    PySparkImportError,
    PySparkTypeError,
    PySparkValueError,
)
from minispark.kernels.arrow_kinds import Mixed, check_kinds, first_failing, kinds_of

__all__ = ["join_tables", "read_streams", "table_stream"]

#: Records that become columns together.
_BATCH = 1 << 16
_DECIMAL_DIGITS = 38


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError as e:
        raise PySparkImportError(
            "Arrow tables need the package pyarrow",
            "PACKAGE_NOT_INSTALLED",
            {"package": "pyarrow"},
        ) from e
    return pyarrow


# -- on executors ---------------------------------------------------------------------------


def table_stream(
    names: tuple[str, ...] | None, schema: Any, partition: int, records: Iterable[Any]
) -> tuple[int, bytes]:
    """How many records a partition has, and they as the bytes of an Arrow stream.

    Parameters
    ----------
    names
        Names by position for tuples; the fields to take for dicts and dataclasses.
    schema
        A pyarrow.Schema; its names are as `names`, its types are demanded.
    """
    pa = _arrow()
    names = tuple(schema.names) if schema is not None else names
    records = iter(records)
    tables: list[tuple[int, Any]] = []
    seen = 0
    while batch := list(islice(records, _BATCH)):
        columns = _columns(batch, names)
        table = _table(pa, columns, schema, batch, f"{seen} of partition {partition}")
        tables.append((len(batch), table))
        seen += len(batch)
    table = join_tables(tables, names, schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return seen, sink.getvalue().to_pybytes()


def _columns(batch: list[Any], names: tuple[str, ...] | None) -> dict[str, list[Any]]:
    kinds = set(map(type, batch))
    if len(kinds) == 1 and issubclass(kind := kinds.pop(), (tuple, list)):
        found = names or _names_of(batch[0])
        if kind is not tuple and names is None and any(_names_of(r) != found for r in batch):
            return _by_name([_as_dict(r, names) for r in batch], names)
        _check_lengths(batch, found)
        return {name: list(column) for name, column in zip(found, zip(*batch))}
    return _by_name([_as_dict(r, names) for r in batch], names)


def _by_name(batch: list[dict[str, Any]], names: tuple[str, ...] | None) -> dict[str, list[Any]]:
    found = names or tuple(dict.fromkeys(chain.from_iterable(batch)))
    for name in found:
        if not isinstance(name, str):
            raise PySparkTypeError(f"The names of columns are str, not {name!r}", "NOT_STR")
    return {name: [r.get(name) for r in batch] for name in found}


def _as_dict(record: Any, names: tuple[str, ...] | None) -> dict[str, Any]:
    if isinstance(record, dict):
        return record
    if isinstance(record, (tuple, list)):
        found = names or _names_of(record)
        _check_lengths([record], found)
        return dict(zip(found, record))
    fields = _dataclass_fields(type(record))
    if fields is None:
        raise PySparkTypeError(
            "The records of a table are dicts, namedtuples, dataclasses, Rows, or tuples with"
            f" names= given; this one is none of them: {_shown(record)}",
            "NO_COLUMNS",
        )
    return {name: getattr(record, name) for name in fields}


def _dataclass_fields(cls: type) -> tuple[str, ...] | None:
    if not dataclasses.is_dataclass(cls):
        return None
    return tuple(field.name for field in dataclasses.fields(cls))


def _names_of(record: Any) -> tuple[str, ...]:
    """The names of a Row or namedtuple."""
    names = getattr(record, "__fields__", None) or getattr(record, "_fields", None)
    if names is None:
        raise PySparkTypeError(
            f"The record {_shown(record)} has no names for its fields; give names=[...]",
            "NO_COLUMNS",
        )
    return tuple(names)


def _check_lengths(batch: list[Any], names: tuple[str, ...]) -> None:
    if set(map(len, batch)) != {len(names)}:
        record = next(r for r in batch if len(r) != len(names))
        raise PySparkValueError(
            f"The record {_shown(record)} has {len(record)} fields; the columns are"
            f" {len(names)}: {', '.join(map(str, names))}",
            "FIELDS_DIFFER",
        )


def _table(
    pa: Any, columns: dict[str, list[Any]], schema: Any, batch: list[Any], start: str
) -> Any:
    arrays = []
    for name, values in columns.items():
        wanted = None if schema is None else schema.field(name)
        try:
            arrays.append(_array(pa, wanted, values))
        except (Mixed, pa.ArrowException, OverflowError, ValueError, TypeError) as e:
            index = first_failing(values, partial(_array, pa, wanted))
            expected = "" if wanted is None else f" of {wanted}"
            raise PySparkTypeError(
                f"Column {name!r} cannot be one Arrow column{expected}: {e}. The first record"
                f" that does not fit is number {index} after record {start}:"
                f" {_shown(batch[index])}",
                "COLUMN_CONFLICT",
                {"column": name},
            ) from e
    if schema is not None:
        return pa.table(arrays, schema=schema)
    return pa.table(arrays, names=list(columns))


def _array(pa: Any, wanted: Any, values: Sequence[Any]) -> Any:
    check_kinds(values)
    if wanted is None:
        array = pa.array(values)
        normal = _normal(pa, array.type)
        return array if normal == array.type else _converted(pa, array, normal)
    _check_fits(pa, values, wanted.type)
    array = pa.array(values, type=wanted.type)
    if array.null_count and not wanted.nullable:
        raise ValueError("it is not nullable, and a value is missing")
    return array


def _check_fits(pa: Any, values: Iterable[Any], wanted: Any) -> None:
    """Refuses what Arrow would cut without a word to make it fit a type that was given."""
    types = pa.types
    present = [v for v in values if v is not None]
    if types.is_list(wanted) or types.is_large_list(wanted):
        _check_fits(pa, chain.from_iterable(present), wanted.value_type)
    elif types.is_struct(wanted):
        for f in _fields(wanted):
            _check_fits(pa, [v.get(f.name) for v in present if isinstance(v, dict)], f.type)
    elif types.is_temporal(wanted) and not types.is_date(wanted):
        pa.array(present).cast(wanted)  # fails where it would lose something
    else:
        kinds = kinds_of(present)
        for is_type, kind in (
            (types.is_integer, "float"),
            (types.is_integer, "decimal"),
            (types.is_string, "bytes"),
            (types.is_binary, "str"),
            (types.is_date, "datetime"),
        ):
            if is_type(wanted) and kind in kinds:
                raise Mixed(f"it has a {kind} where {wanted} is demanded")


# -- joining -----------------------------------------------------------------------------------


def read_streams(streams: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Any]]:
    """The tables that `table_stream` wrote, with their numbers of rows."""
    pa = _arrow()
    for rows, data in streams:
        with pa.ipc.open_stream(data) as reader:
            yield rows, reader.read_all()


def join_tables(
    tables: Iterable[tuple[int, Any]], names: tuple[str, ...] | None, schema: Any
) -> Any:
    """One table of all the rows, in order.

    Tables come with their number of rows: records without any field make a
    table without columns, which does not know it.

    Raises
    ------
    PySparkTypeError
        A column is of different types that cannot be unified.
    """
    pa = _arrow()
    parts = [(rows, table) for rows, table in tables if rows]
    if schema is not None:
        return pa.concat_tables([t for _, t in parts]) if parts else schema.empty_table()
    if not parts:
        return pa.table({name: pa.nulls(0) for name in names or ()})
    types: dict[str, Any] = {}
    for position, (_, table) in enumerate(parts):
        for field in table.schema:
            before = types.get(field.name)
            unified = field.type if before is None else _unified(pa, before, field.type)
            if unified is None:
                earlier = [t for _, t in parts[:position]]
                raise _conflict(field.name, before, field.type, earlier, table)
            types[field.name] = unified
    target = pa.schema(types.items())
    return pa.concat_tables([_conformed(pa, rows, table, target) for rows, table in parts])


def _conformed(pa: Any, rows: int, table: Any, target: Any) -> Any:
    if table.schema.equals(target):
        return table
    columns = []
    for field in target:
        index = table.schema.get_field_index(field.name)
        if index < 0:
            columns.append(pa.nulls(rows, field.type))
            continue
        column = table.column(index)
        try:
            columns.append(_converted(pa, column, field.type))
        except (pa.ArrowException, OverflowError, ValueError, TypeError) as e:
            raise PySparkTypeError(
                f"Column {field.name!r} is {column.type} in some partitions and {field.type} in"
                f" all of them together, which changes a value: {e}",
                "COLUMN_CONFLICT",
                {"column": field.name},
            ) from e
    return pa.table(columns, schema=target)


def _converted(pa: Any, column: Any, wanted: Any) -> Any:
    if column.type == wanted:
        return column
    if pa.types.is_nested(wanted):  # structs gain fields, which cast does not do everywhere
        return pa.array(column.to_pylist(), type=wanted)
    return column.cast(wanted)


def _normal(pa: Any, kind: Any) -> Any:
    """A type that does not depend on how wide the numbers of a piece happen to be."""
    if pa.types.is_integer(kind):  # numpy's
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_decimal(kind):
        return pa.decimal128(_DECIMAL_DIGITS, max(kind.scale, 0))
    if pa.types.is_list(kind):
        return pa.list_(_normal(pa, kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(f.name, _normal(pa, f.type)) for f in _fields(kind)])
    return kind


def _unified(pa: Any, a: Any, b: Any) -> Any:
    """The type of values of both types, or None."""
    types = pa.types
    if a == b or types.is_null(b):
        return a
    if types.is_null(a):
        return b
    if types.is_list(a) and types.is_list(b):
        inner = _unified(pa, a.value_type, b.value_type)
        return None if inner is None else pa.list_(inner)
    if types.is_struct(a) and types.is_struct(b):
        fields = {f.name: f.type for f in _fields(a)}
        for field in _fields(b):
            before = fields.get(field.name)
            unified = field.type if before is None else _unified(pa, before, field.type)
            if unified is None:
                return None
            fields[field.name] = unified
        return pa.struct(fields.items())
    pair = {a, b}
    if pair == {pa.int64(), pa.float64()}:
        return pa.float64()
    decimals = [t for t in pair if types.is_decimal(t)]
    if len(decimals) == 2:
        return pa.decimal128(_DECIMAL_DIGITS, max(t.scale for t in decimals))
    if len(decimals) == 1 and pa.int64() in pair:
        return decimals[0]
    return None


def _fields(struct: Any) -> Iterator[Any]:
    return (struct.field(i) for i in range(struct.num_fields))


def _conflict(
    name: str, one: Any, other: Any, before: Sequence[Any], table: Any
) -> PySparkException:
    first = next((r for t in before if (r := _example(t, name)) is not None), None)
    return PySparkTypeError(
        f"Column {name!r} is {one} in the record {_shown(first)} and {other} in the record"
        f" {_shown(_example(table, name))}",
        "COLUMN_CONFLICT",
        {"column": name},
    )


def _example(table: Any, name: str) -> Any:
    """A row that has a value in a column."""
    if name not in table.column_names:
        return None
    valid = table.column(name).is_valid().to_pylist()
    return table.slice(valid.index(True), 1).to_pylist()[0] if True in valid else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
