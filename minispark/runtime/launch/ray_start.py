"""Importing Ray and starting one of our own, with the environment as it needs to be.

Owns: the environment while Ray is imported and started, the token, the private
directory, the reaper. Must not know: who uses Ray, and until when. Everything
here runs on the Ray thread (`ray_embedded`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from minispark.errors import PySparkRuntimeError
from minispark.runtime.launch import ray_lean, reaper
from minispark.runtime.local_dirs import AppDir, create_app_dir

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
_MEMORY_THRESHOLD = "RAY_memory_usage_threshold"

#: What Ray leaves in the environment; the second would take `breakpoint()` from the user.
_SET_BY_RAY = ("RAY_CLIENT_MODE", "PYTHONBREAKPOINT", "RAY_AUTH_MODE")


class EmbeddedRay:
    """What an embedded Ray has beside its own processes."""

    def __init__(self, directory: AppDir) -> None:
        self._directory = directory
        self._reaper = _start_reaper(directory.path)

    def close(self) -> None:
        """Removes it; Ray itself has been shut down."""
        if self._reaper is not None:
            with contextlib.suppress(BrokenPipeError):
                self._reaper.communicate(b"done")
        self._directory.close()


def start_embedded(
    ray: Any, num_cpus: int, base: str, resources: Mapping[str, float]
) -> EmbeddedRay:
    """Starts a Ray on this machine, in the environment of `start_environment`.

    `resources` are what it shall believe to have besides: `gpu`, or names of one's own.
    """
    refresh_token()
    try:
        directory = _start(ray, num_cpus, base, resources, is_lean=True)
    except Exception:
        # Perhaps a version of Ray that does not start with less than all.
        _log.debug("Ray did not start without its helpers", exc_info=True)
        directory = _start(ray, num_cpus, base, resources, is_lean=False)
    return EmbeddedRay(directory)


def _start(
    ray: Any, num_cpus: int, base: str, resources: Mapping[str, float], is_lean: bool
) -> AppDir:
    directory = _private_directory(base)
    lean = ray_lean.no_extra_processes() if is_lean else contextlib.nullcontext()
    try:
        with ray_lean.loopback_only(), ray_lean.quiet(), ray_lean.prompt(), lean:
            ray.init(
                address="local",
                num_cpus=num_cpus,
                num_gpus=resources.get("gpu"),
                resources={n: amount for n, amount in resources.items() if n != "gpu"} or None,
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


def _start_reaper(directory: str) -> subprocess.Popen[bytes] | None:
    """A small process that ends what a killed driver leaves; needs /proc."""
    if not os.path.isdir("/proc/self/fd"):
        return None
    return subprocess.Popen(
        [sys.executable, "-I", "-S", reaper.__file__, directory],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _private_directory(base: str) -> AppDir:
    """A directory of our own whose path leaves room for Ray's sockets."""
    name = f"ray-{secrets.token_hex(4)}"
    root = os.path.join(os.path.abspath(base), f"minispark-{os.getuid()}", name)
    short = base if len(os.fsencode(root)) <= _MAX_TEMP_DIR else tempfile.gettempdir()
    if len(os.fsencode(short)) > _MAX_TEMP_DIR - 26:
        short = "/tmp"
    return create_app_dir(short, name)


def import_ray() -> tuple[Any, bool]:
    """(Ray, whether it may start by itself when it is called): from now on it may not."""
    try:
        import ray
        from ray._private import auto_init_hook
    except ImportError as error:
        raise PySparkRuntimeError(
            f"Ray cannot be imported ({error}); the masters 'local' and 'local-process[N]' "
            "need no Ray"
        ) from error
    may_connect = auto_init_hook.enable_auto_connect
    auto_init_hook.enable_auto_connect = False
    return ray, may_connect


def start_environment(token: str) -> contextlib.AbstractContextManager[None]:
    """The environment in which Ray is imported and an embedded one started."""
    changes = dict(_START_ENVIRONMENT)
    # Executors keep to a budget and spill. Ray's monitor kills any of them when the machine
    # is nearly full, whoever filled it: not before it is fuller than Ray thinks by default.
    changes[_MEMORY_THRESHOLD] = os.environ.get(_MEMORY_THRESHOLD, "0.97")
    if "RAY_AUTH_MODE" not in os.environ:  # else the user decided
        # A token of this process, so that Ray neither writes one to the home nor warns.
        changes |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    return environment(changes)


def refresh_token() -> None:
    """Makes Ray read mode and token again: it caches both at import or first use."""
    from ray import _raylet  # typed without these two

    insides: Any = _raylet
    insides.Config.initialize("")
    insides.AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """These variables, while it lasts; what Ray sets of its own accord goes with them."""
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
