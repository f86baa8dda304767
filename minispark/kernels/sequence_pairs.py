"""Python pairs in sequence files: which classes a file has, and that all its pairs fit.

Owns the way from records to encoded pairs and back. Must not know who writes or commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from minispark.errors import PySparkTypeError
from minispark.kernels.hadoop_codecs import buffer_codec
from minispark.kernels.sequence_files import Decoders, Header, read_pairs, sequence_chunks
from minispark.kernels.splits import FileSplit
from minispark.kernels.writables import decoder_of, to_writable

__all__ = ["pair_chunks", "pair_classes", "read_sequence"]


def pair_classes(record: Any) -> tuple[str, str]:
    """The classes of a file whose first record this is.

    Raises
    ------
    PySparkTypeError, PySparkValueError
        It is no pair, or a member cannot be written.
    """
    (key_class, _), (value_class, _) = _encoded(record)
    return key_class, value_class


def pair_chunks(
    records: Iterable[Any], key_class: str, value_class: str, codec_name: str | None = None
) -> Iterator[bytes]:
    """The bytes of a file with these pairs.

    Raises
    ------
    PySparkTypeError, PySparkValueError
        A record is no pair of these classes.
    """
    codec = None if codec_name is None else buffer_codec(codec_name)
    return sequence_chunks(_pairs(records, key_class, value_class), key_class, value_class, codec)


def _pairs(
    records: Iterable[Any], key_class: str, value_class: str
) -> Iterator[tuple[bytes, bytes]]:
    for record in records:
        (key_is, key), (value_is, value) = _encoded(record)
        if key_is != key_class:
            raise _misfit("key", record, key_is, key_class)
        if value_is != value_class:
            raise _misfit("value", record, value_is, value_class)
        yield key, value


def _encoded(record: Any) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    if not isinstance(record, tuple) or len(record) != 2:
        raise PySparkTypeError(
            f"A sequence file holds tuples of a key and a value, not {_shown(record)}",
            "NOT_A_PAIR",
        )
    return to_writable(record[0]), to_writable(record[1])


def _misfit(member: str, record: Any, is_class: str, file_class: str) -> PySparkTypeError:
    return PySparkTypeError(
        f"The {member} of the record {_shown(record)} is a {is_class.rpartition('.')[2]}, and"
        f" the first record made it {file_class.rpartition('.')[2]} for all: the {member}s of a"
        " sequence file are of one class (ints of more than 32 bits are of another one)",
        "WRITABLES_DIFFER",
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def read_sequence(split: FileSplit) -> Iterator[tuple[Any, Any]]:
    """The pairs of a range of a file.

    Raises
    ------
    CorruptFileError
        See `read_pairs`.
    PySparkNotImplementedError
        A class or codec that needs more than what is here.
    """
    return read_pairs(split, _decoders)


def _decoders(header: Header) -> Decoders:
    return decoder_of(header.key_class), decoder_of(header.value_class)
