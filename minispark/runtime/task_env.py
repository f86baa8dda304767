"""One running task: what its pipeline may ask for (`plan.pipeline.TaskEnv`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import cloudpickle

from minispark.errors import CorruptFileError, PySparkRuntimeError
from minispark.ids import AccumulatorId, RddId, ShuffleId
from minispark.plan.pipeline import ReadShuffle, ShuffleSource
from minispark.plan.steps import Merge
from minispark.runtime.accumulators import Accumulator
from minispark.runtime.boot import DRIVER_NODE
from minispark.runtime.messages import DriverBlock, StageCode, TaskSpec
from minispark.runtime.node_reader import read_verified
from minispark.runtime.task_context import TaskContext
from minispark.shuffle.reader import FetchFailedError, read_blocks
from minispark.storage.checked import Checked, checked
from minispark.storagelevel import StorageLevel

if TYPE_CHECKING:
    from minispark.runtime.executor import Executor
    from minispark.runtime.resources import ResourceInformation

# What few tasks need is imported by those that do: an executor starts sooner (ADR 0032).


class TaskRun:
    """The state of one task attempt, gone when it ends."""

    def __init__(self, executor: Executor, spec: TaskSpec, code: StageCode) -> None:
        self.executor = executor
        self.spec = spec
        kind = _barrier_context() if code.is_barrier else TaskContext
        self.context: TaskContext = kind(
            spec.stage_id,
            spec.partition,
            spec.attempt,
            spec.task_id,
            code.properties,
            executor.cpus,
            _resources(executor.addresses) if executor.addresses else {},
        )
        #: The task's own copies of the accumulators its functions refer to.
        self.accumulators: dict[AccumulatorId, Accumulator[Any]] = {}
        self._elsewhere = {source.block: source for source in spec.elsewhere}
        self._runs = dict(spec.runs)
        self._reads = frozenset(shuffle_id for shuffle_id, _ in spec.reads)
        #: Set when map outputs could not be read, whoever caught the error.
        self.fetch_failure: FetchFailedError | None = None
        #: Set when a file of another kind changed while it was read.
        self.damage: CorruptFileError | None = None
        #: Whether that is a failure of the task: the next attempt finds the same file.
        self.damage_counts = False

    def split(self, op: int, partition: int) -> Any:
        """See `TaskEnv`."""
        split = self.spec.splits[op, partition]
        if not isinstance(split, DriverBlock):
            return split

        def damaged() -> CorruptFileError:
            return CorruptFileError(f"the driver's file {split.relpath} is damaged")

        def changed(error: CorruptFileError) -> None:
            # A damaged copy goes, and the next attempt brings another one. The driver's
            # own file stays as it is, which ends the job after as many attempts as allowed.
            self.damage = damaged()
            self.damage_counts = not self.executor.reader.forget_copy(DRIVER_NODE, split.relpath)
            raise self.damage from error

        def part(data: memoryview) -> memoryview | Checked:
            piece = data[split.offset : split.offset + split.length]
            found = None
            if len(piece) == split.length:
                found = checked(
                    piece, split.crc, steps=split.steps, changed=changed, origin=split.offset
                )
            if found is None:
                raise damaged()
            return found

        return read_verified(self.executor.reader, DRIVER_NODE, split.relpath, part)

    def _changed(self, error: CorruptFileError) -> None:
        self.damage = error

    def _records(self, shuffle_id: ShuffleId, num_maps: int, partition: int) -> Iterator[Any]:
        # A generator per frame, not per record.
        return chain.from_iterable(self._frames(shuffle_id, num_maps, partition))

    def _frames(
        self, shuffle_id: ShuffleId, num_maps: int, partition: int
    ) -> Iterator[Iterable[Any]]:
        try:
            # What the task was not told to read is incomplete, whatever was
            # said to this executor earlier: those files may be gone.
            locations = self.executor.inputs(shuffle_id) if shuffle_id in self._reads else ()
            if len(locations) != num_maps:
                raise FetchFailedError(
                    shuffle_id,
                    (),
                    None,
                    f"{num_maps - len(locations)} of {num_maps} map outputs "
                    f"of shuffle {shuffle_id} are not there",
                )
            yield from read_blocks(self.executor.reader, shuffle_id, partition, locations)
        except FetchFailedError as error:
            self.fetch_failure = error
            raise

    def read_shuffle(self, op: ReadShuffle, partition: int) -> Iterator[Any]:
        """See `TaskEnv`."""
        from minispark.shuffle.merge import merge_records

        _, aggregator = cloudpickle.loads(op.captured)
        return merge_records(
            self._records(op.shuffle_id, op.num_maps, partition),
            aggregator=aggregator,
            map_side_combine=op.map_side_combine,
            ordering=None if op.ordering is None else cloudpickle.loads(op.ordering),
            files=self.executor.files,
            memory=self.executor.memory,
            task_id=self.spec.task_id,
        )

    def merge(self, step: Merge, records: Iterator[Any]) -> Iterator[Any]:
        """See `TaskEnv`."""
        from minispark.shuffle.merge import merge_records

        return merge_records(
            records,
            aggregator=step.aggregator,
            map_side_combine=False,
            ordering=step.ordering,
            files=self.executor.files,
            memory=self.executor.memory,
            task_id=self.spec.task_id,
        )

    def cogroup(
        self, sources: list[ShuffleSource | Iterator[Any]], partition: int, join: str | None
    ) -> Iterator[tuple[Any, Any]]:
        """See `TaskEnv`."""
        from minispark.shuffle.cogroup import CoGrouper

        grouper = CoGrouper(
            len(sources),
            files=self.executor.files,
            memory=self.executor.memory,
            task_id=self.spec.task_id,
        )
        for index, source in enumerate(sources):
            if isinstance(source, ShuffleSource):
                frames = self._frames(source.shuffle_id, source.num_maps, partition)
                grouper.insert_frames(index, frames)
            else:
                grouper.insert_source(index, source)
        return grouper.items() if join is None else grouper.joined(join)

    def get_or_compute(
        self,
        rdd_id: RddId,
        partition: int,
        level: StorageLevel,
        compute: Callable[[], Iterator[Any]] | None,
    ) -> Iterator[Any]:
        """See `TaskEnv`."""
        block = (rdd_id, partition)
        executor = self.executor
        run = self._runs.get(rdd_id, 0)
        found = executor.blocks.get(block, run, self._changed)
        if found is None and block in self._elsewhere:
            found = executor.copies.bring(
                block,
                self._elsewhere[block],
                run,
                lambda: executor.want(self.spec.task_id, block),
                self._changed,
            )
        if found is not None:
            return found
        if compute is None:
            raise PySparkRuntimeError(
                f"partition {partition} of RDD {rdd_id} was checkpointed locally and is lost; "
                "use RDD.checkpoint() for checkpoints that survive executors",
                "CHECKPOINT_BLOCK_LOST",
            )
        records = executor.blocks.put(block, compute(), level, run, self._changed)
        if level.replication > 1 and executor.may_be_lost:
            executor.copies.replicate(block, level)
        return records

    def read_checkpoint(self, directory: str, partition: int) -> Iterator[Any]:
        """See `TaskEnv`."""
        from minispark.storage.partfile import read_part

        return read_part(directory, partition)

    def replayable(self, records: Iterator[Any]) -> Iterable[Any]:
        """See `TaskEnv`."""
        from minispark.shuffle.replay import Replayable

        return Replayable(
            records,
            files=self.executor.files,
            memory=self.executor.memory,
            task_id=self.spec.task_id,
        )

    def close(self) -> None:
        """Gives back what the task held."""
        self.executor.memory.release_task(self.spec.task_id)


def _barrier_context() -> type[TaskContext]:
    from minispark.runtime.barrier import BarrierTaskContext

    return BarrierTaskContext


def _resources(addresses: Mapping[str, tuple[str, ...]]) -> dict[str, ResourceInformation]:
    from minispark.runtime.resources import ResourceInformation

    return {name: ResourceInformation(name, list(units)) for name, units in addresses.items()}
