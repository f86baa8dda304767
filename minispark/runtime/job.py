"""One running job as the driver sees it: its plan, its inbox, its end."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from queue import SimpleQueue

from minispark.ids import JobId, RddId, ShuffleId
from minispark.plan.spec import JobSpec
from minispark.plan.stages import StageGraph, StagePlan
from minispark.records import replace
from minispark.runtime.messages import ResultFile, StageCode, StageKey
from minispark.scheduler.commands import Failure

#: (index, payload) of one task.
Result = tuple[int, bytes | ResultFile]


class JobRun:
    """Handed from the submitting thread to the driver and back."""

    def __init__(
        self,
        spec: JobSpec,
        graph: StageGraph,
        result: bytes,
        properties: Mapping[str, str],
        version: int,
        profilers: Mapping[RddId, bytes] | None = None,
    ) -> None:
        self.spec = spec
        self.graph = graph
        self.result = result
        self.properties = properties
        self.version = version
        #: Pickled profilers by the last RDD of a stage.
        self.profilers: Mapping[RddId, bytes] = profilers or {}
        self.maps: dict[ShuffleId, StagePlan] = {
            plan.output.shuffle_id: plan for plan in graph.stages if plan.output is not None
        }
        #: Accepted results, (index, payload), not yet in the inbox.
        self.arrived: list[Result] = []
        #: Results in order of arrival, some at a time; None at the end.
        self.inbox: SimpleQueue[list[Result] | None] = SimpleQueue()
        self.failure: Failure | None = None
        #: An exception raised by the driver's own handling of a result.
        self.broken: BaseException | None = None
        self.is_done: bool = False
        self.result_bytes = 0
        #: Whether its partitions ran before, and what they added was counted.
        self.is_repeat = False
        self._code: dict[StageKey, bytes] = {}

    def again(self, job_id: JobId, indexes: Sequence[int]) -> JobRun:
        """A job for some of the partitions, whose results were lost."""
        partitions = tuple(self.spec.partitions[index] for index in indexes)
        spec = replace(self.spec, job_id=job_id, partitions=partitions, is_continuation=True)
        run = JobRun(spec, self.graph, self.result, self.properties, self.version, self.profilers)
        run.is_repeat = True
        return run

    @property
    def job_id(self) -> JobId:
        """The job's id."""
        return self.spec.job_id

    def stage(self, shuffle_id: ShuffleId | None) -> tuple[StageKey, StagePlan]:
        """The plan of one of the job's stages and the key of its code."""
        if shuffle_id is None:
            return ("job", self.job_id, 0), self.graph.final
        return ("map", shuffle_id, self.version), self.maps[shuffle_id]

    def code(self, key: StageKey, plan: StagePlan) -> bytes:
        """The message that teaches an executor the stage; pickled once."""
        data = self._code.get(key)
        if data is None:
            code = StageCode(
                plan.pipeline,
                plan.output,
                None if plan.output is not None else self.result,
                self.properties,
                plan.spec.is_barrier,
                self.profilers.get(plan.node.id),
            )
            data = self._code[key] = pickle.dumps(("stage", key, code), 5)
        return data

    def unread(self) -> Iterator[bytes | ResultFile]:
        """Takes the results out that nobody will wait for."""
        while not self.inbox.empty():
            for _, payload in self.inbox.get() or ():
                yield payload

    def hand_over(self) -> None:
        """Puts what has arrived into the inbox, for the waiting thread."""
        if self.arrived:
            arrived, self.arrived = self.arrived, []
            self.inbox.put(arrived)

    def end(self, failure: Failure | None) -> None:
        """The job is over; wakes the waiting thread."""
        if not self.is_done:
            self.is_done = True
            self.failure = failure
            self.hand_over()
            self.inbox.put(None)
