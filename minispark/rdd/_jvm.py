"""The error for handles on Java objects, which scripts take from PySpark's insides."""

from __future__ import annotations

from minispark.errors import PySparkNotImplementedError


class _NoJvm(PySparkNotImplementedError, AttributeError):
    """Also an AttributeError: `hasattr` says that there is none."""


def no_jvm(name: str) -> PySparkNotImplementedError:
    """The error for a handle on a JVM."""
    return _NoJvm(
        f"{name} is a handle on Java objects, and there is no JVM here; use the methods of "
        "SparkContext and RDD, and for storage the settings of pyarrow.fs and fsspec "
        "(environment variables such as AWS_ACCESS_KEY_ID)",
        "NOT_IMPLEMENTED",
        {"feature": name},
    )
