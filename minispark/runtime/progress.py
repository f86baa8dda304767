"""A line on the terminal, or in the notebook, for jobs that take long.

Shown only where somebody looks: standard error is a terminal, or the process
is a notebook's kernel. A script that writes to a pipe or a file sees nothing.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TextIO

from minispark.scheduler.stage import StageInfo

#: Jobs shorter than this show nothing.
FIRST_S = 0.5
EVERY_S = 0.2


def is_watched(stream: TextIO) -> bool:
    """Whether a person is likely to see what is written to a stream."""
    return stream.isatty() or "ipykernel" in sys.modules


def render(stages: Sequence[StageInfo], width: int) -> str:
    """One line for the stages that run: bars of tasks done, running and left."""
    shown = sorted(stages, key=lambda s: s.stage_id)[:3]
    if not shown:
        return ""
    room = width // len(shown)
    return "".join(_bar(stage, room) for stage in shown)


def _bar(stage: StageInfo, room: int) -> str:
    head = f"[Stage {stage.stage_id}:"
    tail = f"({stage.num_completed} + {stage.num_active}) / {stage.num_tasks}]"
    space = room - len(head) - len(tail) - 1
    if space < 2:
        return (head + tail)[: max(room, 0)]
    done = space * stage.num_completed // max(stage.num_tasks, 1)
    bar = ("=" * done + ">")[:space].ljust(space)
    return f"{head}{bar}{tail} "


class ProgressLine:
    """Watches the running stages from a thread of its own, while there are jobs."""

    def __init__(self, stages: Callable[[], Sequence[StageInfo]], stream: TextIO) -> None:
        self._stages = stages
        self._stream = stream
        self._closed = threading.Event()
        self._shown = 0
        self._thread = threading.Thread(target=self._run, name="minispark-progress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        seen = 0
        while not self._closed.wait(EVERY_S):
            stages = self._stages()
            seen = seen + 1 if stages else 0
            if seen * EVERY_S >= FIRST_S:
                self._show(render(stages, self._width()))
            else:
                self._show("")

    def _width(self) -> int:
        try:
            return (os.get_terminal_size(self._stream.fileno()).columns or 80) - 1
        except (OSError, ValueError):
            return 79

    def _show(self, line: str) -> None:
        if line or self._shown:
            self._stream.write("\r" + line.ljust(self._shown) + ("" if line else "\r"))
            self._stream.flush()
            self._shown = len(line)

    def close(self) -> None:
        """Ends the thread and wipes the line."""
        self._closed.set()
        self._thread.join()
        self._show("")
