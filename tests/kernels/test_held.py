"""Bytes that keep alive what they name."""

from __future__ import annotations

import pickle
import threading
import weakref
from typing import Any

from minispark.closures import dumps_closure
from minispark.held import HoldingBytes, hold


class Token:
    """What is held."""


class Named:
    """Pickled as a word; its token is held by the bytes."""

    def __init__(self) -> None:
        self.token = Token()
        self.was_held: list[bool] = []

    def __reduce__(self) -> tuple[Any, ...]:
        self.was_held.append(hold(self.token))
        return str, ("a name",)


def test_the_bytes_hold_it_and_nothing_else_does() -> None:
    named = Named()
    token = weakref.ref(named.token)
    data = dumps_closure((1, named))
    other = dumps_closure([named])
    del named
    assert token() is not None
    assert pickle.loads(data) == (1, "a name")
    del data
    assert token() is not None
    del other
    assert token() is None


def test_what_travels_is_plain() -> None:
    data = dumps_closure(Named())
    assert type(data) is HoldingBytes
    assert data == bytes(data)
    copy = pickle.loads(pickle.dumps((data, data), 5))
    assert copy == (data, data)
    assert type(copy[0]) is bytes


def test_without_anything_held_they_are_plain() -> None:
    assert type(dumps_closure(len)) is bytes


def test_outside_of_closures_nobody_holds() -> None:
    named = Named()
    assert pickle.loads(pickle.dumps(named)) == "a name"
    dumps_closure(named)
    thread = threading.Thread(target=pickle.dumps, args=(named,))
    thread.start()
    thread.join()
    assert named.was_held == [False, True, False]
