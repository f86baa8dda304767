"""Brings a job's values to the thread that waits for them.

Large results stay on the node that made them until they are asked for. When
that node is gone by then, or the file is not what was written, their partitions
run again, as a job of their own.
Knows nothing of how jobs run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

from minispark.errors import PySparkRuntimeError
from minispark.ids import JobId
from minispark.runtime.job import JobRun
from minispark.runtime.messages import ResultFile
from minispark.shuffle.format import CorruptBlockError

log: logging.Logger = logging.getLogger("minispark")

#: Jobs for the results of one; each follows the loss of another node.
_MAX_TURNS = 4


Payload = bytes | ResultFile


def values(
    run_job: Callable[[JobRun], Generator[tuple[int, Payload], None, None]],
    load: Callable[[Payload], Any],
    run: JobRun,
    new_job_id: Callable[[], JobId],
) -> Iterator[tuple[int, Any]]:
    """Runs a job; yields (index, value) as the values arrive.

    Parameters
    ----------
    run_job
        Yields (index, payload) as results arrive; raises what the job fails with.
    load
        The value of a payload; what that takes is released.
    """
    indexes: list[int] | range = range(len(run.spec.partitions))
    for _ in range(_MAX_TURNS):
        lost: list[int] = []
        reason = ""
        with closing(run_job(run)) as arrivals:
            for index, payload in arrivals:
                try:
                    value = load(payload)
                except (OSError, EOFError, CorruptBlockError) as error:
                    lost.append(index)
                    reason = str(error)
                    continue
                yield indexes[index], value
        if not lost:
            return
        log.warning("%d results were lost with their files and run again: %s", len(lost), reason)
        indexes = [indexes[index] for index in lost]
        run = run.again(new_job_id(), lost)
    raise PySparkRuntimeError(
        f"the results of {len(lost)} partitions were lost {_MAX_TURNS} times with the nodes "
        f"or files that had them; the last time: {reason}",
        "RESULT_LOST",
    )
