"""What scripts import from `pyspark.util` beside the threads."""

from __future__ import annotations

import re

__all__ = ["VersionUtils", "is_remote_only"]


class VersionUtils:
    """Reads versions of Spark.

    Examples
    --------
    >>> VersionUtils.majorMinorVersion("4.0.1-SNAPSHOT")
    (4, 0)
    """

    @staticmethod
    def majorMinorVersion(sparkVersion: str) -> tuple[int, int]:
        """The first two numbers of a version."""
        found = re.match(r"(\d+)\.(\d+)(\..*)?$", sparkVersion)
        if found is None:
            raise ValueError(
                f"Spark tried to parse {sparkVersion!r} as a Spark version string, but it could "
                "not find the major and minor version numbers."
            )
        return int(found[1]), int(found[2])


def is_remote_only() -> bool:
    """Whether there is nothing but a client of Spark Connect: no."""
    return False
