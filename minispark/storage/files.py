"""The node-local directory: files that appear whole or not at all.

Owns names, atomic writing, and the files that this process has mapped or copied. Knows nothing
of what the files contain. Every executor of a node uses the same directory;
names of different attempts differ, so nobody overwrites what somebody else
reads.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import mmap
import os
import resource
import shutil
import sys
import threading
from collections.abc import Iterable

from minispark.errors import PySparkRuntimeError, disk_errors
from minispark.storage.kept import Identity, KeptFiles
from minispark.storage.mapped import let_go
from minispark.storage.resident import file_bytes

_WRITE_BUFFER = 1 << 18
#: Up to this much is copied, not mapped: that takes half the time, and no descriptor.
_SMALL_BYTES = 1 << 16
#: What the copies that are kept may take, each with something for its objects.
_COPIES_BYTES, _COPY_BYTES = 1 << 24, 1 << 10
#: Pages of mapped files that may be resident.
_RESIDENT_BYTES = 1 << 26
#: The system maps pages around those that are read, at least so many bytes.
_AROUND_BYTES = 1 << 16
#: What marks a file that is still being written.
TEMP_SUFFIX = ".tmp"


def _mapped(fd: int, size: int) -> memoryview:
    """The bytes of a file that is not empty."""
    if sys.version_info >= (3, 13):
        return memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ, trackfd=False))
    return memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ))


def open_nameless(path: str) -> int:
    """A new file without a name, in the directory of `path`.

    Nameless from the start where the system can (O_TMPFILE): a task that is
    cancelled at just this moment must not leave a name behind.
    """
    if hasattr(os, "O_TMPFILE"):
        try:
            return os.open(os.path.dirname(path), os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
                raise
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return fd


def _identity(stat: os.stat_result) -> Identity:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _copy(path: str) -> tuple[Identity, memoryview]:
    """What tells a small file from another one of its name, and its bytes."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        identity = _identity(os.fstat(fd))
        return identity, memoryview(os.read(fd, identity[1]))
    finally:
        os.close(fd)


def _map(path: str) -> tuple[Identity, memoryview]:
    """What tells the file from another one of its name, and its bytes."""
    with open(path, "rb") as file:
        stat = os.fstat(file.fileno())
        while True:
            try:
                view = _mapped(file.fileno(), stat.st_size) if stat.st_size else memoryview(b"")
            except ValueError:
                # Cut at this very moment: what is left is for the reader to judge.
                before, stat = stat.st_size, os.fstat(file.fileno())
                if stat.st_size >= before:
                    raise
            else:
                return _identity(stat), view


class NodeFiles:
    """The files of one node, as one process sees them. Thread-safe.

    Parameters
    ----------
    root
        The directory; made (0700) where it does not exist.
    max_maps
        Files kept mapped at a time; fewer where the process may open few
        files, since a mapping keeps a descriptor (before Python 3.13).
    budget
        What the process may take for data: what is kept of files is a part of it.
    """

    def __init__(self, root: str, max_maps: int = 1024, budget: int | None = None) -> None:
        self.root = root
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._maps = KeptFiles(
            max_maps if allowed == resource.RLIM_INFINITY else min(max_maps, max(16, allowed // 8))
        )
        part = _RESIDENT_BYTES if budget is None else budget // 8
        self._copies = KeptFiles(min(_COPIES_BYTES, part))
        self._max_resident = part
        #: What was resident when pages were given back last.
        self._least_resident: int | None = None
        #: Bytes read of mapped files since somebody looked.
        self._read_bytes = 0
        #: By thread: the files that it is writing.
        self._writing: dict[int, set[str]] = {}
        self._lock = threading.Lock()
        self._counter = itertools.count()
        os.makedirs(root, mode=0o700, exist_ok=True)

    def path(self, relpath: str) -> str:
        """The absolute path of a file of this directory."""
        return os.path.join(self.root, relpath)

    def temp(self, name: str) -> str:
        """An absolute path nobody else uses, in the directory of `name`."""
        path = f"{self.path(name)}.{os.getpid()}.{next(self._counter)}{TEMP_SUFFIX}"
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        return path

    def write_atomic(self, relpath: str, chunks: Iterable[bytes | memoryview]) -> int:
        """Writes a file; gives its size.

        Either the complete file is there afterwards or nothing is, whatever
        goes wrong while `chunks` are produced or written.

        Raises
        ------
        DiskFullError
            The disk, the quota or the limit of a file's size is exhausted.
        """
        temp = self.temp(relpath)
        self._writing.setdefault(threading.get_ident(), set()).add(temp)
        size = 0
        try:
            with disk_errors(relpath):
                with open(temp, "xb", buffering=_WRITE_BUFFER) as file:
                    for chunk in chunks:
                        file.write(chunk)
                        size += len(chunk)
                written = os.stat(temp).st_size
                if written != size:
                    raise PySparkRuntimeError(
                        f"Wrote {size} bytes to {relpath}, but the file has {written}"
                    )
                os.replace(temp, self.path(relpath))
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temp)
            self._forget_writing(temp)
            raise
        self._forget_writing(temp)
        return size

    def _forget_writing(self, temp: str) -> None:
        # Not in a `finally`: where that is reached by an interrupt, the file may be there.
        thread = threading.get_ident()
        writing = self._writing.get(thread, set())
        writing.discard(temp)
        if not writing:
            self._writing.pop(thread, None)

    def abandon(self) -> None:
        """Removes what this thread was writing when even its clean-up was interrupted."""
        for temp in self._writing.pop(threading.get_ident(), ()):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temp)

    def map_nameless(self, chunks: Iterable[bytes | memoryview]) -> memoryview:
        """Writes the chunks to disk and maps them; they go with the last view.

        Raises
        ------
        DiskFullError
            As `write_atomic`.
        """
        path = self.temp("spill/x")
        with disk_errors(path), open(open_nameless(path), "r+b", _WRITE_BUFFER) as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            size = file.tell()
            return _mapped(file.fileno(), size) if size else memoryview(b"")

    def exists(self, relpath: str) -> bool:
        """Whether the file is there."""
        return os.path.exists(self.path(relpath))

    def map_read(self, relpath: str) -> memoryview:
        """The file's bytes, mapped or copied; stays valid when the file is removed.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        """
        path = self.path(relpath)
        # The cache must not hide that a file was removed, replaced or cut.
        identity = _identity(os.stat(path))
        is_small = identity[1] <= _SMALL_BYTES
        kept = self._copies if is_small else self._maps
        with self._lock:
            known = kept.get(relpath, identity)
        if known is not None:
            return known
        identity, view = _copy(path) if is_small else _map(path)
        with self._lock:
            if is_small:
                self._maps.drop(relpath)
                self._copies.put(relpath, identity, view, len(view) + _COPY_BYTES)
            else:
                # Another process removes files: their space is free only when nobody
                # maps them. Two looks per new file keep the dead fewer than the living.
                self._maps.sweep(2, self.exists)
                self._copies.drop(relpath)
                # Unmapped when the last view of it goes.
                self._maps.put(relpath, identity, view, 1)
        return view

    def map_once(self, relpath: str) -> memoryview:
        """As `map_read`, for a file that is read once: mapped as long as the view lives.

        So a file that somebody else removes gives its space back at once.
        """
        return _map(self.path(relpath))[1]

    def was_read(self, num_bytes: int) -> None:
        """A part of a mapped file was read: now and then all pages go, if they are many."""
        self._read_bytes += num_bytes + _AROUND_BYTES
        if self._read_bytes < self._max_resident // 2:
            return
        self._read_bytes = 0
        now = file_bytes()
        if self._least_resident is None:
            self._least_resident = now
        elif now > self._least_resident + self._max_resident:
            with self._lock:
                views = self._maps.views()
            for view in views:
                let_go(view, 0, len(view))
            self._least_resident = file_bytes()

    def is_kept(self, relpath: str, view: memoryview) -> bool:
        """Whether `map_read` gave this view and still keeps it."""
        with self._lock:
            return self._maps.has(relpath, view) or self._copies.has(relpath, view)

    def unmap(self, prefix: str) -> None:
        """Lets go of the files whose names begin so: somebody else removes them."""
        self._forget(prefix, is_prefix=True)

    def remove(self, relpath: str) -> bool:
        """Removes one file; says whether it was there."""
        self._forget(relpath)
        try:
            os.unlink(self.path(relpath))
        except FileNotFoundError:
            return False
        return True

    def remove_prefix(self, prefix: str) -> int:
        """Removes the files and directories whose name begins so; how many.

        `"shuffle/s3_"` is the files of one shuffle, `"spill/17/"` a directory.
        """
        self._forget(prefix, is_prefix=True)
        if prefix.endswith("/"):
            path = self.path(prefix)
            if not os.path.isdir(path):
                return 0
            shutil.rmtree(path)
            return 1
        folder, start = os.path.split(self.path(prefix))
        removed = 0
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return 0
        for name in names:
            if not name.startswith(start):
                continue
            path = os.path.join(folder, name)
            try:
                if os.path.isdir(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
            except FileNotFoundError:
                continue  # somebody else of this node removed it
            removed += 1
        return removed

    def _forget(self, relpath: str, is_prefix: bool = False) -> None:
        with self._lock:
            for kept in (self._maps, self._copies):
                if is_prefix:
                    kept.drop_prefix(relpath)
                else:
                    kept.drop(relpath)
