"""Sends executors what a task needs before the task: code, inputs, files, slices.

Knows what each executor has already (it is noted on its `Link`) and makes it
forget what nobody needs any more. Must not know: why a task runs where it does,
nor what becomes of its result. Everything here happens under the driver's lock
and never waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from minispark.ids import ExecutorId, JobId, ShuffleId, StageId
from minispark.plan.stages import StagePlan, source_partitions
from minispark.runtime.files import SharedFiles
from minispark.runtime.job import JobRun
from minispark.runtime.members import Members
from minispark.runtime.messages import BlockSource, StageKey, TaskSpec
from minispark.runtime.rendezvous import Rendezvous
from minispark.runtime.skew_reports import SkewReports
from minispark.runtime.status import DriverStatus
from minispark.scheduler import commands as c
from minispark.scheduler.blocks import BlockTracker
from minispark.scheduler.map_outputs import MapOutputs

if TYPE_CHECKING:
    from minispark.runtime.links import Link


class TaskSender:
    """Carries out `LaunchTask`, `EndStage` and `DropShuffle` at the executors."""

    def __init__(
        self,
        jobs: Mapping[JobId, JobRun],
        outputs: MapOutputs,
        blocks: BlockTracker,
        members: Members,
        shared: SharedFiles,
        rendezvous: Rendezvous,
        status: DriverStatus,
        skews: SkewReports,
    ) -> None:
        self._jobs = jobs
        self._outputs = outputs
        self._blocks = blocks
        self._members = members
        self._shared = shared
        self._rendezvous = rendezvous
        self._status = status
        self._skews = skews
        #: Codes that were sent for a stage, to be forgotten with it.
        self._stage_keys: dict[int, set[StageKey]] = {}
        #: Executors with tasks that `flush` will send.
        self._with_tasks: dict[ExecutorId, Link] = {}

    def launch(self, command: c.LaunchTask) -> None:
        """Puts one task attempt on its way, and before it what the executor lacks for it."""
        link = self._members.links.get(command.executor_id)
        run = self._jobs.get(command.job_id)
        if link is None or run is None:
            return  # the loss of the executor is on its way to the scheduler
        key, plan = run.stage(command.shuffle_id)
        try:
            if plan.spec.is_barrier:
                size = len(run.spec.partitions) if plan.output is None else plan.spec.num_partitions
                stage = (command.stage_id, command.stage_attempt)
                address = self._status.address(link.node_id)
                self._rendezvous.launched(command.task_id, stage, command.partition, size, address)
            self._shared.tell(link)
            if key not in link.stages:
                link.send_code(run.code(key, plan))
                link.stages.add(key)
                self._stage_keys.setdefault(command.stage_id, set()).add(key)
            splits = {
                (op, part): plan.splits[op][part]
                for op, part in source_partitions(plan, command.partition)
            }
            spec = TaskSpec(
                command.task_id,
                key,
                command.stage_id,
                command.partition,
                command.attempt,
                splits,
                tuple(self._send_inputs(link, command.reads, plan)),
                self._elsewhere(link, plan, command.partition) if plan.spec.blocks else (),
                command.runs,
            )
            link.add_task(spec)
            self._with_tasks[command.executor_id] = link
        except OSError as error:
            self._members.lose(command.executor_id, f"its connection broke: {error}")

    def _elsewhere(self, link: Link, plan: StagePlan, partition: int) -> tuple[BlockSource, ...]:
        """The cached blocks of a task's partition that its executor has to fetch."""
        found = []
        for block in plan.spec.blocks[partition]:
            executors, nodes = self._blocks.holders(block)
            if link.executor_id in executors or link.node_id in nodes:
                continue
            if executors or nodes:
                found.append(BlockSource(block, nodes, bool(executors)))
        return tuple(found)

    def flush(self) -> bool:
        """Sends what `launch` has put together; whether there was anything."""
        if not self._with_tasks:
            return False
        links, self._with_tasks = self._with_tasks, {}
        for executor_id, link in links.items():
            try:
                link.send_tasks()
            except OSError as error:
                self._members.lose(executor_id, f"its connection broke: {error}")
        return True

    def _send_inputs(
        self, link: Link, shuffles: Sequence[ShuffleId], plan: StagePlan
    ) -> Iterator[tuple[ShuffleId, int]]:
        """Tells the executor new locations; once per executor and version."""
        outputs = self._outputs
        for shuffle_id in shuffles:
            version = outputs.version(shuffle_id)
            if link.inputs.get(shuffle_id) != version:
                locations = tuple(outputs.locations(shuffle_id))
                link.send_ctl(("inputs", shuffle_id, version, locations))
                link.inputs[shuffle_id] = version
                self._skews.reading(shuffle_id, plan.node)
            yield shuffle_id, version

    def end_stage(self, stage_id: StageId) -> None:
        """Executors forget the code of a stage that has ended."""
        for key in self._stage_keys.pop(stage_id, ()):
            for link in list(self._members.links.values()):
                if key in link.stages:
                    link.stages.discard(key)
                    self._members.send_ctl(link, ("forget", key))

    def drop_shuffle(self, shuffle_id: ShuffleId) -> None:
        """Executors forget where a shuffle's outputs were."""
        self._skews.forget(shuffle_id)
        for link in list(self._members.links.values()):
            if link.inputs.pop(shuffle_id, None) is not None:
                self._members.send_ctl(link, ("forget_inputs", shuffle_id))
