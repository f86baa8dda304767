"""The executor: runs one task attempt at a time and owns what tasks share.

It knows stages' code, map output locations, the block store, the memory budget
and the broadcasts of one process. It knows nothing of Ray, of the driver or of
the sockets: `serve` (a process) and `inline` (the driver's own threads) feed
it `TaskSpec`s and pass its `TaskReport`s on.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import cloudpickle

from minispark.conf import SparkConf
from minispark.ids import ExecutorId, NodeId, RddId, ShuffleId, TaskId
from minispark.plan.pipeline import evaluate
from minispark.plan.spec import BlockKey
from minispark.runtime.block_copies import BlockCopies
from minispark.runtime.boot import NodeInfo
from minispark.runtime.collector import rare_full_collections
from minispark.runtime.current import set_current_task
from minispark.runtime.failures import TaskKilled, describe
from minispark.runtime.files import UserFiles
from minispark.runtime.loaded_broadcasts import Broadcasts
from minispark.runtime.messages import (
    INLINE_BYTES,
    FetchFailure,
    ResultFile,
    StageCode,
    StageKey,
    TaskReport,
    TaskSpec,
)
from minispark.runtime.node_reader import NodeReader
from minispark.runtime.task_env import TaskRun
from minispark.scheduler.model import MapStatus
from minispark.shuffle.reader import FetchFailedError, MapLocation
from minispark.storage.blocks import BlockStore
from minispark.storage.checked import StepSums
from minispark.storage.files import NodeFiles
from minispark.storage.memory import MemoryManager
from minispark.storage.values import dump_value

if TYPE_CHECKING:
    from minispark.runtime.footprint import Footprint


def _answer_alone(_task_id: TaskId, method: str, message: str) -> tuple[bool, list[str]]:
    """The in-process executor runs one task at a time: a barrier stage is one task."""
    return True, ["localhost:0" if method == "infos" else message]


def _nobody_has(_task_id: TaskId, _block: BlockKey) -> NodeId | None:
    """The in-process executor is alone."""
    return None


def _footprint_of(memory: MemoryManager) -> Footprint:
    from minispark.runtime.footprint import Footprint  # not for the master `local` (ADR 0032)

    return Footprint(memory)


def budget_of(conf: SparkConf) -> int:
    """What an executor may use for data."""
    return int(conf.value("spark.executor.memory") * conf.value("spark.memory.fraction"))


class Executor:
    """One task at a time, on whatever thread calls `run`."""

    def __init__(
        self,
        executor_id: ExecutorId,
        node: NodeInfo,
        conf: SparkConf,
        reader: NodeReader,
        whole_process: bool,
    ) -> None:
        self.executor_id = executor_id
        self.node = node
        self.conf = conf
        budget = budget_of(conf)
        self.files: NodeFiles = NodeFiles(node.root, budget=budget)
        self.reader = reader
        self.memory: MemoryManager = MemoryManager(
            budget, conf.value("spark.memory.storageFraction")
        )
        self.blocks: BlockStore = BlockStore(self.files, self.memory, freeze_gc=whole_process)
        self.copies: BlockCopies = BlockCopies(node.node_id, self.blocks, reader)
        # Beside what tasks and cached blocks may use; mostly far less.
        self.broadcasts: Broadcasts = Broadcasts(reader, conf.value("spark.executor.memory") // 2)
        self.user_files: UserFiles = UserFiles(self.files, node.node_id, reader)
        self._whole_process = whole_process
        self._footprint = _footprint_of(self.memory) if whole_process else None
        #: Without the driver, so that second copies make sense.
        self.may_be_lost = whole_process
        #: What its tasks have: cores, and units of other resources by name.
        self.cpus: int = 1
        self.addresses: Mapping[str, tuple[str, ...]] = {}
        #: Asks the driver on behalf of a barrier task; see `BarrierTaskContext`.
        self.ask: Callable[[TaskId, str, str], tuple[bool, Any]] = _answer_alone
        #: Has the driver find a block in another executor's heap; see `BlockCopies.bring`.
        self.want: Callable[[TaskId, BlockKey], NodeId | None] = _nobody_has
        #: Only the driver says "forget": it counts on what it has sent.
        self._stages: dict[StageKey, StageCode] = {}
        self._inputs: dict[ShuffleId, tuple[int, tuple[MapLocation, ...]]] = {}

    def put_stage(self, key: StageKey, code: StageCode) -> None:
        """Learns the code of a stage."""
        self._stages[key] = code

    def forget_stage(self, key: StageKey) -> None:
        """Drops the code of a stage."""
        self._stages.pop(key, None)

    def put_inputs(
        self,
        shuffle_id: ShuffleId,
        version: int,
        locations: Sequence[tuple[int, int, NodeId]],
    ) -> None:
        """Learns where the map outputs of a shuffle are."""
        self._inputs[shuffle_id] = (version, tuple(map(MapLocation._make, locations)))

    def forget_inputs(self, shuffle_id: ShuffleId) -> None:
        """Drops the locations of a shuffle that is gone."""
        self._inputs.pop(shuffle_id, None)
        if self._whole_process:  # else a task may be reading on another thread
            self.reader.forget_shuffle(shuffle_id)

    def inputs(self, shuffle_id: ShuffleId) -> tuple[MapLocation, ...]:
        """Where the map outputs of a shuffle are, as last told."""
        return self._inputs.get(shuffle_id, (0, ()))[1]

    def drop_rdd(self, rdd_id: RddId) -> None:
        """Drops the blocks of an RDD."""
        self.blocks.drop_rdd(rdd_id)

    def run(self, spec: TaskSpec) -> TaskReport:
        """Runs one task attempt to its end, whatever that is.

        Only an interrupt meant for the calling thread itself (Ctrl-C with the
        in-process executor) leaves as an exception.
        """
        started = time.perf_counter()
        code = self._stages[spec.stage]
        if self._footprint is not None:
            output = code.output
            collects = output is not None and not output.map_side_combine
            self._footprint.before(spec.stage, collects)
        task = TaskRun(self, spec, code)
        set_current_task(task, self._whole_process)
        try:
            self.user_files.prepare()
            with rare_full_collections():
                report = self._compute(task, spec, code)
        except TaskKilled:
            report = TaskReport(spec.task_id, "killed")
        except KeyboardInterrupt as error:
            if not self._whole_process:
                raise
            report = TaskReport(spec.task_id, "failed", failure=describe(error))
        except BaseException as error:  # a task's SystemExit is a task failure
            report = self._failed(task, spec, error)
        finally:
            set_current_task(None, self._whole_process)
            task.close()
            if self._footprint is not None:
                self._footprint.after()
        return report._replace(
            updates=self.blocks.drain_updates(), run_s=time.perf_counter() - started
        )

    def abandoned(self, task_id: TaskId) -> None:
        """Gives back what a task held whose own clean-up was interrupted."""
        set_current_task(None, self._whole_process)
        self.memory.release_task(task_id)
        self.files.abandon()

    def _compute(self, task: TaskRun, spec: TaskSpec, code: StageCode) -> TaskReport:
        if code.profiler is None:
            status, result = self._produce(task, spec, code)
        else:
            profiler = cloudpickle.loads(code.profiler)
            status, result = profiler.profile(self._produce, task, spec, code)
        if task.fetch_failure is not None:
            # A user function may have swallowed the exception; never the loss.
            raise task.fetch_failure
        if task.damage is not None:
            raise task.damage
        accumulators = tuple(
            (aid, cloudpickle.dumps(accumulator._value))
            for aid, accumulator in task.accumulators.items()
        )
        return TaskReport(
            spec.task_id, "ok", status=status, result=result, accumulators=accumulators
        )

    def _produce(
        self, task: TaskRun, spec: TaskSpec, code: StageCode
    ) -> tuple[MapStatus | None, bytes | ResultFile | None]:
        """Computes the partition: the map output that was written, or the result."""
        records = evaluate(code.pipeline, spec.partition, task)
        output = code.output
        status: MapStatus | None = None
        result: bytes | ResultFile | None = None
        if output is not None:
            # Imported here: an executor starts sooner, and most tasks of a first job
            # write no map output (ADR 0032).
            from minispark.shuffle.writer import write_map_output

            partition, aggregator = cloudpickle.loads(output.captured)
            written = write_map_output(
                records,
                shuffle_id=output.shuffle_id,
                map_id=spec.partition,
                attempt=spec.attempt,
                num_reducers=output.num_reducers,
                partition=partition,
                aggregator=aggregator,
                map_side_combine=output.map_side_combine,
                files=self.files,
                memory=self.memory,
                task_id=spec.task_id,
            )
            status = MapStatus(
                self.node.node_id,
                self.executor_id,
                spec.attempt,
                written.sizes,
                written.total_bytes,
                fingerprint=written.fingerprint,
            )
        else:
            assert code.result is not None
            value = cloudpickle.loads(code.result)(spec.partition, records)
            result = self._pack(spec, value)
        return status, result

    def _pack(self, spec: TaskSpec, value: Any) -> bytes | ResultFile:
        try:
            data = dump_value(value)
        except Exception as error:
            raise pickle.PicklingError(
                f"the result of the task, a {type(value).__name__}, cannot be pickled: {error}"
            ) from error
        total = sum(len(chunk) for chunk in data)
        if total <= INLINE_BYTES:
            return b"".join(data)
        relpath = f"result/{spec.task_id}"
        sums = StepSums()
        self.files.write_atomic(relpath, sums.passed(data))
        return ResultFile(self.node.node_id, relpath, total, sums.crc, tuple(sums.steps))

    def _failed(self, task: TaskRun, spec: TaskSpec, error: BaseException) -> TaskReport:
        lost = task.fetch_failure
        if lost is None and isinstance(error, FetchFailedError):
            lost = error
        if lost is not None:
            return TaskReport(
                spec.task_id,
                "fetch",
                failure=FetchFailure(
                    lost.shuffle_id, tuple(lost.map_attempts), lost.node_id, str(lost)
                ),
            )
        if task.damage is not None:
            # Whatever the task made of it. A file that is gone by now is no fault of the
            # task: the next attempt does without it.
            failure = describe(task.damage, counts=task.damage_counts)
            return TaskReport(spec.task_id, "failed", failure=failure)
        return TaskReport(spec.task_id, "failed", failure=describe(error))
