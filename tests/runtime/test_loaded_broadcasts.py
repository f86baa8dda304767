"""Loaded broadcast values: kept while there is room, the last one always."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minispark.errors import PySparkRuntimeError
from minispark.ids import BroadcastId
from minispark.runtime.driver_data import DriverData
from minispark.runtime.janitor import Janitor
from minispark.runtime.loaded_broadcasts import Broadcasts
from minispark.runtime.node_reader import SameNodeReader
from minispark.storage.files import NodeFiles


class Written:
    """Broadcast files, and an executor that loads them."""

    def __init__(self, root: Path, janitor: Janitor, max_bytes: int) -> None:
        self.files = NodeFiles(str(root))
        nodes: Any = type("Nodes", (), {"local": self.files})()
        self.data = DriverData(nodes, janitor, lambda _message: None)
        self.loaded = Broadcasts(SameNodeReader(self.files), max_bytes)
        self.held: list[Any] = []

    def new(self, value: Any) -> BroadcastId:
        file = self.data.new_broadcast(value)
        self.data.pin_broadcast(file)
        self.held.append(file)
        return file.bid

    @property
    def here(self) -> list[BroadcastId]:
        return list(self.loaded._loaded)


@pytest.fixture
def janitor() -> Iterator[Janitor]:
    janitor = Janitor()
    yield janitor
    janitor.close()


def test_the_oldest_go_by_bytes(tmp_path: Path, janitor: Janitor) -> None:
    written = Written(tmp_path, janitor, 5000)
    a, b, c = (written.new(bytes([n]) * 2000) for n in range(3))
    assert written.loaded.get(a) == bytes([0]) * 2000
    assert written.loaded.get(b) is written.loaded.get(b)
    assert written.loaded.get(a) is not None  # used again: b is the oldest now
    written.loaded.get(c)
    assert written.here == [a, c]
    assert written.loaded.get(b) == bytes([1]) * 2000
    assert written.here == [c, b]


def test_one_larger_than_the_room_stays_until_the_next(tmp_path: Path, janitor: Janitor) -> None:
    written = Written(tmp_path, janitor, 100)
    large, small = written.new(bytes(100_000)), written.new(1)
    value = written.loaded.get(large)
    assert written.loaded.get(large) is value
    assert written.loaded.get(small) == 1
    assert written.here == [small]
    assert 0 < written.loaded._num_bytes < 100


def test_the_oldest_go_by_number(tmp_path: Path, janitor: Janitor) -> None:
    written = Written(tmp_path, janitor, 1 << 30)
    bids = [written.new(n) for n in range(100)]
    assert [written.loaded.get(bid) for bid in bids] == list(range(100))
    assert written.here == bids[-64:]
    for bid in bids:
        written.loaded.drop(bid)
    assert written.here == []
    assert written.loaded._num_bytes == 0


def test_one_without_a_file_is_named(tmp_path: Path, janitor: Janitor) -> None:
    with pytest.raises(PySparkRuntimeError, match=r"Broadcast\(7\) was destroyed"):
        Written(tmp_path, janitor, 100).loaded.get(BroadcastId(7))


class _Reads:
    """Its unpickling reads another broadcast, and has one dropped by another thread."""

    loaded: Any = None

    def __init__(self, inner: BroadcastId) -> None:
        self.inner = inner

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        self.value = _Reads.loaded.get(self.inner)
        dropper = threading.Thread(target=_Reads.loaded.drop, args=(self.inner,), daemon=True)
        dropper.start()
        dropper.join(60)
        self.was_stuck = dropper.is_alive()


def test_loading_one_neither_needs_nor_delays_others(
    tmp_path: Path, janitor: Janitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written(tmp_path, janitor, 5000)
    monkeypatch.setattr(_Reads, "loaded", written.loaded)
    outer = written.new(_Reads(written.new("inner")))
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.append(written.loaded.get(outer)), daemon=True)
    reader.start()
    reader.join(120)
    assert [(one.value, one.was_stuck) for one in found] == [("inner", False)]
    assert written.here == [outer]
    assert written.loaded.get(outer) is found[0]
