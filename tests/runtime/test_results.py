"""Results that were lost with their node: their partitions run again, no others."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from typing import Any

import pytest

from minispark.errors import PySparkRuntimeError
from minispark.ids import JobId, NodeId
from minispark.plan.spec import JobSpec, StageSpec
from minispark.plan.stages import StageGraph
from minispark.runtime.job import JobRun
from minispark.runtime.messages import ResultFile
from minispark.runtime.results import values


class Runner:
    """Results are files of a node; some are not there any more."""

    def __init__(self, losses: list[set[int]]) -> None:
        #: Partitions whose results are lost, turn by turn.
        self.losses = iter(losses)
        self.gone: set[int] = set()
        self.runs: list[JobRun] = []
        self.closed = 0

    def run(self, run: JobRun) -> Generator[tuple[int, bytes | ResultFile], None, None]:
        self.runs.append(run)
        self.gone = next(self.losses)
        try:
            for index in reversed(range(len(run.spec.partitions))):
                partition = run.spec.partitions[index]
                yield index, ResultFile(NodeId("n"), str(partition), 1, 1)
        finally:
            self.closed += 1

    def load(self, payload: bytes | ResultFile) -> Any:
        assert isinstance(payload, ResultFile)
        if int(payload.relpath) in self.gone:
            raise ConnectionError("no such node")
        return f"v{payload.relpath}"


def job(partitions: tuple[int, ...]) -> JobRun:
    final = StageSpec(None, 10)
    graph = StageGraph.__new__(StageGraph)
    object.__setattr__(graph, "stages", ())
    return JobRun(JobSpec(JobId(0), final, partitions), graph, b"", {}, 0)


def run(runner: Runner, partitions: tuple[int, ...]) -> dict[int, str]:
    ids = itertools.count(1)
    found = list(values(runner.run, runner.load, job(partitions), lambda: JobId(next(ids))))
    assert len(dict(found)) == len(found)
    return dict(found)


def test_nothing_is_lost() -> None:
    runner = Runner([set()])
    assert run(runner, (4, 2)) == {0: "v4", 1: "v2"}
    assert [r.is_repeat for r in runner.runs] == [False]


def test_lost_ones_run_again_under_their_old_positions() -> None:
    runner = Runner([{7, 9}, {9}, set()])
    assert run(runner, (7, 8, 9)) == {0: "v7", 1: "v8", 2: "v9"}
    assert [r.spec.partitions for r in runner.runs] == [(7, 8, 9), (9, 7), (9,)]
    assert [r.spec.job_id for r in runner.runs] == [0, 1, 2]
    assert [r.is_repeat for r in runner.runs] == [False, True, True]


def test_not_for_ever() -> None:
    runner = Runner([{1}] * 10)
    with pytest.raises(PySparkRuntimeError, match="lost 4 times.*no such node"):
        run(runner, (1,))
    assert len(runner.runs) == runner.closed == 4


def test_the_job_ends_with_its_reader() -> None:
    runner = Runner([set()])
    reader = values(runner.run, runner.load, job((1, 2)), lambda: JobId(1))
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert runner.closed == 1
