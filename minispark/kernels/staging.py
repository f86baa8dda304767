"""Who owns a staging directory of output, and what is left of owners that died.

A driver holds a lock on a file in the staging directory for as long as it
writes there. The kernel lets go of it however the driver ends, so a free lock
means that nobody will ever commit what is there. That is sure only for the
machine that made the lock (elsewhere a lock may not be seen): the file names
it by its boot, and what another machine left stays. Must not know what is in
the directory. Local and shared file systems only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from fnmatch import filter as matching

_OWNER = ".owner"


def _this_boot() -> bytes:
    """The same for all processes since this machine was started; empty if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().strip()
    except OSError:
        return b""


class Claim:
    """This process's lock on a staging directory; held until `release`."""

    def __init__(self, directory: str) -> None:
        # Under another name first: nobody must meet the file without its lock.
        path = os.path.join(directory, f"{_OWNER}-new")
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            os.write(self._fd, _this_boot())
            os.rename(path, os.path.join(directory, _OWNER))
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Lets go; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def remove_abandoned(pattern_of_names: str, folder: str) -> list[str]:
    """Removes the staging directories of dead drivers; gives their paths.

    `pattern_of_names` is a glob for the names of directories in `folder`.
    """
    removed = []
    boot = _this_boot()
    for name in sorted(matching(os.listdir(folder), pattern_of_names)):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):  # somebody else removes it, or may and we may not
            fd = os.open(os.path.join(path, _OWNER), os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if boot and os.read(fd, 100) == boot:
                    shutil.rmtree(path)
                    removed.append(path)
            finally:
                os.close(fd)
    return removed
