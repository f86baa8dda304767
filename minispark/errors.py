"""Exceptions.

::

    PySparkException
    ├── PySparkTypeError (TypeError)            an argument of the wrong type
    ├── PySparkValueError (ValueError)          an argument of a wrong value
    │   └── InvalidPathError (FileNotFoundError)  an input path that is not there
    ├── PySparkImportError (ImportError), PySparkIndexError (IndexError),
    │   PySparkKeyError (KeyError), PySparkAttributeError (AttributeError),
    │   PySparkAssertionError (AssertionError)  as PySpark names them
    ├── PySparkNotImplementedError (NotImplementedError)  has no meaning without a JVM
    ├── PySparkPicklingError (pickle.PicklingError)  a closure that cannot be shipped
    └── PySparkRuntimeError (RuntimeError)      everything the engine reports
        ├── TaskError          a task failed for good: stage, partition, attempt
        ├── OutputExistsError (FileExistsError)  the directory to save to exists
        ├── CorruptFileError (OSError)  an input file is truncated or damaged
        ├── JobCancelledError  the job was cancelled, or its context stopped
        ├── ExecutorLostError  executors kept dying, or none could be started
        └── DiskFullError      the node-local directory cannot take any more

A user function's own exception reaches the caller with its own type, chained
(`__cause__`) to the `TaskError` that says where it happened.
"""

from __future__ import annotations

import contextlib
import errno
import pickle
import warnings
from collections.abc import Iterator
from typing import Any


class PySparkException(Exception):
    """Base of all exceptions of minispark, with PySpark's accessors.

    `errorClass` names the condition (`"NOT_INT"`); without a message the text is
    made of it and of its parameters.
    """

    def __init__(
        self,
        message: str | None = None,
        errorClass: str | None = None,
        messageParameters: dict[str, str] | None = None,
        contexts: list[Any] | None = None,
    ) -> None:
        if message is None:
            pairs = ", ".join(f"{k}={v}" for k, v in (messageParameters or {}).items())
            message = pairs if errorClass else ""
        super().__init__(message)
        self._message = message
        self._condition = errorClass
        self._parameters = messageParameters or {}
        self._contexts = contexts or []

    def getCondition(self) -> str | None:
        """The name of the error condition, or None."""
        return self._condition

    def getErrorClass(self) -> str | None:
        """The name of the error condition, or None (PySpark's older name; warns)."""
        warnings.warn("Deprecated in 4.0.0, use getCondition instead.", FutureWarning, 2)
        return self._condition

    def getMessageParameters(self) -> dict[str, str] | None:
        """The parameters of the error condition."""
        return self._parameters

    def getSqlState(self) -> str | None:
        """None: there is no SQL here."""
        return None

    def getQueryContext(self) -> list[Any]:
        """What was given as `contexts`; queries are SQL's."""
        return self._contexts

    def getBreakingChangeInfo(self) -> dict[str, Any] | None:
        """None: nothing here broke with a version of Spark."""
        return None

    def getMessage(self) -> str:
        """The message, with the condition where there is one."""
        return f"[{self._condition}] {self._message}" if self._condition else self._message

    def __str__(self) -> str:
        return self.getMessage()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._message, self._condition, self._parameters), {}


class PySparkTypeError(PySparkException, TypeError):
    """An argument has the wrong type."""


class PySparkValueError(PySparkException, ValueError):
    """An argument has a value that is not allowed."""


class InvalidPathError(PySparkValueError, FileNotFoundError):
    """An input path does not exist or matches nothing."""


class PySparkImportError(PySparkException, ImportError):
    """A module cannot be imported, or not in the version that is there."""


class PySparkIndexError(PySparkException, IndexError):
    """An index is out of range."""


class PySparkKeyError(PySparkException, KeyError):
    """A key is not there."""


class PySparkAttributeError(PySparkException, AttributeError):
    """An attribute is not there."""


class PySparkAssertionError(PySparkException, AssertionError):
    """Something that was asserted does not hold; `data` is what was compared."""

    def __init__(
        self,
        message: str | None = None,
        errorClass: str | None = None,
        messageParameters: dict[str, str] | None = None,
        data: Any = None,
    ) -> None:
        super().__init__(message, errorClass, messageParameters)
        self.data = data


class PySparkNotImplementedError(PySparkException, NotImplementedError):
    """The call has no meaning without a JVM; the message names what to use."""


class PySparkPicklingError(PySparkException, pickle.PicklingError):
    """A closure, or something it refers to, cannot be shipped to executors."""


class PySparkRuntimeError(PySparkException, RuntimeError):
    """The engine reports that something could not be done."""


class OutputExistsError(PySparkRuntimeError, FileExistsError):
    """The directory to save to exists already; nothing was written."""


class CorruptFileError(PySparkRuntimeError, OSError):
    """An input file is truncated or damaged; the message names it."""


class TaskError(PySparkRuntimeError):
    """A task failed for good; says which, where, and what the executor saw."""


class JobCancelledError(PySparkRuntimeError):
    """The job was cancelled, or the context was stopped while it ran."""


class ExecutorLostError(PySparkRuntimeError):
    """Executors kept dying under the job, or none could be started."""


class DiskFullError(PySparkRuntimeError):
    """A file could not be written: no space, over quota, or larger than allowed."""


_FULL = frozenset((errno.ENOSPC, errno.EFBIG, errno.EDQUOT))


@contextlib.contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Turns "no space" errors of the system into `DiskFullError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(f"Cannot write {path}: {error.strerror}") from error
        raise
