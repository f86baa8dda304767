"""Masters: what the user may write for where the tasks run."""

from __future__ import annotations

import os
import re

from minispark.errors import PySparkValueError
from minispark.records import record

_KNOWN = (
    "local, local[N], local[*], local-process[N], ray://auto, "
    "or the host:port of a running Ray cluster"
)


@record
class Master:
    """A parsed master."""

    #: `"inline"`, `"process"`, `"ray-local"` or `"ray-cluster"`.
    kind: str
    #: Executors on this machine; for a cluster None: as configured.
    num_executors: int | None
    #: The cluster's address, for `"ray-cluster"`.
    address: str = ""
    #: Task failures allowed where the master says so (`local[N, F]`).
    max_failures: int | None = None


def default_master() -> str:
    """Where the tasks run when nobody says: in the cluster the environment names, or here."""
    return "local[*]" if os.environ.get("RAY_ADDRESS", "local") in ("", "local") else "ray://auto"


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parse_master(master: str) -> Master:
    """What a master string means.

    Raises
    ------
    PySparkValueError
        It names no master there is.
    """
    if master == "local":
        return Master("inline", 1)
    match = re.fullmatch(r"(local|local-process)\[\s*(\d+|\*)\s*(?:,\s*(\d+)\s*)?\]", master)
    if match:
        number = cores() if match[2] == "*" else int(match[2])
        if number < 1:
            raise PySparkValueError(f"master {master!r}: the number of executors must be positive")
        kind = "ray-local" if match[1] == "local" else "process"
        return Master(kind, number, max_failures=int(match[3]) if match[3] else None)
    if master == "local-process":
        return Master("process", cores())
    if master == "auto" or master.startswith("ray://") or re.fullmatch(r"[\w.\-]+:\d+", master):
        return Master("ray-cluster", None, master)
    raise PySparkValueError(
        f"master {master!r} is not known; there are: {_KNOWN}",
        "UNKNOWN_MASTER",
        {"master": master},
    )
