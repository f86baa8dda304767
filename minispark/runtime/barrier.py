"""`BarrierTaskContext`: how the tasks of a barrier stage wait for each other."""

from __future__ import annotations

from minispark.errors import PySparkRuntimeError
from minispark.runtime.current import current_task
from minispark.runtime.task_context import TaskContext


class BarrierTaskInfo:
    """Where one task of a barrier stage runs: `host:port`."""

    __module__ = "minispark"

    def __init__(self, address: str) -> None:
        self.address = address

    def __repr__(self) -> str:
        return f"BarrierTaskInfo({self.address!r})"


class BarrierTaskContext(TaskContext):
    """The context of a task whose stage runs all its tasks at the same time.

    Examples
    --------
    >>> from minispark import BarrierTaskContext
    >>> def meet(records):
    ...     context = BarrierTaskContext.get()
    ...     context.barrier()
    ...     yield context.allGather(f"task {context.partitionId()}")
    >>> sc.parallelize([1], 1).barrier().mapPartitions(meet).collect()
    [['task 0']]
    """

    __module__ = "minispark"

    @classmethod
    def get(cls) -> BarrierTaskContext:
        """The context of the running task, which must be one of a barrier stage.

        Examples
        --------
        >>> from minispark import BarrierTaskContext
        >>> def place(records):
        ...     return [BarrierTaskContext.get().partitionId()]
        >>> sc.parallelize([1], 1).barrier().mapPartitions(place).collect()
        [0]
        """
        context = super().get()
        if not isinstance(context, BarrierTaskContext):
            raise PySparkRuntimeError(
                "BarrierTaskContext.get() works in tasks of RDD.barrier() only",
                "NOT_IN_BARRIER_STAGE",
            )
        return context

    def barrier(self) -> None:
        """Waits until all tasks of the stage have called it as often as this one.

        Examples
        --------
        >>> from minispark import BarrierTaskContext
        >>> def meet(records):
        ...     BarrierTaskContext.get().barrier()
        ...     return records
        >>> sc.parallelize([1, 2], 1).barrier().mapPartitions(meet).collect()
        [1, 2]
        """
        self._ask("barrier", "")

    def allGather(self, message: str = "") -> list[str]:
        """Waits for all tasks as `barrier` does; their messages, by partition.

        Examples
        --------
        >>> from minispark import BarrierTaskContext
        >>> def gather(records):
        ...     return BarrierTaskContext.get().allGather(str(sum(records)))
        >>> sc.parallelize([1, 2], 1).barrier().mapPartitions(gather).collect()
        ['3']
        """
        if not isinstance(message, str):
            raise TypeError(f"Argument `message` must be of type `str`, got {message!r}")
        return self._ask("allGather", message)

    def getTaskInfos(self) -> list[BarrierTaskInfo]:
        """Where the tasks of the stage run, by partition.

        Examples
        --------
        >>> from minispark import BarrierTaskContext
        >>> def count(records):
        ...     return [len(BarrierTaskContext.get().getTaskInfos())]
        >>> sc.parallelize([1, 2], 1).barrier().mapPartitions(count).collect()
        [1]
        """
        return [BarrierTaskInfo(address) for address in self._ask("infos", "")]

    def _ask(self, method: str, message: str) -> list[str]:
        task = current_task()
        if task is None or task.context is not self:
            raise PySparkRuntimeError(
                "the tasks of a barrier stage can only meet inside that stage",
                "NOT_IN_BARRIER_STAGE",
            )
        ok, value = task.executor.ask(task.spec.task_id, method, message)
        if not ok:
            raise PySparkRuntimeError(str(value), "BARRIER_MISMATCH")
        return list(value)
