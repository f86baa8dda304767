"""The life of a context, its facts, and what the RDD classes ask of it."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import uuid
import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from minispark.conf import SparkConf
from minispark.errors import PySparkRuntimeError, PySparkTypeError, PySparkValueError
from minispark.ids import RddId, ShuffleId
from minispark.plan.spec import Point
from minispark.rdd.rdd import RDD
from minispark.runtime.call_site import call_site
from minispark.runtime.checkpoints import Checkpoints
from minispark.runtime.current import current_task
from minispark.runtime.engine import Engine
from minispark.runtime.masters import default_master, parse_master
from minispark.runtime.properties import LocalProperties
from minispark.version import PYSPARK_VERSION

if TYPE_CHECKING:
    from typing_extensions import Self

    from minispark.runtime.resources import ResourceProfile


class _ContextBase:
    """Owns the engine of the process's one active context."""

    _active_spark_context: ClassVar[_ContextBase | None] = None
    _lock: ClassVar[Any] = threading.RLock()

    PACKAGE_EXTENSIONS: ClassVar[Iterable[str]] = (".zip", ".egg", ".jar")

    def __init__(
        self,
        master: str | None = None,
        appName: str | None = None,
        sparkHome: str | None = None,
        pyFiles: list[str] | None = None,
        environment: dict[str, Any] | None = None,
        batchSize: int = 0,
        serializer: Any = None,
        conf: SparkConf | None = None,
        gateway: Any = None,
        jsc: Any = None,
        profiler_cls: Any = None,
        udf_profiler_cls: Any = None,
        memory_profiler_cls: Any = None,
    ) -> None:
        if isinstance(master, SparkConf):
            raise PySparkTypeError(
                "SparkContext(master): expected a string, got a SparkConf; pass conf="
            )
        _assert_on_driver()
        with _ContextBase._lock:
            active = _ContextBase._active_spark_context
            if active is not None:
                raise ValueError(
                    "Cannot run multiple SparkContexts at once; existing SparkContext"
                    f"(app={active.appName}, master={active.master}) created by {active._made_at}"
                )
            self._conf = conf.copy() if conf is not None else SparkConf()
            if master is not None:
                self._conf.setMaster(master)
            if appName is not None:
                self._conf.setAppName(appName)
            if sparkHome is not None:
                self._conf.setSparkHome(sparkHome)
            for key, value in (environment or {}).items():
                self._conf.setExecutorEnv(key, str(value))
            self._conf.setIfMissing("spark.master", default_master())
            self._conf.setIfMissing("spark.app.name", "minispark")
            self.environment: dict[str, Any] = dict(environment or {})
            self._batch_size = batchSize
            self._profiler_cls = profiler_cls
            self._made_at: str = call_site()
            self._start_time = int(time.time() * 1000)
            self._application_id = f"local-{self._start_time}-{uuid.uuid4().hex[:6]}"
            self._conf.set("spark.app.id", self._application_id)
            self._engine = Engine(parse_master(self.master), self._conf, self._application_id)
            self._checkpoints = Checkpoints(self._engine)
            self._properties = LocalProperties()
            try:
                self._started(pyFiles or ())
            except BaseException:
                self._engine.stop("the start failed")
                raise
            _ContextBase._active_spark_context = self
        atexit.register(_stop_at_exit, weakref.ref(self))

    def _started(self, pyFiles: Iterable[str]) -> None:
        """The engine runs: adds the files that came with the start."""

    # -- life ------------------------------------------------------------------

    @classmethod
    def getOrCreate(cls, conf: SparkConf | None = None) -> Self:
        """The active context, or a new one.

        Examples
        --------
        >>> SparkContext.getOrCreate() is sc
        True
        """
        with _ContextBase._lock:
            if _ContextBase._active_spark_context is None:
                cls(conf=conf or SparkConf())
            active = _ContextBase._active_spark_context
            assert isinstance(active, cls)
            return active

    def stop(self) -> None:
        """Ends the context, its executors and all it wrote; may be called twice.

        Examples
        --------
        >>> from minispark import SparkContext
        >>> sc.stop
        <bound method ...stop of <SparkContext ...>>
        """
        self._engine.stop("the SparkContext was stopped")
        with _ContextBase._lock:
            if _ContextBase._active_spark_context is self:
                _ContextBase._active_spark_context = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<SparkContext master={self.master} appName={self.appName}>"

    def __reduce__(self) -> Any:
        raise PySparkRuntimeError(
            "It appears that you are attempting to reference SparkContext from a broadcast "
            "variable, action, or transformation. SparkContext can only be used on the driver, "
            "not in code that it runs on executors. See SPARK-5063.",
            "CONTEXT_ONLY_VALID_ON_DRIVER",
        )

    def _assert_active(self) -> None:
        _assert_on_driver()
        if self._engine.is_stopped:
            raise PySparkRuntimeError(
                "this SparkContext was stopped; make a new one", "CONTEXT_STOPPED"
            )

    # -- facts -----------------------------------------------------------------

    @property
    def master(self) -> str:
        """The master as given.

        Examples
        --------
        >>> sc.master
        'local'
        """
        return str(self._conf.get("spark.master"))

    @property
    def appName(self) -> str:
        """The application's name.

        Examples
        --------
        >>> isinstance(sc.appName, str)
        True
        """
        return self._conf.get("spark.app.name", "minispark")

    @property
    def version(self) -> str:
        """The version of the PySpark API that this is compatible with.

        Examples
        --------
        >>> sc.version >= "3.0"
        True
        """
        return PYSPARK_VERSION

    @property
    def applicationId(self) -> str:
        """An id that no other application has.

        Examples
        --------
        >>> sc.applicationId.startswith("local-")
        True
        """
        return self._application_id

    @property
    def startTime(self) -> int:
        """When the context was made, in milliseconds since 1970.

        Examples
        --------
        >>> import time
        >>> sc.startTime <= time.time() * 1000
        True
        """
        return self._start_time

    @property
    def sparkHome(self) -> str | None:
        """What `SparkConf.setSparkHome` set; nothing needs it.

        Examples
        --------
        >>> sc.sparkHome is None
        True
        """
        return self._conf.get("spark.home")

    @property
    def pythonVer(self) -> str:
        """The version of Python that driver and executors run.

        Examples
        --------
        >>> sc.pythonVer.split(".")[0]
        '3'
        """
        return f"{sys.version_info[0]}.{sys.version_info[1]}"

    @property
    def uiWebUrl(self) -> str | None:
        """None: there is no web interface.

        Examples
        --------
        >>> sc.uiWebUrl is None
        True
        """
        return None

    @property
    def defaultParallelism(self) -> int:
        """Partitions of `parallelize` and of shuffles when no number is given.

        Examples
        --------
        >>> sc.parallelize([1, 2, 3]).getNumPartitions() == sc.defaultParallelism
        True
        """
        return self._engine.default_parallelism

    @property
    def defaultMinPartitions(self) -> int:
        """Least number of partitions of files when no number is given.

        Examples
        --------
        >>> sc.defaultMinPartitions <= 2
        True
        """
        return min(self.defaultParallelism, 2)

    def getConf(self) -> SparkConf:
        """A copy of the settings.

        Examples
        --------
        >>> sc.getConf().get("spark.master")
        'local'
        """
        return self._conf.copy()

    def sparkUser(self) -> str:
        """The user who runs the context.

        Examples
        --------
        >>> isinstance(sc.sparkUser(), str)
        True
        """
        import getpass  # for few programs (ADR 0032)

        return os.environ.get("SPARK_USER") or getpass.getuser()

    def setLogLevel(self, logLevel: str) -> None:
        """Sets the level of minispark's own log: ALL, DEBUG, … ERROR, OFF.

        Examples
        --------
        >>> sc.setLogLevel("WARN")
        """
        levels = {"ALL": 0, "TRACE": 5, "FATAL": logging.CRITICAL, "OFF": logging.CRITICAL + 1}
        level = levels.get(logLevel.upper(), logging.getLevelName(logLevel.upper()))
        if not isinstance(level, int):
            raise PySparkValueError(f"setLogLevel: unknown level {logLevel!r}")
        logging.getLogger("minispark").setLevel(level)

    @classmethod
    def setSystemProperty(cls, key: str, value: str) -> None:
        """Sets a default for contexts made later, as an environment of keys.

        Examples
        --------
        >>> from minispark import SparkContext
        >>> SparkContext.setSystemProperty("example.color", "red")
        >>> SparkContext.getSystemProperty("example.color")
        'red'
        """
        SparkConf.defaults[key] = value

    @classmethod
    def getSystemProperty(cls, key: str) -> str | None:
        """What `setSystemProperty` set, or None.

        Examples
        --------
        >>> SparkContext.getSystemProperty("nothing.of.this.name") is None
        True
        """
        return SparkConf.defaults.get(key)

    @property
    def resources(self) -> dict[str, Any]:
        """Resources of the driver itself: none.

        Examples
        --------
        >>> sc.resources
        {}
        """
        return {}

    # -- checkpoints -----------------------------------------------------------------

    def setCheckpointDir(self, dirName: str) -> None:
        """Sets the directory, on shared storage, that checkpoints go below.

        Examples
        --------
        >>> sc.setCheckpointDir(str(tmp_path))
        >>> sc.getCheckpointDir() is not None
        True
        """
        self._checkpoints.set_directory(path_text("dirName", dirName))

    def getCheckpointDir(self) -> str | None:
        """The directory that checkpoints go below, or None.

        Examples
        --------
        >>> sc.setCheckpointDir(str(tmp_path))
        >>> str(tmp_path) in sc.getCheckpointDir()
        True
        """
        return self._checkpoints.directory

    @property
    def _checkpoint_dir(self) -> str | None:
        return self._checkpoints.directory

    # -- what the RDD classes need -----------------------------------------------------

    def _new_rdd_id(self) -> RddId:
        return self._engine.new_rdd_id()

    def _new_shuffle_id(self) -> ShuffleId:
        return self._engine.new_shuffle_id()

    def _call_site(self) -> str:
        return call_site()

    def _persisted(self, rdd: RDD[Any]) -> None:
        self._engine.persisted(rdd._node)

    def _use_profile(self, profile: ResourceProfile) -> int:
        self._assert_active()
        return self._engine.use_profile(profile)

    def _unpersist(self, rdd: RDD[Any], blocking: bool) -> None:
        self._engine.unpersist(rdd._node, blocking)

    def _replanned(self) -> None:
        self._engine.replanned()

    def _exists(self, point: Point) -> bool:
        return self._engine.driver.exists(point)

    def _skew(self, shuffle_id: ShuffleId) -> str:
        return self._engine.driver.skew(shuffle_id)

    def _checkpoint_pending(self, rdd: RDD[Any]) -> None:
        self._checkpoints.mark(rdd._node)

    def _partitions(self, name: str, value: int | None, default: int) -> int:
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise PySparkTypeError(f"{name}: expected an integer, got {value!r}", "NOT_INT")
        if value < 0 or (value == 0 and name == "numSlices"):
            raise PySparkValueError(f"{name}: expected a positive integer, got {value}")
        return value


def path_text(name: str, value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return ",".join(value)
    if not isinstance(value, str) or not value:
        raise PySparkTypeError(f"{name}: expected a path, got {value!r}", "NOT_STR")
    return value


def _assert_on_driver() -> None:
    if current_task() is not None:
        raise PySparkRuntimeError(
            "The SparkContext was used inside a task. It exists on the driver only: no action "
            "and no new RDD in functions that run on executors. See SPARK-5063.",
            "CONTEXT_ONLY_VALID_ON_DRIVER",
        )


def _stop_at_exit(context_ref: weakref.ref[_ContextBase]) -> None:
    context = context_ref()
    if context is not None:
        context.stop()
