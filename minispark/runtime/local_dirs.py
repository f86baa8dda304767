"""Local directories of an application: made private, found stale, removed at the end.

Layout::

    <base>/minispark-<uid>/            0700, shared by all applications of one user
        .lock                          flock'ed while directories appear or go
        <application id>/              0700
            .lock                      flock'ed by its owner for as long as it lives
            .tenants                   flock'ed, shared, by others that work in it

Liveness is the kernel's: a lock goes with the process that holds it, however
it ended, so a directory whose locks are free belongs to nobody. (A node's
directory outlives its agent, which is restarted, through the executors.) Making a
directory and judging others happen under the shared lock, hence nobody ever
sees a directory that is not locked *yet*. What is to be deleted is renamed
first, so a half-deleted directory is never taken for a living one.

Knows nothing of what is kept in the directories.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping

from minispark.errors import PySparkRuntimeError

#: The longest path of a Unix socket on every system we know (macOS: 104 with the NUL).
MAX_SOCKET_PATH = 103

_LOCK = ".lock"
_TENANTS = ".tenants"
_TRASH = ".trash-"


def local_base_dir(conf: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> str:
    """The directory for local files: `SPARK_LOCAL_DIRS`, `spark.local.dir` or the system's.

    As in Spark the environment, which an administrator sets, wins. Of a list
    the first that can be used is taken.
    """
    wanted = environ.get("SPARK_LOCAL_DIRS") or conf.get("spark.local.dir") or ""
    candidates = [part.strip() for part in wanted.split(",") if part.strip()]
    for candidate in candidates:
        path = os.path.abspath(os.path.expanduser(candidate))
        with contextlib.suppress(OSError):
            os.makedirs(path, exist_ok=True)
        if os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK):
            return path
    if candidates:
        raise PySparkRuntimeError(
            f"no directory of spark.local.dir / SPARK_LOCAL_DIRS can be written to: {wanted}"
        )
    return tempfile.gettempdir()


class AppDir:
    """A private directory that exists as long as this process, or until `close()`."""

    def __init__(self, path: str, lock_fd: int) -> None:
        #: Absolute path, mode 0700.
        self.path = path
        self._lock_fd = lock_fd
        self._pid = os.getpid()
        self._short: str | None = None
        self._closed = False

    def socket_path(self, name: str) -> str:
        """A path for a Unix socket: here, or in a short place when this one is too long."""
        path = os.path.join(self.path, name)
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            return path
        if self._short is None:
            self._short = tempfile.mkdtemp(prefix="ms-", dir="/tmp")
        return os.path.join(self._short, name)

    def close(self) -> None:
        """Removes the directory with everything in it. Idempotent.

        In a forked child nothing happens: the directory is the parent's.
        """
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        root, name = os.path.split(self.path)
        # Somebody may have removed it before us; then there is nothing left to do.
        with contextlib.suppress(FileNotFoundError):
            with _locked(root):
                trash = _to_trash(root, name)
            shutil.rmtree(trash, ignore_errors=True)
        os.close(self._lock_fd)
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)

    def __enter__(self) -> AppDir:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_app_dir(base: str, app_id: str, reuse: bool = False) -> AppDir:
    """Makes `<base>/minispark-<uid>/<app_id>/`, and removes what dead owners left.

    When the name is taken by a living owner, a suffix is added. `reuse` takes
    over a directory of this name whose owner is gone, with its files.
    """
    root = _user_root(base)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", app_id).lstrip(".") or "app"
    with _locked(root):
        trash = _collect_stale(root, keep=name if reuse else None)
        while True:
            path = os.path.join(root, name)
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
            lock_fd = _try_lock(os.path.join(path, _LOCK))
            if lock_fd is not None:
                break
            name = f"{name[:40]}-{os.urandom(3).hex()}"
    for stale in trash:
        shutil.rmtree(stale, ignore_errors=True)
    return AppDir(path, lock_fd)


def occupy(path: str) -> int:
    """Keeps a directory from being found stale as long as this process lives; the lock."""
    fd = os.open(os.path.join(path, _TENANTS), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def _user_root(base: str) -> str:
    root = os.path.join(os.path.abspath(base), f"minispark-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(root, 0o700)
    status = os.lstat(root)
    # In a directory like /tmp anybody may have made it before us.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PySparkRuntimeError(
            f"{root} is not a directory of this user; remove it or set spark.local.dir"
        )
    if status.st_mode & 0o077:
        os.chmod(root, 0o700)
    return root


@contextlib.contextmanager
def _locked(root: str) -> Iterator[None]:
    fd = os.open(os.path.join(root, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _try_lock(path: str) -> int | None:
    """The descriptor of the lock, or None when somebody else holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _collect_stale(root: str, keep: str | None) -> list[str]:
    """Renames directories without an owner; the caller holds the root's lock."""
    trash = []
    for entry in os.scandir(root):
        if not entry.is_dir(follow_symlinks=False) or entry.name == keep:
            continue
        if entry.name.startswith(_TRASH):
            # Its remover died, or is at work: deleting twice does no harm.
            trash.append(entry.path)
            continue
        fd = _try_lock(os.path.join(entry.path, _LOCK))
        if fd is not None:
            if not _has_tenants(entry.path):
                trash.append(_to_trash(root, entry.name))
            os.close(fd)
    return trash


def _has_tenants(path: str) -> bool:
    if not os.path.exists(os.path.join(path, _TENANTS)):
        return False
    fd = _try_lock(os.path.join(path, _TENANTS))
    if fd is not None:
        os.close(fd)
    return fd is None


def _to_trash(root: str, name: str) -> str:
    trash = os.path.join(root, f"{_TRASH}{os.urandom(6).hex()}")
    os.rename(os.path.join(root, name), trash)
    return trash
