"""Accumulators: added to by tasks, read by the driver.

A task gets its own copy, starting from the parameter's zero; what it added
travels with the task's result. The scheduler says which results count, so a
partition computed twice counts once in an action.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from minispark.errors import PySparkRuntimeError
from minispark.ids import AccumulatorId
from minispark.runtime.current import current_task

T = TypeVar("T")


class AccumulatorParam(Generic[T]):
    """How values of one type start and add up; subclass to accumulate others.

    Examples
    --------
    >>> from minispark import AccumulatorParam
    >>> class Longest(AccumulatorParam):
    ...     def zero(self, value):
    ...         return ""
    ...     def addInPlace(self, a, b):
    ...         return max(a, b, key=len)
    >>> longest = sc.accumulator("", Longest())
    >>> sc.parallelize(["a", "ccc", "bb"]).foreach(longest.add)
    >>> longest.value
    'ccc'
    """

    __module__ = "minispark"

    def zero(self, value: T) -> T:
        """The neutral value to start from, given the initial one.

        Examples
        --------
        >>> sc.accumulator(7).accum_param.zero(7)
        0
        """
        raise NotImplementedError(f"{type(self).__name__}.zero(value) must be defined")

    def addInPlace(self, value1: T, value2: T) -> T:
        """Adds two values; may change and return `value1`.

        Examples
        --------
        >>> sc.accumulator(7).accum_param.addInPlace(2, 3)
        5
        """
        raise NotImplementedError(f"{type(self).__name__}.addInPlace(a, b) must be defined")


class AddingAccumulatorParam(AccumulatorParam[Any]):
    """Adds with `+`, starting from a given zero."""

    def __init__(self, zero_value: Any) -> None:
        self.zero_value = zero_value

    def zero(self, value: Any) -> Any:
        return self.zero_value

    def addInPlace(self, value1: Any, value2: Any) -> Any:
        value1 += value2
        return value1


class Accumulator(Generic[T]):
    """A shared variable that tasks only add to and only the driver reads.

    Updates made in an action count once per partition; updates made in a
    transformation count again whenever it is recomputed.

    Examples
    --------
    >>> seen = sc.accumulator(0)
    >>> sc.parallelize([1, 2, 3], 2).foreach(lambda x: seen.add(1))
    >>> seen.value
    3
    >>> seen += 10
    >>> print(seen)
    13
    """

    __module__ = "minispark"

    def __init__(self, aid: AccumulatorId, value: T, accum_param: AccumulatorParam[T]) -> None:
        self.aid = aid
        self.accum_param = accum_param
        self._value = value
        self._deserialized = False

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        zero = self.accum_param.zero(self._value)
        return _in_task, (self.aid, zero, self.accum_param)

    @property
    def value(self) -> T:
        """The sum so far; on the driver only.

        Examples
        --------
        >>> sc.accumulator(1.5).value
        1.5
        """
        if self._deserialized:
            raise PySparkRuntimeError(
                "Accumulator.value cannot be accessed inside tasks",
                "VALUE_NOT_ACCESSIBLE",
                {"value": "Accumulator.value"},
            )
        return self._value

    @value.setter
    def value(self, value: T) -> None:
        if self._deserialized:
            raise PySparkRuntimeError(
                "Accumulator.value cannot be accessed inside tasks",
                "VALUE_NOT_ACCESSIBLE",
                {"value": "Accumulator.value"},
            )
        self._value = value

    def add(self, term: T) -> None:
        """Adds a term.

        Examples
        --------
        >>> total = sc.accumulator(0)
        >>> sc.parallelize([1, 2, 3]).foreach(total.add)
        >>> total.value
        6
        """
        self._value = self.accum_param.addInPlace(self._value, term)

    def __iadd__(self, term: T) -> Accumulator[T]:
        self.add(term)
        return self

    def __str__(self) -> str:
        return str(self._value)

    def __repr__(self) -> str:
        return f"Accumulator<id={self.aid}, value={self._value}>"


class _Registry(Protocol):
    accumulators: dict[AccumulatorId, Accumulator[Any]]


def _in_task(aid: AccumulatorId, zero: Any, param: AccumulatorParam[Any]) -> Accumulator[Any]:
    """The task's own copy; one per task, however often the closure names it."""
    task = current_task()
    registry: dict[AccumulatorId, Accumulator[Any]] = task.accumulators if task else {}
    existing = registry.get(aid)
    if existing is not None:
        return existing
    accumulator = Accumulator(aid, zero, param)
    accumulator._deserialized = True
    registry[aid] = accumulator
    return accumulator


def param_for(value: Any) -> AccumulatorParam[Any]:
    """The parameter for a number; anything else needs one from the user."""
    if isinstance(value, int):
        return AddingAccumulatorParam(0)
    if isinstance(value, float):
        return AddingAccumulatorParam(0.0)
    if isinstance(value, complex):
        return AddingAccumulatorParam(0.0j)
    raise TypeError(f"No default accumulator param for type {type(value)}; pass accum_param")
