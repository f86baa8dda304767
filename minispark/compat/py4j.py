"""Names that scripts catch: errors of the bridge to a JVM that is not there."""

from __future__ import annotations

from minispark.errors import PySparkRuntimeError

__all__ = ["ClientServer", "JavaObject", "Py4JError", "Py4JJavaError", "Py4JNetworkError"]

#: What the engine reports; an exception of a user's function keeps its own type.
Py4JError = PySparkRuntimeError
Py4JJavaError = PySparkRuntimeError
Py4JNetworkError = PySparkRuntimeError


class JavaObject:
    """An object of the JVM: there are none, and `isinstance` says so."""


class ClientServer:
    """The bridge with one thread of the JVM per thread of Python: not in use."""
