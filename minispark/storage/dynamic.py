"""Classes of the user's program in data: written once per stream, then named.

A class of `__main__`, or made inside of a function, exists by name in no other
process: it travels by value, which takes 1 to 4 KB and a fraction of a
millisecond. Records come in frames, so a stream of frames carries a table: the
first frame that needs a class brings it, later ones refer to it.

`ClassWriter` is one stream being written. A reader gives all frames of one stream,
in order, the same `ClassReader`. Both keep their classes alive; the process
remembers a class as long as anybody does, so that it stays the same one in
all streams.
"""

from __future__ import annotations

import io
import pickle
import weakref
from typing import Any

import cloudpickle

#: Classes of this process by the digest of their pickled definition.
_known: weakref.WeakValueDictionary[bytes, type] = weakref.WeakValueDictionary()

#: Digest and pickled definition of classes, as they are now: a class may change, so
#: this is kept for one task at most.
Definitions = dict[type, tuple[bytes, bytes]]


def _class_of(digest: bytes) -> type:
    """The class that a frame names; the table of its stream brought it."""
    return _known[digest]


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, but classes that it would write by value are named."""

    def __init__(self, file: io.BytesIO, stream: ClassWriter, buffers: Any) -> None:
        super().__init__(file, 5, buffer_callback=buffers)
        self._stream = stream

    def reducer_override(self, obj: Any) -> Any:
        named = self._stream.named
        if type(obj) in named:
            return NotImplemented  # most are instances of such classes
        if not isinstance(obj, type):
            return super().reducer_override(obj)
        if obj in named:
            return _class_of, (named[obj],)
        reduced = super().reducer_override(obj)
        # What travels by value is a skeleton with a state; the rest has a name.
        if not isinstance(reduced, tuple) or len(reduced) < 3:
            return reduced
        return _class_of, (self._stream.add(obj),)


class ClassWriter:
    """The classes that one stream of frames has brought so far.

    Streams written at the same time share `definitions`.
    """

    def __init__(self, definitions: Definitions | None = None) -> None:
        self._definitions = {} if definitions is None else definitions
        self.named: dict[type, bytes] = {}
        #: Definitions that the next frame brings.
        self._new: list[tuple[bytes, bytes]] = []

    def add(self, cls: type) -> bytes:
        """Brings a class with the next frame; gives what names it."""
        found = self._definitions.get(cls)
        if found is None:
            # Imported here: it loads OpenSSL, for the records of few programs (ADR 0032).
            import hashlib

            blob = cloudpickle.dumps(cls, 5)
            found = self._definitions[cls] = hashlib.blake2b(blob, digest_size=16).digest(), blob
            _known[found[0]] = cls
        self.named[cls] = found[0]
        self._new.append(found)
        return found[0]

    def dumps(self, value: Any, buffers: Any = None) -> tuple[bytes, bytes]:
        """The table that the frame brings, empty where it brings none, and the pickle.

        A frame that could not be pickled brings nothing.
        """
        before = dict(self.named)
        file = io.BytesIO()
        try:
            _Pickler(file, self, buffers).dump(value)
            return pickle.dumps(self._new, 5) if self._new else b"", file.getvalue()
        except BaseException:
            self.named = before
            raise
        finally:
            self._new = []


class ClassReader:
    """The classes that the frames of one stream brought, while it is read."""

    def __init__(self) -> None:
        self._classes: list[type] = []

    def learn(self, table: bytes | bytearray | memoryview) -> None:
        """Takes in what a frame brings, before its records are loaded."""
        for digest, blob in pickle.loads(table):
            cls = _known.get(digest)
            if cls is None:
                cls = cloudpickle.loads(blob)
                _known[digest] = cls
            self._classes.append(cls)
