"""Files of the user on every node: `addFile`, `addPyFile`, `addArchive`.

The driver packs each into one file of its node directory and tells every
executor of it before the next task; an executor unpacks what its node lacks,
once per node. On the driver's own node the driver has done so already. Must not
know: jobs, and how files travel between nodes.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import io
import os
import shutil
import sys
import threading
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

from minispark.errors import PySparkRuntimeError, PySparkValueError
from minispark.ids import NodeId
from minispark.runtime.boot import DRIVER_NODE
from minispark.runtime.current import current_task
from minispark.storage.checked import StepSums
from minispark.storage.files import NodeFiles

#: Below the node directory: where the user finds the files, unpacked.
_ROOT = "userfiles"
#: Files that are directories of modules to Python.
PACKAGES = (".zip", ".egg", ".jar")


class SharedFile(NamedTuple):
    """One thing that was added, as executors are told of it."""

    #: Grows; names the packed file.
    number: int
    #: Below the root directory.
    name: str
    #: `"file"`, `"tree"` (a packed directory) or `"archive"`.
    kind: str
    relpath: str
    size: int
    crc: int
    #: Python finds modules in it.
    is_code: bool


class SparkFiles:
    """Finds what `SparkContext.addFile` and its like brought to this node.

    Examples
    --------
    >>> from minispark import SparkFiles
    >>> _ = (tmp_path / "factor.txt").write_text("100")
    >>> sc.addFile(str(tmp_path / "factor.txt"))
    >>> def scaled(numbers):
    ...     with open(SparkFiles.get("factor.txt")) as file:
    ...         factor = int(file.read())
    ...     return [n * factor for n in numbers]
    >>> sc.parallelize([1, 2, 3]).mapPartitions(scaled).collect()
    [100, 200, 300]
    """

    __module__ = "minispark"

    _root_directory: ClassVar[str | None] = None

    def __init__(self) -> None:
        raise NotImplementedError("Do not construct SparkFiles objects; its methods are static")

    @classmethod
    def get(cls, filename: str) -> str:
        """The absolute path of an added file, here: on the driver or in a task.

        Examples
        --------
        >>> _ = (tmp_path / "some-words.txt").write_text("to be")
        >>> sc.addFile(str(tmp_path / "some-words.txt"))
        >>> open(SparkFiles.get("some-words.txt")).read()
        'to be'
        """
        return os.path.abspath(os.path.join(cls.getRootDirectory(), filename))

    @classmethod
    def getRootDirectory(cls) -> str:
        """The directory that holds all added files on this node.

        Examples
        --------
        >>> import os
        >>> os.path.isdir(SparkFiles.getRootDirectory())
        True
        """
        task = current_task()
        root = cls._root_directory if task is None else task.executor.user_files.root
        if root is None:
            raise PySparkRuntimeError("there is no active SparkContext")
        return root


class SharedFiles:
    """The driver's side: packs, remembers and tells."""

    def __init__(self, files: NodeFiles, overwrite: bool) -> None:
        self._files = files
        self._overwrite = overwrite
        self._lock = threading.Lock()
        self._entries: dict[str, SharedFile] = {}
        self._told = 0
        self.root: str = files.path(_ROOT)
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        self._on_path: list[str] = []
        SparkFiles._root_directory = self.root

    def add(self, name: str, kind: str, chunks: Iterable[bytes], is_code: bool) -> None:
        """Packs one thing and unpacks it here; the next task of an executor sees it."""
        if name in ("", ".", "..") or "/" in name:
            raise PySparkValueError(f"a file cannot be added under the name {name!r}")
        with self._lock:
            number = self._told + 1
            relpath = f"shared/{number}"
            sums = StepSums()
            size = self._files.write_atomic(relpath, sums.passed(chunks))
            entry = SharedFile(number, name, kind, relpath, size, sums.crc, is_code)
            old = self._entries.get(name)
            if old is not None and (old.kind, old.size, old.crc) == (kind, size, entry.crc):
                self._files.remove(relpath)
                return
            if old is not None and not self._overwrite:
                self._files.remove(relpath)
                raise PySparkValueError(
                    f"another file named {name!r} was added before; rename this one, or set "
                    "spark.files.overwrite to replace it",
                    "FILE_ALREADY_ADDED",
                )
            _unpack(entry, self._files.map_read(relpath), self.root)
            self._entries[name] = entry
            self._told = number
            if is_code:
                self._on_path += _put_on_path(entry, self.root)

    def tell(self, link: Any) -> None:
        """Sends the list to an executor unless it has it; under the driver's lock."""
        if link.files != self._told:
            link.send_ctl(("files", tuple(self._entries.values())))
            link.files = self._told

    def close(self) -> None:
        """Forgets what points into the directory, which is about to go."""
        for path in self._on_path:
            with contextlib.suppress(ValueError):
                sys.path.remove(path)
        if SparkFiles._root_directory == self.root:
            SparkFiles._root_directory = None


class UserFiles:
    """The executor's side: has everything in place before a task starts."""

    def __init__(self, files: NodeFiles, node_id: NodeId, reader: Any) -> None:
        self._files = files
        self._is_driver_node = node_id == DRIVER_NODE
        self._reader = reader
        self._lock = threading.Lock()
        self._missing: list[SharedFile] = []
        self._done: set[int] = set()
        self.root: str = files.path(_ROOT)

    def learn(self, entries: Sequence[SharedFile]) -> None:
        """The driver's list, whole."""
        with self._lock:
            self._missing = [entry for entry in entries if entry.number not in self._done]

    def prepare(self) -> None:
        """Brings to this node what it lacks."""
        if not self._missing:
            return
        with self._lock:
            for entry in list(self._missing):
                if not self._is_driver_node:
                    self._fetch(entry)
                if entry.is_code:
                    _put_on_path(entry, self.root)
                self._done.add(entry.number)
                self._missing.remove(entry)

    def _fetch(self, entry: SharedFile) -> None:
        """The kernel frees the lock of an executor that dies meanwhile."""
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        marker = self._files.path(f"{entry.relpath}.unpacked")
        os.makedirs(os.path.dirname(marker), mode=0o700, exist_ok=True)
        with open(f"{marker}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(marker):
                return
            _unpack(entry, self._reader.fetch_file(DRIVER_NODE, entry.relpath), self.root)
            with open(marker, "x"):
                pass


def _unpack(entry: SharedFile, data: memoryview, root: str) -> None:
    """Puts the thing into the root directory, complete or not at all."""
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise PySparkRuntimeError(f"the added file {entry.name} arrived damaged")
    target = os.path.join(root, entry.name)
    temp = os.path.join(root, f".{entry.number}.{os.getpid()}")
    try:
        if entry.kind == "file":
            with open(temp, "xb") as file:
                file.write(data)
        else:
            _extract(data, temp)
        if os.path.isdir(target) and not os.path.islink(target):
            shutil.rmtree(target)
        os.replace(temp, target)
    except BaseException:
        if os.path.isdir(temp):
            shutil.rmtree(temp, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temp)
        raise


def _extract(data: memoryview, directory: str) -> None:
    # Imported here: archives are few programs' (ADR 0032).
    import tarfile
    import zipfile

    stream = io.BytesIO(data)
    os.mkdir(directory, 0o700)
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            archive.extractall(directory)
        return
    stream.seek(0)
    try:
        with tarfile.open(fileobj=stream) as packed:
            if hasattr(tarfile, "data_filter"):
                packed.extractall(directory, filter="data")
            else:
                packed.extractall(directory)
    except tarfile.ReadError as error:
        raise PySparkValueError(
            f"not an archive (expected zip, jar, tar, tar.gz or tgz): {error}"
        ) from error


def _put_on_path(entry: SharedFile, root: str) -> list[str]:
    """Lets Python find the modules; gives what was new."""
    is_package = entry.name.lower().endswith(PACKAGES) or entry.kind == "tree"
    paths = [root, os.path.join(root, entry.name)] if is_package else [root]
    new = [path for path in paths if path not in sys.path]
    for path in new:
        sys.path.insert(1, path)
    importlib.invalidate_caches()
    return new
