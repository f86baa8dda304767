"""`pyspark.serializers`: names for `SparkContext(serializer=...)`, which is not heeded.

Records always travel pickled, in batches of the engine's own choice. The
objects can be made, and dump and load a single value.
"""

from __future__ import annotations

import marshal
import pickle
from typing import Any

import cloudpickle

__all__ = [
    "AutoBatchedSerializer",
    "BatchedSerializer",
    "CPickleSerializer",
    "CloudPickleSerializer",
    "MarshalSerializer",
    "NoOpSerializer",
    "PickleSerializer",
    "Serializer",
    "UTF8Deserializer",
]


class Serializer:
    """Turns a value into bytes and back."""

    def dumps(self, obj: Any) -> bytes:
        """The value as bytes."""
        return pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, obj: bytes) -> Any:
        """The value that `dumps` turned into these bytes."""
        return pickle.loads(obj)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class CPickleSerializer(Serializer):
    """Python's pickle."""


PickleSerializer = CPickleSerializer


class CloudPickleSerializer(Serializer):
    """Pickle that takes functions and classes along by value."""

    def dumps(self, obj: Any) -> bytes:
        """The value as bytes."""
        return bytes(cloudpickle.dumps(obj))


class MarshalSerializer(Serializer):
    """Python's marshal: built-in types only."""

    def dumps(self, obj: Any) -> bytes:
        """The value as bytes."""
        return marshal.dumps(obj)

    def loads(self, obj: bytes) -> Any:
        """The value that `dumps` turned into these bytes."""
        return marshal.loads(obj)


class NoOpSerializer(Serializer):
    """Bytes as they are."""

    def dumps(self, obj: Any) -> bytes:
        """The bytes themselves."""
        return bytes(obj)

    def loads(self, obj: bytes) -> Any:
        """The bytes themselves."""
        return obj


class UTF8Deserializer(Serializer):
    """Text in UTF-8; bytes without `use_unicode`."""

    def __init__(self, use_unicode: bool = True) -> None:
        self.use_unicode = use_unicode

    def loads(self, obj: bytes) -> Any:
        """The text, or the bytes."""
        return obj.decode("utf-8") if self.use_unicode else obj


class BatchedSerializer(Serializer):
    """Another serializer, for lists of values."""

    def __init__(self, serializer: Serializer, batchSize: int = -1) -> None:
        self.serializer = serializer
        self.batchSize = batchSize

    def dumps(self, obj: Any) -> bytes:
        """The value as bytes."""
        return self.serializer.dumps(obj)

    def loads(self, obj: bytes) -> Any:
        """The value that `dumps` turned into these bytes."""
        return self.serializer.loads(obj)


class AutoBatchedSerializer(BatchedSerializer):
    """A batched serializer that chooses the size itself."""

    def __init__(self, serializer: Serializer, bestSize: int = 1 << 16) -> None:
        super().__init__(serializer, 0)
        self.bestSize = bestSize
