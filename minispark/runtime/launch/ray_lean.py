"""Starts Ray with less than it would bring along: the one place that touches Ray's insides.

Each change is dropped when this version of Ray has no such attribute, and all
are undone when the start is over, so that the user's own Ray is untouched.
What it saves (2 cores, Ray 2.60): three Python processes, half of the time of
`ray.init` and most of that of `ray.shutdown`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


@contextlib.contextmanager
def loopback_only() -> Iterator[None]:
    """For a Ray that was imported before its environment variable was set."""
    from ray._private import ray_constants

    with _replaced(ray_constants, "ENABLE_RAY_CLUSTER", False):
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No remarks, and no thread that prints the raylet's to the user's standard output.

    What those report (a worker died) reaches the driver as an event anyway.
    """
    from ray._private import worker

    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with _replaced(worker, "listen_error_messages", _nothing):
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def no_extra_processes() -> Iterator[None]:
    """Neither autoscaler nor log monitor nor dashboard server: nobody would talk to them."""
    from ray._private import node

    with (
        _replaced(node.Node, "start_monitor", _nothing),
        _replaced(node.Node, "start_log_monitor", _nothing),
        _replaced(node.Node, "start_api_server", _nothing),
    ):
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    if not hasattr(owner, name):
        yield
        return
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
