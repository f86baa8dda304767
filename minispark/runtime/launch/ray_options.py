"""From Spark's configuration to Ray's: how many processes, with which resources.

And what the launcher needs besides that has no call to Ray.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from typing import Any

from minispark.errors import PySparkValueError
from minispark.records import record
from minispark.runtime.slots import Slot

_RESOURCE = re.compile(r"spark\.executor\.resource\.(.+)\.amount")
_SIZE = re.compile(r"(\d+)\s*([kmgtp]?)b?", re.IGNORECASE)


@record
class ClusterShape:
    """How many processes there shall be, and what each takes."""

    #: None: as many as the cluster has CPUs.
    processes: int | None
    max_cores: int | None
    #: Processes that share what Spark calls one executor.
    cores: int
    #: Cores of a process: what a task has.
    task_cpus: int = 1

    @staticmethod
    def of(conf: Mapping[str, str], num_executors: int | None) -> ClusterShape:
        """As configured; `num_executors` decides where it is given."""
        cores = _positive(conf, "spark.executor.cores") or 1
        instances = _positive(conf, "spark.executor.instances")
        task_cpus = _positive(conf, "spark.task.cpus") or 1
        if num_executors is None and cores < task_cpus and "spark.executor.cores" in conf:
            raise PySparkValueError(
                f"spark.task.cpus={task_cpus} is more than spark.executor.cores={cores}"
            )
        slots = max(1, cores // task_cpus)
        processes = None if num_executors is None else max(1, num_executors // task_cpus)
        if processes is None and instances is not None:
            processes = instances * slots
        return ClusterShape(processes, _positive(conf, "spark.cores.max"), slots, task_cpus)

    def fill(self, resources: Mapping[str, float]) -> int:
        """The number of processes for a cluster with these resources."""
        cpus = int(resources.get("CPU", 0))
        return max(1, min(cpus, self.max_cores or cpus) // self.task_cpus)


def executor_options(
    conf: Mapping[str, str],
    shape: ClusterShape,
    on_cluster: bool,
    has_hash_seed: bool,
    slot: Slot | None = None,
    is_ours: bool = False,
) -> dict[str, Any]:
    """Options of one executor actor, but for where it is placed.

    Those of a resource profile on this machine share its cores with the default
    executors, of which those without a task need none.

    A Ray that is ours alone (`is_ours`) has nothing to share out: how many executors
    there are, the launcher knows. There they take no CPU, because Ray may count that of
    one which was killed while it was being placed as taken for ever.
    """
    options: dict[str, Any] = {
        "num_cpus": 0 if is_ours else shape.task_cpus,
        "max_restarts": 0,
        "max_task_retries": 0,
    }
    env = {
        name.removeprefix("spark.executorEnv."): value
        for name, value in conf.items()
        if name.startswith("spark.executorEnv.")
    }
    if not has_hash_seed:
        env["PYTHONHASHSEED"] = "0"
    if env:
        # Costs a second at the start, hence only where it is needed.
        options["runtime_env"] = {"env_vars": env}
    if slot is not None:
        options["num_cpus"] = slot.cpus if on_cluster else 0
        custom = dict(slot.resources)
        if "gpu" in custom:
            options["num_gpus"] = custom.pop("gpu")
        if custom:
            options["resources"] = custom
        if slot.memory_bytes is not None and on_cluster:
            options["memory"] = slot.memory_bytes
        return options
    if not on_cluster:
        return options
    # Ray's accounting only: what an executor really uses, its memory manager bounds.
    if "spark.executor.memory" in conf:
        options["memory"] = _bytes(conf["spark.executor.memory"]) // shape.cores
    custom = {}
    for name, value in conf.items():
        match = _RESOURCE.fullmatch(name)
        if match is None:
            continue
        try:
            amount = float(value) / shape.cores
        except ValueError:
            raise PySparkValueError(f"{name} must be a number, not {value!r}") from None
        if match[1] == "gpu":
            options["num_gpus"] = amount
        else:
            custom[match[1]] = amount
    if custom:
        options["resources"] = custom
    return options


def reason_of(error: BaseException) -> str:
    """One line a user can read: Ray's errors carry whole tracebacks."""
    cause = getattr(error, "cause", None)
    shown = cause if isinstance(cause, BaseException) else error
    lines = [line.strip() for line in str(shown).splitlines() if line.strip()]
    text = " ".join(lines[:4]) if lines else "no details"
    return f"{type(shown).__name__}: {text}"


def _positive(conf: Mapping[str, str], key: str) -> int | None:
    value = conf.get(key)
    if value is None:
        return None
    if not value.strip().isdigit() or int(value) < 1:
        raise PySparkValueError(f"{key} must be a positive integer, not {value!r}")
    return int(value)


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise PySparkValueError(f"cannot read {text!r} as a size; write '512m' or '4g'")
    # Spark reads a number without a unit as MiB here.
    return int(match[1]) << {"": 20, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}[match[2].lower()]


def await_exit(pids: list[int], deadline: float) -> None:
    """Ray reports an actor dead before its process is: the raylet's children, not ours."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                time.sleep(0.002)
