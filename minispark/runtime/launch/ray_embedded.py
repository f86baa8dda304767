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
import contextlib
import logging
import os
import queue
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from minispark.errors import PySparkRuntimeError, PySparkValueError
from minispark.runtime.launch import ray_lean, reaper
from minispark.runtime.local_dirs import AppDir, create_app_dir

_T = TypeVar("_T")
_log = logging.getLogger("minispark.launch")

#: Ray adds up to 62 bytes (`/session_<date>_<pid>/sockets/plasma_store`).
_MAX_TEMP_DIR = 42

#: No data passes through the object store; Ray refuses less than 75 MB.
_OBJECT_STORE_BYTES = 80 * 1024 * 1024

#: What the environment says while Ray is imported and an embedded one started.
_START_ENVIRONMENT = {
    # Binds every port to loopback; the address given to ray.init does not.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Otherwise equal lines of different executors are swallowed.
    "RAY_DEDUP_LOGS": "0",
    # Inherited by all workers: keys hash alike in all of them.
    "PYTHONHASHSEED": "0",
}


#: What Ray leaves in the environment; the second would take `breakpoint()` from the user.
_SET_BY_RAY = ("RAY_CLIENT_MODE", "PYTHONBREAKPOINT", "RAY_AUTH_MODE")


class RaySession:
    """A use of this process's Ray, until `release()`."""

    def __init__(self, ray: Any, is_embedded: bool, has_hash_seed: bool) -> None:
        #: The module `ray`, connected.
        self.ray = ray
        #: Whether it is ours, on this machine only.
        self.is_embedded = is_embedded
        #: Whether its workers have PYTHONHASHSEED=0 by inheritance.
        self.has_hash_seed = has_hash_seed


class _RayThread:
    """Runs functions one after the other, on one thread while Ray is ours.

    The processes of an embedded Ray end with the thread that started them.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], _T]) -> _T:
        """The function's result; the thread is started when there is none."""
        future: Future[_T] = Future()
        with self._lock:
            self._calls.put((function, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="minispark-ray", daemon=True)
                self._thread.start()
        return future.result()

    def retire(self, is_needed: Callable[[], bool]) -> None:
        """Ends the thread, unless it is needed or has something to do."""

        def leave() -> threading.Thread | None:
            with self._lock:
                if is_needed() or not self._calls.empty():
                    return None
                thread, self._thread = self._thread, None
                return thread

        thread = self.call(leave)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while self._thread is threading.current_thread():
            function, future = self._calls.get()
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
            # Or the last result would live until the next call.
            del function, future


class _State:
    """What this process has of Ray. Touched on the Ray thread only."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.thread = _RayThread()
        #: Started or joined by us, so ours to shut down.
        self.is_ours = False
        self.is_embedded = False
        self.num_cpus = 0
        self.users = 0
        self.directory: AppDir | None = None
        self.reaper: subprocess.Popen[bytes] | None = None
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


def acquire_local(num_cpus: int, base: str) -> RaySession:
    """An embedded Ray of at least `num_cpus`; reuses the one there is. Blocks for seconds."""
    state = _state()
    return _to_end_at_exit(state.thread.call(lambda: _acquire_local(state, num_cpus, base)))


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


def _at_exit() -> None:
    state = _current
    if state is not None and state.pid == os.getpid():
        for stop in list(stop_at_exit):
            stop()
        state.thread.call(lambda: _shutdown(state, is_exit=True))


# ---------------------------------------------------------------- on the Ray thread


def _acquire_local(state: _State, num_cpus: int, base: str) -> RaySession:
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        if not state.is_ours:
            return RaySession(ray, is_embedded=False, has_hash_seed=False)
        if state.users or (state.is_embedded and state.num_cpus >= num_cpus):
            state.users += 1
            return RaySession(ray, state.is_embedded, has_hash_seed=state.is_embedded)
        _shutdown(state)
    with _environment(_START_ENVIRONMENT | _token_environment(state)):
        ray = _import_ray(state)
        _refresh_token()
        try:
            directory = _start(ray, num_cpus, base, is_lean=True)
        except Exception:
            # Perhaps a version of Ray that does not start with less than all.
            _log.debug("Ray did not start without its helpers", exc_info=True)
            directory = _start(ray, num_cpus, base, is_lean=False)
    state.is_ours = state.is_embedded = True
    state.num_cpus = num_cpus
    state.users = 1
    state.directory = directory
    state.reaper = _start_reaper(directory.path)
    return RaySession(ray, is_embedded=True, has_hash_seed=True)


def _start_reaper(directory: str) -> subprocess.Popen[bytes] | None:
    """A small process that ends what a killed driver leaves; needs /proc."""
    if not os.path.isdir("/proc/self/fd"):
        return None
    return subprocess.Popen(
        [sys.executable, "-I", "-S", reaper.__file__, directory],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _end_reaper(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):
        process.communicate(b"done")


def _start(ray: Any, num_cpus: int, base: str, is_lean: bool) -> AppDir:
    directory = _private_directory(base)
    lean = ray_lean.no_extra_processes() if is_lean else contextlib.nullcontext()
    try:
        with ray_lean.loopback_only(), ray_lean.quiet(), lean:
            ray.init(
                address="local",
                num_cpus=num_cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=directory.path,
                logging_level=logging.ERROR,
                configure_logging=False,
                log_to_driver=False,
            )
    except BaseException:
        ray.shutdown()
        directory.close()
        raise
    return directory


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
    with _environment({"RAY_DEDUP_LOGS": "0"}):
        ray = _import_ray(state)
        with ray_lean.quiet():
            ray.init(
                address=_reachable(address),
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
                _refresh_token()
            state.is_ours = state.is_embedded = False
            state.users = 0
            atexit.unregister(_at_exit)
            if state.reaper is not None:
                _end_reaper(state.reaper)
                state.reaper = None
            if state.directory is not None:
                state.directory.close()
                state.directory = None


def _import_ray(state: _State) -> Any:
    try:
        import ray
        from ray._private import auto_init_hook
    except ImportError as error:
        raise PySparkRuntimeError(
            f"Ray cannot be imported ({error}); the masters 'local' and 'local-process[N]' "
            "need no Ray"
        ) from error
    # Read from the environment when Ray is imported, which the user's program
    # may have done before.
    if state.auto_connect is None:
        state.auto_connect = auto_init_hook.enable_auto_connect
    auto_init_hook.enable_auto_connect = False
    return ray


def _reachable(address: str) -> str:
    """The address of the cluster's head, if something listens there.

    Ray itself retries for minutes, among others when the address file is
    that of a cluster long gone.
    """
    from ray._private import services

    found = services.canonicalize_bootstrap_address_or_die(address)
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        raise PySparkRuntimeError(f"no Ray cluster answers at {found}: {error}") from error
    return str(found)


def _private_directory(base: str) -> AppDir:
    """A directory of our own whose path leaves room for Ray's sockets."""
    name = f"ray-{secrets.token_hex(4)}"
    root = os.path.join(os.path.abspath(base), f"minispark-{os.getuid()}", name)
    short = base if len(os.fsencode(root)) <= _MAX_TEMP_DIR else tempfile.gettempdir()
    if len(os.fsencode(short)) > _MAX_TEMP_DIR - 26:
        short = "/tmp"
    return create_app_dir(short, name)


def _token_environment(state: _State) -> dict[str, str]:
    """A token of this process, so that Ray neither writes one to the home nor warns."""
    if "RAY_AUTH_MODE" in os.environ:
        return {}  # The user decided.
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": state.token}


def _refresh_token() -> None:
    """Makes Ray read mode and token again: it caches both at import or first use."""
    from ray import _raylet  # typed without these two

    insides: Any = _raylet
    insides.Config.initialize("")
    insides.AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in (*changes, *_SET_BY_RAY)}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old


def parse_cluster_address(master: str, environ: Mapping[str, str] = os.environ) -> str:
    """What to give to Ray for a master that names a cluster: `auto` or `host:port`."""
    address = master
    if master in ("ray://auto", "auto", "ray"):
        address = environ.get("RAY_ADDRESS") or "auto"
    if address == "auto":
        return address
    host, separator, port = address.rpartition(":")
    if address.startswith("ray://") or not separator or not host or not port.isdigit():
        hint = (
            "Ray's client mode is not supported, because executors connect to the driver; "
            if address.startswith("ray://")
            else ""
        )
        raise PySparkValueError(
            f"cannot use {address!r} as a Ray cluster: {hint}run the driver on a machine of the "
            "cluster and give the head's 'host:port' or 'ray://auto'"
        )
    return address


def node_address(master: str, environ: Mapping[str, str] = os.environ) -> str:
    """This machine's address as the cluster's nodes see it. Imports no Ray, sends nothing."""
    address = parse_cluster_address(master, environ)
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return str(ray.util.get_node_ip_address())
    if address == "auto":
        directory = environ.get("RAY_TMPDIR") or "/tmp"
        try:
            with open(os.path.join(directory, "ray", "ray_current_cluster")) as file:
                address = file.read().strip()
        except FileNotFoundError:
            return socket.gethostbyname(socket.gethostname())
    host, _, port = address.rpartition(":")
    family, kind, protocol, _, target = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_DGRAM
    )[0]
    # "Connecting" a datagram socket only chooses the interface.
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(target)
        return str(probe.getsockname()[0])
