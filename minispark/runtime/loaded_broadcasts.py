"""The values of broadcasts that one executor has loaded.

A value is loaded when a task first asks for it and kept for the next tasks, as
long as memory allows: the ones unused for longest go first, by number and by
the bytes of their files. Must not know: when a broadcast is not needed any more.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

from minispark.errors import PySparkRuntimeError
from minispark.ids import BroadcastId
from minispark.runtime.boot import DRIVER_NODE
from minispark.runtime.node_reader import NodeReader, read_verified
from minispark.storage.sealed import load_sealed

_MAX_VALUES = 64


class _Loaded(NamedTuple):
    value: Any
    num_bytes: int


class Broadcasts:
    """Values by broadcast. Thread-safe.

    Parameters
    ----------
    max_bytes
        What the files of all loaded values may sum up to. The value used last
        stays in any case.
    """

    def __init__(self, reader: NodeReader, max_bytes: int) -> None:
        self._reader = reader
        self._max_bytes = max_bytes
        self._loaded: OrderedDict[BroadcastId, _Loaded] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()
        #: One is loaded at a time. Reentrant, since what it is unpickled to may read
        #: another; and not `_lock`, since who drops one obeys cancellations, too.
        self._loading = threading.RLock()

    def get(self, bid: BroadcastId) -> Any:
        """The value, loaded unless it is still here."""
        found = self._known(bid)
        if found is None:
            with self._loading:
                found = self._known(bid) or self._keep(bid, self._load(bid))
        return found.value

    def _known(self, bid: BroadcastId) -> _Loaded | None:
        with self._lock:
            found = self._loaded.get(bid)
            if found is not None:
                self._loaded.move_to_end(bid)
            return found

    def _keep(self, bid: BroadcastId, new: _Loaded) -> _Loaded:
        with self._lock:
            kept = self._loaded.setdefault(bid, new)
            if kept is new:
                self._num_bytes += new.num_bytes
            self._loaded.move_to_end(bid)
            while len(self._loaded) > 1 and (
                len(self._loaded) > _MAX_VALUES or self._num_bytes > self._max_bytes
            ):
                self._num_bytes -= self._loaded.popitem(last=False)[1].num_bytes
            return kept

    def _load(self, bid: BroadcastId) -> _Loaded:
        def value_of(data: memoryview) -> _Loaded:
            return _Loaded(load_sealed(data, f"the file of Broadcast({bid})"), len(data))

        try:
            return read_verified(self._reader, DRIVER_NODE, f"broadcast/{bid}", value_of)
        except FileNotFoundError as error:
            raise PySparkRuntimeError(
                f"Broadcast({bid}) was destroyed and cannot be read any more",
                "BROADCAST_DESTROYED",
            ) from error

    def drop(self, bid: BroadcastId) -> None:
        """Forgets a value."""
        with self._lock:
            dropped = self._loaded.pop(bid, None)
            if dropped is not None:
                self._num_bytes -= dropped.num_bytes
