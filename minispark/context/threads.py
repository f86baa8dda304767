"""Threads that submit jobs with the properties of the thread that started them.

An ordinary thread begins without job group, tags and local properties; these
begin with a copy. What a thread sets later stays its own.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from minispark.context._base import _ContextBase
from minispark.errors import PySparkRuntimeError

T = TypeVar("T")
#: A context, and the properties and tags that a thread had set on it.
_Snapshot = tuple[_ContextBase, dict[str, str], frozenset[str]]


def _snapshot() -> _Snapshot:
    context = _ContextBase._active_spark_context
    if context is None:
        raise PySparkRuntimeError(
            "there is no active SparkContext whose properties a thread could inherit"
        )
    properties = context._properties
    return context, dict(properties.values), frozenset(properties.tags)


def _restore(snapshot: _Snapshot) -> None:
    context, values, tags = snapshot
    context._properties.values = dict(values)
    context._properties.tags = set(tags)


class InheritableThread(threading.Thread):
    """A thread that inherits local properties, job group and tags when it starts.

    Examples
    --------
    >>> from minispark import InheritableThread
    >>> seen = []
    >>> def work():
    ...     seen.append(sc.getLocalProperty("color"))
    >>> sc.setLocalProperty("color", "red")
    >>> thread = InheritableThread(target=work)
    >>> thread.start()
    >>> thread.join()
    >>> sc.setLocalProperty("color", None)
    >>> seen
    ['red']
    """

    __module__ = "minispark"

    def __init__(
        self, target: Callable[..., Any], *args: Any, session: Any = None, **kwargs: Any
    ) -> None:
        def with_properties(*a: Any, **k: Any) -> Any:
            _restore(self._inherited)
            return target(*a, **k)

        # By position there is only Thread's `group`, as in PySpark.
        super().__init__(*args, target=with_properties, **kwargs)  # type: ignore[misc]

    def start(self) -> None:
        """Takes the properties of this moment along and starts the thread.

        Examples
        --------
        >>> from minispark import InheritableThread
        >>> thread = InheritableThread(target=print, args=("hello",))
        >>> thread.start(); thread.join()
        hello
        """
        self._inherited = _snapshot()
        super().start()


def inheritable_thread_target(f: Any) -> Any:
    """Wraps a function for a thread: it runs with this thread's properties of now.

    For threads that are not made here, such as those of a pool. Given a session
    instead of a function, it is a decorator, as in PySpark.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from minispark import inheritable_thread_target
    >>> sc.setLocalProperty("color", "blue")
    >>> look = inheritable_thread_target(lambda: sc.getLocalProperty("color"))
    >>> sc.setLocalProperty("color", None)
    >>> with ThreadPoolExecutor(1) as pool:
    ...     pool.submit(look).result()
    'blue'
    """
    wrap = functools.partial(_wrapped, _snapshot())
    return wrap if hasattr(f, "sparkContext") else wrap(f)


def _wrapped(snapshot: _Snapshot, f: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> T:
        _restore(snapshot)
        return f(*args, **kwargs)

    return wrapped
