"""Java's serialised form of arrays of byte arrays, in which Spark's object files wrap records.

Owns that one type: any other Java object is refused. Must not know what the bytes are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["dump_byte_arrays", "load_byte_arrays"]

_INT = struct.Struct(">i")
_STREAM = bytes.fromhex("aced0005")
_ARRAY, _REFERENCE, _NULL = b"u", b"q", b"p"
#: The descriptions of the two classes: name, serial number, no fields, no superclass.
_ARRAYS_CLASS = b"r\x00\x03[[B" + bytes.fromhex("4bfd19156767db37") + b"\x02\x00\x00xp"
_BYTES_CLASS = b"r\x00\x02[B" + bytes.fromhex("acf317f8060854e0") + b"\x02\x00\x00xp"
#: A class or object that was written before is referred to by a number: in order of
#: appearance the outer class, the outer array, the inner class, the inner arrays.
_FIRST_HANDLE = 0x7E0000
_BYTES_CLASS_HANDLE = _INT.pack(_FIRST_HANDLE + 2)
_INNER_HANDLE = _FIRST_HANDLE + 3

_HEAD = _STREAM + _ARRAY + _ARRAYS_CLASS
_FIRST_INNER = _ARRAY + _BYTES_CLASS
_NEXT_INNER = _ARRAY + _REFERENCE + _BYTES_CLASS_HANDLE


def dump_byte_arrays(arrays: Sequence[bytes]) -> bytes:
    """The bytes of a `byte[][]`."""
    parts = [_HEAD, _INT.pack(len(arrays))]
    inner = _FIRST_INNER
    for data in arrays:
        parts += (inner, _INT.pack(len(data)), data)
        inner = _NEXT_INNER
    return b"".join(parts)


def load_byte_arrays(data: bytes | bytearray, start: int = 0) -> list[bytes]:
    """The arrays of a `byte[][]`.

    Raises
    ------
    ValueError
        It is another Java object, or cut.
    """
    head_end = start + len(_HEAD)
    if data[start:head_end] != _HEAD:
        raise ValueError("a Java object that is no array of byte arrays")
    try:
        (count,) = _INT.unpack_from(data, head_end)
        at = head_end + 4
        arrays: list[bytes] = []
        for _ in range(count):
            for inner in (_NEXT_INNER, _FIRST_INNER):
                if data.startswith(inner, at):
                    at += len(inner)
                    break
            else:
                handle = _INT.unpack_from(data, at + 1)[0] - _INNER_HANDLE
                if data[at : at + 1] != _REFERENCE or not 0 <= handle < len(arrays):
                    raise ValueError("an array that holds something else than byte arrays")
                arrays.append(arrays[handle])  # the same array once more
                at += 5
                continue
            size = _INT.unpack_from(data, at)[0]
            at += 4
            if not 0 <= size <= len(data) - at:
                raise ValueError("an array that ends too early")
            arrays.append(bytes(data[at : at + size]))
            at += size
    except struct.error:
        raise ValueError("an array that ends too early") from None
    if at != len(data):
        raise ValueError("an array with bytes behind its end")
    return arrays
