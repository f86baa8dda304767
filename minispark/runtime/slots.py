"""Slots: what one executor process is started with, as a resource profile asks for it.

Owns the arithmetic. Must not know how processes are started.

An executor process runs one task at a time, so it takes what one *task* needs. What
Spark calls an executor, with room for several tasks, is as many processes. Machines
of one's own have what `spark.driver.resource.{name}.amount` says, besides their cores;
the amounts are counted, not looked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from minispark.errors import PySparkValueError
from minispark.records import field, record

__all__ = ["Slot", "Units", "declared_resources", "slot_of"]

_DECLARED = re.compile(r"spark\.driver\.resource\.(.+)\.amount")
_MIB = 1 << 20
#: What profiles ask for beside countable resources.
_MEMORY = ("memory", "memoryOverhead", "offHeap", "pyspark.memory")
_EPSILON = 1e-9


@record
class Slot:
    """What one process of a profile takes."""

    profile_id: int
    cpus: int = 1
    #: Amounts of other resources, by name; below 1 where processes share one.
    resources: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: int | None = None
    #: Processes that make what Spark calls one executor; None: the profile does not say.
    per_executor: int | None = None

    def room(self, available: Mapping[str, float]) -> int:
        """How many fit into what there is; cores are named `cpus`."""
        counts = [
            int(available.get(name, 0) / amount + _EPSILON)
            for name, amount in ({"cpus": self.cpus} | dict(self.resources)).items()
        ]
        return min(counts)

    def lack(self, available: Mapping[str, float]) -> str:
        """What is missing for even one."""
        needs = {"cpus": float(self.cpus)} | dict(self.resources)
        short = [
            f"{amount:g} {name} where there are {available.get(name, 0):g}"
            for name, amount in needs.items()
            if available.get(name, 0) + _EPSILON < amount
        ]
        return f"a task needs {' and '.join(short)}"


def slot_of(profile: Any, conf: Mapping[str, str]) -> Slot:
    """The slot of a `ResourceProfile`.

    Raises
    ------
    PySparkValueError
        A task asks for more than the profile's executor has.
    """
    tasks = {name: request.amount for name, request in profile.taskResources.items()}
    executor = {name: request.amount for name, request in profile.executorResources.items()}
    cpus = max(1, math.ceil(tasks.pop("cpus", float(conf.get("spark.task.cpus", "1")))))
    cores = executor.pop("cores", None)
    memory = sum(executor.pop(name, 0) for name in _MEMORY) * _MIB or None
    counts = [cores // cpus] if cores is not None else []
    for name, amount in tasks.items():
        if executor and name not in executor:
            raise PySparkValueError(
                f"the profile's tasks ask for {name}, of which its executors have none",
                "RESOURCE_PROFILE",
            )
        if name in executor:
            counts.append(int(executor[name] / amount + _EPSILON))
    if counts and min(counts) < 1:
        raise PySparkValueError(
            f"a task of the profile asks for more than one of its executors has: {profile}",
            "RESOURCE_PROFILE",
        )
    slots = min(counts) if counts else None
    resources = {
        name: tasks.get(name, executor.get(name, 0) / (slots or 1))
        for name in {**executor, **tasks}
    }
    return Slot(
        profile.id,
        cpus,
        resources,
        None if memory is None else memory // (slots or 1),
        slots,
    )


def declared_resources(conf: Mapping[str, str]) -> dict[str, float]:
    """What this machine has, as the configuration says."""
    found = {}
    for key, value in conf.items():
        match = _DECLARED.fullmatch(key)
        if match is None:
            continue
        try:
            amount = float(value)
        except ValueError:
            amount = -1.0
        if amount < 0 or not math.isfinite(amount):
            raise PySparkValueError(f"{key}: expected a number that is not negative, got {value!r}")
        found[match[1]] = amount
    return found


class Units:
    """The numbered units of a machine's resources, and who has them."""

    def __init__(self, available: Mapping[str, float]) -> None:
        #: What is left of each unit: 1 of one that nobody has.
        self._left = {name: [1.0] * int(amount + _EPSILON) for name, amount in available.items()}

    def take(self, slot: Slot) -> dict[str, tuple[str, ...]] | None:
        """Units for one process, by resource; None when there are not enough.

        Whole units are its own; processes that need less than one share it.
        """
        found: dict[str, list[int]] = {}
        for name, amount in slot.resources.items():
            left = self._left.get(name, [])
            share = min(amount, 1.0)
            fitting = [i for i, rest in enumerate(left) if rest + _EPSILON >= share]
            # Shared ones first, so that whole ones stay whole.
            fitting.sort(key=left.__getitem__)
            count = max(1, math.ceil(amount - _EPSILON))
            if len(fitting) < count:
                return None
            found[name] = sorted(fitting[:count])
        for name, units in found.items():
            for unit in units:
                self._left[name][unit] -= min(slot.resources[name], 1.0)
        return {name: tuple(map(str, units)) for name, units in found.items()}

    def give_back(self, slot: Slot, taken: Mapping[str, tuple[str, ...]]) -> None:
        """The process that had them has ended."""
        for name, units in taken.items():
            for unit in units:
                self._left[name][int(unit)] += min(slot.resources[name], 1.0)
