"""Committing output: all of a job's files appear, or none.

Owns where files are while a job runs, and the order of the steps. Must not know tasks:
who may commit a partition is decided elsewhere.

Theory. Each attempt writes a file of its own; committing it is one rename; committing
the job makes all committed files visible.

* Local: the staging directory is beside the target and hidden
  (`_temporary-<name>-<token>`). Committing the job writes `_SUCCESS` into the directory
  of committed files and renames that to the target: one step, so a job killed at any
  moment leaves nothing at the target, and can be run again.
* Elsewhere a directory cannot be renamed at once: staging is
  `<target>/_temporary/<token>`, files are moved one by one and `_SUCCESS` comes last.

Every step may be repeated: a commit that was done already is no error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from glob import escape
from itertools import islice
from typing import Any

from minispark.errors import (
    OutputExistsError,
    PySparkRuntimeError,
    PySparkValueError,
    disk_errors,
)
from minispark.kernels.compression import open_compressor
from minispark.kernels.filesystem import FileInfo, filesystem_of, normalize, parent, uri
from minispark.kernels.staging import Claim, remove_abandoned
from minispark.kernels.text import decode

__all__ = [
    "abort_job",
    "abort_part",
    "begin_job",
    "commit_job",
    "commit_part",
    "prepare_output",
    "text_chunks",
    "write_part",
]

_SUCCESS = "_SUCCESS"
_COMMITTED = "committed"
#: Records joined into one write.
_BATCH = 128


def prepare_output(path: str) -> str:
    """Checks a target before any task runs; the path in the form the others take.

    Raises
    ------
    OutputExistsError
        Something is there already.
    """
    target = normalize(path)
    _refuse_existing(target)
    return target


def begin_job(target: str, token: str) -> AbstractContextManager[object]:
    """Makes room for a job's files, on the driver, before its first task.

    Only here: a task that outlives its job must not make anew what the end of
    the job removed. What earlier drivers that died left of the same output goes.
    The job is its own until the end of the context that is returned.
    """
    if not target.startswith("/"):
        return nullcontext()
    staging = _staging(target, token)
    os.makedirs(f"{staging}/{_COMMITTED}", exist_ok=True)
    above, _, name = _staging(target, "*").rpartition("/")
    remove_abandoned(escape(name[:-1]) + "*", above or "/")
    return Claim(staging)


def write_part(
    target: str,
    token: str,
    partition: int,
    attempt: int,
    chunks: Iterable[bytes],
    suffix: str = "",
    codec: str | None = None,
) -> int:
    """Writes one attempt's file, invisible until committed; the bytes it has.

    Parameters
    ----------
    token
        Names the job, uniquely among jobs that write to `target`.
    codec, suffix
        As `compression.codec_by_name` gives them.
    """
    fs = filesystem_of(target)
    directory = _attempt_dir(target, token, partition, attempt)
    _refuse_late(target)
    _make_attempt_dir(target, token, directory)
    path = f"{directory}/{_part_name(partition, suffix)}"
    try:
        with disk_errors(uri(path)), fs.open_write(path) as raw:
            if codec is None:
                for chunk in chunks:
                    raw.write(chunk)
            else:
                out = open_compressor(codec, raw)
                for chunk in chunks:
                    out.write(chunk)
                out.close()
    except BaseException:
        with suppress(OSError):  # the first error is the one to report
            fs.remove_tree(directory)
        raise
    info = fs.status(path)
    return info.size if info else 0


def commit_part(target: str, token: str, partition: int, attempt: int, suffix: str = "") -> None:
    """Makes an attempt's file the partition's; the first attempt that does it wins."""
    fs = filesystem_of(target)
    name = _part_name(partition, suffix)
    directory = _attempt_dir(target, token, partition, attempt)
    committed = f"{_staging(target, token)}/{_COMMITTED}"
    if fs.status(f"{committed}/{name}") is None:
        try:
            _refuse_late(target)
        except OutputExistsError:
            _remove_staging(target, token)
            raise
        if not target.startswith("/"):
            fs.make_dirs(committed)
        fs.move(f"{directory}/{name}", f"{committed}/{name}")
    fs.remove_tree(directory)


def abort_part(target: str, token: str, partition: int, attempt: int) -> None:
    """Removes what an attempt wrote."""
    filesystem_of(target).remove_tree(_attempt_dir(target, token, partition, attempt))


def commit_job(target: str, token: str, num_partitions: int) -> None:
    """Makes all committed files visible, `_SUCCESS` last.

    Raises
    ------
    PySparkRuntimeError
        A partition was not committed; nothing was made visible.
    OutputExistsError
        Another job created the target meanwhile.
    """
    fs = filesystem_of(target)
    staging = _staging(target, token)
    committed = f"{staging}/{_COMMITTED}"
    is_local = target.startswith("/")
    if fs.status(staging) is None and fs.status(f"{target}/{_SUCCESS}") is not None:
        return  # done before
    fs.make_dirs(committed)
    files = fs.listing(committed)
    moved = [] if is_local else [f for f in fs.listing(target) if not f.is_dir]
    _check_complete(target, [*files, *moved], num_partitions)
    if is_local:
        _refuse_existing(target)
        _touch(f"{committed}/{_SUCCESS}")
        try:
            os.rename(committed, target)
        except OSError as e:
            _refuse_existing(target)
            raise PySparkRuntimeError(f"Cannot create {target}: {e}") from e
        _remove_staging(target, token)
        return
    for f in files:
        fs.move(f.path, f"{target}/{f.name}")
    fs.remove_tree(f"{target}/_temporary")
    _touch(f"{target}/{_SUCCESS}")


def abort_job(target: str, token: str) -> None:
    """Removes everything that a job wrote and did not commit."""
    fs = filesystem_of(target)
    _remove_staging(target, token)
    if target.startswith("/") or fs.status(target) is None:
        return
    rest = fs.listing(target)
    if not any(_is_other_job(f) for f in rest):
        fs.remove_tree(target)  # it was created for this job


def _is_other_job(f: FileInfo) -> bool:
    if f.name != "_temporary":
        return True
    return bool(filesystem_of(f.path).listing(f.path))


def _check_complete(target: str, files: list[FileInfo], num_partitions: int) -> None:
    found = {f.name.partition(".")[0] for f in files}
    missing = [p for p in range(num_partitions) if _part_name(p, "") not in found]
    if missing:
        raise PySparkRuntimeError(
            f"Output to {uri(target)} is not complete: no file was committed for partitions"
            f" {missing[:10]}{' and more' if len(missing) > 10 else ''} of {num_partitions}",
            "OUTPUT_INCOMPLETE",
            {"path": target, "missing": str(len(missing))},
        )


def _refuse_existing(target: str) -> None:
    if filesystem_of(target).status(target) is not None:
        raise OutputExistsError(
            f"Output directory {uri(target)} already exists", "OUTPUT_EXISTS", {"path": target}
        )


def _refuse_late(target: str) -> None:
    """Stops an attempt that outlived its job: a local target appears at the very end."""
    if target.startswith("/"):
        _refuse_existing(target)


def _staging(target: str, token: str) -> str:
    if target.startswith("/"):
        above = parent(target)
        return f"{above.rstrip('/')}/_temporary-{target.rpartition('/')[2]}-{token}"
    return f"{target}/_temporary/{token}"


def _attempt_dir(target: str, token: str, partition: int, attempt: int) -> str:
    return f"{_staging(target, token)}/attempt-{partition:05}-{attempt}"


def _make_attempt_dir(target: str, token: str, directory: str) -> None:
    if not target.startswith("/"):
        filesystem_of(target).make_dirs(directory)
        return
    try:
        os.mkdir(directory)
    except FileExistsError:
        return
    except FileNotFoundError as error:
        staging = _staging(target, token)
        raise PySparkRuntimeError(
            f"{staging} is not there: the job that writes {uri(target)} is over, "
            "or this node does not share the directory with the driver",
            "OUTPUT_JOB_OVER",
            {"path": target},
        ) from error


def _remove_staging(target: str, token: str) -> None:
    """Removes what is not committed, also while cancelled tasks still write there."""
    staging = _staging(target, token)
    if target.startswith("/"):
        gone = f"{staging}.removed"
        try:
            # Under another name nothing new can come into it.
            os.rename(staging, gone)
        except FileNotFoundError:
            return
        staging = gone
    filesystem_of(target).remove_tree(staging)


def _part_name(partition: int, suffix: str) -> str:
    return f"part-{partition:05}{suffix}"


def _touch(path: str) -> None:
    filesystem_of(path).open_write(path).close()


def text_chunks(records: Iterable[Any]) -> Iterator[bytes]:
    """Records as lines of UTF-8: str and bytes as they are, anything else by `str`.

    Bytes that are not UTF-8 become U+FFFD, as in Spark.

    Raises
    ------
    PySparkValueError
        A text has a lone surrogate, which UTF-8 cannot express.
    """
    records = iter(records)
    while batch := list(islice(records, _BATCH)):
        batch.append("")  # ends the last line
        try:
            yield "\n".join(batch).encode()
        except (TypeError, UnicodeEncodeError):
            batch.pop()
            yield b"".join([_line(r) for r in batch])


def _line(record: Any) -> bytes:
    if isinstance(record, bytes):
        return decode(record).encode() + b"\n"
    text = record if isinstance(record, str) else str(record)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError as e:
        raise PySparkValueError(
            f"The record {text[:100]!r} cannot be written as UTF-8: {e.reason}",
            "NOT_UTF8",
            {"record": ascii(text[:100])},
        ) from e
