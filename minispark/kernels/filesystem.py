"""Files wherever they are: local ones by `os`, others by pyarrow.fs or fsspec.

Owns the way from a path to bytes, both directions. A local path is absolute and
has no scheme; any other is a whole URI. Must not know lines, records or splits.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import urlsplit

from minispark.errors import PySparkValueError
from minispark.records import record

#: What pyarrow.fs knows by itself; all other schemes are fsspec's.
_ARROW_SCHEMES = frozenset({"s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss"})
#: Hadoop's names of connectors to one store.
_ALIASES = {"s3a": "s3", "s3n": "s3", "wasb": "abfs", "wasbs": "abfss"}


@record
class FileInfo:
    """A file or directory that exists."""

    path: str
    #: Bytes; 0 for directories.
    size: int
    is_dir: bool = False

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]


class FileSystem(Protocol):
    """What reading and committing output need."""

    def status(self, path: str) -> FileInfo | None:
        """What is at `path`, or None when there is nothing."""

    def listing(self, path: str) -> list[FileInfo]:
        """What is directly inside a directory, by name."""

    def open_read(self, path: str) -> BinaryIO:
        """Opens for reading; the stream can seek."""

    def open_write(self, path: str) -> BinaryIO:
        """Creates a file, over one that exists."""

    def make_dirs(self, path: str) -> None:
        """Creates a directory and its parents; one that exists is fine."""

    def move(self, source: str, target: str) -> None:
        """Renames a file; replaces the target."""

    def remove_tree(self, path: str) -> None:
        """Removes a directory and what is in it; nothing there is fine."""


def normalize(path: str) -> str:
    """The form all functions here use: absolute local path, or URI with its scheme."""
    scheme = _scheme(path)
    if scheme == "":
        return _tidy(os.path.join(os.getcwd(), path))
    if scheme == "file":
        rest = path[len("file:") :]
        if rest.startswith("//") and not rest.startswith("///"):
            host, _, tail = rest[2:].partition("/")
            if host not in ("", "localhost"):
                raise PySparkValueError(
                    f"Wrong path {path!r}: a file: URI names no host (file:///{host}/{tail}?)",
                    "INVALID_PATH",
                    {"path": path},
                )
            rest = "/" + tail
        return _tidy("/" + rest.lstrip("/") if rest.startswith("/") else os.path.abspath(rest))
    return path.rstrip("/") if path.count("/") > 2 else path


def _tidy(path: str) -> str:
    # Not os.path.normpath: ".." may follow a symbolic link.
    parts = [p for p in path.split("/") if p not in ("", ".")]
    return "/" + "/".join(parts)


def _scheme(path: str) -> str:
    head, colon, _ = path.partition(":")
    if not colon or "/" in head or not head[:1].isalpha() or any(c in head for c in "*?[]{},\\"):
        return ""
    return head.lower()


def uri(path: str) -> str:
    """How Spark prints it: `file:/data/x`, `s3://bucket/x`."""
    return f"file:{path}" if path.startswith("/") else path


def filesystem_of(path: str) -> FileSystem:
    """The file system that a normalized path is on.

    Raises
    ------
    PySparkValueError
        Nothing that is installed knows the scheme.
    """
    if path.startswith("/"):
        return _LOCAL
    scheme = _scheme(path)
    arrow_scheme = _ALIASES.get(scheme, scheme)
    if arrow_scheme in _ARROW_SCHEMES:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            pass  # fsspec may know it as well
        else:
            return _ArrowFileSystem(scheme, arrow_scheme)
    return _fsspec_filesystem(scheme, path)


def _fsspec_filesystem(scheme: str, path: str) -> FileSystem:
    try:
        import fsspec  # type: ignore[import-untyped,unused-ignore]

        return _FsspecFileSystem(scheme, fsspec.filesystem(scheme))
    except (ImportError, ValueError) as e:
        raise PySparkValueError(
            f"No file system for scheme {scheme!r} (path {path!r}): {e}. Schemes besides"
            " file: need pyarrow (s3, gs, hdfs, abfs) or fsspec with the scheme's package.",
            "NO_FILE_SYSTEM",
            {"scheme": scheme, "path": path},
        ) from e


def open_input(path: str) -> BinaryIO:
    """Opens a normalized path for reading, unbuffered when it is local."""
    if path.startswith("/"):
        return _LOCAL.open_read(path)
    return filesystem_of(path).open_read(path)


class _LocalFileSystem:
    def status(self, path: str) -> FileInfo | None:
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        is_dir = stat.S_ISDIR(found.st_mode)
        return FileInfo(path, 0 if is_dir else found.st_size, is_dir)

    def listing(self, path: str) -> list[FileInfo]:
        infos = []
        with os.scandir(path) as entries:
            for e in entries:
                child = path.rstrip("/") + "/" + e.name
                if e.is_dir():
                    infos.append(FileInfo(child, 0, True))
                elif e.name[0] in "._" and not os.path.exists(child):
                    continue  # an editor's lock: a hidden link to nowhere
                else:
                    infos.append(FileInfo(child, e.stat().st_size))
        return sorted(infos, key=lambda f: f.path)

    def open_read(self, path: str) -> BinaryIO:
        return cast(BinaryIO, open(path, "rb", buffering=0))

    def open_write(self, path: str) -> BinaryIO:
        return open(path, "wb", buffering=1 << 20)

    def make_dirs(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def move(self, source: str, target: str) -> None:
        os.replace(source, target)

    def remove_tree(self, path: str) -> None:
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return


_LOCAL = _LocalFileSystem()


class _ArrowFileSystem:
    """pyarrow.fs behind the protocol; its paths have no scheme."""

    def __init__(self, scheme: str, arrow_scheme: str) -> None:
        self._scheme = scheme
        self._arrow_scheme = arrow_scheme

    def _at(self, path: str) -> tuple[Any, str]:
        from pyarrow import fs

        where = self._arrow_scheme + path[len(self._scheme) :]
        return cast("tuple[Any, str]", fs.FileSystem.from_uri(where))

    def _info(self, found: Any, path: str) -> FileInfo:
        is_dir = found.type.name == "Directory"
        return FileInfo(path, 0 if is_dir else found.size or 0, is_dir)

    def status(self, path: str) -> FileInfo | None:
        at, inner = self._at(path)
        found = at.get_file_info(inner)
        return None if found.type.name == "NotFound" else self._info(found, path)

    def listing(self, path: str) -> list[FileInfo]:
        from pyarrow import fs

        at, inner = self._at(path)
        found = at.get_file_info(fs.FileSelector(inner))
        infos = [self._info(f, f"{path.rstrip('/')}/{f.base_name}") for f in found]
        return sorted(infos, key=lambda f: f.path)

    def open_read(self, path: str) -> BinaryIO:
        at, inner = self._at(path)
        return cast(BinaryIO, at.open_input_file(inner))

    def open_write(self, path: str) -> BinaryIO:
        at, inner = self._at(path)
        return cast(BinaryIO, at.open_output_stream(inner, compression=None))

    def make_dirs(self, path: str) -> None:
        at, inner = self._at(path)
        at.create_dir(inner, recursive=True)

    def move(self, source: str, target: str) -> None:
        at, inner = self._at(source)
        at.move(inner, self._at(target)[1])

    def remove_tree(self, path: str) -> None:
        if self.status(path) is not None:
            at, inner = self._at(path)
            at.delete_dir(inner)


class _FsspecFileSystem:
    """An fsspec file system behind the protocol."""

    def __init__(self, scheme: str, fs: Any) -> None:
        self._scheme = scheme
        self._fs = fs

    def _info(self, found: Any, path: str) -> FileInfo:
        is_dir = found["type"] == "directory"
        return FileInfo(path, 0 if is_dir else int(found["size"] or 0), is_dir)

    def status(self, path: str) -> FileInfo | None:
        try:
            return self._info(self._fs.info(path), path)
        except FileNotFoundError:
            return None

    def listing(self, path: str) -> list[FileInfo]:
        infos = []
        for found in self._fs.ls(path, detail=True):
            name = found["name"].rstrip("/").rpartition("/")[2]
            infos.append(self._info(found, f"{path.rstrip('/')}/{name}"))
        return sorted(infos, key=lambda f: f.path)

    def open_read(self, path: str) -> BinaryIO:
        return cast(BinaryIO, self._fs.open(path, "rb"))

    def open_write(self, path: str) -> BinaryIO:
        return cast(BinaryIO, self._fs.open(path, "wb"))

    def make_dirs(self, path: str) -> None:
        self._fs.makedirs(path, exist_ok=True)

    def move(self, source: str, target: str) -> None:
        self._fs.mv(source, target)

    def remove_tree(self, path: str) -> None:
        if self._fs.exists(path):
            self._fs.rm(path, recursive=True)


def parent(path: str) -> str:
    """The directory a normalized path is in; of a root, the root itself."""
    if path.startswith("/"):
        return path.rpartition("/")[0] or "/"
    parts = urlsplit(path)
    return path.rpartition("/")[0] if parts.path.strip("/") else path
