"""In which order stages get free cores: first come first served, or fair.

Owns: the stages that run and have pending tasks. FIFO: by the first job's
submission, then by stage. FAIR: pools with the fewest busy cores first, within
a pool FIFO. Must not know: executors, commands.
"""

from __future__ import annotations

from bisect import insort

from minispark.ids import StageId
from minispark.scheduler.stage import Stage


def _priority(stage: Stage) -> tuple[int, int]:
    return stage.priority


class ReadyQueue:
    """Stages with something to launch."""

    def __init__(self, fair: bool) -> None:
        self.is_fair = fair
        self._ids: dict[StageId, Stage] = {}
        self._sorted: list[Stage] = []

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, stage: object) -> bool:
        return isinstance(stage, Stage) and stage.id in self._ids

    def add(self, stage: Stage) -> None:
        """The stage has something to launch."""
        if stage.id not in self._ids:
            self._ids[stage.id] = stage
            stage.priority = (min(j.sequence for j in stage.jobs.values()), stage.id)
            insort(self._sorted, stage, key=_priority)

    def discard(self, stage: Stage) -> None:
        """The stage has nothing to launch (any more)."""
        if self._ids.pop(stage.id, None) is not None:
            self._sorted.remove(stage)

    def in_order(self) -> list[Stage]:
        """Who comes first now."""
        if not self.is_fair or len(self._sorted) < 2:
            return list(self._sorted)
        busy: dict[str, int] = {}
        for stage in self._sorted:
            # A job's stages share its pool; stages without pending tasks are
            # not here and their cores are about to come back anyway.
            cores = len(stage.tasks.running) * stage.spec.task_cpus
            busy[stage.pool] = busy.get(stage.pool, 0) + cores
        return sorted(self._sorted, key=lambda s: (busy[s.pool], s.priority))
