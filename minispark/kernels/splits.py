"""Which bytes make a partition: Hadoop's arithmetic, so that counts agree with Spark.

Owns the numbers. Must not know how the bytes are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from minispark.errors import PySparkValueError
from minispark.kernels.compression import codec_of
from minispark.kernels.filesystem import FileInfo
from minispark.records import record

__all__ = [
    "FileSplit",
    "FilesSplit",
    "binary_file_splits",
    "compute_splits",
    "record_splits",
    "whole_file_splits",
]

#: Hadoop's block size for local files; also the largest part of a file in a partition.
BLOCK_BYTES = 32 << 20
#: The last part of a file may be this much larger than the others.
_SLOP = 1.1
#: Spark's limits for `binaryFiles`: largest partition, and the price of opening a file.
_MAX_PARTITION_BYTES = 128 << 20
_OPEN_COST_BYTES = 4 << 20


@record
class FileSplit:
    """A range of one file; a compressed file is one range."""

    path: str
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


@record
class FilesSplit:
    """Whole files that are read by one task."""

    paths: tuple[str, ...]


def compute_splits(
    files: Sequence[FileInfo],
    min_partitions: int,
    least_bytes: int = 1,
    is_container: bool = False,
) -> list[FileSplit]:
    """The partitions of `textFile`: as Spark makes them, empty files left out.

    A bz2 file is one partition, as other compressed files. (Hadoop can cut it.)

    Parameters
    ----------
    least_bytes
        No range is smaller, but the last of a file.
    is_container
        The format can be cut anywhere, whatever the file's name ends with.
    """
    goal = sum(f.size for f in files) // max(1, min_partitions)
    return _cut(files, max(least_bytes, min(goal, BLOCK_BYTES)), is_container)


def record_splits(files: Iterable[FileInfo], record_length: int) -> list[FileSplit]:
    """The partitions of `binaryRecords`: cut between records.

    Raises
    ------
    PySparkValueError
        The length is not positive, or a file is not a multiple of it.
    """
    if record_length <= 0:
        raise PySparkValueError(
            f"recordLength must be positive, not {record_length}",
            "VALUE_NOT_POSITIVE",
            {"arg_name": "recordLength", "arg_value": str(record_length)},
        )
    files = list(files)
    for f in files:
        if f.size % record_length and codec_of(f.path) is None:
            raise PySparkValueError(
                f"{f.path} has {f.size} bytes, which is not a multiple of recordLength"
                f" {record_length}",
                "PARTIAL_RECORD",
                {"path": f.path, "recordLength": str(record_length)},
            )
    return _cut(files, max(record_length, BLOCK_BYTES // record_length * record_length))


def _cut(
    files: Iterable[FileInfo], split_bytes: int, is_container: bool = False
) -> list[FileSplit]:
    splits: list[FileSplit] = []
    for f in files:
        if f.size == 0:
            continue
        if not is_container and codec_of(f.path) is not None:
            splits.append(FileSplit(f.path, 0, f.size))
            continue
        left = f.size
        while left / split_bytes > _SLOP:
            splits.append(FileSplit(f.path, f.size - left, split_bytes))
            left -= split_bytes
        splits.append(FileSplit(f.path, f.size - left, left))
    return splits


def whole_file_splits(files: Sequence[FileInfo], min_partitions: int) -> list[FilesSplit]:
    """The partitions of `wholeTextFiles`."""
    return _combine(files, math.ceil(sum(f.size for f in files) / max(1, min_partitions)))


def binary_file_splits(
    files: Sequence[FileInfo], min_partitions: int, parallelism: int = 1
) -> list[FilesSplit]:
    """The partitions of `binaryFiles`.

    Parameters
    ----------
    parallelism
        The context's default parallelism: files are spread over at least as many.
    """
    total = sum(f.size + _OPEN_COST_BYTES for f in files)
    per_core = total // max(1, parallelism, min_partitions)
    return _combine(files, min(_MAX_PARTITION_BYTES, max(_OPEN_COST_BYTES, per_core)))


def _combine(files: Sequence[FileInfo], full_bytes: int) -> list[FilesSplit]:
    """Files in order until a partition is full; the rest and empty files come last."""
    splits: list[FilesSplit] = []
    group: list[FileInfo] = []
    size = 0
    for f in files:
        if f.size == 0:
            continue
        group.append(f)
        size += f.size
        if size >= full_bytes:
            splits.append(FilesSplit(tuple(g.path for g in group)))
            group, size = [], 0
    rest = {id(g) for g in group}
    last = tuple(f.path for f in files if f.size == 0 or id(f) in rest)
    return [*splits, FilesSplit(last)] if last else splits
