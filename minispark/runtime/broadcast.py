"""Broadcast variables: a value shipped to each node once, read by its tasks.

The driver writes the value to a file in its own node directory; every other
node copies the file once; executors map it and keep the loaded value while
memory allows. Inside a closure only the id travels; the closure's bytes keep the
file (`BroadcastFile`) as long as they exist.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from minispark.errors import PySparkRuntimeError
from minispark.held import hold
from minispark.ids import BroadcastId
from minispark.runtime.current import current_task

T = TypeVar("T")


class BroadcastFile:
    """Stands for the file of a broadcast, which goes when nobody holds this any more.

    The user's `Broadcast` holds it, and so do the pickled bytes of every
    function that refers to the broadcast.
    """

    __slots__ = ("__weakref__", "bid")

    def __init__(self, bid: BroadcastId) -> None:
        self.bid: BroadcastId = bid


class BroadcastOwner(Protocol):
    """What the driver does for its broadcasts."""

    def pin_broadcast(self, file: BroadcastFile) -> None:
        """Keeps the file for good: nobody can tell who may still name it."""

    def load_broadcast(self, bid: BroadcastId) -> Any:
        """A fresh copy of the value."""

    def unpersist_broadcast(self, bid: BroadcastId, destroy: bool, blocking: bool) -> None:
        """Drops the executors' copies; with `destroy` the file too."""


class Broadcast(Generic[T]):
    """A read-only value that every task can reach through `value`.

    Examples
    --------
    >>> table = sc.broadcast({"a": 1, "b": 2})
    >>> sc.parallelize(["a", "b", "a"]).map(lambda k: table.value[k]).collect()
    [1, 2, 1]
    >>> table.destroy()
    """

    __module__ = "minispark"

    def __init__(
        self,
        bid: BroadcastId,
        owner: BroadcastOwner | None,
        file: BroadcastFile | None = None,
    ) -> None:
        self.id = bid
        self._owner = owner
        self._file = file
        self._destroyed = False

    @property
    def value(self) -> T:
        """The broadcast value; loaded when it is first asked for.

        Examples
        --------
        >>> sc.broadcast([1, 2]).value
        [1, 2]
        """
        if not hasattr(self, "_value"):
            if self._destroyed:
                raise PySparkRuntimeError(
                    f"Broadcast({self.id}) was destroyed and cannot be read any more",
                    "BROADCAST_DESTROYED",
                )
            if self._owner is not None:
                self._value: T = self._owner.load_broadcast(self.id)
            else:
                task = current_task()
                if task is None:
                    raise PySparkRuntimeError(
                        f"Broadcast({self.id}) was unpickled outside a task and has no value",
                        "BROADCAST_VARIABLE_NOT_LOADED",
                    )
                self._value = task.executor.broadcasts.get(self.id)
        return self._value

    def dump(self, value: T, f: BinaryIO) -> None:
        """Pickles a value into an open binary file, and closes it.

        Examples
        --------
        >>> words = sc.broadcast(["a", "b"])
        >>> with open(tmp_path / "value", "wb") as file:
        ...     words.dump(words.value, file)
        >>> words.load_from_path(str(tmp_path / "value"))
        ['a', 'b']
        """
        pickle.dump(value, f, pickle.HIGHEST_PROTOCOL)
        f.close()

    def load(self, file: BinaryIO) -> T:
        """The value that `dump` wrote, from an open binary file.

        Examples
        --------
        >>> words = sc.broadcast(["a", "b"])
        >>> with open(tmp_path / "value", "wb") as file:
        ...     words.dump([1], file)
        >>> with open(tmp_path / "value", "rb") as file:
        ...     words.load(file)
        [1]
        """
        value: T = pickle.load(file)
        return value

    def load_from_path(self, path: str) -> T:
        """The value that `dump` wrote to a file.

        Examples
        --------
        >>> words = sc.broadcast(["a", "b"])
        >>> with open(tmp_path / "value", "wb") as file:
        ...     words.dump([1], file)
        >>> words.load_from_path(str(tmp_path / "value"))
        [1]
        """
        with open(path, "rb") as file:
            return self.load(file)

    def unpersist(self, blocking: bool = False) -> None:
        """Drops the executors' copies; they are sent again when needed.

        Examples
        --------
        >>> words = sc.broadcast(["a", "b"])
        >>> words.unpersist()
        >>> sc.parallelize([1]).map(lambda i: words.value[i]).collect()
        ['b']
        """
        self._require_owner("unpersist").unpersist_broadcast(self.id, False, blocking)

    def destroy(self, blocking: bool = False) -> None:
        """Removes all data of the broadcast; it cannot be used afterwards.

        Examples
        --------
        >>> words = sc.broadcast(["a", "b"])
        >>> words.destroy()
        >>> words.value
        Traceback (most recent call last):
            ...
        minispark.errors.PySparkRuntimeError: [BROADCAST_DESTROYED] ...
        """
        self._require_owner("destroy").unpersist_broadcast(self.id, True, blocking)
        self._destroyed = True
        self.__dict__.pop("_value", None)

    def _require_owner(self, method: str) -> BroadcastOwner:
        if self._owner is None:
            raise PySparkRuntimeError(
                f"Broadcast.{method}() can only be called on the driver",
                "INVALID_BROADCAST_OPERATION",
                {"operation": method},
            )
        return self._owner

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self._destroyed:
            raise PySparkRuntimeError(
                f"Broadcast({self.id}) was destroyed and cannot be used in a closure",
                "BROADCAST_DESTROYED",
            )
        if self._file is not None and self._owner is not None and not hold(self._file):
            # Among the user's data, or pickled by the user.
            self._owner.pin_broadcast(self._file)
        return _in_task, (self.id,)

    def __repr__(self) -> str:
        return f"Broadcast({self.id})"


def _in_task(bid: BroadcastId) -> Broadcast[Any]:
    return Broadcast(bid, None)
