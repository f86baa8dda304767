"""Profiles of tasks: what `spark.python.profile` collects, per RDD.

Owns the profilers that PySpark names and their collection. A profiler travels with a
stage's code; each task runs inside its `profile`, and what it measures comes back through
an accumulator, so failed attempts count nothing. Must not know how tasks run.
"""

from __future__ import annotations

import atexit
import cProfile
import os
import pstats
import threading
from collections.abc import Callable
from typing import Any

from minispark.ids import RddId
from minispark.runtime.accumulators import AccumulatorParam

__all__ = ["BasicProfiler", "Profiler", "ProfilerCollector", "UDFBasicProfiler"]


class Profiler:
    """Base of profilers; subclass it, or `BasicProfiler`, and pass the class as `profiler_cls`.

    Examples
    --------
    >>> from minispark import BasicProfiler
    >>> class Brief(BasicProfiler):
    ...     def show(self, id):
    ...         print("RDD", id, "was profiled:", self.stats() is not None)
    >>> profiler = Brief(sc)
    >>> profiler.profile(sum, [1, 2, 3])
    6
    >>> profiler.show(7)
    RDD 7 was profiled: True
    """

    __module__ = "minispark"

    def __init__(self, ctx: Any) -> None:
        """Is told the context, whose accumulators it may use."""

    def profile(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls `func` in a task and measures it; gives back its result."""
        raise NotImplementedError(f"{type(self).__name__}.profile() must be defined")

    def stats(self) -> pstats.Stats | dict[Any, Any]:
        """What was measured so far, on the driver."""
        raise NotImplementedError(f"{type(self).__name__}.stats() must be defined")

    def show(self, id: int) -> None:
        """Prints what was measured of the RDD with this id."""
        raise NotImplementedError(f"{type(self).__name__}.show() must be defined")

    def dump(self, id: int, path: str) -> None:
        """Writes what was measured of the RDD with this id into a directory."""
        raise NotImplementedError(f"{type(self).__name__}.dump() must be defined")


class StatsParam(AccumulatorParam[Any]):
    """Adds `pstats.Stats`; none is None."""

    def zero(self, value: Any) -> None:
        return None

    def addInPlace(self, value1: Any, value2: Any) -> Any:
        if value1 is None:
            return value2
        if value2 is not None:
            value1.add(value2)
        return value1


class BasicProfiler(Profiler):
    """Profiles with cProfile; the figures of an RDD's tasks are added up."""

    __module__ = "minispark"

    #: What `show` calls the thing, and the prefix of its file.
    _kind, _prefix = "RDD", "rdd"

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self._accumulator = ctx.accumulator(None, StatsParam())

    def profile(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls `func` in a task under cProfile; gives back its result."""
        profile = cProfile.Profile()
        result = profile.runcall(func, *args, **kwargs)
        stats: Any = pstats.Stats(profile)
        stats.stream = None  # an open file does not travel
        self._accumulator.add(stats.strip_dirs())
        return result

    def stats(self) -> pstats.Stats | dict[Any, Any]:
        """What was measured so far, on the driver; None before the first task's end."""
        stats: pstats.Stats | dict[Any, Any] = self._accumulator.value
        return stats

    def show(self, id: int) -> None:
        """Prints the functions that took most time."""
        stats = self.stats()
        if isinstance(stats, pstats.Stats):
            title = f"Profile of {self._kind}<id={id}>"
            print("=" * 60, title, "=" * 60, sep="\n")
            stats.stream = None  # type: ignore[attr-defined]  # where standard output is by now
            stats.sort_stats("time", "cumulative").print_stats()

    def dump(self, id: int, path: str) -> None:
        """Writes a file for `pstats` into a directory."""
        stats = self.stats()
        if isinstance(stats, pstats.Stats):
            os.makedirs(path, exist_ok=True)
            stats.dump_stats(os.path.join(path, f"{self._prefix}_{id}.pstats"))


class UDFBasicProfiler(BasicProfiler):
    """As `BasicProfiler`; PySpark takes it for UDFs of Spark SQL, which are not here."""

    __module__ = "minispark"

    _kind, _prefix = "UDF", "udf"


class ProfilerCollector:
    """The profilers of a context: one for each RDD whose stage has run.

    Parameters
    ----------
    dump_path
        Where profiles go when the program ends; None: they are shown.
    """

    def __init__(self, ctx: Any, profiler_cls: type[Profiler], dump_path: str | None) -> None:
        self._ctx = ctx
        self._profiler_cls = profiler_cls
        self._dump_path = dump_path
        self._lock = threading.Lock()
        self._profilers: dict[RddId, Profiler] = {}
        self._shown: set[RddId] = set()

    def profiler(self, rdd_id: RddId) -> Profiler:
        """The profiler for tasks of an RDD that are about to run."""
        with self._lock:
            if not self._profilers and not self._shown:
                atexit.register(self._at_exit)
            self._shown.discard(rdd_id)
            found = self._profilers.get(rdd_id)
            if found is None:
                found = self._profilers[rdd_id] = self._profiler_cls(self._ctx)
            return found

    def show(self) -> None:
        """Prints the profiles that have news since they were shown."""
        with self._lock:
            news = [item for item in self._profilers.items() if item[0] not in self._shown]
            self._shown.update(self._profilers)
        for rdd_id, profiler in news:
            profiler.show(rdd_id)

    def dump(self, path: str) -> None:
        """Writes all profiles into a directory, and begins anew."""
        with self._lock:
            profilers = dict(self._profilers)
            self._profilers.clear()
            self._shown.clear()
        for rdd_id, profiler in profilers.items():
            profiler.dump(rdd_id, path)

    def _at_exit(self) -> None:
        if self._dump_path is not None:
            self.dump(self._dump_path)
        else:
            self.show()
