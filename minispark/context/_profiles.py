"""Profiles of tasks, when `spark.python.profile` asks for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from minispark.context._base import path_text
from minispark.context._sources import _Sources
from minispark.errors import PySparkRuntimeError, PySparkTypeError

if TYPE_CHECKING:
    from minispark.runtime.profiler import ProfilerCollector

log = logging.getLogger("minispark")


class _Profiles(_Sources):
    """Shows and writes what tasks measured of themselves."""

    profiler_collector: ProfilerCollector | None

    def _started(self, pyFiles: Iterable[str]) -> None:
        self.profiler_collector = None
        is_wanted = self._conf.value("spark.python.profile")
        if is_wanted or self._profiler_cls is not None:
            # Imported here: profilers are few programs' (ADR 0032).
            from minispark.runtime.profiler import BasicProfiler, Profiler, ProfilerCollector

            chosen = self._profiler_cls or BasicProfiler
            if not isinstance(chosen, type) or not issubclass(chosen, Profiler):
                raise PySparkTypeError(
                    f"profiler_cls: expected a subclass of Profiler, got {chosen!r}",
                    "NOT_EXPECTED_TYPE",
                )
        if is_wanted:
            dump_path = self._conf.get("spark.python.profile.dump")
            self.profiler_collector = ProfilerCollector(self, chosen, dump_path)
            self._engine.profiler_of = self.profiler_collector.profiler
        if self._conf.value("spark.python.profile.memory"):
            log.warning(
                "spark.python.profile.memory measures UDFs of Spark SQL, which are not here; "
                "spark.python.profile measures the time of an RDD's tasks"
            )
        super()._started(pyFiles)

    def show_profiles(self) -> None:
        """Prints the profiles of the RDDs that ran, those with news since the last time.

        Needs `spark.python.profile` to be true when the context is made.

        Examples
        --------
        >>> sc.show_profiles()
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkRuntimeError: ...
        """
        self._profiles("show_profiles").show()

    def dump_profiles(self, path: str) -> None:
        """Writes the profiles into a directory, `rdd_<id>.pstats` each, and begins anew.

        Needs `spark.python.profile` to be true when the context is made.

        Examples
        --------
        >>> sc.dump_profiles("profiles")
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkRuntimeError: ...
        """
        self._profiles("dump_profiles").dump(path_text("path", path))
        # Stages that run again must not add to what was written.
        self._engine.replanned()

    def _profiles(self, method: str) -> ProfilerCollector:
        if self.profiler_collector is None:
            raise PySparkRuntimeError(
                f"{method}() has nothing to give: profiles are collected when spark.python.profile"
                " is true in the SparkConf that the context is made with",
                "INCORRECT_CONF_FOR_PROFILE",
                {},
            )
        return self.profiler_collector
