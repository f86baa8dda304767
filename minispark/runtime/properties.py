"""What the threads of the driver say about the jobs they submit."""

from __future__ import annotations

import threading

from minispark.errors import PySparkValueError

_GROUP = "spark.jobGroup.id"
_DESCRIPTION = "spark.job.description"
_INTERRUPT = "spark.job.interruptOnCancel"


class LocalProperties(threading.local):
    """Properties and tags of the current thread."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.tags: set[str] = set()

    def adopt(self, values: dict[str, str], tags: set[str]) -> None:
        """Makes another thread's properties those of the current one."""
        self.values, self.tags = values, tags

    def set(self, key: str, value: str | None) -> None:
        """Sets a property; None removes it."""
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def set_group(self, group: str, description: str, interrupt: bool) -> None:
        """Puts this thread's jobs into a group."""
        self.set(_GROUP, group)
        self.set(_DESCRIPTION, description)
        self.set(_INTERRUPT, "true" if interrupt else "false")

    @property
    def group(self) -> str | None:
        """The job group, if any."""
        return self.values.get(_GROUP)

    @property
    def description(self) -> str | None:
        """The job description, if any."""
        return self.values.get(_DESCRIPTION)

    def set_description(self, text: str | None) -> None:
        """Describes the jobs of this thread."""
        self.set(_DESCRIPTION, text)


def checked_tag(tag: str) -> str:
    """A tag that may be used: not empty, without a comma."""
    if not isinstance(tag, str) or not tag:
        raise PySparkValueError(f"job tag: expected a non-empty string, got {tag!r}")
    if "," in tag:
        raise PySparkValueError(f"job tag: must not contain a comma, got {tag!r}")
    return tag
