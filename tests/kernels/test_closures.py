"""A closure that cannot be shipped says what in it is to blame."""

from __future__ import annotations

import functools
import pickle
import socket
import threading
import warnings

import pytest

from minispark import closures
from minispark.closures import dumps_closure
from minispark.errors import PySparkPicklingError, PySparkRuntimeError

LOCK = threading.Lock()


class Refuses:
    def __reduce__(self):
        raise PySparkRuntimeError("An RDD cannot be used here", "SPARK-5063")


class Holder:
    def __init__(self, part):
        self.part = part

    def method(self, x):
        return x


def locks_it():
    """A function by value, as those of `__main__` are."""

    def inner(x):
        return LOCK

    return inner


def mutual():
    def ping(n):
        return pong(n)

    def pong(n):
        return ping(n) or lock

    lock = threading.Lock()
    return ping


def deep():
    nest = []
    for _ in range(100_000):
        nest = [nest]
    return nest


def capturing(value):
    return lambda x: value


CULPRITS = [
    (lambda: capturing(threading.Lock()), "variable 'value' captured by a lambda is a lock"),
    (locks_it, "global 'LOCK' used by inner is a lock"),
    (
        lambda: capturing({"a": [1, (n for n in [1])]}),
        "the value at key 'a' -> element 1 of a list is a generator",
    ),
    (lambda: capturing(socket.socket.__new__(socket.socket)), "a socket"),
    (lambda: Holder(threading.Lock()).method, "attribute 'part' of Holder is a lock"),
    (
        lambda: functools.partial(print, threading.Lock()),
        "argument 0 of functools.partial is a lock",
    ),
    (mutual, "variable 'lock' captured by pong is a lock"),
    (lambda: lambda x, k=LOCK: x, "default of argument 'k' of a lambda"),
    (lambda: capturing(threading.Event()), "attribute '_cond' of Event"),
]


@pytest.mark.parametrize(("make", "words"), CULPRITS)
def test_the_culprit_is_named(make, words):
    with pytest.raises(PySparkPicklingError) as caught:
        dumps_closure(make(), "map at job.py:3")
    assert words in str(caught.value)
    assert "map at job.py:3" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_an_open_file_is_named(tmp_path):
    with open(tmp_path / "f", "w") as f, pytest.raises(PySparkPicklingError, match="an open file"):
        dumps_closure(capturing(f))


def test_what_refuses_by_itself_keeps_its_type_and_text():
    with pytest.raises(PySparkRuntimeError, match="An RDD cannot be used here") as caught:
        dumps_closure(capturing(Refuses()))
    assert caught.value.getCondition() == "SPARK-5063"
    assert "variable 'value' captured by a lambda" in str(caught.value)


def test_nesting_beyond_recursion_is_an_error_that_names_it():
    with pytest.raises(PySparkPicklingError, match="'value' captured by a lambda is nested"):
        dumps_closure(capturing(deep()))


def test_a_good_closure_round_trips():
    assert pickle.loads(dumps_closure(capturing(5)))(0) == 5


def test_large_closures_warn_once_per_call_site(monkeypatch):
    monkeypatch.setattr(closures, "_warned", set())
    big = capturing(b"x" * (closures.CLOSURE_WARN_BYTES + 1))
    with pytest.warns(UserWarning, match=r"'value' captured by a lambda.*broadcast"):
        dumps_closure(big, "map at a.py:1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dumps_closure(big, "map at a.py:1")
        dumps_closure(capturing(1), "map at a.py:2")
