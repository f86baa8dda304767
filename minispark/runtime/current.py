"""What task runs here: the one place that unpickled objects can ask.

A broadcast or an accumulator that arrives inside a closure has to find the
executor it landed on. The in-process executor runs tasks on the threads of the
driver, so the answer belongs to the thread; threads that user code starts
inside a task of an executor process fall back on the process's only task.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minispark.runtime.task_env import TaskRun

_local = threading.local()
#: The running task of an executor process; always None in the driver.
_process_task: TaskRun | None = None


def current_task() -> TaskRun | None:
    """The task this thread works for, or None on the driver."""
    task: TaskRun | None = getattr(_local, "task", None)
    return task if task is not None else _process_task


def set_current_task(task: TaskRun | None, whole_process: bool) -> None:
    """Declares the running task of this thread, or of the whole process."""
    global _process_task
    _local.task = task
    if whole_process:
        _process_task = task
