"""Configuration: Spark's keys, checked when they are set.

A key keeps Spark's name where its meaning is the same. A key minispark does
not know is kept and listed, since scripts and libraries set many; a value that
a known key cannot have is refused at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, overload

from minispark.ambient import ambient
from minispark.errors import PySparkValueError

_SIZE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIME_UNITS = {"us": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_bytes(text: str) -> int:
    """Bytes of a size such as `512m`, `1.5g`, `4096` or `2gb`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text.lower())
    if not match:
        raise ValueError("a size such as 512m or 2g")
    return int(float(match[1]) * _SIZE_UNITS[match[2]])


def parse_seconds(text: str) -> float:
    """Seconds of a time such as `100ms`, `10s`, `2min`; a bare number is seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|m|h|)\s*", text.lower())
    if not match:
        raise ValueError("a time such as 100ms, 10s or 2min")
    return float(match[1]) * _TIME_UNITS[match[2]]


def parse_bool(text: str) -> bool:
    """`true` or `false`, in any case."""
    lowered = text.strip().lower()
    if lowered not in ("true", "false"):
        raise ValueError("true or false")
    return lowered == "true"


def _ports(text: str) -> str:
    first, _, last = text.strip().partition(":")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ValueError("a port, or a range of ports as 'first:last'")
    return text


def _codec(text: str) -> str:
    name = text.strip().lower()
    if name not in ("lz4", "snappy", "zstd"):
        raise ValueError("lz4, snappy or zstd")
    return name


def _integer(minimum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise ValueError(f"an integer of at least {minimum}")
        return value

    return parse


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ValueError("a number from 0 to 1")
    return value


#: Known keys: parser of the value, and the default as text (None: unset).
KNOWN: dict[str, tuple[Callable[[str], Any], str | None]] = {
    "spark.master": (str, None),
    "spark.app.name": (str, None),
    "spark.default.parallelism": (_integer(1), None),
    "spark.driver.host": (str, None),
    "spark.driver.bindAddress": (str, None),
    "spark.driver.port": (_ports, None),
    "spark.driver.blockManager.port": (_ports, None),
    "spark.blockManager.port": (_ports, None),
    "spark.driver.maxResultSize": (parse_bytes, "1g"),
    "spark.executor.instances": (_integer(1), None),
    "spark.executor.cores": (_integer(1), None),
    "spark.executor.memory": (parse_bytes, "1g"),
    "spark.executor.heartbeatInterval": (parse_seconds, "10s"),
    "spark.network.timeout": (parse_seconds, "120s"),
    "spark.files.overwrite": (parse_bool, "false"),
    "spark.io.compression.codec": (_codec, "lz4"),
    "spark.local.dir": (str, None),
    "spark.locality.wait": (parse_seconds, "3s"),
    "spark.memory.fraction": (_fraction, "0.6"),
    "spark.memory.storageFraction": (_fraction, "0.5"),
    "spark.python.profile": (parse_bool, "false"),
    "spark.python.profile.dump": (str, None),
    "spark.python.profile.memory": (parse_bool, "false"),
    "spark.python.worker.reuse": (parse_bool, "true"),
    "spark.scheduler.mode": (str, "FIFO"),
    "spark.shuffle.compress": (parse_bool, "true"),
    "spark.shuffle.io.maxRetries": (_integer(0), "3"),
    "spark.shuffle.io.retryWait": (parse_seconds, "5s"),
    "spark.speculation": (parse_bool, "false"),
    "spark.stage.maxConsecutiveAttempts": (_integer(1), "4"),
    "spark.task.cpus": (_integer(1), "1"),
    "spark.task.maxFailures": (_integer(1), "4"),
    "spark.ui.showConsoleProgress": (parse_bool, None),
    "minispark.cancel.grace": (parse_seconds, "1s"),
    # Called in an executor process before anything else, as "module:function".
    "minispark.executor.setup": (str, None),
    "minispark.executor.startTimeout": (parse_seconds, "120s"),
    "minispark.node.heartbeatInterval": (parse_seconds, "3s"),
    "minispark.node.heartbeatMisses": (_integer(1), "3"),
    "minispark.ray.keepAlive": (parse_bool, "false"),
    "minispark.ray.placementTimeout": (parse_seconds, "30s"),
    # How long a stage waits for the first executor of its resource profile.
    "minispark.resourceProfile.timeout": (parse_seconds, "60s"),
}


class SparkConf:
    """Settings of an application, as pairs of strings.

    Examples
    --------
    >>> from minispark import SparkConf
    >>> conf = SparkConf().setMaster("local").setAppName("etl").set("spark.task.maxFailures", "2")
    >>> conf.get("spark.app.name")
    'etl'
    >>> conf.get("spark.executor.cores", "1")
    '1'
    """

    __module__ = "minispark"

    #: What `SparkContext.setSystemProperty` set, for configurations made later.
    defaults: ClassVar[dict[str, str]] = {}
    #: What `minispark run --properties-file` names.
    properties_file: ClassVar[str | None] = None

    def __init__(
        self,
        loadDefaults: bool = True,
        _jvm: object = None,
        _jconf: object = None,
        _values: dict[str, str] | None = None,
    ) -> None:
        self._values: dict[str, str] = dict(_values or {})
        if loadDefaults:
            for key, value, origin in ambient(
                SparkConf.defaults, SparkConf.properties_file, os.environ
            ):
                # System properties may be anything; as in Spark only these are settings.
                if key.startswith(("spark.", "minispark.")) and key not in self._values:
                    self._set(key, value, f" (from {origin})")

    def set(self, key: str, value: object) -> SparkConf:
        """Sets one key; a value its key cannot have is refused.

        Examples
        --------
        >>> SparkConf().set("spark.task.maxFailures", 2).get("spark.task.maxFailures")
        '2'
        >>> SparkConf().set("spark.task.maxFailures", "many")
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkValueError: [INVALID_CONF_VALUE] spark.task.maxFailures: ...
        """
        return self._set(key, value)

    def _set(self, key: str, value: object, origin: str = "") -> SparkConf:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        known = KNOWN.get(key)
        if known is not None:
            try:
                known[0](text)
            except ValueError as error:
                raise PySparkValueError(
                    f"{key}: expected {error}, got {text!r}{origin}",
                    "INVALID_CONF_VALUE",
                    {"key": key, "value": text},
                ) from None
        self._values[key] = text
        return self

    def setIfMissing(self, key: str, value: object) -> SparkConf:
        """Sets one key unless it is set already.

        Examples
        --------
        >>> conf = SparkConf(False).setIfMissing("spark.app.name", "first")
        >>> conf.setIfMissing("spark.app.name", "second").get("spark.app.name")
        'first'
        """
        return self if key in self._values else self.set(key, value)

    def setMaster(self, value: str) -> SparkConf:
        """Sets the master: what runs the tasks.

        Examples
        --------
        >>> SparkConf().setMaster("local[2]").get("spark.master")
        'local[2]'
        """
        return self.set("spark.master", value)

    def setAppName(self, value: str) -> SparkConf:
        """Sets the name of the application.

        Examples
        --------
        >>> SparkConf().setAppName("etl").get("spark.app.name")
        'etl'
        """
        return self.set("spark.app.name", value)

    def setSparkHome(self, value: str) -> SparkConf:
        """Accepted for compatibility; nothing needs it.

        Examples
        --------
        >>> SparkConf().setSparkHome("/anywhere").get("spark.home")
        '/anywhere'
        """
        return self.set("spark.home", value)

    def setExecutorEnv(
        self,
        key: str | None = None,
        value: str | None = None,
        pairs: Iterable[tuple[str, str]] | None = None,
    ) -> SparkConf:
        """Sets environment variables of the executors: one, or all of `pairs`.

        Examples
        --------
        >>> SparkConf(False).setExecutorEnv("TZ", "UTC").getAll()
        [('spark.executorEnv.TZ', 'UTC')]
        """
        if (key is None) == (pairs is None):
            raise PySparkValueError(
                "Either pass one key-value pair or a list of pairs",
                "KEY_VALUE_PAIR_REQUIRED",
            )
        for name, text in [(key, value)] if pairs is None else pairs:
            self.set(f"spark.executorEnv.{name}", text)
        return self

    def setAll(self, pairs: Iterable[tuple[str, str]]) -> SparkConf:
        """Sets several keys.

        Examples
        --------
        >>> SparkConf(False).setAll([("a", "1"), ("b", "2")]).getAll()
        [('a', '1'), ('b', '2')]
        """
        for key, value in pairs:
            self.set(key, value)
        return self

    @overload
    def get(self, key: str) -> str | None: ...
    @overload
    def get(self, key: str, defaultValue: None) -> str | None: ...
    @overload
    def get(self, key: str, defaultValue: str) -> str: ...
    def get(self, key: str, defaultValue: str | None = None) -> str | None:
        """The value of a key as text, or the default.

        Examples
        --------
        >>> SparkConf(False).get("spark.app.name", "none given")
        'none given'
        """
        return self._values.get(key, defaultValue)

    def getAll(self) -> list[tuple[str, str]]:
        """All pairs that are set.

        Examples
        --------
        >>> SparkConf(False).setAppName("etl").getAll()
        [('spark.app.name', 'etl')]
        """
        return list(self._values.items())

    def contains(self, key: str) -> bool:
        """Whether a key is set.

        Examples
        --------
        >>> SparkConf(False).setAppName("etl").contains("spark.app.name")
        True
        """
        return key in self._values

    def toDebugString(self) -> str:
        """All pairs, one per line, sorted.

        Examples
        --------
        >>> print(SparkConf(False).setAppName("etl").setMaster("local").toDebugString())
        spark.app.name=etl
        spark.master=local
        """
        return "\n".join(f"{k}={v}" for k, v in sorted(self._values.items()))

    def value(self, key: str) -> Any:
        """The parsed value of a known key: as set, else its default, else None.

        Examples
        --------
        >>> SparkConf(False).set("spark.executor.memory", "2g").value("spark.executor.memory")
        2147483648
        """
        parse, default = KNOWN[key]
        text = self._values.get(key, default)
        return None if text is None else parse(text)

    def copy(self) -> SparkConf:
        """An independent copy.

        Examples
        --------
        >>> conf = SparkConf(False).setAppName("etl")
        >>> conf.copy().setAppName("other").get("spark.app.name"), conf.get("spark.app.name")
        ('other', 'etl')
        """
        return SparkConf(False, _values=self._values)
