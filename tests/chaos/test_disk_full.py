"""Promise 17: a full disk is a clear error, leaves nothing, and is forgotten."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from minispark import StorageLevel
from minispark.errors import DiskFullError
from tests.chaos.run_log import executor_pids, files_below

pytestmark = pytest.mark.own_context


@contextmanager
def disk_full_at(sc: Any, num_bytes: int) -> Iterator[None]:
    """No executor may write a file of more than so many bytes."""
    pids = executor_pids(sc)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (num_bytes, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in pids & executor_pids(sc):
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)


def await_no_temporary_files(root: str) -> set[str]:
    """What is there when nothing is being written any more."""
    patience = threading.Event()
    for _ in range(1500):
        names = set(files_below(root))
        if not any(name.endswith(".tmp") for name in names):
            return names
        patience.wait(0.02)
    raise AssertionError(f"temporary files stay: {sorted(names)}")


def save_text(rdd: Any, path: Path) -> None:
    rdd.values().saveAsTextFile(str(path / "out"))


def save_checkpoint(rdd: Any, path: Path) -> None:
    rdd.context.setCheckpointDir(str(path / "checkpoints"))
    rdd.checkpoint()
    rdd.count()


FILLING: dict[str, Callable[[Any, Path], Any]] = {
    "shuffle": lambda rdd, _: rdd.groupByKey(2).count(),
    "spill": lambda rdd, _: rdd.sortByKey(numPartitions=1).map(lambda kv: kv[0]).collect(),
    "disk cache": lambda rdd, _: rdd.persist(StorageLevel.DISK_ONLY).count(),
    "memory and disk cache": lambda rdd, _: rdd.persist(StorageLevel.MEMORY_AND_DISK).count(),
    "result": lambda rdd, _: rdd.coalesce(1).collect(),
    "checkpoint": save_checkpoint,
    "saveAsTextFile": save_text,
}


@pytest.fixture(scope="module")
def tight(open_context: Callable[..., Any]) -> Iterator[Any]:
    context = open_context("local-process[2]", spark_executor_memory="2m")
    yield context
    context.stop()


@pytest.mark.parametrize("what", FILLING)
def test_disk_full(tight: Any, tmp_path: Path, what: str) -> None:
    rdd = tight.range(20_000, numSlices=2).map(lambda i: (i * 7919 % 20_000, f"{i:0200d}"))
    before = set(files_below(tight._engine.files.root))
    with (
        disk_full_at(tight, 1 << 20),
        pytest.raises(DiskFullError, match=r"Cannot write .*File too large"),
    ):
        FILLING[what](rdd, tmp_path)
    assert rdd.unpersist(blocking=True).count() == 20_000
    # The other task of the job that failed may still be ending.
    left = await_no_temporary_files(tight._engine.files.root) - before
    assert [n for n in left if not n.startswith(("shuffle/", "rdd/"))] == []
    left = await_no_temporary_files(str(tmp_path))
    assert [n for n in left if not n.startswith("checkpoints")] == []
    # With room again, the same works.
    FILLING[what](rdd, tmp_path)
    rdd.unpersist(blocking=True)
