"""Resource requests and profiles, as PySpark names them: plain data.

What the engine makes of a profile is decided where it is given to an RDD
(`RDD.withResources`).
"""

from __future__ import annotations

import itertools
from typing import Any

from minispark.conf import parse_bytes
from minispark.errors import PySparkTypeError, PySparkValueError

__all__ = [
    "ExecutorResourceRequest",
    "ExecutorResourceRequests",
    "ResourceInformation",
    "ResourceProfile",
    "ResourceProfileBuilder",
    "TaskResourceRequest",
    "TaskResourceRequests",
]

_MIB = 1 << 20
_profile_ids = itertools.count(1)


class ResourceInformation:
    """One kind of resource that a task was given: its name and its addresses."""

    __module__ = "minispark"

    def __init__(self, name: str, addresses: list[str]) -> None:
        self._name = name
        self._addresses = addresses

    @property
    def name(self) -> str:
        """Such as `gpu`."""
        return self._name

    @property
    def addresses(self) -> list[str]:
        """Which of them."""
        return self._addresses


class ExecutorResourceRequest:
    """How much of one resource an executor needs."""

    __module__ = "minispark"

    def __init__(
        self, resourceName: str, amount: int, discoveryScript: str = "", vendor: str = ""
    ) -> None:
        self._name = resourceName
        self._amount = amount
        self._discovery_script = discoveryScript
        self._vendor = vendor

    @property
    def resourceName(self) -> str:
        """Such as `cores`, `memory` or `gpu`."""
        return self._name

    @property
    def amount(self) -> int:
        """How many; MiB for memory."""
        return self._amount

    @property
    def discoveryScript(self) -> str:
        """Accepted; nothing runs it."""
        return self._discovery_script

    @property
    def vendor(self) -> str:
        """Accepted; nothing reads it."""
        return self._vendor


class ExecutorResourceRequests:
    """What an executor needs, built by chained calls.

    Examples
    --------
    >>> from minispark import ExecutorResourceRequests
    >>> needs = ExecutorResourceRequests().cores(2).memory("2g").resource("gpu", 1)
    >>> {name: request.amount for name, request in needs.requests.items()}
    {'cores': 2, 'memory': 2048, 'gpu': 1}
    """

    __module__ = "minispark"

    def __init__(
        self, _jvm: Any = None, _requests: dict[str, ExecutorResourceRequest] | None = None
    ) -> None:
        self._requests = dict(_requests or {})

    def _set(
        self, name: str, amount: int, discovery: str = "", vendor: str = ""
    ) -> ExecutorResourceRequests:
        self._requests[name] = ExecutorResourceRequest(name, amount, discovery, vendor)
        return self

    def cores(self, amount: int) -> ExecutorResourceRequests:
        """Cores of an executor."""
        return self._set("cores", amount)

    def memory(self, amount: str) -> ExecutorResourceRequests:
        """Memory, such as `"2g"`."""
        return self._set("memory", _mebibytes(amount))

    def memoryOverhead(self, amount: str) -> ExecutorResourceRequests:
        """Memory beside the heap."""
        return self._set("memoryOverhead", _mebibytes(amount))

    def offheapMemory(self, amount: str) -> ExecutorResourceRequests:
        """Memory outside the heap."""
        return self._set("offHeap", _mebibytes(amount))

    def pysparkMemory(self, amount: str) -> ExecutorResourceRequests:
        """Memory of Python."""
        return self._set("pyspark.memory", _mebibytes(amount))

    def resource(
        self, resourceName: str, amount: int, discoveryScript: str = "", vendor: str = ""
    ) -> ExecutorResourceRequests:
        """Any other resource, such as `gpu`."""
        return self._set(resourceName, amount, discoveryScript, vendor)

    @property
    def requests(self) -> dict[str, ExecutorResourceRequest]:
        """The requests by name."""
        return dict(self._requests)


class TaskResourceRequest:
    """How much of one resource a task needs."""

    __module__ = "minispark"

    def __init__(self, resourceName: str, amount: float) -> None:
        self._name = resourceName
        self._amount = float(amount)

    @property
    def resourceName(self) -> str:
        """Such as `cpus` or `gpu`."""
        return self._name

    @property
    def amount(self) -> float:
        """How much; may be a fraction."""
        return self._amount


class TaskResourceRequests:
    """What a task needs, built by chained calls.

    Examples
    --------
    >>> from minispark import TaskResourceRequests
    >>> TaskResourceRequests().cpus(1).requests["cpus"].amount
    1.0
    """

    __module__ = "minispark"

    def __init__(
        self, _jvm: Any = None, _requests: dict[str, TaskResourceRequest] | None = None
    ) -> None:
        self._requests = dict(_requests or {})

    def cpus(self, amount: float) -> TaskResourceRequests:
        """Cores of a task."""
        return self.resource("cpus", amount)

    def resource(self, resourceName: str, amount: float) -> TaskResourceRequests:
        """Any other resource, such as `gpu`."""
        self._requests[resourceName] = TaskResourceRequest(resourceName, amount)
        return self

    @property
    def requests(self) -> dict[str, TaskResourceRequest]:
        """The requests by name."""
        return dict(self._requests)


class ResourceProfile:
    """What the executors and the tasks of some stages need."""

    __module__ = "minispark"

    def __init__(
        self,
        _java_resource_profile: Any = None,
        _exec_req: dict[str, ExecutorResourceRequest] | None = None,
        _task_req: dict[str, TaskResourceRequest] | None = None,
    ) -> None:
        self._id = next(_profile_ids)
        self._executor_requests = dict(_exec_req or {})
        self._task_requests = dict(_task_req or {})

    @property
    def id(self) -> int:
        """A number that no other profile of this process has."""
        return self._id

    @property
    def taskResources(self) -> dict[str, TaskResourceRequest]:
        """What a task needs, by name."""
        return self._task_requests

    @property
    def executorResources(self) -> dict[str, ExecutorResourceRequest]:
        """What an executor needs, by name."""
        return self._executor_requests

    def __str__(self) -> str:
        tasks = [f"{r.amount:g} {name}" for name, r in self._task_requests.items()]
        executors = [f"{r.amount:g} {name}" for name, r in self._executor_requests.items()]
        return (
            f"per task {' and '.join(tasks) or 'the default'}, "
            f"per executor {' and '.join(executors) or 'the default'}"
        )


class ResourceProfileBuilder:
    """Collects requests and builds a profile.

    Examples
    --------
    >>> from minispark import ResourceProfileBuilder, TaskResourceRequests
    >>> profile = ResourceProfileBuilder().require(TaskResourceRequests().cpus(1)).build
    >>> list(profile.taskResources), list(profile.executorResources)
    (['cpus'], [])
    """

    __module__ = "minispark"

    def __init__(self) -> None:
        self._executor_requests: dict[str, ExecutorResourceRequest] = {}
        self._task_requests: dict[str, TaskResourceRequest] = {}

    def require(
        self, resourceRequest: ExecutorResourceRequests | TaskResourceRequests
    ) -> ResourceProfileBuilder:
        """Adds requests; later ones win."""
        if isinstance(resourceRequest, TaskResourceRequests):
            self._task_requests.update(resourceRequest.requests)
        elif isinstance(resourceRequest, ExecutorResourceRequests):
            self._executor_requests.update(resourceRequest.requests)
        else:
            raise PySparkTypeError(
                "require(): expected ExecutorResourceRequests or TaskResourceRequests, got "
                f"{resourceRequest!r}",
                "NOT_EXPECTED_TYPE",
            )
        return self

    def clearExecutorResourceRequests(self) -> None:
        """Forgets what executors need."""
        self._executor_requests.clear()

    def clearTaskResourceRequests(self) -> None:
        """Forgets what tasks need."""
        self._task_requests.clear()

    @property
    def taskResources(self) -> dict[str, TaskResourceRequest]:
        """What a task needs so far, by name."""
        return dict(self._task_requests)

    @property
    def executorResources(self) -> dict[str, ExecutorResourceRequest]:
        """What an executor needs so far, by name."""
        return dict(self._executor_requests)

    @property
    def build(self) -> ResourceProfile:
        """The profile."""
        return ResourceProfile(_exec_req=self._executor_requests, _task_req=self._task_requests)


def _mebibytes(amount: str) -> int:
    try:
        return parse_bytes(amount) // _MIB
    except ValueError as error:
        raise PySparkValueError(f"expected {error}, got {amount!r}") from None
