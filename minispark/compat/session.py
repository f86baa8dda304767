"""`SparkSession` as far as scripts on RDDs need it; no Spark SQL behind it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, NoReturn

from minispark.compat.row import Row
from minispark.conf import SparkConf
from minispark.context import SparkContext
from minispark.errors import PySparkNotImplementedError
from minispark.rdd.rdd import RDD

__all__ = ["SQLContext", "SparkSession", "is_remote"]


def is_remote() -> bool:
    """Whether the session is one of Spark Connect: no."""
    return False


def _refuse(what: str) -> NoReturn:
    raise PySparkNotImplementedError(
        f"{what} is Spark SQL, which minispark does not have: it is Spark's RDD engine. Use "
        "spark.sparkContext and RDDs, spark.read.text(path).rdd among them, or a data frame "
        "library for the rest",
        "NOT_IMPLEMENTED",
        {"feature": what},
    )


class _Refusing:
    """Whatever it is asked for beyond its methods is refused by name."""

    _what = ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        _refuse(f"{self._what}.{name}")


class _TextFrame(_Refusing):
    """What `spark.read.text` gives: one row per line, for `.rdd` only."""

    _what = "DataFrame"

    def __init__(self, lines: RDD[str]) -> None:
        self._lines = lines

    @property
    def rdd(self) -> RDD[Row]:
        """The lines, each as `Row(value=line)`."""
        return self._lines.map(_line_row)

    def count(self) -> int:
        """The number of lines."""
        return self._lines.count()

    def collect(self) -> list[Row]:
        """All rows."""
        return self.rdd.collect()

    def cache(self) -> _TextFrame:
        """Keeps the lines in memory."""
        self._lines.cache()
        return self


def _line_row(line: str) -> Row:
    return Row(value=line)


class _Reader(_Refusing):
    _what = "spark.read"

    def __init__(self, context: SparkContext) -> None:
        self._context = context

    def text(self, paths: Any) -> _TextFrame:
        """The lines of text files."""
        return _TextFrame(self._context.textFile(paths))


class _Builder(_Refusing):
    _what = "SparkSession.builder"

    def __init__(self) -> None:
        self._conf: dict[str, Any] = {}

    def master(self, master: str) -> _Builder:
        """Sets the master."""
        return self.config("spark.master", master)

    def appName(self, name: str) -> _Builder:
        """Sets the application's name."""
        return self.config("spark.app.name", name)

    def config(
        self,
        key: str | None = None,
        value: Any = None,
        conf: SparkConf | None = None,
        map: dict[str, Any] | None = None,
    ) -> _Builder:
        """Sets one key, or those of a configuration or a dict."""
        if conf is not None:
            self._conf.update(conf.getAll())
        if map is not None:
            self._conf.update(map)
        if key is not None:
            self._conf[key] = value
        return self

    def enableHiveSupport(self) -> _Builder:
        """Accepted: there are no tables that it could concern."""
        return self

    def getOrCreate(self) -> SparkSession:
        """The active session, or one on the active or a new context."""
        active = SparkSession.getActiveSession()
        if active is not None:
            return active
        conf = SparkConf()
        for key, value in self._conf.items():
            conf.set(key, value)
        SparkSession._active = SparkSession(SparkContext.getOrCreate(conf))
        return SparkSession._active


class _NewBuilder:
    """`SparkSession.builder` is another one each time."""

    def __get__(self, instance: object, owner: type) -> _Builder:
        return _Builder()


class _RuntimeConf:
    def __init__(self, context: SparkContext) -> None:
        self._context = context

    def get(self, key: str, default: str | None = None) -> str | None:
        """A setting as text."""
        return self._context._conf.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Remembers a setting; the engine reads its own at the start only."""
        self._context._conf.set(key, value)


class SparkSession(_Refusing):
    """The way most scripts get their context.

    Examples
    --------
    >>> spark = SparkSession.builder.appName("example").getOrCreate()
    >>> spark.sparkContext is sc
    True
    >>> spark.sql("SELECT 1")
    Traceback (most recent call last):
        ...
    minispark.errors.PySparkNotImplementedError: ...
    """

    _what = "SparkSession"
    _active: ClassVar[SparkSession | None] = None
    builder: _NewBuilder = _NewBuilder()

    def __init__(self, sparkContext: SparkContext, jsparkSession: Any = None) -> None:
        self._context = sparkContext

    @classmethod
    def getActiveSession(cls) -> SparkSession | None:
        """The session that `builder` made last and that was not stopped."""
        active = cls._active
        if active is not None and active.sparkContext._engine.is_stopped:
            return None
        return active

    @property
    def sparkContext(self) -> SparkContext:
        """The context: where RDDs begin."""
        return self._context

    @property
    def conf(self) -> _RuntimeConf:
        """The settings."""
        return _RuntimeConf(self._context)

    @property
    def read(self) -> _Reader:
        """Reads text files, as `Row`s in an RDD."""
        return _Reader(self._context)

    @property
    def version(self) -> str:
        """The version of the PySpark API that this is compatible with."""
        return self._context.version

    def newSession(self) -> SparkSession:
        """Another session on the same context."""
        return SparkSession(self._context)

    def stop(self) -> None:
        """Stops the context."""
        SparkSession._active = None
        self._context.stop()

    def __enter__(self) -> SparkSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class SQLContext(_Refusing):
    """The older entry to Spark SQL: can be made, refuses everything."""

    _what = "SQLContext"

    def __init__(self, sparkContext: SparkContext, *_args: Any, **_kwargs: Any) -> None:
        self._context = sparkContext
