"""Surroundings of a task: a directory, and a budget that never or always refuses."""

from __future__ import annotations

import os

import pytest

from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager

#: Makes everything spill.
TINY = 1000
HUGE = 1 << 40


@pytest.fixture
def files(tmp_path):
    node = NodeFiles(str(tmp_path / "node"))
    yield node
    left = [name for _, _, names in os.walk(node.root) for name in names]
    assert [name for name in left if name.endswith(".tmp")] == []


@pytest.fixture(params=[HUGE, TINY, 40_000], ids=["fits", "tiny", "small"])
def memory(request):
    manager = MemoryManager(request.param)
    yield manager
    manager.release_task(1)
    assert manager.execution_bytes == 0


@pytest.fixture
def task(files, memory):
    """The keyword arguments that every external structure takes."""
    return {"files": files, "memory": memory, "task_id": 1}
