"""A task reads the shuffles it was told to read, and no others."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from minispark.ids import ShuffleId, TaskId
from minispark.plan.pipeline import ReadShuffle
from minispark.runtime.messages import StageCode, TaskSpec
from minispark.runtime.task_env import TaskRun
from minispark.shuffle.reader import FetchFailedError


def test_locations_of_an_earlier_task_are_not_used() -> None:
    # The executor heard of both shuffles once; the driver says 1 is complete now.
    executor: Any = SimpleNamespace(
        inputs=lambda shuffle_id: (("gone", shuffle_id),),
        reader=None,
        files=None,
        memory=None,
        cpus=1,
        addresses={},
    )
    spec = TaskSpec(TaskId(1), ("job", 0, 0), 0, 0, 0, {}, ((ShuffleId(1), 7),))
    code = StageCode(None, None, None, {})  # type: ignore[arg-type]
    task = TaskRun(executor, spec, code)
    op = ReadShuffle(ShuffleId(2), 1, pickle.dumps((None, None)), False, None)
    with pytest.raises(FetchFailedError) as caught:
        list(task.read_shuffle(op, 0))
    assert caught.value.map_attempts == ()  # the scheduler then makes the whole input again
    assert task.fetch_failure is caught.value
