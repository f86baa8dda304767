"""The Ray of this process: starts an embedded one, joins a running one, ends what it started.

Theory. Ray has one connection per process, so this module keeps the only
reference to it, counted by users:

- Everything is done on one thread that lasts as long as the process: the
  kernel ends Ray's helpers with the *thread* that started them
  (PR_SET_PDEATHSIG), not with the process.
- A Ray that the user started is used and never shut down.
- An embedded Ray listens on the loopback interface only, asks for a token,
  keeps its files below a private directory, and never looks for other Rays.
- The environment is changed while Ray is imported and started, and restored.

Knows nothing of executors.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from minispark.errors import PySparkRuntimeError
from minispark.runtime.launch import ray_lean
from minispark.runtime.launch.ray_address import reachable
from minispark.runtime.launch.ray_start import (
    EmbeddedRay,
    environment,
    import_ray,
    refresh_token,
    start_embedded,
    start_environment,
)
from minispark.runtime.launch.ray_thread import RayThread


class RaySession:
    """A use of this process's Ray, until `release()`."""

    def __init__(self, ray: Any, is_embedded: bool, has_hash_seed: bool) -> None:
        #: The module `ray`, connected.
        self.ray = ray
        #: Whether it is ours, on this machine only.
        self.is_embedded = is_embedded
        #: Whether its workers have PYTHONHASHSEED=0 by inheritance.
        self.has_hash_seed = has_hash_seed


class _State:
    """What this process has of Ray. Touched on the Ray thread only."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.thread = RayThread()
        #: Started or joined by us, so ours to shut down.
        self.is_ours = False
        self.is_embedded = False
        self.num_cpus = 0
        #: What it was told to have besides.
        self.resources: dict[str, float] = {}
        self.users = 0
        #: What is to be removed with an embedded Ray.
        self.embedded: EmbeddedRay | None = None
        #: Whether Ray may start by itself when the user calls it; None: not imported yet.
        self.auto_connect: bool | None = None
        self.token = secrets.token_hex(32)


_lock = threading.Lock()
_current: _State | None = None
#: What must end before Ray does when the interpreter exits: the user's context
#: is stopped later, because Ray was imported after it was made.
stop_at_exit: set[Callable[[], None]] = set()


def _state() -> _State:
    global _current
    with _lock:
        # A forked child has no Ray thread, and the Ray it inherited is not its own.
        if _current is None or _current.pid != os.getpid():
            _current = _State()
        return _current


def acquire_local(
    num_cpus: int, base: str, resources: Mapping[str, float] | None = None
) -> RaySession:
    """An embedded Ray of at least `num_cpus`; reuses the one there is. Blocks for seconds.

    `resources` are what it shall believe to have besides: `gpu`, or names of one's own.
    """
    state = _state()
    wanted = dict(resources or {})
    return _to_end_at_exit(state.thread.call(lambda: _acquire_local(state, num_cpus, base, wanted)))


def acquire_cluster(address: str) -> RaySession:
    """Joins the cluster at `address` (`auto` or `host:port`). Blocks for a second."""
    state = _state()
    return _to_end_at_exit(state.thread.call(lambda: _acquire_cluster(state, address)))


def _to_end_at_exit(session: RaySession) -> RaySession:
    # Registered after Ray's own, hence run before it.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)
    return session


def release(session: RaySession, keep_alive: bool = False) -> None:
    """Ends a use; the last one shuts Ray down unless it is kept for the next context."""
    state = _state()

    def end() -> None:
        state.users = max(0, state.users - 1)
        if not state.users and not (keep_alive and state.is_embedded):
            _shutdown(state)

    state.thread.call(end)
    state.thread.retire(lambda: state.is_ours)


def shutdown_embedded() -> None:
    """Ends the Ray that was kept for a next context. Does nothing while one is in use."""
    state = _current
    if state is not None and state.pid == os.getpid():
        state.thread.call(lambda: None if state.users else _shutdown(state))
        state.thread.retire(lambda: state.is_ours)


def _at_exit() -> None:
    state = _current
    if state is not None and state.pid == os.getpid():
        for stop in list(stop_at_exit):
            stop()
        state.thread.call(lambda: _shutdown(state, is_exit=True))


# ---------------------------------------------------------------- on the Ray thread


def _acquire_local(
    state: _State, num_cpus: int, base: str, resources: dict[str, float]
) -> RaySession:
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        if not state.is_ours:
            return RaySession(ray, is_embedded=False, has_hash_seed=False)
        is_enough = state.num_cpus >= num_cpus and state.resources == resources
        if state.users or (state.is_embedded and is_enough):
            state.users += 1
            return RaySession(ray, state.is_embedded, has_hash_seed=state.is_embedded)
        _shutdown(state)
    with start_environment(state.token):
        ray = _imported(state)
        state.embedded = start_embedded(ray, num_cpus, base, resources)
    state.is_ours = state.is_embedded = True
    state.num_cpus = num_cpus
    state.resources = resources
    state.users = 1
    return RaySession(ray, is_embedded=True, has_hash_seed=True)


def _imported(state: _State) -> Any:
    ray, may_connect = import_ray()
    # Read from the environment when Ray is imported, which the user's program
    # may have done before.
    if state.auto_connect is None:
        state.auto_connect = may_connect
    return ray


def _acquire_cluster(state: _State, address: str) -> RaySession:
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        if not state.is_ours:
            return RaySession(ray, is_embedded=False, has_hash_seed=False)
        if not state.is_embedded:
            state.users += 1
            return RaySession(ray, is_embedded=False, has_hash_seed=False)
        if state.users:
            raise PySparkRuntimeError(
                "this process runs an embedded Ray; stop its context before joining a cluster"
            )
        _shutdown(state)
    with environment({"RAY_DEDUP_LOGS": "0"}):
        ray = _imported(state)
        with ray_lean.quiet():
            ray.init(
                address=reachable(address),
                logging_level=logging.ERROR,
                configure_logging=False,
                log_to_driver=False,
            )
    state.is_ours = True
    state.is_embedded = False
    state.users = 1
    return RaySession(ray, is_embedded=False, has_hash_seed=False)


def _shutdown(state: _State, is_exit: bool = False) -> None:
    if state.is_ours:
        ray = sys.modules["ray"]
        try:
            if ray.is_initialized():
                ray.shutdown()
        finally:
            from ray._private import auto_init_hook

            auto_init_hook.enable_auto_connect = state.auto_connect is not False and not is_exit
            if state.is_embedded:
                # The user's own Ray, started next, has another token.
                refresh_token()
            state.is_ours = state.is_embedded = False
            state.users = 0
            atexit.unregister(_at_exit)
            embedded, state.embedded = state.embedded, None
            if embedded is not None:
                embedded.close()
