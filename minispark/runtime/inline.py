"""Master `local`: the executor inside the driver's process.

Tasks wait in a queue until a thread that waits for a job takes them: there is
no other thread, so `breakpoint()`, prints, profilers and Ctrl-C just work. One
task runs at a time, whichever job it belongs to.
"""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from minispark.ids import ExecutorId, NodeId, ShuffleId, TaskId
from minispark.runtime.executor import Executor
from minispark.runtime.failures import TaskKilled
from minispark.runtime.job import JobRun
from minispark.runtime.messages import StageKey, TaskReport, TaskSpec


class InlineEvents(Protocol):
    """What the runner tells the driver."""

    def reported(self, reports: Sequence[tuple[ExecutorId, TaskReport]]) -> None:
        """Task attempts ended."""

    def due_s(self) -> float | None:
        """Seconds until the next timer, None without one."""

    def tick(self) -> None:
        """Fires timers that are due."""


class InlineRunner:
    """A `Link` to an executor that borrows the waiting threads."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.executor_id: ExecutorId = executor.executor_id
        self.node_id: NodeId = executor.node.node_id
        self.stages: set[StageKey] = set()
        self.inputs: dict[ShuffleId, int] = {}
        self.files = 0
        self._tasks: deque[TaskSpec] = deque()
        self._cancelled: set[TaskId] = set()
        #: Notified when a task was queued, a task ended or a job ended.
        self._changed = threading.Condition()
        #: Held by the thread that runs a task.
        self._busy = threading.Lock()
        #: The running task and its thread; guarded by `_running_lock`.
        self._running: tuple[TaskId, int] | None = None
        self._running_lock = threading.Lock()
        #: Counts what waiting threads are told of; guarded by `_changed`.
        self._news = 0

    # -- Link ------------------------------------------------------------------

    def send_code(self, data: bytes) -> None:
        """See `Link`."""
        self.send_ctl(pickle.loads(data))

    def send_ctl(self, message: tuple[Any, ...]) -> None:
        """See `Link`."""
        kind = message[0]
        if kind == "stage":
            self._executor.put_stage(message[1], message[2])
        elif kind == "inputs":
            self._executor.put_inputs(*message[1:])
        elif kind == "forget":
            self._executor.forget_stage(message[1])
        elif kind == "forget_inputs":
            self._executor.forget_inputs(message[1])
        elif kind == "files":
            self._executor.user_files.learn(message[1])

    def add_task(self, spec: TaskSpec) -> None:
        """See `Link`."""
        self._tasks.append(spec)
        self.notify()

    def send_tasks(self) -> None:
        """See `Link`: they are there already."""

    def send_svc(self, message: tuple[Any, ...]) -> None:
        """See `Link`."""
        kind = message[0]
        if kind == "cancel":
            self._cancel(message[1])
        elif kind == "drop_rdd":
            self._executor.drop_rdd(message[1])
        elif kind == "drop_broadcast":
            self._executor.broadcasts.drop(message[1])

    def close(self) -> None:
        """See `Link`."""

    # -- the waiting threads -----------------------------------------------------

    def notify(self) -> None:
        """Wakes the waiting threads: there is a task, an end, a timer."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def work_until(self, run: JobRun, events: InlineEvents) -> None:
        """Runs queued tasks, of any job, until `run` has something to say."""
        while run.inbox.empty():
            if self._tasks and self._busy.acquire(blocking=False):
                spec = None
                try:
                    if self._tasks:
                        spec = self._tasks[0]
                        self._tasks.popleft()
                        self._run(spec, events)
                        spec = None
                finally:
                    if spec is not None:
                        # Ctrl-C, perhaps before `_run` began; said twice it does no harm.
                        events.reported([(self.executor_id, TaskReport(spec.task_id, "killed"))])
                    self._busy.release()
                    self.notify()
                continue
            # Asked for before `_changed` is held: whoever queues a task holds
            # the driver's lock, which this takes, and then wants `_changed`.
            news = self._news
            due_s = events.due_s()
            with self._changed:
                if (
                    news == self._news
                    and run.inbox.empty()
                    and not (self._tasks and not self._busy.locked())
                ):
                    self._changed.wait(due_s)
            events.tick()

    def _run(self, spec: TaskSpec, events: InlineEvents) -> None:
        if spec.task_id in self._cancelled:
            self._cancelled.discard(spec.task_id)
            events.reported([(self.executor_id, TaskReport(spec.task_id, "killed"))])
            return
        report = TaskReport(spec.task_id, "killed")
        try:
            try:
                with self._running_lock:
                    self._running = (spec.task_id, threading.get_ident())
                report = self._executor.run(spec)
            finally:
                with self._running_lock:
                    self._running = None
        except TaskKilled:
            self._executor.abandoned(spec.task_id)
            report = TaskReport(spec.task_id, "killed")
        finally:
            # Also when Ctrl-C leaves this frame: the scheduler must know.
            events.reported([(self.executor_id, report)])

    def _cancel(self, task_id: TaskId) -> None:
        with self._running_lock:
            if self._running is not None and self._running[0] == task_id:
                thread = self._running[1]
                if thread != threading.get_ident():
                    import ctypes  # few programs cancel

                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(thread), ctypes.py_object(TaskKilled)
                    )
                return
        if any(spec.task_id == task_id for spec in list(self._tasks)):
            self._cancelled.add(task_id)
