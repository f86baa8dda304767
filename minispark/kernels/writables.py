"""Hadoop's simple Writables: Python values to their bytes and back, as PySpark maps them.

Owns which class a value becomes and how each class is spelled in bytes. Must not know
files. What PySpark makes of a type in Python is what is made of it here: BytesWritable
comes back as bytearray, an int is an IntWritable or, above 32 bits, a LongWritable.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from minispark.errors import PySparkNotImplementedError, PySparkTypeError, PySparkValueError
from minispark.kernels.text import decode

__all__ = ["BYTES", "NULL", "decoder_of", "read_vint", "to_writable", "vint"]

_PACKAGE = "org.apache.hadoop.io."
TEXT = _PACKAGE + "Text"
BYTES = _PACKAGE + "BytesWritable"
NULL = _PACKAGE + "NullWritable"
INT = _PACKAGE + "IntWritable"
LONG = _PACKAGE + "LongWritable"
FLOAT = _PACKAGE + "FloatWritable"
DOUBLE = _PACKAGE + "DoubleWritable"
BOOLEAN = _PACKAGE + "BooleanWritable"
MAP = _PACKAGE + "MapWritable"
ARRAY = _PACKAGE + "ArrayWritable"

_INT = struct.Struct(">i")
_LONG = struct.Struct(">q")
_FLOAT = struct.Struct(">f")
_DOUBLE = struct.Struct(">d")
_SHORT = struct.Struct(">h")
_UNSIGNED_SHORT = struct.Struct(">H")

#: The classes that a MapWritable knows by number; others are named in it.
_MAP_IDS = {
    _PACKAGE + name: number
    for number, name in enumerate(
        (
            "ArrayWritable", "BooleanWritable", "BytesWritable", "FloatWritable", "IntWritable",
            "LongWritable", "MapWritable", "MD5Hash", "NullWritable", "ObjectWritable",
            "SortedMapWritable", "Text", "TwoDArrayWritable", "VIntWritable", "VLongWritable",
        ),
        start=-127,
    )
}  # fmt: skip
_MAP_CLASSES = {number: name for name, number in _MAP_IDS.items()}
#: How deep maps may be nested: a cycle is an error, not a stack overflow.
_MAX_DEPTH = 100


# -- variable-length integers ------------------------------------------------------------


def vint(n: int) -> bytes:
    """An integer as Hadoop's WritableUtils write it: one byte when it is small."""
    if -112 <= n <= 127:
        return bytes((n & 0xFF,))
    first = -112
    if n < 0:
        n = ~n
        first = -120
    size = (n.bit_length() + 7) // 8
    return bytes(((first - size) & 0xFF,)) + n.to_bytes(size, "big")


def read_vint(data: bytes, at: int) -> tuple[int, int]:
    """The integer that `vint` wrote at a position, and the position behind it."""
    first = data[at]
    if first <= 127:
        return first, at + 1
    first -= 256
    if first >= -112:
        return first, at + 1
    size = -120 - first if first < -120 else -112 - first
    end = at + 1 + size
    if end > len(data):
        raise IndexError("the number ends too early")
    n = int.from_bytes(data[at + 1 : end], "big")
    return (~n if first < -120 else n), end


# -- from Python ------------------------------------------------------------------------


def to_writable(value: Any) -> tuple[str, bytes]:
    """The class a value becomes, and its bytes.

    Raises
    ------
    PySparkTypeError
        PySpark has no Writable for values of the type.
    PySparkValueError
        An integer of more than 64 bits, or a str that is not Unicode text.
    """
    encode = _ENCODERS.get(type(value))
    if encode is None:
        raise PySparkTypeError(
            f"A value of type {type(value).__name__} cannot be written to a sequence file:"
            f" {_shown(value)}. Possible are str, bytes, bytearray, bool, int of up to 64 bits,"
            " float, None, and dict and tuple of these",
            "NO_WRITABLE",
            {"type": type(value).__name__},
        )
    return encode(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _from_str(value: str) -> tuple[str, bytes]:
    try:
        data = value.encode()
    except UnicodeEncodeError as e:
        raise PySparkValueError(
            f"The text {value[:100]!r} cannot be written as UTF-8: {e.reason}",
            "NOT_UTF8",
            {"record": ascii(value[:100])},
        ) from e
    return TEXT, vint(len(data)) + data


def _from_bytes(value: bytes | bytearray) -> tuple[str, bytes]:
    return BYTES, _INT.pack(len(value)) + value


def _from_int(value: int) -> tuple[str, bytes]:
    if -0x80000000 <= value <= 0x7FFFFFFF:
        return INT, _INT.pack(value)
    try:
        return LONG, _LONG.pack(value)
    except struct.error:
        raise PySparkValueError(
            f"The integer {_shown(value)} does not fit into the 64 bits of a LongWritable",
            "INT_TOO_LARGE",
        ) from None


def _from_dict(value: dict[Any, Any]) -> tuple[str, bytes]:
    classes: dict[str, int] = {}
    body = [_INT.pack(len(value))]
    for pair in value.items():
        for member in pair:
            name, data = to_writable(member)
            number = _MAP_IDS.get(name)
            if number is None:
                number = classes.setdefault(name, len(classes) + 1)
            body.append(bytes((number & 0xFF,)))
            body.append(data)
    names = b"".join(
        bytes((number,)) + _UNSIGNED_SHORT.pack(len(name)) + name.encode()
        for name, number in classes.items()
    )
    return MAP, bytes((len(classes),)) + names + b"".join(body)


def _from_tuple(value: tuple[Any, ...]) -> tuple[str, bytes]:
    return ARRAY, _INT.pack(len(value)) + b"".join([to_writable(x)[1] for x in value])


_ENCODERS: dict[type, Callable[[Any], tuple[str, bytes]]] = {
    str: _from_str,
    bytes: _from_bytes,
    bytearray: _from_bytes,
    bool: lambda value: (BOOLEAN, b"\x01" if value else b"\x00"),
    int: _from_int,
    float: lambda value: (DOUBLE, _DOUBLE.pack(value)),
    type(None): lambda value: (NULL, b""),
    dict: _from_dict,
    tuple: _from_tuple,
}


# -- to Python ----------------------------------------------------------------------------


def decoder_of(class_name: str) -> Callable[[bytes], Any]:
    """What makes a Python value of all the bytes of a Writable.

    It raises ValueError, IndexError or struct.error for bytes that are not such a value.

    Raises
    ------
    PySparkNotImplementedError
        The class is none of the simple ones.
    """
    whole = _WHOLE.get(class_name)
    if whole is not None:
        return whole
    if class_name in _PARTIAL:
        partial = _PARTIAL[class_name]

        def decode_all(data: bytes) -> Any:
            value, end = partial(data, 0)
            if end != len(data):
                raise ValueError(f"{len(data) - end} bytes too many")
            return value

        return decode_all
    raise _no_decoder(class_name)


def _no_decoder(class_name: str) -> PySparkNotImplementedError:
    why = (
        "it does not say of which class its elements are (PySpark cannot read it either)"
        if class_name == ARRAY
        else "without a JVM only the simple classes of org.apache.hadoop.io can be: "
        + ", ".join(sorted(name.removeprefix(_PACKAGE) for name in _PARTIAL))
    )
    return PySparkNotImplementedError(
        f"Values of the class {class_name} cannot be read: {why}",
        "NO_WRITABLE",
        {"class": class_name},
    )


def _text(data: bytes) -> str:
    """All of the bytes of a Text; short ones are the common case."""
    size = data[0]
    if size == len(data) - 1 and size < 128:
        return decode(data[1:])
    size, start = read_vint(data, 0)
    if start + size != len(data):
        raise ValueError("the length of the text is wrong")
    return decode(data[start:])


def _bytes(data: bytes) -> bytearray:
    if _INT.unpack_from(data)[0] != len(data) - 4:
        raise ValueError("the length of the bytes is wrong")
    return bytearray(memoryview(data)[4:])


def _boolean(data: bytes) -> bool:
    if len(data) != 1:
        raise ValueError("a boolean is one byte")
    return data != b"\x00"


def _null(data: bytes) -> None:
    if data:
        raise ValueError("a NullWritable has no bytes")


def _number(packing: struct.Struct) -> Callable[[bytes], Any]:
    return lambda data: packing.unpack(data)[0]


_WHOLE: dict[str, Callable[[bytes], Any]] = {
    TEXT: _text,
    BYTES: _bytes,
    BOOLEAN: _boolean,
    NULL: _null,
    INT: _number(_INT),
    LONG: _number(_LONG),
    FLOAT: _number(_FLOAT),
    DOUBLE: _number(_DOUBLE),
    _PACKAGE + "ShortWritable": _number(_SHORT),
    _PACKAGE + "ByteWritable": _number(struct.Struct(">b")),
}


def _fixed(packing: struct.Struct) -> Callable[[bytes, int], tuple[Any, int]]:
    return lambda data, at: (packing.unpack_from(data, at)[0], at + packing.size)


def _sized(data: bytes, start: int, size: int) -> tuple[bytes, int]:
    end = start + size
    if size < 0 or end > len(data):
        raise IndexError("a value ends too early")
    return data[start:end], end


def _partial_text(data: bytes, at: int) -> tuple[str, int]:
    size, start = read_vint(data, at)
    text, end = _sized(data, start, size)
    return decode(text), end


def _partial_bytes(data: bytes, at: int) -> tuple[bytearray, int]:
    content, end = _sized(data, at + 4, _INT.unpack_from(data, at)[0])
    return bytearray(content), end


def _partial_map(data: bytes, at: int, depth: int = 0) -> tuple[dict[Any, Any], int]:
    if depth > _MAX_DEPTH:
        raise ValueError("maps are nested too deeply")
    classes = dict(_MAP_CLASSES)
    named = data[at]
    at += 1
    for _ in range(named):
        number = data[at]
        name, at = _sized(data, at + 3, _UNSIGNED_SHORT.unpack_from(data, at + 1)[0])
        classes[number] = name.decode()
    (count,) = _INT.unpack_from(data, at)
    at += 4
    result: dict[Any, Any] = {}
    for _ in range(count):
        key, at = _member(data, at, classes, depth)
        value, at = _member(data, at, classes, depth)
        result[_hashable(key)] = value
    return result, at


def _member(data: bytes, at: int, classes: dict[int, str], depth: int) -> tuple[Any, int]:
    number = data[at]
    name = classes.get(number - 256 if number > 127 else number)
    if name is None:
        raise ValueError(f"a map has no class of number {number}")
    if name == MAP:
        return _partial_map(data, at + 1, depth + 1)
    partial = _PARTIAL.get(name)
    if partial is None:
        raise _no_decoder(name)
    return partial(data, at + 1)


def _hashable(key: Any) -> Any:
    """A dict's key cannot be a bytearray: bytes, which are equal to it."""
    return bytes(key) if type(key) is bytearray else key


_PARTIAL: dict[str, Callable[[bytes, int], tuple[Any, int]]] = {
    TEXT: _partial_text,
    BYTES: _partial_bytes,
    BOOLEAN: lambda data, at: (data[at] != 0, at + 1),
    NULL: lambda data, at: (None, at),
    INT: _fixed(_INT),
    LONG: _fixed(_LONG),
    FLOAT: _fixed(_FLOAT),
    DOUBLE: _fixed(_DOUBLE),
    _PACKAGE + "ShortWritable": _fixed(_SHORT),
    _PACKAGE + "ByteWritable": _fixed(struct.Struct(">b")),
    _PACKAGE + "VIntWritable": read_vint,
    _PACKAGE + "VLongWritable": read_vint,
    MAP: _partial_map,
}
