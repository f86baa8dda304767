"""What a context says about its jobs: the status tracker, and cancelling's manners."""

from __future__ import annotations

from minispark.context._running import _Running
from minispark.runtime.status import StatusTracker


class _Status(_Running):
    """Looks at jobs; starts none."""

    def statusTracker(self) -> StatusTracker:
        """Reports on running and recent jobs and stages.

        Examples
        --------
        >>> sc.statusTracker().getActiveJobsIds()
        []
        """
        self._assert_active()
        return StatusTracker(self._engine.driver.status)

    def setInterruptOnCancel(self, interruptOnCancel: bool) -> None:
        """Sets whether cancelling interrupts the tasks of this thread's jobs.

        Kept as the property `spark.job.interruptOnCancel`; tasks of cancelled
        jobs are always interrupted here.

        Examples
        --------
        >>> sc.setInterruptOnCancel(True)
        >>> sc.getLocalProperty("spark.job.interruptOnCancel")
        'true'
        """
        self.setLocalProperty(
            "spark.job.interruptOnCancel", "true" if interruptOnCancel else "false"
        )
