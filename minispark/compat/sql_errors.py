"""Exceptions of Spark SQL and of the JVM: names that scripts import to catch them.

Nothing here raises them; what the engine reports is in `minispark.errors`.
"""

from __future__ import annotations

import pickle

from minispark.errors import PySparkException

__all__ = [
    "AnalysisException",
    "ArithmeticException",
    "ArrayIndexOutOfBoundsException",
    "DateTimeException",
    "IllegalArgumentException",
    "NumberFormatException",
    "ParseException",
    "PickleException",
    "PythonException",
    "QueryExecutionException",
    "SessionNotSameException",
    "SparkNoSuchElementException",
    "SparkRuntimeException",
    "SparkUpgradeException",
    "StreamingPythonRunnerInitializationException",
    "StreamingQueryException",
    "TempTableAlreadyExistsException",
    "UnknownException",
    "UnsupportedOperationException",
]


class AnalysisException(PySparkException):
    """A query's plan could not be analysed."""


class ParseException(AnalysisException):
    """A query could not be parsed."""


class TempTableAlreadyExistsException(AnalysisException):
    """A temporary view of that name exists."""


class SessionNotSameException(PySparkException):
    """Two sessions were mixed."""


class IllegalArgumentException(PySparkException, ValueError):
    """An argument that the JVM refuses."""


class NumberFormatException(IllegalArgumentException):
    """Text that is no number."""


class ArithmeticException(PySparkException, ArithmeticError):
    """Overflow, or division by zero, in an expression."""


class UnsupportedOperationException(PySparkException, NotImplementedError):
    """An operation that is not supported."""


class ArrayIndexOutOfBoundsException(PySparkException, IndexError):
    """An index outside of an array."""


class DateTimeException(PySparkException):
    """A date or time that is none."""


class StreamingQueryException(PySparkException):
    """A streaming query ended with an error."""


class StreamingPythonRunnerInitializationException(PySparkException):
    """A streaming query's Python process did not start."""


class QueryExecutionException(PySparkException):
    """A query failed."""


class PythonException(PySparkException):
    """Python code in a query failed."""


class UnknownException(PySparkException):
    """Anything else that the JVM reports."""


class SparkRuntimeException(PySparkException, RuntimeError):
    """The JVM's engine reports that something could not be done."""


class SparkUpgradeException(PySparkException):
    """A query gives another result than in an earlier version."""


class SparkNoSuchElementException(PySparkException):
    """A setting that is not there."""


class PickleException(PySparkException, pickle.PickleError):
    """Data could not be pickled."""
