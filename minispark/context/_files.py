"""Files that the user sends along with the tasks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from minispark.context._base import path_text
from minispark.context._status import _Status
from minispark.errors import InvalidPathError, PySparkNotImplementedError, PySparkValueError

# What few programs need is imported where it is used (ADR 0032).

_CHUNK = 1 << 20


class _Files(_Status):
    """Adds files; tasks find them with `SparkFiles`."""

    _added_files: dict[str, None]
    _added_archives: dict[str, None]

    def _started(self, pyFiles: Iterable[str]) -> None:
        self._added_files = {}
        self._added_archives = {}
        for path in (*pyFiles, *self._listed("spark.submit.pyFiles")):
            self.addPyFile(path)
        for path in self._listed("spark.files"):
            self.addFile(path)
        for path in self._listed("spark.archives"):
            self.addArchive(path)

    def _listed(self, key: str) -> list[str]:
        return [path.strip() for path in self._conf.get(key, "").split(",") if path.strip()]

    def addFile(self, path: str, recursive: bool = False) -> None:
        """Brings a file to every node; `SparkFiles.get` finds it by its name.

        `path` is local, of any file system that can be read, or an HTTP
        address. A local directory needs `recursive`. A path that was added
        before is not read again.

        Examples
        --------
        >>> from pathlib import Path
        >>> from minispark import SparkFiles
        >>> _ = (tmp_path / "words.txt").write_text("a b")
        >>> sc.addFile(str(tmp_path / "words.txt"))
        >>> def words(i):
        ...     return Path(SparkFiles.get("words.txt")).read_text()
        >>> sc.parallelize([0]).map(words).collect()
        ['a b']
        """
        self._add_file(path_text("path", path), recursive, is_code=False)

    def _add_file(self, path: str, recursive: bool, is_code: bool) -> None:
        from minispark.kernels.filesystem import filesystem_of, normalize

        self._assert_active()
        uri = _uri(path)
        if uri in self._added_files:
            return
        shared = self._engine.driver.shared
        if not _is_web(path):
            local = normalize(path)
            info = filesystem_of(local).status(local)
            if info is None:
                raise InvalidPathError(f"path does not exist: {path}", "PATH_NOT_FOUND")
            if info.is_dir:
                if not recursive:
                    raise PySparkValueError(
                        f"{path} is a directory; pass recursive=True to add all of it",
                        "UNSUPPORTED_ADD_FILE.DIRECTORY",
                    )
                shared.add(_name(path), "tree", _packed(local), is_code)
                self._added_files[uri] = None
                return
        shared.add(_name(path), "file", _chunks(path), is_code)
        self._added_files[uri] = None

    def addPyFile(self, path: str) -> None:
        """Brings a module (.py) or a package (.zip, .egg) to every node, to be imported.

        Examples
        --------
        >>> path = tmp_path / "minispark_example_module.py"
        >>> _ = path.write_text("def double(x): return 2 * x")
        >>> sc.addPyFile(str(path))
        >>> def doubled(x):
        ...     import minispark_example_module
        ...     return minispark_example_module.double(x)
        >>> sc.parallelize([1, 2]).map(doubled).collect()
        [2, 4]
        """
        self._add_file(path_text("path", path), recursive=True, is_code=True)

    def addArchive(self, path: str) -> None:
        """Brings an archive (zip, jar, tar, tar.gz, tgz) to every node, unpacked.

        The directory has the archive's name, or what follows a `#` in `path`.

        Examples
        --------
        >>> import os, zipfile
        >>> from minispark import SparkFiles
        >>> with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        ...     archive.writestr("one.txt", "1")
        >>> sc.addArchive(str(tmp_path / "data.zip") + "#unpacked")
        >>> sc.parallelize([0]).map(lambda i: os.listdir(SparkFiles.get("unpacked"))).collect()
        [['one.txt']]
        """
        from minispark.kernels.filesystem import filesystem_of, normalize

        self._assert_active()
        text = path_text("path", path)
        source, _, name = text.partition("#")
        uri = _uri(source) + text[len(source) :]
        if uri in self._added_archives:
            return
        if not _is_web(source):
            local = normalize(source)
            info = filesystem_of(local).status(local)
            if info is None or info.is_dir:
                raise InvalidPathError(f"archive does not exist: {source}", "PATH_NOT_FOUND")
        self._engine.driver.shared.add(name or _name(source), "archive", _chunks(source), False)
        self._added_archives[uri] = None

    @property
    def listFiles(self) -> list[str]:
        """The files that were added, archives aside.

        Examples
        --------
        >>> isinstance(sc.listFiles, list)
        True
        """
        return list(self._added_files)

    @property
    def listArchives(self) -> list[str]:
        """The archives that were added.

        Examples
        --------
        >>> isinstance(sc.listArchives, list)
        True
        """
        return list(self._added_archives)

    def stop(self) -> None:
        """Ends the context, its executors and all it wrote; may be called twice."""
        self._engine.driver.shared.close()
        super().stop()


def _is_web(path: str) -> bool:
    from urllib.parse import urlsplit

    return urlsplit(path).scheme in ("http", "https", "ftp")


def _uri(path: str) -> str:
    from minispark.kernels.filesystem import normalize

    text = path if _is_web(path) else normalize(path)
    return f"file:{text}" if text.startswith("/") else text


def _name(path: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(path).path.rstrip("/").rpartition("/")[2] or path


def _open(path: str) -> BinaryIO:
    from minispark.kernels.filesystem import normalize, open_input

    if not _is_web(path):
        return open_input(normalize(path))
    from urllib.request import urlopen

    stream: BinaryIO = urlopen(path)
    return stream


def _chunks(path: str) -> Iterator[bytes]:
    with _open(path) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _packed(directory: str) -> Iterator[bytes]:
    """A local directory as the bytes of a tar file."""
    if not os.path.isdir(directory):
        raise PySparkNotImplementedError(
            f"{directory}: only local directories can be added; add its files one by one, "
            "or an archive of it with addArchive()"
        )
    import tarfile
    import tempfile

    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.add(directory, arcname=".")
        file.seek(0)
        while chunk := file.read(_CHUNK):
            yield chunk
